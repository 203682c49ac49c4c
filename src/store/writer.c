/* Writing a log: the transaction, the ids of its entries, and their number. */
#include <string.h>

#include "internal.h"
#include "store.h"

static lc_key last_entry_key(void) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "last_entry", 10);
  return key;
}

/* It stays 0 in a new store. */
int lc_read_last(lc_writer *w) {
  lc_key key = last_entry_key();
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_META, &key, &w->last, sizeof w->last);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int write_last(const lc_writer *w) {
  lc_key key = last_entry_key();
  return lc_put(w->store, w->txn, LC_TABLE_META, &key, &w->last, sizeof w->last);
}

const lc_log_parts lc_logs[LC_LOGS] = {
  [LC_LOG_JOURNAL] = { LC_TABLE_JOURNAL, LC_TABLE_BY_COMPANY, "journal_entries" },
  [LC_LOG_UNCHANGED] = { LC_TABLE_UNCHANGED, LC_TABLE_UNCHANGED_BY_COMPANY, "unchanged_entries" },
  [LC_LOG_DELIVERIES] = { LC_TABLE_DELIVERIES, LC_TABLES, "deliveries" },
};

static lc_key count_key(const lc_writer *w) {
  const char *name = lc_logs[w->log].counter;
  lc_key key = w->tenant;
  lc_key_add_text(&key, (lc_text){ name, strlen(name) });
  return key;
}

int lc_count_entries(const lc_writer *w, uint64_t *count) {
  MDB_cursor *cursor;
  lc_key tenant = w->tenant;
  MDB_val key = lc_key_value(&tenant), value;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, lc_logs[w->log].entries), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (*count = 0; rc == 0 && lc_key_is_prefix(&w->tenant, key); ++*count)
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int read_count(const lc_writer *w, uint64_t *count, bool *sound) {
  lc_key key = count_key(w);
  uint64_t sealed = 0;
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_COUNTERS, &key, &sealed, sizeof sealed);
  *sound = rc == 0 && lc_unseal_count(sealed, count);
  return rc == MDB_NOTFOUND || rc == MDB_CORRUPTED ? 0 : rc;
}

int lc_get_count(const lc_writer *w, uint64_t *count) {
  bool sound;
  int rc = read_count(w, count, &sound);
  return rc != 0 || sound ? rc : lc_count_entries(w, count);
}

/* The cursor stays where it has found the counter, so that it is looked for once. */
static int add_to_count(const lc_writer *w, MDB_cursor *counters) {
  lc_key name = count_key(w);
  MDB_val key = lc_key_value(&name), value;
  uint64_t sealed = 0, count = 0;
  int found = mdb_cursor_get(counters, &key, &value, MDB_SET), rc = found == MDB_NOTFOUND ? 0 : found;
  bool sound = found == 0 && value.mv_size == sizeof sealed;
  if (sound)
    memcpy(&sealed, value.mv_data, sizeof sealed);
  sound = sound && lc_unseal_count(sealed, &count);
  if (rc == 0 && (!sound || (int64_t)count + w->added < 0))
    rc = lc_count_entries(w, &count);
  else
    count += (uint64_t)w->added;
  sealed = lc_seal_count(count);
  value = (MDB_val){ sizeof sealed, &sealed };
  return rc != 0 ? rc : mdb_cursor_put(counters, &key, &value, found == 0 ? MDB_CURRENT : 0);
}

int lc_put_count(const lc_writer *w) {
  MDB_cursor *counters;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_COUNTERS), &counters);
  if (rc != 0)
    return rc;
  rc = add_to_count(w, counters);
  mdb_cursor_close(counters);
  return rc;
}

lc_status lc_writer_fail(const lc_writer *w, int rc, lc_error *error) {
  return lc_store_fail(w->store, LC_PART_JOURNAL, rc, "cannot write the journal", error);
}

lc_status lc_writer_begin(lc_writer *w, lc_error *error) {
  lc_status status = lc_begin_write(w->store, LC_PART_JOURNAL, &w->txn, error);
  if (status != LC_OK)
    return status;
  status = lc_writer_fail(w, lc_read_last(w), error);
  if (status != LC_OK)
    lc_end_write(w->store, LC_PART_JOURNAL, w->txn, status, error);
  return status;
}

lc_status lc_writer_end(lc_writer *w, lc_status status, lc_error *error) {
  int rc = status == LC_OK ? write_last(w) : 0;
  if (status == LC_OK && rc == 0 && w->added != 0)
    rc = lc_put_count(w);
  if (status == LC_OK && rc == 0)
    rc = lc_put_counts(w);
  if (rc != 0)
    status = lc_writer_fail(w, rc, error);
  return lc_end_write(w->store, LC_PART_JOURNAL, w->txn, status, error);
}

/* A clock that is wrong (NaN, beyond 2^53 milliseconds) gives no number. */
uint64_t lc_next_number(lc_writer *w) {
  uint64_t milliseconds = w->now > 0 && w->now < 9e12 ? (uint64_t)(w->now * 1000) : 0;
  w->last.number = milliseconds > w->last.number ? milliseconds : w->last.number + 1;
  return w->last.number;
}

