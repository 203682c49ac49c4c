/* A store that moves (store/transfer.h): its records as tables of Lua, and back. */
#include <string.h>

#include "convert.h"
#include "store.h"
#include "store/layout.h"
#include "store/transfer.h"

/* ---- reading -------------------------------------------------------------------------------- */

static void set_bytes(lua_State *L, const char *name, lc_text bytes) {
  l_push_text(L, bytes);
  lua_setfield(L, -2, name);
}

static uint64_t number_of(lc_text key) {
  uint64_t number = 0;
  for (size_t i = key.size < 8 ? 0 : key.size - 8; i < key.size; i++)
    number = number << 8 | (unsigned char)key.data[i];
  return number;
}

/* Sets the name that is the rest of a key, behind its size. */
static void set_name(lua_State *L, lc_text rest) {
  set_bytes(L, "name", rest.size == 0 ? rest : (lc_text){ rest.data + 1, rest.size - 1 });
}

static lc_status damaged(lc_error *error) {
  return lc_fail(error, LC_CORRUPT, "a record is damaged: leadcat check --store says more");
}

static lc_status set_entry(lua_State *L, l_store *box, lc_text tenant, lc_text value, lc_error *error) {
  lc_entry entry;
  lc_status status = lc_entry_unpack(value.data, value.size, &entry, error);
  if (status == LC_OK)
    l_set_entry_columns(L, &entry, lc_transfer_is_seen(l_open_box(L, box)->store, tenant, &entry));
  return status;
}

static lc_status set_question(lua_State *L, lc_text value, lc_error *error) {
  lc_question question;
  lc_status status = lc_question_unpack(value.data, value.size, &question, error);
  if (status == LC_OK)
    l_set_question_columns(L, &question);
  return status;
}

static lc_status set_batch(lua_State *L, lc_text value, lc_error *error) {
  lc_batch batch;
  lc_text ids, id;
  if (!lc_batch_unpack(value, &batch, &ids))
    return damaged(error);
  l_set_number(L, "written", batch.written);
  lua_newtable(L);
  for (int i = 1; lc_batch_next(&ids, &id);)
    if (id.size != 0) {
      l_push_text(L, id);
      lua_rawseti(L, -2, i++);
    }
  lua_setfield(L, -2, "ids");
  return LC_OK;
}

static lc_status set_claim(lua_State *L, l_store *box, lc_text value, lc_error *error) {
  lc_claim claim;
  if (value.size != sizeof claim)
    return damaged(error);
  memcpy(&claim, value.data, sizeof claim);
  lc_transfer_free_claim(l_open_box(L, box)->store, &claim);
  l_set_integer(L, "applying", (int64_t)claim.entry);
  l_set_number(L, "retry_in", claim.retry_at);
  l_set_integer(L, "attempts", claim.attempts);
  l_set_integer(L, "begun", claim.begun);
  return LC_OK;
}

static lc_status set_company(lua_State *L, lc_text value, lc_error *error) {
  lc_company_record record;
  if (value.size != sizeof record)
    return damaged(error);
  memcpy(&record, value.data, sizeof record);
  l_set_integer(L, "changed", (int64_t)record.entry);
  l_set_integer(L, "category", record.category);
  l_set_boolean(L, "is_integer", record.is_integer != 0);
  return LC_OK;
}

/* Two numbers of the store, of a schedule; or one, of a counter. */
static lc_status set_numbers(lua_State *L, const char *const names[2], size_t count, lc_text value, lc_error *error) {
  uint64_t numbers[2];
  if (value.size != count * sizeof *numbers)
    return damaged(error);
  memcpy(numbers, value.data, value.size);
  for (size_t i = 0; i < count; i++)
    l_set_integer(L, names[i], (int64_t)numbers[i]);
  return LC_OK;
}

static lc_status set_change(lua_State *L, lc_text value, lc_error *error) {
  lc_done change;
  if (!lc_transfer_change(value, &change))
    return damaged(error);
  l_set_integer(L, "entry", (int64_t)change.entry);
  l_set_string(L, "kind", lc_done_names[change.kind]);
  return LC_OK;
}

