/* lua/compat.h - Lua 5.4, 5.3, 5.2 and LuaJIT, as one. */
#ifndef LC_LUA_COMPAT_H
#define LC_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#if LUA_VERSION_NUM < 502
/* LuaJIT says that it is Lua 5.1; that one itself has no luaL_setfuncs. */
#if !__has_include(<luajit.h>)
#error "leadcat is for Lua 5.4, 5.3, 5.2 and LuaJIT, and these are the headers of Lua 5.1: LUA=luajit, or LUA_INCDIR=/usr/include/luajit-2.1"
#endif
#define lua_rawlen lua_objlen
#endif

/* As lua_rawget, and gives the type of the value. */
static inline int l_rawget(lua_State *L, int index) {
#if LUA_VERSION_NUM >= 503
  return lua_rawget(L, index);
#else
  lua_rawget(L, index);
  return lua_type(L, -1);
#endif
}

/* The number at `index` as an integer. False when it is no number, or has a fraction. */
static inline bool l_to_integer(lua_State *L, int index, int64_t *integer) {
#if LUA_VERSION_NUM >= 503
  int is_integer;
  *integer = lua_tointegerx(L, index, &is_integer);
  return is_integer != 0;
#else
  lua_Number number = lua_tonumber(L, index);
  if (!(number >= -9007199254740992.0 && number <= 9007199254740992.0))
    return false; /* NaN fails too */
  *integer = (int64_t)number;
  return (lua_Number)*integer == number && lua_isnumber(L, index);
#endif
}

/* Pushes a number, as an integer where it is one and Lua has integers. */
static inline void l_push_number(lua_State *L, double number) {
#if LUA_VERSION_NUM >= 503
  if (number >= -9007199254740992.0 && number <= 9007199254740992.0 && (double)(int64_t)number == number) {
    lua_pushinteger(L, (lua_Integer)number);
    return;
  }
#endif
  lua_pushnumber(L, number);
}

#endif
