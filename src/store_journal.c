/* Writing the journal of a store: what was decided, what is being applied, what was asked. */
#include <string.h>

#include "store.h"
#include "store_internal.h"

/* ---- writing ----------------------------------------------------------------------------- */

/* One call of lc_store_write: what its steps share. */
typedef struct writer {
  lc_store *store;
  MDB_txn *txn;
  lc_key tenant;
  double now, deadline;
  uint64_t last; /* the newest entry's id */
} writer;

static lc_key last_entry_key(void) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "last_entry", 10);
  return key;
}

static int read_last(writer *w) {
  lc_key key = last_entry_key();
  MDB_val value;
  int rc = lc_get(w->store, w->txn, LC_TABLE_META, &key, &value);
  w->last = 0;
  if (rc == 0 && value.mv_size == sizeof w->last)
    memcpy(&w->last, value.mv_data, sizeof w->last);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int write_last(const writer *w) {
  lc_key key = last_entry_key();
  return lc_put(w->store, w->txn, LC_TABLE_META, &key, &w->last, sizeof w->last);
}

/* A clock that is out of its mind (NaN, beyond 2^53 milliseconds) gives no id. */
static uint64_t next_entry(writer *w) {
  uint64_t milliseconds = w->now > 0 && w->now < 9e12 ? (uint64_t)(w->now * 1000) : 0;
  w->last = milliseconds > w->last ? milliseconds : w->last + 1;
  return w->last;
}

static int put_entry(const writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, LC_TABLE_JOURNAL, &key, lc_entry_size(entry), &memory);
  if (rc == 0)
    lc_entry_pack(entry, memory);
  return rc;
}

static int put_new_entry(const writer *w, const lc_entry *entry) {
  lc_key index = lc_key_of_company(&w->tenant, &entry->company);
  lc_key_add_number(&index, entry->id);
  int rc = put_entry(w, entry);
  return rc != 0 ? rc : lc_put(w->store, w->txn, LC_TABLE_BY_COMPANY, &index, NULL, 0);
}

static int put_confirmation(const writer *w, const lc_confirmation *question) {
  lc_key key = lc_key_of_confirmation(&w->tenant, question->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, LC_TABLE_CONFIRMATIONS, &key, lc_confirmation_size(question), &memory);
  if (rc == 0)
    lc_confirmation_pack(question, memory);
  return rc;
}

static lc_status journal_fail(const writer *w, int rc, lc_error *error) {
  return lc_store_fail(w->store, LC_PART_JOURNAL, rc, "cannot write the journal", error);
}

/* ---- superseding an open question -------------------------------------------------------- */

static lc_status read_confirmation(writer *w, const uint8_t *id, lc_confirmation *question, lc_error *error) {
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_CONFIRMATIONS, lc_key_of_confirmation(&w->tenant, id), error);
  return status != LC_OK ? status
       : lc_confirmation_unpack(w->store->result, w->store->result_size, question, error);
}

static lc_status close_question(writer *w, const uint8_t *id, uint64_t *asked_by, lc_error *error) {
  lc_confirmation question;
  lc_status status = read_confirmation(w, id, &question, error);
  if (status != LC_OK)
    return status;
  *asked_by = question.entry;
  question.state = LC_QUESTION_SUPERSEDED;
  question.resolved_at = w->now;
  return journal_fail(w, put_confirmation(w, &question), error);
}

/* The journal's line for it: the entry that asked, once more, with the newer event's actor. */
static lc_status note_superseded(writer *w, uint64_t asked_by, const lc_entry *newer, lc_error *error) {
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_JOURNAL, lc_key_of_entry(&w->tenant, asked_by), error);
  lc_entry entry;
  if (status == LC_OK)
    status = lc_entry_unpack(w->store->result, w->store->result_size, &entry, error);
  if (status != LC_OK)
    return status;
  entry.id = next_entry(w);
  entry.status = LC_ENTRY_SUPERSEDED;
  entry.at = newer->at;
  entry.details = newer->details;
  entry.event_id = (lc_text){ NULL, 0 };
  return journal_fail(w, put_new_entry(w, &entry), error);
}

static lc_status supersede(writer *w, const lc_entry *newer, lc_error *error) {
  lc_key key = lc_key_of_company(&w->tenant, &newer->company);
  uint8_t id[LC_CONFIRMATION_SIZE];
  uint64_t asked_by;
  MDB_val value;
  int rc = lc_get(w->store, w->txn, LC_TABLE_QUESTIONS, &key, &value);
  if (rc == MDB_NOTFOUND)
    return LC_OK;
  if (rc != 0 || value.mv_size != sizeof id)
    return journal_fail(w, rc != 0 ? rc : MDB_CORRUPTED, error);
  memcpy(id, value.mv_data, sizeof id);
  lc_status status = journal_fail(w, lc_delete(w->store, w->txn, LC_TABLE_QUESTIONS, &key), error);
  if (status == LC_OK)
    status = close_question(w, id, &asked_by, error);
  return status != LC_OK ? status : note_superseded(w, asked_by, newer, error);
}

