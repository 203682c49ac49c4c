/* A shared store's side of the core: deciding in memory about what was read from a database (store/scratch.h), and showing its records. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "convert.h"
#include "store.h"
#include "store/mirror.h"
#include "store/scratch.h"
#include "store/window.h"

/* ---- what was read -------------------------------------------------------------------------- */

enum { WORLD = 3, METHOD = 4, FIRST_ARGUMENT = 5 };

static uint64_t number(lua_State *L, int table, const char *name) {
  return (uint64_t)l_integer_field(L, table, name); /* 0 for nil */
}

void l_to_scratch_company(lua_State *L, int table, lc_scratch_company *company) {
  *company = (lc_scratch_company){
    .company = l_company_field(L, table),
    .newest = number(L, table, "newest"),
    .is_mine = l_boolean_field(L, table, "is_mine"),
    .scheduled = number(L, table, "scheduled"),
    .scheduled_at = number(L, table, "scheduled_at"),
    .claim = {
      .entry = number(L, table, "applying"), .owner = l_boolean_field(L, table, "is_claimed"),
      .deadline = l_number_field(L, table, "left"), .retry_at = l_number_field(L, table, "retry_in"),
      .attempts = (uint32_t)number(L, table, "attempts"), .begun = (uint32_t)number(L, table, "begun"),
    },
    .kept = { number(L, table, "changed"), (int32_t)number(L, table, "category"), l_boolean_field(L, table, "is_integer") },
  };
  company->is_kept = company->kept.category != 0;
}

typedef lc_status put_item(lua_State *L, lc_store *store, int item, lc_error *error);

static lc_status put_company(lua_State *L, lc_store *store, int item, lc_error *error) {
  lc_scratch_company company;
  l_to_scratch_company(L, item, &company);
  return lc_scratch_put_company(store, &company, error);
}

static lc_text text_at(lua_State *L, int index) {
  lc_text text;
  text.data = luaL_checklstring(L, index, &text.size);
  return text;
}

static lc_status put_entry(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_entry(store, text_at(L, item), error);
}

static lc_status put_unchanged(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_unchanged(store, text_at(L, item), error);
}

static lc_status put_limit(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_limit(store, text_at(L, item), error);
}

static lc_status put_question(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_question(store, text_at(L, item), error);
}

static lc_status put_seen(lua_State *L, lc_store *store, int item, lc_error *error) {
  lc_text id = l_text_field(L, item, "id", LC_EVENT_ID_MAX), mark = l_text_field(L, item, "mark", UINT32_MAX);
  return mark.size != 0 ? lc_scratch_put_mark(store, id, mark, error)
                        : lc_scratch_put_seen(store, id, number(L, item, "entry"), error);
}

static lc_status put_cursor(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_cursor(store, l_text_field(L, item, "name", LC_CURSOR_MAX), l_text_field(L, item, "text", UINT32_MAX), error);
}

/* Puts each item of the list in field `name` of the world. */
static lc_status put_each(lua_State *L, const char *name, put_item *put, lc_error *error) {
  int top = lua_gettop(L);
  lc_status status = LC_OK;
  lua_getfield(L, WORLD, name);
  int count = lua_istable(L, top + 1) ? (int)lua_rawlen(L, top + 1) : 0;
  for (int i = 1; i <= count && status == LC_OK; i++) {
    lua_rawgeti(L, top + 1, i);
    status = put(L, l_check_open(L)->store, top + 2, error);
    lua_settop(L, top + 1);
  }
  lua_settop(L, top);
  return status;
}

static lc_status put_world(lua_State *L, lc_error *error) {
  static const struct { const char *name; put_item *put; } lists[] = {
    { "companies", put_company }, { "entries", put_entry }, { "unchanged", put_unchanged }, { "questions", put_question },
    { "seen", put_seen }, { "cursors", put_cursor }, { "limits", put_limit },
  };
  lc_status status = LC_OK;
  for (size_t i = 0; i < sizeof lists / sizeof *lists && status == LC_OK; i++)
    status = put_each(L, lists[i].name, lists[i].put, error);
  return status;
}

/* ---- what came of it ------------------------------------------------------------------------ */

