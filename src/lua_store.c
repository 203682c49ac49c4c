#include "lua_store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lua_convert.h"

static const char *const store_type = "leadcat.store";

l_store *l_check_store(lua_State *L, int index) {
  return luaL_checkudata(L, index, store_type);
}

static lc_store *check_open(lua_State *L) {
  l_store *box = l_check_store(L, 1);
  if (box->store == NULL)
    luaL_error(L, "the store is closed");
  return box->store;
}

int l_store_open(lua_State *L) {
  lc_error error;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "path");
  const char *path = luaL_checkstring(L, -1);
  lc_store_options options = {
    .map_size = (size_t)l_integer_field(L, 1, "map_size"),
    .max_readers = (unsigned)l_integer_field(L, 1, "max_readers"),
    .relaxed = l_boolean_field(L, 1, "relaxed"),
  };
  l_store *box = lua_newuserdata(L, sizeof *box);
  box->store = NULL;
  luaL_getmetatable(L, store_type);
  lua_setmetatable(L, -2);
  lc_status status = lc_store_open(path, &options, &box->store, &error);
  return status == LC_OK ? 1 : l_fail(L, status, &error);
}

static int l_close(lua_State *L) {
  l_store *box = l_check_store(L, 1);
  lc_store *store = box->store;
  box->store = NULL;
  if (store != NULL)
    lc_store_close(store);
  return 0;
}

