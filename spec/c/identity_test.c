/* Stores of the first edition: what their records become when they are opened, and that nothing of them is lost. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "handle.h"
#include "store/internal.h"
#include "store/store.h"

enum { MIB = 1 << 20, HEAD_1 = 72, HEAD_2 = 80 /* bytes of an entry's fixed head */ };

static const lc_text tenant = { "", 0 };
static const double now = 1700000000;
static char directory[] = "/tmp/leadcat_identity_test_XXXXXX";

/* As the first edition wrote it. */
typedef struct claim_1 {
  uint64_t entry, owner;
  double deadline, retry_at;
  uint32_t attempts, begun;
} claim_1;

static lc_store *open_store(void) {
  lc_store *store = NULL;
  lc_error error = { "" };
  if (!CHECK(lc_store_open(directory, &(lc_store_options){ .map_size = 8 * MIB }, &store, &error) == LC_OK)) {
    printf("%s\n", error.message);
    exit(1);
  }
  return store;
}

static lc_key meta_key(const char *name) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, name, strlen(name));
  return key;
}

static uint64_t write_applying(lc_store *store, uint64_t newest) {
  lc_write write = { .newest = newest, .entry = { .at = now - 5, .revision = 1, .status = LC_ENTRY_APPLYING, .trigger = LC_SALE_WON,
                                .action = LC_UPDATE, .from = 1, .to = 2, .company = company_of("Acme"),
                                .details = text_of("{\"sale\":{}}"), .error = text_of("why") } };
  CHECK(lc_store_write(store, tenant, &write, 1, NULL, now, 30, NULL) == LC_OK && write.result == LC_PUT);
  return write.entry.id;
}

