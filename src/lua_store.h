/* lua_store.h - the store as a Lua object. */
#ifndef LC_LUA_STORE_H
#define LC_LUA_STORE_H

#include "lua_compat.h"
#include "store.h"

/* The userdata. It is made closed, before anything is acquired. */
typedef struct l_store {
  lc_store *store; /* NULL when closed */
} l_store;

/* core.open{path=, map_size=, max_readers=, relaxed=} -> store; nil, message, code */
int l_store_open(lua_State *L);

/* core.check_store(path) -> array of sentences; empty when the store is sound */
int l_store_check(lua_State *L);

/* Makes the metatable. */
void l_store_register(lua_State *L);

/* The store at `index`, open or closed; raises when it is none. */
l_store *l_check_store(lua_State *L, int index);

#endif
