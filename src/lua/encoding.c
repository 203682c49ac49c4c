#include "encoding.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "convert.h"

static const char *const type = "leadcat.converter";

enum { LONGEST = 64 /* bytes: more than a character has in any encoding */ };

typedef struct converter {
  iconv_t descriptor;
  bool is_open;
  char name[LONGEST];
  char rest[LONGEST]; /* the beginning of a character, whose end is still to come */
  size_t rest_size;
  unsigned long long taken; /* bytes converted */
} converter;

static bool is_name(lc_text name) {
  for (size_t i = 0; i < name.size; i++)
    if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:", name.data[i]) == NULL)
      return false;
  return name.size > 0 && name.size < LONGEST;
}

int l_converter(lua_State *L) {
  lc_error error;
  lc_text name = l_check_text(L, 1, SIZE_MAX);
  converter *c = l_push_object(L, type, sizeof *c);
  if (is_name(name)) {
    memcpy(c->name, name.data, name.size);
    c->descriptor = iconv_open("UTF-8", c->name);
    c->is_open = c->descriptor != (iconv_t)-1;
  }
  if (!c->is_open)
    return l_fail(L, lc_fail(&error, LC_INVALID, "there is no encoding '%.60s'", name.data), &error);
  return 1;
}

static int fail(lua_State *L, const converter *c, const char *what) {
  lc_error error;
  return l_fail(L, lc_fail(&error, LC_INVALID, "%s %s (byte %llu)", what, c->name, c->taken + 1), &error);
}

/* Converts all that is whole, and keeps the rest. */
static int l_convert(lua_State *L) {
  converter *c = luaL_checkudata(L, 1, type);
  luaL_checktype(L, 2, LUA_TSTRING);
  bool is_last = lua_toboolean(L, 3);
  luaL_argcheck(L, c->is_open, 1, "the converter is closed");
  lua_pushlstring(L, c->rest, c->rest_size);
  lua_pushvalue(L, 2);
  lua_concat(L, 2);
  size_t left;
  char *at = (char *)lua_tolstring(L, -1, &left); /* iconv does not write to it */
  char out[4096];
  int wrong = 0;
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  while (left > 0 && (wrong == 0 || wrong == E2BIG)) {
    char *to = out;
    size_t room = sizeof out, before = left;
    wrong = iconv(c->descriptor, &at, &left, &to, &room) == (size_t)-1 ? errno : 0;
    c->taken += before - left;
    luaL_addlstring(&text, out, (size_t)(to - out));
  }
  luaL_pushresult(&text);
  if (wrong == EILSEQ || left > sizeof c->rest)
    return fail(L, c, "there is no such character in");
  if (left > 0 && is_last)
    return fail(L, c, "it ends within a character of");
  memcpy(c->rest, at, left);
  c->rest_size = left;
  return 1;
}

static int l_close(lua_State *L) {
  converter *c = luaL_checkudata(L, 1, type);
  if (c->is_open)
    iconv_close(c->descriptor);
  c->is_open = false;
  return 0;
}

void l_encoding_register(lua_State *L) {
  l_new_type(L, type, l_close);
  luaL_getmetatable(L, type);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_convert);
  lua_setfield(L, -2, "convert");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
