/* What came to nothing: entries in tables of their own, so that no event, answer or undo ever meets them. */
#include "store.h"
#include "store_internal.h"

static lc_key count_key(const lc_writer *w) {
  lc_key key = w->tenant;
  lc_key_add_text(&key, (lc_text){ "unchanged_entries", 17 });
  return key;
}

int lc_get_unchanged_count(const lc_writer *w, uint64_t *count) {
  lc_key key = count_key(w);
  return lc_get_counter(w->store, w->txn, &key, count);
}

int lc_count_unchanged(const lc_writer *w, int64_t added) {
  lc_key key = count_key(w);
  uint64_t count;
  int rc = lc_get_unchanged_count(w, &count);
  count += (uint64_t)added;
  return rc != 0 ? rc : lc_put(w->store, w->txn, LC_TABLE_COUNTERS, &key, &count, sizeof count);
}

static int put(lc_writer *w, lc_entry *entry) {
  entry->id = lc_next_entry(w);
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  lc_key index = lc_key_of_company(&w->tenant, &entry->company);
  lc_key_add_number(&index, entry->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, LC_TABLE_UNCHANGED, &key, lc_entry_size(entry), &memory);
  if (rc != 0)
    return rc;
  lc_entry_pack(entry, memory);
  return lc_put(w->store, w->txn, LC_TABLE_UNCHANGED_BY_COMPANY, &index, NULL, 0);
}

int lc_remove_unchanged(const lc_writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  lc_key index = lc_key_of_company(&w->tenant, &entry->company);
  lc_key_add_number(&index, entry->id);
  int rc = lc_delete(w->store, w->txn, LC_TABLE_UNCHANGED_BY_COMPANY, &index);
  return rc != 0 && rc != MDB_NOTFOUND ? rc : lc_delete(w->store, w->txn, LC_TABLE_UNCHANGED, &key);
}

lc_status lc_store_add_unchanged(lc_store *store, lc_text tenant, lc_entry *entries, size_t count, double now,
                                 lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = put(&w, &entries[i]);
  if (rc == 0)
    rc = lc_count_unchanged(&w, (int64_t)count);
  return lc_writer_end(&w, lc_writer_fail(&w, rc, error), error);
}