/* true, or nil, message, code */
static int done(lua_State *L, lc_status status, const lc_error *error) {
  if (status != LC_OK)
    return l_fail(L, status, error);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- configs ----------------------------------------------------------------------------- */

/* store:save(tenant, expected, ruleset, json, about) */
static int l_save(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t expected = (uint64_t)luaL_checkinteger(L, 3);
  lc_text ruleset = l_check_text(L, 4, UINT32_MAX);
  lc_text json = l_check_text(L, 5, UINT32_MAX);
  lc_text about = l_check_text(L, 6, UINT32_MAX);
  return done(L, lc_store_save(store, tenant, expected, ruleset, json, about, &error), &error);
}

/* store:repair(tenant, revision, ruleset) -> true */
static int l_repair(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t revision = (uint64_t)luaL_checkinteger(L, 3);
  lc_text ruleset = l_check_text(L, 4, UINT32_MAX);
  return done(L, lc_store_repair(store, tenant, revision, ruleset, &error), &error);
}

/* store:config(tenant, revision) -> json */
static int l_config(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_status status = lc_store_config(store, l_check_tenant(L, 2), (uint64_t)luaL_checkinteger(L, 3), &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  l_push_text(L, lc_store_result(store));
  return 1;
}

/* store:revisions(tenant) -> array of json */
static int l_revisions(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_status status = lc_store_revisions(store, l_check_tenant(L, 2), &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_newtable(L);
  lc_text list = lc_store_result(store), item;
  for (int i = 1; lc_list_next(&list, &item); i++) {
    l_push_text(L, item);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* ---- writing the journal ----------------------------------------------------------------- */

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

/* store:write(tenant, items, now, deadline) -> true. Each item gets `result` (a result_names),
 * `entry` (its own, or the one in the way) and its final `status`. */
static int l_write(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  double now = luaL_checknumber(L, 4), deadline = luaL_checknumber(L, 5);
  size_t count = lua_rawlen(L, 3);
  lc_write *writes = lua_newuserdata(L, (count + 1) * sizeof *writes);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_write(L, &writes[i]);
    lua_pop(L, 1);
  }
  lc_status status = lc_store_write(store, tenant, writes, count, now, deadline, &error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    set_result(L, &writes[i]);
    lua_pop(L, 1);
  }
  return done(L, status, &error);
}

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
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t count = lua_rawlen(L, 3);
  lc_finish *finishes = lua_newuserdata(L, (count + 1) * sizeof *finishes);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    to_finish(L, &finishes[i]);
    lua_pop(L, 1);
  }
  lc_status status = lc_store_finish(store, tenant, finishes, count, &error);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    lua_pushboolean(L, finishes[i].lost);
    lua_setfield(L, -2, "lost");
    lua_pop(L, 1);
  }
  return done(L, status, &error);
}

/* ---- reading the journal ----------------------------------------------------------------- */

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

/* Pushes the array of what `push` makes of each item of the result. */
static int push_all(lua_State *L, const lc_store *store, lc_status status, const lc_error *error,
                    int push(lua_State *L, lc_text packed)) {
  if (status != LC_OK)
    return l_fail(L, status, error);
  lua_newtable(L);
  lc_text list = lc_store_result(store), item;
  for (int i = 1; lc_list_next(&list, &item); i++) {
    if (push(L, item) != 1)
      return 3;
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* store:newest(tenant, company) -> entry, 0 when there is none, nil, message, "conflict" while it is applying */
static int l_newest(lua_State *L) {
  lc_error error;
  uint64_t newest = 0;
  lc_store *store = check_open(L);
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
  lc_store *store = check_open(L);
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
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 3);
  lc_text after = l_check_text(L, 4, LC_COMPANY_MAX);
  lc_status status = lc_store_applying(store, tenant, now, after, (size_t)luaL_checkinteger(L, 5), &error);
  return push_all(L, store, status, &error, push_entry);
}

/* store:seen(tenant, event_id) -> entry */
static int l_seen(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_status status = lc_store_seen(store, l_check_tenant(L, 2), l_check_text(L, 3, LC_EVENT_ID_MAX), &error);
  return one_entry(L, store, status, &error);
}

/* store:entry(tenant, id) -> entry */
static int l_entry(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_status status = lc_store_entry(store, l_check_tenant(L, 2), (uint64_t)luaL_checkinteger(L, 3), &error);
  return one_entry(L, store, status, &error);
}

/* store:history(tenant, company or nil, since or nil, after or nil, limit) -> entries */
static int l_history(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_opt_text(L, 3, LC_COMPANY_MAX), false };
  double since = luaL_optnumber(L, 4, -HUGE_VAL);
  uint64_t after = (uint64_t)luaL_optinteger(L, 5, 0);
  size_t limit = (size_t)luaL_checkinteger(L, 6);
  lc_status status = lc_store_history(store, tenant, company.text.size != 0 ? &company : NULL, since, after, limit, &error);
  return push_all(L, store, status, &error, push_entry);
}

/* ---- questions --------------------------------------------------------------------------- */

static int push_confirmation(lua_State *L, lc_text packed) {
  lc_error error;
  lc_confirmation confirmation;
  lc_status status = lc_confirmation_unpack(packed.data, packed.size, &confirmation, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  l_push_confirmation(L, &confirmation);
  return 1;
}

/* store:confirmation(tenant, id) -> confirmation */
static int l_confirmation(lua_State *L) {
  lc_error error;
  uint8_t id[LC_CONFIRMATION_SIZE];
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  if (!l_to_confirmation_id(l_check_text(L, 3, SIZE_MAX), id))
    return l_fail(L, LC_NOT_FOUND, &(lc_error){ "a confirmation's id has 32 hex digits" });
  lc_status status = lc_store_confirmation(store, tenant, id, &error);
  return status == LC_OK ? push_confirmation(L, lc_store_result(store)) : l_fail(L, status, &error);
}

/* The states of a query: the one that its field names, or all. */
static unsigned states_field(lua_State *L, int table) {
  lua_getfield(L, table, "state");
  bool all = lua_isnil(L, -1);
  lua_pop(L, 1);
  return all ? (1U << LC_QUESTION_STATES) - 1
             : 1U << l_name_field(L, table, "state", lc_question_state_names, LC_QUESTION_STATES);
}

/* The table at `index`: {company=, user=, state=, after= (an entry), now=, unswept=, limit=}; the first four may be absent. */
static lc_query check_query(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  return (lc_query){
    .company = l_text_field(L, index, "company", LC_COMPANY_MAX),
    .user = l_text_field(L, index, "user", LC_USER_MAX),
    .states = states_field(L, index),
    .after = (uint64_t)l_integer_field(L, index, "after"),
    .now = l_number_field(L, index, "now"),
    .unswept = l_boolean_field(L, index, "unswept"),
    .limit = (size_t)l_integer_field(L, index, "limit"),
  };
}

/* store:confirmations(tenant, query) -> confirmations */
static int l_confirmations(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_query query = check_query(L, 3);
  lc_status status = lc_store_confirmations(store, tenant, &query, &error);
  return push_all(L, store, status, &error, push_confirmation);
}

/* store:count_confirmations(tenant, query) -> how many, up to the limit */
static int l_count_confirmations(lua_State *L) {
  lc_error error;
  size_t count;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_query query = check_query(L, 3);
  lc_status status = lc_store_count_confirmations(store, tenant, &query, &count, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)count);
  return 1;
}

/* store:expire(tenant, now) -> how many were closed, whether there may be more */
static int l_expire(lua_State *L) {
  lc_error error;
  size_t expired;
  bool more;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_status status = lc_store_expire(store, tenant, luaL_checknumber(L, 3), &expired, &more, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)expired);
  lua_pushboolean(L, more);
  return 2;
}

