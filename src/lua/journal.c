#include "journal.h"

#include <math.h>
#include <string.h>

#include "convert.h"
#include "store.h"

/* ---- writing ----------------------------------------------------------------------------- */

static const char *const result_names[] = {
  [LC_PUT] = "written",
  [LC_BUSY] = "busy",
  [LC_OVERTAKEN] = "overtaken",
  [LC_ANSWERED] = "answered",
  [LC_OVERDUE] = "overdue",
};

static void id_field(lua_State *L, int table, const char *name, uint8_t *id) {
  if (!l_to_question_id(l_text_field(L, table, name, 64), id))
    luaL_error(L, "field '%s': 32 hex digits expected", name);
}

/* The id of the question that is answered, when the item has one. */
static void to_answer(lua_State *L, int table, lc_write *write) {
  lua_getfield(L, table, "answers");
  write->is_answer = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (write->is_answer)
    id_field(L, table, "answers", write->entry.question);
  write->entry.has_question = write->is_answer;
}

/* The item at the top of the stack. */
static void to_write(lua_State *L, lc_write *write) {
  int table = lua_gettop(L);
  memset(write, 0, sizeof *write);
  write->entry = (lc_entry){
    .at = l_number_field(L, table, "at"),
    .revision = (uint64_t)l_integer_field(L, table, "revision"),
    .status = (lc_entry_status)l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES),
    .trigger = (uint8_t)l_name_field(L, table, "trigger", lc_trigger_names, LC_TRIGGERS),
    .action = (uint8_t)l_name_field(L, table, "action", lc_action_names, LC_ACTIONS),
    .lead_status = (int32_t)l_integer_field(L, table, "lead_status"),
    .from = (int32_t)l_integer_field(L, table, "from"),
    .to = (int32_t)l_integer_field(L, table, "to"),
    .company = l_company_field(L, table),
    .details = l_text_field(L, table, "details", UINT32_MAX),
  };
  write->newest = (uint64_t)l_integer_field(L, table, "newest");
  to_answer(L, table, write);
  if (write->entry.status == LC_ENTRY_AWAITING)
    luaL_error(L, "field 'status': only events ask");
}

/* Sets what came of it in the item at the top of the stack. */
static void set_result(lua_State *L, const lc_write *write) {
  bool written = write->result == LC_PUT;
  lua_pushinteger(L, (lua_Integer)(written ? write->entry.id : write->first));
  lua_setfield(L, -2, "entry"); /* 0 when none is in the way */
  lua_pushstring(L, result_names[write->result]);
  lua_setfield(L, -2, "result");
  lua_pushstring(L, lc_entry_status_names[write->entry.status]);
  lua_setfield(L, -2, "status");
}

bool l_to_cursor(lua_State *L, int index, lc_cursor *cursor) {
  if (!lua_istable(L, index))
    return false;
  *cursor = (lc_cursor){ l_text_field(L, index, "name", LC_CURSOR_MAX), l_text_field(L, index, "before", UINT32_MAX),
                     l_text_field(L, index, "text", UINT32_MAX) };
  return true;
}

/* store:write(tenant, items, now, claim, cursor or nil) -> true. Each item gets `result` (a result_names), `entry` (its own, or the
 * one in the way) and its final `status`. The host may take `claim` seconds for its changes. With a cursor all are written,
 * or none: nil, message, "conflict". */
static int l_write(lua_State *L) {
  lc_error error;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4), claim = luaL_checknumber(L, 5);
  size_t count = lua_rawlen(L, 3);
  lc_cursor cursor;
  bool has_cursor = l_to_cursor(L, 6, &cursor);
  lc_write *writes = lua_newuserdata(L, (count + 1) * sizeof *writes);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_write(L, &writes[i]);
    lua_pop(L, 1);
  }
  lc_status status = lc_store_write(l_check_open(L), tenant, writes, count, has_cursor ? &cursor : NULL, now, claim, &error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    set_result(L, &writes[i]);
    lua_pop(L, 1);
  }
  return l_done(L, status, &error);
}

/* ---- unchanged events --------------------------------------------------------------------- */

/* The note at the top of the stack. */
static void to_unchanged(lua_State *L, lc_entry *entry) {
  int table = lua_gettop(L);
  *entry = (lc_entry){
    .at = l_number_field(L, table, "at"),
    .revision = (uint64_t)l_integer_field(L, table, "revision"),
    .status = LC_ENTRY_UNCHANGED,
    .trigger = (uint8_t)l_name_field(L, table, "trigger", lc_trigger_names, LC_TRIGGERS),
    .action = LC_NONE,
    .reason = (uint8_t)l_name_field(L, table, "reason", lc_entry_reason_names, LC_ENTRY_REASONS),
    .lead_status = (int32_t)l_integer_field(L, table, "lead_status"),
    .from = (int32_t)l_integer_field(L, table, "from"),
    .company = l_company_field(L, table),
    .event_id = l_text_field(L, table, "event_id", LC_EVENT_ID_MAX),
    .details = l_text_field(L, table, "details", UINT32_MAX),
    .error = l_text_field(L, table, "error", UINT32_MAX),
  };
}

/* store:add_unchanged(tenant, items, now) -> true */
static int l_add_unchanged(lua_State *L) {
  lc_error error;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4);
  size_t count = lua_rawlen(L, 3);
  lc_entry *entries = lua_newuserdata(L, (count + 1) * sizeof *entries);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_unchanged(L, &entries[i]);
    lua_pop(L, 1);
  }
  return l_done(L, lc_store_add_unchanged(l_check_open(L), tenant, entries, count, now, &error), &error);
}