/* Of a list of records: those at `known` are left out, which are keys of a table; the others go into the table at `effects`. */
typedef struct taking {
  lua_State *L;
  int known, effects, count;
} taking;

static bool is_known(const taking *t, lc_text record) {
  l_push_text(t->L, record);
  lua_pushvalue(t->L, -1);
  lua_rawget(t->L, t->known);
  bool known = !lua_isnil(t->L, -1);
  lua_pop(t->L, 1);
  return known; /* the record is at the top */
}

/* What the entry is to lc_store_last_change: a change 1, with a time of its event 2, a question with such a time 3, else 0. */
static int change_of(const lc_entry *entry) {
  if (entry->is_gone || entry->former.text.size != 0)
    return 0;
  return entry->status == LC_ENTRY_UPDATED ? 1 + entry->has_at : entry->status == LC_ENTRY_AWAITING && entry->has_at ? 3 : 0;
}

void l_set_entry_columns(lua_State *L, const lc_entry *entry, bool is_seen) {
  if (is_seen)
    l_set_text(L, "event_id", entry->event_id);
  l_set_integer(L, "entry", (int64_t)entry->id);
  l_set_text(L, "company", entry->company.text);
  if (lc_entry_is_note(entry))
    l_set_text(L, "former", entry->former.text);
  l_set_id(L, "change", change_of(entry));
  l_set_integer(L, "status", (int64_t)entry->status);
  l_set_number(L, "at", entry->at);
  l_set_number(L, "written", entry->written);
}

static lc_status take_entry(void *context, lc_text record, lc_error *error) {
  taking *t = context;
  lc_entry entry;
  if (is_known(t, record)) {
    lua_pop(t->L, 1);
    return LC_OK;
  }
  lc_status status = lc_entry_unpack(record.data, record.size, &entry, error);
  lua_createtable(t->L, 0, 9);
  lua_insert(t->L, -2);
  lua_setfield(t->L, -2, "record");
  if (status == LC_OK)
    l_set_entry_columns(t->L, &entry, lc_scratch_is_seen_as(l_check_open(t->L)->store, &entry));
  lua_rawseti(t->L, t->effects, ++t->count);
  return status;
}

void l_set_question_columns(lua_State *L, const lc_question *question) {
  l_push_text(L, (lc_text){ (const char *)question->id, sizeof question->id });
  lua_setfield(L, -2, "id");
  l_set_integer(L, "entry", (int64_t)question->entry);
  l_set_text(L, "company", question->company.text);
  l_set_text(L, "user", question->user);
  l_set_integer(L, "state", (int64_t)question->state);
  l_set_number(L, "expires_at", question->expires_at);
  l_set_integer(L, "on_expiry", (int64_t)question->on_expiry);
}

static lc_status take_question(void *context, lc_text record, lc_error *error) {
  taking *t = context;
  lua_State *L = t->L;
  lc_question question;
  if (is_known(t, record)) {
    lua_pop(L, 1);
    return LC_OK;
  }
  lc_status status = lc_question_unpack(record.data, record.size, &question, error);
  lua_createtable(L, 0, 10);
  lua_insert(L, -2);
  lua_setfield(L, -2, "record");
  if (status == LC_OK)
    l_set_question_columns(L, &question);
  lua_rawseti(L, t->effects, ++t->count);
  return status;
}

/* The rule of a limit is what its record begins with. */
static lc_status take_limit(void *context, lc_text record, lc_error *error) {
  taking *t = context;
  (void)error;
  if (is_known(t, record)) {
    lua_pop(t->L, 1);
    return LC_OK;
  }
  lua_createtable(t->L, 0, 3);
  lua_insert(t->L, -2);
  lua_setfield(t->L, -2, "record");
  l_set_text(t->L, "rule", (lc_text){ record.data, offsetof(lc_window, held) });
  lua_rawseti(t->L, t->effects, ++t->count);
  return LC_OK;
}

/* Whether a time is another one: the clock goes on while we look. */
static bool differ(double a, double b) {
  return fabs(a - b) > 0.05;
}

