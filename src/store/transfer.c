#include "transfer.h"

#include <string.h>

#include "internal.h"

enum { PAGE_RECORDS = 512, PAGE_BYTES = 1 << 20 };

/* ---- reading ------------------------------------------------------------------------------ */

lc_status lc_transfer_table(lc_text name, int *table, lc_error *error) {
  for (*table = 0; *table < LC_TABLES; ++*table) {
    const char *known = lc_table_name((lc_table)*table);
    if (name.size == strlen(known) && memcmp(name.data, known, name.size) == 0)
      return LC_OK;
  }
  return lc_fail(error, LC_NOT_FOUND, "there is no such table");
}

static int seek_behind(MDB_cursor *cursor, lc_text after, MDB_val *key, MDB_val *value) {
  *key = (MDB_val){ after.size, (void *)(uintptr_t)after.data };
  if (after.size == 0)
    return mdb_cursor_get(cursor, key, value, MDB_FIRST);
  int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
  if (rc == 0 && key->mv_size == after.size && memcmp(key->mv_data, after.data, after.size) == 0)
    rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
  return rc;
}

static lc_status list_page(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  const lc_text *after = request, none = { NULL, 0 };
  MDB_val key, value;
  lc_status status = LC_OK;
  int rc = seek_behind(cursor, *after, &key, &value);
  for (int i = 0; rc == 0 && status == LC_OK && i < PAGE_RECORDS && store->result_size < PAGE_BYTES; i++) {
    status = lc_result_add(store, lc_text_of(key), none, error);
    if (status == LC_OK)
      status = lc_result_add(store, lc_text_of(value), none, error);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_transfer_page(lc_store *store, int table, lc_text after, lc_error *error) {
  return lc_scan(store, lc_table_part((lc_table)table), (lc_table)table, list_page, &after, error);
}

lc_status lc_transfer_count(lc_store *store, int table, uint64_t *count, lc_error *error) {
  MDB_txn *txn;
  MDB_stat pages;
  lc_part part = lc_table_part((lc_table)table);
  lc_status status = lc_begin_read(store, part, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_stat(txn, lc_env_table(store->env, (lc_table)table), &pages);
  *count = rc == 0 ? pages.ms_entries : 0;
  lc_end_read(store, part);
  return lc_store_fail(store, part, rc, "cannot read the store", error);
}

bool lc_transfer_tenant(lc_text *key, lc_text *tenant) {
  size_t size = key->size == 0 ? 0 : (unsigned char)key->data[0];
  if (key->size < 1 + size)
    return false;
  *tenant = (lc_text){ key->data + 1, size };
  *key = (lc_text){ tenant->data + size, key->size - 1 - size };
  return true;
}

bool lc_transfer_change(lc_text value, lc_done *change) {
  return lc_unpack_change(value, change);
}

bool lc_transfer_is_seen(lc_store *store, lc_text tenant, const lc_entry *entry) {
  lc_error ignored;
  uint64_t seen;
  return entry->event_id.size != 0 && lc_read_seen(store, tenant, entry->event_id, &seen, &ignored) == LC_OK && seen == entry->id;
}

void lc_transfer_free_claim(const lc_store *store, lc_claim *claim) {
  double left = claim->boot == store->boot ? claim->retry_at - lc_uptime() : 0;
  claim->retry_at = left > 0 ? left : 0;
  claim->deadline = 0;
  claim->owner = 0;
}

/* ---- putting ------------------------------------------------------------------------------ */

lc_status lc_transfer_begin(lc_store *store, lc_text tenant, lc_error *error) {
  MDB_txn *txn;
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &txn, error);
  if (status == LC_OK) {
    store->scratch = txn;
    store->scratch_tenant = lc_key_of(tenant);
  }
  return status;
}

lc_status lc_transfer_end(lc_store *store, double written, lc_status status, lc_error *error) {
  MDB_txn *txn = store->scratch;
  store->scratch = NULL;
  store->pending_at = written;
  status = lc_end_write(store, LC_PART_JOURNAL, txn, status, error);
  if (status == LC_OK && lc_pending_count(store->pending) != 0)
    return lc_fail(error, LC_FULL, "there is no room for the ids of events: open the store with a larger map_size");
  return status;
}

static int put_seen(const lc_writer *w, const lc_entry *entry) {
  lc_key key = w->tenant;
  lc_key_add_text(&key, entry->event_id);
  return lc_put(w->store, w->txn, LC_TABLE_SEEN, &key, &entry->id, sizeof entry->id);
}

lc_status lc_transfer_put_entry(lc_store *store, bool unchanged, lc_text record, bool is_seen, lc_error *error) {
  lc_entry entry;
  lc_status status = lc_entry_unpack(record.data, record.size, &entry, error);
  lc_writer w = {
    .store = store, .txn = store->scratch, .tenant = store->scratch_tenant, .log = unchanged ? LC_LOG_UNCHANGED : LC_LOG_JOURNAL,
  };
  if (status != LC_OK)
    return status;
  int rc = lc_put_moved_entry(&w, &entry);
  if (rc == 0 && is_seen && entry.event_id.size != 0)
    rc = put_seen(&w, &entry);
  if (rc == 0)
    rc = lc_put_count(&w);
  return lc_writer_fail(&w, rc, error);
}

lc_status lc_transfer_put_change(lc_store *store, const lc_done *change, lc_error *error) {
  const lc_writer w = { .store = store, .txn = store->scratch, .tenant = store->scratch_tenant };
  return lc_writer_fail(&w, lc_put_change(&w, change), error);
}

lc_status lc_transfer_put_delivery(lc_store *store, const lc_delivery *delivery, lc_error *error) {
  lc_writer w = { .store = store, .txn = store->scratch, .tenant = store->scratch_tenant, .log = LC_LOG_DELIVERIES };
  int rc = lc_put_delivery(&w, delivery);
  return lc_writer_fail(&w, rc != 0 ? rc : lc_put_count(&w), error);
}

lc_status lc_transfer_put_draft(lc_store *store, const lc_draft *draft, lc_error *error) {
  const lc_writer w = { .store = store, .txn = store->scratch, .tenant = store->scratch_tenant };
  return lc_writer_fail(&w, lc_put_draft(&w, draft), error);
}

lc_status lc_transfer_put_daily(lc_store *store, lc_text counted, uint64_t count, const lc_daily_head *head, lc_error *error) {
  const lc_writer w = { .store = store, .txn = store->scratch, .tenant = store->scratch_tenant };
  lc_key key = w.tenant;
  lc_key_add_bytes(&key, counted.data, counted.size);
  return lc_writer_fail(&w, counted.size == 0 ? lc_put_daily_head(&w, head)
                                              : lc_put(store, w.txn, LC_TABLE_DAILY, &key, &count, sizeof count), error);
}

/* ---- the end ------------------------------------------------------------------------------ */

static int put_epoch(const lc_store *store, MDB_txn *txn, const lc_epoch *epoch) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "epoch:", 6);
  lc_key_add_number(&key, epoch->first);
  return lc_put(store, txn, LC_TABLE_META, &key, epoch->name, LC_EPOCH_SIZE);
}