/* Turns the only entry, its claim and the head of the store back into what the first edition wrote. Bolt's claim is damaged. */
static void turn_back(lc_store *store, uint64_t id) {
  MDB_txn *txn;
  MDB_val value;
  char entry[256];
  const uint32_t format = 1;
  const claim_1 claim = { .entry = id, .owner = 77, .deadline = now + 1e9, .retry_at = now + 1e9, .attempts = 3,
                          .begun = (uint32_t)now };
  lc_key prefix = lc_key_of(tenant), key = lc_key_of_entry(&prefix, id);
  lc_company acme = company_of("Acme"), bolt = company_of("Bolt");
  CHECK(lc_begin_write(store, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
  CHECK(lc_get(store, txn, LC_TABLE_JOURNAL, &key, &value) == 0 && value.mv_size <= sizeof entry);
  size_t size = value.mv_size - (HEAD_2 - HEAD_1);
  memcpy(entry, value.mv_data, HEAD_1);
  memcpy(entry + HEAD_1, (char *)value.mv_data + HEAD_2, size - HEAD_1);
  entry[0] = 1;
  CHECK(lc_put(store, txn, LC_TABLE_JOURNAL, &key, entry, size) == 0);
  key = lc_key_of_company(&prefix, &acme);
  CHECK(lc_put(store, txn, LC_TABLE_APPLYING, &key, &claim, sizeof claim) == 0);
  key = lc_key_of_company(&prefix, &bolt);
  CHECK(lc_put(store, txn, LC_TABLE_APPLYING, &key, &claim, sizeof claim - 1) == 0);
  CHECK(mdb_drop(txn, lc_env_table(store->env, LC_TABLE_META), 0) == 0);
  key = meta_key("format");
  CHECK(lc_put(store, txn, LC_TABLE_META, &key, &format, sizeof format) == 0);
  key = meta_key("last_entry");
  CHECK(lc_put(store, txn, LC_TABLE_META, &key, &id, sizeof id) == 0);
  CHECK(lc_end_write(store, LC_PART_JOURNAL, txn, LC_OK, NULL) == LC_OK);
  CHECK(lc_begin_write(store, LC_PART_CONFIG, &txn, NULL) == LC_OK);
  CHECK(mdb_drop(txn, lc_env_table(store->env, LC_TABLE_IDENTITY), 1) == 0); /* it has no such table */
  CHECK(lc_end_write(store, LC_PART_CONFIG, txn, LC_OK, NULL) == LC_OK);
}

static lc_entry entry_of(lc_store *store, uint64_t id) {
  lc_entry entry = { .id = 0 };
  CHECK(lc_store_entry(store, tenant, id, NULL) == LC_OK);
  lc_text packed = lc_store_result(store);
  CHECK(lc_entry_unpack(packed.data, packed.size, &entry, NULL) == LC_OK);
  return entry;
}

static void count(void *context, const char *what) {
  (void)what;
  ++*(int *)context;
}

/* It is not opened to be read only, and not called damaged: two tables cannot be checked. */
static void test_reading_it(void) {
  lc_store *store = NULL;
  int problems = 0, unchecked = 0;
  CHECK(lc_store_open(directory, &(lc_store_options){ .readonly = true }, &store, NULL) == LC_READONLY);
  CHECK(lc_store_check(directory, count, &problems, &unchecked, NULL) == LC_OK && problems == 0 && unchecked == 2);
}

static void test_first_edition(void) {
  lc_store *store = open_store();
  lc_company acme = company_of("Acme"), bolt = company_of("Bolt");
  lc_claim claim;
  uint64_t id = write_applying(store, 0), newer;
  turn_back(store, id);
  lc_store_close(store);
  test_reading_it();

  store = open_store();
  const lc_epochs *epochs = lc_store_epochs(store);
  CHECK(epochs->count == 1 && epochs->list[0].first == 0 && !lc_is_restored(epochs, id));
  CHECK(entry_of(store, id).written == (double)id / 1000 && entry_of(store, id).at == now - 5);
  CHECK(entry_of(store, id).details.size == strlen("{\"sale\":{}}"));
  CHECK(lc_store_applying(store, tenant, tenant, 1, NULL) == LC_OK && lc_store_result(store).size != 0); /* due at once */
  CHECK(lc_store_claim(store, tenant, &acme, false, 30, &claim, NULL) == LC_OK);
  CHECK(claim.entry == id && claim.attempts == 3 && claim.begun == (uint32_t)now);
  CHECK(lc_store_claim(store, tenant, &bolt, false, 30, &claim, NULL) == LC_CORRUPT); /* it stays, to be reported */
  lc_finish finish = { .entry = id, .company = acme, .status = LC_ENTRY_CONFLICT };
  CHECK(lc_store_finish(store, tenant, &finish, 1, 0, NULL) == LC_OK && !finish.lost);
  CHECK(entry_of(store, id).status == LC_ENTRY_CONFLICT && entry_of(store, id).written == (double)id / 1000);
  newer = write_applying(store, id);
  CHECK(newer > id && entry_of(store, newer).written == now);
  lc_store_close(store);

  store = open_store(); /* once is enough */
  CHECK(lc_store_epochs(store)->count == 1);
  lc_store_close(store);
}

/* A store of format 2 is the same, but has no marks: its epoch goes on. */
static void test_format_2(void) {
  const uint32_t older = 2;
  uint32_t format = 0;
  lc_store *store = open_store();
  lc_key key = meta_key("format"), last_key = meta_key("last_entry");
  lc_last before = { .number = 0 }, after = { .number = 0 };
  MDB_txn *txn;
  CHECK(lc_begin_write(store, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
  CHECK(lc_put(store, txn, LC_TABLE_META, &key, &older, sizeof older) == 0);
  CHECK(lc_get_record(store, txn, LC_TABLE_META, &last_key, &before, sizeof before) == 0 && before.written == now);
  CHECK(lc_end_write(store, LC_PART_JOURNAL, txn, LC_OK, NULL) == LC_OK);
  size_t epochs = lc_store_epochs(store)->count;
  lc_store_close(store);

  store = open_store();
  CHECK(lc_store_epochs(store)->count == epochs);
  CHECK(lc_begin_read(store, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
  CHECK(lc_get_record(store, txn, LC_TABLE_META, &key, &format, sizeof format) == 0 && format == 5);
  CHECK(lc_get_record(store, txn, LC_TABLE_META, &last_key, &after, sizeof after) == 0);
  CHECK(after.number == before.number && after.written == before.written);
  lc_end_read(store, LC_PART_JOURNAL);
  lc_store_close(store);
}

static void test_keys(void) {
  lc_epoch list[] = { { 0, "aaaaaaaaaa" }, { 100, "bbbbbbbbbb" }, { 200, "cccccccccc" } };
  const lc_epochs epochs = { list, 3 };
  static const struct { uint64_t entry; const char *key; bool restored; } rows[] = {
    { 0, "aaaaaaaaaa-0", true }, { 99, "aaaaaaaaaa-99", true }, { 100, "bbbbbbbbbb-100", true },
    { 199, "bbbbbbbbbb-199", true }, { 200, "cccccccccc-200", false },
    { UINT64_MAX, "cccccccccc-18446744073709551615", false },
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char key[LC_EPOCH_KEY_SIZE];
    size_t size = lc_epoch_key(&epochs, rows[i].entry, key);
    CHECK(size == strlen(rows[i].key) && memcmp(key, rows[i].key, size) == 0);
    CHECK(lc_is_restored(&epochs, rows[i].entry) == rows[i].restored);
  }
}

int main(void) {
  char command[128];
  alarm(300);
  if (mkdtemp(directory) == NULL)
    return 1;
  TEST(test_first_edition());
  TEST(test_format_2());
  TEST(test_keys());
  snprintf(command, sizeof command, "rm -rf %s", directory);
  TEST(CHECK(system(command) == 0));
  return report();
}
