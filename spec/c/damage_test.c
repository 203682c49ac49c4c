/* Damaged records: what lc_store_check says of each kind, and what calls that read one say. The store has one record of
 * every kind, put there byte by byte. Entries with any damage, and rulesets and questions (in their own tests), are told
 * apart from sound ones. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "files.h"
#include "handle.h"
#include "store/internal.h"
#include "store/store.h"

enum { MIB = 1 << 20, HEAD = 80, ENTRY = HEAD + 4, QUESTION = 88 + 4, ID = LC_QUESTION_ID_SIZE };

static const lc_text tenant = { "firm", 4 }, none = { NULL, 0 };
static const double now = 1700000000;
static const uint64_t seven = 7, eight = 8;
static const lc_claim of_seven = { .entry = 7 }, of_eight = { .entry = 8 };
static const lc_schedule of_entry_7 = { 7, 1 };
static const lc_company_record company = { .category = 1 };
static char entry_7[ENTRY], queued_7[ENTRY], entry_9[ENTRY], entry_10[ENTRY], question[QUESTION], declined[QUESTION];
static char waiting[65], done[65], strange[65], unlisted[65]; /* deliveries */
static lc_ruleset older, oldest, other, damaged;
static uint64_t one_entry, two_entries;
static char path[128];

static lc_store *open_store(void) {
  lc_store *store = NULL;
  CHECK(lc_store_open(path, &(lc_store_options){ .map_size = MIB }, &store, NULL) == LC_OK);
  if (store == NULL)
    exit(1);
  return store;
}

static void pack_entry_as(lc_entry_status status, uint64_t id, const char *of, void *memory) {
  lc_entry entry = { .id = id, .status = status, .written = 5, .company = company_of(of) };
  CHECK(lc_entry_size(&entry) == ENTRY);
  lc_entry_pack(&entry, memory);
}

static void pack_entry(uint64_t id, void *memory) {
  pack_entry_as(LC_ENTRY_APPLYING, id, "Acme", memory);
}

static void pack_question(const char *id, lc_question_state state, void *memory) {
  lc_question asked = { .state = state, .company = company_of("Acme") };
  memcpy(asked.id, id, ID);
  CHECK(lc_question_size(&asked) == QUESTION);
  lc_question_pack(&asked, memory);
}

static void pack_delivery(uint64_t id, lc_delivery_state state, const char *key, void *memory) {
  lc_delivery delivery = { .id = id, .state = state, .hook = { "h", 1 } };
  memcpy(delivery.key, key, sizeof delivery.key);
  lc_delivery_pack(&delivery, memory);
}

static void pack_all(void) {
  pack_delivery(7, LC_DELIVERY_WAITING, "0123456789abcdef", waiting);
  pack_delivery(8, LC_DELIVERY_DONE, "0123456789abcdeg", done);
  pack_delivery(9, LC_DELIVERY_DONE, "0123456789abcdeg", strange);
  pack_delivery(8, LC_DELIVERY_WAITING, "0123456789abcdeg", unlisted);
  pack_entry(7, entry_7);
  pack_entry_as(LC_ENTRY_QUEUED, 7, "Bolt", queued_7);
  pack_entry(9, entry_9);
  pack_entry(10, entry_10);
  pack_question("0123456789abcdef", LC_QUESTION_OPEN, question);
  pack_question("0123456789abcdeg", LC_QUESTION_DECLINED, declined);
  one_entry = lc_seal_count(1);
  two_entries = lc_seal_count(2);
  older = oldest = other = damaged = (lc_ruleset){ .magic = LC_RULESET_MAGIC, .version = LC_RULESET_VERSION, .size = 1 };
  older.version = LC_RULESET_VERSION - 1;
  oldest.version = 0;
  other.version = 1;
  other.magic++;
}

/* A record of the tenant: the rest of its key, and its value. */
typedef struct record {
  lc_table table;
  const char *rest;
  size_t rest_size;
  const void *value;
  size_t size;
} record;

