#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "store/access.h"
#include "store/delivery.h"

static const char *const store_type = "leadcat.store", *const result_type = "leadcat.result";

l_store *l_check_store(lua_State *L, int index) {
  return luaL_checkudata(L, index, store_type);
}

l_store *l_open_box(lua_State *L, l_store *box) {
  if (box->store == NULL)
    luaL_error(L, "the engine is closed");
  return box;
}

l_store *l_check_open(lua_State *L) {
  return l_open_box(L, l_check_store(L, 1));
}

int l_call_alone(lua_State *L, int count) {
  bool collects = lua_gc(L, LUA_GCISRUNNING, 0) != 0;
  lua_gc(L, LUA_GCSTOP, 0);
  int failed = lua_pcall(L, count, LUA_MULTRET, 0);
  if (collects)
    lua_gc(L, LUA_GCRESTART, 0);
  return failed;
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
    .readonly = l_boolean_field(L, 1, "readonly"),
    .shared = l_boolean_field(L, 1, "shared"),
    .moves = l_boolean_field(L, 1, "moves"),
    .mode = (unsigned)l_integer_field(L, 1, "mode"),
    .patience = l_number_field(L, 1, "patience"),
  };
  l_store *box = l_push_object(L, store_type, sizeof *box);
  lc_status status = lc_store_open(path, &options, &box->store, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  box->watch = lc_store_watch(box->store);
  status = lc_epochs_copy(lc_store_epochs(box->store), &box->epochs, &error);
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

static int l_collect(lua_State *L) {
  l_close(L);
  lc_epochs_free(&l_check_store(L, 1)->epochs);
  return 0;
}

/* ---- entries ------------------------------------------------------------------------------- */

void l_set_entry(lua_State *L, const l_store *box, uint64_t entry) {
  char key[LC_EPOCH_KEY_SIZE];
  l_set_integer(L, "entry", (int64_t)entry);
  lua_pushlstring(L, key, lc_epoch_key(&box->epochs, entry, key));
  lua_setfield(L, -2, "key");
}

/* ---- results ----------------------------------------------------------------------------- */

l_result *l_new_result(lua_State *L) {
  return l_push_object(L, result_type, sizeof(l_result));
}

lc_text l_take_result(l_result *result, const l_store *box) {
  lc_text text;
  text.data = result->bytes = lc_store_take_result(box->store, &text.size);
  return text;
}

void l_free_result(l_result *result) {
  free(result->bytes);
  result->bytes = NULL;
}

static int l_result_gc(lua_State *L) {
  l_free_result(luaL_checkudata(L, 1, result_type));
  return 0;
}

/* ---- what methods return ----------------------------------------------------------------- */

int l_done(lua_State *L, const l_store *box, lc_status status) {
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushboolean(L, 1);
  return 1;
}

int l_done_integer(lua_State *L, const l_store *box, lc_status status, int64_t integer) {
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushinteger(L, (lua_Integer)integer);
  return 1;
}

int l_push_result(lua_State *L, const l_store *box, l_result *result, lc_status status,
                  int push(lua_State *L, lc_text item)) {
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  int results = push(L, l_take_result(result, box));
  l_free_result(result);
  return results;
}

static int push_list(lua_State *L, lc_text list, int push(lua_State *L, lc_text item)) {
  lc_text item;
  lua_newtable(L);
  for (int i = 1; lc_list_next(&list, &item); i++) {
    int results = push(L, item);
    if (results != 1)
      return results;
    lua_rawseti(L, -2, i);
  }
  return 1;
}

int l_push_results(lua_State *L, const l_store *box, l_result *result, lc_status status,
                   int push(lua_State *L, lc_text item)) {
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  int results = push_list(L, l_take_result(result, box), push);
  l_free_result(result);
  return results;
}

/* ---- configs ----------------------------------------------------------------------------- */

/* store:save(tenant, expected, ruleset, json, about) */
static int l_save(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t expected = (uint64_t)luaL_checkinteger(L, 3);
  lc_text ruleset = l_check_text(L, 4, UINT32_MAX), json = l_check_text(L, 5, UINT32_MAX);
  lc_text about = l_check_text(L, 6, UINT32_MAX);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_save(box->store, tenant, expected, ruleset, json, about, &box->error));
}

/* store:repair(tenant, revision, ruleset) -> true */
static int l_repair(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t revision = (uint64_t)luaL_checkinteger(L, 3);
  lc_text ruleset = l_check_text(L, 4, UINT32_MAX);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_repair(box->store, tenant, revision, ruleset, &box->error));
}

