#include "convert.h"

#include <stdlib.h>
#include <string.h>

int l_fail(lua_State *L, lc_status status, const lc_error *error) {
  const lc_error copy = *error; /* LuaJIT may run a finalizer before it copies the text, and that may use the store */
  lua_pushnil(L);
  lua_pushstring(L, copy.message);
  lua_pushstring(L, lc_status_code(status));
  return 3;
}

void l_new_type(lua_State *L, const char *type, lua_CFunction gc) {
  luaL_newmetatable(L, type);
  if (gc != NULL) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
}

void *l_push_object(lua_State *L, const char *type, size_t size) {
  void *object = memset(lua_newuserdata(L, size), 0, size);
  luaL_getmetatable(L, type);
  lua_setmetatable(L, -2);
  return object;
}

/* ---- arguments --------------------------------------------------------------------------- */

lc_text l_check_text(lua_State *L, int argument, size_t most) {
  lc_text text;
  text.data = luaL_checklstring(L, argument, &text.size);
  luaL_argcheck(L, text.size <= most, argument, "the text is too long");
  return text;
}

lc_text l_check_tenant(lua_State *L, int argument) {
  return l_check_text(L, argument, LC_TENANT_MAX);
}

int32_t l_check_id(lua_State *L, int argument) {
  int64_t id = 0;
  luaL_checktype(L, argument, LUA_TNUMBER);
  luaL_argcheck(L, l_to_integer(L, argument, &id) && id > 0 && id <= INT32_MAX, argument,
                "an integer from 1 to 2147483647 expected");
  return (int32_t)id;
}

void *l_check_items(lua_State *L, int argument, size_t item_size, size_t *count,
                    void read(lua_State *L, int table, void *item)) {
  luaL_checktype(L, argument, LUA_TTABLE);
  *count = lua_rawlen(L, argument);
  char *items = lua_newuserdata(L, item_size * (*count + 1));
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, argument, (int)i + 1);
    read(L, lua_gettop(L), items + i * item_size);
    lua_pop(L, 1);
  }
  return items;
}

/* ---- fields ------------------------------------------------------------------------------ */

static void check_field(lua_State *L, const char *name, bool fits, const char *expected) {
  if (!fits)
    luaL_error(L, "field '%s': %s expected, got %s", name, expected, luaL_typename(L, -1));
}

int64_t l_integer_field(lua_State *L, int table, const char *name) {
  int64_t integer = 0;
  lua_getfield(L, table, name);
  bool fits = lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && l_to_integer(L, -1, &integer));
  check_field(L, name, fits, "integer");
  lua_pop(L, 1);
  return integer;
}

static int32_t id_field(lua_State *L, int table, const char *name) {
  int64_t id = l_integer_field(L, table, name);
  if (id < 0 || id > INT32_MAX)
    luaL_error(L, "field '%s': out of range", name);
  return (int32_t)id;
}

double l_number_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  check_field(L, name, lua_isnil(L, -1) || lua_type(L, -1) == LUA_TNUMBER, "number");
  double number = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return number;
}

bool l_boolean_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  bool value = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  return value;
}

lc_text l_text_field(lua_State *L, int table, const char *name, size_t most) {
  lc_text text = { NULL, 0 };
  if (!lua_istable(L, table) || lua_getmetatable(L, table))
    luaL_error(L, "a table without a metatable expected"); /* it keeps its texts alive, and reading them runs no Lua */
  lua_getfield(L, table, name);
  check_field(L, name, lua_isnil(L, -1) || lua_type(L, -1) == LUA_TSTRING, "string");
  text.data = lua_tolstring(L, -1, &text.size);
  if (text.size > most)
    luaL_error(L, "field '%s': the text is too long", name);
  lua_pop(L, 1);
  return text;
}

int l_name_field(lua_State *L, int table, const char *name, const char *const *names, int count) {
  lc_text text = l_text_field(L, table, name, 64);
  int index = text.size != 0 ? lc_name_index(names, count, text.data, text.size) : -1;
  if (index < 0)
    luaL_error(L, "field '%s': unknown value", name);
  return index;
}

lc_company l_company_field(lua_State *L, int table) {
  return (lc_company){ l_text_field(L, table, "company", LC_COMPANY_MAX),
                       l_boolean_field(L, table, "company_is_integer") };
}

/* ---- configs ----------------------------------------------------------------------------- */