#define BYTES(string) string, sizeof string - 1
#define OF(object) &(object), sizeof(object)
#define NUMBER(byte) "\0\0\0\0\0\0\0" byte

static const record sound[] = {
  { LC_TABLE_RULESETS, BYTES(""), OF(older) },
  { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"a\": [{}]}") },
  { LC_TABLE_REVISIONS, BYTES(NUMBER("\1")), BYTES("{}") },
  { LC_TABLE_JOURNAL, BYTES(NUMBER("\7")), OF(entry_7) },
  { LC_TABLE_BY_COMPANY, BYTES("\4Acme" NUMBER("\7")), BYTES("") },
  { LC_TABLE_APPLYING, BYTES("\4Acme"), OF(of_seven) },
  { LC_TABLE_SEEN, BYTES("\1e"), OF(seven) },
  { LC_TABLE_CONFIRMATIONS, BYTES("0123456789abcdef"), OF(question) },
  { LC_TABLE_CONFIRMATIONS, BYTES("0123456789abcdeg"), OF(declined) },
  { LC_TABLE_QUESTIONS, BYTES("\0\0\0" NUMBER("\7")), BYTES("0123456789abcdef") },
  { LC_TABLE_EXPIRING, BYTES(NUMBER("\1") NUMBER("\7")), BYTES("0123456789abcdef") },
  { LC_TABLE_EXPIRING, BYTES(NUMBER("\1") NUMBER("\13")), BYTES("d") },
  { LC_TABLE_DRAFTS, BYTES(NUMBER("\13")), BYTES("\1\0\0\0\0\0\0\0{}") },
  { LC_TABLE_DRAFTS, BYTES(NUMBER("\14")), BYTES("\0\0\0\0\0\0\0\0{\"a\":1}") },
  { LC_TABLE_COUNTERS, BYTES("\17journal_entries"), OF(one_entry) },
  { LC_TABLE_COUNTERS, BYTES("\21unchanged_entries"), OF(one_entry) },
  { LC_TABLE_COUNTERS, BYTES("\5other"), OF(seven) },
  { LC_TABLE_UNCHANGED, BYTES(NUMBER("\11")), OF(entry_9) },
  { LC_TABLE_UNCHANGED_BY_COMPANY, BYTES("\4Acme" NUMBER("\11")), BYTES("") },
  { LC_TABLE_NOTES, BYTES("\1n"), BYTES("{\"a\":\"}\\\"\"}") },
  { LC_TABLE_DELIVERIES, BYTES(NUMBER("\7")), waiting, sizeof waiting },
  { LC_TABLE_DELIVERIES, BYTES(NUMBER("\10")), done, sizeof done },
  { LC_TABLE_DELIVERED, BYTES("0123456789abcdef"), OF(seven) },
  { LC_TABLE_WAITING, BYTES("\1h" NUMBER("\0") NUMBER("\7")), BYTES("") },
  { LC_TABLE_COUNTERS, BYTES("\12deliveries"), OF(two_entries) },
  { LC_TABLE_COMPANIES, BYTES("\4Acme"), OF(company) },
};

