#include <math.h>
#include <string.h>

#include "convert.h"
#include "store.h"
#include "store/handle.h"

/* ---- writing ----------------------------------------------------------------------------- */

static const char *const result_names[] = {
  [LC_PUT] = "written",
  [LC_BUSY] = "busy",
  [LC_OVERTAKEN] = "overtaken",
  [LC_ANSWERED] = "answered",
  [LC_OVERDUE] = "overdue",
};

static void to_write(lua_State *L, int table, void *item) {
  lc_write *write = memset(item, 0, sizeof *write);
  lc_text question = l_text_field(L, table, "answers", 64); /* its id, if there is one */
  write->entry = (lc_entry){
    .at = l_number_field(L, table, "at"),
    .revision = (uint64_t)l_integer_field(L, table, "revision"),
    .status = (lc_entry_status)l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES),
    .trigger = l_trigger_field(L, table, l_check_store(L, 1)),
    .action = (uint8_t)l_name_field(L, table, "action", lc_action_names, LC_ACTIONS),
    .lead_status = (int32_t)l_integer_field(L, table, "lead_status"),
    .rule = (int32_t)l_integer_field(L, table, "rule_id"),
    .from = (int32_t)l_integer_field(L, table, "from"),
    .to = (int32_t)l_integer_field(L, table, "to"),
    .takes_back = l_boolean_field(L, table, "takes_back"),
    .company = l_company_field(L, table),
    .details = l_text_field(L, table, "details", UINT32_MAX),
    .error = l_text_field(L, table, "error", UINT32_MAX),
  };
  write->by_expiry = l_boolean_field(L, table, "by_expiry");
  write->newest = (uint64_t)l_integer_field(L, table, "newest");
  write->continues = l_boolean_field(L, table, "continues");
  write->is_answer = write->entry.has_question = question.data != NULL;
  if (write->is_answer && !l_to_question_id(question, write->entry.question))
    luaL_error(L, "field 'answers': 32 hex digits expected");
  if (write->entry.status == LC_ENTRY_AWAITING)
    luaL_error(L, "field 'status': only events ask");
}

bool l_to_cursor(lua_State *L, int index, lc_cursor *cursor) {
  if (!lua_istable(L, index))
    return false;
  *cursor = (lc_cursor){
    .name = l_text_field(L, index, "name", LC_CURSOR_MAX), .text = l_text_field(L, index, "text", UINT32_MAX),
    .anyhow = l_boolean_field(L, index, "anyhow"), .before = l_text_field(L, index, "before", UINT32_MAX),
  };
  return true;
}

/* store:write(tenant, items, now, claim, cursor or nil) -> true. Each item gets `result` (a result_names), `entry` (its
 * own, or the one in the way; 0: none) and its final `status`. The host may take `claim` seconds for its changes. With
 * a cursor all are written, or none: nil, message, "conflict". */
static int l_write(lua_State *L) {
  size_t count;
  lc_cursor cursor;
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 4), claim = luaL_checknumber(L, 5);
  lc_write *writes = l_check_items(L, 3, sizeof *writes, &count, to_write);
  const lc_cursor *moved = l_to_cursor(L, 6, &cursor) ? &cursor : NULL;
  l_store *box = l_check_open(L);
  lc_status status = lc_store_write(box->store, tenant, writes, count, moved, now, claim, &box->error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    const lc_write *write = &writes[i];
    lua_rawgeti(L, 3, (int)i + 1);
    l_set_entry(L, box, write->result == LC_PUT ? write->entry.id : write->first);
    l_set_string(L, "result", result_names[write->result]);
    l_set_string(L, "status", lc_entry_status_names[write->entry.status]);
    lua_pop(L, 1);
  }
  return l_done(L, box, status);
}

/* ---- unchanged events --------------------------------------------------------------------- */

