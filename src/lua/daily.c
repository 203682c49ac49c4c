/* Counters by day as Lua sees them. */
#include <string.h>

#include "compat.h"
#include "convert.h"
#include "store.h"

/* A packed lc_daily, then how often. */
static int push_daily(lua_State *L, lc_text item) {
  lc_error error;
  uint64_t count;
  const lc_daily daily = lc_daily_unpack((const unsigned char *)item.data);
  memcpy(&count, item.data + LC_DAILY_SIZE, sizeof count);
  lua_createtable(L, 0, 9);
  l_push_text(L, (lc_text){ item.data, LC_DAILY_SIZE });
  lua_setfield(L, -2, "counted");
  l_set_integer(L, "day", daily.day);
  l_set_string(L, "kind", daily.kind < LC_DAILY_KINDS ? lc_daily_kind_names[daily.kind] : "");
  l_set_id(L, "lead_status", daily.lead_status);
  l_set_id(L, "rule_id", daily.rule);
  l_set_integer(L, "from", daily.from);
  l_set_integer(L, "to", daily.to);
  l_set_integer(L, "count", (int64_t)count);
  lc_status status = l_set_trigger(L, l_check_store(L, 1), daily.trigger, &error);
  return status == LC_OK ? 1 : l_fail(L, status, &error);
}

static void push_head(lua_State *L, const lc_daily_head *head) {
  lua_createtable(L, 0, 3);
  l_set_id(L, "since", (int32_t)head->since);
  l_set_string(L, "recount", lc_daily_step_names[head->counting]);
  l_set_integer(L, "place", (int64_t)head->place);
}

/* store:daily(tenant, since, after, limit) -> counters, head */
static int l_daily(lua_State *L) {
  lc_daily_head head = { .since = 0 };
  lc_text tenant = l_check_tenant(L, 2), after = l_check_text(L, 4, LC_DAILY_SIZE);
  uint32_t since = (uint32_t)luaL_checkinteger(L, 3);
  size_t limit = (size_t)luaL_checkinteger(L, 5);
  luaL_argcheck(L, after.size == 0 || after.size == LC_DAILY_SIZE, 4, "what a counter counts expected");
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_daily(box->store, tenant, since, after, limit, &head, &box->error);
  int results = l_push_results(L, box, result, status, push_daily);
  if (results != 1)
    return results;
  push_head(L, &head);
  return 2;
}

/* store:recount(tenant) -> head: how far it is after this step */
static int l_recount(lua_State *L) {
  lc_daily_head head;
  lc_text tenant = l_check_tenant(L, 2);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_recount(box->store, tenant, &head, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  push_head(L, &head);
  return 1;
}

/* store:show_daily(counted, count) -> what store:daily gives of it */
static int l_show_daily(lua_State *L) {
  char item[LC_DAILY_SIZE + sizeof(uint64_t)];
  lc_text counted = l_check_text(L, 2, LC_DAILY_SIZE);
  uint64_t count = (uint64_t)luaL_checkinteger(L, 3);
  luaL_argcheck(L, counted.size == LC_DAILY_SIZE, 2, "what a counter counts expected");
  memcpy(item, counted.data, LC_DAILY_SIZE);
  memcpy(item + LC_DAILY_SIZE, &count, sizeof count);
  return push_daily(L, (lc_text){ item, sizeof item });
}

/* store:count_as(record, proposed) -> as what a packed entry counts, for store:show_daily, or nil; and, where `proposed` is nil, the id of
 * the question whose proposal has to be known */
static int l_count_as(lua_State *L) {
  unsigned char packed[LC_DAILY_SIZE];
  lc_error error;
  lc_entry entry;
  lc_daily daily;
  lc_text record = l_check_text(L, 2, UINT32_MAX);
  bool is_known = !lua_isnoneornil(L, 3);
  lc_status status = lc_entry_unpack(record.data, record.size, &entry, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  if (lc_daily_of(&entry, (int32_t)luaL_optinteger(L, 3, 0), &daily)) {
    lc_daily_pack(&daily, packed);
    l_push_text(L, (lc_text){ (const char *)packed, sizeof packed });
  } else
    lua_pushnil(L);
  if (is_known || !entry.has_question || entry.status != LC_ENTRY_UPDATED)
    return 1;
  l_push_text(L, (lc_text){ (const char *)entry.question, sizeof entry.question });
  return 2;
}

void l_daily_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "daily", l_daily },
    { "recount", l_recount },
    { "show_daily", l_show_daily },
    { "count_as", l_count_as },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