static const struct {
  record put;
  const char *wrong; /* what is said of it */
} damages[] = {
  { { LC_TABLE_RULESETS, BYTES(""), BYTES("short") }, "rulesets: a packed ruleset is damaged" },
  { { LC_TABLE_RULESETS, BYTES(""), &older, 7 }, "rulesets: a packed ruleset is damaged" },
  { { LC_TABLE_RULESETS, BYTES(""), OF(oldest) }, "rulesets: a packed ruleset is damaged" },
  { { LC_TABLE_RULESETS, BYTES(""), OF(other) }, "rulesets: a packed ruleset is damaged" },
  { { LC_TABLE_RULESETS, BYTES(""), OF(damaged) }, "rulesets: a packed ruleset is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("[]") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"a\":[]") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"a\":[}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"a\":{}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"a}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"a\\\"}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{}}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{}{}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"\37\":1}") }, "configs: a config is damaged" },
  { { LC_TABLE_CONFIGS, BYTES(NUMBER("\1")), BYTES("{\"\370\":1}") }, "configs: a config is damaged" },
  { { LC_TABLE_REVISIONS, BYTES(NUMBER("\1")), BYTES("{") }, "revisions: a config is damaged" },
  { { LC_TABLE_JOURNAL, BYTES(NUMBER("\7")), entry_7, ENTRY - 1 }, "journal: an entry is damaged" },
  { { LC_TABLE_JOURNAL, BYTES(NUMBER("\7")), OF(entry_9) }, "journal: an entry stands in another one's place" },
  { { LC_TABLE_JOURNAL, BYTES(NUMBER("\7")), OF(queued_7) }, "journal: an entry is queued behind nothing" },
  { { LC_TABLE_UNCHANGED, BYTES(NUMBER("\11")), BYTES("short") }, "unchanged: an entry is damaged" },
  { { LC_TABLE_UNCHANGED, BYTES(NUMBER("\11")), OF(entry_10) }, "unchanged: an entry stands in another one's place" },
  { { LC_TABLE_BY_COMPANY, BYTES("\4Acme" NUMBER("\10")), BYTES("") }, "by_company: a company names an entry that is missing" },
  { { LC_TABLE_BY_COMPANY, BYTES("\4Acme" NUMBER("\11")), BYTES("") }, "by_company: a company names an entry that is missing" },
  { { LC_TABLE_BY_COMPANY, BYTES("\0" NUMBER("\7")), BYTES("") }, "by_company: a company names an entry that is missing" },
  { { LC_TABLE_BY_COMPANY, BYTES("\1A" NUMBER("\7")), BYTES("") }, "by_company: a company names an entry of another company" },
  { { LC_TABLE_BY_COMPANY, BYTES("\5Acme " NUMBER("\7")), BYTES("") }, "by_company: a company names an entry of another company" },
  { { LC_TABLE_UNCHANGED_BY_COMPANY, BYTES("\4Acme" NUMBER("\7")), BYTES("") },
    "unchanged_by_company: a company names an entry that is missing" },
  { { LC_TABLE_APPLYING, BYTES("\4Acme"), OF(seven) }, "applying: a claim is damaged" },
  { { LC_TABLE_APPLYING, BYTES("\4Acme"), OF(of_eight) }, "applying: an unfinished entry is missing" },
  { { LC_TABLE_SEEN, BYTES("\1e"), OF(of_seven) }, "seen: a seen-mark is damaged" },
  { { LC_TABLE_SEEN, BYTES("\1e"), OF(eight) }, "seen: a seen-mark names an entry that is missing" },
  { { LC_TABLE_CONFIRMATIONS, BYTES("0123456789abcdeg"), BYTES("short") }, "confirmations: a confirmation is damaged" },
  { { LC_TABLE_CONFIRMATIONS, BYTES("0123456789abcdeg"), OF(question) }, "confirmations: a confirmation is damaged" },
  { { LC_TABLE_CONFIRMATIONS, BYTES("0123456789abcde"), OF(question) }, "confirmations: a confirmation is damaged" },
  { { LC_TABLE_CONFIRMATIONS, BYTES("0123456789abcdef0"), OF(question) }, "confirmations: a confirmation is damaged" },
  { { LC_TABLE_QUESTIONS, BYTES("\0\0\0" NUMBER("\10")), BYTES("0123456789abcdee") },
    "questions: a list names a confirmation that is missing or in another state" },
  { { LC_TABLE_QUESTIONS, BYTES("\0\0\5" NUMBER("\10")), BYTES("0123456789abcdef") },
    "questions: a list names a confirmation that is missing or in another state" },
  { { LC_TABLE_QUESTIONS, BYTES("\0\0\0" NUMBER("\10")), BYTES("0123456789abcde") },
    "questions: a list names a confirmation that is missing or in another state" },
  { { LC_TABLE_QUESTIONS, BYTES("\0" NUMBER("\10")), BYTES("0123456789abcdef") },
    "questions: a list names a confirmation that is missing or in another state" },
  { { LC_TABLE_EXPIRING, BYTES(NUMBER("\1") NUMBER("\15")), BYTES("d") }, "expiring: a time names a draft that is missing" },
  { { LC_TABLE_EXPIRING, BYTES(NUMBER("\2") NUMBER("\13")), BYTES("d") }, "expiring: a time names a draft that is missing or due at another" },
  { { LC_TABLE_DRAFTS, BYTES(NUMBER("\14")), BYTES("\2\0\0\0\0\0\0\0{}") }, "drafts: a draft falls due, but not in the list" },
  { { LC_TABLE_DRAFTS, BYTES(NUMBER("\14")), BYTES("\0\0\0\0\0\0\0\0{") }, "drafts: a draft is damaged" },
  { { LC_TABLE_DRAFTS, BYTES(NUMBER("\14")), BYTES("\0\0\0\0\0\0\0\0") }, "drafts: a draft is damaged" },
  { { LC_TABLE_EXPIRING, BYTES(NUMBER("\1") NUMBER("\10")), BYTES("0123456789abcdeg") },
    "expiring: a time names a confirmation that is missing or closed" },
  { { LC_TABLE_EXPIRING, BYTES(NUMBER("\1") NUMBER("\7")), BYTES("") },
    "expiring: a time names an entry that is missing or not scheduled" },
  { { LC_TABLE_SCHEDULED, BYTES("\4Acme"), OF(seven) }, "scheduled: a schedule is damaged" },
  { { LC_TABLE_SCHEDULED, BYTES("\4Acme"), OF(of_entry_7) },
    "scheduled: a schedule names an entry that is missing or not scheduled" },
  { { LC_TABLE_COUNTERS, BYTES("\5other"), BYTES("short") }, "counters: a counter is damaged" },
  { { LC_TABLE_COUNTERS, BYTES(""), OF(seven) }, "counters: a counter is damaged" },
  { { LC_TABLE_COUNTERS, BYTES("\17journal_entries"), OF(two_entries) }, "counters: the number of entries is wrong" },
  { { LC_TABLE_COUNTERS, BYTES("\21unchanged_entries"), OF(two_entries) }, "counters: the number of entries is wrong" },
  { { LC_TABLE_NOTES, BYTES("\1n"), BYTES("{\"a\":\"}") }, "notes: a cursor is damaged" },
  { { LC_TABLE_DELIVERIES, BYTES(NUMBER("\10")), done, sizeof done - 1 }, "deliveries: a delivery is damaged" },
  { { LC_TABLE_DELIVERIES, BYTES(NUMBER("\10")), strange, sizeof strange },
    "deliveries: a delivery stands in another one's place" },
  { { LC_TABLE_DELIVERIES, BYTES(NUMBER("\10")), unlisted, sizeof unlisted },
    "deliveries: a delivery waits, but is not in the list of those that do" },
  { { LC_TABLE_COUNTERS, BYTES("\12deliveries"), OF(one_entry) }, "counters: the number of entries is wrong" },
  { { LC_TABLE_DELIVERED, BYTES("0123456789abcdeg"), OF(seven) },
    "delivered: the mark of a delivery names one that is missing, or another one" },
  { { LC_TABLE_DELIVERED, BYTES("0123456789abcdef"), BYTES("7") }, "delivered: the mark of a delivery is damaged" },
  { { LC_TABLE_WAITING, BYTES("\1h" NUMBER("\0") NUMBER("\10")), BYTES("") },
    "waiting: the list of deliveries that wait names one that is missing or does not wait" },
  { { LC_TABLE_WAITING, BYTES("\1i" NUMBER("\0") NUMBER("\7")), BYTES("") },
    "waiting: the list of deliveries that wait names one that is missing or does not wait" },
  { { LC_TABLE_COMPANIES, BYTES("\4Acme"), OF(seven) }, "companies: a company is damaged" },
};