/* A counter by day, or what is known of a tenant's. */
static lc_status set_daily(lua_State *L, lc_text rest, lc_text value, lc_error *error) {
  uint64_t count;
  lc_daily_head head;
  bool is_head = rest.size != LC_DAILY_SIZE;
  if (value.size != (is_head ? sizeof head : sizeof count))
    return damaged(error);
  memcpy(is_head ? (void *)&head : (void *)&count, value.data, value.size);
  if (is_head) {
    l_set_integer(L, "since", head.since);
    l_set_integer(L, "removed", head.removed);
  } else {
    set_bytes(L, "counted", rest);
    l_set_integer(L, "count", (int64_t)count);
  }
  return LC_OK;
}

static lc_status set_delivery(lua_State *L, lc_text value, lc_error *error) {
  lc_delivery d;
  lc_status status = lc_delivery_unpack(value.data, value.size, &d, error);
  if (status != LC_OK)
    return status;
  set_bytes(L, "key", (lc_text){ (const char *)d.key, sizeof d.key });
  l_set_integer(L, "state", (int64_t)d.state);
  l_set_number(L, "due", d.due);
  l_set_delivery(L, &d);
  return LC_OK;
}

static lc_status set_draft(lua_State *L, lc_text value, lc_error *error) {
  lc_draft draft = { .id = 0 };
  lc_status status = lc_draft_unpack(value, &draft, error);
  if (status == LC_OK)
    l_set_draft(L, &draft);
  return status;
}

/* Sets what the value says. `name` is the rest of the key. */
static lc_status set_value(lua_State *L, l_store *box, int table, lc_text tenant, lc_text value, lc_error *error) {
  static const char *const schedule[2] = { "scheduled", "scheduled_at" }, *const counter[2] = { "value", NULL };
  switch (table) {
    case LC_TABLE_JOURNAL: case LC_TABLE_UNCHANGED:
      return set_entry(L, box, tenant, value, error);
    case LC_TABLE_CONFIRMATIONS:
      return set_question(L, value, error);
    case LC_TABLE_MARKS:
      return set_batch(L, value, error);
    case LC_TABLE_APPLYING:
      return set_claim(L, box, value, error);
    case LC_TABLE_COMPANIES:
      return set_company(L, value, error);
    case LC_TABLE_SCHEDULED:
      return set_numbers(L, schedule, 2, value, error);
    case LC_TABLE_CHANGES:
      return set_change(L, value, error);
    case LC_TABLE_DELIVERIES:
      return set_delivery(L, value, error);
    case LC_TABLE_DRAFTS:
      return set_draft(L, value, error);
    case LC_TABLE_COUNTERS:
      return set_numbers(L, counter, 1, value, error);
    default:
      return LC_OK;
  }
}

static lc_status push_row(lua_State *L, l_store *box, int table, lc_text key, lc_text value, lc_error *error) {
  lc_text tenant;
  lua_createtable(L, 0, 12);
  set_bytes(L, "at_key", key);
  set_bytes(L, "record", value);
  if (!lc_transfer_tenant(&key, &tenant))
    return damaged(error);
  set_bytes(L, "tenant", tenant);
  set_name(L, key);
  l_set_integer(L, "number", (int64_t)(number_of(key) & INT64_MAX));
  if (table == LC_TABLE_DAILY)
    return set_daily(L, key, value, error);
  return set_value(L, box, table, tenant, value, error);
}

static int check_table(lua_State *L, int index) {
  lc_error error;
  int table;
  if (lc_transfer_table(l_check_text(L, index, 64), &table, &error) != LC_OK)
    luaL_argerror(L, index, "there is no such table");
  return table;
}

/* store:page(table, after) -> some records behind the one with `at_key` = after ("": the first): {at_key=, tenant=, name= or number= (the
 * rest of the key), record= (the value), and what it says}. Empty at the end. nil, message, code */
