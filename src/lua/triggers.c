/* The triggers that a store knows: the built-in ones, and the integrator's own. */
#include <string.h>

#include "convert.h"
#include "store.h"

const lc_triggers *l_own_triggers(l_store *box) {
  lc_error error; /* what is damaged, or cannot be read now, is as if it were not declared */
  if (box->store != NULL && !lc_triggers_fresh(&box->triggers, box->watch))
    lc_store_triggers(box->store, &box->triggers, &error);
  return &box->triggers;
}

/* Pushes what triggers there are, for a message. */
static void push_choices(lua_State *L, const lc_triggers *own) {
  luaL_Buffer list;
  luaL_buffinit(L, &list);
  for (uint32_t number = 0; number < LC_TRIGGER_NUMBERS; number++) {
    const char *name = lc_trigger_name_of(own, number);
    if (name == NULL)
      continue;
    if (number != 0)
      luaL_addstring(&list, ", ");
    luaL_addstring(&list, name);
  }
  luaL_pushresult(&list);
}

lc_trigger l_check_trigger(lua_State *L, int argument, l_store *box, const lc_triggers *own) {
  size_t size;
  const char *name = luaL_checklstring(L, argument, &size);
  int trigger = lc_trigger_of(name, size);
  if (trigger < 0) {
    own = box != NULL ? l_own_triggers(box) : own;
    trigger = lc_trigger_number(own, name, size);
  }
  if (trigger < 0) {
    push_choices(L, own);
    luaL_argerror(L, argument, lua_pushfstring(L, "unknown trigger '%s' (expected one of %s)", name, lua_tostring(L, -1)));
  }
  return (lc_trigger)trigger;
}

uint8_t l_trigger_field(lua_State *L, int table, l_store *box) {
  enum { MOST = 64 };
  lc_text name = l_text_field(L, table, "trigger", MOST);
  int trigger = lc_trigger_of(name.data, name.size);
  if (trigger < 0)
    trigger = lc_trigger_number(l_own_triggers(box), name.data, name.size);
  if (trigger < 0)
    luaL_error(L, "field 'trigger': unknown value");
  return (uint8_t)trigger;
}

lc_status l_set_trigger(lua_State *L, l_store *box, uint8_t trigger, lc_error *error) {
  const char *name = lc_trigger_name_of(&box->triggers, trigger);
  if (name == NULL)
    name = lc_trigger_name_of(l_own_triggers(l_open_box(L, box)), trigger);
  if (name == NULL)
    return lc_fail(error, LC_CORRUPT, "a record names the trigger %d, which the store does not know", trigger);
  l_set_string(L, "trigger", name);
  return LC_OK;
}

/* The item at `table`, {trigger=, about=}. */
void l_to_declared(lua_State *L, int table, void *item) {
  lc_declared *declared = item;
  *declared = (lc_declared){ l_text_field(L, table, "trigger", SIZE_MAX), l_text_field(L, table, "about", UINT32_MAX) };
  if (!lc_trigger_name_fits(declared->name))
    luaL_error(L, "field 'trigger': '%s' is no name for an own trigger", declared->name.data != NULL ? declared->name.data : "");
}

/* store:declare(items) -> true; items {trigger=, about= JSON or nil} */
static int l_declare(lua_State *L) {
  size_t count;
  const lc_declared *declared = l_check_items(L, 2, sizeof *declared, &count, l_to_declared);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_declare(box->store, declared, count, &box->error));
}

/* store:triggers() -> array of names, array of what is about each ("": nothing), by number */
static int l_triggers(lua_State *L) {
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_list_triggers(box->store, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lc_text list = l_take_result(result, box), item;
  lua_newtable(L);
  lua_newtable(L);
  for (int i = 1; lc_list_next(&list, &item); i++) {
    lc_trigger_name name;
    memcpy(&name, item.data, sizeof name);
    l_push_text(L, (lc_text){ name.text, name.size });
    lua_rawseti(L, -3, i);
    l_push_text(L, (lc_text){ item.data + sizeof name, item.size - sizeof name });
    lua_rawseti(L, -2, i);
  }
  l_free_result(result);
  return 2;
}

void l_triggers_register(lua_State *L) {
  static const luaL_Reg methods[] = { { "declare", l_declare }, { "triggers", l_triggers }, { NULL, NULL } };
  l_store_methods(L, methods);
}