/* ---- the check --------------------------------------------------------------------------- */

static void put(lc_store *store, const record *r) {
  MDB_txn *txn;
  lc_key key = lc_key_of(tenant);
  lc_part part = lc_table_part(r->table);
  lc_key_add_bytes(&key, r->rest, r->rest_size);
  CHECK(lc_begin_write(store, part, &txn, NULL) == LC_OK && lc_put(store, txn, r->table, &key, r->value, r->size) == 0);
  CHECK(lc_end_write(store, part, txn, LC_OK, NULL) == LC_OK);
}

/* A new store with the sound records. */
static lc_store *new_store(void) {
  files_remove(path);
  lc_store *store = open_store();
  for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
    put(store, &sound[i]);
  return store;
}

typedef struct report_of {
  int count;
  char first[256], last[256];
} report_of;

static void note(void *context, const char *wrong) {
  report_of *found = context;
  snprintf(found->count++ == 0 ? found->first : found->last, sizeof found->last, "%s", wrong);
}

static report_of check_store(lc_store *store) {
  report_of found = { .count = 0 }, unchecked = { .count = 0 };
  lc_store_close(store);
  CHECK(lc_store_check(path, note, &found, &unchecked, NULL) == LC_OK);
  return found;
}

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static void test_sound(void) {
  report_of found = check_store(new_store());
  if (!CHECK(found.count == 0))
    printf("%s\n", found.first);
}

