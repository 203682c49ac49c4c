/* lua_decide.h - the decision as Lua functions: the hot path, apart from everything that does I/O. */
#ifndef LC_LUA_DECIDE_H
#define LC_LUA_DECIDE_H

#include "lua_compat.h"
#include "record.h"

/* Makes the metatable. */
void l_decide_register(lua_State *L);

/* core.store_deciders(store, tenant, repair) -> decide, evaluate: two functions of trigger, category or nil,
 * lead_status or nil. `decide` gives action, to, reason; `evaluate` the revision of the config too.
 * They answer from the tenant's newest saved config, and raise once the store is closed. When its packed
 * ruleset is damaged, repair() -> true, or nil, message, is to make it anew. */
int l_store_deciders(lua_State *L);

/* core.deciders(config) -> decide, evaluate; of a fixed config that has no errors */
int l_config_deciders(lua_State *L);

#endif
