#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store_internal.h"

/* ---- opening and closing ----------------------------------------------------------------- */

lc_status lc_store_open(const char *path, const lc_store_options *options, lc_store **out, lc_error *error) {
  lc_store *store = calloc(1, sizeof *store);
  if (store == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot open %s: out of memory", path);
  lc_env_options env = { options->map_size, options->max_readers };
  lc_status status = lc_env_open(path, &env, &store->env, error);
  if (status == LC_OK && (status = lc_owner_open(path, &store->owner, error)) != LC_OK)
    lc_env_close(store->env);
  if (status != LC_OK) {
    free(store);
    return status;
  }
  store->relaxed = options->relaxed;
  *out = store;
  return LC_OK;
}

/* In a forked child the environment is the parent's. The owner's lock is held by both until both have closed it. */
void lc_store_close(lc_store *store) {
  if (!lc_env_forked(store->env)) {
    for (int part = 0; part < LC_PARTS; part++)
      if (store->readers[part] != NULL)
        mdb_txn_abort(store->readers[part]);
    lc_env_close(store->env);
  }
  lc_owner_close(&store->owner);
  lc_rules_cache_free(store->rules);
  free(store->result);
  free(store);
}

/* ---- keys -------------------------------------------------------------------------------- */

lc_key lc_key_of(lc_text tenant) {
  lc_key key = { .size = 0 };
  lc_key_add_text(&key, tenant);
  return key;
}

void lc_key_add_bytes(lc_key *key, const void *bytes, size_t size) {
  if (size != 0)
    memcpy(key->bytes + key->size, bytes, size);
  key->size += size;
}

void lc_key_add_text(lc_key *key, lc_text text) {
  key->bytes[key->size++] = (unsigned char)text.size;
  lc_key_add_bytes(key, text.data, text.size);
}

void lc_key_add_number(lc_key *key, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    key->bytes[key->size++] = (unsigned char)(number >> shift);
}

uint64_t lc_key_number(MDB_val key) {
  const unsigned char *bytes = key.mv_data;
  uint64_t number = 0;
  for (size_t i = key.mv_size < 8 ? 0 : key.mv_size - 8; i < key.mv_size; i++)
    number = number << 8 | bytes[i];
  return number;
}

bool lc_key_is_prefix(const lc_key *prefix, MDB_val key) {
  return key.mv_size >= prefix->size && memcmp(key.mv_data, prefix->bytes, prefix->size) == 0;
}

MDB_val lc_key_value(lc_key *key) {
  return (MDB_val){ key->size, key->bytes };
}

lc_key lc_key_of_company(const lc_key *tenant, const lc_company *company) {
  lc_key key = *tenant;
  lc_key_add_text(&key, company->text);
  return key;
}

lc_key lc_key_of_entry(const lc_key *tenant, uint64_t entry) {
  lc_key key = *tenant;
  lc_key_add_number(&key, entry);
  return key;
}

lc_key lc_key_of_confirmation(const lc_key *tenant, const uint8_t *id) {
  lc_key key = *tenant;
  lc_key_add_bytes(&key, id, LC_CONFIRMATION_SIZE);
  return key;
}

/* ---- tables ------------------------------------------------------------------------------ */

int lc_get(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, MDB_val *value) {
  MDB_val k = lc_key_value(key);
  return mdb_get(txn, lc_env_table(store->env, table), &k, value);
}

int lc_put(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, const void *data, size_t size) {
  MDB_val k = lc_key_value(key), value = { size, (void *)(uintptr_t)data };
  return mdb_put(txn, lc_env_table(store->env, table), &k, &value, 0);
}

int lc_reserve(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, size_t size, void **memory) {
  MDB_val k = lc_key_value(key), value = { size, NULL };
  int rc = mdb_put(txn, lc_env_table(store->env, table), &k, &value, MDB_RESERVE);
  *memory = value.mv_data;
  return rc;
}

int lc_delete(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key) {
  MDB_val k = lc_key_value(key);
  return mdb_del(txn, lc_env_table(store->env, table), &k, NULL);
}

static int check_prefix(int rc, const lc_key *prefix, MDB_val key) {
  return rc == 0 && !lc_key_is_prefix(prefix, key) ? MDB_NOTFOUND : rc;
}

int lc_seek_before(MDB_cursor *cursor, const lc_key *prefix, uint64_t bound, MDB_val *key, MDB_val *value) {
  lc_key from = *prefix;
  lc_key_add_number(&from, bound);
  *key = lc_key_value(&from);
  int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return rc;
  rc = mdb_cursor_get(cursor, key, value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
  return check_prefix(rc, prefix, *key);
}

int lc_seek_previous(MDB_cursor *cursor, const lc_key *prefix, MDB_val *key, MDB_val *value) {
  return check_prefix(mdb_cursor_get(cursor, key, value, MDB_PREV), prefix, *key);
}

int lc_get_last(const lc_store *store, MDB_txn *txn, lc_table table, const lc_key *prefix, MDB_val *key, MDB_val *value) {
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, table), &cursor);
  if (rc != 0)
    return rc;
  rc = lc_seek_before(cursor, prefix, UINT64_MAX, key, value);
  mdb_cursor_close(cursor);
  return rc;
}