static void test_damages(void) {
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    lc_store *store = new_store();
    put(store, &damages[i].put);
    report_of found = check_store(store);
    int expected = damages[i].put.value == queued_7 ? 2 : 1; /* it is also listed for another company */
    if (!CHECK(found.count == expected && begins(found.first, damages[i].wrong)))
      printf("row %zu: %d, %s; expected %s\n", i, found.count, found.first, damages[i].wrong);
  }
}

/* Keys that begin with no tenant. */
static void test_keys(void) {
  static const struct {
    const char *bytes;
    size_t size;
    bool is_key;
  } keys[] = { { "\101", 70, false }, { "\5abc", 4, false }, { "\3abc", 4, true }, { "\77", 64, true }, { "\100", 65, true } };
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    lc_store *store = new_store();
    MDB_txn *txn;
    lc_key key = { .size = keys[i].size };
    memset(key.bytes, 'x', sizeof key.bytes);
    memcpy(key.bytes, keys[i].bytes, strlen(keys[i].bytes));
    CHECK(lc_begin_write(store, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
    CHECK(lc_put(store, txn, LC_TABLE_COMPANIES, &key, &company, sizeof company) == 0);
    CHECK(lc_end_write(store, LC_PART_JOURNAL, txn, LC_OK, NULL) == LC_OK);
    report_of found = check_store(store);
    CHECK(keys[i].is_key ? found.count == 0 : found.count == 1 && begins(found.first, "companies: a key is damaged"));
  }
}

/* Twenty of a table are named, the others counted; those of the next table are named again. */
static void test_many(void) {
  for (int count = 20; count <= 23; count += 3) {
    lc_store *store = new_store();
    for (int i = 0; i < count; i++) {
      char rest[] = { 1, (char)('a' + i) };
      put(store, &(record){ LC_TABLE_COUNTERS, rest, sizeof rest, BYTES("short") });
    }
    report_of found = check_store(store);
    CHECK(found.count == (count == 20 ? 20 : 21) && begins(found.first, "counters: a counter is damaged"));
    CHECK(begins(found.last, count == 20 ? "counters: a counter is damaged" : "counters: 3 problems more"));
    store = open_store();
    put(store, &(record){ LC_TABLE_COMPANIES, BYTES("\4Acme"), OF(seven) });
    found = check_store(store);
    CHECK(found.count == (count == 20 ? 21 : 22) && begins(found.last, "companies: a company is damaged"));
  }
}

/* ---- calls ------------------------------------------------------------------------------- */

static void test_damaged_claim(void) {
  lc_store *store = new_store();
  const lc_company acme = company_of("Acme");
  lc_claim claim;
  lc_finish finish = { .entry = 7, .company = acme, .status = LC_ENTRY_UPDATED, .made = true };
  lc_write write = { .entry = { .at = now, .status = LC_ENTRY_APPLYING, .company = acme }, .newest = 7 };
  for (size_t size = sizeof claim - 1; size <= sizeof claim + 1; size += 2) {
    char bytes[sizeof claim + 1] = { 7 };
    put(store, &(record){ LC_TABLE_APPLYING, BYTES("\4Acme"), bytes, size });
    CHECK(lc_store_claim(store, tenant, &acme, true, 30, &claim, NULL) == LC_CORRUPT);
    CHECK(lc_store_finish(store, tenant, &finish, 1, 0, NULL) == LC_CORRUPT);
    CHECK(lc_store_applying(store, tenant, none, 9, NULL) == LC_CORRUPT);
    CHECK(lc_store_write(store, tenant, &write, 1, NULL, now, 30, NULL) == LC_CORRUPT);
  }
  lc_store_close(store);
}

/* The delivery that is taken next. */
static lc_delivery take(lc_store *store) {
  lc_delivery d = { .id = 0 };
  lc_text list, item;
  CHECK(lc_store_take_deliveries(store, tenant, text_of("h"), now, 9, 1, NULL) == LC_OK);
  list = lc_store_result(store);
  CHECK(lc_list_next(&list, &item) && lc_delivery_unpack(item.data, item.size, &d, NULL) == LC_OK);
  return d;
}

/* One whose record is missing, no delivery, another one or done: that is told, and holds up no other. */
static void test_damaged_delivery(void) {
  const lc_text records[] = { none, { "short", 5 }, { waiting, sizeof waiting }, { done, sizeof done } };
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
    lc_store *store = new_store();
    uint64_t id = records[i].data == done ? 8 : 6;
    const char *rest = id == 8 ? "\1h" NUMBER("\0") NUMBER("\10") : "\1h" NUMBER("\0") NUMBER("\6");
    put(store, &(record){ LC_TABLE_WAITING, rest, 18, BYTES("") });
    if (records[i].size != 0)
      put(store, &(record){ LC_TABLE_DELIVERIES, rest + 10, 8, records[i].data, records[i].size });
    lc_delivery d = take(store);
    if (id == 8) { /* 7 is earlier */
      CHECK(d.id == 7 && d.attempts == 1);
      d = take(store);
    }
    CHECK(d.id == id && d.state == LC_DELIVERY_FAILED && d.problem.size > 0 && d.body.size == records[i].size);
    CHECK(id == 8 || take(store).id == 7);
    CHECK(lc_store_delivery(store, tenant, id, NULL) == LC_OK);
    lc_store_close(store);
  }
}

