#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "rules/utf8.h"

/* Any call of Lua's API may collect garbage and run finalizers. So no pointer into a Lua string outlives the next call,
 * and all scratch memory is on the C stack, or in userdata that Lua's stack keeps. */

enum {
  DEEPEST = 1000, /* lua-cjson's limit for reading: what is written can be read again */
  LONGEST_NUMBER = 40
};

/* ---- memory ------------------------------------------------------------------------------ */

typedef struct l_area {
  char *data;
  size_t used, size;
  int place; /* on the Lua stack, of the userdata that keeps it once it has grown */
} l_area;

/* A field of the object that is being written. Its name is in `names`; when ill-formed, also made well-formed. */
typedef struct l_field {
  size_t raw, raw_size, name, name_size;
  size_t from, to; /* in `out`: the field as it is written */
} l_field;

typedef struct l_writer {
  lua_State *L;
  const char *indent; /* NULL: none */
  size_t indent_size;
  l_area out, names, fields;
  char out_start[2048], names_start[1024];
  l_field fields_start[32];
} l_writer;

/* Takes three places on the stack. `indent` is the index of the indentation; 0: none. */
static void begin(lua_State *L, l_writer *w, int indent) {
  w->L = L;
  w->indent = indent != 0 ? luaL_optlstring(L, indent, NULL, &w->indent_size) : NULL;
  int top = lua_gettop(L);
  w->out = (l_area){ w->out_start, 0, sizeof w->out_start, top + 1 };
  w->names = (l_area){ w->names_start, 0, sizeof w->names_start, top + 2 };
  w->fields = (l_area){ (char *)w->fields_start, 0, sizeof w->fields_start, top + 3 };
  lua_settop(L, top + 3);
}

static void reserve(lua_State *L, l_area *area, size_t more) {
  if (area->size - area->used >= more)
    return;
  size_t size = 2 * area->size > area->used + more ? 2 * area->size : area->used + more;
  char *data = lua_newuserdata(L, size);
  memcpy(data, area->data, area->used);
  lua_replace(L, area->place);
  area->data = data;
  area->size = size;
}

static void put(lua_State *L, l_area *area, const char *data, size_t size) {
  reserve(L, area, size);
  memcpy(area->data + area->used, data, size);
  area->used += size;
}

static void put_char(l_writer *w, char c) {
  put(w->L, &w->out, &c, 1);
}

/* ---- text -------------------------------------------------------------------------------- */

/* Adds the text to the area, with U+FFFD for what is ill-formed. */
static void put_valid(lua_State *L, l_area *area, const char *text, size_t size) {
  while (size > 0) {
    size_t valid = lc_utf8_valid(text, size);
    put(L, area, text, valid);
    if (valid == size)
      return;
    put(L, area, "\xEF\xBF\xBD", 3);
    size_t skipped = valid + lc_utf8_broken(text + valid, size - valid);
    text += skipped;
    size -= skipped;
  }
}

static bool is_special(char c) {
  return (unsigned char)c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
}

