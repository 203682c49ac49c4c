/* Writing the journal of a store: what was decided, what is being applied, what was asked. */
#include <string.h>

#include "store.h"
#include "store_internal.h"

/* ---- writing ----------------------------------------------------------------------------- */

static lc_key last_entry_key(void) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "last_entry", 10);
  return key;
}

static int read_last(lc_writer *w) {
  lc_key key = last_entry_key();
  MDB_val value;
  int rc = lc_get(w->store, w->txn, LC_TABLE_META, &key, &value);
  w->last = 0;
  if (rc == 0 && value.mv_size == sizeof w->last)
    memcpy(&w->last, value.mv_data, sizeof w->last);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int write_last(const lc_writer *w) {
  lc_key key = last_entry_key();
  return lc_put(w->store, w->txn, LC_TABLE_META, &key, &w->last, sizeof w->last);
}

const lc_log_parts lc_logs[LC_LOGS] = {
  [LC_LOG_JOURNAL] = { LC_TABLE_JOURNAL, LC_TABLE_BY_COMPANY, "journal_entries" },
  [LC_LOG_UNCHANGED] = { LC_TABLE_UNCHANGED, LC_TABLE_UNCHANGED_BY_COMPANY, "unchanged_entries" },
};

/* A log's size, by tenant, is kept as a counter. */
static lc_key count_key(const lc_writer *w) {
  const char *name = lc_logs[w->log].counter;
  lc_key key = w->tenant;
  lc_key_add_text(&key, (lc_text){ name, strlen(name) });
  return key;
}

int lc_get_count(const lc_writer *w, uint64_t *count) {
  lc_key key = count_key(w);
  return lc_get_counter(w->store, w->txn, &key, count);
}

static int write_count(const lc_writer *w) {
  lc_key key = count_key(w);
  uint64_t count;
  int rc = lc_get_count(w, &count);
  count += (uint64_t)w->added;
  return rc != 0 ? rc : lc_put(w->store, w->txn, LC_TABLE_COUNTERS, &key, &count, sizeof count);
}

lc_status lc_writer_fail(const lc_writer *w, int rc, lc_error *error) {
  return lc_store_fail(w->store, LC_PART_JOURNAL, rc, "cannot write the journal", error);
}

lc_status lc_writer_begin(lc_writer *w, lc_error *error) {
  lc_status status = lc_begin_write(w->store, LC_PART_JOURNAL, &w->txn, error);
  if (status != LC_OK)
    return status;
  status = lc_writer_fail(w, read_last(w), error);
  if (status != LC_OK)
    lc_end_write(w->store, LC_PART_JOURNAL, w->txn, status, error);
  return status;
}

lc_status lc_writer_end(lc_writer *w, lc_status status, lc_error *error) {
  int rc = status == LC_OK ? write_last(w) : 0;
  if (status == LC_OK && rc == 0 && w->added != 0)
    rc = write_count(w);
  if (rc != 0)
    status = lc_writer_fail(w, rc, error);
  return lc_end_write(w->store, LC_PART_JOURNAL, w->txn, status, error);
}

/* A clock that is out of its mind (NaN, beyond 2^53 milliseconds) gives no id. */
uint64_t lc_next_entry(lc_writer *w) {
  uint64_t milliseconds = w->now > 0 && w->now < 9e12 ? (uint64_t)(w->now * 1000) : 0;
  w->last = milliseconds > w->last ? milliseconds : w->last + 1;
  return w->last;
}

static int put_entry(const lc_writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, lc_logs[w->log].entries, &key, lc_entry_size(entry), &memory);
  if (rc == 0)
    lc_entry_pack(entry, memory);
  return rc;
}

static lc_key index_of(const lc_writer *w, const lc_entry *entry) {
  lc_key index = lc_key_of_company(&w->tenant, &entry->company);
  lc_key_add_number(&index, entry->id);
  return index;
}

int lc_put_new_entry(lc_writer *w, const lc_entry *entry) {
  w->added++;
  lc_key index = index_of(w, entry);
  int rc = put_entry(w, entry);
  return rc != 0 ? rc : lc_put(w->store, w->txn, lc_logs[w->log].by_company, &index, NULL, 0);
}