static void test_damaged_company(void) {
  lc_store *store = new_store();
  const lc_company acme = company_of("Acme");
  int32_t category;
  put(store, &(record){ LC_TABLE_COMPANIES, BYTES("\4Acme"), OF(seven) });
  CHECK(lc_store_company(store, tenant, &acme, &category, NULL) == LC_CORRUPT);
  CHECK(lc_store_set_category(store, tenant, &acme, 2, 1, NULL) == LC_CORRUPT);
  CHECK(lc_store_companies(store, tenant, none, 9, NULL) == LC_CORRUPT);
  lc_store_close(store);
}

static void test_damaged_mark(void) {
  lc_store *store = new_store();
  put(store, &(record){ LC_TABLE_SEEN, BYTES("\1e"), OF(of_seven) });
  CHECK(lc_store_seen(store, tenant, text_of("e"), NULL) == LC_CORRUPT);
  put(store, &(record){ LC_TABLE_SEEN, BYTES("\1e"), OF(eight) });
  CHECK(lc_store_seen(store, tenant, text_of("e"), NULL) == LC_CORRUPT); /* its entry is missing */
  put(store, &(record){ LC_TABLE_SEEN, BYTES("\1e"), OF(seven) });
  CHECK(lc_store_seen(store, tenant, text_of("e"), NULL) == LC_OK);
  lc_store_close(store);
}

