#include "convert.h"

#include <stdlib.h>
#include <string.h>

int l_fail(lua_State *L, lc_status status, const lc_error *error) {
  lua_pushnil(L);
  lua_pushstring(L, error->message);
  lua_pushstring(L, lc_status_code(status));
  return 3;
}

int l_done(lua_State *L, lc_status status, const lc_error *error) {
  if (status != LC_OK)
    return l_fail(L, status, error);
  lua_pushboolean(L, 1);
  return 1;
}

int l_done_integer(lua_State *L, lc_status status, const lc_error *error, int64_t integer) {
  if (status != LC_OK)
    return l_fail(L, status, error);
  lua_pushinteger(L, (lua_Integer)integer);
  return 1;
}

void l_new_type(lua_State *L, const char *type, lua_CFunction gc) {
  luaL_newmetatable(L, type);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
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

lc_text l_opt_text(lua_State *L, int argument, size_t most) {
  return lua_isnoneornil(L, argument) ? (lc_text){ NULL, 0 } : l_check_text(L, argument, most);
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
  check_field(L, name, lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && l_to_integer(L, -1, &integer)), "integer");
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
  lua_getfield(L, table, name);
  check_field(L, name, lua_isnil(L, -1) || lua_type(L, -1) == LUA_TSTRING, "string");
  text.data = lua_tolstring(L, -1, &text.size); /* the table keeps it alive */
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

/* Pushes the list in field `name` and new memory for as many items; gives their number. */
static void *push_list(lua_State *L, int config, const char *name, size_t item_size, uint32_t *count) {
  lua_getfield(L, config, name);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  check_field(L, name, lua_istable(L, -1), "table");
  *count = (uint32_t)lua_rawlen(L, -1);
  return lua_newuserdata(L, item_size * (*count + 1));
}

static const lc_category *push_categories(lua_State *L, int config, uint32_t *count) {
  lc_category *categories = push_list(L, config, "categories", sizeof *categories, count);
  int list = lua_gettop(L) - 1;
  for (uint32_t i = 0; i < *count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    int item = lua_gettop(L);
    categories[i] = (lc_category){
      .id = id_field(L, item, "id"),
      .group = (lc_group)l_name_field(L, item, "group", lc_group_names, LC_GROUPS),
      .lead_status = l_boolean_field(L, item, "lead_status"),
      .deleted = l_boolean_field(L, item, "deleted"),
    };
    lua_pop(L, 1);
  }
  return categories;
}

/* Only the enabled ones. */
static const lc_rule *push_rules(lua_State *L, int config, uint32_t *enabled) {
  uint32_t count;
  lc_rule *rules = push_list(L, config, "rules", sizeof *rules, &count);
  int list = lua_gettop(L) - 1;
  *enabled = 0;
  for (uint32_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    int item = lua_gettop(L);
    if (l_boolean_field(L, item, "enabled")) {
      lc_trigger trigger = (lc_trigger)l_name_field(L, item, "trigger", lc_trigger_names, LC_TRIGGERS);
      bool by_status = trigger == LC_LEAD_STATUS_SET;
      rules[(*enabled)++] = (lc_rule){
        .trigger = trigger,
        .lead_status = by_status ? id_field(L, item, "lead_status") : 0,
        .to = id_field(L, item, "set_category"),
        .ask = l_boolean_field(L, item, "ask"),
      };
    }
    lua_pop(L, 1);
  }
  return rules;
}

lc_ruleset *l_push_ruleset(lua_State *L, int index, uint64_t revision) {
  lc_config config = { .revision = revision };
  lc_error error;
  int top = lua_gettop(L);
  luaL_checktype(L, index, LUA_TTABLE);
  config.categories = push_categories(L, index, &config.category_count);
  config.rules = push_rules(L, index, &config.rule_count);
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
