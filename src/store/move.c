/* What becomes of all that is kept of a company when that is renamed, merged or deleted. */
#include <string.h>

#include "internal.h"
#include "move.h"

const char *const lc_fate_names[LC_FATES] = {
  [LC_FATE_RENAMED] = "renamed", [LC_FATE_MERGED] = "merged", [LC_FATE_DELETED] = "deleted", [LC_FATE_FORGOTTEN] = "forgotten",
};

static const lc_entry_status note_status[LC_FATES] = {
  [LC_FATE_RENAMED] = LC_ENTRY_RENAMED, [LC_FATE_MERGED] = LC_ENTRY_MERGED, [LC_FATE_DELETED] = LC_ENTRY_DELETED,
  [LC_FATE_FORGOTTEN] = LC_ENTRY_DELETED,
};

static bool same(const lc_company *a, const lc_company *b) {
  return a->text.size == b->text.size && memcmp(a->text.data, b->text.data, a->text.size) == 0;
}

/* Whether there is no such company any more, under any name. */
static bool ends(const lc_move_company *m) {
  return m->fate == LC_FATE_DELETED || m->fate == LC_FATE_FORGOTTEN;
}

/* The company that the entries of `from` are of afterwards. */
static const lc_company *heir(const lc_move_company *m) {
  return m->fate == LC_FATE_DELETED ? &m->from : &m->to;
}

/* ---- what stands in the way ------------------------------------------------------------------ */

static int stop(lc_move_company *m, lc_move_result result, const lc_company *company) {
  m->result = result;
  m->company = company;
  return 0;
}

static int get_claim(const lc_writer *w, const lc_company *company, bool *found, lc_claim *claim) {
  lc_key key = lc_key_of_company(&w->tenant, company);
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_APPLYING, &key, claim, sizeof *claim);
  *found = rc == 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A change that nobody works on may move, unless the other company has one, too. */
static int find_busy(const lc_writer *w, lc_move_company *m, bool *unfinished, lc_claim *claim) {
  lc_claim other;
  bool in_the_way = false;
  int rc = get_claim(w, &m->from, unfinished, claim);
  if (rc == 0 && *unfinished && lc_is_claimed(w, claim))
    return stop(m, LC_MOVE_BUSY, &m->from);
  if (rc == 0 && *unfinished && m->fate == LC_FATE_RENAMED)
    rc = get_claim(w, &m->to, &in_the_way, &other);
  return in_the_way ? stop(m, LC_MOVE_BUSY, &m->to) : rc;
}

static int move_record(const lc_writer *w, lc_move_company *m) {
  lc_key from = lc_key_of_company(&w->tenant, &m->from), to = lc_key_of_company(&w->tenant, heir(m));
  lc_company_record record, other = { 0 };
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_COMPANIES, &from, &record, sizeof record);
  if (rc != 0) /* what is to be forgotten may be gone already */
    return rc == MDB_NOTFOUND && m->fate != LC_FATE_FORGOTTEN ? stop(m, LC_MOVE_UNKNOWN, &m->from) : rc == MDB_NOTFOUND ? 0 : rc;
  if (!ends(m)) {
    rc = lc_get_record(w->store, w->txn, LC_TABLE_COMPANIES, &to, &other, sizeof other);
    if (rc == 0 && m->fate == LC_FATE_RENAMED)
      return stop(m, LC_MOVE_TAKEN, &m->to);
    if (rc == MDB_NOTFOUND && m->fate == LC_FATE_MERGED)
      return stop(m, LC_MOVE_UNKNOWN, &m->to);
    if (rc != 0 && rc != MDB_NOTFOUND)
      return rc;
  }
  m->was_kept = true;
  m->category = other.category;
  record.is_integer = m->to.is_integer;
  rc = lc_delete(w->store, w->txn, LC_TABLE_COMPANIES, &from);
  return rc != 0 || m->fate != LC_FATE_RENAMED ? rc
       : lc_put(w->store, w->txn, LC_TABLE_COMPANIES, &to, &record, sizeof record);
}

/* ---- what is under way ----------------------------------------------------------------------- */

/* Reads an entry of the writer's log into the result. */
static lc_status read_entry(const lc_writer *w, uint64_t id, lc_entry *entry, lc_error *error) {
  lc_status status = lc_copy_out(w->store, w->txn, lc_logs[w->log].entries, lc_key_of_entry(&w->tenant, id), error);
  if (status == LC_OK)
    status = lc_unpack_entry(lc_store_result(w->store), id, entry, error);
  return lc_must_be_there(status, "an entry", error);
}

static void cancel(lc_move_company *m, lc_entry *entry) {
  entry->status = LC_ENTRY_CANCELLED;
  entry->error = m->why;
  m->closed++;
}

static lc_status cancel_change(lc_writer *w, lc_move_company *m, uint64_t id, lc_error *error) {
  lc_entry entry;
  lc_status status = read_entry(w, id, &entry, error);
  if (status != LC_OK)
    return status;
  cancel(m, &entry);
  return lc_writer_fail(w, lc_put_ended(w, &entry), error);
}

