/* Counters, shared by all processes. */

#include "internal.h"
#include "store.h"

int lc_get_counter(const lc_store *store, MDB_txn *txn, lc_key *key, uint64_t *value) {
  *value = 0;
  int rc = lc_get_record(store, txn, LC_TABLE_COUNTERS, key, value, sizeof *value);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int add_one(const lc_store *store, MDB_txn *txn, const lc_counter *counter) {
  lc_key key = lc_key_of(counter->tenant);
  uint64_t value;
  lc_key_add_text(&key, counter->name);
  int rc = lc_get_counter(store, txn, &key, &value);
  value += counter->value;
  return rc != 0 ? rc : lc_put(store, txn, LC_TABLE_COUNTERS, &key, &value, sizeof value);
}

lc_status lc_store_add(lc_store *store, const lc_counter *counters, size_t count, lc_error *error) {
  MDB_txn *txn;
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = add_one(store, txn, &counters[i]);
  status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot add to the counters", error);
  return lc_end_write(store, LC_PART_JOURNAL, txn, status, error);
}

lc_status lc_store_counters(lc_store *store, lc_text tenant, lc_error *error) {
  lc_name_list list = { lc_key_of(tenant), { NULL, 0 }, SIZE_MAX, sizeof(uint64_t), "a counter is damaged" };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_COUNTERS, lc_list_names, &list, error);
}
