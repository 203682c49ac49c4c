/* Retention: removes old entries with their seen-marks and closed questions, and changes as old as they. */
#include <math.h>

#include "internal.h"
#include "store.h"

enum { STEP = 1024 }; /* entries looked at in one transaction: as many as a batch has. Fewer would have more commits, more would have others wait */

/* One call: which entries it removes, and how far it has come. */
typedef struct trimmer {
  lc_writer writer;
  uint64_t from;   /* the first entry to look at */
  double now;      /* the time, or that of the newest entry if it is earlier: a clock that is wrong removes nothing */
  double cutoff;   /* entries written before are too old */
  uint64_t excess; /* how many are too many */
  int step;        /* how many entries to look at */
  size_t removed;
  uint64_t last;   /* the last one removed */
} trimmer;

/* Until a writer has read the newest entry, nothing is too old. */
static double credible_now(const lc_writer *w) {
  return w->now < w->last.written ? w->now : w->last.written;
}

static double cutoff_of(const lc_retention *keep, double now) {
  return keep->age > 0 ? now - keep->age : -HUGE_VAL;
}

static uint64_t excess_of(const lc_retention *keep, uint64_t count) {
  return keep->count > 0 && count > keep->count ? count - keep->count : 0;
}

static int check_entry(int rc, const lc_key *tenant, MDB_val key) {
  return rc == 0 && (key.mv_size != tenant->size + sizeof(uint64_t) || !lc_key_is_prefix(tenant, key)) ? MDB_NOTFOUND : rc;
}

/* Moves to the first entry from `from` on; MDB_NOTFOUND. */
static int seek_entry(MDB_cursor *cursor, const lc_key *tenant, uint64_t from, MDB_val *key, MDB_val *value) {
  lc_key first = lc_key_of_entry(tenant, from);
  *key = lc_key_value(&first);
  return check_entry(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE), tenant, *key);
}

/* Moves to the one behind, also where the cursor's own was removed. */
static int next_entry(MDB_cursor *cursor, const lc_key *tenant, MDB_val *key, MDB_val *value) {
  return check_entry(mdb_cursor_get(cursor, key, value, MDB_NEXT), tenant, *key);
}

static MDB_dbi table_of(const trimmer *t) {
  return lc_env_table(t->writer.store->env, lc_logs[t->writer.log].entries);
}

/* An entry written in the future does not hide older ones behind it. */
int lc_is_beyond(const lc_writer *reader, const lc_retention *keep, lc_text oldest, bool *beyond) {
  uint64_t count = 0;
  double now = credible_now(reader), written = lc_entry_written(oldest);
  *beyond = written < cutoff_of(keep, now) || (keep->age > 0 && written > now);
  int rc = *beyond || keep->count == 0 ? 0 : lc_get_count(reader, &count);
  *beyond |= excess_of(keep, count) > 0;
  return rc;
}

/* Leaves the mark of a newer entry that the event id made after the store was restored from a backup. */
static int remove_if_its(MDB_cursor *marks, lc_key *id, uint64_t entry) {
  MDB_val key = lc_key_value(id), value;
  uint64_t seen = 0;
  int rc = mdb_cursor_get(marks, &key, &value, MDB_SET);
  if (rc == 0)
    rc = lc_unpack_seen(value, &seen);
  return rc == 0 && seen == entry ? mdb_cursor_del(marks, 0) : rc;
}

int lc_remove_seen(const lc_writer *w, const lc_entry *entry) {
  lc_key key = w->tenant;
  MDB_cursor *marks;
  if (entry->event_id.size == 0)
    return 0;
  lc_key_add_text(&key, entry->event_id);
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_SEEN), &marks);
  if (rc != 0)
    return rc;
  rc = remove_if_its(marks, &key, entry->id);
  mdb_cursor_close(marks);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Removes the question that the entry asked, unless it is still open. */
static lc_status remove_question(const lc_writer *w, const uint8_t *id, bool *open, lc_error *error) {
  lc_question question;
  lc_status status = lc_read_question(w, id, &question, error);
  if (status == LC_NOT_FOUND)
    return LC_OK;
  *open = status == LC_OK && question.state == LC_QUESTION_OPEN;
  return status != LC_OK || *open ? status : lc_remove_question(w, &question, error);
}

static bool is_unfinished(const lc_entry *entry) {
  return entry->status == LC_ENTRY_APPLYING || entry->status == LC_ENTRY_SCHEDULED || entry->status == LC_ENTRY_QUEUED
      || entry->status == LC_ENTRY_HELD;
}

/* Removes the entry, at which the cursor is, unless it is unfinished: applying, scheduled, queued, held, or with an open question. */
static lc_status trim_entry(trimmer *t, MDB_cursor *cursor, uint64_t id, lc_text packed, lc_error *error) {
  lc_store *store = t->writer.store;
  lc_entry entry;
  bool stays = false;
  lc_status status = lc_result_set(store, packed.data, packed.size, error);
  if (status == LC_OK)
    status = lc_unpack_entry(lc_store_result(store), id, &entry, error);
  if (status == LC_OK && entry.status == LC_ENTRY_AWAITING)
    status = remove_question(&t->writer, entry.question, &stays, error);
  if (status == LC_OK) /* again: the result may have moved */
    status = lc_entry_unpack(store->result, packed.size, &entry, error);
  if (status != LC_OK || stays || is_unfinished(&entry))
    return status;
  t->removed++;
  t->last = id;
  int rc = lc_remove_seen(&t->writer, &entry);
  return lc_writer_fail(&t->writer, rc != 0 ? rc : lc_remove_entry(&t->writer, cursor, &entry), error);
}

