#include "store/delivery.h"

#include <string.h>

#include "convert.h"
#include "store.h"

void l_set_delivery(lua_State *L, const lc_delivery *d) {
  l_set_number(L, "received", d->received);
  l_set_integer(L, "attempts", d->attempts);
  l_set_text(L, "hook", d->hook);
  l_set_text(L, "sender_id", d->sender_id);
  l_set_text(L, "about", d->about);
  l_set_text(L, "problem", d->problem);
  l_set_text(L, "body", d->body);
}

static int push_delivery(lua_State *L, lc_text packed) {
  lc_error error;
  lc_delivery d;
  lc_status status = lc_delivery_unpack(packed.data, packed.size, &d, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_createtable(L, 0, 10);
  l_set_integer(L, "id", (int64_t)d.id);
  l_set_string(L, "state", lc_delivery_state_names[d.state]);
  if (d.state == LC_DELIVERY_WAITING)
    l_set_number(L, "due", d.due);
  l_set_delivery(L, &d);
  return 1;
}

/* store:put_delivery(tenant, item, now, most) -> its number, whether it is new; item {key= 16 bytes, hook=, sender_id=, about=, body=} */
static int l_put_delivery(lua_State *L) {
  bool is_new = false;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4);
  size_t most = (size_t)luaL_checkinteger(L, 5);
  lc_text key = l_text_field(L, 3, "key", LC_DELIVERY_KEY_SIZE);
  lc_delivery d = {
    .hook = l_text_field(L, 3, "hook", LC_HOOK_MAX), .sender_id = l_text_field(L, 3, "sender_id", LC_SENDER_ID_MAX),
    .about = l_text_field(L, 3, "about", UINT16_MAX), .body = l_text_field(L, 3, "body", LC_DELIVERY_BODY_MAX),
  };
  luaL_argcheck(L, key.size == sizeof d.key && d.hook.size != 0, 3, "a hook and a key of 16 bytes expected");
  memcpy(d.key, key.data, sizeof d.key);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_put_delivery(box->store, tenant, &d, now, most, &is_new, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushinteger(L, (lua_Integer)d.id);
  lua_pushboolean(L, is_new);
  return 2;
}

/* store:take_deliveries(tenant, hook, now, seconds, limit) -> deliveries */
static int l_take_deliveries(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2), hook = l_check_text(L, 3, LC_HOOK_MAX);
  double now = luaL_checknumber(L, 4), seconds = luaL_checknumber(L, 5);
  size_t limit = (size_t)luaL_checkinteger(L, 6);
  luaL_argcheck(L, seconds > 0, 5, "more than 0 seconds expected"); /* or it would be taken for ever */
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_take_deliveries(box->store, tenant, hook, now, seconds, limit, &box->error);
  return l_push_results(L, box, result, status, push_delivery);
}

static void to_end(lua_State *L, int table, void *end) {
  *(lc_delivery_end *)end = (lc_delivery_end){
    .id = (uint64_t)l_integer_field(L, table, "id"),
    .state = (lc_delivery_state)l_name_field(L, table, "state", lc_delivery_state_names, LC_DELIVERY_STATES),
    .attempts = (uint32_t)l_integer_field(L, table, "attempts"), .of_failed = l_boolean_field(L, table, "of_failed"),
    .erases = l_boolean_field(L, table, "erases"), .due = l_number_field(L, table, "due"),
    .problem = l_text_field(L, table, "problem", UINT16_MAX),
  };
}

/* store:end_deliveries(tenant, items) -> true. Each item gets `lost`. */
static int l_end_deliveries(lua_State *L) {
  size_t count;
  lc_text tenant = l_check_tenant(L, 2);
  lc_delivery_end *ends = l_check_items(L, 3, sizeof *ends, &count, to_end);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_end_deliveries(box->store, tenant, ends, count, &box->error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    l_set_boolean(L, "lost", ends[i].lost);
    lua_pop(L, 1);
  }
  return l_done(L, box, status);
}

/* store:deliveries(tenant, query) -> deliveries without bodies; query {hook=, state= (else all), after=, limit=} */
static int l_deliveries(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lua_settop(L, 3);
  luaL_checktype(L, 3, LUA_TTABLE);
  l_result *result = l_new_result(L);
  bool all = l_text_field(L, 3, "state", 64).data == NULL;
  const lc_delivery_query query = {
    .hook = l_text_field(L, 3, "hook", LC_HOOK_MAX), .after = (uint64_t)l_integer_field(L, 3, "after"),
    .states = all ? (1U << LC_DELIVERY_STATES) - 1 : 1U << l_name_field(L, 3, "state", lc_delivery_state_names, LC_DELIVERY_STATES),
    .limit = (size_t)l_integer_field(L, 3, "limit"),
  };
  l_store *box = l_check_open(L);
  return l_push_results(L, box, result, lc_store_deliveries(box->store, tenant, &query, &box->error), push_delivery);
}

/* store:delivery(tenant, id) -> delivery */
static int l_delivery(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t id = (uint64_t)luaL_checkinteger(L, 3);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_delivery(box->store, tenant, id, &box->error), push_delivery);
}

void l_delivery_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "put_delivery", l_put_delivery },
    { "take_deliveries", l_take_deliveries },
    { "end_deliveries", l_end_deliveries },
    { "deliveries", l_deliveries },
    { "delivery", l_delivery },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