static bool is_changed(const lc_scratch_company *a, const lc_scratch_company *b) {
  const lc_claim *c = &a->claim, *d = &b->claim;
  return a->newest != b->newest || a->is_kept != b->is_kept || a->kept.category != b->kept.category || a->kept.entry != b->kept.entry
      || a->scheduled != b->scheduled || a->scheduled_at != b->scheduled_at || c->entry != d->entry
      || (c->entry != 0 && (a->is_mine != b->is_mine || (c->owner != 0) != (d->owner != 0) || c->attempts != d->attempts
                            || differ(c->deadline, d->deadline) || differ(c->retry_at, d->retry_at)));
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void push_company(lua_State *L, const lc_scratch_company *company) {
  const lc_claim *claim = &company->claim;
  lua_createtable(L, 0, 14);
  l_set_text(L, "company", company->company.text);
  l_set_integer(L, "newest", (int64_t)company->newest);
  if (company->is_kept) {
    l_set_integer(L, "category", company->kept.category);
    l_set_integer(L, "changed", (int64_t)company->kept.entry);
    set_flag(L, "is_integer", company->kept.is_integer != 0);
  }
  if (claim->entry != 0) {
    l_set_integer(L, "applying", (int64_t)claim->entry);
    set_flag(L, "is_mine", company->is_mine);
    set_flag(L, "is_claimed", claim->owner != 0);
    l_set_number(L, "left", claim->deadline);
    l_set_number(L, "retry_in", claim->retry_at);
    l_set_integer(L, "attempts", claim->attempts);
    l_set_integer(L, "begun", claim->begun);
  }
  if (company->scheduled != 0) {
    l_set_integer(L, "scheduled", (int64_t)company->scheduled);
    l_set_number(L, "scheduled_at", (double)company->scheduled_at);
  }
}

/* Adds the companies of the world that have changed to the table at the top. `place`: where each stands in the list. */
static lc_status take_companies(lua_State *L, lc_error *error) {
  int effects = lua_gettop(L), changed = 0;
  lc_status status = LC_OK;
  lua_getfield(L, WORLD, "companies");
  int count = lua_istable(L, effects + 1) ? (int)lua_rawlen(L, effects + 1) : 0;
  for (int i = 1; i <= count && status == LC_OK; i++) {
    lc_scratch_company before, after;
    lua_rawgeti(L, effects + 1, i);
    l_to_scratch_company(L, effects + 2, &before);
    status = lc_scratch_get_company(l_check_open(L)->store, &before.company, &after, error);
    if (status == LC_OK && is_changed(&before, &after)) {
      push_company(L, &after);
      l_set_integer(L, "place", i);
      lua_rawseti(L, effects, ++changed);
    }
    lua_settop(L, effects + 1);
  }
  lua_settop(L, effects);
  return status;
}

typedef lc_status scratch_list(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);

/* Sets field `name` of the table at the top to the new and changed records of that kind. */
static lc_status take_records(lua_State *L, const char *name, scratch_list *list, lc_scratch_take *take, lc_error *error) {
  int top = lua_gettop(L);
  lua_newtable(L);
  lua_getfield(L, WORLD, name);
  lua_newtable(L);
  int count = lua_istable(L, top + 2) ? (int)lua_rawlen(L, top + 2) : 0;
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, top + 2, i);
    lua_pushboolean(L, 1);
    lua_rawset(L, top + 3);
  }
  taking t = { .L = L, .known = top + 3, .effects = top + 1 };
  lc_status status = list(l_check_open(L)->store, take, &t, error);
  lua_pushvalue(L, top + 1);
  lua_setfield(L, top, name);
  lua_settop(L, top);
  return status;
}

