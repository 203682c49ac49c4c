/* Counting by day: the counters that a transaction adds to, those that retention leaves, and those of an older store. */
#include <string.h>

#include "internal.h"
#include "store.h"

enum {
  KEPT_DAYS = 1096,   /* three years of counters */
  MOST_REMOVED = 1024 /* of them in one transaction */
};

/* ---- keys ------------------------------------------------------------------------------------ */

lc_key lc_key_of_day(const lc_key *tenant, uint32_t day) {
  const unsigned char bytes[4] = { (unsigned char)(day >> 24), (unsigned char)(day >> 16), (unsigned char)(day >> 8),
                                   (unsigned char)day };
  lc_key key = *tenant;
  lc_key_add_bytes(&key, bytes, sizeof bytes);
  return key;
}

static lc_key key_of_head(const lc_key *tenant) {
  return lc_key_of_day(tenant, 0);
}

bool lc_is_daily(const lc_key *tenant, MDB_val key) {
  return lc_key_is_prefix(tenant, key) && key.mv_size == tenant->size + LC_DAILY_SIZE;
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

int lc_read_daily_head(const lc_writer *w, lc_daily_head *head) {
  lc_key key = key_of_head(&w->tenant);
  *head = (lc_daily_head){ .since = 0 };
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_DAILY, &key, head, sizeof *head);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_put_daily_head(const lc_writer *w, const lc_daily_head *head) {
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

int lc_gather(lc_writer *w, const lc_daily *daily, int more) {
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
  int rc = w->last.recounts == 0 ? 0 : lc_read_daily_head(w, &head);
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
  return rc != 0 || ahead ? rc : lc_gather(w, &daily, more);
}

/* ---- retention ------------------------------------------------------------------------------- */

int lc_count_removed(lc_writer *w, const lc_entry *entry) {
  lc_daily_head head;
  lc_daily daily;
  bool counts, changed;
  int rc = lc_count_as(w->store, w->txn, &w->tenant, entry, &daily, &counts);
  if (rc != 0 || !counts || daily.day <= w->days_noted)
    return rc;
  rc = lc_read_daily_head(w, &head);
  if (rc == 0 && head.counting != LC_DAILY_DONE && entry->id > head.place && daily.day > head.behind)
    rc = lc_gather(w, &daily, 1); /* it will not be there when its turn comes */
  changed = daily.day > head.removed;
  head.removed = changed ? daily.day : head.removed;
  if (rc == 0 && head.counting == LC_DAILY_DONE)
    w->days_noted = head.removed;
  return rc != 0 || !changed ? rc : lc_put_daily_head(w, &head);
}

int lc_remove_days(const lc_writer *w, uint32_t from, uint32_t before, int most, int *removed) {
  lc_key first = lc_key_of_day(&w->tenant, from), last = lc_key_of_day(&w->tenant, before);
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
  return today <= KEPT_DAYS ? 0 : lc_remove_days(w, 1, today - KEPT_DAYS, MOST_REMOVED, &removed);
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