lc_status lc_transfer_finish(lc_store *store, const lc_epochs *epochs, uint64_t last, double written, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of((lc_text){ NULL, 0 }) };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = 0;
  for (size_t i = 0; i < epochs->count && rc == 0; i++)
    rc = put_epoch(store, w.txn, &epochs->list[i]);
  w.last = (lc_last){ .number = last, .written = written };
  return lc_writer_end(&w, lc_writer_fail(&w, rc, error), error);
}

static lc_key mark_key(void) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "moved", 5);
  return key;
}

lc_status lc_transfer_mark(lc_store *store, lc_text mark, lc_error *error) {
  MDB_txn *txn;
  lc_key key = mark_key();
  lc_status status = lc_begin_write(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mark.size != 0 ? lc_put(store, txn, LC_TABLE_IDENTITY, &key, mark.data, mark.size)
                          : lc_delete(store, txn, LC_TABLE_IDENTITY, &key);
  status = lc_store_fail(store, LC_PART_CONFIG, rc == MDB_NOTFOUND ? 0 : rc, "cannot mark the store as moved", error);
  return lc_end_write(store, LC_PART_CONFIG, txn, status, error);
}

lc_status lc_transfer_get_mark(lc_store *store, lc_error *error) {
  lc_status status = lc_read_identity(store, mark_key(), error);
  return status == LC_NOT_FOUND ? LC_OK : status;
}

lc_status lc_transfer_check(lc_store *store, lc_error *error) {
  lc_status status = lc_transfer_get_mark(store, error);
  lc_text mark = lc_store_result(store);
  if (status != LC_OK || mark.size == 0 || (store->readonly && mark.data[0] != 'f'))
    return status;
  const char *line = memchr(mark.data, '\n', mark.size);
  lc_text why = line != NULL ? (lc_text){ line + 1, mark.size - (size_t)(line + 1 - mark.data) } : mark;
  return lc_fail(error, LC_CONFLICT, "%.*s", (int)why.size, why.data);
}
