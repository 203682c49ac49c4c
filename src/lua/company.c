/* Companies that are renamed, merged, deleted. */
#include "convert.h"
#include "store.h"

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

/* store:move(tenant, what, now) -> {result=, company=, entry=, key=, moved=, closed=}; `what` is {fate=, company=, company_is_integer=, to=,
 * to_is_integer=, keeps_companies=, category=, details=, why=, idle=} */
static int l_move(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4);
  lua_settop(L, 4);
  lc_move_company move = to_move(L, 3);
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
  static const luaL_Reg methods[] = { { "move", l_move }, { NULL, NULL } };
  l_store_methods(L, methods);
}
