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

/* An array that grows, in a userdata at its own place on the stack. */
typedef struct list {
  int place;
  size_t item_size, count, room;
} list;

static list push_list(lua_State *L, size_t item_size) {
  enum { ROOM = 8 };
  lua_newuserdata(L, ROOM * item_size);
  return (list){ lua_gettop(L), item_size, 0, ROOM };
}

static void *items_of(lua_State *L, const list *items) {
  return lua_touserdata(L, items->place);
}

/* Appends a copy of the item. */
static void append(lua_State *L, list *items, const void *item) {
  if (items->count == items->room) {
    void *grown = lua_newuserdata(L, 2 * items->room * items->item_size);
    memcpy(grown, items_of(L, items), items->count * items->item_size);
    lua_replace(L, items->place);
    items->room *= 2;
  }
  memcpy((char *)items_of(L, items) + items->count++ * items->item_size, item, items->item_size);
}

/* The lists of an lc_config. */
typedef struct config_lists {
  list categories, rules, fields, conditions, constants, ids;
  int places; /* the stack index of a table: where each field is, counted from 1 */
  const lc_triggers *own;
  bool lacks_rules; /* of triggers that are not known */
  lua_Integer days; /* of the rule at hand, when it is one for LC_NO_SALE_FOR; else 0 */
} config_lists;

static config_lists push_lists(lua_State *L, const lc_triggers *own) {
  config_lists lists = { .own = own };
  lists.categories = push_list(L, sizeof(lc_category));
  lists.rules = push_list(L, sizeof(lc_rule));
  lists.fields = push_list(L, sizeof(lc_text));
  lists.conditions = push_list(L, sizeof(lc_condition));
  lists.constants = push_list(L, sizeof(lc_constant));
  lists.ids = push_list(L, sizeof(int32_t));
  lua_newtable(L);
  lists.places = lua_gettop(L);
  return lists;
}

typedef void add_item(lua_State *L, int item, config_lists *lists);

/* Calls `add` with the index of each item of the list at the top of the stack. */
static void each_item(lua_State *L, config_lists *lists, add_item *add) {
  int items = lua_gettop(L), count = (int)lua_rawlen(L, items);
  luaL_checkstack(L, 8, "a config that is too deep");
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, items, i);
    add(L, items + 1, lists);
    lua_settop(L, items);
  }
}

/* The same of the list in field `name` of the table at `table`, if there is one. */
static void each(lua_State *L, int table, const char *name, config_lists *lists, add_item *add) {
  lua_getfield(L, table, name);
  check_field(L, name, lua_isnil(L, -1) || lua_istable(L, -1), "table");
  if (!lua_isnil(L, -1))
    each_item(L, lists, add);
  lua_pop(L, 1);
}

static void add_category(lua_State *L, int table, config_lists *lists) {
  luaL_checktype(L, table, LUA_TTABLE);
  lua_getfield(L, table, "rank");
  bool has_rank = !lua_isnil(L, -1);
  lua_pop(L, 1);
  append(L, &lists->categories, &(lc_category){
    .id = id_field(L, table, "id"),
    .group = (lc_group)l_name_field(L, table, "group", lc_group_names, LC_GROUPS),
    .lead_status = l_boolean_field(L, table, "lead_status"),
    .deleted = l_boolean_field(L, table, "deleted"),
    .has_rank = has_rank,
    .rank = (int32_t)l_integer_field(L, table, "rank"),
  });
}

/* The field that the condition at `table` names: its place in the list, to which new ones are added, or one of the core's. */
static uint32_t add_field(lua_State *L, int table, config_lists *lists) {
  enum { MOST = 255 };
  uint32_t own;
  lc_text name = l_text_field(L, table, "field", MOST);
  if (lc_own_field(name, &own))
    return own;
  lua_getfield(L, table, "field");
  lua_rawget(L, lists->places);
  size_t place = (size_t)lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (place != 0)
    return (uint32_t)place - 1;
  append(L, &lists->fields, &name); /* the config keeps the text alive */
  lua_getfield(L, table, "field");
  lua_pushinteger(L, (lua_Integer)lists->fields.count);
  lua_rawset(L, lists->places);
  return (uint32_t)lists->fields.count - 1;
}

static void add_constant(lua_State *L, int value, config_lists *lists) {
  lc_constant constant = { .kind = LC_NUMBER };
  switch (lua_type(L, value)) {
  case LUA_TNUMBER:
    constant.number = lua_tonumber(L, value);
    break;
  case LUA_TBOOLEAN:
    constant.kind = LC_BOOLEAN;
    constant.number = lua_toboolean(L, value);
    break;
  case LUA_TSTRING:
    constant.kind = LC_TEXT;
    constant.text.data = lua_tolstring(L, value, &constant.text.size);
    break;
  default:
    luaL_error(L, "a condition's value is a %s", luaL_typename(L, value));
  }
  append(L, &lists->constants, &constant);
}