/* ---- companies --------------------------------------------------------------------------- */

/* store:company(tenant, company) -> category */
static int l_company(lua_State *L) {
  lc_error error;
  int32_t category;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_check_text(L, 3, LC_COMPANY_MAX), false };
  lc_status status = lc_store_company(store, tenant, &company, &category, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, category);
  return 1;
}

/* store:create(tenant, items, category) -> how many were new; items {company=, company_is_integer=} */
static int l_create(lua_State *L) {
  lc_error error;
  size_t created;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  int32_t category = l_check_id(L, 4);
  size_t count = lua_rawlen(L, 3);
  lc_company *companies = lua_newuserdata(L, (count + 1) * sizeof *companies);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    companies[i] = l_company_field(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  lc_status status = lc_store_create(store, tenant, companies, count, category, &created, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)created);
  return 1;
}

/* store:set_category(tenant, company, to, from) -> true */
static int l_set_category(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_company company = { l_check_text(L, 3, LC_COMPANY_MAX), false };
  int32_t to = l_check_id(L, 4), from = l_check_id(L, 5);
  return done(L, lc_store_set_category(store, tenant, &company, to, from, &error), &error);
}

/* store:companies(tenant, after, limit) -> array of companies, array of their categories */
static int l_companies(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_text after = l_check_text(L, 3, LC_COMPANY_MAX);
  lc_status status = lc_store_companies(store, tenant, after, (size_t)luaL_checkinteger(L, 4), &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_newtable(L);
  lua_newtable(L);
  lc_text list = lc_store_result(store), item;
  for (int i = 1; lc_list_next(&list, &item); i++) {
    lc_company_record record;
    memcpy(&record, item.data, sizeof record);
    lc_text text = { item.data + sizeof record, item.size - sizeof record };
    l_push_company(L, (lc_company){ text, record.is_integer != 0 });
    lua_rawseti(L, -3, i);
    lua_pushinteger(L, record.category);
    lua_rawseti(L, -2, i);
  }
  return 2;
}

/* ---- counters ---------------------------------------------------------------------------- */

/* store:add(tenant, items) -> true; items {name=, value=} */
static int l_add(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t count = lua_rawlen(L, 3);
  lc_counter *counters = lua_newuserdata(L, (count + 1) * sizeof *counters);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    int item = lua_gettop(L);
    counters[i] = (lc_counter){ l_text_field(L, item, "name", LC_COUNTER_MAX), (uint64_t)l_integer_field(L, item, "value") };
    lua_pop(L, 1);
  }
  return done(L, lc_store_add(store, tenant, counters, count, &error), &error);
}

/* store:counters(tenant) -> value by name */
static int l_counters(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  lc_status status = lc_store_counters(store, l_check_tenant(L, 2), &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_newtable(L);
  lc_text list = lc_store_result(store), item;
  while (lc_list_next(&list, &item)) {
    uint64_t value;
    memcpy(&value, item.data, sizeof value);
    l_push_text(L, (lc_text){ item.data + sizeof value, item.size - sizeof value });
    l_push_number(L, (double)value);
    lua_rawset(L, -3);
  }
  return 1;
}

/* ---- retention, copies, checks ----------------------------------------------------------- */

/* store:trim(tenant, age, count, now, from) -> how many were removed, where to go on (0: done) */
static int l_trim(lua_State *L) {
  lc_error error;
  size_t removed;
  lc_store *store = check_open(L);
  lc_text tenant = l_check_tenant(L, 2);
  lc_retention keep = { .age = luaL_checknumber(L, 3), .count = (uint64_t)luaL_checkinteger(L, 4) };
  double now = luaL_checknumber(L, 5);
  uint64_t from = (uint64_t)luaL_checkinteger(L, 6);
  lc_status status = lc_store_trim(store, tenant, &keep, now, &from, &removed, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)removed);
  lua_pushinteger(L, (lua_Integer)from);
  return 2;
}

