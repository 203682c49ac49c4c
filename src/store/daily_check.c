/* Whether the counters by day are the sum over the journal: counts all of it in memory, tenant by tenant. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "rules/checksum.h"
#include "store.h"

typedef struct slot {
  unsigned char packed[LC_DAILY_SIZE];
  bool is_used;
  int64_t left; /* counted in the journal, less the counter */
} slot;

/* A table with open addressing; at most half of it is used. */
typedef struct sums {
  lc_store store;   /* only with its environment */
  MDB_txn *txn;
  lc_key tenant;
  lc_daily_head head;
  slot *slots;
  size_t size, used;
  bool failed;      /* out of memory, or the journal is damaged: which is reported elsewhere */
} sums;

static slot *find(const sums *s, const unsigned char packed[LC_DAILY_SIZE]) {
  size_t at = (size_t)lc_checksum(LC_CHECKSUM_START, packed, LC_DAILY_SIZE) & (s->size - 1);
  while (s->slots[at].is_used && memcmp(s->slots[at].packed, packed, LC_DAILY_SIZE) != 0)
    at = (at + 1) & (s->size - 1);
  return &s->slots[at];
}

static bool grow(sums *s) {
  sums larger = *s;
  larger.size = s->size == 0 ? 1024 : s->size * 2;
  larger.slots = calloc(larger.size, sizeof *larger.slots);
  if (larger.slots == NULL)
    return false;
  for (size_t i = 0; i < s->size; i++)
    if (s->slots[i].is_used)
      *find(&larger, s->slots[i].packed) = s->slots[i];
  free(s->slots);
  *s = larger;
  return true;
}

/* Whether the day is counted whole, and all its entries are there. */
static bool is_whole(const sums *s, uint32_t day) {
  return s->head.counting == LC_DAILY_DONE && day >= s->head.since && day > s->head.removed;
}

/* Where the question is gone nobody knows whether an answer was the proposal. */
static void add(sums *s, lc_daily daily, int64_t more) {
  unsigned char packed[LC_DAILY_SIZE];
  if (!is_whole(s, daily.day))
    return;
  if (daily.kind == LC_DAILY_CHANGED)
    daily.kind = LC_DAILY_ACCEPTED;
  lc_daily_pack(&daily, packed);
  if (s->used * 2 >= s->size && !grow(s)) {
    s->failed = true;
    return;
  }
  slot *found = find(s, packed);
  if (!found->is_used) {
    memcpy(found->packed, packed, sizeof packed);
    found->is_used = true;
    s->used++;
  }
  found->left += more;
}

static void add_entry(sums *s, MDB_val key, MDB_val value) {
  lc_entry entry;
  lc_daily daily;
  bool counts = false;
  if (lc_unpack_entry(lc_text_of(value), lc_key_number(key), &entry, NULL) != LC_OK
      || lc_count_as(&s->store, s->txn, &s->tenant, &entry, &daily, &counts) != 0)
    s->failed = true;
  else if (counts)
    add(s, daily, 1);
}

static void add_counter(sums *s, MDB_val key, MDB_val value) {
  uint64_t count;
  if (!lc_is_daily(&s->tenant, key))
    return; /* the head */
  memcpy(&count, value.mv_data, sizeof count);
  add(s, lc_daily_unpack((const unsigned char *)key.mv_data + s->tenant.size), -(int64_t)count);
}

/* Goes through the tenant's records in a table. */
static int each(sums *s, lc_table table, void visit(sums *, MDB_val, MDB_val)) {
  lc_key from = s->tenant;
  MDB_val key = lc_key_value(&from), value;
  MDB_cursor *cursor;
  int rc = mdb_cursor_open(s->txn, lc_env_table(s->store.env, table), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (; rc == 0 && !s->failed && lc_key_is_prefix(&s->tenant, key); rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
    visit(s, key, value);
  mdb_cursor_close(cursor);
  return rc;
}

static bool is_sound(sums *s) {
  lc_key key = s->tenant;
  static const unsigned char day[4] = { 0 };
  lc_key_add_bytes(&key, day, sizeof day);
  s->head = (lc_daily_head){ .since = 0 };
  lc_get_record(&s->store, s->txn, LC_TABLE_DAILY, &key, &s->head, sizeof s->head);
  each(s, LC_TABLE_JOURNAL, add_entry);
  each(s, LC_TABLE_DAILY, add_counter);
  bool sound = true;
  for (size_t i = 0; i < s->size; i++)
    sound = sound && (!s->slots[i].is_used || s->slots[i].left == 0);
  return sound || s->failed;
}

/* The first tenant behind the key that has records in the table. False: there is none. */
static bool next_tenant(MDB_txn *txn, MDB_dbi table, lc_key behind, lc_key *tenant) {
  MDB_cursor *cursor;
  MDB_val key = lc_key_value(&behind), value;
  if (mdb_cursor_open(txn, table, &cursor) != 0)
    return false;
  int rc = mdb_cursor_get(cursor, &key, &value, behind.size == 0 ? MDB_FIRST : MDB_SET_RANGE);
  size_t size = rc == 0 ? (unsigned char)*(char *)key.mv_data : 0;
  bool found = rc == 0 && size <= LC_TENANT_MAX && key.mv_size > size;
  if (found)
    *tenant = lc_key_of((lc_text){ (char *)key.mv_data + 1, size });
  mdb_cursor_close(cursor);
  return found;
}

static bool comes_before(const lc_key *a, const lc_key *b) {
  int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
  return order < 0 || (order == 0 && a->size < b->size);
}

void lc_check_counts(lc_env *env, MDB_txn *txn, lc_report *report, void *context) {
  const lc_table tables[] = { LC_TABLE_JOURNAL, LC_TABLE_DAILY };
  lc_key behind = { .size = 0 };
  bool found = true;
  while (found) {
    sums s = { .store = { .env = env }, .txn = txn };
    found = false;
    for (size_t i = 0; i < 2; i++) {
      lc_key tenant;
      if (next_tenant(txn, lc_env_table(env, tables[i]), behind, &tenant) && (!found || comes_before(&tenant, &s.tenant))) {
        s.tenant = tenant;
        found = true;
      }
    }
    if (found && !is_sound(&s))
      report(context, "the counters of a day are not the sum over the journal (leadcat health --recount counts them anew)");
    free(s.slots);
    behind = s.tenant;
    lc_key_add_number(&behind, UINT64_MAX);
    lc_key_add_number(&behind, UINT64_MAX);
  }
}
