#include "facts.h"

#include <string.h>

#include "convert.h"


static const char *const place_names[LC_FIELD_PLACES] = {
  [LC_IN_FACTS] = "facts", [LC_IN_SALE] = "sale", [LC_IN_CONTACT] = "contact", [LC_IN_ACTOR] = "actor",
};

/* The table has the names of the fields, from 1, and behind them those of the places. */
void l_push_fields(lua_State *L, const lc_ruleset *ruleset, l_fields *fields) {
  enum { LONGEST = 256 };
  const lc_packed_field *packed = lc_ruleset_block(ruleset, LC_BLOCK_FIELDS);
  const char *texts = lc_ruleset_block(ruleset, LC_BLOCK_TEXTS);
  char names[LC_FIELDS_MAX][LONGEST];
  size_t sizes[LC_FIELDS_MAX];
  *fields = (l_fields){ .ruleset = ruleset->checksum, .count = lc_ruleset_field_count(ruleset) };
  for (int i = 0; i < LC_TRIGGERS; i++)
    fields->triggers[i] = ruleset->triggers[i].fields;
  for (uint32_t i = 0; i < fields->count; i++) {
    fields->places[i] = (uint8_t)packed[i].place;
    sizes[i] = packed[i].size < LONGEST ? packed[i].size : LONGEST;
    memcpy(names[i], texts + packed[i].at, sizes[i]);
  }
  lua_createtable(L, (int)fields->count + LC_FIELD_PLACES, 0);
  for (uint32_t i = 0; i < fields->count; i++) {
    lua_pushlstring(L, names[i], sizes[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  for (int i = 0; i < LC_FIELD_PLACES; i++) {
    lua_pushstring(L, place_names[i]);
    lua_rawseti(L, -2, (int)fields->count + i + 1);
  }
}

/* Whether the table at the top is a list: has the items 1 to `*count`, and nothing else. */
static bool is_list(lua_State *L, size_t *count) {
  size_t found = 0;
  *count = lua_rawlen(L, -1);
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
    found++;
  return found == *count;
}

static lc_status set_single(lua_State *L, lc_known *known, size_t at, lc_error *error) {
  lc_text text;
  lc_fact *fact = &known->facts[at];
  switch (lua_type(L, -1)) {
  case LUA_TNIL:
    break;
  case LUA_TNUMBER:
    fact->kind = LC_NUMBER;
    fact->is.number = lua_tonumber(L, -1);
    break;
  case LUA_TBOOLEAN:
    fact->kind = LC_BOOLEAN;
    fact->size = (uint32_t)lua_toboolean(L, -1);
    break;
  case LUA_TSTRING:
    text.data = lua_tolstring(L, -1, &text.size);
    return lc_known_set_text(known, at, text, error);
  case LUA_TLIGHTUSERDATA: /* cjson.null */
    fact->kind = lua_touserdata(L, -1) == NULL ? LC_UNKNOWN : LC_STRANGE;
    break;
  default:
    fact->kind = LC_STRANGE;
  }
  return LC_OK;
}

/* Makes the fact at `at` the value at the top of the stack. */
static lc_status set_fact(lua_State *L, lc_known *known, size_t at, lc_error *error) {
  size_t count, first;
  if (!lua_istable(L, -1))
    return set_single(L, known, at, error);
  if (!is_list(L, &count) || count > UINT32_MAX) {
    known->facts[at].kind = LC_STRANGE;
    return LC_OK;
  }
  lc_status status = lc_known_add(known, count, &first, error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, -1, (int)i + 1);
    status = set_single(L, known, first + i, error);
    lua_pop(L, 1);
  }
  if (status == LC_OK)
    known->facts[at] = (lc_fact){ .kind = LC_LIST, .size = (uint32_t)count, .is.at = first };
  return status;
}

/* Pushes the event's table of that place, or nil. */
static void push_place(lua_State *L, const l_fields *fields, int names, int event, int place) {
  lua_rawgeti(L, names, (int)fields->count + place + 1);
  lua_rawget(L, event);
  if (!lua_istable(L, -1) && !lua_isnil(L, -1))
    luaL_error(L, "event: %s must be a table, not a %s", place_names[place], luaL_typename(L, -1));
}

/* Pushes the value of that name in the table at `table`; nil when that is none, or 0. */
static void push_value(lua_State *L, int names, int name, int table) {
  if (table == 0 || !lua_istable(L, table)) {
    lua_pushnil(L);
    return;
  }
  lua_rawgeti(L, names, name);
  lua_rawget(L, table);
}

lc_status l_read_facts(lua_State *L, const l_fields *fields, lc_trigger trigger, int names, int event, int answers,
                       lc_known *known, size_t *first, bool *misses, lc_error *error) {
  int top = lua_gettop(L), place = -1;
  lc_status status = lc_known_add(known, fields->count, first, error);
  *misses = false;
  for (uint64_t rest = fields->triggers[trigger]; rest != 0 && status == LC_OK; rest &= rest - 1) {
    int field = __builtin_ctzll(rest);
    if (fields->places[field] != place) {
      place = fields->places[field];
      lua_settop(L, top);
      push_place(L, fields, names, event, place);
    }
    push_value(L, names, field + 1, place == LC_IN_FACTS ? answers : 0);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      push_value(L, names, field + 1, top + 1);
    }
    status = set_fact(L, known, *first + (size_t)field, error);
    *misses |= place == LC_IN_FACTS && known->facts[*first + (size_t)field].kind == LC_UNKNOWN;
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return status;
}

/* Sets the value at the top in the table of its place, in the table at `facts`, and pops it. */
static void keep_value(lua_State *L, const l_fields *fields, int names, int field, int facts) {
  const char *place = place_names[fields->places[field]];
  size_t size = 0;
  if (lua_type(L, -1) == LUA_TSTRING)
    lua_tolstring(L, -1, &size);
  if (lua_isnil(L, -1) || lua_type(L, -1) == LUA_TLIGHTUSERDATA || size > LC_FACT_TEXT_MAX) {
    lua_pop(L, 1);
    return;
  }
  lua_getfield(L, facts, place);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, facts, place);
  }
  lua_rawgeti(L, names, field + 1);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
}

void l_push_facts(lua_State *L, const l_fields *fields, lc_trigger trigger, int names, int event, int answers) {
  lua_newtable(L);
  int facts = lua_gettop(L);
  for (uint64_t rest = fields->triggers[trigger]; rest != 0; rest &= rest - 1) {
    int field = __builtin_ctzll(rest);
    push_place(L, fields, names, event, fields->places[field]);
    push_value(L, names, field + 1, fields->places[field] == LC_IN_FACTS ? answers : 0);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      push_value(L, names, field + 1, facts + 1);
    }
    keep_value(L, fields, names, field, facts);
    lua_settop(L, facts);
  }
}

void l_push_missing(lua_State *L, const l_fields *fields, lc_trigger trigger, int names, const lc_known *known, size_t first) {
  int count = 0;
  lua_newtable(L);
  for (uint64_t rest = fields->triggers[trigger]; rest != 0; rest &= rest - 1) {
    int field = __builtin_ctzll(rest);
    if (fields->places[field] != LC_IN_FACTS || known->facts[first + (size_t)field].kind != LC_UNKNOWN)
      continue;
    lua_rawgeti(L, names, field + 1);
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
