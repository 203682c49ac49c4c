/* Walking over the tenants that have something due, whatever their names: held against what was put into the tables, in
 * which no walk may miss one, name one twice, or stop at what is damaged. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "store/internal.h"
#include "store/store.h"

enum { STEP = 256, MIB = 1 << 20 };

static const double now = 1700000000;
static const uint64_t now_ms = 1700000000000;
static const lc_retention keep = { .age = 100, .count = 5 };
static const lc_table tables[LC_WORKS] = { LC_TABLE_APPLYING, LC_TABLE_EXPIRING, LC_TABLE_JOURNAL, LC_TABLE_UNCHANGED, LC_TABLE_MARKS,
                                         LC_TABLE_DELIVERIES };

static char low[LC_TENANT_MAX], high[LC_TENANT_MAX];

/* In the order of the walk: by size, then by bytes. */
static const lc_text names[] = {
  { "", 0 }, { "\0", 1 }, { "a", 1 }, { "b", 1 }, { "\377", 1 }, { "\0\0", 2 }, { "a\0", 2 }, { "aa", 2 }, { "a\377", 2 },
  { "\377\377", 2 }, { "aaa", 3 }, { high, 63 }, { low, 64 }, { high, 64 },
};
enum { NAMES = sizeof names / sizeof names[0] };

static char directory[] = "/tmp/leadcat_tenants_test_XXXXXX";
static lc_store *store;
static MDB_txn *filling;

static void put(lc_table table, lc_key key, const void *value, size_t size) {
  CHECK(lc_put(store, filling, table, &key, value, size) == 0);
}

/* Begins a test with empty tables, to be filled. */
static void clear(void) {
  int rc = 0;
  CHECK(lc_begin_write(store, LC_PART_JOURNAL, &filling, NULL) == LC_OK);
  for (int work = 0; work < LC_WORKS && rc == 0; work++)
    rc = mdb_drop(filling, lc_env_table(store->env, tables[work]), 0);
  CHECK(rc == 0 && mdb_drop(filling, lc_env_table(store->env, LC_TABLE_COUNTERS), 0) == 0);
  lc_key newest = { .size = 0 };
  lc_key_add_bytes(&newest, "last_entry", 10);
  put(LC_TABLE_META, newest, &(lc_last){ .number = now_ms, .written = now }, sizeof(lc_last));
}

static void filled(void) {
  CHECK(lc_end_write(store, LC_PART_JOURNAL, filling, LC_OK, NULL) == LC_OK);
}

/* ---- what may be due --------------------------------------------------------------------- */

static void put_claim(lc_text tenant, unsigned number, uint64_t boot, double retry_at) {
  char name[16];
  lc_key key = lc_key_of(tenant);
  lc_claim claim = { .entry = 1, .boot = boot, .retry_at = retry_at };
  snprintf(name, sizeof name, "%04u", number);
  lc_key_add_text(&key, (lc_text){ name, 4 });
  put(LC_TABLE_APPLYING, key, &claim, sizeof claim);
}

static void put_question(lc_text tenant, uint64_t expires_at) {
  static const uint8_t id[LC_QUESTION_ID_SIZE];
  lc_key key = lc_key_of(tenant);
  lc_key_add_number(&key, expires_at);
  lc_key_add_number(&key, 1);
  put(LC_TABLE_EXPIRING, key, id, sizeof id);
}

static void put_entry(lc_text tenant, lc_table table, uint64_t id) {
  lc_key key = lc_key_of(tenant);
  lc_entry entry = { .id = id, .written = (double)id / 1000 };
  char packed[128];
  if (!CHECK(lc_entry_size(&entry) <= sizeof packed))
    return;
  lc_entry_pack(&entry, packed);
  put(table, lc_key_of_entry(&key, id), packed, lc_entry_size(&entry));
}