static lc_status trim_some(trimmer *t, MDB_cursor *cursor, lc_error *error) {
  lc_status status = LC_OK;
  MDB_val key, value;
  int rc = seek_entry(cursor, &t->writer.tenant, t->from, &key, &value);
  for (int i = 0; i < t->step && status == LC_OK; i++) {
    uint64_t id = rc == 0 ? lc_key_number(key) : UINT64_MAX;
    double written = rc == 0 ? lc_entry_written(lc_text_of(value)) : 0;
    bool stays = written >= t->cutoff && t->removed >= t->excess;
    if (rc == MDB_NOTFOUND || (stays && written <= t->now)) {
      t->from = 0; /* the rest stays */
      return LC_OK;
    }
    if (rc != 0)
      return lc_writer_fail(&t->writer, rc, error);
    t->from = id + 1;
    status = stays ? LC_OK : trim_entry(t, cursor, id, lc_text_of(value), error);
    if (status == LC_OK)
      rc = next_entry(cursor, &t->writer.tenant, &key, &value);
  }
  return status;
}

static lc_status trim_step(trimmer *t, const lc_retention *keep, lc_error *error) {
  lc_writer *w = &t->writer;
  MDB_cursor *cursor;
  uint64_t count = 0;
  lc_status status = lc_writer_begin(w, error);
  if (status != LC_OK)
    return status;
  lc_env_lift_limit(w->store->env, LC_PART_JOURNAL);
  int rc = lc_get_count(w, &count);
  if (rc == 0)
    rc = mdb_cursor_open(w->txn, table_of(t), &cursor);
  status = lc_writer_fail(w, rc, error);
  if (status == LC_OK) {
    t->now = credible_now(w);
    t->cutoff = cutoff_of(keep, t->now);
    t->excess = excess_of(keep, count);
    status = trim_some(t, cursor, error);
    mdb_cursor_close(cursor);
    if (status == LC_OK && w->log == LC_LOG_JOURNAL)
      status = lc_writer_fail(w, lc_remove_changes(w, t->last), error);
    if (status == LC_OK && w->log == LC_LOG_JOURNAL)
      status = lc_writer_fail(w, lc_remove_old_counts(w, t->now), error);
  }
  if (status == LC_OK && t->removed == 0) { /* not worth a commit */
    lc_env_abort(w->store->env, LC_PART_JOURNAL, w->txn);
    return LC_OK;
  }
  return lc_writer_end(w, status, error);
}

/* Without room for it LMDB cannot remove either. Smaller steps need less, and give some. */
static lc_status trim_in_steps(trimmer *t, const lc_retention *keep, lc_error *error) {
  const trimmer first = *t;
  lc_status status = LC_FULL;
  for (int step = STEP; step > 0 && status == LC_FULL; step /= 4) {
    *t = first;
    t->step = step;
    status = trim_step(t, keep, error);
    if (status == LC_FULL)
      lc_env_use_reserve(t->writer.store->env, LC_PART_JOURNAL);
  }
  return status;
}

/* Asks in a read transaction whether there is anything to remove. */
static lc_status is_due(const trimmer *t, const lc_retention *keep, bool *due, lc_error *error) {
  lc_store *store = t->writer.store;
  lc_writer reader = t->writer;
  MDB_cursor *cursor;
  MDB_val key, value;
  *due = false;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &reader.txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_cursor_open(reader.txn, table_of(t), &cursor);
  if (rc == 0) {
    rc = seek_entry(cursor, &reader.tenant, t->from, &key, &value);
    if (rc == 0)
      rc = lc_read_last(&reader);
    if (rc == 0)
      rc = lc_is_beyond(&reader, keep, lc_text_of(value), due);
    mdb_cursor_close(cursor);
  }
  lc_end_read(store, LC_PART_JOURNAL);
  return rc == MDB_NOTFOUND ? LC_OK : lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}

static lc_status trim(trimmer *t, const lc_retention *keep, uint64_t *from, size_t *removed, lc_error *error) {
  bool due = true;
  t->from = *from;
  lc_status status = is_due(t, keep, &due, error);
  if (status == LC_OK && due)
    status = trim_in_steps(t, keep, error);
  if (status != LC_OK)
    return status;
  if (t->removed > 0)
    lc_env_keep_reserve(t->writer.store->env);
  *from = due ? t->from : 0;
  *removed = t->removed;
  return LC_OK;
}

lc_status lc_store_trim(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from, size_t *removed,
                        lc_error *error) {
  trimmer t = { .writer = { .store = store, .tenant = lc_key_of(tenant), .now = now } };
  return trim(&t, keep, from, removed, error);
}

lc_status lc_store_trim_unchanged(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                                  size_t *removed, lc_error *error) {
  trimmer t = { .writer = { .store = store, .tenant = lc_key_of(tenant), .now = now, .log = LC_LOG_UNCHANGED } };
  return trim(&t, keep, from, removed, error);
}
