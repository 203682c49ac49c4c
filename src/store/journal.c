/* Answers to questions, changes without an event, and the end of changes that hosts make. */
#include <string.h>

#include "internal.h"
#include "store.h"

static int find_busy(const lc_writer *w, lc_write *write) {
  bool busy;
  int rc = lc_find_unfinished(w, &write->entry.company, &busy, &write->first);
  if (busy)
    write->result = LC_BUSY;
  return rc;
}

/* Whether the company's newest entry is a change that was made after the entry `last`. */
static lc_status find_continued(const lc_writer *w, uint64_t newest, uint64_t last, bool *is_continued, lc_error *error) {
  lc_entry entry;
  *is_continued = false;
  if (newest <= last)
    return LC_OK;
  lc_result_clear(w->store);
  lc_status status = lc_read_entry(w, newest, &entry, error);
  *is_continued = status == LC_OK && entry.status == LC_ENTRY_UPDATED;
  return status;
}

/* `last`: the newest entry of all before this call. */
static lc_status find_overtaken(const lc_writer *w, uint64_t last, lc_write *write, lc_error *error) {
  lc_key key = lc_key_of_company(&w->tenant, &write->entry.company);
  uint64_t newest = 0;
  lc_status status = lc_writer_fail(w, lc_get_newest(w->store, w->txn, &key, &newest), error);
  bool is_as_said = newest == write->newest;
  if (status == LC_OK && write->continues)
    status = find_continued(w, newest, last, &is_as_said, error);
  if (!is_as_said)
    write->result = LC_OVERTAKEN;
  return status;
}

static lc_status write_change(lc_writer *w, uint64_t last, lc_write *write, lc_error *error) {
  lc_status status = lc_writer_fail(w, find_busy(w, write), error);
  if (status == LC_OK && write->result == LC_PUT)
    status = find_overtaken(w, last, write, error);
  if (status != LC_OK || write->result != LC_PUT)
    return status;
  status = lc_supersede(w, &write->entry, error);
  return status != LC_OK ? status : lc_writer_fail(w, lc_put_with_effect(w, &write->entry, NULL), error);
}

static bool same_text(lc_text a, lc_text b) {
  return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* A question takes one answer, while it is open and its time is not over; one with something to be done at its expiry, until that is
 * done, which is not before. */
static lc_status write_answer(lc_writer *w, lc_write *write, lc_error *error) {
  lc_question question;
  lc_result_clear(w->store);
  lc_status status = lc_read_question(w, write->entry.question, &question, error);
  if (status != LC_OK)
    return status;
  int rc = find_busy(w, write);
  if (!same_text(question.company.text, write->entry.company.text))
    write->result = LC_OVERTAKEN; /* it has another name since */
  if (!lc_question_may_move(question.state, LC_QUESTION_ACCEPTED))
    write->result = LC_ANSWERED;
  else if (write->result == LC_PUT && lc_question_expires(&question, w->now))
    write->result = LC_OVERDUE;
  else if (write->by_expiry && !lc_question_is_due(&question, w->now))
    write->result = LC_OVERTAKEN;
  write->entry.rule = question.rule;
  if (rc == 0 && write->result == LC_PUT)
    rc = lc_put_with_effect(w, &write->entry, NULL);
  if (rc != 0 || write->result != LC_PUT)
    return lc_writer_fail(w, rc, error);
  return lc_close_question(w, &question, &write->entry, write->entry.at, error);
}

lc_status lc_store_write(lc_store *store, lc_text tenant, lc_write *writes, size_t count, const lc_cursor *cursor, double now,
                         double claim, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .claim = claim };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  const uint64_t last = w.last.number;
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    writes[i].result = LC_PUT;
    status = writes[i].is_answer ? write_answer(&w, &writes[i], error) : write_change(&w, last, &writes[i], error);
    if (status == LC_OK && cursor != NULL && writes[i].result != LC_PUT)
      status = lc_fail(error, LC_CONFLICT, "a company has been changed meanwhile");
  }
  if (status == LC_OK && cursor != NULL)
    status = lc_put_cursor(&w, cursor, error);
  return lc_writer_end(&w, status, error);
}

