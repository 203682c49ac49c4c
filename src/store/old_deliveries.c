/* Removes the oldest deliveries, with what remembers that they have come. */
#include <math.h>
#include <string.h>

#include "delivery.h"
#include "internal.h"

enum { STEP = 256 }; /* deliveries looked at in one transaction */

typedef struct trimmer {
  lc_writer w;
  double cutoff;   /* what was received before is too old */
  uint64_t excess; /* how many are too many */
  uint64_t from;   /* the first to look at */
  size_t removed;
} trimmer;

/* A clock that is wrong removes nothing. */
static double cutoff_of(const lc_writer *w, const lc_retention *keep) {
  double now = w->now < w->last.written ? w->now : w->last.written;
  return keep->age > 0 ? now - keep->age : -HUGE_VAL;
}

static uint64_t excess_of(const lc_retention *keep, uint64_t count) {
  return keep->count > 0 && count > keep->count ? count - keep->count : 0;
}

int lc_are_deliveries_due(const lc_writer *reader, const lc_retention *keep, lc_text oldest, bool *due) {
  lc_delivery d;
  uint64_t count = 0;
  if (lc_delivery_unpack(oldest.data, oldest.size, &d, NULL) != LC_OK)
    return MDB_CORRUPTED;
  *due = d.received < cutoff_of(reader, keep);
  int rc = *due || keep->count == 0 ? 0 : lc_get_count(reader, &count);
  *due |= excess_of(keep, count) > 0;
  return rc;
}

/* Removes the delivery at which the cursor is. */
static int remove_one(trimmer *t, MDB_cursor *cursor, const lc_delivery *d) {
  lc_key known = t->w.tenant;
  lc_key_add_bytes(&known, d->key, sizeof d->key);
  int rc = mdb_cursor_del(cursor, 0);
  if (rc == 0)
    rc = lc_delete(t->w.store, t->w.txn, LC_TABLE_DELIVERED, &known);
  t->w.added--;
  t->removed++;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static lc_status trim_some(trimmer *t, MDB_cursor *cursor, lc_error *error) {
  MDB_val key, value;
  lc_delivery d;
  for (int i = 0; i < STEP; i++) {
    lc_key first = lc_key_of_entry(&t->w.tenant, t->from);
    key = lc_key_value(&first);
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == 0 && !lc_key_is_prefix(&t->w.tenant, key))
      rc = MDB_NOTFOUND;
    if (rc == MDB_NOTFOUND) {
      t->from = 0;
      return LC_OK;
    }
    lc_status status = lc_writer_fail(&t->w, rc, error);
    if (status == LC_OK)
      status = lc_delivery_unpack(value.mv_data, value.mv_size, &d, error);
    if (status != LC_OK)
      return status;
    if (d.received >= t->cutoff && t->removed >= t->excess) {
      t->from = 0; /* the rest stays */
      return LC_OK;
    }
    t->from = lc_key_number(key) + 1;
    rc = d.state == LC_DELIVERY_WAITING ? 0 : remove_one(t, cursor, &d);
    if (rc != 0)
      return lc_writer_fail(&t->w, rc, error);
  }
  return LC_OK;
}

static lc_status trim_step(trimmer *t, const lc_retention *keep, lc_error *error) {
  MDB_cursor *cursor;
  uint64_t count = 0;
  lc_status status = lc_writer_begin(&t->w, error);
  if (status != LC_OK)
    return status;
  lc_env_lift_limit(t->w.store->env, LC_PART_JOURNAL);
  int rc = lc_get_count(&t->w, &count);
  if (rc == 0) /* the end of the transaction closes it */
    rc = mdb_cursor_open(t->w.txn, lc_env_table(t->w.store->env, LC_TABLE_DELIVERIES), &cursor);
  status = lc_writer_fail(&t->w, rc, error);
  t->cutoff = cutoff_of(&t->w, keep);
  t->excess = excess_of(keep, count);
  if (status == LC_OK)
    status = trim_some(t, cursor, error);
  if (status == LC_OK && t->removed == 0) { /* not worth a commit */
    lc_env_abort(t->w.store->env, LC_PART_JOURNAL, t->w.txn);
    return LC_OK;
  }
  return lc_writer_end(&t->w, status, error);
}

lc_status lc_store_trim_deliveries(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                                   size_t *removed, lc_error *error) {
  const trimmer first = { .from = *from, .w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .log = LC_LOG_DELIVERIES } };
  trimmer t = first;
  lc_status status = trim_step(&t, keep, error);
  if (status == LC_FULL) { /* without room for it LMDB cannot remove either */
    lc_env_use_reserve(store->env, LC_PART_JOURNAL);
    t = first;
    status = trim_step(&t, keep, error);
  }
  if (status == LC_OK && t.removed > 0)
    lc_env_keep_reserve(store->env);
  *from = t.from;
  *removed = t.removed;
  return status;
}