/* ---- the bytes of an entry --------------------------------------------------------------- */

/* Where the checked fields of the head are. */
enum { STATUS_AT = 1, TRIGGER_AT, ACTION_AT, COMPANY_SIZE_AT = 6, EVENT_SIZE_AT, DETAILS_SIZE_AT = 44, ERROR_SIZE_AT = 48,
       REASON_AT = 68 };

static bool is_corrupt(const void *bytes, size_t size) {
  lc_error error = { "" };
  lc_entry entry;
  return lc_entry_unpack(bytes, size, &entry, &error) == LC_CORRUPT && error.message[0] != '\0';
}

static void test_entry_bytes(void) {
  static const struct { size_t at; int bound; } fields[] = {
    { STATUS_AT, LC_ENTRY_STATUSES }, { TRIGGER_AT, LC_TRIGGER_NUMBERS }, { ACTION_AT, LC_ACTIONS }, { REASON_AT, LC_ENTRY_REASONS },
  };
  static const size_t sizes[] = { COMPANY_SIZE_AT, EVENT_SIZE_AT, DETAILS_SIZE_AT, DETAILS_SIZE_AT + 3, ERROR_SIZE_AT,
                                  ERROR_SIZE_AT + 3 };
  char bytes[ENTRY + 1] = { 0 };
  memcpy(bytes, entry_7, ENTRY);
  CHECK(!is_corrupt(bytes, ENTRY) && is_corrupt(bytes, ENTRY + 1));
  for (size_t size = 0; size < ENTRY; size++)
    CHECK(is_corrupt(bytes, size));
  CHECK(lc_entry_written((lc_text){ bytes, HEAD }) == 5 && lc_entry_written((lc_text){ bytes, HEAD - 1 }) == -HUGE_VAL);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    for (int byte = 0; byte < 256; byte++) {
      char changed[ENTRY];
      memcpy(changed, bytes, ENTRY);
      changed[fields[i].at] = (char)byte;
      bool fits = byte < fields[i].bound && (fields[i].at != TRIGGER_AT || lc_is_trigger((uint32_t)byte));
      CHECK(is_corrupt(changed, ENTRY) == !fits);
    }
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    bytes[sizes[i]]++;
    CHECK(is_corrupt(bytes, ENTRY));
    bytes[sizes[i]]--;
  }
  for (int version = 0; version < 256; version++) {
    bytes[0] = (char)version;
    CHECK(is_corrupt(bytes, ENTRY) == (version != 2)); /* one of version 1 is shorter */
  }
}

