/* Keys, and LMDB's calls with them. */
#include <string.h>

#include "internal.h"
#include "store.h"

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

lc_key lc_key_of_question(const lc_key *tenant, const uint8_t *id) {
  lc_key key = *tenant;
  lc_key_add_bytes(&key, id, LC_QUESTION_ID_SIZE);
  return key;
}

lc_key lc_key_of_due(const lc_key *tenant, uint64_t milliseconds, uint64_t entry) {
  lc_key key = *tenant;
  lc_key_add_number(&key, milliseconds);
  lc_key_add_number(&key, entry);
  return key;
}

uint64_t lc_milliseconds(double seconds) {
  return !(seconds > 0) ? 0 : seconds < 9e12 ? (uint64_t)(seconds * 1000) : UINT64_MAX;
}

bool lc_is_overdue(const lc_key *tenant, MDB_val key, double now) {
  return lc_key_is_prefix(tenant, key) && key.mv_size == tenant->size + 16
      && lc_key_number((MDB_val){ tenant->size + 8, key.mv_data }) <= lc_milliseconds(now);
}

int lc_get(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, MDB_val *value) {
  MDB_val k = lc_key_value(key);
  return mdb_get(txn, lc_env_table(store->env, table), &k, value);
}

int lc_get_record(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, void *record, size_t size) {
  MDB_val value;
  int rc = lc_get(store, txn, table, key, &value);
  if (rc != 0 || value.mv_size != size)
    return rc != 0 ? rc : MDB_CORRUPTED;
  memcpy(record, value.mv_data, size);
  return 0;
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

int lc_get_first(const lc_store *store, MDB_txn *txn, lc_table table, const lc_key *prefix, MDB_val *key, MDB_val *value) {
  MDB_cursor *cursor;
  lc_key from = *prefix;
  *key = lc_key_value(&from);
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, table), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
  mdb_cursor_close(cursor);
  return check_prefix(rc, prefix, *key);
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