/* store:copy(path, compact) -> true */
static int l_copy(lua_State *L) {
  lc_error error;
  lc_store *store = check_open(L);
  const char *path = luaL_checkstring(L, 2);
  return done(L, lc_store_copy(store, path, lua_toboolean(L, 3) != 0, &error), &error);
}

/* What a check has found: as many as fit; the rest is counted. */
typedef struct l_problems {
  size_t count;
  char lines[200][LC_ERROR_SIZE];
} l_problems;

static void add_problem(void *context, const char *problem) {
  l_problems *problems = context;
  if (problems->count < sizeof problems->lines / sizeof problems->lines[0])
    snprintf(problems->lines[problems->count], LC_ERROR_SIZE, "%s", problem);
  problems->count++;
}

int l_store_check(lua_State *L) {
  lc_error error;
  const char *path = luaL_checkstring(L, 1);
  l_problems *problems = lua_newuserdata(L, sizeof *problems);
  problems->count = 0;
  lc_status status = lc_store_check(path, add_problem, problems, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_newtable(L);
  for (size_t i = 0; i < problems->count && i < sizeof problems->lines / sizeof problems->lines[0]; i++) {
    lua_pushstring(L, problems->lines[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* ---- upkeep ------------------------------------------------------------------------------ */

static void set_part(lua_State *L, const lc_store_stats *stats, int part, const char *name) {
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)stats->map_used[part]);
  lua_setfield(L, -2, "used");
  lua_pushinteger(L, (lua_Integer)stats->map_size[part]);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, (lua_Integer)stats->readers[part]);
  lua_setfield(L, -2, "readers");
  lua_pushinteger(L, (lua_Integer)stats->max_readers);
  lua_setfield(L, -2, "max_readers");
  lua_setfield(L, -2, name);
}

/* store:stats() -> {unfinished=, config=, journal={used=, size= (bytes), readers=, max_readers=},
 * commits={count=, seconds=, slowest=}} */
static int l_stats(lua_State *L) {
  lc_error error;
  lc_store_stats stats;
  lc_store *store = check_open(L);
  lc_status status = lc_store_stat(store, &stats, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_newtable(L);
  lua_pushinteger(L, (lua_Integer)stats.unfinished);
  lua_setfield(L, -2, "unfinished");
  set_part(L, &stats, 0, "config");
  set_part(L, &stats, 1, "journal");
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)stats.commits);
  lua_setfield(L, -2, "count");
  lua_pushnumber(L, stats.commit_seconds);
  lua_setfield(L, -2, "seconds");
  lua_pushnumber(L, stats.commit_slowest);
  lua_setfield(L, -2, "slowest");
  lua_setfield(L, -2, "commits");
  return 1;
}

/* store:check_readers() -> how many slots of dead processes were freed */
static int l_check_readers(lua_State *L) {
  lc_error error;
  unsigned freed;
  lc_status status = lc_store_check_readers(check_open(L), &freed, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)freed);
  return 1;
}

void l_store_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "close", l_close },
    { "save", l_save },
    { "config", l_config },
    { "revisions", l_revisions },
    { "write", l_write },
    { "finish", l_finish },
    { "claim", l_claim },
    { "applying", l_applying },
    { "newest", l_newest },
    { "seen", l_seen },
    { "entry", l_entry },
    { "history", l_history },
    { "confirmation", l_confirmation },
    { "confirmations", l_confirmations },
    { "count_confirmations", l_count_confirmations },
    { "expire", l_expire },
    { "repair", l_repair },
    { "trim", l_trim },
    { "copy", l_copy },
    { "add", l_add },
    { "counters", l_counters },
    { "company", l_company },
    { "create", l_create },
    { "set_category", l_set_category },
    { "companies", l_companies },
    { "stats", l_stats },
    { "check_readers", l_check_readers },
    { "__gc", l_close },
    { "__close", l_close },
    { NULL, NULL },
  };
  luaL_newmetatable(L, store_type);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