static lc_status move_change(lc_writer *w, lc_move_company *m, const lc_claim *claim, lc_error *error) {
  lc_key from = lc_key_of_company(&w->tenant, &m->from), to = lc_key_of_company(&w->tenant, &m->to);
  int rc = lc_delete(w->store, w->txn, LC_TABLE_APPLYING, &from);
  if (rc == 0 && m->fate == LC_FATE_RENAMED)
    rc = lc_put(w->store, w->txn, LC_TABLE_APPLYING, &to, claim, sizeof *claim);
  if (rc != 0 || m->fate == LC_FATE_RENAMED)
    return lc_writer_fail(w, rc, error);
  return cancel_change(w, m, claim->entry, error);
}

/* Closes the company's open question if it was asked before the entry `newer`, and not in that category (0: any). */
static lc_status withdraw(lc_writer *w, lc_move_company *m, const lc_company *company, uint64_t newer, int32_t category,
                          lc_error *error) {
  lc_question question;
  bool found;
  lc_status status = lc_find_open_question(w, company->text, &found, &question, error);
  if (status != LC_OK || !found || question.entry >= newer || (category != 0 && question.from == category))
    return status;
  m->closed++;
  return lc_withdraw_question(w, &question, w->now, m->details, m->why, error);
}

/* The entry that asked the company's open question; 0: there is none. */
static lc_status asked_by(const lc_writer *w, const lc_company *company, uint64_t *entry, lc_error *error) {
  lc_question question;
  bool found;
  lc_status status = lc_find_open_question(w, company->text, &found, &question, error);
  *entry = status == LC_OK && found ? question.entry : 0;
  return status;
}

/* Of two open questions the newer one stays. */
static lc_status move_question(lc_writer *w, lc_move_company *m, lc_error *error) {
  uint64_t of_from = 0, of_to = 0;
  lc_status status = LC_OK;
  if (ends(m))
    return withdraw(w, m, &m->from, UINT64_MAX, 0, error);
  if (m->fate == LC_FATE_MERGED && m->category != 0)
    status = withdraw(w, m, &m->from, UINT64_MAX, m->category, error);
  if (status == LC_OK)
    status = asked_by(w, &m->from, &of_from, error);
  if (status == LC_OK)
    status = asked_by(w, &m->to, &of_to, error);
  if (status != LC_OK || of_from == 0 || of_to == 0)
    return status;
  return of_from < of_to ? withdraw(w, m, &m->from, of_to, 0, error) : withdraw(w, m, &m->to, of_from, 0, error);
}

static lc_status call_off(lc_writer *w, lc_move_company *m, const lc_company *company, lc_entry_status ended,
                          lc_error *error) {
  m->closed++;
  return lc_call_off(w, company, ended, m->why, error);
}

/* The newer of two scheduled entries stays. */
static lc_status move_schedule(lc_writer *w, lc_move_company *m, lc_error *error) {
  lc_schedule from, to = { 0 };
  lc_status status = LC_OK;
  int rc = lc_get_schedule(w->store, w->txn, &w->tenant, &m->from, &from);
  if (rc != 0 || from.entry == 0)
    return lc_writer_fail(w, rc, error);
  if (ends(m))
    return call_off(w, m, &m->from, LC_ENTRY_CANCELLED, error);
  rc = lc_get_schedule(w->store, w->txn, &w->tenant, &m->to, &to);
  if (rc == 0 && to.entry > from.entry)
    return call_off(w, m, &m->from, LC_ENTRY_SUPERSEDED, error);
  if (rc == 0 && to.entry != 0)
    status = call_off(w, m, &m->to, LC_ENTRY_SUPERSEDED, error);
  return status != LC_OK ? status : lc_writer_fail(w, rc != 0 ? rc : lc_move_schedule(w, &m->from, &m->to), error);
}

/* ---- the entries ----------------------------------------------------------------------------- */

/* What an entry of the company says afterwards. Notes go with the company, and keep what it was called before. */
static void change_entry(const lc_move_company *m, lc_entry *entry) {
  bool is_own = same(&entry->company, &m->from);
  if (m->fate == LC_FATE_FORGOTTEN && same(&entry->former, &m->from))
    entry->former = m->to;
  if (!is_own)
    return;
  if (m->fate == LC_FATE_MERGED && !lc_entry_is_note(entry) && entry->former.text.size == 0)
    entry->former = entry->company;
  entry->company = *heir(m);
  entry->is_gone |= ends(m);
}

/* Whether it stays as it is: it is of an earlier company with that id, or a note of one that was called so before. */
static bool stays(const lc_move_company *m, const lc_entry *entry) {
  return m->fate != LC_FATE_FORGOTTEN && (entry->is_gone || !same(&entry->company, &m->from));
}

/* A note is found by its former name still. */
static bool stays_listed(const lc_move_company *m, const lc_entry *entry) {
  return m->fate == LC_FATE_DELETED || (lc_entry_is_note(entry) && same(&entry->former, &m->from));
}