static void put_escape(l_writer *w, char c) {
  static const char codes[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
  char escape[8] = { '\\' };
  const char *code = c != '\0' ? strchr(codes, c) : NULL;
  if (code != NULL)
    escape[1] = names[code - codes];
  else
    snprintf(escape + 1, sizeof escape - 1, "u%04x", (unsigned)c);
  put(w->L, &w->out, escape, strlen(escape));
}

/* Writes well-formed text. It may be in `names`. */
static void put_quoted(l_writer *w, const char *text, size_t size) {
  size_t done = 0;
  reserve(w->L, &w->out, size + 2);
  put_char(w, '"');
  for (size_t i = 0; i < size; i++) {
    if (!is_special(text[i]))
      continue;
    put(w->L, &w->out, text + done, i - done);
    put_escape(w, text[i]);
    done = i + 1;
  }
  put(w->L, &w->out, text + done, size - done);
  put_char(w, '"');
}

static void put_text(l_writer *w) {
  size_t size;
  const char *text = lua_tolstring(w->L, -1, &size);
  if (lc_utf8_valid(text, size) == size) {
    put_quoted(w, text, size);
    return;
  }
  size_t mended = w->names.used;
  put_valid(w->L, &w->names, text, size);
  put_quoted(w, w->names.data + mended, w->names.used - mended);
  w->names.used = mended;
}

/* ---- numbers ----------------------------------------------------------------------------- */

static void put_integer(l_writer *w, int64_t integer) {
  char room[L_DIGITS];
  lc_text digits = l_digits(integer, room);
  put(w->L, &w->out, digits.data, digits.size);
}

/* Replaces the locale's decimal point, which may be a comma or have several bytes. */
static void put_decimal(l_writer *w, const char *number) {
  size_t plain = strspn(number, "0123456789+-e"), other = strcspn(number + plain, "0123456789+-e");
  put(w->L, &w->out, number, plain);
  if (other != 0)
    put_char(w, '.');
  put(w->L, &w->out, number + plain + other, strlen(number + plain + other));
}

static void put_float(l_writer *w, double number) {
  char text[LONGEST_NUMBER];
  if (!isfinite(number))
    luaL_error(w->L, "cannot encode a number that is not finite");
  snprintf(text, sizeof text, "%.14g", number);
  double back = strtod(text, NULL);
  if (back < number || back > number)
    snprintf(text, sizeof text, "%.17g", number);
  put_decimal(w, text);
}

static void put_number(l_writer *w) {
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(w->L, -1)) {
    put_integer(w, lua_tointeger(w->L, -1));
    return;
  }
#endif
  double number = lua_tonumber(w->L, -1);
  if (fabs(number) < 9007199254740992.0 && (double)(int64_t)number == number) /* exact below 2^53 */
    put_integer(w, (int64_t)number);
  else
    put_float(w, number);
}

/* ---- tables ------------------------------------------------------------------------------ */

static void put_value(l_writer *w, int depth);

static void put_boolean(l_writer *w) {
  const char *word = lua_toboolean(w->L, -1) ? "true" : "false";
  put(w->L, &w->out, word, strlen(word));
}

static void put_line(l_writer *w, int depth) {
  if (w->indent == NULL)
    return;
  put_char(w, '\n');
  for (; depth > 0; depth--)
    put(w->L, &w->out, w->indent, w->indent_size);
}

static bool is_null(lua_State *L, int index) {
  return lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL;
}

/* Whether the table at the top is a list. */
static bool is_list(lua_State *L) {
  lua_rawgeti(L, -1, 1);
  bool list = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (list || !lua_getmetatable(L, -1))
    return list;
  l_push_list_mark(L);
  list = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return list;
}

static void put_list(l_writer *w, int depth) {
  lua_State *L = w->L;
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
    count++;
  if (lua_rawlen(L, -1) != count)
    luaL_error(L, "cannot encode a list that has holes or named fields");
  put_char(w, '[');
  for (size_t i = 1; i <= count; i++) {
    if (i > 1)
      put_char(w, ',');
    put_line(w, depth);
    lua_rawgeti(L, -1, (int)i);
    put_value(w, depth);
    lua_pop(L, 1);
  }
  if (count > 0)
    put_line(w, depth - 1);
  put_char(w, ']');
}

/* Keeps the name, whose text is at `index`, until the object is sorted. */
static l_field to_field(l_writer *w, int index) {
  size_t size, raw = w->names.used;
  const char *name = lua_tolstring(w->L, index, &size);
  put(w->L, &w->names, name, size);
  l_field field = { .raw = raw, .raw_size = size, .name = raw, .name_size = size };
  if (lc_utf8_valid(name, size) < size) {
    field.name = w->names.used;
    put_valid(w->L, &w->names, name, size);
    field.name_size = w->names.used - field.name;
  }
  return field;
}

/* Writes the field whose value is at the top and whose key lies below it. */
static void put_field(l_writer *w, int depth) {
  if (lua_type(w->L, -2) != LUA_TSTRING)
    luaL_error(w->L, "cannot encode a table whose keys are neither all text nor 1, 2, 3 ...");
  if (is_null(w->L, -1))
    return;
  l_field field = to_field(w, -2);
  field.from = w->out.used;
  put_line(w, depth);
  put_quoted(w, w->names.data + field.name, field.name_size);
  put_char(w, ':');
  if (w->indent != NULL)
    put_char(w, ' ');
  put_value(w, depth);
  field.to = w->out.used;
  put(w->L, &w->fields, (const char *)&field, sizeof field);
}

