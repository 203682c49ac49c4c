/* raw_lmdb - what LMDB alone takes for an event: the lookups and puts that it needs, of the same bytes in the same tables,
 * each once, by C that does nothing else. A Lua module, so that it is measured in one run with leadcat. */
#include <lmdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lua/compat.h"

enum { META, JOURNAL, BY_COMPANY, APPLYING, SEEN, CONFIRMATIONS, QUESTIONS, EXPIRING, COUNTERS, COMPANIES, TABLES };

/* As in store/env.c and store/record.c; the benchmark compares what was written byte for byte of size. */
static const char *const names[TABLES] = { "meta", "journal", "by_company", "applying", "seen", "confirmations",
                                           "questions", "expiring", "counters", "companies" };
enum { ENTRY_HEAD = 80, CLAIM = 48, COMPANY = 16, MAX_READERS = 1024, MAX_TABLES = 13, KEY = 511, ENTRY = 4096 };
static const size_t map_size = (size_t)16 << 30;
static const char *const type = "leadcat.bench.raw_lmdb";

typedef struct raw {
  MDB_env *env;
  MDB_txn *reader, *txn;
  MDB_dbi tables[TABLES]; /* of raw_lmdb.open */
  MDB_dbi table;          /* of raw_lmdb.table */
  uint64_t last, added;
} raw;

typedef struct text {
  const char *data;
  size_t size;
} text;

static void must(lua_State *L, int rc) {
  if (rc != 0)
    luaL_error(L, "raw LMDB: %s", mdb_strerror(rc));
}