int lc_seek_company(MDB_cursor *cursor, const lc_key *tenant, lc_text after, MDB_val *key, MDB_val *value) {
  lc_key from = *tenant;
  if (after.size != 0)
    lc_key_add_text(&from, after);
  *key = lc_key_value(&from);
  int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
  if (rc == 0 && key->mv_size == from.size && lc_key_is_prefix(&from, *key))
    rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
  return rc;
}

/* ---- transactions ------------------------------------------------------------------------ */

lc_status lc_store_fail(const lc_store *store, lc_part part, int rc, const char *doing, lc_error *error) {
  return lc_env_fail(store->env, part, rc, doing, error);
}

lc_status lc_begin_read(lc_store *store, lc_part part, MDB_txn **txn, lc_error *error) {
  lc_status status = lc_env_read(store->env, part, &store->readers[part], error);
  *txn = store->readers[part];
  return status;
}

void lc_end_read(lc_store *store, lc_part part) {
  lc_env_read_end(store->env, part, store->readers[part]);
}

/* Configs are always saved durably: they are few, and nothing else remembers them. */
lc_status lc_begin_write(lc_store *store, lc_part part, MDB_txn **txn, lc_error *error) {
  return lc_env_write(store->env, part, store->relaxed && part == LC_PART_JOURNAL, txn, error);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static lc_status commit(lc_store *store, lc_part part, MDB_txn *txn, lc_error *error) {
  double begun = seconds();
  lc_status status = lc_env_commit(store->env, part, txn, error);
  double taken = seconds() - begun;
  store->commits++;
  store->commit_seconds += taken;
  if (taken > store->commit_slowest)
    store->commit_slowest = taken;
  return status;
}

lc_status lc_end_write(lc_store *store, lc_part part, MDB_txn *txn, lc_status status, lc_error *error) {
  if (status == LC_OK)
    return commit(store, part, txn, error);
  lc_env_abort(store->env, part, txn);
  return status;
}

/* ---- the result -------------------------------------------------------------------------- */

void lc_result_clear(lc_store *store) {
  store->result_size = 0;
}

static lc_status grow(lc_store *store, size_t more, lc_error *error) {
  size_t need = store->result_size + more;
  if (need <= store->result_capacity)
    return LC_OK;
  size_t capacity = need < 4096 ? 4096 : need * 2;
  char *bytes = realloc(store->result, capacity);
  if (bytes == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "out of memory");
  store->result = bytes;
  store->result_capacity = capacity;
  return LC_OK;
}

static void append(lc_store *store, const void *data, size_t size) {
  if (size != 0)
    memcpy(store->result + store->result_size, data, size);
  store->result_size += size;
}

lc_status lc_result_set(lc_store *store, const void *data, size_t size, lc_error *error) {
  lc_result_clear(store);
  lc_status status = grow(store, size, error);
  if (status == LC_OK)
    append(store, data, size);
  return status;
}

lc_status lc_must_be_there(lc_status status, const char *what, lc_error *error) {
  return status == LC_NOT_FOUND ? lc_fail(error, LC_CORRUPT, "%s is missing that another record names", what) : status;
}

lc_status lc_copy_out(lc_store *store, MDB_txn *txn, lc_table table, lc_key key, lc_error *error) {
  lc_result_clear(store);
  return lc_copy_more(store, txn, table, key, error);
}

lc_status lc_copy_more(lc_store *store, MDB_txn *txn, lc_table table, lc_key key, lc_error *error) {
  MDB_val value;
  int rc = lc_get(store, txn, table, &key, &value);
  lc_status status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
  if (status == LC_OK && (status = grow(store, value.mv_size, error)) == LC_OK)
    append(store, value.mv_data, value.mv_size);
  return status;
}

lc_status lc_result_add(lc_store *store, lc_text first, lc_text second, lc_error *error) {
  size_t size = first.size + second.size;
  lc_status status = grow(store, sizeof size + size, error);
  if (status == LC_OK) {
    append(store, &size, sizeof size);
    append(store, first.data, first.size);
    append(store, second.data, second.size);
  }
  return status;
}

lc_text lc_store_result(const lc_store *store) {
  return (lc_text){ store->result, store->result_size };
}

bool lc_list_next(lc_text *list, lc_text *item) {
  if (list->size == 0)
    return false;
  memcpy(&item->size, list->data, sizeof item->size);
  item->data = list->data + sizeof item->size;
  list->data += sizeof item->size + item->size;
  list->size -= sizeof item->size + item->size;
  return true;
}

lc_status lc_scan(lc_store *store, lc_part part, lc_table table, lc_scanner *scanner, void *request,
                  lc_error *error) {
  MDB_txn *txn;
  MDB_cursor *cursor;
  lc_result_clear(store);
  lc_status status = lc_begin_read(store, part, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, table), &cursor);
  if (rc == 0) {
    status = scanner(store, cursor, request, error);
    mdb_cursor_close(cursor);
  } else {
    status = lc_store_fail(store, part, rc, "cannot read the store", error);
  }
  lc_end_read(store, part);
  return status;
}

