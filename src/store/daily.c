#define _GNU_SOURCE
#include "daily.h"

#include <string.h>

#include "internal.h"
#include "rules/decide.h"
#include "rules/details.h"
#include "store.h"

enum {
  STEP = 4096,       /* records that counting anew looks at in one transaction, so that other writers wait only briefly */
  KEPT_DAYS = 1096,  /* three years of counters */
  MOST_REMOVED = 1024 /* of them in one transaction */
};

const char *const lc_daily_kind_names[LC_DAILY_KINDS] = {
  [LC_DAILY_AUTOMATIC] = "automatic", [LC_DAILY_CHOSEN] = "chosen", [LC_DAILY_KEPT] = "kept", [LC_DAILY_ASKED] = "asked",
  [LC_DAILY_ACCEPTED] = "accepted", [LC_DAILY_CHANGED] = "changed", [LC_DAILY_DECLINED] = "declined",
  [LC_DAILY_EXPIRED] = "expired", [LC_DAILY_SUPERSEDED] = "superseded", [LC_DAILY_ANSWER_CONFLICT] = "answer_conflict",
  [LC_DAILY_ANSWER_FAILED] = "answer_failed", [LC_DAILY_CONFLICT] = "conflict", [LC_DAILY_FAILED] = "failed",
  [LC_DAILY_DROPPED] = "dropped", [LC_DAILY_UNDONE] = "undone",
};

const char *const lc_daily_step_names[LC_DAILY_STEPS] = {
  [LC_DAILY_DONE] = "done", [LC_DAILY_CLEARING] = "clearing", [LC_DAILY_COUNTING] = "counting",
};

/* ---- keys ------------------------------------------------------------------------------------ */

static unsigned char *add(unsigned char *at, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8)
    *at++ = (unsigned char)(number >> shift);
  return at;
}

static const unsigned char *take(const unsigned char *at, uint32_t *number) {
  *number = 0;
  for (int i = 0; i < 4; i++)
    *number = *number << 8 | *at++;
  return at;
}

void lc_daily_pack(const lc_daily *daily, unsigned char packed[LC_DAILY_SIZE]) {
  unsigned char *at = add(packed, daily->day);
  *at++ = daily->kind;
  *at++ = daily->trigger;
  at = add(at, (uint32_t)daily->lead_status);
  at = add(at, (uint32_t)daily->rule);
  at = add(at, (uint32_t)daily->from);
  add(at, (uint32_t)daily->to);
}

lc_daily lc_daily_unpack(const unsigned char packed[LC_DAILY_SIZE]) {
  lc_daily daily;
  uint32_t numbers[4];
  const unsigned char *at = take(packed, &daily.day);
  daily.kind = *at++;
  daily.trigger = *at++;
  for (int i = 0; i < 4; i++)
    at = take(at, &numbers[i]);
  daily.lead_status = (int32_t)numbers[0];
  daily.rule = (int32_t)numbers[1];
  daily.from = (int32_t)numbers[2];
  daily.to = (int32_t)numbers[3];
  return daily;
}

static lc_key key_of_day(const lc_key *tenant, uint32_t day) {
  unsigned char bytes[4];
  lc_key key = *tenant;
  add(bytes, day);
  lc_key_add_bytes(&key, bytes, sizeof bytes);
  return key;
}

static lc_key key_of_head(const lc_key *tenant) {
  return key_of_day(tenant, 0);
}

bool lc_is_daily(const lc_key *tenant, MDB_val key) {
  return lc_key_is_prefix(tenant, key) && key.mv_size == tenant->size + LC_DAILY_SIZE;
}

/* ---- what an entry counts as ----------------------------------------------------------------- */

/* A clock that is wrong gives the first or the last day. */
uint32_t lc_day_of(double seconds) {
  double days = seconds / 86400;
  return !(days >= 1) ? 1 : days < UINT32_MAX ? (uint32_t)days : UINT32_MAX;
}