static void may_miss(lua_State *L, int rc) {
  if (rc != MDB_NOTFOUND)
    must(L, rc);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- keys: of the empty tenant ------------------------------------------------------------ */

typedef struct key {
  unsigned char bytes[KEY];
  size_t size;
} key;

static key key_of(text t) {
  key k = { .size = 2 + t.size };
  k.bytes[0] = 0;
  k.bytes[1] = (unsigned char)t.size;
  memcpy(k.bytes + 2, t.data, t.size);
  return k;
}

static void add_number(key *k, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    k->bytes[k->size++] = (unsigned char)(number >> shift);
}

static key key_of_entry(uint64_t entry) {
  key k = { .size = 1 };
  k.bytes[0] = 0;
  add_number(&k, entry);
  return k;
}

static int get(raw *r, int table, key *k, MDB_val *value) {
  MDB_val name = { k->size, k->bytes };
  return mdb_get(r->txn, r->tables[table], &name, value);
}

static int put(raw *r, int table, key *k, const void *data, size_t size) {
  MDB_val name = { k->size, k->bytes }, value = { size, (void *)(uintptr_t)data };
  return mdb_put(r->txn, r->tables[table], &name, &value, 0);
}

static key last_entry_key(void) {
  key k = { .size = 10 };
  memcpy(k.bytes, "last_entry", 10);
  return k;
}

/* ---- transactions ------------------------------------------------------------------------- */

static void begin(lua_State *L, raw *r) {
  key k = last_entry_key();
  MDB_val value;
  must(L, mdb_txn_begin(r->env, NULL, 0, &r->txn));
  int rc = get(r, META, &k, &value);
  may_miss(L, rc);
  if (rc == 0)
    memcpy(&r->last, value.mv_data, sizeof r->last);
  r->added = 0;
}

static void commit(lua_State *L, raw *r) {
  key last = last_entry_key(), counter = key_of((text){ "journal_entries", 15 });
  MDB_val value;
  uint64_t count = 0;
  int rc = get(r, COUNTERS, &counter, &value);
  may_miss(L, rc);
  if (rc == 0)
    memcpy(&count, value.mv_data, sizeof count);
  count += r->added;
  const uint64_t newest[] = { r->last, 0, 0 }; /* when it was written, and how many counters are counted anew */
  must(L, put(r, META, &last, newest, sizeof newest));
  must(L, put(r, COUNTERS, &counter, &count, sizeof count));
  must(L, mdb_txn_commit(r->txn));
}

/* ---- one event ---------------------------------------------------------------------------- */

/* The company's newest open question: there is none. */
static void look_for_question(lua_State *L, raw *r, text company) {
  key k = { .size = 2 };
  k.bytes[0] = 0;
  k.bytes[1] = 1; /* by company */
  k.bytes[k.size++] = (unsigned char)company.size;
  memcpy(k.bytes + k.size, company.data, company.size);
  k.size += company.size;
  k.bytes[k.size++] = 0; /* open */
  add_number(&k, UINT64_MAX);
  MDB_val found = { k.size, k.bytes }, value;
  MDB_cursor *cursor;
  must(L, mdb_cursor_open(r->txn, r->tables[QUESTIONS], &cursor));
  int rc = mdb_cursor_get(cursor, &found, &value, MDB_SET_RANGE);
  if (rc == MDB_NOTFOUND)
    rc = mdb_cursor_get(cursor, &found, &value, MDB_LAST);
  may_miss(L, rc);
  mdb_cursor_close(cursor);
}

static size_t pack(char *memory, uint64_t entry, text company, text id, text details) {
  memset(memory, 0, ENTRY_HEAD);
  memcpy(memory + 8, &entry, sizeof entry);
  memcpy(memory + ENTRY_HEAD, company.data, company.size);
  memcpy(memory + ENTRY_HEAD + company.size, id.data, id.size);
  memcpy(memory + ENTRY_HEAD + company.size + id.size, details.data, details.size);
  return ENTRY_HEAD + company.size + id.size + details.size;
}

static void put_entry(lua_State *L, raw *r, text company, text id, text details) {
  char memory[ENTRY];
  key k = key_of_entry(r->last), index = key_of(company), seen = key_of(id);
  size_t size = pack(memory, r->last, company, id, details);
  must(L, put(r, JOURNAL, &k, memory, size));
  add_number(&index, r->last);
  must(L, put(r, BY_COMPANY, &index, NULL, 0));
  must(L, put(r, SEEN, &seen, &r->last, sizeof r->last));
  r->added++;
}

static void look_up(lua_State *L, raw *r, text company, text id) {
  key seen = key_of(id), busy = key_of(company);
  MDB_val value;
  uint64_t now = milliseconds();
  may_miss(L, get(r, SEEN, &seen, &value));
  may_miss(L, get(r, APPLYING, &busy, &value));
  look_for_question(L, r, company);
  r->last = now > r->last ? now : r->last + 1;
}

/* A company that is kept in the store: one commit. */
static void update(lua_State *L, raw *r, text company, text id, text details) {
  key k = key_of(company);
  MDB_val value;
  char record[COMPANY];
  look_up(L, r, company, id);
  must(L, get(r, COMPANIES, &k, &value));
  memcpy(record, value.mv_data, sizeof record);
  memcpy(record, &r->last, sizeof r->last);
  must(L, put(r, COMPANIES, &k, record, sizeof record));
  put_entry(L, r, company, id, details);
}

/* A company that is kept by a host: what is written before it is asked ... */
static void claim(lua_State *L, raw *r, text company, text id, text details) {
  key k = key_of(company);
  char record[CLAIM] = { 0 };
  look_up(L, r, company, id);
  memcpy(record, &r->last, sizeof r->last);
  must(L, put(r, APPLYING, &k, record, sizeof record));
  put_entry(L, r, company, id, details);
}

/* ... and after that. */
static void finish(lua_State *L, raw *r, text company) {
  key busy = key_of(company), k = key_of_entry(r->last);
  char memory[ENTRY];
  MDB_val name = { busy.size, busy.bytes }, value;
  must(L, get(r, APPLYING, &busy, &value));
  must(L, mdb_del(r->txn, r->tables[APPLYING], &name, NULL));
  must(L, get(r, JOURNAL, &k, &value));
  memcpy(memory, value.mv_data, value.mv_size);
  must(L, put(r, JOURNAL, &k, memory, value.mv_size));
}

/* ---- Lua ---------------------------------------------------------------------------------- */

static raw *check(lua_State *L) {
  return luaL_checkudata(L, 1, type);
}

static text text_at(lua_State *L, int index) {
  text t;
  t.data = luaL_optlstring(L, index, "", &t.size);
  return t;
}

/* The texts of an array, which keeps them. */
static text *texts_at(lua_State *L, int index) {
  size_t count = lua_rawlen(L, index);
  text *texts = lua_newuserdata(L, (count + 1) * sizeof *texts);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    texts[i] = text_at(L, -1);
    lua_pop(L, 1);
  }
  return texts;
}