static int l_page(lua_State *L) {
  int table = check_table(L, 2);
  lc_text after = l_check_text(L, 3, 511), key, value;
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_transfer_page(box->store, table, after, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lc_text list = l_take_result(result, box);
  lua_newtable(L);
  for (int i = 1; status == LC_OK && lc_list_next(&list, &key) && lc_list_next(&list, &value); i++) {
    lc_error error;
    status = push_row(L, l_check_open(L), table, key, value, &error);
    if (status != LC_OK)
      return l_fail(L, status, &error);
    lua_rawseti(L, -2, i);
  }
  l_free_result(result);
  return 1;
}

/* store:table_size(table) -> its records */
static int l_table_size(lua_State *L) {
  int table = check_table(L, 2);
  uint64_t count = 0;
  l_store *box = l_check_open(L);
  lc_status status = lc_transfer_count(box->store, table, &count, &box->error);
  return l_done_integer(L, box, status, (int64_t)count);
}

/* store:epochs() -> list of {first=, name=} */
static int l_epochs(lua_State *L) {
  const lc_epochs *epochs = &l_check_open(L)->epochs;
  lua_newtable(L);
  for (size_t i = 0; i < epochs->count; i++) {
    lua_createtable(L, 0, 2);
    l_set_integer(L, "first", (int64_t)epochs->list[i].first);
    set_bytes(L, "name", (lc_text){ epochs->list[i].name, LC_EPOCH_SIZE });
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* ---- putting -------------------------------------------------------------------------------- */

typedef enum kind { JOURNAL, UNCHANGED, QUESTIONS, MARKS, COMPANIES, CURSORS, CHANGES, DELIVERIES, DRAFTS, DAILY, KINDS } kind;

typedef struct moved {
  lc_text name, record;
  bool is_seen;
  lc_scratch_company company;
  lc_done change;
  lc_delivery delivery;
  lc_draft draft;
  uint64_t count;
  lc_daily_head head;
} moved;

typedef void reader(lua_State *L, int table, void *item);

static void to_moved(lua_State *L, int table, void *item) {
  moved *m = item;
  *m = (moved){
    .name = l_text_field(L, table, "name", UINT8_MAX), .record = l_text_field(L, table, "record", UINT32_MAX),
    .is_seen = l_boolean_field(L, table, "seen"),
  };
}

static void to_company(lua_State *L, int table, void *item) {
  moved *m = item;
  *m = (moved){ .name = { NULL, 0 } };
  l_to_scratch_company(L, table, &m->company);
}

static void to_change(lua_State *L, int table, void *item) {
  moved *m = item;
  *m = (moved){ .change = {
    .number = (uint64_t)l_integer_field(L, table, "number"), .entry = (uint64_t)l_integer_field(L, table, "entry"),
    .kind = (lc_done_kind)l_name_field(L, table, "kind", lc_done_names, LC_DONE_KINDS),
  } };
}

static void to_delivery(lua_State *L, int table, void *item) {
  moved *m = item;
  lc_text key = l_text_field(L, table, "key", LC_DELIVERY_KEY_SIZE);
  *m = (moved){ .delivery = {
    .id = (uint64_t)l_integer_field(L, table, "id"), .received = l_number_field(L, table, "received"),
    .due = l_number_field(L, table, "due"), .attempts = (uint32_t)l_integer_field(L, table, "attempts"),
    .state = (lc_delivery_state)l_name_field(L, table, "state", lc_delivery_state_names, LC_DELIVERY_STATES),
    .hook = l_text_field(L, table, "hook", LC_HOOK_MAX), .sender_id = l_text_field(L, table, "sender_id", LC_SENDER_ID_MAX),
    .about = l_text_field(L, table, "about", UINT16_MAX), .problem = l_text_field(L, table, "problem", UINT16_MAX),
    .body = l_text_field(L, table, "body", LC_DELIVERY_BODY_MAX),
  } };
  if (key.size != sizeof m->delivery.key || m->delivery.hook.size == 0)
    luaL_error(L, "a hook and a key of 16 bytes expected");
  memcpy(m->delivery.key, key.data, sizeof m->delivery.key);
}

static void to_draft(lua_State *L, int table, void *item) {
  *(moved *)item = (moved){ .draft = l_to_draft(L, table) };
}

static void to_daily(lua_State *L, int table, void *item) {
  moved *m = item;
  *m = (moved){
    .name = l_text_field(L, table, "counted", LC_DAILY_SIZE), .count = (uint64_t)l_integer_field(L, table, "count"),
    .head = { .since = (uint32_t)l_integer_field(L, table, "since"), .removed = (uint32_t)l_integer_field(L, table, "removed") },
  };
}

static lc_status put(lc_store *store, kind what, lc_text tenant, const moved *m, lc_error *error) {
  switch (what) {
    case JOURNAL: case UNCHANGED:
      return lc_transfer_put_entry(store, what == UNCHANGED, m->record, m->is_seen, error);
    case QUESTIONS:
      return lc_scratch_put_question(store, m->record, error);
    case MARKS:
      return lc_scratch_keep_mark(store, tenant, m->name, m->record, error);
    case COMPANIES:
      return lc_scratch_put_company(store, &m->company, error);
    case CHANGES:
      return lc_transfer_put_change(store, &m->change, error);
    case DELIVERIES:
      return lc_transfer_put_delivery(store, &m->delivery, error);
    case DRAFTS:
      return lc_transfer_put_draft(store, &m->draft, error);
    case DAILY:
      return lc_transfer_put_daily(store, m->name, m->count, &m->head, error);
    default:
      return lc_scratch_put_cursor(store, m->name, m->record, error);
  }
}

/* store:restore(tenant, kind, items, written) -> true. Kinds: journal and unchanged {record=, seen=}, questions {record=}, marks {name=,
 * record=}, written (seconds since 1970) before that; companies as store:walk takes them; cursors {name=, record=}; changes {number=,
 * kind=, entry=} (number 0: up to where they were removed); deliveries as store:delivery gives them, with their key=; drafts as
 * store:drafts gives them; daily {counted=, count=}, or {since=, removed=}, as store:page gives them. In one
 * transaction. */
static int l_restore(lua_State *L) {
  static const char *const names[] = { "journal", "unchanged", "questions", "marks", "companies", "cursors", "changes", "deliveries",
                                      "drafts", "daily", NULL };
  static reader *const readers[] = { [COMPANIES] = to_company, [CHANGES] = to_change, [DELIVERIES] = to_delivery,
                                     [DRAFTS] = to_draft, [DAILY] = to_daily, [KINDS] = NULL };
  lc_text tenant = l_check_tenant(L, 2);
  kind what = (kind)luaL_checkoption(L, 3, NULL, names);
  double written = luaL_optnumber(L, 5, 0);
  size_t count;
  const moved *items = l_check_items(L, 4, sizeof *items, &count, readers[what] != NULL ? readers[what] : to_moved);
  l_store *box = l_check_open(L);
  lc_status status = lc_transfer_begin(box->store, tenant, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = put(box->store, what, tenant, &items[i], &box->error);
  return l_done(L, box, lc_transfer_end(box->store, written, status, &box->error));
}

/* store:finish_restore(epochs, last, written) -> true; as lc_transfer_finish */
static int l_finish_restore(lua_State *L) {
  lc_epochs epochs = l_check_epochs(L, 2);
  uint64_t last = (uint64_t)luaL_checkinteger(L, 3);
  double written = luaL_checknumber(L, 4);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_transfer_finish(box->store, &epochs, last, written, &box->error));
}

/* store:mark_moved(text) -> true; store:moved() -> the text, "" for none: as lc_transfer_mark */
static int l_mark_moved(lua_State *L) {
  lc_text mark = l_check_text(L, 2, UINT16_MAX);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_transfer_mark(box->store, mark, &box->error));
}

static int l_moved(lua_State *L) {
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_transfer_get_mark(box->store, &box->error), l_push_text);
}

void l_transfer_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "page", l_page },
    { "table_size", l_table_size },
    { "epochs", l_epochs },
    { "restore", l_restore },
    { "finish_restore", l_finish_restore },
    { "mark_moved", l_mark_moved },
    { "moved", l_moved },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
