/* Persons that are to be forgotten: where they are named, and what to put in its place. */
#include <string.h>

#include "convert.h"
#include "store.h"
#include "store/forget.h"

static lc_traces check_place(lua_State *L, int argument) {
  size_t size;
  const char *name = luaL_checklstring(L, argument, &size);
  for (int i = 0; i < LC_TRACES_PLACES; i++) {
    if (strcmp(name, lc_traces_names[i]) == 0)
      return (lc_traces)i;
  }
  luaL_argerror(L, argument, "questions, revisions, unchanged or journal expected");
  return LC_TRACES_PLACES;
}

/* Pushes the record of a revision: {about=}. */
static int push_revision(lua_State *L, lc_text record) {
  lua_createtable(L, 0, 2);
  l_set_text(L, "about", (lc_text){ record.data + sizeof(uint64_t), record.size - sizeof(uint64_t) });
  return 1;
}

/* With the bytes that lc_store_erase compares. */
static int push_trace(lua_State *L, lc_text record, int push(lua_State *L, lc_text record)) {
  int results = push(L, record);
  if (results == 1)
    l_set_text(L, "record", record);
  return results;
}

static int push_entry_trace(lua_State *L, lc_text record) { return push_trace(L, record, l_push_entry); }
static int push_question_trace(lua_State *L, lc_text record) { return push_trace(L, record, l_push_question); }
static int push_revision_trace(lua_State *L, lc_text record) { return push_trace(L, record, push_revision); }

static int (*const pushes[LC_TRACES_PLACES])(lua_State *L, lc_text record) = {
  [LC_TRACES_QUESTIONS] = push_question_trace, [LC_TRACES_REVISIONS] = push_revision_trace,
  [LC_TRACES_UNCHANGED] = push_entry_trace, [LC_TRACES_JOURNAL] = push_entry_trace,
};

static void to_text(lua_State *L, int table, void *item) {
  *(lc_text *)item = l_text_field(L, table, "text", UINT32_MAX);
}

/* store:find_traces(tenant, where, texts, from) -> records, where to go on; `texts` is a list of {text=}. Each record is as other methods give
 * it ({about=} of a revision), with its bytes as `record` */
static int l_find_traces(lua_State *L) {
  size_t count;
  lc_trace_place place = { .size = 0 };
  lc_text tenant = l_check_tenant(L, 2), from = l_check_text(L, 5, sizeof place.key);
  lc_traces where = check_place(L, 3);
  const lc_text *texts = l_check_items(L, 4, sizeof *texts, &count, to_text);
  if (from.size != 0)
    memcpy(place.key, from.data, from.size);
  place.size = from.size;
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_find_traces(box->store, tenant, where, texts, count, &place, &box->error);
  int results = l_push_results(L, box, result, status, pushes[where]);
  if (results != 1)
    return results;
  l_push_text(L, (lc_text){ (const char *)place.key, place.size });
  return 2;
}

static void to_erasure(lua_State *L, int table, void *item) {
  *(lc_erasure *)item = (lc_erasure){
    .record = l_text_field(L, table, "record", UINT32_MAX),
    .json = l_text_field(L, table, "json", UINT32_MAX),
    .answer = l_text_field(L, table, "answer", UINT32_MAX),
    .no_user = l_boolean_field(L, table, "no_user"),
    .no_error = l_boolean_field(L, table, "no_error"),
    .no_event_id = l_boolean_field(L, table, "no_event_id"),
    .former = { l_text_field(L, table, "former", LC_COMPANY_MAX), false },
  };
}

/* store:erase(tenant, where, items) -> how many were written. Items are {record=, json=, answer=, no_user=, no_error=, no_event_id=, former=} */
static int l_erase(lua_State *L) {
  size_t count;
  int64_t written = 0;
  lc_text tenant = l_check_tenant(L, 2);
  lc_traces where = check_place(L, 3);
  lc_erasure *erasures = l_check_items(L, 4, sizeof *erasures, &count, to_erasure);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_erase(box->store, tenant, where, erasures, count, &box->error);
  for (size_t i = 0; i < count; i++)
    written += !erasures[i].lost;
  return l_done_integer(L, box, status, written);
}

/* store:erase_marks(tenant, texts, companies, from) -> how many were erased, where to go on (0: at the end) */
static int l_erase_marks(lua_State *L) {
  size_t count, erased = 0;
  lc_text tenant = l_check_tenant(L, 2);
  const lc_text *texts = l_check_items(L, 3, sizeof *texts, &count, to_text);
  bool companies = lua_toboolean(L, 4);
  uint64_t from = (uint64_t)luaL_checkinteger(L, 5);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_erase_marks(box->store, tenant, texts, count, companies, &from, &erased, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushinteger(L, (lua_Integer)erased);
  lua_pushinteger(L, (lua_Integer)from);
  return 2;
}

void l_forget_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "find_traces", l_find_traces }, { "erase", l_erase }, { "erase_marks", l_erase_marks }, { NULL, NULL },
  };
  l_store_methods(L, methods);
}