static int kind_of_answer(const lc_entry *entry, int32_t proposed) {
  switch (entry->status) {
    case LC_ENTRY_UPDATED:
      return proposed == 0 || entry->to == proposed ? LC_DAILY_ACCEPTED : LC_DAILY_CHANGED;
    case LC_ENTRY_DECLINED:
      return LC_DAILY_DECLINED;
    case LC_ENTRY_EXPIRED:
      return LC_DAILY_EXPIRED;
    case LC_ENTRY_SUPERSEDED:
      return LC_DAILY_SUPERSEDED;
    case LC_ENTRY_CONFLICT:
      return LC_DAILY_ANSWER_CONFLICT;
    case LC_ENTRY_FAILED:
      return LC_DAILY_ANSWER_FAILED;
    default:
      return -1;
  }
}

/* An undo that has changed nothing says nothing about its rule. */
static int kind_of_change(const lc_entry *entry) {
  bool undoes = entry->event_id.size == 0 && lc_details_undoes(entry->details), updated = entry->status == LC_ENTRY_UPDATED;
  if (undoes)
    return updated ? LC_DAILY_UNDONE : -1;
  if (!updated)
    return entry->status == LC_ENTRY_CONFLICT ? LC_DAILY_CONFLICT : LC_DAILY_FAILED;
  return entry->action == LC_CONFIRM ? LC_DAILY_CHOSEN : LC_DAILY_AUTOMATIC;
}

static int kind_of(const lc_entry *entry, int32_t proposed) {
  if (entry->status == LC_ENTRY_AWAITING)
    return LC_DAILY_ASKED;
  if (entry->has_question)
    return kind_of_answer(entry, proposed);
  switch (entry->status) {
    case LC_ENTRY_UPDATED: case LC_ENTRY_CONFLICT: case LC_ENTRY_FAILED:
      return kind_of_change(entry);
    case LC_ENTRY_DECLINED:
      return LC_DAILY_KEPT;
    case LC_ENTRY_DROPPED:
      return entry->link == LC_LINK_DUE ? LC_DAILY_DROPPED : -1;
    default:
      return -1;
  }
}

bool lc_daily_of(const lc_entry *entry, int32_t proposed, lc_daily *daily) {
  int kind = kind_of(entry, proposed);
  *daily = (lc_daily){
    .day = lc_day_of(entry->written), .kind = (uint8_t)kind, .trigger = entry->trigger, .lead_status = entry->lead_status,
    .rule = entry->rule, .from = entry->from, .to = entry->to,
  };
  return kind >= 0;
}