/* store:config(tenant, revision) -> json */
static int l_config(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  uint64_t revision = (uint64_t)luaL_checkinteger(L, 3);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_config(box->store, tenant, revision, &box->error);
  return l_push_result(L, box, result, status, l_push_text);
}

/* store:revisions(tenant) -> array of json */
static int l_revisions(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_results(L, box, result, lc_store_revisions(box->store, tenant, &box->error), l_push_text);
}

/* ---- counters ---------------------------------------------------------------------------- */

static void to_counter(lua_State *L, int table, void *counter) {
  *(lc_counter *)counter = (lc_counter){ l_text_field(L, table, "tenant", LC_TENANT_MAX),
                                         l_text_field(L, table, "name", LC_COUNTER_MAX),
                                         (uint64_t)l_integer_field(L, table, "value") };
}

/* store:add(items) -> true; items {tenant=, name=, value=} */
static int l_add(lua_State *L) {
  size_t count;
  const lc_counter *counters = l_check_items(L, 2, sizeof *counters, &count, to_counter);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_add(box->store, counters, count, &box->error));
}

/* store:counters(tenant) -> value by name */
static int l_counters(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_counters(box->store, tenant, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lc_text list = l_take_result(result, box), item;
  lua_newtable(L);
  while (lc_list_next(&list, &item)) {
    uint64_t value;
    memcpy(&value, item.data, sizeof value);
    l_push_text(L, (lc_text){ item.data + sizeof value, item.size - sizeof value });
    l_push_number(L, (double)value);
    lua_rawset(L, -3);
  }
  l_free_result(result);
  return 1;
}

/* ---- retention, copies, checks ----------------------------------------------------------- */

/* store:trim(tenant, age, count, now, from, what or nil) -> how many were removed, where to go on (0: done) */
static int l_trim(lua_State *L) {
  size_t removed;
  lc_text tenant = l_check_tenant(L, 2);
  lc_retention keep = { .age = luaL_checknumber(L, 3), .count = (uint64_t)luaL_checkinteger(L, 4) };
  double now = luaL_checknumber(L, 5);
  uint64_t from = (uint64_t)luaL_checkinteger(L, 6);
  static const char *const names[] = { "journal", "unchanged", "marks", "deliveries", NULL };
  static lc_status (*const trims[])(lc_store *, lc_text, const lc_retention *, double, uint64_t *, size_t *, lc_error *) = {
    lc_store_trim, lc_store_trim_unchanged, lc_store_trim_marks, lc_store_trim_deliveries,
  };
  int what = luaL_checkoption(L, 7, "journal", names);
  l_store *box = l_check_open(L);
  lc_status status = trims[what](box->store, tenant, &keep, now, &from, &removed, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushinteger(L, (lua_Integer)removed);
  lua_pushinteger(L, (lua_Integer)from);
  return 2;
}

/* store:due(work, age, count, now, place) -> array of tenants, where to go on ("": all have been looked at) */
static int l_due(lua_State *L) {
  static const char *const works[] = { "changes", "timed", "journal", "unchanged", "marks", "deliveries", NULL }; /* lc_work */
  lc_place place = { .size = 0 };
  lc_work work = (lc_work)luaL_checkoption(L, 2, NULL, works);
  lc_retention keep = { .age = luaL_checknumber(L, 3), .count = (uint64_t)luaL_checkinteger(L, 4) };
  double now = luaL_checknumber(L, 5);
  lc_text from = l_check_text(L, 6, sizeof place.key);
  memcpy(place.key, from.data, from.size);
  place.size = from.size;
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_due(box->store, work, &keep, now, &place, &box->error);
  int results = l_push_results(L, box, result, status, l_push_text);
  if (results != 1)
    return results;
  l_push_text(L, (lc_text){ (const char *)place.key, place.size });
  return 2;
}

/* store:copy(path, compact) -> true */
static int l_copy(lua_State *L) {
  const char *path = luaL_checkstring(L, 2);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_copy(box->store, path, lua_toboolean(L, 3), &box->error));
}

enum { MOST_PROBLEMS = 200 };

/* The first problems that a check has found, and how many there are. */
typedef struct l_problems {
  size_t count;
  char lines[MOST_PROBLEMS][LC_ERROR_SIZE];
} l_problems;

static void add_problem(void *context, const char *problem) {
  l_problems *problems = context;
  if (problems->count < MOST_PROBLEMS)
    snprintf(problems->lines[problems->count], LC_ERROR_SIZE, "%s", problem);
  problems->count++;
}

static l_problems *new_problems(lua_State *L) {
  l_problems *problems = lua_newuserdata(L, sizeof *problems);
  problems->count = 0;
  return problems;
}

static void push_problems(lua_State *L, const l_problems *problems) {
  lua_newtable(L);
  for (size_t i = 0; i < problems->count && i < MOST_PROBLEMS; i++) {
    lua_pushstring(L, problems->lines[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  if (problems->count > MOST_PROBLEMS) {
    lua_pushfstring(L, "%d problems more", (int)(problems->count - MOST_PROBLEMS));
    lua_rawseti(L, -2, MOST_PROBLEMS + 1);
  }
}

int l_store_check(lua_State *L) {
  lc_error error;
  const char *path = luaL_checkstring(L, 1);
  l_problems *problems = new_problems(L), *unchecked = new_problems(L);
  lc_status status = lc_store_check(path, add_problem, problems, unchecked, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  push_problems(L, problems);
  push_problems(L, unchecked);
  return 2;
}

/* ---- owners ------------------------------------------------------------------------------ */

int l_find_owner(lua_State *L) {
  lc_error error;
  uid_t user;
  gid_t group;
  lc_status status = lc_find_owner(luaL_checkstring(L, 1), &user, &group, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushinteger(L, (lua_Integer)user);
  lua_pushinteger(L, (lua_Integer)group);
  return 2;
}

int l_give_store(lua_State *L) {
  lc_error error;
  uid_t user = (uid_t)luaL_checkinteger(L, 2);
  gid_t group = (gid_t)luaL_checkinteger(L, 3);
  lc_status status = lc_give_store(luaL_checkstring(L, 1), user, group, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- upkeep ------------------------------------------------------------------------------ */

static void set_part(lua_State *L, const lc_store_stats *stats, int part, const char *name) {
  lua_createtable(L, 0, 6);
  l_set_integer(L, "used", (int64_t)stats->map_used[part]);
  l_set_integer(L, "free", (int64_t)stats->map_free[part]);
  l_set_integer(L, "behind", (int64_t)stats->behind[part]);
  l_set_integer(L, "size", (int64_t)stats->map_size[part]);
  l_set_integer(L, "readers", stats->readers[part]);
  l_set_integer(L, "max_readers", stats->max_readers);
  lua_setfield(L, -2, name);
}

/* store:stats() -> {unfinished=, config=, journal={used=, free=, size= (bytes), behind= (commits), readers=, max_readers=},
 * commits={count=, seconds=, slowest=}} */
static int l_stats(lua_State *L) {
  lc_store_stats stats;
  l_store *box = l_check_open(L);
  lc_status status = lc_store_stat(box->store, &stats, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_newtable(L);
  l_set_integer(L, "unfinished", (int64_t)stats.unfinished);
  set_part(L, &stats, 0, "config");
  set_part(L, &stats, 1, "journal");
  lua_createtable(L, 0, 3);
  l_set_integer(L, "count", (int64_t)stats.commits);
  lua_pushnumber(L, stats.commit_seconds);
  lua_setfield(L, -2, "seconds");
  lua_pushnumber(L, stats.commit_slowest);
  lua_setfield(L, -2, "slowest");
  lua_setfield(L, -2, "commits");
  return 1;
}

/* store:check_readers() -> how many slots of dead processes were freed */
static int l_check_readers(lua_State *L) {
  unsigned freed = 0;
  l_store *box = l_check_open(L);
  lc_status status = lc_store_check_readers(box->store, &freed, &box->error);
  return l_done_integer(L, box, status, freed);
}

/* store:probe(age) -> true */
static int l_probe(lua_State *L) {
  double age = luaL_checknumber(L, 2);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_probe(box->store, age, &box->error));
}

void l_store_methods(lua_State *L, const luaL_Reg *methods) {
  luaL_getmetatable(L, store_type);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}

void l_store_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "close", l_close },
    { "save", l_save },
    { "config", l_config },
    { "revisions", l_revisions },
    { "repair", l_repair },
    { "trim", l_trim },
    { "due", l_due },
    { "copy", l_copy },
    { "add", l_add },
    { "counters", l_counters },
    { "stats", l_stats },
    { "check_readers", l_check_readers },
    { "probe", l_probe },
    { "__gc", l_collect },
    { "__close", l_close },
    { NULL, NULL },
  };
  luaL_newmetatable(L, store_type);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  l_new_type(L, result_type, l_result_gc);
}
