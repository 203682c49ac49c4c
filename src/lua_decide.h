/* lua_decide.h - the decision as Lua functions: the hot path, apart from everything that does I/O. */
#ifndef LC_LUA_DECIDE_H
#define LC_LUA_DECIDE_H

#include "lua_compat.h"
#include "record.h"

/* Makes the metatable. */
void l_decide_register(lua_State *L);

/* Pushes two functions (trigger, category or nil, lead_status or nil): `decide` gives action, to,
 * reason; `evaluate` gives the revision of the config too. They answer from the tenant's newest
 * saved config, and raise once the store (at stack index `store`) is closed. Returns 2. */
int l_push_store_deciders(lua_State *L, int store, lc_text tenant);

/* core.deciders(config) -> decide, evaluate; of a fixed config that has no errors */
int l_config_deciders(lua_State *L);

#endif