static void add_condition(lua_State *L, int table, config_lists *lists) {
  luaL_checktype(L, table, LUA_TTABLE);
  lc_condition condition = { .is = (lc_is)l_name_field(L, table, "is", lc_is_names, LC_ISES) };
  condition.field = add_field(L, table, lists);
  condition.values.first = (uint32_t)lists->constants.count;
  lua_getfield(L, table, "value");
  if (lua_istable(L, -1))
    each_item(L, lists, add_constant);
  else if (!lua_isnil(L, -1))
    add_constant(L, lua_gettop(L), lists);
  condition.values.count = (uint32_t)lists->constants.count - condition.values.first;
  append(L, &lists->conditions, &condition);
}

/* The `days` of a rule are a condition behind the others of each group: the event is about as many. */
static void add_days(lua_State *L, config_lists *lists) {
  int top = lua_gettop(L);
  if (lists->days == 0)
    return;
  lua_createtable(L, 0, 3);
  l_set_string(L, "field", LC_NO_SALE_FIELD);
  l_set_string(L, "is", lc_is_names[LC_EQUALS]);
  l_set_integer(L, "value", lists->days);
  add_condition(L, top + 1, lists); /* the list of places keeps the field's name alive */
  lua_settop(L, top);
}

static void add_group(lua_State *L, int group, config_lists *lists) {
  luaL_checktype(L, group, LUA_TTABLE);
  size_t first = lists->conditions.count;
  each_item(L, lists, add_condition); /* the group is at the top */
  add_days(L, lists);
  lc_condition *conditions = items_of(L, &lists->conditions);
  if (lists->conditions.count > first)
    conditions[lists->conditions.count - 1].ends_group = true;
}

static void add_id(lua_State *L, int value, config_lists *lists) {
  int32_t id = l_check_id(L, value);
  append(L, &lists->ids, &id);
}

/* The groups in the list at the top of the stack, a bit for each. */
static uint32_t groups_at_top(lua_State *L) {
  uint32_t bits = 0;
  int groups = lua_gettop(L), count = lua_istable(L, groups) ? (int)lua_rawlen(L, groups) : 0;
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, groups, i);
    size_t size;
    const char *name = luaL_checklstring(L, -1, &size);
    int index = lc_name_index(lc_group_names, LC_GROUPS, name, size);
    luaL_argcheck(L, index >= 0, 1, "an unknown group");
    bits |= UINT32_C(1) << index;
    lua_pop(L, 1);
  }
  return bits;
}

static void add_from(lua_State *L, int table, lc_rule *rule, config_lists *lists) {
  lua_getfield(L, table, "from");
  rule->has_from = lua_istable(L, -1);
  rule->from.first = (uint32_t)lists->ids.count;
  if (rule->has_from) {
    int from = lua_gettop(L);
    lua_getfield(L, from, "groups");
    rule->from_groups = groups_at_top(L);
    lua_pop(L, 1);
    each(L, from, "categories", lists, add_id);
  }
  rule->from.count = (uint32_t)lists->ids.count - rule->from.first;
  lua_pop(L, 1);
}

/* Whether the trigger of the rule at `table` is known. Raises unless it might be. */
static bool find_trigger(lua_State *L, int table, const lc_triggers *own, lc_rule *rule) {
  lc_text name = l_text_field(L, table, "trigger", LC_TRIGGER_NAME_MAX);
  int number = lc_trigger_number(own, name.data, name.size);
  if (number < 0 && !lc_trigger_name_fits(name))
    luaL_error(L, "field 'trigger': unknown value");
  rule->trigger = (lc_trigger)number;
  return number >= 0;
}

/* The seconds of the rule's `after`, {days = n} or {hours = n}; 0: it has none. */
static uint32_t after_field(lua_State *L, int table) {
  enum { HOUR = 3600, DAY = 24 * HOUR };
  uint32_t seconds = 0;
  lua_getfield(L, table, "after");
  if (lua_istable(L, -1)) {
    int after = lua_gettop(L);
    seconds = (uint32_t)(l_integer_field(L, after, "days") * DAY + l_integer_field(L, after, "hours") * HOUR);
  }
  lua_pop(L, 1);
  return seconds;
}