/* A change (an lc_done, then its entry) as the database has it in columns. */
static int push_done(lua_State *L, lc_text item) {
  lc_done change;
  lc_entry entry;
  lc_error error;
  memcpy(&change, item.data, sizeof change);
  lc_status status = lc_entry_unpack(item.data + sizeof change, item.size - sizeof change, &entry, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_createtable(L, 0, 4);
  l_set_integer(L, "made", (int64_t)change.number);
  l_set_string(L, "kind", lc_done_names[change.kind]);
  l_set_integer(L, "entry", (int64_t)change.entry);
  l_set_text(L, "company", entry.company.text);
  return 1;
}

/* Sets `changes` of the table at the top: what was done, in order. What was put there has lower numbers than what is new. */
static lc_status take_changes(lua_State *L, lc_error *error) {
  int top = lua_gettop(L);
  uint64_t newest, removed;
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_changes(box->store, l_check_tenant(L, 2), number(L, WORLD, "last"), SIZE_MAX, &newest, &removed,
                                      &box->error);
  *error = box->error;
  if (status == LC_OK && l_push_results(L, box, result, status, push_done) != 1)
    status = lc_fail(error, LC_CORRUPT, "an entry is damaged");
  if (status == LC_OK)
    lua_setfield(L, top, "changes");
  lua_settop(L, top);
  return status;
}

/* What is added to a counter by day. */
static lc_status take_daily(void *context, lc_text record, lc_error *error) {
  taking *t = context;
  (void)error;
  lua_createtable(t->L, 0, 3);
  l_push_text(t->L, (lc_text){ record.data, LC_DAILY_SIZE });
  lua_setfield(t->L, -2, "counted");
  l_set_integer(t->L, "more", record.data[LC_DAILY_SIZE] != 0 ? 1 : -1);
  l_set_text(t->L, "company", (lc_text){ record.data + LC_DAILY_SIZE + 1, record.size - LC_DAILY_SIZE - 1 });
  lua_rawseti(t->L, t->effects, ++t->count);
  return LC_OK;
}

static lc_status push_effects(lua_State *L, lc_error *error) {
  lua_createtable(L, 0, 5);
  int top = lua_gettop(L);
  lua_newtable(L);
  lc_status status = take_companies(L, error);
  lua_setfield(L, top, "companies");
  if (status == LC_OK)
    status = take_records(L, "entries", lc_scratch_entries, take_entry, error);
  if (status == LC_OK)
    status = take_records(L, "unchanged", lc_scratch_unchanged, take_entry, error);
  if (status == LC_OK)
    status = take_records(L, "questions", lc_scratch_questions, take_question, error);
  if (status == LC_OK)
    status = take_records(L, "limits", lc_scratch_limits, take_limit, error);
  if (status == LC_OK)
    status = take_records(L, "daily", lc_scratch_daily, take_daily, error);
  return status == LC_OK ? take_changes(L, error) : status;
}

/* ---- one call ------------------------------------------------------------------------------- */

/* What l_walk does inside the world: the results of the method, behind what has changed. */
static int walk(lua_State *L) {
  lc_error error;
  int arguments = lua_gettop(L) - METHOD;
  lc_status status = put_world(L, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_getfield(L, 1, luaL_checkstring(L, METHOD));
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  for (int i = 0; i < arguments; i++)
    lua_pushvalue(L, FIRST_ARGUMENT + i);
  int first = lua_gettop(L) - arguments - 2;
  lua_call(L, arguments + 2, LUA_MULTRET);
  if (lua_isnil(L, first)) { /* it failed, so nothing has changed */
    lua_pushboolean(L, 0);
    lua_insert(L, first);
    return lua_gettop(L) - first + 1;
  }
  status = push_effects(L, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_insert(L, first);
  return lua_gettop(L) - first + 1;
}

/* store:walk(tenant, world, method, ...) -> effects, what store:method(tenant, ...) gives in a world that has nothing but what `world` says;
 * false and what it gives where it fails. nil, message, code: there can be no such world. `world` is
 *   last       new entries have numbers behind this one
 *   companies  {company, company_is_integer, newest, category, changed, is_integer, applying, is_mine, is_claimed, left, retry_in (seconds),
 *              attempts, begun, scheduled, scheduled_at (milliseconds)}: those that the method may ask for
 *   entries, unchanged, questions, limits   packed records
 *   seen       {id, entry, or mark: a packed one}
 *   cursors    {name, text}
 *   is_recalled  it may be otherwise: events that come to nothing are not marked
 * and `effects` has what is new or changed: companies (with their `place` in the list), entries, unchanged, questions and limits, each with its
 * `record` and what the database has in columns, `changes`, in order: what was done; and `daily`,
 * {counted, more, company}: what is added to counters by day. */
static int l_walk(lua_State *L) {
  lc_error error;
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, WORLD, LUA_TTABLE);
  uint64_t last = number(L, WORLD, "last");
  int count = lua_gettop(L);
  luaL_checkstack(L, 2 * count + LUA_MINSTACK, "arguments");
  lc_status status = lc_scratch_begin(l_check_open(L)->store, tenant, last, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  bool collects = lua_gc(L, LUA_GCISRUNNING, 0) != 0;
  lua_gc(L, LUA_GCSTOP, 0); /* no finalizer closes the store meanwhile */
  lua_pushcfunction(L, walk);
  for (int i = 1; i <= count; i++)
    lua_pushvalue(L, i);
  int failed = lua_pcall(L, count, LUA_MULTRET, 0);
  if (l_boolean_field(L, WORLD, "is_recalled"))
    lc_scratch_drop_marks(l_check_store(L, 1)->store);
  lc_scratch_end(l_check_store(L, 1)->store);
  if (collects)
    lua_gc(L, LUA_GCRESTART, 0);
  return failed ? lua_error(L) : lua_gettop(L) - count;
}

/* ---- marks ---------------------------------------------------------------------------------- */

static lc_text take_text(lc_text *from) {
  lc_text text = { from->data + 1, (unsigned char)from->data[0] };
  *from = (lc_text){ text.data + text.size, from->size - 1 - text.size };
  return text;
}

static lc_status push_mark(void *context, lc_text record, lc_error *error) {
  taking *t = context;
  lc_mark mark;
  lua_createtable(t->L, 0, 4);
  l_push_text(t->L, take_text(&record));
  lua_setfield(t->L, -2, "tenant");
  l_push_text(t->L, take_text(&record));
  lua_setfield(t->L, -2, "event_id");
  l_push_text(t->L, record);
  lua_setfield(t->L, -2, "record");
  lc_status status = lc_mark_unpack(record.data, record.size, &mark, error);
  if (status == LC_OK)
    l_set_text(t->L, "company", mark.company.text);
  lua_rawseti(t->L, t->effects, ++t->count);
  return status;
}

/* store:take_marks() -> {tenant, event_id, record, company}: those that wait, which do not any more */
static int l_take_marks(lua_State *L) {
  l_store *box = l_check_open(L);
  lua_newtable(L);
  taking t = { .L = L, .effects = lua_gettop(L) };
  lc_status status = lc_scratch_marks(box->store, push_mark, &t, &box->error);
  return status == LC_OK ? 1 : l_fail(L, status, &box->error);
}

/* store:marks_age() -> seconds that the oldest has been waiting; nil when none is */
static int l_marks_age(lua_State *L) {
  double age = lc_scratch_marks_age(l_check_open(L)->store);
  if (age < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, age);
  return 1;
}

/* store:waiting_mark(tenant, event_id) -> the packed mark; nil when none waits */
static int l_waiting_mark(lua_State *L) {
  lc_text mark, tenant = l_check_tenant(L, 2), event_id = l_check_text(L, 3, LC_EVENT_ID_MAX);
  if (!lc_scratch_find_mark(l_check_open(L)->store, tenant, event_id, &mark))
    return 0;
  return l_push_text(L, mark);
}

static void to_mark(lua_State *L, int table, void *item) {
  lc_text *texts = item;
  texts[0] = l_text_field(L, table, "tenant", LC_TENANT_MAX);
  texts[1] = l_text_field(L, table, "event_id", LC_EVENT_ID_MAX);
  texts[2] = l_text_field(L, table, "record", LC_MARK_SIZE_MAX);
}

/* store:keep_marks(marks): they wait again, as far as there is room */
static int l_keep_marks(lua_State *L) {
  size_t count;
  lc_text(*marks)[3] = l_check_items(L, 2, sizeof *marks, &count, to_mark);
  l_store *box = l_check_open(L);
  lc_status status = LC_OK;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = lc_scratch_keep_mark(box->store, marks[i][0], marks[i][1], marks[i][2], &box->error);
  return 0;
}

/* ---- showing -------------------------------------------------------------------------------- */

/* store:show_entry(record), store:show_question(record) -> as the store's methods give them; nil, message, "corrupt" */
static int l_show_entry(lua_State *L) {
  return l_push_entry(L, text_at(L, 2));
}

static int l_show_question(lua_State *L) {
  return l_push_question(L, text_at(L, 2));
}

/* store:show_mark(event_id, record) -> as store:seen gives it */
static int l_show_mark(lua_State *L) {
  lc_error error;
  lc_mark mark;
  lc_text event_id = text_at(L, 2), record = text_at(L, 3);
  lc_status status = lc_mark_unpack(record.data, record.size, &mark, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  const lc_entry entry = lc_entry_of_mark(&mark, event_id);
  void *packed = lua_newuserdata(L, lc_entry_size(&entry));
  lc_entry_pack(&entry, packed);
  return l_push_entry(L, (lc_text){ packed, lc_entry_size(&entry) });
}

static void to_epoch(lua_State *L, int table, void *item) {
  lc_epoch *epoch = item;
  lc_text name = l_text_field(L, table, "name", LC_EPOCH_SIZE);
  if (name.size != LC_EPOCH_SIZE)
    luaL_error(L, "field 'name': ten bytes expected");
  epoch->first = number(L, table, "first");
  memcpy(epoch->name, name.data, LC_EPOCH_SIZE);
}

lc_epochs l_check_epochs(lua_State *L, int index) {
  lc_epochs epochs;
  epochs.list = l_check_items(L, index, sizeof *epochs.list, &epochs.count, to_epoch);
  luaL_argcheck(L, epochs.count != 0 && epochs.list[0].first == 0, index, "the first epoch begins at 0");
  return epochs;
}

/* store:identify(epochs): outcomes have keys of these {first=, name=} from now on, oldest first; names have 10 bytes */
static int l_identify(lua_State *L) {
  lc_error error;
  lc_epochs copy, epochs = l_check_epochs(L, 2);
  l_store *box = l_check_open(L);
  lc_status status = lc_epochs_copy(&epochs, &copy, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lc_epochs_free(&box->epochs);
  box->epochs = copy;
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static void to_mirrored(lua_State *L, int table, void *item) {
  *(lc_mirrored *)item = (lc_mirrored){
    .tenant = l_text_field(L, table, "tenant", LC_TENANT_MAX), .revision = number(L, table, "revision"),
    .ruleset = l_text_field(L, table, "ruleset", UINT32_MAX), .json = l_text_field(L, table, "json", UINT32_MAX),
    .about = l_text_field(L, table, "about", UINT32_MAX),
  };
}

/* store:mirror(state, configs, all, triggers or nil) -> true; as lc_store_mirror. Items {tenant=, revision=, ruleset=, json=, about=} and
 * {trigger=, about=} */
static int l_mirror(lua_State *L) {
  size_t count, trigger_count = 0;
  lua_settop(L, 5);
  lc_text state = text_at(L, 2);
  const lc_mirrored *configs = l_check_items(L, 3, sizeof *configs, &count, to_mirrored);
  bool all = lua_toboolean(L, 4);
  const lc_declared *triggers = lua_isnil(L, 5) ? NULL : l_check_items(L, 5, sizeof *triggers, &trigger_count, l_to_declared);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_mirror(box->store, configs, count, all, triggers, trigger_count, state, &box->error));
}

/* store:mirror_state() -> the text; nil, message, "not_found" */
static int l_mirror_state(lua_State *L) {
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_mirror_state(box->store, &box->error), l_push_text);
}

/* store:holds() -> whether it has anything of a store of one machine */
static int l_holds(lua_State *L) {
  bool holds;
  l_store *box = l_check_open(L);
  lc_status status = lc_store_holds(box->store, &holds, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushboolean(L, holds);
  return 1;
}

void l_shared_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "walk", l_walk },
    { "holds", l_holds },
    { "mirror", l_mirror },
    { "mirror_state", l_mirror_state },
    { "take_marks", l_take_marks },
    { "keep_marks", l_keep_marks },
    { "marks_age", l_marks_age },
    { "waiting_mark", l_waiting_mark },
    { "show_entry", l_show_entry },
    { "show_question", l_show_question },
    { "show_mark", l_show_mark },
    { "identify", l_identify },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
