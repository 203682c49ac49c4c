#include "text.h"

#include <utf8proc.h>

#include "rules/facts.h"

static lc_text check_text(lua_State *L) {
  lc_text text;
  text.data = luaL_checklstring(L, 1, &text.size);
  return text;
}

int l_fold(lua_State *L) {
  char folded[LC_FOLDED_MAX];
  size_t size;
  lc_text text = check_text(L);
  if (lc_fold(text, folded, &size))
    lua_pushlstring(L, folded, size);
  else
    lua_pushnil(L);
  return 1;
}

static int push_normal(lua_State *L, utf8proc_option_t options) {
  lc_text text = check_text(L);
  const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text.data;
  utf8proc_ssize_t size = (utf8proc_ssize_t)text.size, count = utf8proc_decompose(bytes, size, NULL, 0, options);
  if (count >= 0) {
    utf8proc_int32_t *points = lua_newuserdata(L, ((size_t)count + 1) * sizeof *points); /* one for utf8proc_reencode's NUL */
    utf8proc_decompose(bytes, size, points, count, options);
    count = utf8proc_reencode(points, count, options);
    lua_pushlstring(L, (const char *)points, count >= 0 ? (size_t)count : 0);
  }
  return count >= 0 ? 1 : luaL_error(L, "%s", utf8proc_errmsg(count));
}

int l_nfc(lua_State *L) {
  return push_normal(L, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

int l_nfkc(lua_State *L) {
  return push_normal(L, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

int l_plain(lua_State *L) {
  return push_normal(L, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK);
}

/* The code point at the start of a text; what is ill-formed counts as one byte. */
static size_t next_point(lc_text text, utf8proc_int32_t *point) {
  utf8proc_ssize_t read = utf8proc_iterate((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size, point);
  if (read <= 0)
    *point = 0xFFFD;
  return read <= 0 ? 1 : (size_t)read;
}

static lc_text behind(lc_text text, size_t size) {
  return (lc_text){ text.data + size, text.size - size };
}

int l_text_width(lua_State *L) {
  lc_text text = check_text(L);
  lua_Integer width = 0;
  utf8proc_int32_t point;
  while (text.size > 0) {
    text = behind(text, next_point(text, &point));
    width += utf8proc_charwidth(point);
  }
  lua_pushinteger(L, width);
  return 1;
}

int l_text_cut(lua_State *L) {
  lc_text text = check_text(L), rest = text;
  lua_Integer most = luaL_checkinteger(L, 2);
  size_t end = 0, boundary = 0; /* of what fits; the last place in it where a character ends */
  utf8proc_int32_t before = 0, point, state = 0;
  for (lua_Integer i = 0; rest.size > 0; i++, before = point) {
    size_t read = next_point(rest, &point);
    if (i > 0 && utf8proc_grapheme_break_stateful(before, point, &state))
      boundary = end;
    if (i == most)
      break;
    end += read;
    rest = behind(rest, read);
  }
  size_t cut = rest.size == 0 || boundary == 0 ? end : boundary;
  lua_pushinteger(L, (lua_Integer)cut);
  return 1;
}
