/* What is scheduled: the matches of rules with `after`, at most one of each company. */
#include <string.h>

#include "internal.h"
#include "store.h"

int lc_get_schedule(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_company *company,
                    lc_schedule *schedule) {
  lc_key key = lc_key_of_company(tenant, company);
  schedule->entry = 0;
  int rc = lc_get_record(store, txn, LC_TABLE_SCHEDULED, &key, schedule, sizeof *schedule);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_is_due(const lc_writer *w, const lc_company *company, uint64_t entry, bool *due) {
  lc_schedule schedule;
  int rc = lc_get_schedule(w->store, w->txn, &w->tenant, company, &schedule);
  *due = rc == 0 && schedule.entry == entry && schedule.at <= lc_milliseconds(w->now);
  return rc;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int put(const lc_writer *w, const lc_company *company, const lc_schedule *schedule) {
  lc_key key = lc_key_of_company(&w->tenant, company), due = lc_key_of_due(&w->tenant, schedule->at, schedule->entry);
  int rc = lc_put(w->store, w->txn, LC_TABLE_SCHEDULED, &key, schedule, sizeof *schedule);
  return rc != 0 ? rc : lc_put(w->store, w->txn, LC_TABLE_EXPIRING, &due, NULL, 0);
}

int lc_put_schedule(const lc_writer *w, const lc_entry *entry) {
  const lc_schedule schedule = { entry->id, entry->linked };
  return put(w, &entry->company, &schedule);
}

static int remove_schedule(const lc_writer *w, const lc_company *company, const lc_schedule *schedule) {
  lc_key key = lc_key_of_company(&w->tenant, company), due = lc_key_of_due(&w->tenant, schedule->at, schedule->entry);
  int rc = lc_delete(w->store, w->txn, LC_TABLE_EXPIRING, &due);
  return rc != 0 ? rc : lc_delete(w->store, w->txn, LC_TABLE_SCHEDULED, &key);
}

/* Reads the scheduled entry into the result. */
static lc_status read_entry(const lc_writer *w, uint64_t id, lc_entry *entry, lc_error *error) {
  return lc_must_be_there(lc_read_entry(w, id, entry, error), "a scheduled entry", error);
}

/* Writes down how an entry that was read has ended, with what the caller has changed in it. */
static lc_status end(lc_writer *w, const lc_schedule *schedule, const lc_entry *entry, lc_error *error) {
  int rc = remove_schedule(w, &entry->company, schedule);
  return lc_writer_fail(w, rc != 0 ? rc : lc_put_ended(w, entry), error);
}

lc_status lc_end_schedule(lc_writer *w, const lc_company *company, lc_entry_status ended, lc_error *error) {
  return lc_call_off(w, company, ended, (lc_text){ NULL, 0 }, error);
}

lc_status lc_call_off(lc_writer *w, const lc_company *company, lc_entry_status ended, lc_text why, lc_error *error) {
  lc_schedule schedule;
  lc_entry entry;
  int rc = lc_get_schedule(w->store, w->txn, &w->tenant, company, &schedule);
  if (rc != 0 || schedule.entry == 0)
    return lc_writer_fail(w, rc, error);
  lc_status status = read_entry(w, schedule.entry, &entry, error);
  entry.status = ended;
  entry.error = why;
  return status == LC_OK ? end(w, &schedule, &entry, error) : status;
}

int lc_move_schedule(const lc_writer *w, const lc_company *from, const lc_company *to) {
  lc_key old = lc_key_of_company(&w->tenant, from), new = lc_key_of_company(&w->tenant, to);
  lc_schedule schedule;
  int rc = lc_get_schedule(w->store, w->txn, &w->tenant, from, &schedule);
  if (rc != 0 || schedule.entry == 0)
    return rc;
  rc = lc_delete(w->store, w->txn, LC_TABLE_SCHEDULED, &old);
  return rc != 0 ? rc : lc_put(w->store, w->txn, LC_TABLE_SCHEDULED, &new, &schedule, sizeof schedule);
}

lc_status lc_find_sales_schedule(const lc_writer *w, const lc_company *company, lc_text sale, bool *found, lc_error *error) {
  lc_schedule schedule;
  lc_entry entry;
  MDB_val value;
  *found = false;
  int rc = lc_get_schedule(w->store, w->txn, &w->tenant, company, &schedule);
  if (rc != 0 || schedule.entry == 0)
    return lc_writer_fail(w, rc, error);
  lc_key key = lc_key_of_entry(&w->tenant, schedule.entry);
  rc = lc_get(w->store, w->txn, LC_TABLE_JOURNAL, &key, &value);
  lc_status status = rc == 0 ? lc_unpack_entry(lc_text_of(value), schedule.entry, &entry, error) : lc_writer_fail(w, rc, error);
  *found = status == LC_OK && lc_is_of_sale(entry.details, sale);
  return lc_must_be_there(status, "a scheduled entry", error);
}

static lc_status postpone(const lc_writer *w, const lc_ending *ending, lc_schedule schedule, lc_error *error) {
  int rc = remove_schedule(w, &ending->company, &schedule);
  schedule.at = lc_milliseconds(ending->again);
  return lc_writer_fail(w, rc != 0 ? rc : put(w, &ending->company, &schedule), error);
}

/* What is not scheduled may be held or queued. */
static lc_status end_other(lc_writer *w, lc_ending *ending, lc_error *error) {
  bool held;
  lc_status status = lc_end_held(w, ending, &held, error);
  return status != LC_OK || held ? status : lc_end_queued(w, ending, error);
}

static lc_status end_one(lc_writer *w, lc_ending *ending, lc_error *error) {
  lc_schedule schedule;
  lc_entry entry;
  int rc = lc_get_schedule(w->store, w->txn, &w->tenant, &ending->company, &schedule);
  if (rc != 0)
    return lc_writer_fail(w, rc, error);
  if (schedule.entry != ending->entry)
    return end_other(w, ending, error);
  ending->lost = false;
  if (ending->status == LC_ENTRY_SCHEDULED)
    return postpone(w, ending, schedule, error);
  lc_status status = read_entry(w, ending->entry, &entry, error);
  if (status != LC_OK)
    return status;
  lc_set_ending(&entry, ending);
  return end(w, &schedule, &entry, error);
}

lc_status lc_store_end_scheduled(lc_store *store, lc_text tenant, lc_ending *endings, size_t count, double now, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = end_one(&w, &endings[i], error);
  return lc_writer_end(&w, status, error);
}

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct page {
  lc_key tenant;
  double now;
  size_t left;
} page;

/* Questions and drafts stand in the same table. */
static lc_status list_due(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  MDB_val key = lc_key_value(&p->tenant), value;
  lc_status status = LC_OK;
  int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (; rc == 0 && status == LC_OK && p->left > 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    if (!lc_is_overdue(&p->tenant, key, p->now))
      break;
    if (value.mv_size != 0)
      continue;
    lc_key entry = lc_key_of_entry(&p->tenant, lc_key_number(key));
    p->left--;
    rc = lc_get(store, mdb_cursor_txn(cursor), LC_TABLE_JOURNAL, &entry, &value);
    status = rc == 0 ? lc_result_add(store, lc_text_of(value), (lc_text){ NULL, 0 }, error)
           : lc_must_be_there(lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error), "a scheduled entry",
                              error);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_scheduled(lc_store *store, lc_text tenant, double now, size_t limit, lc_error *error) {
  page p = { .tenant = lc_key_of(tenant), .now = now, .left = limit };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_EXPIRING, list_due, &p, error);
}

lc_status lc_store_schedule_of(lc_store *store, lc_text tenant, const lc_company *company, lc_error *error) {
  const lc_key begin = lc_key_of(tenant);
  lc_schedule schedule;
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_get_schedule(store, txn, &begin, company, &schedule);
  if (rc == 0 && schedule.entry == 0)
    rc = MDB_NOTFOUND;
  status = lc_store_fail(store, LC_PART_JOURNAL, rc, "the company has nothing scheduled", error);
  if (status == LC_OK)
    status = lc_must_be_there(lc_copy_out(store, txn, LC_TABLE_JOURNAL, lc_key_of_entry(&begin, schedule.entry), error),
                              "a scheduled entry", error);
  lc_end_read(store, LC_PART_JOURNAL);
  return status;
}
