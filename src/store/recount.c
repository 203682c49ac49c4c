/* Counters by day: counting the journal anew, and reading them. */
#include <string.h>

#include "internal.h"
#include "store.h"

enum { STEP = 4096 }; /* records that one transaction looks at, so that other writers wait only briefly */

/* ---- counting anew --------------------------------------------------------------------------- */

static void begin(lc_writer *w, lc_daily_head *head) {
  w->last.recounts++;
  head->behind = head->removed;
  head->place = 0;
  head->counting = LC_DAILY_CLEARING;
}

static void end(lc_writer *w, lc_daily_head *head) {
  bool was_whole = head->since <= head->behind;
  head->since = was_whole ? head->since : head->behind == 0 ? 0 : head->behind + 1;
  head->counting = LC_DAILY_DONE;
  w->last.recounts -= w->last.recounts != 0;
}

static int clear(const lc_writer *w, lc_daily_head *head) {
  int removed;
  int rc = lc_remove_days(w, head->behind + 1, UINT32_MAX, STEP, &removed);
  if (rc == 0 && removed < STEP)
    head->counting = LC_DAILY_COUNTING;
  return rc;
}

static int count_one(lc_writer *w, const lc_daily_head *head, uint64_t id, MDB_val packed) {
  lc_entry entry;
  lc_daily daily;
  bool counts;
  if (lc_unpack_entry(lc_text_of(packed), id, &entry, NULL) != LC_OK)
    return MDB_CORRUPTED;
  int rc = lc_count_as(w->store, w->txn, &w->tenant, &entry, &daily, &counts);
  return rc != 0 || !counts || daily.day <= head->behind ? rc : lc_gather(w, &daily, 1);
}

/* MDB_NOTFOUND: that was the last entry. */
static int count_some(lc_writer *w, lc_daily_head *head) {
  lc_key from = lc_key_of_entry(&w->tenant, head->place + 1);
  MDB_val key = lc_key_value(&from), value;
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_JOURNAL), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (int i = 0; i < STEP && rc == 0; i++) {
    if (!lc_key_is_prefix(&w->tenant, key))
      rc = MDB_NOTFOUND;
    else if ((rc = count_one(w, head, lc_key_number(key), value)) == 0) {
      head->place = lc_key_number(key);
      rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
  }
  mdb_cursor_close(cursor);
  return rc;
}

static int recount(lc_writer *w, lc_daily_head *head) {
  int rc = 0;
  if (head->counting == LC_DAILY_DONE)
    begin(w, head);
  if (head->counting == LC_DAILY_CLEARING)
    rc = clear(w, head);
  else if ((rc = count_some(w, head)) == MDB_NOTFOUND) {
    end(w, head);
    rc = 0;
  }
  return rc != 0 ? rc : lc_put_daily_head(w, head);
}

lc_status lc_store_recount(lc_store *store, lc_text tenant, lc_daily_head *head, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant) };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = lc_read_daily_head(&w, head);
  return lc_writer_end(&w, lc_writer_fail(&w, rc != 0 ? rc : recount(&w, head), error), error);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct page {
  lc_key tenant;
  uint32_t since;
  lc_text after;
  size_t limit;
  lc_daily_head *head;
} page;

static lc_status add_row(lc_store *store, const page *p, MDB_val key, MDB_val value, lc_error *error) {
  if (value.mv_size != sizeof(uint64_t))
    return lc_fail(error, LC_CORRUPT, "a counter of a day is damaged");
  lc_text packed = { (const char *)key.mv_data + p->tenant.size, LC_DAILY_SIZE };
  return lc_result_add(store, packed, lc_text_of(value), error);
}

static lc_status list(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  const lc_writer reader = { .store = store, .txn = mdb_cursor_txn(cursor), .tenant = p->tenant };
  lc_key from = lc_key_of_day(&p->tenant, p->since != 0 ? p->since : 1);
  lc_status status = LC_OK;
  int rc = lc_read_daily_head(&reader, p->head);
  if (p->after.size == LC_DAILY_SIZE) {
    from = p->tenant;
    lc_key_add_bytes(&from, p->after.data, p->after.size);
  }
  MDB_val key = lc_key_value(&from), value;
  if (rc == 0)
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  if (rc == 0 && p->after.size != 0 && lc_is_daily(&p->tenant, key) && memcmp(key.mv_data, from.bytes, from.size) == 0)
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  for (; rc == 0 && status == LC_OK && p->limit > 0 && lc_is_daily(&p->tenant, key); p->limit--) {
    status = add_row(store, p, key, value, error);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_daily(lc_store *store, lc_text tenant, uint32_t since, lc_text after, size_t limit, lc_daily_head *head,
                         lc_error *error) {
  page p = { lc_key_of(tenant), since, after, limit, head };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_DAILY, list, &p, error);
}