/* What a forgotten company was called before is its name, too. */
static int forget_old_name(const lc_writer *w, const lc_move_company *m, lc_entry *entry) {
  if (m->fate != LC_FATE_FORGOTTEN || entry->status != LC_ENTRY_RENAMED || !same(&entry->company, &m->from))
    return 0;
  int rc = lc_unlist_entry(w, &entry->former, entry->id);
  entry->former = m->to;
  return rc;
}

static lc_status move_entry(lc_writer *w, lc_move_company *m, uint64_t id, lc_error *error) {
  lc_entry entry;
  lc_status status = read_entry(w, id, &entry, error);
  if (status != LC_OK || stays(m, &entry))
    return status;
  int rc = forget_old_name(w, m, &entry);
  bool waits = entry.status == LC_ENTRY_QUEUED || entry.status == LC_ENTRY_HELD;
  bool is_over = waits && m->fate != LC_FATE_RENAMED;
  if (rc == 0 && is_over && entry.status == LC_ENTRY_HELD)
    rc = lc_unlist_held(w, &entry);
  if (is_over)
    cancel(m, &entry);
  change_entry(m, &entry);
  m->moved++;
  if (rc == 0)
    rc = is_over ? lc_put_ended(w, &entry) : lc_put_entry(w, &entry);
  if (rc == 0 && !stays_listed(m, &entry))
    rc = lc_unlist_entry(w, &m->from, id);
  return lc_writer_fail(w, rc != 0 || m->fate == LC_FATE_DELETED ? rc : lc_list_entry(w, heir(m), id), error);
}

/* One by one, since moving one moves what a cursor stands on. */
static lc_status move_entries(lc_writer *w, lc_move_company *m, lc_error *error) {
  const lc_key company = lc_key_of_company(&w->tenant, &m->from);
  lc_status status = LC_OK;
  MDB_val key, value;
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, lc_logs[w->log].by_company), &cursor);
  if (rc != 0)
    return lc_writer_fail(w, rc, error);
  lc_key next = company;
  lc_key_add_number(&next, 0);
  while (status == LC_OK && rc == 0) {
    key = lc_key_value(&next);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc != 0 || key.mv_size != next.size || !lc_key_is_prefix(&company, key))
      break;
    uint64_t id = lc_key_number(key);
    next = company;
    lc_key_add_number(&next, id + 1);
    status = move_entry(w, m, id, error);
  }
  mdb_cursor_close(cursor);
  return status != LC_OK ? status : lc_writer_fail(w, rc == MDB_NOTFOUND ? 0 : rc, error);
}

static lc_status move_both_logs(lc_writer *w, lc_move_company *m, lc_error *error) {
  lc_status status = move_entries(w, m, error);
  w->log = LC_LOG_UNCHANGED;
  if (status == LC_OK)
    status = move_entries(w, m, error);
  w->log = LC_LOG_JOURNAL;
  return status;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int put_note(lc_writer *w, lc_move_company *m) {
  lc_entry note = {
    .status = note_status[m->fate], .at = w->now, .company = *heir(m), .details = m->details, .is_gone = ends(m),
  };
  if (!ends(m))
    note.former = m->from;
  lc_number_entry(w, &note);
  m->entry = note.id;
  return lc_put_new_entry(w, &note);
}

static lc_status move_all(lc_writer *w, lc_move_company *m, const lc_claim *unfinished, lc_error *error) {
  lc_status status = unfinished != NULL ? move_change(w, m, unfinished, error) : LC_OK;
  if (status == LC_OK)
    status = move_question(w, m, error);
  if (status == LC_OK)
    status = move_schedule(w, m, error);
  if (status == LC_OK)
    status = move_both_logs(w, m, error);
  if (status == LC_OK && m->fate != LC_FATE_DELETED)
    status = lc_move_questions(w, &m->from, &m->to, error);
  if (status != LC_OK || (m->moved == 0 && !m->was_kept))
    return status;
  return lc_writer_fail(w, put_note(w, m), error);
}

lc_status lc_store_move(lc_store *store, lc_text tenant, lc_move_company *m, double now, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .idle = m->idle };
  lc_claim claim;
  bool unfinished;
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  m->result = LC_MOVED;
  m->was_kept = false;
  m->entry = m->moved = m->closed = 0;
  int rc = find_busy(&w, m, &unfinished, &claim);
  if (rc == 0 && m->result == LC_MOVED && m->keeps_companies)
    rc = move_record(&w, m);
  status = lc_writer_fail(&w, rc, error);
  if (status == LC_OK && m->result == LC_MOVED)
    status = move_all(&w, m, unfinished ? &claim : NULL, error);
  if (status == LC_OK && m->entry == 0) { /* nothing was changed */
    lc_drop_write(store, LC_PART_JOURNAL, w.txn);
    return LC_OK;
  }
  return lc_writer_end(&w, status, error);
}