/* ---- one event --------------------------------------------------------------------------- */

static int find_seen(const writer *w, lc_write *write) {
  lc_key key = w->tenant;
  MDB_val value;
  lc_key_add_text(&key, write->entry.event_id);
  int rc = lc_get(w->store, w->txn, LC_TABLE_SEEN, &key, &value);
  if (rc == 0 && value.mv_size == sizeof write->first) {
    memcpy(&write->first, value.mv_data, sizeof write->first);
    write->result = LC_DUPLICATE;
  }
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int get_claim(const lc_store *store, MDB_txn *txn, lc_key *company, lc_claim *claim) {
  MDB_val value;
  int rc = lc_get(store, txn, LC_TABLE_APPLYING, company, &value);
  if (rc == 0 && value.mv_size != sizeof *claim)
    return MDB_CORRUPTED;
  if (rc == 0)
    memcpy(claim, value.mv_data, sizeof *claim);
  return rc;
}

static int find_busy(const writer *w, lc_write *write) {
  lc_key key = lc_key_of_company(&w->tenant, &write->entry.company);
  lc_claim claim;
  int rc = get_claim(w->store, w->txn, &key, &claim);
  if (rc == 0) {
    write->first = claim.entry;
    write->result = LC_BUSY;
  }
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Whether the category that was decided by is out of date. */
static int find_overtaken(const writer *w, lc_write *write) {
  lc_key key = lc_key_of_company(&w->tenant, &write->entry.company);
  lc_company_record record = { 0 };
  uint64_t newest = 0;
  bool overtaken = false;
  int rc = 0;
  if (write->basis == LC_BASIS_COMPANY) {
    rc = lc_get_company(w->store, w->txn, &key, &record);
    overtaken = rc == MDB_NOTFOUND || record.category != write->entry.from;
  } else if (write->basis == LC_BASIS_NEWEST) {
    rc = lc_get_newest(w->store, w->txn, &key, &newest);
    overtaken = newest != write->newest;
  }
  if (overtaken)
    write->result = LC_OVERTAKEN;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Changes the company that is kept here, or makes the entry a conflict. */
static int change_company(const writer *w, lc_entry *entry) {
  lc_key key = lc_key_of_company(&w->tenant, &entry->company);
  lc_company_record record = { 0 };
  int rc = lc_get_company(w->store, w->txn, &key, &record);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return rc;
  if (rc == MDB_NOTFOUND || record.category != entry->from) {
    entry->status = LC_ENTRY_CONFLICT;
    return 0;
  }
  record.category = entry->to;
  record.entry = entry->id;
  return lc_put(w->store, w->txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
}

static int put_applying(const writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_company(&w->tenant, &entry->company);
  lc_claim claim = { .entry = entry->id, .owner = w->store->owner.token, .deadline = w->deadline };
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, &key, &claim, sizeof claim);
}

static int put_question(const writer *w, lc_write *write) {
  lc_key key = lc_key_of_company(&w->tenant, &write->entry.company);
  write->question.state = LC_QUESTION_OPEN;
  write->question.entry = write->entry.id;
  int rc = put_confirmation(w, &write->question);
  return rc != 0 ? rc
       : lc_put(w->store, w->txn, LC_TABLE_QUESTIONS, &key, write->question.id, sizeof write->question.id);
}

static int put_seen(const writer *w, const lc_entry *entry) {
  lc_key key = w->tenant;
  lc_key_add_text(&key, entry->event_id);
  return entry->event_id.size == 0 ? 0 : lc_put(w->store, w->txn, LC_TABLE_SEEN, &key, &entry->id, sizeof entry->id);
}

/* What the entry's status asks for besides the entry itself, which may become a conflict. */
static int put_effect(const writer *w, lc_write *write) {
  switch (write->entry.status) {
    case LC_ENTRY_APPLYING:
      return put_applying(w, &write->entry);
    case LC_ENTRY_UPDATED:
      return change_company(w, &write->entry);
    case LC_ENTRY_AWAITING:
      return put_question(w, write);
    default:
      return 0;
  }
}

static int put_event(writer *w, lc_write *write) {
  write->entry.id = next_entry(w);
  int rc = put_effect(w, write);
  if (rc == 0)
    rc = put_new_entry(w, &write->entry);
  return rc != 0 ? rc : put_seen(w, &write->entry);
}

static lc_status write_event(writer *w, lc_write *write, lc_error *error) {
  write->result = LC_WRITTEN;
  int rc = write->entry.event_id.size != 0 ? find_seen(w, write) : 0;
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = find_busy(w, write);
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = find_overtaken(w, write);
  if (rc != 0 || write->result != LC_WRITTEN)
    return journal_fail(w, rc, error);
  lc_status status = supersede(w, &write->entry, error);
  return status != LC_OK ? status : journal_fail(w, put_event(w, write), error);
}

lc_status lc_store_write(lc_store *store, lc_text tenant, lc_write *writes, size_t count, double now,
                         double deadline, lc_error *error) {
  writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .deadline = deadline };
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = journal_fail(&w, read_last(&w), error);
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = write_event(&w, &writes[i], error);
  if (status == LC_OK)
    status = journal_fail(&w, write_last(&w), error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}

/* ---- finishing and claiming -------------------------------------------------------------- */

/* The claim's end, or its next try. */
static int settle_claim(const writer *w, lc_key *company, lc_claim *claim, const lc_finish *finish) {
  if (finish->status != LC_ENTRY_APPLYING)
    return lc_delete(w->store, w->txn, LC_TABLE_APPLYING, company);
  claim->owner = 0;
  claim->deadline = 0;
  claim->retry_at = finish->retry_at;
  claim->attempts++;
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
}

static lc_status finish_entry(writer *w, const lc_finish *finish, lc_error *error) {
  lc_entry entry;
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_JOURNAL, lc_key_of_entry(&w->tenant, finish->entry), error);
  if (status == LC_OK)
    status = lc_entry_unpack(w->store->result, w->store->result_size, &entry, error);
  if (status != LC_OK)
    return status;
  entry.status = finish->status;
  entry.error = finish->error;
  return journal_fail(w, put_entry(w, &entry), error);
}

static lc_status finish_one(writer *w, lc_finish *finish, lc_error *error) {
  lc_key key = lc_key_of_company(&w->tenant, &finish->company);
  lc_claim claim = { 0 };
  int rc = get_claim(w->store, w->txn, &key, &claim);
  finish->lost = rc == MDB_NOTFOUND || claim.entry != finish->entry || claim.owner != w->store->owner.token;
  if (finish->lost)
    return rc == MDB_NOTFOUND ? LC_OK : journal_fail(w, rc, error);
  rc = settle_claim(w, &key, &claim, finish);
  return rc != 0 ? journal_fail(w, rc, error) : finish_entry(w, finish, error);
}

lc_status lc_store_finish(lc_store *store, lc_text tenant, lc_finish *finishes, size_t count, lc_error *error) {
  writer w = { .store = store, .tenant = lc_key_of(tenant) };
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = finish_one(&w, &finishes[i], error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}

/* A deadline further away than this was set before the clock went backwards. */
static const double longest_claim = 3600;

static bool is_claimed(const lc_store *store, const lc_claim *claim, double now) {
  return now < claim->deadline && claim->deadline - now <= longest_claim
      && lc_owner_alive(&store->owner, claim->owner);
}

static lc_status take_claim(writer *w, lc_key *company, lc_claim *claim, lc_error *error) {
  int rc = get_claim(w->store, w->txn, company, claim);
  if (rc == 0 && is_claimed(w->store, claim, w->now))
    return lc_fail(error, LC_CONFLICT, "entry %llu is being applied", (unsigned long long)claim->entry);
  claim->owner = w->store->owner.token;
  claim->deadline = w->deadline;
  if (rc == 0)
    rc = lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
  if (rc != 0)
    return journal_fail(w, rc, error);
  return lc_copy_out(w->store, w->txn, LC_TABLE_JOURNAL, lc_key_of_entry(&w->tenant, claim->entry), error);
}

/* Whether the claim is there to be taken: asked while reading, so that those who wait for its
 * owner do not stand in his way. */
static lc_status is_claimable(lc_store *store, lc_key *company, double now, lc_claim *claim, lc_error *error) {
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = get_claim(store, txn, company, claim);
  lc_end_read(store, LC_PART_JOURNAL);
  if (rc == 0 && is_claimed(store, claim, now))
    return lc_fail(error, LC_CONFLICT, "entry %llu is being applied", (unsigned long long)claim->entry);
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "the company has no unfinished entry", error);
}

lc_status lc_store_claim(lc_store *store, lc_text tenant, const lc_company *company, double now, double deadline,
                         lc_claim *claim, lc_error *error) {
  writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .deadline = deadline };
  lc_key key = lc_key_of_company(&w.tenant, company);
  lc_status status = is_claimable(store, &key, now, claim, error);
  if (status == LC_OK)
    status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = take_claim(&w, &key, claim, error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}