int lc_remove_entry(lc_writer *w, const lc_entry *entry) {
  w->added--;
  lc_key index = index_of(w, entry), key = lc_key_of_entry(&w->tenant, entry->id);
  int rc = lc_delete(w->store, w->txn, lc_logs[w->log].by_company, &index);
  return rc != 0 && rc != MDB_NOTFOUND ? rc : lc_delete(w->store, w->txn, lc_logs[w->log].entries, &key);
}

/* ---- one event --------------------------------------------------------------------------- */

static int find_seen(const lc_writer *w, lc_write *write) {
  lc_key key = w->tenant;
  MDB_val value;
  lc_key_add_text(&key, write->entry.event_id);
  int rc = lc_get(w->store, w->txn, LC_TABLE_SEEN, &key, &value);
  if (rc == 0 && value.mv_size != sizeof write->first)
    return MDB_CORRUPTED;
  if (rc == 0) {
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

static int find_busy(const lc_writer *w, lc_write *write) {
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
static int find_overtaken(const lc_writer *w, lc_write *write) {
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
static int change_company(const lc_writer *w, lc_entry *entry) {
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

static int put_applying(const lc_writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_company(&w->tenant, &entry->company);
  lc_claim claim = { .entry = entry->id, .owner = w->store->owner.token, .deadline = w->deadline };
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, &key, &claim, sizeof claim);
}

static int put_seen(const lc_writer *w, const lc_entry *entry) {
  lc_key key = w->tenant;
  lc_key_add_text(&key, entry->event_id);
  return entry->event_id.size == 0 ? 0 : lc_put(w->store, w->txn, LC_TABLE_SEEN, &key, &entry->id, sizeof entry->id);
}

/* What the entry's status asks for besides the entry itself, which may become a conflict. */
static int put_effect(const lc_writer *w, lc_write *write) {
  switch (write->entry.status) {
    case LC_ENTRY_APPLYING:
      return put_applying(w, &write->entry);
    case LC_ENTRY_UPDATED:
      return change_company(w, &write->entry);
    case LC_ENTRY_AWAITING:
      return lc_put_question(w, &write->question, &write->entry);
    default:
      return 0;
  }
}

static int put_event(lc_writer *w, lc_write *write) {
  write->entry.id = lc_next_entry(w);
  int rc = put_effect(w, write);
  if (rc == 0)
    rc = lc_put_new_entry(w, &write->entry);
  return rc != 0 ? rc : put_seen(w, &write->entry);
}

static lc_status write_event(lc_writer *w, lc_write *write, lc_error *error) {
  int rc = write->entry.event_id.size != 0 ? find_seen(w, write) : 0;
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = find_busy(w, write);
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = find_overtaken(w, write);
  if (rc != 0 || write->result != LC_WRITTEN)
    return lc_writer_fail(w, rc, error);
  lc_status status = lc_supersede(w, &write->entry, error);
  return status != LC_OK ? status : lc_writer_fail(w, put_event(w, write), error);
}

/* The answer to a question: single use, as long as the question is open and its time is not over. */
static lc_status write_answer(lc_writer *w, lc_write *write, lc_error *error) {
  lc_confirmation question;
  lc_result_clear(w->store);
  lc_status status = lc_read_question(w, write->entry.confirmation, &question, error);
  if (status != LC_OK)
    return status;
  int rc = find_busy(w, write);
  if (!lc_question_may_move(question.state, LC_QUESTION_ACCEPTED))
    write->result = LC_ANSWERED;
  else if (write->result == LC_WRITTEN && lc_question_is_due(&question, w->now))
    write->result = LC_OVERDUE;
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = put_event(w, write);
  if (rc != 0 || write->result != LC_WRITTEN)
    return lc_writer_fail(w, rc, error);
  return lc_close_question(w, &question, &write->entry, write->entry.at, error);
}

lc_status lc_store_write(lc_store *store, lc_text tenant, lc_write *writes, size_t count, const lc_note *note,
                         double now, double deadline, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .deadline = deadline };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    writes[i].result = LC_WRITTEN;
    status = writes[i].is_answer ? write_answer(&w, &writes[i], error) : write_event(&w, &writes[i], error);
    if (status == LC_OK && note != NULL && writes[i].result != LC_WRITTEN)
      status = lc_fail(error, LC_CONFLICT, "a company has been changed meanwhile");
  }
  if (status == LC_OK && note != NULL)
    status = lc_put_note(&w, note, error);
  return lc_writer_end(&w, status, error);
}

/* ---- deciding and writing at once ---------------------------------------------------------- */

/* Where the company stands: as the event says, or as it is kept here. */
static int find_category(const lc_writer *w, lc_entry *entry) {
  lc_key key = lc_key_of_company(&w->tenant, &entry->company);
  lc_company_record record = { 0 };
  if (entry->from != 0)
    return 0;
  int rc = lc_get_company(w->store, w->txn, &key, &record);
  entry->from = record.category;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Steps 1 to 3 of an event. LC_WRITTEN: it matched, and is to be written. */
static lc_status decide_event(const lc_writer *w, const lc_ruleset *ruleset, lc_decided *event, lc_error *error) {
  lc_write *write = &event->write;
  lc_entry *entry = &write->entry;
  write->result = LC_WRITTEN;
  int rc = entry->event_id.size != 0 ? find_seen(w, write) : 0;
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = find_busy(w, write);
  if (rc == 0 && write->result == LC_WRITTEN)
    rc = find_category(w, entry);
  if (rc != 0 || write->result != LC_WRITTEN)
    return lc_writer_fail(w, rc, error);
  lc_decision decision = lc_decide(ruleset, &(lc_facts){ (lc_trigger)entry->trigger, entry->from, entry->lead_status });
  event->reason = decision.reason;
  entry->action = (uint8_t)decision.action;
  entry->to = decision.to;
  entry->revision = ruleset->revision;
  entry->status = LC_ENTRY_UPDATED;
  if (decision.action == LC_NONE)
    write->result = LC_UNMATCHED;
  return LC_OK;
}

static bool takes_more(const lc_decided *event) {
  return event->write.result == LC_BUSY
      || (event->write.result == LC_WRITTEN && (event->only_decide || event->write.entry.action == LC_CONFIRM));
}

/* Decides events from `*done` on until one takes more, or is to be written and `writing` is not allowed. */
static lc_status handle_events(lc_writer *w, const lc_ruleset *ruleset, lc_decided *events, size_t count, bool writing,
                               size_t *done, lc_error *error) {
  for (; *done < count; ++*done) {
    lc_decided *event = &events[*done];
    int32_t category = event->write.entry.from;
    lc_status status = decide_event(w, ruleset, event, error);
    if (status != LC_OK || takes_more(event))
      return status;
    if (event->write.result != LC_WRITTEN)
      continue;
    if (!writing) {
      event->write.entry.from = category; /* to be looked up again */
      return LC_OK;
    }
    status = lc_supersede(w, &event->write.entry, error);
    if (status == LC_OK)
      status = lc_writer_fail(w, put_event(w, &event->write), error);
    if (status != LC_OK)
      return status;
  }
  return LC_OK;
}

lc_status lc_store_handle(lc_store *store, lc_text tenant, lc_decided *events, size_t count, double now, size_t *done,
                          lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now };
  const lc_ruleset *ruleset;
  *done = 0;
  lc_status status = lc_store_ruleset(store, tenant, &ruleset, error);
  if (status == LC_OK)
    status = lc_begin_read(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = handle_events(&w, ruleset, events, count, false, done, error);
  lc_end_read(store, LC_PART_JOURNAL);
  if (status != LC_OK || *done == count || takes_more(&events[*done]))
    return status;
  status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  status = handle_events(&w, ruleset, events, count, true, done, error);
  return lc_writer_end(&w, status, error);
}

/* ---- finishing and claiming -------------------------------------------------------------- */

/* The claim's end, or its next try. */
static int settle_claim(const lc_writer *w, lc_key *company, lc_claim *claim, const lc_finish *finish) {
  if (finish->status != LC_ENTRY_APPLYING)
    return lc_delete(w->store, w->txn, LC_TABLE_APPLYING, company);
  claim->owner = 0;
  claim->deadline = 0;
  claim->retry_at = finish->retry_at;
  claim->attempts++;
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
}

/* An entry that answers a question ends it too. */
static lc_status finish_question(const lc_writer *w, lc_entry *entry, lc_error *error) {
  size_t size = w->store->result_size;
  lc_entry answer = *entry;
  lc_confirmation question;
  lc_status status = lc_must_be_there(lc_read_question(w, entry->confirmation, &question, error), "a question", error);
  if (status == LC_OK) /* again: the result may have moved */
    status = lc_entry_unpack(w->store->result, size, &answer, error);
  answer.status = entry->status;
  return status != LC_OK ? status : lc_close_question(w, &question, &answer, answer.at, error);
}

static lc_status finish_entry(const lc_writer *w, const lc_finish *finish, lc_error *error) {
  lc_entry entry;
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_JOURNAL, lc_key_of_entry(&w->tenant, finish->entry), error);
  status = lc_must_be_there(status, "an entry", error);
  if (status == LC_OK)
    status = lc_entry_unpack(w->store->result, w->store->result_size, &entry, error);
  if (status != LC_OK)
    return status;
  entry.status = finish->status;
  entry.error = finish->error;
  status = lc_writer_fail(w, put_entry(w, &entry), error);
  return status != LC_OK || !entry.has_confirmation ? status : finish_question(w, &entry, error);
}

static lc_status finish_one(const lc_writer *w, lc_finish *finish, lc_error *error) {
  lc_key key = lc_key_of_company(&w->tenant, &finish->company);
  lc_claim claim = { 0 };
  int rc = get_claim(w->store, w->txn, &key, &claim);
  finish->lost = rc == MDB_NOTFOUND || claim.entry != finish->entry || claim.owner != w->store->owner.token;
  if (finish->lost)
    return rc == MDB_NOTFOUND ? LC_OK : lc_writer_fail(w, rc, error);
  rc = settle_claim(w, &key, &claim, finish);
  return rc != 0 ? lc_writer_fail(w, rc, error) : finish_entry(w, finish, error);
}

lc_status lc_store_finish(lc_store *store, lc_text tenant, lc_finish *finishes, size_t count, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant) };
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = finish_one(&w, &finishes[i], error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}

/* A deadline further away than this was set before the clock went backwards. */
static const double longest_claim = 3600;

static bool is_claimed(const lc_writer *w, const lc_claim *claim) {
  if (w->idle && claim->owner == w->store->owner.token)
    return false;
  return w->now < claim->deadline && claim->deadline - w->now <= longest_claim
      && lc_owner_alive(&w->store->owner, claim->owner);
}

static lc_status take_claim(lc_writer *w, lc_key *company, lc_claim *claim, lc_error *error) {
  int rc = get_claim(w->store, w->txn, company, claim);
  if (rc == 0 && is_claimed(w, claim))
    return lc_fail(error, LC_CONFLICT, "entry %llu is being applied", (unsigned long long)claim->entry);
  claim->owner = w->store->owner.token;
  claim->deadline = w->deadline;
  if (rc == 0)
    rc = lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
  if (rc != 0)
    return lc_writer_fail(w, rc, error);
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_JOURNAL, lc_key_of_entry(&w->tenant, claim->entry), error);
  return lc_must_be_there(status, "an entry", error);
}

/* Whether the claim is there to be taken: asked while reading, so that those who wait for its
 * owner do not stand in his way. */
static lc_status is_claimable(const lc_writer *w, lc_key *company, lc_claim *claim, lc_error *error) {
  lc_store *store = w->store;
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = get_claim(store, txn, company, claim);
  lc_end_read(store, LC_PART_JOURNAL);
  if (rc == 0 && is_claimed(w, claim))
    return lc_fail(error, LC_CONFLICT, "entry %llu is being applied", (unsigned long long)claim->entry);
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "the company has no unfinished entry", error);
}

lc_status lc_store_claim(lc_store *store, lc_text tenant, const lc_company *company, bool idle, double now,
                         double deadline, lc_claim *claim, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .deadline = deadline, .idle = idle };
  lc_key key = lc_key_of_company(&w.tenant, company);
  lc_status status = is_claimable(&w, &key, claim, error);
  if (status == LC_OK)
    status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = take_claim(&w, &key, claim, error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}
