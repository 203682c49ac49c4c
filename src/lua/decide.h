/* lua/decide.h - decisions as Lua functions: the hot path, without I/O. */
#ifndef LC_LUA_DECIDE_H
#define LC_LUA_DECIDE_H

#include "compat.h"
#include "store/record.h"

/* Makes the metatable, and adds `decide`, `decider` and `explain` to the store's methods, after l_store_register. */
void l_decide_register(lua_State *L);

/* core.decider(config) -> decide, rules; as store:decider, of a fixed config that has no errors */
int l_config_decider(lua_State *L);

/* core.explainer(config) -> explain; of a fixed config that has no errors: a function of trigger, category, lead_status that
 * returns what store:explain does, with 0 for the revision */
int l_config_explainer(lua_State *L);

/* Pushes what LuaJIT's FFI needs to decide without leaving compiled code (rules/decider.lua): {answer, decide, triggers,
 * reasons}: a declaration in C, a function's address, its numbers by trigger name, and reason names by its numbers. */
void l_push_ffi(lua_State *L);

#endif
