#include "store/draft.h"

#include <math.h>
#include <string.h>

#include "convert.h"
#include "store.h"

static uint64_t milliseconds(double seconds) {
  return seconds > 0 && seconds < 9e12 ? (uint64_t)floor(seconds * 1000) : 0;
}

lc_draft l_to_draft(lua_State *L, int table) {
  return (lc_draft){ .id = (uint64_t)l_integer_field(L, table, "id"), .due = milliseconds(l_number_field(L, table, "due")),
                     .json = l_text_field(L, table, "json", UINT32_MAX) };
}

void l_set_draft(lua_State *L, const lc_draft *draft) {
  if (draft->due != 0)
    l_set_number(L, "due", (double)draft->due / 1000);
  l_set_text(L, "json", draft->json);
}

/* store:put_draft(tenant, item, now) -> its id; item {id= (nil: a new one), before=, json= (nil: it is removed), due=} */
static int l_put_draft(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4);
  lc_draft draft = l_to_draft(L, 3);
  lc_text before = l_text_field(L, 3, "before", UINT32_MAX);
  luaL_argcheck(L, (draft.id != 0 || draft.json.size != 0) && (draft.json.size == 0 || draft.json.data[0] == '{'), 3,
                "an object of JSON expected");
  l_store *box = l_check_open(L);
  lc_status status = lc_store_put_draft(box->store, tenant, &draft, before, now, &box->error);
  return l_done_integer(L, box, status, (int64_t)draft.id);
}

/* The list of drafts, each an id and a record. */
static int push_drafts(lua_State *L, lc_text list) {
  lc_text id, record;
  lc_error error;
  lua_newtable(L);
  for (int i = 1; lc_list_next(&list, &id) && lc_list_next(&list, &record); i++) {
    lc_draft draft = { .id = 0 };
    lc_status status = lc_draft_unpack(record, &draft, &error);
    if (status != LC_OK)
      return l_fail(L, status, &error);
    memcpy(&draft.id, id.data, sizeof draft.id);
    lua_createtable(L, 0, 3);
    l_set_integer(L, "id", (int64_t)draft.id);
    l_set_draft(L, &draft);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* store:drafts(tenant, limit, due_by or nil) -> drafts {id=, json=, due=} by id */
static int l_drafts(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lua_Integer limit = luaL_checkinteger(L, 3);
  double due_by = luaL_optnumber(L, 4, 0);
  luaL_argcheck(L, limit > 0, 3, "a positive number expected");
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_drafts(box->store, tenant, due_by, (size_t)limit, &box->error);
  return l_push_result(L, box, result, status, push_drafts);
}

void l_draft_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "put_draft", l_put_draft },
    { "drafts", l_drafts },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
