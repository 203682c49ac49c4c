/* Marks on disk: they are put, and removed, in batches, which say which are the oldest. */
#include <string.h>

#include "internal.h"
#include "store.h"

/* A batch is put under the number of its first mark: each tenant's are numbered from 1, in the order in which they are written. */
enum {
  BATCH_SIZE = 1900,   /* bytes: what is larger takes pages of its own */
  PAGES_OF_A_MARK = 2, /* that putting it changes, at most */
  SOME_PAGES = 64,     /* to be left for what cannot wait */
  STEP = 256           /* marks that one transaction removes, about */
};

/* ---- writing ------------------------------------------------------------------------------- */

/* Puts marks, those of a tenant one after the other. */
typedef struct putter {
  const lc_store *store;
  MDB_txn *txn;
  MDB_cursor *marks, *batches;
  lc_key tenant;   /* empty: none yet */
  uint64_t number; /* of the batch's first mark */
  lc_batch head;
  unsigned char batch[BATCH_SIZE + 1 + LC_EVENT_ID_MAX];
  size_t size;
} putter;

static int end_batch(putter *p) {
  lc_key key = p->tenant;
  if (p->head.count == 0)
    return 0;
  lc_key_add_number(&key, p->number);
  MDB_val k = lc_key_value(&key), value = { p->size, p->batch };
  memcpy(p->batch, &p->head, sizeof p->head);
  p->number += p->head.count;
  p->head.count = 0;
  p->size = sizeof p->head;
  return mdb_cursor_put(p->batches, &k, &value, 0);
}

/* The number behind that of the tenant's last mark, and when that was written. MDB_NOTFOUND: it has none. */
static int find_last(MDB_cursor *batches, const lc_key *tenant, uint64_t *behind, double *written) {
  MDB_val key, value;
  lc_batch head;
  int rc = lc_seek_before(batches, tenant, UINT64_MAX, &key, &value);
  if (rc != 0 || value.mv_size < sizeof head || key.mv_size != tenant->size + 8)
    return rc != 0 ? rc : MDB_CORRUPTED;
  memcpy(&head, value.mv_data, sizeof head);
  *behind = lc_key_number(key) + head.count;
  *written = head.written;
  return 0;
}

static int begin_tenant(putter *p, MDB_val key) {
  size_t size = 1 + (size_t)*(const unsigned char *)key.mv_data;
  if (p->tenant.size == size && memcmp(p->tenant.bytes, key.mv_data, size) == 0)
    return 0;
  int rc = end_batch(p);
  p->tenant.size = 0;
  lc_key_add_bytes(&p->tenant, key.mv_data, size);
  if (rc != 0)
    return rc;
  double written;
  p->number = 1;
  rc = find_last(p->batches, &p->tenant, &p->number, &written);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* What another process has made of the id stays. */
static int put_mark(void *context, MDB_val key, MDB_val mark) {
  putter *p = context;
  int rc = begin_tenant(p, key);
  if (rc == 0)
    rc = mdb_cursor_put(p->marks, &key, &mark, MDB_NOOVERWRITE);
  if (rc != 0)
    return rc == MDB_KEYEXIST ? 0 : rc;
  size_t skip = p->tenant.size, size = key.mv_size - skip; /* the id, with its size before it */
  memcpy(p->batch + p->size, (const char *)key.mv_data + skip, size);
  p->size += size;
  p->head.count++;
  return p->size >= BATCH_SIZE ? end_batch(p) : 0;
}

static int put_all(putter *p) {
  int rc = mdb_cursor_open(p->txn, lc_env_table(p->store->env, LC_TABLE_SEEN), &p->marks);
  if (rc == 0)
    rc = mdb_cursor_open(p->txn, lc_env_table(p->store->env, LC_TABLE_MARKS), &p->batches);
  if (rc == 0)
    rc = lc_pending_each(p->store->pending, put_mark, p);
  return rc == 0 ? end_batch(p) : rc; /* the end of the transaction closes the cursors */
}

lc_status lc_put_marks(lc_store *store, MDB_txn *txn, lc_error *error) {
  size_t count = lc_pending_count(store->pending);
  if (count == 0 || !lc_env_has_room(store->env, LC_PART_JOURNAL, txn, count * PAGES_OF_A_MARK + SOME_PAGES))
    return LC_OK;
  putter p = { .store = store, .txn = txn, .size = sizeof p.head, .head.written = store->pending_at };
  store->puts_marks = true;
  return lc_store_fail(store, LC_PART_JOURNAL, put_all(&p), "cannot remember events", error);
}

/* ---- forgetting ---------------------------------------------------------------------------- */

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
  int rc = find_last(batches, tenant, &behind, &first->newest);
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
  unsigned char bytes[BATCH_SIZE + 1 + LC_EVENT_ID_MAX];
  lc_text ids, id;
  lc_batch head;
  if (stored.mv_size > sizeof bytes || !lc_batch_unpack(lc_text_of(stored), &head, &ids))
    return MDB_CORRUPTED;
  memcpy(bytes, ids.data, ids.size); /* a copy: the transaction changes its pages */
  ids.data = (const char *)bytes;
  int rc = mdb_cursor_del(batches, 0);
  while (rc == 0 && lc_batch_next(&ids, &id))
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
    lc_env_map_reserve(store->env, LC_PART_JOURNAL);
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
