/* Removes the oldest marks of events that came to nothing, a batch at a time. */
#include <string.h>

#include "internal.h"
#include "store.h"

enum { STEP = 256 }; /* marks that one transaction removes, about */

/* A tenant's first batch, which is the oldest. */
typedef struct first_batch {
  MDB_val stored;
  double written;
  double newest;  /* when the last was written */
  uint64_t marks; /* in all batches */
} first_batch;

/* Moves the cursor there. MDB_NOTFOUND: there is none. */
static int find_first(MDB_cursor *batches, const lc_key *tenant, first_batch *first) {
  lc_key from = *tenant;
  uint64_t behind;
  lc_batch head;
  int rc = lc_find_last_batch(batches, tenant, &behind, &first->newest);
  lc_key_add_number(&from, 0);
  MDB_val key = lc_key_value(&from);
  if (rc == 0)
    rc = mdb_cursor_get(batches, &key, &first->stored, MDB_SET_RANGE);
  if (rc != 0 || first->stored.mv_size < sizeof head)
    return rc != 0 ? rc : MDB_CORRUPTED;
  memcpy(&head, first->stored.mv_data, sizeof head);
  first->written = head.written;
  first->marks = behind - lc_key_number(key);
  return 0;
}

/* The time, or that of the newest entry or mark if it is earlier: a clock that is wrong removes nothing. */
static double credible_now(const lc_writer *reader, double newest) {
  double known = newest > reader->last.written ? newest : reader->last.written;
  return reader->now < known ? reader->now : known;
}

int lc_are_marks_due(const lc_writer *reader, MDB_cursor *batches, const lc_retention *keep, bool *due) {
  first_batch first;
  int rc = find_first(batches, &reader->tenant, &first);
  *due = rc == 0 && ((keep->age > 0 && first.written < credible_now(reader, first.newest) - keep->age)
                     || (keep->count > 0 && first.marks > keep->count));
  return rc;
}

static int remove_mark(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const unsigned char *id) {
  lc_key key = *tenant;
  MDB_val found;
  lc_key_add_bytes(&key, id, 1 + (size_t)*id);
  int rc = lc_get(store, txn, LC_TABLE_SEEN, &key, &found);
  if (rc == 0 && found.mv_size > sizeof(uint64_t)) /* else an entry has the id */
    rc = lc_delete(store, txn, LC_TABLE_SEEN, &key);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Removes the batch at which the cursor is, with its marks. */
static int remove_batch(const lc_store *store, MDB_cursor *batches, const lc_key *tenant, MDB_val stored, size_t *removed) {
  unsigned char bytes[LC_BATCH_MAX];
  lc_text ids, id;
  lc_batch head;
  if (stored.mv_size > sizeof bytes || !lc_batch_unpack(lc_text_of(stored), &head, &ids))
    return MDB_CORRUPTED;
  memcpy(bytes, ids.data, ids.size); /* a copy: the transaction changes its pages */
  ids.data = (const char *)bytes;
  int rc = mdb_cursor_del(batches, 0);
  while (rc == 0 && lc_batch_next(&ids, &id))
    if (id.size != 0)
      rc = remove_mark(store, mdb_cursor_txn(batches), tenant, (const unsigned char *)id.data - 1);
  *removed += head.count;
  return rc;
}

typedef struct forgetter {
  lc_writer w;
  const lc_retention *keep;
  size_t removed;
  bool more;
} forgetter;

static int forget_some(forgetter *f, MDB_cursor *batches) {
  first_batch first;
  int rc = lc_are_marks_due(&f->w, batches, f->keep, &f->more);
  while (rc == 0 && f->more && f->removed < STEP) {
    rc = find_first(batches, &f->w.tenant, &first);
    if (rc == 0)
      rc = remove_batch(f->w.store, batches, &f->w.tenant, first.stored, &f->removed);
    if (rc == 0)
      rc = lc_are_marks_due(&f->w, batches, f->keep, &f->more);
  }
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static lc_status forget_in_step(forgetter *f, lc_error *error) {
  MDB_cursor *batches;
  f->removed = 0;
  lc_status status = lc_writer_begin(&f->w, error);
  if (status != LC_OK)
    return status;
  lc_env_lift_limit(f->w.store->env, LC_PART_JOURNAL);
  int rc = mdb_cursor_open(f->w.txn, lc_env_table(f->w.store->env, LC_TABLE_MARKS), &batches);
  if (rc == 0)
    rc = forget_some(f, batches);
  return lc_writer_end(&f->w, lc_writer_fail(&f->w, rc, error), error);
}

static lc_status are_due(const forgetter *f, bool *due, lc_error *error) {
  lc_store *store = f->w.store;
  lc_writer reader = f->w;
  MDB_cursor *batches;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &reader.txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_cursor_open(reader.txn, lc_env_table(store->env, LC_TABLE_MARKS), &batches);
  if (rc == 0) {
    rc = lc_read_last(&reader);
    if (rc == 0)
      rc = lc_are_marks_due(&reader, batches, f->keep, due);
    mdb_cursor_close(batches);
  }
  lc_end_read(store, LC_PART_JOURNAL);
  return rc == MDB_NOTFOUND ? LC_OK : lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the marks", error);
}

lc_status lc_store_trim_marks(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                              size_t *removed, lc_error *error) {
  forgetter f = { .w = { .store = store, .tenant = lc_key_of(tenant), .now = now }, .keep = keep };
  bool due = false;
  lc_status status = are_due(&f, &due, error);
  if (status == LC_OK && due)
    status = forget_in_step(&f, error);
  if (status == LC_FULL) { /* without room for it LMDB cannot remove either */
    lc_env_use_reserve(store->env, LC_PART_JOURNAL);
    status = forget_in_step(&f, error);
  }
  if (status != LC_OK)
    return status;
  *from = f.more ? *from + 1 : 0;
  *removed = f.removed;
  return LC_OK;
}

int lc_count_marks(const lc_store *store, MDB_txn *txn, const lc_key *tenant, uint64_t *count) {
  MDB_cursor *batches;
  first_batch first = { .marks = 0 };
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, LC_TABLE_MARKS), &batches);
  if (rc != 0)
    return rc;
  rc = find_first(batches, tenant, &first);
  mdb_cursor_close(batches);
  *count = rc == 0 ? first.marks : 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}
