/* The sequence of all that was done in a tenant, for programs that follow it. Each change is a small record in the transaction of what it
 * tells of, and names an entry of the journal. Its number is taken in the same order as those of entries, so it is above all that
 * was given before, also after a backup was restored. */
#include <string.h>

#include "internal.h"
#include "store.h"

const char *const lc_done_names[LC_DONE_KINDS] = {
  [LC_DONE_ENDED] = "ended", [LC_DONE_ASKED] = "asked", [LC_DONE_CLOSED] = "closed", [LC_DONE_HELD] = "held",
  [LC_DONE_ASSIGNED] = "assigned",
};

bool lc_unpack_change(lc_text packed, lc_done *change) {
  uint64_t value;
  if (packed.size != sizeof value)
    return false;
  memcpy(&value, packed.data, sizeof value);
  change->entry = value << 1 >> 3;
  change->kind = (lc_done_kind)((value >> 63 << 2) | (value & 3));
  return change->kind < LC_DONE_KINDS;
}

/* ---- retention ------------------------------------------------------------------------------- */

int lc_get_removed(const lc_store *store, MDB_txn *txn, const lc_key *tenant, uint64_t *removed) {
  lc_key key = lc_key_of_entry(tenant, 0);
  lc_done change = { .entry = 0 };
  MDB_val value;
  int rc = lc_get(store, txn, LC_TABLE_CHANGES, &key, &value);
  if (rc == 0 && !lc_unpack_change(lc_text_of(value), &change))
    return MDB_CORRUPTED;
  *removed = change.entry;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Moves to the first change behind a number; MDB_NOTFOUND. */
static int seek_behind(MDB_cursor *cursor, const lc_key *tenant, uint64_t after, MDB_val *key, MDB_val *value) {
  lc_key from = lc_key_of_entry(tenant, after + 1);
  *key = lc_key_value(&from);
  int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
  return rc == 0 && !lc_key_is_prefix(tenant, *key) ? MDB_NOTFOUND : rc;
}

int lc_remove_changes(const lc_writer *w, uint64_t entry) {
  lc_key begin = lc_key_of_entry(&w->tenant, 0);
  uint64_t removed, packed = lc_pack_change(entry, LC_DONE_ENDED);
  MDB_cursor *cursor;
  MDB_val key, value;
  int rc = lc_get_removed(w->store, w->txn, &w->tenant, &removed);
  if (rc != 0 || removed >= entry)
    return rc;
  rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_CHANGES), &cursor);
  if (rc != 0)
    return rc;
  rc = seek_behind(cursor, &w->tenant, 0, &key, &value);
  while (rc == 0 && lc_key_is_prefix(&w->tenant, key) && lc_key_number(key) <= entry && (rc = mdb_cursor_del(cursor, 0)) == 0)
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  mdb_cursor_close(cursor);
  return rc != 0 && rc != MDB_NOTFOUND ? rc : lc_put(w->store, w->txn, LC_TABLE_CHANGES, &begin, &packed, sizeof packed);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct page {
  lc_key tenant;
  size_t limit;
  uint64_t last;    /* the number of the last one looked at */
  uint64_t removed;
} page;

static lc_status add_item(lc_store *store, MDB_txn *txn, const page *p, const lc_done *change, lc_error *error) {
  lc_key key = lc_key_of_entry(&p->tenant, change->entry);
  lc_entry entry;
  MDB_val value;
  int rc = lc_get(store, txn, LC_TABLE_JOURNAL, &key, &value);
  if (rc == MDB_NOTFOUND && change->entry <= p->removed)
    return LC_OK;
  lc_status status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
  if (status == LC_OK)
    status = lc_unpack_entry(lc_text_of(value), change->entry, &entry, error);
  if (status != LC_OK)
    return lc_must_be_there(status, "an entry", error);
  return lc_result_add(store, (lc_text){ (const char *)change, sizeof *change }, lc_text_of(value), error);
}

static lc_status list(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  MDB_txn *txn = mdb_cursor_txn(cursor);
  lc_done change;
  MDB_val key, value;
  int rc = lc_get_removed(store, txn, &p->tenant, &p->removed);
  lc_status status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the changes", error);
  if (status != LC_OK)
    return status;
  rc = seek_behind(cursor, &p->tenant, p->last, &key, &value);
  for (; rc == 0 && status == LC_OK && p->limit > 0 && lc_key_is_prefix(&p->tenant, key); p->limit--) {
    if (!lc_unpack_change(lc_text_of(value), &change))
      return lc_fail(error, LC_CORRUPT, "a change is damaged");
    p->last = change.number = lc_key_number(key);
    status = add_item(store, txn, p, &change, error);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_changes(lc_store *store, lc_text tenant, uint64_t after, size_t limit, uint64_t *newest, uint64_t *removed,
                           lc_error *error) {
  page p = { .tenant = lc_key_of(tenant), .last = after, .limit = limit };
  lc_status status = lc_scan(store, LC_PART_JOURNAL, LC_TABLE_CHANGES, list, &p, error);
  *newest = p.last;
  *removed = p.removed;
  return status;
}

lc_status lc_store_newest_change(lc_store *store, uint64_t *newest, lc_error *error) {
  lc_writer reader = { .store = store };
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &reader.txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_read_last(&reader);
  lc_end_read(store, LC_PART_JOURNAL);
  *newest = reader.last.number;
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}
