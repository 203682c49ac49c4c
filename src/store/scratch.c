#include "scratch.h"

#include <string.h>

#include "internal.h"

enum { SOMEBODY = 1 }; /* an owner that is not this store: real tokens are far higher */

static lc_writer writer_of(lc_store *store) {
  return (lc_writer){ .store = store, .txn = store->scratch, .tenant = store->scratch_tenant };
}

static lc_status fail(const lc_store *store, int rc, lc_error *error) {
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot decide in memory", error);
}

static int put_last(lc_store *store, uint64_t last) {
  const lc_last newest = { .number = last };
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "last_entry", 10);
  return lc_put(store, store->scratch, LC_TABLE_META, &key, &newest, sizeof newest);
}

lc_status lc_scratch_begin(lc_store *store, lc_text tenant, uint64_t last, lc_error *error) {
  MDB_txn *txn;
  if (store->scratch != NULL)
    return lc_fail(error, LC_UNAVAILABLE, "the store is deciding already");
  lc_status status = lc_check_writable(store, error);
  if (status == LC_OK)
    status = lc_env_write(store->env, LC_PART_JOURNAL, true, store->patience, &txn, error);
  if (status != LC_OK)
    return status;
  store->scratch = txn;
  store->scratch_tenant = lc_key_of(tenant);
  store->scratch_marks = lc_pending_count(store->pending);
  status = fail(store, put_last(store, last), error);
  if (status != LC_OK)
    lc_scratch_end(store);
  return status;
}

void lc_scratch_end(lc_store *store) {
  if (store->scratch != NULL)
    lc_env_abort(store->env, LC_PART_JOURNAL, store->scratch);
  store->scratch = NULL;
}

/* ---- putting ------------------------------------------------------------------------------ */

static int put_newest(lc_store *store, const lc_scratch_company *company) {
  const lc_writer w = writer_of(store);
  return company->newest == 0 ? 0 : lc_list_entry(&w, &company->company, company->newest);
}

static int put_kept(lc_store *store, const lc_scratch_company *company) {
  lc_key key = lc_key_of_company(&store->scratch_tenant, &company->company);
  return !company->is_kept ? 0
       : lc_put(store, store->scratch, LC_TABLE_COMPANIES, &key, &company->kept, sizeof company->kept);
}

static int put_claim(lc_store *store, const lc_scratch_company *company) {
  lc_key key = lc_key_of_company(&store->scratch_tenant, &company->company);
  lc_claim claim = company->claim;
  if (claim.entry == 0)
    return 0;
  claim.owner = company->is_mine ? store->owner.token : claim.owner != 0 ? SOMEBODY : 0;
  claim.boot = store->boot;
  claim.deadline += lc_uptime();
  claim.retry_at += lc_uptime();
  return lc_put(store, store->scratch, LC_TABLE_APPLYING, &key, &claim, sizeof claim);
}

static int put_schedule(lc_store *store, const lc_scratch_company *company) {
  const lc_writer w = writer_of(store);
  const lc_entry entry = { .id = company->scheduled, .linked = company->scheduled_at, .company = company->company };
  return entry.id == 0 ? 0 : lc_put_schedule(&w, &entry);
}

lc_status lc_scratch_put_company(lc_store *store, const lc_scratch_company *company, lc_error *error) {
  int rc = put_newest(store, company);
  if (rc == 0)
    rc = put_kept(store, company);
  if (rc == 0)
    rc = put_claim(store, company);
  return fail(store, rc != 0 ? rc : put_schedule(store, company), error);
}

static lc_status put_entry(lc_store *store, lc_log log, lc_text record, lc_error *error) {
  lc_writer w = writer_of(store);
  lc_entry entry;
  w.log = log;
  lc_status status = lc_entry_unpack(record.data, record.size, &entry, error);
  return status != LC_OK ? status : fail(store, lc_put_moved_entry(&w, &entry), error);
}