static void put_delivery(lc_text tenant, uint64_t id) {
  lc_key key = lc_key_of(tenant);
  lc_delivery delivery = { .id = id, .received = (double)id / 1000, .hook = { "h", 1 } };
  char packed[128];
  lc_delivery_pack(&delivery, packed);
  put(LC_TABLE_DELIVERIES, lc_key_of_entry(&key, id), packed, lc_delivery_size(&delivery));
}

static void put_count(lc_text tenant, const char *name, uint64_t count) {
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, (lc_text){ name, strlen(name) });
  count = lc_seal_count(count);
  put(LC_TABLE_COUNTERS, key, &count, sizeof count);
}

static void put_batch(lc_text tenant, uint64_t number, uint64_t written_ms, uint64_t count) {
  const struct {
    double written;
    uint64_t count;
  } head = { (double)written_ms / 1000, count };
  lc_key key = lc_key_of(tenant);
  lc_key_add_number(&key, number);
  put(LC_TABLE_MARKS, key, &head, sizeof head);
}

/* Two of each for a tenant; one of them is due where `due` says so. The newer one is never, but its table may be. */
static void put_work(lc_work work, lc_text tenant, unsigned due) {
  switch (work) {
    case LC_WORK_CHANGES: /* the first or the second, or one of another boot */
      put_claim(tenant, 1, store->boot, lc_uptime() + (due == 1 ? 0 : 3600));
      put_claim(tenant, 2, due == 3 ? store->boot + 1 : store->boot, lc_uptime() + (due == 2 ? -1 : 3600));
      return;
    case LC_WORK_TIMED:
      put_question(tenant, due != 0 ? now_ms : now_ms + 1);
      put_question(tenant, now_ms + 2);
      return;
    case LC_WORK_MARKS: /* too old, or too many */
      put_batch(tenant, 9, due == 1 ? now_ms - 100001 : now_ms - 100000, 2);
      put_batch(tenant, 11, now_ms, due > 1 ? 4 : 3);
      return;
    case LC_WORK_DELIVERIES: /* the same */
      put_delivery(tenant, due == 1 ? now_ms - 100001 : now_ms - 100000);
      put_delivery(tenant, now_ms);
      put_count(tenant, "deliveries", due > 1 ? 6 : 5);
      return;
    default: /* the same */
      put_entry(tenant, tables[work], due == 1 ? now_ms - 100001 : now_ms - 100000);
      put_entry(tenant, tables[work], now_ms);
      put_count(tenant, work == LC_WORK_JOURNAL ? "journal_entries" : "unchanged_entries", due > 1 ? 6 : 5);
  }
}

/* ---- walks ------------------------------------------------------------------------------- */

/* Walks to the end; gives how many tenants are named, and how many calls it took. `found` counts those of `names`. */
static int walk(lc_work work, int *found, int *calls) {
  lc_place place = { .size = 0 };
  lc_text last = { NULL, 0 };
  char bytes[LC_TENANT_MAX];
  int listed = 0;
  memset(found, 0, NAMES * sizeof *found);
  *calls = 0;
  do {
    CHECK(lc_store_due(store, work, &keep, now, &place, NULL) == LC_OK);
    lc_text list = lc_store_result(store), item;
    for (; lc_list_next(&list, &item); listed++) {
      CHECK(listed == 0 || item.size > last.size || (item.size == last.size && memcmp(item.data, last.data, item.size) > 0));
      if (item.size != 0)
        memcpy(bytes, item.data, item.size);
      last = (lc_text){ bytes, item.size };
      for (int i = 0; i < NAMES; i++)
        found[i] += names[i].size == item.size && (item.size == 0 || memcmp(names[i].data, item.data, item.size) == 0);
    }
  } while (++*calls < 100 && place.size != 0);
  CHECK(place.size == 0);
  return listed;
}