/* raw:create(companies): adds them in one transaction */
static int l_create(lua_State *L) {
  raw *r = check(L);
  text *companies = texts_at(L, 2);
  char record[COMPANY] = { 0 };
  must(L, mdb_txn_begin(r->env, NULL, 0, &r->txn));
  for (size_t i = 0; i < lua_rawlen(L, 2); i++) {
    key k = key_of(companies[i]);
    must(L, put(r, COMPANIES, &k, record, sizeof record));
  }
  must(L, mdb_txn_commit(r->txn));
  return 0;
}

/* raw:update(companies, ids, details) -> seconds: one event for each, committed together */
static int l_update(lua_State *L) {
  raw *r = check(L);
  text *companies = texts_at(L, 2), *ids = texts_at(L, 3), details = text_at(L, 4);
  size_t count = lua_rawlen(L, 2);
  double begun = seconds();
  begin(L, r);
  for (size_t i = 0; i < count; i++)
    update(L, r, companies[i], ids[i], details);
  commit(L, r);
  lua_pushnumber(L, seconds() - begun);
  return 1;
}

/* raw:apply(company, id, details, make) -> seconds: one event in two commits; the function `make`, if given, is called between them */
static int l_apply(lua_State *L) {
  raw *r = check(L);
  text company = text_at(L, 2), id = text_at(L, 3), details = text_at(L, 4);
  double begun = seconds();
  begin(L, r);
  claim(L, r, company, id, details);
  commit(L, r);
  if (!lua_isnoneornil(L, 5)) {
    lua_pushvalue(L, 5);
    lua_call(L, 0, 0);
  }
  must(L, mdb_txn_begin(r->env, NULL, 0, &r->txn));
  finish(L, r, company);
  must(L, mdb_txn_commit(r->txn));
  lua_pushnumber(L, seconds() - begun);
  return 1;
}

/* table:fill(keys, value): puts the value under each key, in one transaction */
static int l_fill(lua_State *L) {
  raw *r = check(L);
  text *keys = texts_at(L, 2), value = text_at(L, 3);
  must(L, mdb_txn_begin(r->env, NULL, 0, &r->txn));
  for (size_t i = 0; i < lua_rawlen(L, 2); i++) {
    MDB_val k = { keys[i].size, (void *)(uintptr_t)keys[i].data }, bytes = { value.size, (void *)(uintptr_t)value.data };
    must(L, mdb_put(r->txn, r->table, &k, &bytes, 0));
  }
  must(L, mdb_txn_commit(r->txn));
  return 0;
}

/* In a read transaction of its own, as a decision without a cache would. The value is in the map until that is reset. */
static MDB_val find(lua_State *L, raw *r) {
  text name = text_at(L, 2);
  MDB_val k = { name.size, (void *)(uintptr_t)name.data }, value;
  must(L, r->reader != NULL ? mdb_txn_renew(r->reader) : mdb_txn_begin(r->env, NULL, MDB_RDONLY, &r->reader));
  must(L, mdb_get(r->reader, r->table, &k, &value));
  return value;
}

/* table:read(key) -> size of the value */
static int l_read(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)find(L, check(L)).mv_size);
  mdb_txn_reset(check(L)->reader);
  return 1;
}

