/* The companies of the embedded host; and any company that is renamed, merged or deleted. */
#include <string.h>

#include "convert.h"
#include "store.h"
#include "store/move.h"

/* store:company(tenant, company) -> category */
static int l_company(lua_State *L) {
  int32_t category = 0;
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = l_check_text(L, 3, LC_COMPANY_MAX) };
  l_store *box = l_check_open(L);
  lc_status status = lc_store_company(box->store, tenant, &company, &category, &box->error);
  return l_done_integer(L, box, status, category);
}

static void to_company(lua_State *L, int table, void *company) {
  *(lc_company *)company = l_company_field(L, table);
}

/* store:create(tenant, items, category) -> how many were new; items {company=, company_is_integer=} */
static int l_create(lua_State *L) {
  size_t count, created = 0;
  lc_text tenant = l_check_tenant(L, 2);
  int32_t category = l_check_id(L, 4);
  const lc_company *companies = l_check_items(L, 3, sizeof *companies, &count, to_company);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_create(box->store, tenant, companies, count, category, &created, &box->error);
  return l_done_integer(L, box, status, (int64_t)created);
}

/* store:set_category(tenant, company, to, from) -> true */
static int l_set_category(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = l_check_text(L, 3, LC_COMPANY_MAX) };
  int32_t to = l_check_id(L, 4), from = l_check_id(L, 5);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_set_category(box->store, tenant, &company, to, from, &box->error));
}

/* store:companies(tenant, after, limit) -> array of companies, array of their categories */
static int l_companies(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2), after = l_check_text(L, 3, LC_COMPANY_MAX);
  size_t limit = (size_t)luaL_checkinteger(L, 4);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_companies(box->store, tenant, after, limit, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lc_text list = l_take_result(result, box), item;
  lua_newtable(L);
  lua_newtable(L);
  for (int i = 1; lc_list_next(&list, &item); i++) {
    lc_company_record record;
    memcpy(&record, item.data, sizeof record);
    lc_text text = { item.data + sizeof record, item.size - sizeof record };
    l_push_company(L, (lc_company){ text, record.is_integer != 0 });
    lua_rawseti(L, -3, i);
    lua_pushinteger(L, record.category);
    lua_rawseti(L, -2, i);
  }
  l_free_result(result);
  return 2;
}

/* store:tally(tenant, after, limit) -> {[category]=count}, the company behind which to go on (nil: there are no more) */
static int l_tally(lua_State *L) {
  lc_company_tally tally = { .used = 0 };
  lc_text tenant = l_check_tenant(L, 2), after = l_check_text(L, 3, LC_COMPANY_MAX);
  size_t limit = (size_t)luaL_checkinteger(L, 4);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_tally(box->store, tenant, after, limit, &tally, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_newtable(L);
  for (size_t i = 0; i < tally.used; i++) {
    lua_pushinteger(L, (lua_Integer)tally.counts[i].count);
    lua_rawseti(L, -2, tally.counts[i].category);
  }
  if (tally.last_size == 0)
    return 1;
  lua_pushlstring(L, tally.last, tally.last_size);
  return 2;
}

/* ---- renamed, merged, deleted ---------------------------------------------------------------- */

static const char *const result_names[] = {
  [LC_MOVED] = "moved", [LC_MOVE_BUSY] = "busy", [LC_MOVE_UNKNOWN] = "unknown", [LC_MOVE_TAKEN] = "taken",
};

static lc_move_company to_move(lua_State *L, int table) {
  return (lc_move_company){
    .fate = (lc_fate)l_name_field(L, table, "fate", lc_fate_names, LC_FATES),
    .from = l_company_field(L, table),
    .to = { l_text_field(L, table, "to", LC_COMPANY_MAX), l_boolean_field(L, table, "to_is_integer") },
    .keeps_companies = l_boolean_field(L, table, "keeps_companies"),
    .category = (int32_t)l_integer_field(L, table, "category"),
    .details = l_text_field(L, table, "details", UINT32_MAX),
    .why = l_text_field(L, table, "why", UINT32_MAX),
    .idle = l_boolean_field(L, table, "idle"),
  };
}

static bool is_same(const lc_move_company *move) {
  return move->from.text.size == move->to.text.size && memcmp(move->from.text.data, move->to.text.data, move->to.text.size) == 0;
}

/* store:move(tenant, what, now) -> {result=, company=, entry=, key=, moved=, closed=}; `what` is {fate=, company=, company_is_integer=, to=,
 * to_is_integer=, keeps_companies=, category=, details=, why=, idle=} */
static int l_move(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4);
  lua_settop(L, 4);
  lc_move_company move = to_move(L, 3);
  if (move.from.text.size == 0 || (move.to.text.size == 0) != (move.fate == LC_FATE_DELETED) || is_same(&move))
    return luaL_error(L, "field 'to': another company expected, unless it is deleted");
  l_store *box = l_check_open(L);
  lc_status status = lc_store_move(box->store, tenant, &move, now, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_createtable(L, 0, 6);
  l_set_string(L, "result", result_names[move.result]);
  if (move.company != NULL)
    l_set_text(L, "company", move.company->text);
  if (move.entry != 0)
    l_set_entry(L, box, move.entry);
  l_set_integer(L, "moved", (int64_t)move.moved);
  l_set_integer(L, "closed", (int64_t)move.closed);
  return 1;
}

void l_company_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "company", l_company },
    { "create", l_create },
    { "set_category", l_set_category },
    { "companies", l_companies },
    { "tally", l_tally },
    { "move", l_move },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