/* The number of a link lies between the id of the rule and the texts. */
static void test_link_bytes(void) {
  enum { LINK_AT = HEAD - 9 };
  char bytes[ENTRY + sizeof(int32_t) + sizeof(uint64_t)];
  lc_entry entry, unpacked;
  CHECK(lc_entry_unpack(entry_7, ENTRY, &entry, NULL) == LC_OK && entry.link == LC_LINK_NONE && entry.linked == 0);
  entry.rule = 7;
  for (int link = LC_LINK_DUE; link < LC_LINKS; link++) {
    entry.link = (uint8_t)link;
    entry.linked = UINT64_MAX - 7;
    CHECK(lc_entry_size(&entry) == sizeof bytes);
    lc_entry_pack(&entry, bytes);
    CHECK(lc_entry_unpack(bytes, sizeof bytes, &unpacked, NULL) == LC_OK && unpacked.link == link && unpacked.rule == 7);
    CHECK(unpacked.linked == UINT64_MAX - 7 && unpacked.company.text.size == 4);
  }
  CHECK(is_corrupt(bytes, sizeof bytes - 8));
  CHECK(bytes[LINK_AT] == LC_LINKS - 1);
  bytes[LINK_AT] = LC_LINKS;
  CHECK(is_corrupt(bytes, sizeof bytes));
}

/* A former company lies between the number of a link and the texts, and has at least one byte. */
static void test_former_bytes(void) {
  enum { FORMER_AT = HEAD + sizeof(uint64_t) };
  char bytes[ENTRY + sizeof(uint64_t) + 2 + 3];
  lc_entry entry, unpacked;
  CHECK(lc_entry_unpack(entry_7, ENTRY, &entry, NULL) == LC_OK && entry.former.text.size == 0 && !entry.is_gone);
  entry.link = LC_LINK_DUE;
  entry.is_gone = true;
  entry.former = (lc_company){ { "old", 3 }, true };
  CHECK(lc_entry_size(&entry) == sizeof bytes);
  lc_entry_pack(&entry, bytes);
  CHECK(lc_entry_unpack(bytes, sizeof bytes, &unpacked, NULL) == LC_OK && unpacked.is_gone && unpacked.former.is_integer);
  CHECK(unpacked.former.text.size == 3 && memcmp(unpacked.former.text.data, "old", 3) == 0);
  CHECK(unpacked.company.text.size == 4 && memcmp(unpacked.company.text.data, "Acme", 4) == 0);
  for (size_t size = 0; size < sizeof bytes; size++)
    CHECK(is_corrupt(bytes, size));
  bytes[FORMER_AT] = 0;
  CHECK(is_corrupt(bytes, sizeof bytes) && is_corrupt(bytes, sizeof bytes - 3));
  bytes[FORMER_AT] = (char)255;
  CHECK(is_corrupt(bytes, sizeof bytes));
}

/* The id of a rule lies between head and texts, and is at least 1. */
static void test_rule_bytes(void) {
  static const int32_t ids[] = { 7, INT32_MAX, 0, -1, INT32_MIN };
  char bytes[ENTRY + sizeof(int32_t)];
  lc_entry entry;
  CHECK(lc_entry_unpack(entry_7, ENTRY, &entry, NULL) == LC_OK && entry.rule == 0);
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    entry.rule = 7;
    CHECK(lc_entry_size(&entry) == sizeof bytes);
    lc_entry_pack(&entry, bytes);
    memcpy(bytes + HEAD, &ids[i], sizeof ids[i]);
    lc_entry unpacked;
    CHECK((lc_entry_unpack(bytes, sizeof bytes, &unpacked, NULL) == LC_OK ? unpacked.rule : -1) == (ids[i] > 0 ? ids[i] : -1));
  }
  CHECK(is_corrupt(bytes, ENTRY));
}

int main(void) {
  alarm(300);
  if (files_make("damage") == NULL)
    return 1;
  snprintf(path, sizeof path, "%s/store", files_directory);
  pack_all();
  TEST(test_sound());
  TEST(test_damages());
  TEST(test_keys());
  TEST(test_many());
  TEST(test_damaged_claim());
  TEST(test_rule_bytes());
  TEST(test_link_bytes());
  TEST(test_former_bytes());
  TEST(test_damaged_company());
  TEST(test_damaged_delivery());
  TEST(test_damaged_mark());
  TEST(test_entry_bytes());
  TEST(CHECK(files_remove(files_directory) == 0));
  return report();
}
