#include "lua_journal.h"

#include <math.h>
#include <string.h>

#include "lua_convert.h"
#include "lua_event.h"
#include "lua_store.h"

/* ---- writing ----------------------------------------------------------------------------- */

static const char *const result_names[] = {
  [LC_WRITTEN] = "written",
  [LC_DUPLICATE] = "duplicate",
  [LC_BUSY] = "busy",
  [LC_OVERTAKEN] = "overtaken",
  [LC_ANSWERED] = "answered",
  [LC_OVERDUE] = "overdue",
};

static const char *const basis_names[] = {
  [LC_BASIS_GIVEN] = "given",
  [LC_BASIS_COMPANY] = "company",
  [LC_BASIS_NEWEST] = "newest",
};

static void id_field(lua_State *L, int table, const char *name, uint8_t *id) {
  if (!l_to_confirmation_id(l_text_field(L, table, name, 64), id))
    luaL_error(L, "field '%s': 32 hex digits expected", name);
}

/* The confirmation at the top of the stack. */
static void to_confirmation(lua_State *L, lc_write *write) {
  int table = lua_gettop(L);
  lc_confirmation *question = &write->question;
  id_field(L, table, "id", question->id);
  question->created_at = l_number_field(L, table, "created_at");
  question->expires_at = l_number_field(L, table, "expires_at");
  question->user = l_text_field(L, table, "user", LC_USER_MAX);
  question->body = l_text_field(L, table, "body", UINT32_MAX);
  write->entry.has_confirmation = true;
  memcpy(write->entry.confirmation, question->id, sizeof question->id);
}

/* The id of the confirmation that is answered, when the item has one. */
static void to_answer(lua_State *L, int table, lc_write *write) {
  lua_getfield(L, table, "answers");
  write->is_answer = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (write->is_answer)
    id_field(L, table, "answers", write->entry.confirmation);
  write->entry.has_confirmation = write->is_answer;
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
    .event_id = l_text_field(L, table, "event_id", LC_EVENT_ID_MAX),
    .details = l_text_field(L, table, "details", UINT32_MAX),
  };
  write->basis = (lc_basis)l_name_field(L, table, "basis", basis_names, 3);
  write->newest = (uint64_t)l_integer_field(L, table, "newest");
  to_answer(L, table, write);
  lua_getfield(L, table, "question");
  if (!lua_isnil(L, -1))
    to_confirmation(L, write);
  else if (write->entry.status == LC_ENTRY_AWAITING)
    luaL_error(L, "field 'question': missing");
  lua_pop(L, 1);
}

/* Sets what came of it in the item at the top of the stack. */
static void set_result(lua_State *L, const lc_write *write) {
  bool written = write->result == LC_WRITTEN;
  lua_pushinteger(L, (lua_Integer)(written ? write->entry.id : write->first));
  lua_setfield(L, -2, "entry"); /* 0 when none is in the way */
  lua_pushstring(L, result_names[write->result]);
  lua_setfield(L, -2, "result");
  lua_pushstring(L, lc_entry_status_names[write->entry.status]);
  lua_setfield(L, -2, "status");
}

/* store:write(tenant, items, now, deadline, note or nil) -> true. Each item gets `result` (a result_names),
 * `entry` (its own, or the one in the way) and its final `status`. With a note {name=, before=, text=} (JSON)
 * all are written, or none: nil, message, "conflict". */
static int l_write(lua_State *L) {
  lc_error error;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4), deadline = luaL_checknumber(L, 5);
  size_t count = lua_rawlen(L, 3);
  lc_note note = { .name = { NULL, 0 } };
  if (!lua_isnoneornil(L, 6))
    note = (lc_note){ l_text_field(L, 6, "name", LC_NOTE_MAX), l_text_field(L, 6, "before", UINT32_MAX),
                      l_text_field(L, 6, "text", UINT32_MAX) };
  lc_write *writes = lua_newuserdata(L, (count + 1) * sizeof *writes);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_write(L, &writes[i]);
    lua_pop(L, 1);
  }
  lc_status status = lc_store_write(l_check_open(L), tenant, writes, count, note.name.size != 0 ? &note : NULL, now,
                                    deadline, &error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    set_result(L, &writes[i]);
    lua_pop(L, 1);
  }
  return l_done(L, status, &error);
}

/* ---- deciding and writing at once ---------------------------------------------------------- */

static void to_core(const l_event *read, double now, lc_decided *event) {
  memset(event, 0, sizeof *event);
  event->write.entry = (lc_entry){
    .at = isnan(read->at) ? now : read->at,
    .trigger = (uint8_t)read->trigger,
    .lead_status = read->trigger == LC_LEAD_STATUS_SET ? read->lead_status : 0,
    .from = read->category,
    .company = read->company,
    .event_id = read->id,
  };
}

/* Whether the table at `index` is an array of so many items and nothing else. */
static bool is_array(lua_State *L, int index, size_t count) {
  size_t items = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
    if (++items > count) {
      lua_pop(L, 2);
      return false;
    }
  return items == count;
}

/* Room for events as they are read, and as the core takes them. One is what there mostly is. */
typedef struct l_room {
  l_event one_read, *read;
  lc_decided one, *events;
} l_room;

static void make_room(lua_State *L, l_room *room, size_t count) {
  room->read = count <= 1 ? &room->one_read : lua_newuserdata(L, count * sizeof *room->read);
  room->events = count <= 1 ? &room->one : lua_newuserdata(L, count * sizeof *room->events);
}

/* Reads `count` events from the index `first` on, of the array at stack index 3. False unless all are plain. Their details
 * are in the table at 4, by the events' index; true where there are none, false where nothing is to be written. */
