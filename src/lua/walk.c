/* A shared store's way to decide: in a world in memory that has what was read from the database (store/scratch.h). What has changed in
 * it is what is to be written there. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "convert.h"
#include "store.h"
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

static lc_status put_entry(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_entry(store, l_check_text(L, item, UINT32_MAX), error);
}

static lc_status put_unchanged(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_unchanged(store, l_check_text(L, item, UINT32_MAX), error);
}

static lc_status put_limit(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_limit(store, l_check_text(L, item, UINT32_MAX), error);
}

static lc_status put_question(lua_State *L, lc_store *store, int item, lc_error *error) {
  return lc_scratch_put_question(store, l_check_text(L, item, UINT32_MAX), error);
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

static void push_company(lua_State *L, const lc_scratch_company *company) {
  const lc_claim *claim = &company->claim;
  lua_createtable(L, 0, 14);
  l_set_text(L, "company", company->company.text);
  l_set_integer(L, "newest", (int64_t)company->newest);
  if (company->is_kept) {
    l_set_integer(L, "category", company->kept.category);
    l_set_integer(L, "changed", (int64_t)company->kept.entry);
    l_set_boolean(L, "is_integer", company->kept.is_integer != 0);
  }
  if (claim->entry != 0) {
    l_set_integer(L, "applying", (int64_t)claim->entry);
    l_set_boolean(L, "is_mine", company->is_mine);
    l_set_boolean(L, "is_claimed", claim->owner != 0);
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
  lua_pushcfunction(L, walk);
  for (int i = 1; i <= count; i++)
    lua_pushvalue(L, i);
  int failed = l_call_alone(L, count);
  if (l_boolean_field(L, WORLD, "is_recalled"))
    lc_scratch_drop_marks(l_check_store(L, 1)->store);
  lc_scratch_end(l_check_store(L, 1)->store);
  return failed ? lua_error(L) : lua_gettop(L) - count;
}

void l_walk_register(lua_State *L) {
  static const luaL_Reg methods[] = { { "walk", l_walk }, { NULL, NULL } };
  l_store_methods(L, methods);
}
