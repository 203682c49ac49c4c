/* Counters, shared by all processes. */
#include <string.h>

#include "internal.h"
#include "store.h"

static int get_counter(const lc_store *store, MDB_txn *txn, lc_key *key, uint64_t *value) {
  *value = 0;
  int rc = lc_get_record(store, txn, LC_TABLE_COUNTERS, key, value, sizeof *value);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int add_one(const lc_store *store, MDB_txn *txn, const lc_counter *counter) {
  lc_key key = lc_key_of(counter->tenant);
  uint64_t value;
  lc_key_add_text(&key, counter->name);
  int rc = get_counter(store, txn, &key, &value);
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

bool lc_is_count(lc_text name, lc_log *log) {
  for (int i = 0; i < LC_LOGS; i++)
    if (name.size == strlen(lc_logs[i].counter) && memcmp(name.data, lc_logs[i].counter, name.size) == 0) {
      *log = (lc_log)i;
      return true;
    }
  return false;
}

/* The value of a counter. The numbers of entries are stored in another form. */
static int value_of(lc_store *store, MDB_txn *txn, const lc_key *tenant, lc_text name, MDB_val stored, uint64_t *value) {
  lc_writer reader = { .store = store, .txn = txn, .tenant = *tenant };
  if (lc_is_count(name, &reader.log))
    return lc_get_count(&reader, value);
  if (stored.mv_size != sizeof *value)
    return MDB_CORRUPTED;
  memcpy(value, stored.mv_data, sizeof *value);
  return 0;
}

/* The number of marks, which no counter has. */
static lc_status add_marks(lc_store *store, MDB_txn *txn, const lc_key *tenant, lc_error *error) {
  static const char name[] = "remembered_events";
  uint64_t marks;
  int rc = lc_count_marks(store, txn, tenant, &marks);
  if (rc != 0 || marks == 0)
    return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot count the marks", error);
  return lc_result_add(store, (lc_text){ (const char *)&marks, sizeof marks }, (lc_text){ name, sizeof name - 1 }, error);
}

static lc_status list(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  const lc_key *tenant = request;
  MDB_val key, stored;
  uint64_t value;
  lc_status status = LC_OK;
  int rc = lc_seek_company(cursor, tenant, (lc_text){ NULL, 0 }, &key, &stored);
  while (rc == 0 && status == LC_OK && lc_key_is_prefix(tenant, key)) {
    size_t skip = tenant->size + 1; /* the size of the name */
    lc_text name = { (const char *)key.mv_data + skip, key.mv_size > skip ? key.mv_size - skip : 0 };
    rc = value_of(store, mdb_cursor_txn(cursor), tenant, name, stored, &value);
    if (rc == 0)
      status = lc_result_add(store, (lc_text){ (const char *)&value, sizeof value }, name, error);
    if (rc == 0)
      rc = mdb_cursor_get(cursor, &key, &stored, MDB_NEXT);
  }
  if (status == LC_OK)
    status = lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
  return status != LC_OK ? status : add_marks(store, mdb_cursor_txn(cursor), tenant, error);
}

lc_status lc_store_counters(lc_store *store, lc_text tenant, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_COUNTERS, list, &key, error);
}