/* What is queued behind the entry has its turn next. */
static int end_claim(const lc_writer *w, lc_key *company, const lc_finish *finish, uint64_t behind) {
  lc_claim next;
  int rc = lc_find_queued(w, &finish->company, behind, &next);
  if (rc == 0 && next.entry != 0)
    return lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, &next, sizeof next);
  return rc != 0 ? rc : mdb_cursor_del(w->claims, 0);
}

/* Ends the claim, or schedules its next try. */
static int settle_claim(const lc_writer *w, lc_key *company, lc_claim *claim, const lc_finish *finish, uint64_t behind) {
  if (finish->status != LC_ENTRY_APPLYING)
    return end_claim(w, company, finish, behind);
  claim->owner = 0;
  claim->boot = w->store->boot;
  claim->retry_at = lc_uptime() + finish->retry_in;
  claim->attempts++;
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
}

/* The end of an entry that answers a question closes the question. */
static lc_status finish_question(lc_writer *w, lc_entry *entry, lc_error *error) {
  size_t size = w->store->result_size;
  lc_entry answer = *entry;
  lc_question question;
  lc_status status = lc_must_be_there(lc_read_question(w, entry->question, &question, error), "a question", error);
  if (status == LC_OK) /* again: the result may have moved */
    status = lc_entry_unpack(w->store->result, size, &answer, error);
  answer.status = entry->status;
  return status != LC_OK ? status : lc_close_question(w, &question, &answer, answer.at, error);
}

/* `behind`: the last entry of the queue that has had its turn. */
static lc_status finish_entry(lc_writer *w, const lc_finish *finish, uint64_t *behind, lc_error *error) {
  lc_entry entry;
  lc_key number = lc_key_of_entry(&w->tenant, finish->entry);
  MDB_val key = lc_key_value(&number), value;
  int rc = mdb_cursor_get(w->entries, &key, &value, MDB_SET);
  lc_status status = lc_must_be_there(lc_writer_fail(w, rc, error), "an entry", error);
  if (status == LC_OK) /* a copy: it is written over */
    status = lc_result_set(w->store, value.mv_data, value.mv_size, error);
  if (status == LC_OK)
    status = lc_unpack_entry(lc_store_result(w->store), finish->entry, &entry, error);
  if (status != LC_OK)
    return status;
  *behind = entry.link == LC_LINK_FOLLOWS ? entry.linked : entry.id;
  entry.status = finish->status;
  entry.error = finish->error;
  value.mv_size = lc_entry_size(&entry);
  status = lc_writer_fail(w, mdb_cursor_put(w->entries, &key, &value, MDB_CURRENT | MDB_RESERVE), error);
  if (status == LC_OK) {
    lc_entry_pack(&entry, value.mv_data);
    status = lc_writer_fail(w, lc_add_change(w, &entry), error);
  }
  return status != LC_OK || !entry.has_question ? status : finish_question(w, &entry, error);
}

/* The host has made a change whose entry has ended without it: another store had taken it over. Where that can have parted the
 * host from the journal, the entry says so. */
static lc_status note_late(lc_writer *w, const lc_finish *finish, lc_error *error) {
  static const char late[] = "the host made this change late, when another process had taken it over: "
                             "see that the company's category is right";
  uint64_t newest;
  lc_entry entry;
  lc_status status = lc_read_entry(w, finish->entry, &entry, error);
  if (status != LC_OK)
    return status == LC_NOT_FOUND ? LC_OK : status; /* retention has removed it */
  lc_key company = lc_key_of_company(&w->tenant, &entry.company);
  int rc = lc_get_newest(w->store, w->txn, &company, &newest);
  if (rc != 0 || (entry.status == LC_ENTRY_UPDATED && newest == entry.id))
    return lc_writer_fail(w, rc, error);
  rc = lc_count(w, &entry, -1); /* as what it had ended as */
  entry.status = LC_ENTRY_UPDATED;
  entry.error = (lc_text){ late, sizeof late - 1 };
  return lc_writer_fail(w, rc != 0 ? rc : lc_put_ended(w, &entry), error);
}