/* For each kind of work: each tenant alone among the others; then random ones among random ones. */
static void test_names(void) {
  int found[NAMES], calls;
  for (int work = 0; work < LC_WORKS; work++) {
    for (unsigned round = 0; round < NAMES + 20; round++) {
      unsigned due[NAMES];
      int expected = 0;
      clear();
      for (unsigned i = 0; i < NAMES; i++) {
        due[i] = round < NAMES ? (i == round) : (unsigned)rand() % 4;
        if (round < NAMES || rand() % 4 != 0)
          put_work((lc_work)work, names[i], due[i]);
        else
          due[i] = 0;
        expected += due[i] != 0;
      }
      filled();
      CHECK(walk((lc_work)work, found, &calls) == expected && calls == 1);
      for (unsigned i = 0; i < NAMES; i++)
        CHECK(found[i] == (due[i] != 0));
    }
  }
}

/* No limit: neither age nor number makes an entry due. */
static void test_no_limit(void) {
  lc_place place = { .size = 0 };
  const lc_retention all = { 0 };
  clear();
  put_work(LC_WORK_JOURNAL, names[2], 1);
  put_work(LC_WORK_JOURNAL, names[3], 2);
  filled();
  CHECK(lc_store_due(store, LC_WORK_JOURNAL, &all, now, &place, NULL) == LC_OK && lc_store_result(store).size == 0);
}

/* A call looks at so many keys: a tenant whose changes all wait takes some calls, and one that is due is found once,
 * wherever its change stands. */
static void test_steps(void) {
  static const unsigned due[] = { 0, STEP - 1, STEP, STEP + 1, 2 * STEP - 1, 2 * STEP + 9 };
  for (size_t row = 0; row < sizeof due / sizeof due[0]; row++) {
    int found[NAMES], calls;
    clear();
    for (unsigned n = 0; n < 2 * STEP + 10; n++)
      put_claim(names[2], n, store->boot, lc_uptime() + (n == due[row] ? 0 : 600));
    put_claim(names[3], 1, store->boot, 0);
    filled();
    CHECK(walk(LC_WORK_CHANGES, found, &calls) == 2 && found[2] == 1 && found[3] == 1);
    CHECK(calls == 1 + (int)(due[row] + 1) / STEP);
  }
}

/* Of many tenants each is named once, in calls that look at some of them. */
static void test_many(void) {
  enum { MANY = 2 * STEP + 44 };
  int found[NAMES], calls;
  clear();
  for (unsigned n = 0; n < MANY; n++) {
    char name[16];
    snprintf(name, sizeof name, "%u", n);
    put_question((lc_text){ name, strlen(name) }, n % 3 == 0 ? now_ms : now_ms + 1);
    put_question((lc_text){ name, strlen(name) }, now_ms + 1000);
  }
  filled();
  CHECK(walk(LC_WORK_TIMED, found, &calls) == (MANY + 2) / 3 && calls == 3);
}

static void put_damaged(lc_table table, const char *begin, size_t begun, size_t size, const void *value, size_t value_size) {
  lc_key key = { .size = size };
  memset(key.bytes, 0xff, sizeof key.bytes);
  memcpy(key.bytes, begin, begun);
  put(table, key, value, value_size);
}

/* Keys that no tenant can have are passed over. What is damaged otherwise is due: who does the work will say so. */
static void test_damage(void) {
  const lc_claim waiting = { .boot = store->boot, .retry_at = lc_uptime() + 600 };
  for (int work = 0; work < LC_WORKS; work++) {
    int found[NAMES], calls;
    clear();
    put_damaged(tables[work], "\1a\0", 3, LC_KEY_SIZE, &waiting, sizeof waiting); /* too long */
    put_damaged(tables[work], "\1b\0", 3, 5, "", 1); /* too short, and with a value of another size */
    put_damaged(tables[work], "\77", 1, LC_PLACE_MAX - 1, &waiting, sizeof waiting); /* as long as a key may be */
    put_damaged(tables[work], "\5ab", 3, 3, "", 1); /* it ends within the name */
    put_damaged(tables[work], "\101", 1, LC_KEY_SIZE, "", 1); /* a name of 65 bytes */
    put_damaged(tables[work], "\377", 1, LC_KEY_SIZE, "", 1);
    put_work((lc_work)work, names[NAMES - 1], 1);
    filled();
    bool by_age = work >= LC_WORK_JOURNAL, by_value = work == LC_WORK_CHANGES;
    CHECK(walk((lc_work)work, found, &calls) == 1 + found[2] + found[3] + found[11] && calls == 1 && found[NAMES - 1] == 1);
    CHECK(found[2] == by_age && found[11] == by_age && found[3] == (by_age || by_value));
  }
}