lc_status lc_scratch_put_entry(lc_store *store, lc_text record, lc_error *error) {
  return put_entry(store, LC_LOG_JOURNAL, record, error);
}

lc_status lc_scratch_put_unchanged(lc_store *store, lc_text record, lc_error *error) {
  return put_entry(store, LC_LOG_UNCHANGED, record, error);
}

lc_status lc_scratch_put_limit(lc_store *store, lc_text record, lc_error *error) {
  const lc_writer w = writer_of(store);
  lc_window window;
  if (!lc_window_unpack(record.data, record.size, &window))
    return lc_fail(error, LC_CORRUPT, "the counts of a rule with a limit are damaged");
  return fail(store, lc_put_window(&w, &window), error);
}

lc_status lc_scratch_put_question(lc_store *store, lc_text record, lc_error *error) {
  const lc_writer w = writer_of(store);
  lc_question question;
  lc_status status = lc_question_unpack(record.data, record.size, &question, error);
  return status != LC_OK ? status : fail(store, lc_add_question(&w, &question), error);
}

static lc_status put_seen(lc_store *store, lc_text event_id, const void *value, size_t size, lc_error *error) {
  lc_key key = store->scratch_tenant;
  lc_key_add_text(&key, event_id);
  return fail(store, lc_put(store, store->scratch, LC_TABLE_SEEN, &key, value, size), error);
}

lc_status lc_scratch_put_seen(lc_store *store, lc_text event_id, uint64_t entry, lc_error *error) {
  return put_seen(store, event_id, &entry, sizeof entry, error);
}

lc_status lc_scratch_put_mark(lc_store *store, lc_text event_id, lc_text mark, lc_error *error) {
  return put_seen(store, event_id, mark.data, mark.size, error);
}

lc_status lc_scratch_put_cursor(lc_store *store, lc_text name, lc_text text, lc_error *error) {
  lc_key key = store->scratch_tenant;
  lc_key_add_text(&key, name);
  return fail(store, lc_put(store, store->scratch, LC_TABLE_NOTES, &key, text.data, text.size), error);
}

/* ---- taking ------------------------------------------------------------------------------- */