/* Only of a changed category the question tells whether it is the proposed one. Retention removes questions. */
int lc_count_as(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_entry *entry, lc_daily *daily, bool *counts) {
  lc_question question = { .to = 0 };
  MDB_val value;
  int rc = 0;
  if (entry->has_question && entry->status == LC_ENTRY_UPDATED) {
    lc_key key = lc_key_of_question(tenant, entry->question);
    rc = lc_get(store, txn, LC_TABLE_CONFIRMATIONS, &key, &value);
    if (rc == 0 && lc_question_unpack(value.mv_data, value.mv_size, &question, NULL) != LC_OK)
      rc = MDB_CORRUPTED;
  }
  *counts = lc_daily_of(entry, question.to, daily);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- counting -------------------------------------------------------------------------------- */

static int read_head(const lc_writer *w, lc_daily_head *head) {
  lc_key key = key_of_head(&w->tenant);
  *head = (lc_daily_head){ .since = 0 };
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_DAILY, &key, head, sizeof *head);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_head(const lc_writer *w, const lc_daily_head *head) {
  lc_key key = key_of_head(&w->tenant);
  return lc_put(w->store, w->txn, LC_TABLE_DAILY, &key, head, sizeof *head);
}

/* What was counted less than it is taken back was counted before the counters began. */
static int add_to(MDB_cursor *counters, lc_key *key, int64_t more) {
  uint64_t count = 0;
  MDB_val k = lc_key_value(key), value;
  int rc = mdb_cursor_get(counters, &k, &value, MDB_SET);
  if (rc == 0 && value.mv_size != sizeof count)
    rc = MDB_CORRUPTED;
  if (rc != 0 && rc != MDB_NOTFOUND)
    return rc;
  if (rc == 0)
    memcpy(&count, value.mv_data, sizeof count);
  if (more < 0 && (uint64_t)-more >= count)
    return rc == MDB_NOTFOUND ? 0 : mdb_cursor_del(counters, 0);
  count += (uint64_t)more;
  value = (MDB_val){ sizeof count, &count };
  return mdb_cursor_put(counters, &k, &value, rc == 0 ? MDB_CURRENT : 0);
}

/* Each counter is looked for once: the cursor stays where it has found it. */
static int put_gathered(lc_writer *w) {
  MDB_cursor *counters;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_DAILY), &counters);
  if (rc != 0)
    return rc;
  for (size_t i = 0; i < w->counted && rc == 0; i++) {
    lc_key key = w->tenant;
    lc_key_add_bytes(&key, w->counts[i].packed, LC_DAILY_SIZE);
    rc = w->counts[i].more == 0 ? 0 : add_to(counters, &key, w->counts[i].more);
  }
  mdb_cursor_close(counters);
  return rc;
}

int lc_put_counts(lc_writer *w) {
  int rc = w->counted == 0 ? 0 : put_gathered(w);
  w->counted = 0;
  return rc;
}

static int gather(lc_writer *w, const lc_daily *daily, int more) {
  unsigned char packed[LC_DAILY_SIZE];
  int rc = 0;
  lc_daily_pack(daily, packed);
  for (size_t i = 0; i < w->counted; i++)
    if (memcmp(w->counts[i].packed, packed, sizeof packed) == 0) {
      w->counts[i].more += more;
      return 0;
    }
  if (w->counted == LC_GATHERED)
    rc = lc_put_counts(w);
  lc_counted *counted = &w->counts[w->counted++];
  memcpy(counted->packed, packed, sizeof packed);
  counted->more = more;
  return rc;
}

/* In a world in memory each is a record of its own (scratch.h): a shared store counts what is written, company by company. */
static int put_scratch(const lc_writer *w, const lc_entry *entry, const lc_daily *daily, int more) {
  unsigned char value[LC_DAILY_SIZE + 1 + LC_COMPANY_MAX];
  lc_key key = lc_key_of_entry(&w->tenant, entry->id);
  lc_daily_pack(daily, value);
  value[LC_DAILY_SIZE] = (unsigned char)(more > 0);
  lc_key_add_bytes(&key, value, LC_DAILY_SIZE + 1);
  memcpy(value + LC_DAILY_SIZE + 1, entry->company.text.data, entry->company.text.size);
  return lc_put(w->store, w->txn, LC_TABLE_DAILY, &key, value, LC_DAILY_SIZE + 1 + entry->company.text.size);
}

/* Whether counting anew has not come to the entry yet, and will count it. */
static int is_ahead(const lc_writer *w, const lc_entry *entry, bool *ahead) {
  lc_daily_head head = { .counting = LC_DAILY_DONE };
  int rc = w->last.recounts == 0 ? 0 : read_head(w, &head);
  *ahead = rc == 0 && head.counting != LC_DAILY_DONE && entry->id > head.place;
  return rc;
}

int lc_count(lc_writer *w, const lc_entry *entry, int more) {
  lc_daily daily;
  bool counts, ahead = false;
  int rc = lc_count_as(w->store, w->txn, &w->tenant, entry, &daily, &counts);
  if (rc != 0 || !counts)
    return rc;
  if (w->store->scratch != NULL)
    return put_scratch(w, entry, &daily, more);
  rc = is_ahead(w, entry, &ahead);
  return rc != 0 || ahead ? rc : gather(w, &daily, more);
}