/* Moves to the claim of an entry, which may have moved with its company since that was named; MDB_NOTFOUND. */
static int seek_claim(const lc_writer *w, const lc_finish *finish, lc_key *company, MDB_val *value) {
  MDB_val key = lc_key_value(company);
  lc_entry entry;
  int rc = mdb_cursor_get(w->claims, &key, value, MDB_SET);
  if (rc != MDB_NOTFOUND || lc_read_entry(w, finish->entry, &entry, NULL) != LC_OK
      || same_text(entry.company.text, finish->company.text))
    return rc;
  *company = lc_key_of_company(&w->tenant, &entry.company);
  key = lc_key_value(company);
  return mdb_cursor_get(w->claims, &key, value, MDB_SET);
}

/* What the host has made is written down even if another store has taken the change over meanwhile. */
static lc_status finish_one(lc_writer *w, lc_finish *finish, lc_error *error) {
  lc_key company = lc_key_of_company(&w->tenant, &finish->company);
  lc_claim claim = { 0 };
  MDB_val value;
  int rc = seek_claim(w, finish, &company, &value);
  if (rc == 0 && value.mv_size != sizeof claim)
    rc = MDB_CORRUPTED;
  if (rc != 0 && rc != MDB_NOTFOUND)
    return lc_writer_fail(w, rc, error);
  if (rc == 0)
    memcpy(&claim, value.mv_data, sizeof claim);
  bool has_ended = claim.entry != finish->entry;
  finish->lost = has_ended || (claim.owner != w->store->owner.token && !finish->made);
  if (finish->lost)
    return has_ended && finish->made ? note_late(w, finish, error) : LC_OK;
  uint64_t behind;
  lc_status status = finish_entry(w, finish, &behind, error);
  return status != LC_OK ? status : lc_writer_fail(w, settle_claim(w, &company, &claim, finish, behind), error);
}

lc_status lc_store_finish(lc_store *store, lc_text tenant, lc_finish *finishes, size_t count, double now, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_cursor_open(w.txn, lc_env_table(store->env, LC_TABLE_APPLYING), &w.claims);
  if (rc == 0)
    rc = mdb_cursor_open(w.txn, lc_env_table(store->env, LC_TABLE_JOURNAL), &w.entries);
  status = lc_writer_fail(&w, rc, error);
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = finish_one(&w, &finishes[i], error);
  return lc_writer_end(&w, status, error); /* closes the cursors */
}

bool lc_is_claimed(const lc_writer *w, const lc_claim *claim) {
  if (w->idle && claim->owner == w->store->owner.token)
    return false;
  return claim->boot == w->store->boot && lc_uptime() < claim->deadline
      && (w->store->scratch != NULL ? claim->owner != 0 : lc_owner_alive(&w->store->owner, claim->owner));
}

/* Reads the claim. LC_CONFLICT: it is another one's. */
static lc_status find_claim(const lc_writer *w, lc_key *company, lc_claim *claim, lc_error *error) {
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
  if (rc == 0 && lc_is_claimed(w, claim))
    return lc_fail(error, LC_CONFLICT, "entry %llu is being applied", (unsigned long long)claim->entry);
  return lc_store_fail(w->store, LC_PART_JOURNAL, rc, "the company has no unfinished entry", error);
}

static lc_status take_claim(lc_writer *w, lc_key *company, lc_claim *claim, lc_error *error) {
  lc_status status = find_claim(w, company, claim, error);
  if (status != LC_OK)
    return status;
  lc_hold(w, claim);
  int rc = lc_put(w->store, w->txn, LC_TABLE_APPLYING, company, claim, sizeof *claim);
  if (rc != 0)
    return lc_writer_fail(w, rc, error);
  lc_entry entry;
  return lc_must_be_there(lc_read_entry(w, claim->entry, &entry, error), "an entry", error);
}

/* Looks in a read transaction first, so that waiting for an owner does not hold up its writes. */
lc_status lc_store_claim(lc_store *store, lc_text tenant, const lc_company *company, bool idle, double seconds,
                         lc_claim *claim, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .claim = seconds, .idle = idle };
  lc_key key = lc_key_of_company(&w.tenant, company);
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = find_claim(&w, &key, claim, error);
  lc_end_read(store, LC_PART_JOURNAL);
  if (status == LC_OK)
    status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = take_claim(&w, &key, claim, error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}