static int get_kept(lc_store *store, lc_key *key, lc_scratch_company *company) {
  int rc = lc_get_record(store, store->scratch, LC_TABLE_COMPANIES, key, &company->kept, sizeof company->kept);
  company->is_kept = rc == 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int get_claim(lc_store *store, lc_key *key, lc_scratch_company *company) {
  lc_claim *claim = &company->claim;
  int rc = lc_get_record(store, store->scratch, LC_TABLE_APPLYING, key, claim, sizeof *claim);
  if (rc != 0)
    return rc == MDB_NOTFOUND ? 0 : rc;
  company->is_mine = claim->owner == store->owner.token;
  claim->deadline -= lc_uptime();
  claim->retry_at -= lc_uptime();
  return 0;
}

lc_status lc_scratch_get_company(lc_store *store, const lc_company *of, lc_scratch_company *company, lc_error *error) {
  lc_schedule schedule;
  *company = (lc_scratch_company){ .company = *of };
  lc_key key = lc_key_of_company(&store->scratch_tenant, of);
  int rc = lc_get_newest(store, store->scratch, &key, &company->newest);
  if (rc == 0)
    rc = get_kept(store, &key, company);
  if (rc == 0)
    rc = get_claim(store, &key, company);
  if (rc == 0)
    rc = lc_get_schedule(store, store->scratch, &store->scratch_tenant, of, &schedule);
  if (rc == 0 && schedule.entry != 0) {
    company->scheduled = schedule.entry;
    company->scheduled_at = schedule.at;
  }
  return fail(store, rc, error);
}

static lc_status each(lc_store *store, lc_table table, lc_scratch_take *take, void *context, lc_error *error) {
  MDB_cursor *cursor;
  MDB_val key = lc_key_value(&store->scratch_tenant), value;
  lc_status status = LC_OK;
  int rc = mdb_cursor_open(store->scratch, lc_env_table(store->env, table), &cursor);
  if (rc != 0)
    return fail(store, rc, error);
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (rc == 0 && status == LC_OK && lc_key_is_prefix(&store->scratch_tenant, key)) {
    status = take(context, lc_text_of(value), error);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return status != LC_OK || rc == MDB_NOTFOUND ? status : fail(store, rc, error);
}

lc_status lc_scratch_entries(lc_store *store, lc_scratch_take *take, void *context, lc_error *error) {
  return each(store, LC_TABLE_JOURNAL, take, context, error);
}

lc_status lc_scratch_unchanged(lc_store *store, lc_scratch_take *take, void *context, lc_error *error) {
  return each(store, LC_TABLE_UNCHANGED, take, context, error);
}

lc_status lc_scratch_limits(lc_store *store, lc_scratch_take *take, void *context, lc_error *error) {
  return each(store, LC_TABLE_LIMITS, take, context, error);
}

lc_status lc_scratch_questions(lc_store *store, lc_scratch_take *take, void *context, lc_error *error) {
  return each(store, LC_TABLE_CONFIRMATIONS, take, context, error);
}

lc_status lc_scratch_daily(lc_store *store, lc_scratch_take *take, void *context, lc_error *error) {
  return each(store, LC_TABLE_DAILY, take, context, error);
}

bool lc_scratch_is_seen_as(lc_store *store, const lc_entry *entry) {
  lc_key key = store->scratch_tenant;
  uint64_t seen;
  lc_key_add_text(&key, entry->event_id);
  return lc_get_record(store, store->scratch, LC_TABLE_SEEN, &key, &seen, sizeof seen) != 0 || seen == entry->id;
}

/* ---- marks -------------------------------------------------------------------------------- */

typedef struct taking {
  lc_scratch_take *take;
  void *context;
  lc_status status;
  lc_error *error;
} taking;

static int take_mark(void *context, MDB_val key, MDB_val mark) {
  enum { MOST = LC_KEY_SIZE + LC_MARK_SIZE_MAX };
  char record[MOST];
  taking *t = context;
  memcpy(record, key.mv_data, key.mv_size);
  memcpy(record + key.mv_size, mark.mv_data, mark.mv_size);
  t->status = t->take(t->context, (lc_text){ record, key.mv_size + mark.mv_size }, t->error);
  return t->status;
}

lc_status lc_scratch_marks(lc_store *store, lc_scratch_take *take, void *context, lc_error *error) {
  taking t = { take, context, LC_OK, error };
  int rc = lc_pending_each(store->pending, take_mark, &t);
  if (rc != 0)
    return t.status != LC_OK ? t.status : lc_no_memory(error);
  lc_pending_cut(store->pending, 0);
  return LC_OK;
}

bool lc_scratch_find_mark(const lc_store *store, lc_text tenant, lc_text event_id, lc_text *mark) {
  MDB_val found;
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, event_id);
  bool waits = lc_pending_find(store->pending, lc_key_value(&key), &found);
  if (waits)
    *mark = lc_text_of(found);
  return waits;
}

double lc_scratch_marks_age(const lc_store *store) {
  return lc_pending_count(store->pending) == 0 ? -1 : lc_uptime() - lc_pending_since(store->pending);
}

void lc_scratch_drop_marks(lc_store *store) {
  if (lc_pending_count(store->pending) > store->scratch_marks)
    lc_pending_cut(store->pending, store->scratch_marks);
}

lc_status lc_scratch_keep_mark(lc_store *store, lc_text tenant, lc_text event_id, lc_text mark, lc_error *error) {
  MDB_val found;
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, event_id);
  if (lc_pending_find(store->pending, lc_key_value(&key), &found))
    return LC_OK;
  return lc_pending_add(&store->pending, lc_key_value(&key), mark.data, mark.size, error);
}