static bool to_events(lua_State *L, int first, size_t count, double now, l_room *room) {
  bool may_write = lua_toboolean(L, 4), has_details = lua_istable(L, 4);
  for (size_t i = 0; i < count; i++) {
    l_event *read = &room->read[i];
    lc_decided *event = &room->events[i];
    lua_rawgeti(L, 3, first + (int)i);
    if (!l_to_event(L, lua_gettop(L), read) || read->category == L_NO_ID)
      return false;
    to_core(read, now, event);
    if (has_details) {
      lua_rawgeti(L, 4, first + (int)i);
      event->write.entry.details.data = lua_tolstring(L, -1, &event->write.entry.details.size);
      lua_pop(L, 1);
    }
    event->only_decide = !may_write || (read->has_details && event->write.entry.details.data == NULL);
    lua_pop(L, 1);
  }
  return true;
}

static void set_string(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, uint64_t number) {
  lua_pushinteger(L, (lua_Integer)number);
  lua_setfield(L, -2, name);
}

static void set_rule(lua_State *L, const lc_entry *entry) {
  if (entry->trigger != LC_LEAD_STATUS_SET)
    lua_pushstring(L, lc_trigger_names[entry->trigger]);
  else
    lua_pushfstring(L, "%s:%d", lc_trigger_names[entry->trigger], (int)entry->lead_status);
  lua_setfield(L, -2, "rule");
}

/* Pushes the outcome of an event that was written or has not matched; the first entry of one that was seen before. */
static void push_outcome(lua_State *L, const lc_decided *event) {
  const lc_entry *entry = &event->write.entry;
  bool written = event->write.result == LC_WRITTEN;
  if (event->write.result == LC_DUPLICATE) {
    lua_pushinteger(L, (lua_Integer)event->write.first);
    return;
  }
  lua_createtable(L, 0, 8);
  set_string(L, "status", written ? lc_entry_status_names[entry->status] : "unchanged");
  set_string(L, "action", lc_action_names[entry->action]);
  set_string(L, "reason", lc_reason_names[event->reason]);
  set_number(L, "revision", entry->revision);
  if (entry->from != 0)
    set_number(L, "from", (uint64_t)entry->from);
  if (written || event->reason == LC_ALREADY_IN_CATEGORY)
    set_rule(L, entry);
  if (written) {
    set_number(L, "to", (uint64_t)entry->to);
    set_number(L, "entry", entry->id);
  }
}

/* store:handle(tenant, events, details, now, first) -> array of what came of the events from the index `first` on: an outcome, or
 * the entry of one that was seen before. It ends where an event takes more than this: for one that is not plain, at
 * once. `details` has the JSON of what is kept of an event for display, by index, or is true: there is none; false:
 * nothing is to be written. nil, message, code */
static int l_handle(lua_State *L) {
  lc_error error;
  size_t done = 0;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 5);
  size_t all = lua_rawlen(L, 3), before = (size_t)luaL_checkinteger(L, 6) - 1;
  size_t count = is_array(L, 3, all) ? all - before : 0;
  l_room room;
  lc_status status = LC_OK;
  make_room(L, &room, count);
  if (to_events(L, (int)before + 1, count, now, &room))
    status = lc_store_handle(l_check_open(L), tenant, room.events, count, now, &done, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_createtable(L, (int)done, 0);
  for (size_t i = 0; i < done; i++) {
    push_outcome(L, &room.events[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* ---- what came to nothing ----------------------------------------------------------------- */

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

static void to_finish(lua_State *L, lc_finish *finish) {
  int table = lua_gettop(L);
  *finish = (lc_finish){
    .entry = (uint64_t)l_integer_field(L, table, "entry"),
    .company = l_company_field(L, table),
    .status = (lc_entry_status)l_name_field(L, table, "status", lc_entry_status_names, LC_ENTRY_STATUSES),
    .error = l_text_field(L, table, "error", UINT32_MAX),
    .retry_at = l_number_field(L, table, "retry_at"),
  };
}

/* store:finish(tenant, items) -> true. Each item gets `lost`. */
static int l_finish(lua_State *L) {
  lc_error error;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t count = lua_rawlen(L, 3);
  lc_finish *finishes = lua_newuserdata(L, (count + 1) * sizeof *finishes);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_finish(L, &finishes[i]);
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

/* store:claim(tenant, company, idle, now, deadline) -> entry, attempts */
static int l_claim(lua_State *L) {
  lc_error error;
  lc_claim claim;
  lc_store *store = l_check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_check_text(L, 3, LC_COMPANY_MAX), false };
  bool idle = lua_toboolean(L, 4) != 0;
  lc_status status = lc_store_claim(store, tenant, &company, idle, luaL_checknumber(L, 5), luaL_checknumber(L, 6),
                                    &claim, &error);
  int results = one_entry(L, store, status, &error);
  if (results != 1)
    return results;
  lua_pushinteger(L, (lua_Integer)claim.attempts);
  return 2;
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

/* store:note(tenant, name) -> text */
static int l_note(lua_State *L) {
  lc_error error;
  lc_store *store = l_check_open(L);
  lc_status status = lc_store_note(store, l_check_tenant(L, 2), l_check_text(L, 3, LC_NOTE_MAX), &error);
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

/* store:history(tenant, company or nil, since or nil, after or nil, limit, unchanged) -> entries; `unchanged`: those of what
 * came to nothing */
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
    { "handle", l_handle },
    { "add_unchanged", l_add_unchanged },
    { "finish", l_finish },
    { "claim", l_claim },
    { "applying", l_applying },
    { "newest", l_newest },
    { "note", l_note },
    { "seen", l_seen },
    { "entry", l_entry },
    { "history", l_history },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