static void to_unchanged(lua_State *L, int table, void *entry) {
  *(lc_entry *)entry = (lc_entry){
    .at = l_number_field(L, table, "at"),
    .revision = (uint64_t)l_integer_field(L, table, "revision"),
    .status = LC_ENTRY_UNCHANGED,
    .trigger = l_trigger_field(L, table, l_check_store(L, 1)),
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
  size_t count;
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 4);
  lc_entry *entries = l_check_items(L, 3, sizeof *entries, &count, to_unchanged);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_add_unchanged(box->store, tenant, entries, count, now, &box->error));
}

/* store:remember(tenant, item, now) -> true */
static int l_remember(lua_State *L) {
  lc_entry entry;
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 4);
  luaL_checktype(L, 3, LUA_TTABLE);
  to_unchanged(L, 3, &entry);
  luaL_argcheck(L, entry.event_id.size != 0, 3, "an event_id expected");
  const lc_mark mark = {
    .revision = entry.revision, .trigger = entry.trigger, .reason = entry.reason, .lead_status = entry.lead_status,
    .rule = (int32_t)l_integer_field(L, 3, "rule_id"), .from = entry.from, .company = entry.company,
    .error = l_text_field(L, 3, "error", LC_MARK_ERROR_MAX),
  };
  lc_store_remember_one(l_check_open(L)->store, tenant, entry.event_id, &mark, now);
  lua_pushboolean(L, 1);
  return 1;
}

/* store:settle() -> true */
static int l_settle(lua_State *L) {
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_settle(box->store, &box->error));
}

/* ---- finishing --------------------------------------------------------------------------- */

static void to_finish(lua_State *L, int table, void *finish) {
  *(lc_finish *)finish = (lc_finish){
    .entry = (uint64_t)l_integer_field(L, table, "entry"),
    .company.text = l_text_field(L, table, "company", LC_COMPANY_MAX),
    .status = (lc_entry_status)l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES),
    .error = l_text_field(L, table, "error", UINT32_MAX),
    .retry_in = l_number_field(L, table, "retry_in"),
    .made = l_boolean_field(L, table, "made"),
  };
}

/* Sets `lost` in an item of the list in the third argument. */
static void set_lost(lua_State *L, size_t i, bool lost) {
  lua_rawgeti(L, 3, (int)i + 1);
  l_set_boolean(L, "lost", lost);
  lua_pop(L, 1);
}

/* store:finish(tenant, items, now) -> true. Each item gets `lost`. */
static int l_finish(lua_State *L) {
  size_t count;
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 4);
  lc_finish *finishes = l_check_items(L, 3, sizeof *finishes, &count, to_finish);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_finish(box->store, tenant, finishes, count, now, &box->error);
  for (size_t i = 0; i < count && status == LC_OK; i++)
    set_lost(L, i, finishes[i].lost);
  return l_done(L, box, status);
}

/* ---- what is scheduled -------------------------------------------------------------------- */

static void to_ending(lua_State *L, int table, void *ending) {
  *(lc_ending *)ending = (lc_ending){
    .entry = (uint64_t)l_integer_field(L, table, "entry"),
    .company.text = l_text_field(L, table, "company", LC_COMPANY_MAX),
    .status = (lc_entry_status)l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES),
    .reason = (uint8_t)l_name_field(L, table, "reason", lc_entry_reason_names, LC_ENTRY_REASONS),
    .error = l_text_field(L, table, "error", UINT32_MAX),
    .details = l_text_field(L, table, "details", UINT32_MAX),
    .again = l_number_field(L, table, "again"),
    .revision = (uint64_t)l_integer_field(L, table, "revision"),
    .from = (int32_t)l_integer_field(L, table, "from"),
  };
}

/* store:end_scheduled(tenant, items, now) -> true. Each item gets `lost`. */
static int l_end_scheduled(lua_State *L) {
  size_t count;
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 4);
  lc_ending *endings = l_check_items(L, 3, sizeof *endings, &count, to_ending);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_end_scheduled(box->store, tenant, endings, count, now, &box->error);
  for (size_t i = 0; i < count && status == LC_OK; i++)
    set_lost(L, i, endings[i].lost);
  return l_done(L, box, status);
}

