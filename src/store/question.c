/* Questions to users: asking, listing and closing them. */
#include <string.h>

#include "internal.h"
#include "rules/decide.h"
#include "store.h"

/* LC_TABLE_QUESTIONS lists each question once in each scope. */
typedef enum lc_scope { SCOPE_ALL, SCOPE_COMPANY, SCOPE_USER, SCOPES } lc_scope;

/* ---- keys -------------------------------------------------------------------------------- */

static lc_key key_of_scope(const lc_key *tenant, lc_scope scope, lc_text text) {
  lc_key key = *tenant;
  unsigned char byte = (unsigned char)scope;
  lc_key_add_bytes(&key, &byte, 1);
  lc_key_add_text(&key, text);
  return key;
}

static void add_state(lc_key *key, lc_question_state state) {
  unsigned char byte = (unsigned char)state;
  lc_key_add_bytes(key, &byte, 1);
}

static lc_key key_of_expiry(const lc_key *tenant, const lc_question *question) {
  return lc_key_of_due(tenant, lc_milliseconds(question->expires_at), question->entry);
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Adds the question to the list of its scope and state, or removes it. */
static int list_in_scope(const lc_writer *w, const lc_question *question, lc_scope scope, bool listed) {
  lc_text none = { NULL, 0 };
  lc_text text = scope == SCOPE_COMPANY ? question->company.text : scope == SCOPE_USER ? question->user : none;
  if (scope == SCOPE_USER && text.size == 0)
    return 0; /* the program itself asked */
  lc_key key = key_of_scope(&w->tenant, scope, text);
  add_state(&key, question->state);
  lc_key_add_number(&key, question->entry);
  return listed ? lc_put(w->store, w->txn, LC_TABLE_QUESTIONS, &key, question->id, sizeof question->id)
                : lc_delete(w->store, w->txn, LC_TABLE_QUESTIONS, &key);
}

static int list(const lc_writer *w, const lc_question *question, bool listed) {
  int rc = 0;
  for (int scope = 0; scope < SCOPES && rc == 0; scope++)
    rc = list_in_scope(w, question, (lc_scope)scope, listed);
  if (rc != 0 || question->state != LC_QUESTION_OPEN)
    return rc;
  lc_key key = key_of_expiry(&w->tenant, question);
  return listed ? lc_put(w->store, w->txn, LC_TABLE_EXPIRING, &key, question->id, sizeof question->id)
                : lc_delete(w->store, w->txn, LC_TABLE_EXPIRING, &key);
}

int lc_add_question(const lc_writer *w, const lc_question *question) {
  lc_key key = lc_key_of_question(&w->tenant, question->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, LC_TABLE_CONFIRMATIONS, &key, lc_question_size(question), &memory);
  if (rc == 0)
    lc_question_pack(question, memory);
  return rc != 0 ? rc : list(w, question, true);
}

int lc_put_question(const lc_writer *w, lc_question *question, const lc_entry *entry) {
  question->entry = entry->id;
  question->revision = entry->revision;
  question->trigger = entry->trigger;
  question->rule = entry->rule;
  question->lead_status = entry->lead_status;
  question->takes_back = entry->takes_back;
  question->from = entry->from;
  question->to = entry->to;
  question->company = entry->company;
  return lc_add_question(w, question);
}

lc_status lc_remove_question(const lc_writer *w, const lc_question *question, lc_error *error) {
  lc_key key = lc_key_of_question(&w->tenant, question->id);
  int rc = list(w, question, false);
  if (rc == 0)
    rc = lc_delete(w->store, w->txn, LC_TABLE_CONFIRMATIONS, &key);
  return lc_writer_fail(w, rc, error);
}

lc_status lc_read_question(const lc_writer *w, const uint8_t *id, lc_question *question, lc_error *error) {
  size_t at = w->store->result_size;
  lc_status status = lc_copy_more(w->store, w->txn, LC_TABLE_CONFIRMATIONS, lc_key_of_question(&w->tenant, id), error);
  return status != LC_OK ? status : lc_question_unpack(w->store->result + at, w->store->result_size - at, question, error);
}

bool lc_question_is_due(const lc_question *question, double now) {
  return question->expires_at <= now;
}

bool lc_question_expires(const lc_question *question, double now) {
  return question->on_expiry == LC_EXPIRES && lc_question_is_due(question, now);
}

/* The state of a question after an entry about it. */
static lc_question_state state_after(const lc_question *question, const lc_entry *entry) {
  switch (entry->status) {
    case LC_ENTRY_UPDATED:
      return entry->to == question->to ? LC_QUESTION_ACCEPTED : LC_QUESTION_CHANGED;
    case LC_ENTRY_CONFLICT:
      return LC_QUESTION_CONFLICT;
    case LC_ENTRY_DECLINED:
      return LC_QUESTION_DECLINED;
    case LC_ENTRY_EXPIRED:
      return LC_QUESTION_EXPIRED;
    case LC_ENTRY_SUPERSEDED:
      return LC_QUESTION_SUPERSEDED;
    case LC_ENTRY_FAILED: /* nor will what was to be done at its expiry */
      if (question->on_expiry != LC_EXPIRES && lc_question_is_due(question, entry->at))
        return LC_QUESTION_EXPIRED;
      return LC_QUESTION_OPEN;
    default: /* not applied, so it can be answered again */
      return LC_QUESTION_OPEN;
  }
}

lc_status lc_close_question(lc_writer *w, lc_question *question, const lc_entry *entry, double at, lc_error *error) {
  lc_question_state state = state_after(question, entry);
  if (state == LC_QUESTION_OPEN)
    return LC_OK;
  if (!lc_question_may_move(question->state, state))
    return lc_fail(error, LC_CORRUPT, "a question is %s and cannot become %s",
                   lc_question_state_names[question->state], lc_question_state_names[state]);
  int rc = list(w, question, false);
  question->state = state;
  question->resolved_at = at;
  question->category = entry->status == LC_ENTRY_UPDATED ? entry->to : 0;
  question->answer = entry->details;
  if (rc == 0)
    rc = lc_add_question(w, question);
  return lc_writer_fail(w, rc != 0 ? rc : lc_add_closed(w, entry), error);
}

int lc_replace_question(const lc_writer *w, const lc_question *before, const lc_question *question) {
  int rc = list(w, before, false);
  return rc != 0 ? rc : lc_add_question(w, question);
}

static lc_status move_question(const lc_writer *w, const uint8_t *id, const lc_company *to, lc_error *error) {
  lc_question question;
  lc_result_clear(w->store);
  lc_status status = lc_must_be_there(lc_read_question(w, id, &question, error), "a question", error);
  if (status != LC_OK)
    return status;
  lc_question moved = question;
  moved.company = *to;
  return lc_writer_fail(w, lc_replace_question(w, &question, &moved), error);
}

lc_status lc_move_questions(const lc_writer *w, const lc_company *from, const lc_company *to, lc_error *error) {
  const lc_key prefix = key_of_scope(&w->tenant, SCOPE_COMPANY, from->text);
  lc_status status = LC_OK;
  MDB_val key, id;
  int rc;
  while (status == LC_OK && (rc = lc_get_first(w->store, w->txn, LC_TABLE_QUESTIONS, &prefix, &key, &id)) != MDB_NOTFOUND) {
    if (rc != 0 || id.mv_size != LC_QUESTION_ID_SIZE)
      return lc_writer_fail(w, rc != 0 ? rc : MDB_CORRUPTED, error);
    status = move_question(w, id.mv_data, to, error); /* and takes it off this list */
  }
  return status;
}

/* Ends an unanswered question with an entry that has no other effect. */
static lc_status end_question(lc_writer *w, lc_question *question, lc_entry *ended, double at, lc_error *error) {
  lc_number_entry(w, ended);
  ended->revision = question->revision;
  ended->trigger = question->trigger;
  ended->rule = question->rule;
  ended->action = LC_CONFIRM;
  ended->lead_status = question->lead_status;
  ended->from = question->from;
  ended->to = question->to;
  ended->has_question = true;
  ended->company = question->company;
  memcpy(ended->question, question->id, sizeof ended->question);
  int rc = lc_put_new_entry(w, ended);
  return rc != 0 ? lc_writer_fail(w, rc, error) : lc_close_question(w, question, ended, at, error);
}

static lc_status expire(lc_writer *w, lc_question *question, lc_error *error) {
  lc_entry expired = { .status = LC_ENTRY_EXPIRED, .at = question->expires_at };
  return end_question(w, question, &expired, question->expires_at, error);
}

lc_status lc_withdraw_question(lc_writer *w, lc_question *question, double at, lc_text details, lc_text why, lc_error *error) {
  lc_entry ended = { .status = LC_ENTRY_SUPERSEDED, .at = at, .details = details, .error = why };
  return lc_question_expires(question, w->now) ? expire(w, question, error) : end_question(w, question, &ended, w->now, error);
}

lc_status lc_find_open_question(const lc_writer *w, lc_text company, bool *found, lc_question *question, lc_error *error) {
  lc_key prefix = key_of_scope(&w->tenant, SCOPE_COMPANY, company);
  MDB_val key, id;
  add_state(&prefix, LC_QUESTION_OPEN);
  int rc = lc_get_last(w->store, w->txn, LC_TABLE_QUESTIONS, &prefix, &key, &id);
  *found = rc == 0;
  if (rc == MDB_NOTFOUND)
    return LC_OK;
  if (rc != 0 || id.mv_size != LC_QUESTION_ID_SIZE)
    return lc_writer_fail(w, rc != 0 ? rc : MDB_CORRUPTED, error);
  lc_result_clear(w->store);
  return lc_must_be_there(lc_read_question(w, id.mv_data, question, error), "a question", error);
}

lc_status lc_find_sales_question(const lc_writer *w, lc_text company, lc_text sale, bool *found, lc_error *error) {
  lc_question question;
  lc_status status = lc_find_open_question(w, company, found, &question, error);
  *found = status == LC_OK && *found && lc_is_of_sale(question.body, sale);
  return status;
}

lc_status lc_supersede(lc_writer *w, const lc_entry *newer, lc_error *error) {
  lc_question question;
  bool found;
  lc_status status = lc_find_open_question(w, newer->company.text, &found, &question, error);
  if (status != LC_OK || !found)
    return status;
  return lc_withdraw_question(w, &question, newer->at, newer->details, (lc_text){ NULL, 0 }, error);
}

/* ---- assigning --------------------------------------------------------------------------- */

static bool is_same(lc_text a, lc_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static lc_status assign(lc_writer *w, const uint8_t *id, const lc_assignment *assignment, lc_error *error) {
  lc_question question;
  lc_result_clear(w->store);
  lc_status status = lc_read_question(w, id, &question, error);
  if (status != LC_OK)
    return status;
  bool same = is_same(question.company.text, assignment->company) && is_same(question.body, assignment->before);
  if (question.state != LC_QUESTION_OPEN || !same)
    return lc_fail(error, LC_CONFLICT, "the question has changed");
  lc_question assigned = question;
  assigned.body = assignment->body;
  assigned.user = assignment->user;
  int rc = lc_replace_question(w, &question, &assigned);
  return lc_writer_fail(w, rc != 0 ? rc : lc_add_assigned(w, question.entry), error);
}

lc_status lc_store_assign(lc_store *store, lc_text tenant, const uint8_t *id, const lc_assignment *assignment, double now, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now };
  lc_status status = lc_writer_begin(&w, error);
  return status != LC_OK ? status : lc_writer_end(&w, assign(&w, id, assignment, error), error);
}

/* ---- expiring ---------------------------------------------------------------------------- */

enum { MOST_EXPIRED = 256 }; /* in a transaction, so that other writers wait only briefly */

typedef struct due_list {
  lc_key tenant;
  double now;
  size_t count;
  uint8_t ids[MOST_EXPIRED][LC_QUESTION_ID_SIZE];
} due_list;

/* Whether the question expires now, without effect. If its company has an unfinished entry, it was answered in time. */
static lc_status may_expire(lc_store *store, MDB_txn *txn, const lc_key *tenant, const uint8_t *id, double now, bool *may,
                            lc_error *error) {
  lc_key key = lc_key_of_question(tenant, id);
  lc_question question = { 0 };
  MDB_val value;
  *may = false;
  int rc = lc_get(store, txn, LC_TABLE_CONFIRMATIONS, &key, &value);
  if (rc == MDB_NOTFOUND)
    return LC_OK; /* removed after it was listed */
  lc_status status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read a question", error);
  if (status == LC_OK)
    status = lc_question_unpack(value.mv_data, value.mv_size, &question, error);
  if (status != LC_OK || question.state != LC_QUESTION_OPEN || !lc_question_expires(&question, now))
    return status;
  key = lc_key_of_company(tenant, &question.company);
  rc = lc_get(store, txn, LC_TABLE_APPLYING, &key, &value);
  *may = rc == MDB_NOTFOUND;
  return *may ? LC_OK : lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read a claim", error);
}

static lc_status list_due(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  due_list *due = request;
  MDB_val key = lc_key_value(&due->tenant), id;
  lc_status status = LC_OK;
  bool may;
  int rc = mdb_cursor_get(cursor, &key, &id, MDB_SET_RANGE);
  for (; rc == 0 && status == LC_OK && due->count < MOST_EXPIRED; rc = mdb_cursor_get(cursor, &key, &id, MDB_NEXT)) {
    if (!lc_is_overdue(&due->tenant, key, due->now))
      break;
    if (id.mv_size != sizeof due->ids[0])
      continue; /* what is scheduled, and drafts */
    status = may_expire(store, mdb_cursor_txn(cursor), &due->tenant, id.mv_data, due->now, &may, error);
    if (status == LC_OK && may)
      memcpy(due->ids[due->count++], id.mv_data, id.mv_size);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

static lc_status expire_one(lc_writer *w, const uint8_t *id, size_t *expired, lc_error *error) {
  lc_question question;
  bool may;
  lc_status status = may_expire(w->store, w->txn, &w->tenant, id, w->now, &may, error);
  if (status != LC_OK || !may)
    return status;
  lc_result_clear(w->store);
  status = lc_read_question(w, id, &question, error);
  if (status != LC_OK)
    return status;
  (*expired)++;
  return expire(w, &question, error);
}

lc_status lc_store_expire(lc_store *store, lc_text tenant, double now, size_t *expired, bool *more, lc_error *error) {
  due_list due = { .tenant = lc_key_of(tenant), .now = now };
  lc_writer w = { .store = store, .tenant = due.tenant, .now = now };
  *expired = 0;
  lc_status status = lc_scan(store, LC_PART_JOURNAL, LC_TABLE_EXPIRING, list_due, &due, error);
  *more = due.count == MOST_EXPIRED;
  if (status != LC_OK || due.count == 0 || (status = lc_writer_begin(&w, error)) != LC_OK)
    return status;
  for (size_t i = 0; i < due.count && status == LC_OK; i++)
    status = expire_one(&w, due.ids[i], expired, error);
  return lc_writer_end(&w, status, error);
}

typedef struct ahead {
  lc_key tenant, from;
  double until;
  size_t left;
} ahead;

static lc_status add_ahead(lc_store *store, MDB_txn *txn, const ahead *a, const uint8_t *id, lc_error *error) {
  lc_key key = lc_key_of_question(&a->tenant, id);
  MDB_val value;
  int rc = lc_get(store, txn, LC_TABLE_CONFIRMATIONS, &key, &value);
  if (rc != 0)
    return lc_store_fail(store, LC_PART_JOURNAL, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc, "cannot read a question", error);
  return lc_result_add(store, lc_text_of(value), (lc_text){ NULL, 0 }, error);
}

static lc_status list_ahead(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  ahead *a = request;
  MDB_val key = lc_key_value(&a->from), id;
  lc_status status = LC_OK;
  int rc = mdb_cursor_get(cursor, &key, &id, MDB_SET_RANGE);
  for (; rc == 0 && status == LC_OK && a->left > 0; rc = mdb_cursor_get(cursor, &key, &id, MDB_NEXT)) {
    if (!lc_is_overdue(&a->tenant, key, a->until))
      break;
    if (id.mv_size != LC_QUESTION_ID_SIZE)
      continue; /* what is scheduled, and drafts */
    a->left--;
    status = add_ahead(store, mdb_cursor_txn(cursor), a, id.mv_data, error);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_expiring(lc_store *store, lc_text tenant, uint64_t after, uint64_t entry, double until, size_t limit,
                            lc_error *error) {
  ahead a = { .tenant = lc_key_of(tenant), .until = until, .left = limit };
  a.from = lc_key_of_due(&a.tenant, after, entry + 1);
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_EXPIRING, list_ahead, &a, error);
}

/* ---- reading ----------------------------------------------------------------------------- */

lc_status lc_store_question(lc_store *store, lc_text tenant, const uint8_t *id, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  return lc_read_one(store, LC_TABLE_CONFIRMATIONS, lc_key_of_question(&key, id), error);
}

/* Which questions a list holds, and how far it has come. */
typedef struct page {
  const lc_query *query;
  unsigned states; /* to look through */
  lc_key tenant, prefix;
  uint64_t bound; /* older entries are still to come */
  size_t left;
  bool counting; /* copy nothing out */
} page;

/* Moves to the newest question below the bound in any of the states. */
static int seek_newest(MDB_cursor *cursor, page *p, lc_key *id) {
  uint64_t newest = 0;
  for (int state = 0; state < LC_QUESTION_STATES; state++) {
    lc_key prefix = p->prefix;
    MDB_val key, value;
    if ((p->states & 1U << state) == 0)
      continue;
    add_state(&prefix, (lc_question_state)state);
    int rc = lc_seek_before(cursor, &prefix, p->bound, &key, &value);
    if (rc != 0 && rc != MDB_NOTFOUND)
      return rc;
    if (rc == MDB_NOTFOUND || lc_key_number(key) < newest)
      continue;
    if (value.mv_size != LC_QUESTION_ID_SIZE)
      return MDB_CORRUPTED;
    newest = lc_key_number(key);
    *id = lc_key_of_question(&p->tenant, value.mv_data);
  }
  p->bound = newest;
  return newest != 0 ? 0 : MDB_NOTFOUND;
}

static bool is_wanted(const lc_query *query, const lc_question *question) {
  bool overdue = query->unswept && question->state == LC_QUESTION_OPEN && lc_question_expires(question, query->now);
  lc_question_state state = overdue ? LC_QUESTION_EXPIRED : question->state;
  return (query->states & 1U << state) != 0
      && (query->user.size == 0 || (query->user.size == question->user.size
                                    && memcmp(query->user.data, question->user.data, query->user.size) == 0));
}

static lc_status list_page(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  lc_status status = LC_OK;
  lc_question question;
  lc_key id;
  MDB_val value;
  int rc = 0;
  while (p->left > 0 && (rc = seek_newest(cursor, p, &id)) == 0) {
    rc = lc_get(store, mdb_cursor_txn(cursor), LC_TABLE_CONFIRMATIONS, &id, &value);
    if (rc != 0)
      return lc_store_fail(store, LC_PART_JOURNAL, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc, "cannot read a question", error);
    status = lc_question_unpack(value.mv_data, value.mv_size, &question, error);
    if (status == LC_OK && is_wanted(p->query, &question)) {
      p->left--;
      status = p->counting ? LC_OK : lc_result_add(store, lc_text_of(value), (lc_text){ NULL, 0 }, error);
    }
    if (status != LC_OK)
      return status;
  }
  return lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

static page page_of(lc_text tenant, const lc_query *query) {
  lc_scope scope = query->company.size != 0 ? SCOPE_COMPANY : query->user.size != 0 ? SCOPE_USER : SCOPE_ALL;
  page p = { .query = query, .states = query->states, .tenant = lc_key_of(tenant), .left = query->limit };
  if (query->unswept && (query->states & 1U << LC_QUESTION_EXPIRED) != 0)
    p.states |= 1U << LC_QUESTION_OPEN;
  p.bound = query->after != 0 ? query->after : UINT64_MAX;
  p.prefix = key_of_scope(&p.tenant, scope, scope == SCOPE_COMPANY ? query->company : query->user);
  return p;
}

lc_status lc_store_questions(lc_store *store, lc_text tenant, const lc_query *query, lc_error *error) {
  page p = page_of(tenant, query);
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_QUESTIONS, list_page, &p, error);
}

lc_status lc_store_count_questions(lc_store *store, lc_text tenant, const lc_query *query, size_t *count, lc_error *error) {
  page p = page_of(tenant, query);
  p.counting = true;
  lc_status status = lc_scan(store, LC_PART_JOURNAL, LC_TABLE_QUESTIONS, list_page, &p, error);
  *count = query->limit - p.left;
  return status;
}