/* The rule's `limit`, {changes = n, hours = h}. */
static void add_limit(lua_State *L, int table, lc_rule *rule) {
  lua_getfield(L, table, "limit");
  if (lua_istable(L, -1)) {
    int limit = lua_gettop(L);
    rule->limit = (uint32_t)l_integer_field(L, limit, "changes");
    rule->limit_hours = (uint32_t)l_integer_field(L, limit, "hours");
  }
  lua_pop(L, 1);
}

/* The rule's `on_expiry`. */
static lc_on_expiry on_expiry_field(lua_State *L, int table) {
  bool is_there = l_text_field(L, table, "on_expiry", 64).data != NULL;
  return is_there ? (lc_on_expiry)l_name_field(L, table, "on_expiry", lc_on_expiry_names, LC_ON_EXPIRIES) : LC_EXPIRES;
}

/* Only enabled rules of known triggers are packed. */
static void add_rule(lua_State *L, int table, config_lists *lists) {
  lc_rule rule = { .to = 0 };
  luaL_checktype(L, table, LUA_TTABLE);
  if (!l_boolean_field(L, table, "enabled"))
    return;
  if (!find_trigger(L, table, lists->own, &rule)) {
    lists->lacks_rules = true;
    return;
  }
  rule.lead_status = rule.trigger == LC_LEAD_STATUS_SET ? id_field(L, table, "lead_status") : 0;
  rule.to = l_boolean_field(L, table, "take_back") ? 0 : id_field(L, table, "set_category");
  rule.ask = l_boolean_field(L, table, "ask");
  rule.on_expiry = on_expiry_field(L, table);
  rule.id = id_field(L, table, "id");
  rule.forward_only = l_boolean_field(L, table, "forward_only");
  rule.after = after_field(L, table);
  rule.shadow = l_boolean_field(L, table, "shadow");
  add_limit(L, table, &rule);
  add_from(L, table, &rule, lists);
  lists->days = rule.trigger == LC_NO_SALE_FOR ? l_integer_field(L, table, "days") : 0;
  rule.when.first = (uint32_t)lists->conditions.count;
  each(L, table, "when", lists, add_group);
  if (lists->conditions.count == rule.when.first)
    add_days(L, lists);
  rule.when.count = (uint32_t)lists->conditions.count - rule.when.first;
  append(L, &lists->rules, &rule);
}

/* No list has 2^32 items: the config's JSON would be too large to be stored. */
static lc_config config_of(lua_State *L, const config_lists *lists, uint64_t revision) {
  return (lc_config){
    .revision = revision,
    .categories = items_of(L, &lists->categories), .category_count = (uint32_t)lists->categories.count,
    .rules = items_of(L, &lists->rules), .rule_count = (uint32_t)lists->rules.count,
    .fields = items_of(L, &lists->fields), .field_count = (uint32_t)lists->fields.count,
    .conditions = items_of(L, &lists->conditions), .condition_count = (uint32_t)lists->conditions.count,
    .constants = items_of(L, &lists->constants), .constant_count = (uint32_t)lists->constants.count,
    .ids = items_of(L, &lists->ids), .id_count = (uint32_t)lists->ids.count,
    .left_out = lists->lacks_rules ? 1 + (lists->own != NULL ? lists->own->count : 0) : 0,
  };
}

const lc_triggers *l_push_triggers(lua_State *L, int index) {
  lc_error error;
  lc_triggers *triggers = memset(lua_newuserdata(L, sizeof *triggers), 0, sizeof *triggers);
  if (lua_isnoneornil(L, index))
    return triggers;
  luaL_checktype(L, index, LUA_TTABLE);
  int count = (int)lua_rawlen(L, index);
  for (int i = 1; i <= count; i++) {
    lc_text name;
    lua_rawgeti(L, index, i);
    name.data = luaL_checklstring(L, -1, &name.size);
    if (!lc_trigger_name_fits(name))
      luaL_error(L, "'%s' is no name for an own trigger", name.data);
    if (lc_triggers_add(triggers, name, &error) != LC_OK)
      luaL_error(L, "%s", error.message);
    lua_pop(L, 1);
  }
  return triggers;
}

lc_ruleset *l_push_ruleset(lua_State *L, int index, const lc_triggers *own, uint64_t revision) {
  lc_error error;
  int top = lua_gettop(L);
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 40, "a config");
  config_lists lists = push_lists(L, own);
  each(L, index, "categories", &lists, add_category);
  each(L, index, "rules", &lists, add_rule);
  lc_config config = config_of(L, &lists, revision);
  size_t size = lc_ruleset_size(&config);
  lc_ruleset *ruleset = lua_newuserdata(L, size != 0 ? size : 1);
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