/* store:held(tenant, after, limit) -> held entries behind the entry `after`, the oldest first */
static int l_held(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t after = (uint64_t)luaL_checkinteger(L, 3);
  size_t limit = (size_t)luaL_checkinteger(L, 4);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_results(L, box, result, lc_store_held(box->store, tenant, after, limit, &box->error), l_push_entry);
}

/* ---- reading ----------------------------------------------------------------------------- */

int l_push_entry(lua_State *L, lc_text packed) {
  lc_error error;
  lc_entry entry;
  lc_status status = lc_entry_unpack(packed.data, packed.size, &entry, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_createtable(L, 0, 18);
  if (entry.id != 0) /* else it is a mark */
    l_set_entry(L, l_check_store(L, 1), entry.id);
  l_set_number(L, "at", entry.at);
  l_push_company(L, entry.company);
  lua_setfield(L, -2, "company");
  if (!lc_entry_is_note(&entry))
    status = l_set_trigger(L, l_check_store(L, 1), entry.trigger, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  if (entry.former.text.size != 0) {
    l_push_company(L, entry.former);
    lua_setfield(L, -2, "former");
  }
  if (entry.is_gone) {
    l_set_boolean(L, "is_gone", true);
  }
  l_set_id(L, "rule_id", entry.rule);
  l_set_string(L, "action", lc_action_names[entry.action]);
  l_set_string(L, "status", lc_entry_status_names[entry.status]);
  if (entry.reason != LC_ENTRY_MATCHED)
    l_set_string(L, "reason", lc_entry_reason_names[entry.reason]);
  l_set_integer(L, "revision", (int64_t)entry.revision);
  l_set_integer(L, "from", entry.from);
  l_set_integer(L, "to", entry.to);
  l_set_id(L, "lead_status", entry.lead_status);
  if (entry.takes_back) {
    l_set_boolean(L, "takes_back", true);
  }
  if (entry.has_at && entry.status == LC_ENTRY_QUEUED) {
    l_set_boolean(L, "has_at", true);
  }
  if (entry.link == LC_LINK_DUE)
    l_set_number(L, "due", (double)entry.linked / 1000);
  else if (entry.link != LC_LINK_NONE)
    l_set_integer(L, lc_link_names[entry.link], (int64_t)entry.linked);
  if (entry.has_question) {
    l_push_question_id(L, entry.question);
    lua_setfield(L, -2, "confirmation");
  }
  l_set_text(L, "event_id", entry.event_id);
  l_set_text(L, "details", entry.details);
  l_set_text(L, "error", entry.error);
  return 1;
}

/* store:newest(tenant, company) -> entry, 0 when there is none; nil, message, "conflict" while it is applying */
static int l_newest(lua_State *L) {
  uint64_t newest = 0;
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = l_check_text(L, 3, LC_COMPANY_MAX) };
  l_store *box = l_check_open(L);
  lc_status status = lc_store_newest(box->store, tenant, &company, &newest, &box->error);
  return l_done_integer(L, box, status, (int64_t)newest);
}

/* store:last_change(tenant, company, sale or nil) -> made, at: {from, to} of the company's newest applied change, if that sale has
 * caused it and it took nothing back, else nil; when the event of the newest change with a time happened, or nil */
static int l_last_change(lua_State *L) {
  lc_last_change last = { .needs_at = true };
  lc_text tenant = l_check_tenant(L, 2), sale = { NULL, 0 };
  lc_company company = { .text = l_check_text(L, 3, LC_COMPANY_MAX) };
  if (!lua_isnoneornil(L, 4))
    sale = l_check_text(L, 4, LC_COMPANY_MAX);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_last_change(box->store, tenant, &company, sale, &last, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  if (last.made.from != last.made.to) {
    lua_createtable(L, 0, 2);
    l_set_id(L, "from", last.made.from);
    l_set_id(L, "to", last.made.to);
  } else {
    lua_pushnil(L);
  }
  if (isnan(last.at))
    lua_pushnil(L);
  else
    lua_pushnumber(L, last.at);
  return 2;
}

/* store:claim(tenant, company, idle, now, seconds) -> entry, attempts, seconds since it began (HUGE_VAL: unknown), whether the
 * store is a copy made since then */
static int l_claim(lua_State *L) {
  lc_claim claim;
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = l_check_text(L, 3, LC_COMPANY_MAX) };
  double now = luaL_checknumber(L, 5), seconds = luaL_checknumber(L, 6);
  bool idle = lua_toboolean(L, 4);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_claim(box->store, tenant, &company, idle, seconds, &claim, &box->error);
  bool restored = status == LC_OK && lc_is_restored(&box->epochs, claim.entry);
  int results = l_push_result(L, box, result, status, l_push_entry);
  if (results != 1)
    return results;
  lua_pushinteger(L, (lua_Integer)claim.attempts);
  lua_pushnumber(L, claim.begun != 0 && claim.begun <= now ? now - claim.begun : HUGE_VAL);
  lua_pushboolean(L, restored);
  return 4;
}

/* store:applying(tenant, after, limit) -> entries */
static int l_applying(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2), after = l_check_text(L, 3, LC_COMPANY_MAX);
  size_t limit = (size_t)luaL_checkinteger(L, 4);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_applying(box->store, tenant, after, limit, &box->error);
  return l_push_results(L, box, result, status, l_push_entry);
}