/* What a damaged or missing number of entries does: nothing is removed, and it is counted anew. */
static void test_counts(void) {
  static const uint64_t damaged[] = { 4000000000, UINT64_MAX, 2, 0 };
  const lc_retention four = { .count = 4 };
  for (size_t i = 0; i <= sizeof damaged / sizeof damaged[0]; i++) {
    lc_entry entry = { .status = LC_ENTRY_UNCHANGED, .company = { { "x", 1 }, false } };
    uint64_t from = 0, count = 0;
    size_t removed = 9;
    clear();
    for (uint64_t id = now_ms - 2; id <= now_ms; id++)
      put_entry(names[2], LC_TABLE_UNCHANGED, id);
    lc_key key = lc_key_of(names[2]);
    lc_key_add_text(&key, (lc_text){ "unchanged_entries", 17 });
    if (i < sizeof damaged / sizeof damaged[0])
      put(LC_TABLE_COUNTERS, key, &damaged[i], i == 3 ? 1 : sizeof damaged[i]);
    filled();
    CHECK(lc_store_trim_unchanged(store, names[2], &four, now, &from, &removed, NULL) == LC_OK && removed == 0);
    CHECK(lc_store_add_unchanged(store, names[2], &entry, 1, now, NULL) == LC_OK);
    lc_writer reader = { .store = store, .tenant = lc_key_of(names[2]), .log = LC_LOG_UNCHANGED };
    CHECK(lc_begin_read(store, LC_PART_JOURNAL, &reader.txn, NULL) == LC_OK);
    CHECK(lc_get_count(&reader, &count) == 0 && count == 4);
    lc_end_read(store, LC_PART_JOURNAL);
  }
}

/* What an open reader keeps, and what is free again. */
static void test_sizes(void) {
  lc_entry entry = { .status = LC_ENTRY_UNCHANGED, .company = { { "x", 1 }, false } };
  lc_store_stats stats;
  lc_store *reader = NULL;
  MDB_txn *txn;
  CHECK(lc_store_open(directory, &(lc_store_options){ .map_size = 16 * MIB }, &reader, NULL) == LC_OK);
  CHECK(lc_begin_read(reader, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
  for (int i = 0; i < 3; i++)
    CHECK(lc_store_add_unchanged(store, names[2], &entry, 1, now, NULL) == LC_OK);
  CHECK(lc_store_stat(store, &stats, NULL) == LC_OK);
  CHECK(stats.behind[LC_PART_JOURNAL] == 3 && stats.behind[LC_PART_CONFIG] == 0);
  CHECK(stats.map_free[LC_PART_JOURNAL] > 0 && stats.map_free[LC_PART_JOURNAL] < stats.map_used[LC_PART_JOURNAL]);
  lc_end_read(reader, LC_PART_JOURNAL);
  CHECK(lc_store_stat(store, &stats, NULL) == LC_OK && stats.behind[LC_PART_JOURNAL] == 0);
  lc_store_close(reader);
}

int main(void) {
  char command[128];
  alarm(300);
  memset(high, 0xff, sizeof high);
  if (mkdtemp(directory) == NULL
      || !CHECK(lc_store_open(directory, &(lc_store_options){ .map_size = 16 * MIB, .relaxed = true }, &store, NULL) == LC_OK))
    return 1;
  TEST(test_names());
  TEST(test_no_limit());
  TEST(test_steps());
  TEST(test_many());
  TEST(test_damage());
  TEST(test_counts());
  TEST(test_sizes());
  lc_store_close(store);
  snprintf(command, sizeof command, "rm -rf %s", directory);
  TEST(CHECK(system(command) == 0));
  return report();
}