static void to_category(lua_State *L, int table, void *category) {
  *(lc_category *)category = (lc_category){
    .id = id_field(L, table, "id"),
    .group = (lc_group)l_name_field(L, table, "group", lc_group_names, LC_GROUPS),
    .lead_status = l_boolean_field(L, table, "lead_status"),
    .deleted = l_boolean_field(L, table, "deleted"),
  };
}

/* A rule that is not enabled gets LC_TRIGGERS for its trigger. */
static void to_rule(lua_State *L, int table, void *item) {
  lc_rule *rule = item;
  *rule = (lc_rule){ .trigger = LC_TRIGGERS };
  if (!l_boolean_field(L, table, "enabled"))
    return;
  rule->trigger = (lc_trigger)l_name_field(L, table, "trigger", lc_trigger_names, LC_TRIGGERS);
  rule->lead_status = rule->trigger == LC_LEAD_STATUS_SET ? id_field(L, table, "lead_status") : 0;
  rule->to = id_field(L, table, "set_category");
  rule->ask = l_boolean_field(L, table, "ask");
}

/* Pushes the list in field `name`, if there is one, and then its items. */
static void *push_items(lua_State *L, int config, const char *name, size_t item_size, size_t *count,
                        void read(lua_State *L, int table, void *item)) {
  lua_getfield(L, config, name);
  if (lua_isnil(L, -1))
    lua_newtable(L);
  check_field(L, name, lua_istable(L, -1), "table");
  return l_check_items(L, lua_gettop(L), item_size, count, read);
}

lc_ruleset *l_push_ruleset(lua_State *L, int index, uint64_t revision) {
  size_t category_count, rule_count;
  lc_error error;
  int top = lua_gettop(L);
  luaL_checktype(L, index, LUA_TTABLE);
  const lc_category *categories = push_items(L, index, "categories", sizeof *categories, &category_count, to_category);
  lc_rule *rules = push_items(L, index, "rules", sizeof *rules, &rule_count, to_rule);
  lc_config config = { revision, categories, (uint32_t)category_count, rules, 0 };
  for (size_t i = 0; i < rule_count; i++)
    if (rules[i].trigger != LC_TRIGGERS)
      rules[config.rule_count++] = rules[i];
  size_t size = lc_ruleset_size(&config);
  lc_ruleset *ruleset = lua_newuserdata(L, size);
  if (lc_ruleset_build(&config, ruleset, size, &error) != LC_OK)
    luaL_error(L, "not a valid config: %s", error.message);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return ruleset;
}

/* ---- results ----------------------------------------------------------------------------- */

lc_text l_digits(int64_t integer, char room[L_DIGITS]) {
  uint64_t rest = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
  size_t first = L_DIGITS;
  do
    room[--first] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (integer < 0)
    room[--first] = '-';
  return (lc_text){ room + first, L_DIGITS - first };
}

int l_push_text(lua_State *L, lc_text text) {
  lua_pushlstring(L, text.size != 0 ? text.data : "", text.size);
  return 1;
}

void l_push_company(lua_State *L, lc_company company) {
  char digits[32] = { 0 };
  if (company.is_integer && company.text.size < sizeof digits) {
    memcpy(digits, company.text.data, company.text.size);
    lua_pushinteger(L, (lua_Integer)strtoll(digits, NULL, 10));
  } else {
    l_push_text(L, company.text);
  }
}

void l_push_question_id(lua_State *L, const uint8_t *id) {
  static const char digits[] = "0123456789abcdef";
  char hex[2 * LC_QUESTION_ID_SIZE];
  for (int i = 0; i < LC_QUESTION_ID_SIZE; i++) {
    hex[2 * i] = digits[id[i] >> 4];
    hex[2 * i + 1] = digits[id[i] & 15];
  }
  lua_pushlstring(L, hex, sizeof hex);
}

static int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool l_to_question_id(lc_text hex, uint8_t *id) {
  if (hex.size != 2 * LC_QUESTION_ID_SIZE)
    return false;
  for (int i = 0; i < LC_QUESTION_ID_SIZE; i++) {
    int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    id[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

void l_set_text(lua_State *L, const char *name, lc_text text) {
  if (text.size == 0)
    return;
  l_push_text(L, text);
  lua_setfield(L, -2, name);
}

void l_set_id(lua_State *L, const char *name, int32_t id) {
  if (id != 0)
    l_set_integer(L, name, id);
}
