/* Rules with a limit: what they did of late is counted in the transaction that writes it, and what is beyond is held: an entry that blocks
 * nothing, until somebody releases or drops it. */
#include <string.h>

#include "internal.h"
#include "store.h"
#include "window.h"

/* ---- counting ----------------------------------------------------------------------------- */

static lc_key key_of(const lc_writer *w, const lc_window *window) {
  lc_key key = w->tenant;
  lc_key_add_number(&key, window->trigger);
  lc_key_add_number(&key, (uint64_t)(uint32_t)window->lead_status << 32 | (uint32_t)window->rule);
  return key;
}

/* The window of the entry's rule, as it is stored; an empty one where there is none. */
static int read_window(const lc_writer *w, const lc_entry *entry, lc_window *window) {
  MDB_val value;
  *window = (lc_window){ .trigger = entry->trigger, .lead_status = entry->lead_status, .rule = entry->rule };
  lc_key key = key_of(w, window);
  int rc = lc_get(w->store, w->txn, LC_TABLE_LIMITS, &key, &value);
  if (rc != 0)
    return rc == MDB_NOTFOUND ? 0 : rc;
  return lc_window_unpack(value.mv_data, value.mv_size, window) ? 0 : MDB_CORRUPTED;
}

int lc_put_window(const lc_writer *w, const lc_window *window) {
  lc_key key = key_of(w, window);
  return lc_put(w->store, w->txn, LC_TABLE_LIMITS, &key, window, sizeof *window);
}

int lc_count_match(const lc_writer *w, const lc_limit *limit, lc_entry *entry, bool *stops) {
  lc_window window;
  int rc = read_window(w, entry, &window);
  *stops = false;
  if (rc != 0)
    return rc;
  lc_window_move(&window, limit->hours, w->now);
  if (lc_window_take(&window, limit->changes)) {
    entry->status = LC_ENTRY_HELD;
    *stops = window.held == 1;
  }
  return lc_put_window(w, &window);
}

/* ---- what is held -------------------------------------------------------------------------- */

int lc_unlist_held(const lc_writer *w, const lc_entry *entry) {
  lc_window window;
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  int rc = lc_delete(w->store, w->txn, LC_TABLE_HELD, &key);
  if (rc == 0)
    rc = read_window(w, entry, &window);
  if (rc != 0)
    return rc;
  lc_window_release(&window);
  return lc_put_window(w, &window);
}

int lc_find_held(const lc_writer *w, uint64_t id, bool *held) {
  lc_key key = lc_key_of_entry(&w->tenant, id);
  MDB_val value;
  int rc = lc_get(w->store, w->txn, LC_TABLE_HELD, &key, &value);
  *held = rc == 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static lc_status read_held(const lc_writer *w, uint64_t id, lc_entry *entry, lc_error *error) {
  return lc_must_be_there(lc_read_entry(w, id, entry, error), "a held entry", error);
}

static lc_status end(lc_writer *w, const lc_entry *held, const lc_entry *ended, lc_error *error) {
  int rc = lc_unlist_held(w, held);
  return lc_writer_fail(w, rc != 0 ? rc : lc_put_ended(w, ended), error);
}

lc_status lc_release(lc_writer *w, uint64_t id, lc_text details, lc_error *error) {
  lc_entry held;
  lc_status status = read_held(w, id, &held, error);
  lc_entry ended = held;
  ended.status = LC_ENTRY_CARRIED_OUT;
  if (details.size != 0)
    ended.details = details;
  return status == LC_OK ? end(w, &held, &ended, error) : status;
}

lc_status lc_end_held(lc_writer *w, lc_ending *ending, bool *found, lc_error *error) {
  lc_entry held;
  lc_status status = lc_writer_fail(w, lc_find_held(w, ending->entry, found), error);
  if (status != LC_OK || !*found)
    return status;
  ending->lost = false;
  if (ending->status == LC_ENTRY_HELD)
    return LC_OK; /* it stays */
  status = read_held(w, ending->entry, &held, error);
  lc_entry ended = held;
  if (status == LC_OK)
    lc_set_ending(&ended, ending);
  return status == LC_OK ? end(w, &held, &ended, error) : status;
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct page {
  lc_key tenant;
  uint64_t after;
  size_t left;
} page;

static lc_status list_held(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  lc_key first = lc_key_of_entry(&p->tenant, p->after + 1);
  MDB_val key = lc_key_value(&first), value;
  lc_status status = LC_OK;
  int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (; rc == 0 && status == LC_OK && p->left > 0 && lc_key_is_prefix(&p->tenant, key); p->left--) {
    lc_key entry = lc_key_of_entry(&p->tenant, lc_key_number(key));
    rc = lc_get(store, mdb_cursor_txn(cursor), LC_TABLE_JOURNAL, &entry, &value);
    status = rc == 0 ? lc_result_add(store, lc_text_of(value), (lc_text){ NULL, 0 }, error)
           : lc_must_be_there(lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error), "a held entry", error);
    if (rc == 0)
      rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_held(lc_store *store, lc_text tenant, uint64_t after, size_t limit, lc_error *error) {
  page p = { .tenant = lc_key_of(tenant), .after = after, .left = limit };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_HELD, list_held, &p, error);
}
