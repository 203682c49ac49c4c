/* Puts marks, in batches, which say which are the oldest (forget.c removes those). */
#include <string.h>

#include "internal.h"
#include "store.h"

/* A batch is put under the number of its first mark: each tenant's are numbered from 1, in the order in which they are written. */
enum {
  PAGES_OF_A_MARK = 2, /* that putting it changes, at most */
  SOME_PAGES = 64      /* to be left for what cannot wait */
};

/* Puts marks, those of a tenant one after the other. */
typedef struct putter {
  const lc_store *store;
  MDB_txn *txn;
  MDB_cursor *marks, *batches;
  lc_key tenant;   /* empty: none yet */
  uint64_t number; /* of the batch's first mark */
  lc_batch head;
  unsigned char batch[LC_BATCH_MAX];
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

int lc_find_last_batch(MDB_cursor *batches, const lc_key *tenant, uint64_t *behind, double *written) {
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
  rc = lc_find_last_batch(p->batches, &p->tenant, &p->number, &written);
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
  return p->size >= LC_BATCH_FULL ? end_batch(p) : 0;
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
  return lc_env_fail(store->env, LC_PART_JOURNAL, put_all(&p), "cannot remember events", error);
}
