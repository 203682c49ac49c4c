/* lua/handle.h - the store's methods `handle` and `overlay`, and overlays as Lua objects. */
#ifndef LC_LUA_HANDLE_H
#define LC_LUA_HANDLE_H

#include "compat.h"

/* Adds the methods, and makes the metatable of overlays. */
void l_handle_register(lua_State *L);

#endif