void lc_number_entry(lc_writer *w, lc_entry *entry) {
  entry->id = lc_next_number(w);
  w->last.written = w->now;
  entry->written = w->now;
}

int lc_put_entry(const lc_writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, lc_logs[w->log].entries, &key, lc_entry_size(entry), &memory);
  if (rc == 0)
    lc_entry_pack(entry, memory);
  return rc;
}

lc_status lc_read_entry(const lc_writer *w, uint64_t id, lc_entry *entry, lc_error *error) {
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_JOURNAL, lc_key_of_entry(&w->tenant, id), error);
  return status != LC_OK ? status : lc_unpack_entry(lc_store_result(w->store), id, entry, error);
}

static lc_key index_of(const lc_writer *w, const lc_company *company, uint64_t entry) {
  lc_key index = lc_key_of_company(&w->tenant, company);
  lc_key_add_number(&index, entry);
  return index;
}

int lc_list_entry(const lc_writer *w, const lc_company *company, uint64_t entry) {
  lc_key index = index_of(w, company, entry);
  return lc_put(w->store, w->txn, lc_logs[w->log].by_company, &index, NULL, 0);
}

int lc_unlist_entry(const lc_writer *w, const lc_company *company, uint64_t entry) {
  lc_key index = index_of(w, company, entry);
  int rc = lc_delete(w->store, w->txn, lc_logs[w->log].by_company, &index);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_put_change(const lc_writer *w, const lc_done *change) {
  lc_key key = lc_key_of_entry(&w->tenant, change->number);
  uint64_t packed = lc_pack_change(change->entry, change->kind);
  return lc_put(w->store, w->txn, LC_TABLE_CHANGES, &key, &packed, sizeof packed);
}

/* Adds to the tenant's changes. */
static int add_change(lc_writer *w, uint64_t entry, lc_done_kind kind) {
  const lc_done change = { .number = lc_next_number(w), .entry = entry, .kind = kind };
  return lc_put_change(w, &change);
}

int lc_add_change(lc_writer *w, const lc_entry *entry) {
  if (entry->status == LC_ENTRY_APPLYING || entry->status == LC_ENTRY_SCHEDULED || entry->status == LC_ENTRY_QUEUED
      || entry->status == LC_ENTRY_HELD)
    return 0;
  int rc = add_change(w, entry->id, entry->status == LC_ENTRY_AWAITING ? LC_DONE_ASKED : LC_DONE_ENDED);
  return rc != 0 ? rc : lc_count(w, entry, 1);
}

int lc_add_stop(lc_writer *w, const lc_entry *entry) {
  return add_change(w, entry->id, LC_DONE_HELD);
}

int lc_add_closed(lc_writer *w, const lc_entry *entry) {
  return add_change(w, entry->id, LC_DONE_CLOSED);
}

int lc_add_assigned(lc_writer *w, uint64_t entry) {
  return add_change(w, entry, LC_DONE_ASSIGNED);
}

/* A note is found by both names of its company. */
static bool has_two_names(const lc_entry *entry) {
  return lc_entry_is_note(entry) && entry->former.text.size != 0;
}

/* Has a held entry found as one; limit.c ends that. */
static int list_held(const lc_writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  return lc_put(w->store, w->txn, LC_TABLE_HELD, &key, NULL, 0);
}

int lc_put_moved_entry(lc_writer *w, const lc_entry *entry) {
  w->added++;
  int rc = lc_put_entry(w, entry);
  if (rc == 0 && has_two_names(entry))
    rc = lc_list_entry(w, &entry->former, entry->id);
  if (rc == 0 && entry->status == LC_ENTRY_HELD)
    rc = list_held(w, entry);
  return rc != 0 ? rc : lc_list_entry(w, &entry->company, entry->id);
}

int lc_put_new_entry(lc_writer *w, const lc_entry *entry) {
  int rc = lc_put_moved_entry(w, entry);
  return rc != 0 || w->log != LC_LOG_JOURNAL ? rc : lc_add_change(w, entry);
}

int lc_put_ended(lc_writer *w, const lc_entry *entry) {
  int rc = lc_put_entry(w, entry);
  return rc != 0 ? rc : lc_add_change(w, entry);
}

int lc_remove_entry(lc_writer *w, MDB_cursor *entries, const lc_entry *entry) {
  w->added--;
  int rc = w->log == LC_LOG_JOURNAL ? lc_count_removed(w, entry) : 0;
  if (rc == 0)
    rc = lc_unlist_entry(w, &entry->company, entry->id);
  if (rc == 0 && has_two_names(entry))
    rc = lc_unlist_entry(w, &entry->former, entry->id);
  return rc != 0 ? rc : mdb_cursor_del(entries, 0);
}

lc_status lc_store_add_unchanged(lc_store *store, lc_text tenant, lc_entry *entries, size_t count, double now,
                                 lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .log = LC_LOG_UNCHANGED };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    lc_number_entry(&w, &entries[i]);
    rc = lc_put_new_entry(&w, &entries[i]);
  }
  return lc_writer_end(&w, lc_writer_fail(&w, rc, error), error);
}
