/* lua/store.h - the store as a Lua object: opening, configs, companies, upkeep. */
#ifndef LC_LUA_STORE_H
#define LC_LUA_STORE_H

#include "compat.h"
#include "store/store.h"

/* The userdata. It is made closed, before anything is acquired. */
typedef struct l_store {
  lc_store *store; /* NULL when closed */
  const lc_watch *watch; /* of the store, while it is open */
} l_store;

/* core.open{path=, map_size=, max_readers=, relaxed=} -> store; nil, message, code */
int l_store_open(lua_State *L);

/* core.check_store(path) -> array of sentences, 200 of them and how many more; empty when the store is sound */
int l_store_check(lua_State *L);

/* Makes the metatable. */
void l_store_register(lua_State *L);

/* Adds methods to the metatable. */
void l_store_methods(lua_State *L, const luaL_Reg *methods);

/* The store at `index`, open or closed; raises when it is none. */
l_store *l_check_store(lua_State *L, int index);

/* The store that is argument 1; raises when it is closed. To be asked for behind what allocates in Lua, which may run a
 * finalizer that closes it. */
lc_store *l_check_open(lua_State *L);

/* The store in the box; raises when it is closed. */
lc_store *l_open_store(lua_State *L, const l_store *box);

/* Pushes the array of what `push` makes of each item of the store's result, 1; or nil, message, code, 3.
 * `push` does likewise. */
int l_push_results(lua_State *L, const lc_store *store, lc_status status, const lc_error *error,
                   int push(lua_State *L, lc_text item));

#endif
