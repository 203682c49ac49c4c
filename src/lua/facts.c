#include "facts.h"

#include <math.h>
#include <string.h>

#include "convert.h"
#include "json.h"

static const char *const place_names[LC_FIELD_PLACES] = {
  [LC_IN_FACTS] = "facts", [LC_IN_SALE] = "sale", [LC_IN_CONTACT] = "contact", [LC_IN_ACTOR] = "actor",
};

void l_push_fields(lua_State *L, const lc_ruleset *ruleset, l_fields *fields) {
  enum { LONGEST = 256 };
  const lc_packed_field *packed = lc_ruleset_block(ruleset, LC_BLOCK_FIELDS);
  const char *texts = lc_ruleset_block(ruleset, LC_BLOCK_TEXTS);
  char names[LC_FIELDS_MAX][LONGEST];
  size_t sizes[LC_FIELDS_MAX];
  *fields = (l_fields){ .ruleset = ruleset->checksum, .count = lc_ruleset_field_count(ruleset) };
  for (int i = 0; i < LC_TRIGGERS; i++)
    fields->triggers[i] = ruleset->triggers[i].fields;
  for (int i = 0; i < LC_OWN_TRIGGERS; i++)
    fields->own[i] = lc_ruleset_trigger(ruleset, (lc_trigger)(LC_OWN_TRIGGER + i))->fields;
  for (uint32_t i = 0; i < fields->count; i++) {
    fields->places[packed[i].place] |= UINT64_C(1) << i;
    sizes[i] = packed[i].size < LONGEST ? packed[i].size : LONGEST;
    memcpy(names[i], texts + packed[i].at, sizes[i]);
  }
  luaL_checkstack(L, l_name_count(fields) + LUA_MINSTACK, "the fields of rules");
  for (int i = 0; i < LC_FIELD_PLACES; i++)
    lua_pushstring(L, place_names[i]);
  for (uint32_t i = 0; i < fields->count; i++)
    lua_pushlstring(L, names[i], sizes[i]);
}

/* Whether the table at the top is a list: has the items 1 to `*count`, and nothing else. */
static bool is_list(lua_State *L, size_t *count) {
  size_t found = 0;
  *count = lua_rawlen(L, -1);
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
    found++;
  return found == *count;
}

/* Makes the fact at `at`, which is unknown, the value of that type at the top of the stack, which is no list. */
static inline lc_status set_single(lua_State *L, int type, lc_known *known, size_t at, lc_error *error) {
  lc_text text;
  lc_fact *fact = &known->facts[at];
  if (type == LUA_TSTRING) {
    text.data = lua_tolstring(L, -1, &text.size);
    return lc_known_set_text(known, at, text, error);
  }
  if (type == LUA_TNUMBER) {
    fact->kind = LC_NUMBER;
    fact->is.number = lua_tonumber(L, -1);
  } else if (type == LUA_TBOOLEAN) {
    fact->kind = LC_BOOLEAN;
    fact->size = (uint32_t)lua_toboolean(L, -1);
  } else if (type != LUA_TNIL && !(type == LUA_TLIGHTUSERDATA && lua_touserdata(L, -1) == NULL)) { /* cjson.null */
    fact->kind = LC_STRANGE;
  }
  return LC_OK;
}

static __attribute__((noinline)) lc_status set_list(lua_State *L, lc_known *known, size_t at, lc_error *error) {
  size_t count, first;
  if (!is_list(L, &count) || count > UINT32_MAX) {
    known->facts[at].kind = LC_STRANGE;
    return LC_OK;
  }
  lc_status status = lc_known_add(known, count, &first, error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    status = set_single(L, lua_type(L, -1), known, first + i, error);
    lua_pop(L, 1);
  }
  if (status == LC_OK)
    known->facts[at] = (lc_fact){ .kind = LC_LIST, .size = (uint32_t)count, .is.at = first };
  return status;
}

/* Pushes the event's table of that place, or nil. Whether there is one. */
static bool push_place(lua_State *L, const l_reading *reading, int place) {
  lua_pushvalue(L, l_name_at(reading->names, place));
  int type = l_rawget(L, reading->event);
  if (type != LUA_TTABLE && type != LUA_TNIL)
    luaL_error(L, "event: %s must be a table, not a %s", place_names[place], luaL_typename(L, -1));
  return type == LUA_TTABLE;
}

/* Where the values of a place are: the index of the event's table, and of what the host knows, which goes before it; 0: there is
 * none. */
typedef struct tables {
  int event, answers;
} tables;

/* Pushes the event's table of the place, or nil, which will be at the index `at`. */
static inline tables push_tables(lua_State *L, const l_reading *reading, int place, int at) {
  int event = push_place(L, reading, place) ? at : 0;
  bool is_answered = place == LC_IN_FACTS && reading->answers != 0 && lua_istable(L, reading->answers);
  return (tables){ event, is_answered ? reading->answers : 0 };
}

/* Pushes what the table at the index has by that name, unless there is no table: 0. Gives its type. */
static inline int push_from(lua_State *L, int table, int name) {
  if (table == 0)
    return LUA_TNIL;
  lua_pushvalue(L, name);
  return l_rawget(L, table);
}

static inline int push_value(lua_State *L, tables from, int name) {
  int type = push_from(L, from.answers, name);
  return type != LUA_TNIL ? type : push_from(L, from.event, name);
}

