/* lua/decide.h - the decision as Lua functions: the hot path, apart from everything that does I/O. */
#ifndef LC_LUA_DECIDE_H
#define LC_LUA_DECIDE_H

#include "compat.h"
#include "store/record.h"

/* Makes the metatable, and adds `decide` and `explain` to the store's methods, after l_store_register. */
void l_decide_register(lua_State *L);

/* core.store_decider(store, tenant, repair) -> decide, rules: a function of trigger, category or nil, lead_status or nil
 * that gives action, to, reason, and what it answers from, for the FFI. It answers from the tenant's newest
 * saved config, and raises once the store is closed. When its packed ruleset is damaged, repair() -> true,
 * or nil, message, is to make it anew. */
int l_store_decider(lua_State *L);

/* core.decider(config) -> decide, rules; of a fixed config that has no errors */
int l_config_decider(lua_State *L);

/* core.explainer(config) -> explain; of a fixed config that has no errors: a function of trigger, category, lead_status that
 * gives what store:explain does, with 0 for the revision */
int l_config_explainer(lua_State *L);

/* Pushes what LuaJIT's FFI needs to decide without leaving compiled code (rules/decider.lua): {answer, decide, triggers, reasons}: a
 * declaration in C, a function's address, its numbers by the triggers' names, and the reasons' names by its numbers. */
void l_push_ffi(lua_State *L);

#endif