/* ---- retention ------------------------------------------------------------------------------- */

int lc_count_removed(lc_writer *w, const lc_entry *entry) {
  lc_daily_head head;
  lc_daily daily;
  bool counts, changed = false;
  int rc = read_head(w, &head);
  if (rc == 0)
    rc = lc_count_as(w->store, w->txn, &w->tenant, entry, &daily, &counts);
  if (rc != 0 || !counts)
    return rc;
  if (head.counting != LC_DAILY_DONE && entry->id > head.place && daily.day > head.behind)
    rc = gather(w, &daily, 1); /* it will not be there when its turn comes */
  changed = daily.day > head.removed;
  head.removed = changed ? daily.day : head.removed;
  return rc != 0 || !changed ? rc : put_head(w, &head);
}

/* Removes counters of the days from one on to before another; up to `most`. */
static int remove_days(const lc_writer *w, uint32_t from, uint32_t before, int most, int *removed) {
  lc_key first = key_of_day(&w->tenant, from), last = key_of_day(&w->tenant, before);
  MDB_val key = lc_key_value(&first), value;
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_DAILY), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (*removed = 0; rc == 0 && *removed < most && lc_is_daily(&w->tenant, key); ++*removed) {
    if (before != UINT32_MAX && memcmp(key.mv_data, last.bytes, last.size) >= 0)
      break;
    rc = mdb_cursor_del(cursor, 0);
    if (rc == 0) {
      key = lc_key_value(&first);
      rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    }
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_remove_old_counts(const lc_writer *w, double now) {
  uint32_t today = lc_day_of(now);
  int removed;
  return today <= KEPT_DAYS ? 0 : remove_days(w, 1, today - KEPT_DAYS, MOST_REMOVED, &removed);
}

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
  int rc = remove_days(w, head->behind + 1, UINT32_MAX, STEP, &removed);
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
  return rc != 0 || !counts || daily.day <= head->behind ? rc : gather(w, &daily, 1);
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
  return rc != 0 ? rc : put_head(w, head);
}

lc_status lc_store_recount(lc_store *store, lc_text tenant, lc_daily_head *head, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant) };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = read_head(&w, head);
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
  lc_key from = key_of_day(&p->tenant, p->since != 0 ? p->since : 1);
  lc_status status = LC_OK;
  int rc = read_head(&reader, p->head);
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

/* ---- a store of an older leadcat ------------------------------------------------------------- */

static int begin_tenant(lc_env *env, MDB_txn *txn, const lc_key *tenant, uint32_t since) {
  const lc_daily_head head = { .since = since };
  lc_key key = key_of_head(tenant);
  MDB_val k = lc_key_value(&key), value = { sizeof head, (void *)(uintptr_t)&head };
  return mdb_put(txn, lc_env_table(env, LC_TABLE_DAILY), &k, &value, 0);
}

int lc_begin_counting(lc_env *env, MDB_txn *txn, uint64_t last) {
  lc_key behind = { .size = 0 };
  MDB_cursor *cursor;
  MDB_val key, value;
  int rc = mdb_cursor_open(txn, lc_env_table(env, LC_TABLE_JOURNAL), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  while (rc == 0) {
    size_t size = 1 + (size_t)*(unsigned char *)key.mv_data;
    if (size > 1 + LC_TENANT_MAX || size > key.mv_size)
      break; /* damaged: it stays, to be reported */
    const lc_key tenant = lc_key_of((lc_text){ (char *)key.mv_data + 1, size - 1 });
    rc = begin_tenant(env, txn, &tenant, lc_day_of((double)last / 1000) + 1);
    behind = lc_key_of_entry(&tenant, UINT64_MAX);
    key = lc_key_value(&behind);
    if (rc == 0)
      rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}