/* Reads these fields of the tables; the fact of the ruleset's first field is at `first`. `top` is the top of the stack. */
static inline lc_status read_place(lua_State *L, uint64_t fields, int names, tables from, int top, lc_known *known, size_t first,
                                   lc_error *error) {
  enum { AT_ONCE = 8 /* fields whose values are left on the stack: taking each from there takes as long as reading it */ };
  lc_status status = LC_OK;
  for (int read = 1; fields != 0 && status == LC_OK; fields &= fields - 1, read++) {
    int field = __builtin_ctzll(fields);
    int type = push_value(L, from, l_name_at(names, LC_FIELD_PLACES + field));
    status = type == LUA_TTABLE ? set_list(L, known, first + (size_t)field, error)
                                : set_single(L, type, known, first + (size_t)field, error);
    if (read % AT_ONCE == 0)
      lua_settop(L, top);
  }
  return status;
}

static bool misses_fact(const lc_known *known, uint64_t fields, size_t first) {
  for (; fields != 0; fields &= fields - 1)
    if (known->facts[first + (size_t)__builtin_ctzll(fields)].kind == LC_UNKNOWN)
      return true;
  return false;
}

lc_status l_read_facts(lua_State *L, const l_reading *reading, lc_known *known, size_t *first, bool *misses, lc_error *error) {
  const uint64_t wanted = l_fields_of(reading->fields, reading->trigger);
  const int top = lua_gettop(L), names = reading->names;
  lc_status status = lc_known_add(known, reading->fields->count, first, error);
  uint64_t rest = wanted;
  for (int place = 0; rest != 0 && status == LC_OK; place++) {
    uint64_t here = rest & reading->fields->places[place];
    if (here == 0)
      continue;
    status = read_place(L, here, names, push_tables(L, reading, place, top + 1), top + 1, known, *first, error);
    lua_settop(L, top);
    rest ^= here;
  }
  *misses = status == LC_OK && misses_fact(known, wanted & reading->fields->places[LC_IN_FACTS], *first);
  return status;
}

/* Whether the value at the top is one that a condition may compare, and that JSON can say. */
static bool is_comparable(lua_State *L) {
  size_t size = 0;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN: return true;
  case LUA_TNUMBER: return isfinite(lua_tonumber(L, -1));
  case LUA_TSTRING: return lua_tolstring(L, -1, &size) != NULL && size <= LC_FACT_TEXT_MAX;
  default: return false;
  }
}

/* Puts a list in the place of the one at the top, without what is no such value. */
static void keep_comparable(lua_State *L, size_t count) {
  int kept = 0;
  lua_newtable(L);
  l_push_list_mark(L);
  lua_setmetatable(L, -2);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, -2, (int)i);
    if (is_comparable(L))
      lua_rawseti(L, -2, ++kept);
    else
      lua_pop(L, 1);
  }
  lua_replace(L, -2);
}

/* Sets the value at the top in the table at `kept`, unless it is of no use. */
static bool keep_value(lua_State *L, int kept, int name) {
  size_t count;
  if (lua_istable(L, -1) && is_list(L, &count) && count <= INT32_MAX)
    keep_comparable(L, count);
  else if (!is_comparable(L))
    return false;
  lua_pushvalue(L, name);
  lua_insert(L, -2);
  lua_rawset(L, kept);
  return true;
}

/* Pushes a table of the values of the fields; nil when there are none. */
static void keep_place(lua_State *L, uint64_t fields, int names, tables from) {
  bool any = false;
  lua_newtable(L);
  int kept = lua_gettop(L);
  for (; fields != 0; fields &= fields - 1) {
    int name = l_name_at(names, LC_FIELD_PLACES + __builtin_ctzll(fields));
    push_value(L, from, name);
    any |= lua_gettop(L) > kept && keep_value(L, kept, name);
    lua_settop(L, kept);
  }
  if (!any)
    lua_pushnil(L);
}

void l_push_facts(lua_State *L, const l_reading *reading) {
  lua_newtable(L);
  int facts = lua_gettop(L);
  for (int place = 0; place < LC_FIELD_PLACES; place++) {
    uint64_t wanted = l_fields_of(reading->fields, reading->trigger) & reading->fields->places[place];
    if (wanted == 0)
      continue;
    keep_place(L, wanted, reading->names, push_tables(L, reading, place, facts + 1));
    lua_setfield(L, facts, place_names[place]);
    lua_settop(L, facts);
  }
}

void l_push_missing(lua_State *L, const l_fields *fields, lc_trigger trigger, int names, const lc_known *known, size_t first) {
  uint64_t rest = l_fields_of(fields, trigger) & fields->places[LC_IN_FACTS];
  int count = 0;
  lua_newtable(L);
  for (; rest != 0; rest &= rest - 1) {
    int field = __builtin_ctzll(rest);
    if (known != NULL && known->facts[first + (size_t)field].kind != LC_UNKNOWN)
      continue;
    lua_pushvalue(L, l_name_at(names, LC_FIELD_PLACES + field));
    lua_rawseti(L, -2, ++count);
  }
}

static const char *const known_type = "leadcat.known";

lc_known *l_push_known(lua_State *L) {
  return l_push_object(L, known_type, sizeof(lc_known));
}

static int l_known_gc(lua_State *L) {
  lc_known_free(luaL_checkudata(L, 1, known_type));
  return 0;
}

void l_facts_register(lua_State *L) {
  l_new_type(L, known_type, l_known_gc);
}