/* table:value(key) -> value */
static int l_value(lua_State *L) {
  MDB_val value = find(L, check(L));
  lua_pushlstring(L, value.mv_data, value.mv_size);
  mdb_txn_reset(check(L)->reader);
  return 1;
}

static int l_close(lua_State *L) {
  raw *r = check(L);
  if (r->reader != NULL)
    mdb_txn_abort(r->reader);
  if (r->env != NULL)
    mdb_env_close(r->env);
  r->env = NULL;
  r->reader = NULL;
  return 0;
}

static raw *push_open(lua_State *L, const char *file) {
  raw *r = lua_newuserdata(L, sizeof *r);
  memset(r, 0, sizeof *r);
  luaL_getmetatable(L, type);
  lua_setmetatable(L, -2);
  must(L, mdb_env_create(&r->env));
  must(L, mdb_env_set_mapsize(r->env, map_size));
  must(L, mdb_env_set_maxreaders(r->env, MAX_READERS));
  must(L, mdb_env_set_maxdbs(r->env, MAX_TABLES));
  must(L, mdb_env_open(r->env, file, MDB_NOSUBDIR | MDB_NOTLS, 0640));
  must(L, mdb_txn_begin(r->env, NULL, 0, &r->txn));
  return r;
}

/* raw_lmdb.open(file) -> raw: for events */
static int l_open(lua_State *L) {
  raw *r = push_open(L, luaL_checkstring(L, 1));
  for (int i = 0; i < TABLES; i++)
    must(L, mdb_dbi_open(r->txn, names[i], MDB_CREATE, &r->tables[i]));
  must(L, mdb_txn_commit(r->txn));
  return 1;
}

/* raw_lmdb.table(file, name) -> table: for single values */
static int l_table(lua_State *L) {
  raw *r = push_open(L, luaL_checkstring(L, 1));
  must(L, mdb_dbi_open(r->txn, luaL_checkstring(L, 2), MDB_CREATE, &r->table));
  must(L, mdb_txn_commit(r->txn));
  return 1;
}

/* The bytes of all keys and values of a table. */
static size_t bytes_of(lua_State *L, MDB_txn *txn, MDB_dbi table) {
  MDB_cursor *cursor;
  MDB_val k, value;
  size_t bytes = 0;
  must(L, mdb_cursor_open(txn, table, &cursor));
  while (mdb_cursor_get(cursor, &k, &value, MDB_NEXT) == 0)
    bytes += k.mv_size + value.mv_size;
  mdb_cursor_close(cursor);
  return bytes;
}

/* raw:bytes() -> {[table] = bytes of keys and values} */
static int l_bytes(lua_State *L) {
  raw *r = check(L);
  MDB_txn *txn;
  must(L, mdb_txn_begin(r->env, NULL, MDB_RDONLY, &txn));
  lua_newtable(L);
  for (int i = 0; i < TABLES; i++) {
    lua_pushnumber(L, (lua_Number)bytes_of(L, txn, r->tables[i]));
    lua_setfield(L, -2, names[i]);
  }
  mdb_txn_abort(txn);
  return 1;
}

/* raw_lmdb.now() -> seconds of a clock that only goes forward */
static int l_now(lua_State *L) {
  lua_pushnumber(L, seconds());
  return 1;
}

__attribute__((visibility("default"))) int luaopen_bench_raw_lmdb(lua_State *L);

int luaopen_bench_raw_lmdb(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "create", l_create }, { "update", l_update }, { "apply", l_apply }, { "bytes", l_bytes },
    { "fill", l_fill }, { "read", l_read }, { "value", l_value }, { "close", l_close }, { "__gc", l_close }, { NULL, NULL },
  };
  static const luaL_Reg functions[] = { { "open", l_open }, { "table", l_table }, { "now", l_now }, { NULL, NULL } };
  luaL_newmetatable(L, type);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  lua_pushstring(L, MDB_VERSION_STRING);
  lua_setfield(L, -2, "version");
  return 1;
}