/* store:scheduled(tenant, now, limit) -> entries */
static int l_scheduled(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 3);
  size_t limit = (size_t)luaL_checkinteger(L, 4);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_scheduled(box->store, tenant, now, limit, &box->error);
  return l_push_results(L, box, result, status, l_push_entry);
}

/* store:schedule_of(tenant, company) -> entry */
static int l_schedule_of(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = l_check_text(L, 3, LC_COMPANY_MAX) };
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_schedule_of(box->store, tenant, &company, &box->error), l_push_entry);
}

/* store:cursor(tenant, name) -> text */
static int l_cursor(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2), name = l_check_text(L, 3, LC_CURSOR_MAX);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_cursor(box->store, tenant, name, &box->error), l_push_text);
}

/* store:seen(tenant, event_id) -> entry */
static int l_seen(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2), event_id = l_check_text(L, 3, LC_EVENT_ID_MAX);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_seen(box->store, tenant, event_id, &box->error), l_push_entry);
}

/* store:entry(tenant, id) -> entry */
static int l_entry(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t id = (uint64_t)luaL_checkinteger(L, 3);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_entry(box->store, tenant, id, &box->error), l_push_entry);
}

/* store:history(tenant, company or nil, since or nil, after or nil, limit, unchanged) -> entries, or unchanged ones */
static int l_history(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = { NULL, 0 } };
  if (!lua_isnil(L, 3))
    company.text = l_check_text(L, 3, LC_COMPANY_MAX);
  const lc_company *only = company.text.size != 0 ? &company : NULL;
  double since = luaL_optnumber(L, 4, -HUGE_VAL);
  uint64_t after = (uint64_t)luaL_optinteger(L, 5, 0);
  size_t limit = (size_t)luaL_checkinteger(L, 6);
  lc_status (*list)(lc_store *, lc_text, const lc_company *, double, uint64_t, size_t, lc_error *) =
    lua_toboolean(L, 7) ? lc_store_unchanged : lc_store_history;
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = list(box->store, tenant, only, since, after, limit, &box->error);
  return l_push_results(L, box, result, status, l_push_entry);
}

/* A number that may be absent. */
static double number_or(lua_State *L, int table, const char *name, double otherwise) {
  lua_getfield(L, table, name);
  bool absent = lua_isnil(L, -1);
  lua_pop(L, 1);
  return absent ? otherwise : l_number_field(L, table, name);
}

static bool has_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  bool has = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return has;
}