static int compare_names(const char *names, size_t a, size_t a_size, size_t b, size_t b_size) {
  int order = memcmp(names + a, names + b, a_size < b_size ? a_size : b_size);
  return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* By name; of equal names, one that was well-formed comes first. */
static int compare_fields(const char *names, const l_field *a, const l_field *b) {
  int order = compare_names(names, a->name, a->name_size, b->name, b->name_size);
  if (order == 0)
    order = (a->name != a->raw) - (b->name != b->raw);
  return order != 0 ? order : compare_names(names, a->raw, a->raw_size, b->raw, b->raw_size);
}

/* Shell sort with Knuth's gaps: needs no memory, and is an insertion sort when there are few. */
static void sort_fields(const char *names, l_field *fields, size_t count) {
  size_t gap = 1;
  while (gap < count / 3)
    gap = 3 * gap + 1;
  for (; gap > 0; gap /= 3)
    for (size_t i = gap; i < count; i++) {
      l_field field = fields[i];
      size_t place = i;
      for (; place >= gap && compare_fields(names, &fields[place - gap], &field) > 0; place -= gap)
        fields[place] = fields[place - gap];
      fields[place] = field;
    }
}

/* Orders the fields, written from `from` on, and puts commas between them. Of equal names it keeps the first. */
static void join_fields(l_writer *w, const l_field *fields, size_t count, size_t from) {
  size_t written = w->out.used - from;
  reserve(w->L, &w->out, written + count);
  char *to = w->out.data + w->out.used;
  for (size_t i = 0; i < count; i++) {
    const l_field *here = &fields[i];
    if (i > 0 && compare_names(w->names.data, here->name, here->name_size, here[-1].name, here[-1].name_size) == 0)
      continue;
    if (i > 0)
      *to++ = ',';
    memcpy(to, w->out.data + here->from, here->to - here->from);
    to += here->to - here->from;
  }
  size_t joined = (size_t)(to - w->out.data) - w->out.used;
  memmove(w->out.data + from, w->out.data + w->out.used, joined);
  w->out.used = from + joined;
}

static void put_object(l_writer *w, int depth) {
  lua_State *L = w->L;
  size_t names = w->names.used, fields = w->fields.used;
  put_char(w, '{');
  size_t from = w->out.used;
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
    put_field(w, depth);
  size_t count = (w->fields.used - fields) / sizeof(l_field);
  if (count > 1) {
    l_field *first = (l_field *)(void *)(w->fields.data + fields);
    sort_fields(w->names.data, first, count);
    join_fields(w, first, count, from);
  }
  w->names.used = names;
  w->fields.used = fields;
  if (count > 0)
    put_line(w, depth - 1);
  put_char(w, '}');
}

static void put_table(l_writer *w, int depth) {
  if (depth > DEEPEST)
    luaL_error(w->L, "cannot encode tables nested more than %d deep (or within themselves)", DEEPEST);
  luaL_checkstack(w->L, 8, "JSON");
  if (is_list(w->L))
    put_list(w, depth);
  else
    put_object(w, depth);
}

/* Writes the value at the top, which lies within `depth` tables. */
static void put_value(l_writer *w, int depth) {
  switch (lua_type(w->L, -1)) {
    case LUA_TSTRING: put_text(w); break;
    case LUA_TBOOLEAN: put_boolean(w); break;
    case LUA_TNUMBER: put_number(w); break;
    case LUA_TTABLE: put_table(w, depth + 1); break;
    default: luaL_error(w->L, "cannot encode a value of type %s", luaL_typename(w->L, -1));
  }
}

/* ---- entry points ------------------------------------------------------------------------ */

int l_encode(lua_State *L) {
  l_writer w;
  lua_settop(L, 2);
  begin(L, &w, 2);
  lua_pushvalue(L, 1);
  put_value(&w, 0);
  lua_pushlstring(L, w.out.data, w.out.used);
  return 1;
}

/* Begins the next field of an object whose fields come in order. */
static void put_name(l_writer *w, const char *name) {
  if (w->out.data[w->out.used - 1] != '{')
    put_char(w, ',');
  put_quoted(w, name, strlen(name));
  put_char(w, ':');
}

/* Writes only what the contract names: hosts may put anything into an actor. */
static void put_actor(l_writer *w, int depth) {
  static const char *const kept[] = { "admin", "id", "language", "name", "service" };
  put_char(w, '{');
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(w->L, -1, kept[i]);
    if (!lua_isnil(w->L, -1) && !is_null(w->L, -1)) {
      put_name(w, kept[i]);
      put_value(w, depth + 1);
    }
    lua_pop(w->L, 1);
  }
  put_char(w, '}');
}

