/* lua/handle.h - the store's method `handle`, and overlays as Lua objects. */
#ifndef LC_LUA_HANDLE_H
#define LC_LUA_HANDLE_H

#include "compat.h"

/* core.overlay() -> an overlay for store:handle's `overlay`: what would have been written is remembered in it. */
int l_overlay(lua_State *L);

/* Adds the method, and makes the metatable of overlays. */
void l_handle_register(lua_State *L);

#endif