static lc_search check_search(lua_State *L, int table) {
  enum { MOST = 64 * 1024 };
  return (lc_search){
    .words = l_text_field(L, table, "words", MOST), .name = l_text_field(L, table, "name", MOST),
    .since = number_or(L, table, "since", -HUGE_VAL), .before = number_or(L, table, "before", HUGE_VAL),
    .status = has_field(L, table, "status") ? l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES) : -1,
    .trigger = has_field(L, table, "trigger") ? l_trigger_field(L, table, l_check_store(L, 1)) : -1,
    .revision = has_field(L, table, "revision") ? l_integer_field(L, table, "revision") : -1,
    .asked = l_boolean_field(L, table, "asked"), .unchanged = l_boolean_field(L, table, "unchanged"),
    .most = (size_t)l_integer_field(L, table, "most"), .limit = (size_t)l_integer_field(L, table, "limit"),
  };
}

/* store:search(tenant, company or nil, search, after or nil) -> entries, how many were looked at, where to go on; nil at the end */
static int l_search(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { .text = { NULL, 0 } };
  if (!lua_isnil(L, 3))
    company.text = l_check_text(L, 3, LC_COMPANY_MAX);
  const lc_company *only = company.text.size != 0 ? &company : NULL;
  uint64_t after = (uint64_t)luaL_optinteger(L, 5, 0);
  l_result *result = l_new_result(L);
  lc_search search = check_search(L, 4);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_search(box->store, tenant, only, after, &search, &box->error);
  int results = l_push_results(L, box, result, status, l_push_entry);
  if (results != 1)
    return results;
  lua_pushinteger(L, (lua_Integer)search.looked_at);
  if (search.reached == 0)
    return 2;
  lua_pushinteger(L, (lua_Integer)search.reached);
  return 3;
}

/* A change, then its entry. */
static int push_change(lua_State *L, lc_text item) {
  lc_done change;
  memcpy(&change, item.data, sizeof change);
  lua_createtable(L, 0, 3);
  l_set_integer(L, "number", (int64_t)change.number);
  l_set_string(L, "kind", lc_done_names[change.kind]);
  int results = l_push_entry(L, (lc_text){ item.data + sizeof change, item.size - sizeof change });
  if (results == 1)
    lua_setfield(L, -2, "entry");
  return results;
}

/* store:changes(tenant, after, limit) -> changes, the number of the last one, the number up to which they were removed */
static int l_changes(lua_State *L) {
  uint64_t newest = 0, removed = 0;
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t after = (uint64_t)luaL_checkinteger(L, 3);
  size_t limit = (size_t)luaL_checkinteger(L, 4);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_changes(box->store, tenant, after, limit, &newest, &removed, &box->error);
  int results = l_push_results(L, box, result, status, push_change);
  if (results != 1)
    return results;
  lua_pushinteger(L, (lua_Integer)newest);
  lua_pushinteger(L, (lua_Integer)removed);
  return 3;
}

/* store:newest_change(tenant) -> number: here the same for all */
static int l_newest_change(lua_State *L) {
  uint64_t newest = 0;
  l_store *box = l_check_open(L);
  lc_status status = lc_store_newest_change(box->store, &newest, &box->error);
  return l_done_integer(L, box, status, (int64_t)newest);
}

void l_journal_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "write", l_write },
    { "add_unchanged", l_add_unchanged },
    { "remember", l_remember },
    { "settle", l_settle },
    { "finish", l_finish },
    { "end_scheduled", l_end_scheduled },
    { "held", l_held },
    { "scheduled", l_scheduled },
    { "schedule_of", l_schedule_of },
    { "claim", l_claim },
    { "applying", l_applying },
    { "newest", l_newest },
    { "last_change", l_last_change },
    { "cursor", l_cursor },
    { "seen", l_seen },
    { "entry", l_entry },
    { "history", l_history },
    { "search", l_search },
    { "changes", l_changes },
    { "newest_change", l_newest_change },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