lc_status lc_end_of_scan(const lc_store *store, lc_part part, int rc, lc_error *error) {
  return rc == MDB_NOTFOUND ? LC_OK : lc_store_fail(store, part, rc, "cannot read the store", error);
}

/* ---- upkeep ------------------------------------------------------------------------------ */

static lc_status check_owned(const lc_store *store, lc_error *error) {
  return !lc_env_forked(store->env) ? LC_OK
       : lc_fail(error, LC_FORKED, "the store was opened before this process was forked: open it in the child");
}

static lc_status count_unfinished(lc_store *store, uint64_t *unfinished, lc_error *error) {
  MDB_txn *txn;
  MDB_stat table;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_stat(txn, lc_env_table(store->env, LC_TABLE_APPLYING), &table);
  *unfinished = rc == 0 ? table.ms_entries : 0;
  lc_end_read(store, LC_PART_JOURNAL);
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}

lc_status lc_store_stat(lc_store *store, lc_store_stats *stats, lc_error *error) {
  lc_status status = check_owned(store, error);
  if (status != LC_OK)
    return status;
  *stats = (lc_store_stats){
    .commits = store->commits,
    .commit_seconds = store->commit_seconds,
    .commit_slowest = store->commit_slowest,
  };
  status = count_unfinished(store, &stats->unfinished, error);
  for (int part = 0; part < LC_PARTS; part++) {
    lc_env_stats env;
    lc_env_stat(store->env, (lc_part)part, &env);
    stats->map_used[part] = env.used;
    stats->map_size[part] = env.size;
    stats->readers[part] = env.readers;
    stats->max_readers = env.max_readers;
  }
  return status;
}

lc_status lc_store_copy(lc_store *store, const char *path, bool compact, lc_error *error) {
  lc_status status = check_owned(store, error);
  return status != LC_OK ? status : lc_env_copy(store->env, path, compact, error);
}

lc_status lc_store_check_readers(lc_store *store, unsigned *freed, lc_error *error) {
  lc_status status = check_owned(store, error);
  if (status != LC_OK)
    return status;
  *freed = (unsigned)lc_env_reader_check(store->env);
  lc_env_tell_commit(store->env);
  return LC_OK;
}