/* Writes the value at the top as a field, if there is one, and pops it. */
static void put_kept(l_writer *w, const char *name, void (*put_it)(l_writer *w, int depth)) {
  if (lua_toboolean(w->L, -1) && !is_null(w->L, -1)) {
    put_name(w, name);
    put_it(w, 1);
  }
  lua_pop(w->L, 1);
}

/* Cuts the text at the top to so many bytes, between two characters. */
static void cut(lua_State *L, size_t most) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (size <= most)
    return;
  while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80)
    most--;
  lua_pushlstring(L, text, most);
  lua_replace(L, -2);
}

/* Writes a field of the table at the top, if it is a text, which may be cut, or a number. */
static void put_short(l_writer *w, const char *name, size_t most) {
  lua_getfield(w->L, -1, name);
  int type = lua_type(w->L, -1);
  if (type == LUA_TSTRING)
    cut(w->L, most);
  if (type == LUA_TSTRING || type == LUA_TNUMBER) {
    put_name(w, name);
    put_value(w, 1);
  }
  lua_pop(w->L, 1);
}

/* Writes no more than who or what it is. Three of these have at most 3 * 6 * (255 + 160) bytes and their names. */
static void put_brief(l_writer *w, int depth) {
  enum { LONGEST_ID = 255, LONGEST_NAME = 160 };
  (void)depth;
  put_char(w, '{');
  if (lua_istable(w->L, -1)) {
    put_short(w, "id", LONGEST_ID);
    put_short(w, "name", LONGEST_NAME);
  }
  put_char(w, '}');
}

/* Writes the details of the event at 1. */
static void put_details(l_writer *w, void (*put_person)(l_writer *w, int depth), void (*put_thing)(l_writer *w, int depth)) {
  lua_State *L = w->L;
  put_char(w, '{');
  lua_getfield(L, 1, "actor");
  put_kept(w, "actor", put_person);
  lua_pushvalue(L, 4);
  put_kept(w, "choice", put_value);
  lua_getfield(L, 1, "contact");
  put_kept(w, "contact", put_thing);
  lua_pushvalue(L, 3);
  put_kept(w, "facts", put_value);
  lua_pushvalue(L, 2);
  put_kept(w, "run", put_value);
  lua_getfield(L, 1, "sale");
  put_kept(w, "sale", put_thing);
  lua_getfield(L, 1, "undoes");
  put_kept(w, "undoes", put_value);
  put_char(w, '}');
}

/* How many bytes the facts at 3 take. */
static size_t size_of_facts(l_writer *w) {
  if (lua_isnil(w->L, 3))
    return 0;
  lua_pushvalue(w->L, 3);
  put_value(w, 1);
  lua_pop(w->L, 1);
  size_t size = w->out.used;
  w->out.used = 0;
  return size;
}

int l_event_details(lua_State *L) {
  l_writer w;
  lua_settop(L, 4);
  begin(L, &w, 0);
  size_t facts = size_of_facts(&w);
  if (facts > L_MOST_DETAILS) {
    lua_pushnil(L);
    lua_replace(L, 3);
    facts = 0;
  }
  put_details(&w, put_actor, put_value);
  if (w.out.used > L_MOST_DETAILS + facts) {
    w.out.used = 0;
    put_details(&w, put_brief, put_brief);
  }
  if (w.out.used == 2)
    lua_pushnil(L);
  else
    lua_pushlstring(L, w.out.data, w.out.used);
  return 1;
}

int l_valid_text(lua_State *L) {
  l_writer w;
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_settop(L, 1);
  if (lc_utf8_valid(text, size) == size)
    return 1;
  begin(L, &w, 0);
  put_valid(L, &w.out, text, size);
  lua_pushlstring(L, w.out.data, w.out.used);
  return 1;
}

void l_push_list_mark(lua_State *L) {
  luaL_newmetatable(L, "leadcat.list");
}