/* ---- finishing --------------------------------------------------------------------------- */

static void to_finish(lua_State *L, double now, lc_finish *finish) {
  int table = lua_gettop(L);
  *finish = (lc_finish){
    .entry = (uint64_t)l_integer_field(L, table, "entry"),
    .company = l_company_field(L, table),
    .status = (lc_entry_status)l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES),
    .error = l_text_field(L, table, "error", UINT32_MAX),
    .retry_at = now + l_number_field(L, table, "retry_in"),
  };
}

/* store:finish(tenant, items, now) -> true. Each item gets `lost`. */
static int l_finish(lua_State *L) {
  lc_error error;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4);
  size_t count = lua_rawlen(L, 3);
  lc_finish *finishes = lua_newuserdata(L, (count + 1) * sizeof *finishes);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_finish(L, now, &finishes[i]);
    lua_pop(L, 1);
  }
  lc_status status = lc_store_finish(l_check_open(L), tenant, finishes, count, &error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    lua_pushboolean(L, finishes[i].lost);
    lua_setfield(L, -2, "lost");
    lua_pop(L, 1);
  }
  return l_done(L, status, &error);
}

/* ---- reading ----------------------------------------------------------------------------- */

static int push_entry(lua_State *L, lc_text packed) {
  lc_error error;
  lc_entry entry;
  lc_status status = lc_entry_unpack(packed.data, packed.size, &entry, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  l_push_entry(L, &entry);
  return 1;
}

static int one_entry(lua_State *L, const lc_store *store, lc_status status, const lc_error *error) {
  return status == LC_OK ? push_entry(L, lc_store_result(store)) : l_fail(L, status, error);
}

/* store:newest(tenant, company) -> entry, 0 when there is none, nil, message, "conflict" while it is applying */
static int l_newest(lua_State *L) {
  lc_error error;
  uint64_t newest = 0;
  lc_store *store = l_check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_check_text(L, 3, LC_COMPANY_MAX), false };
  lc_status status = lc_store_newest(store, tenant, &company, &newest, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)newest);
  return 1;
}

/* store:claim(tenant, company, idle, now, seconds) -> entry, attempts, seconds since it was begun (without end where that was not kept) */
static int l_claim(lua_State *L) {
  lc_error error;
  lc_claim claim;
  lc_store *store = l_check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_check_text(L, 3, LC_COMPANY_MAX), false };
  bool idle = lua_toboolean(L, 4) != 0;
  double now = luaL_checknumber(L, 5);
  lc_status status = lc_store_claim(store, tenant, &company, idle, now, luaL_checknumber(L, 6),
                                    &claim, &error);
  int results = one_entry(L, store, status, &error);
  if (results != 1)
    return results;
  lua_pushinteger(L, (lua_Integer)claim.attempts);
  lua_pushnumber(L, claim.begun != 0 ? now - claim.begun : HUGE_VAL);
  return 3;
}

/* store:applying(tenant, now, after, limit) -> entries */
static int l_applying(lua_State *L) {
  lc_error error;
  lc_store *store = l_check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 3);
  lc_text after = l_check_text(L, 4, LC_COMPANY_MAX);
  lc_status status = lc_store_applying(store, tenant, now, after, (size_t)luaL_checkinteger(L, 5), &error);
  return l_push_results(L, store, status, &error, push_entry);
}

/* store:cursor(tenant, name) -> text */
static int l_cursor(lua_State *L) {
  lc_error error;
  lc_store *store = l_check_open(L);
  lc_status status = lc_store_cursor(store, l_check_tenant(L, 2), l_check_text(L, 3, LC_CURSOR_MAX), &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  l_push_text(L, lc_store_result(store));
  return 1;
}

/* store:seen(tenant, event_id) -> entry */
static int l_seen(lua_State *L) {
  lc_error error;
  lc_store *store = l_check_open(L);
  lc_status status = lc_store_seen(store, l_check_tenant(L, 2), l_check_text(L, 3, LC_EVENT_ID_MAX), &error);
  return one_entry(L, store, status, &error);
}

/* store:entry(tenant, id) -> entry */
static int l_entry(lua_State *L) {
  lc_error error;
  lc_store *store = l_check_open(L);
  lc_status status = lc_store_entry(store, l_check_tenant(L, 2), (uint64_t)luaL_checkinteger(L, 3), &error);
  return one_entry(L, store, status, &error);
}

/* store:history(tenant, company or nil, since or nil, after or nil, limit, unchanged) -> entries; `unchanged`: unchanged
 * events */
static int l_history(lua_State *L) {
  lc_error error;
  lc_store *store = l_check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_opt_text(L, 3, LC_COMPANY_MAX), false };
  double since = luaL_optnumber(L, 4, -HUGE_VAL);
  uint64_t after = (uint64_t)luaL_optinteger(L, 5, 0);
  size_t limit = (size_t)luaL_checkinteger(L, 6);
  lc_status (*list)(lc_store *, lc_text, const lc_company *, double, uint64_t, size_t, lc_error *) =
    lua_toboolean(L, 7) ? lc_store_unchanged : lc_store_history;
  lc_status status = list(store, tenant, company.text.size != 0 ? &company : NULL, since, after, limit, &error);
  return l_push_results(L, store, status, &error, push_entry);
}

void l_journal_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "write", l_write },
    { "add_unchanged", l_add_unchanged },
    { "finish", l_finish },
    { "claim", l_claim },
    { "applying", l_applying },
    { "newest", l_newest },
    { "cursor", l_cursor },
    { "seen", l_seen },
    { "entry", l_entry },
    { "history", l_history },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
