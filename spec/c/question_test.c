/* Questions in the core: the moves between their states, their packed form, and what the store makes of them. The specs
 * in Lua see all that from outside; here is what they cannot reach: every pair of states, every damaged byte, the limits
 * of one sweep, and records that are not what they should be. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "handle.h"
#include "rules/decide.h"
#include "store/internal.h"
#include "store/store.h"

enum { LEAD = 1, QUALIFIED = 2, CUSTOMER = 5, PARTNER = 6 };
enum { MIB = 1 << 20, TTL = 60, MOST_EXPIRED = 256 };

static const lc_text none = { NULL, 0 };
static const double now = 1700000000;

/* ---- the states -------------------------------------------------------------------------- */

static void test_states(void) {
  static const char *const names[] = { "open", "accepted", "changed", "declined", "expired", "superseded", "conflict" };
  CHECK(LC_QUESTION_STATES == 7);
  for (int from = 0; from < LC_QUESTION_STATES; from++) {
    CHECK(strcmp(lc_question_state_names[from], names[from]) == 0);
    for (int to = 0; to < LC_QUESTION_STATES; to++) { /* open: to anywhere else; all others: nowhere */
      bool may = lc_question_may_move((lc_question_state)from, (lc_question_state)to);
      if (!CHECK(may == (from == LC_QUESTION_OPEN && to != LC_QUESTION_OPEN)))
        printf("%s -> %s\n", names[from], names[to]);
    }
  }
}

/* ---- the packed form --------------------------------------------------------------------- */

enum { HEAD = 88, STATE_AT = 1, TRIGGER_AT = 2, COMPANY_SIZE_AT = 4, USER_SIZE_AT = 5, BODY_SIZE_AT = 64, ANSWER_SIZE_AT = 68 };

static char letters[300];

static bool same_text(lc_text a, lc_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool same_question(const lc_question *a, const lc_question *b) {
  return memcmp(a->id, b->id, sizeof a->id) == 0 && a->state == b->state && a->entry == b->entry
      && a->created_at == b->created_at && a->expires_at == b->expires_at && a->resolved_at == b->resolved_at
      && a->revision == b->revision && a->trigger == b->trigger && a->lead_status == b->lead_status
      && a->takes_back == b->takes_back && a->on_expiry == b->on_expiry && a->from == b->from && a->to == b->to && a->category == b->category
      && a->company.is_integer == b->company.is_integer && same_text(a->company.text, b->company.text)
      && same_text(a->user, b->user) && same_text(a->body, b->body) && same_text(a->answer, b->answer);
}

/* Every field has a value that no other has. */
static lc_question full_question(void) {
  lc_question question = {
    .state = LC_QUESTION_CHANGED, .entry = UINT64_MAX - 1, .created_at = 1.25, .expires_at = 2.5, .resolved_at = 3.75,
    .revision = 1ULL << 60, .trigger = LC_SALE_WON, .lead_status = INT32_MAX, .from = 3, .to = 4, .category = 6,
    .company = { text_of("Acme"), true }, .user = text_of("bob\377"), .body = text_of("{\"options\":[]}"),
    .answer = text_of("{}"),
  };
  for (int i = 0; i < LC_QUESTION_ID_SIZE; i++)
    question.id[i] = (uint8_t)(0xf0 + i);
  return question;
}

/* Packs and unpacks it, in memory of just that size; whether it came back. */
static bool comes_back(const lc_question *question) {
  size_t size = lc_question_size(question);
  char *memory = malloc(size), *other = malloc(size);
  lc_question unpacked;
  memset(memory, 0xaa, size);
  memset(other, 0x55, size);
  lc_question_pack(question, memory);
  lc_question_pack(question, other);
  CHECK(memcmp(memory, other, size) == 0); /* every byte is set */
  bool same = lc_question_unpack(memory, size, &unpacked, NULL) == LC_OK && same_question(question, &unpacked);
  free(memory);
  free(other);
  return same;
}

static void test_packing(void) {
  lc_question question = full_question(), empty = { .company = { text_of("A"), false } };
  memset(letters, 'x', sizeof letters);
  CHECK(comes_back(&question) && comes_back(&empty));
  for (int state = 0; state < LC_QUESTION_STATES; state++) {
    question.state = (lc_question_state)state;
    for (uint8_t trigger = 0; trigger < LC_TRIGGER_NUMBERS; trigger++) {
      question.trigger = trigger;
      CHECK(comes_back(&question) == lc_is_trigger(trigger));
    }
    question.trigger = LC_SALE_WON;
  }
  for (uint8_t on_expiry = 0; on_expiry < LC_ON_EXPIRIES; on_expiry++) {
    question.on_expiry = on_expiry;
    question.takes_back = on_expiry != LC_ACCEPTS;
    CHECK(comes_back(&question));
  }
  question.on_expiry = LC_ON_EXPIRIES;
  CHECK(!comes_back(&question));
  question.on_expiry = LC_EXPIRES;
  question.company = (lc_company){ { letters, LC_COMPANY_MAX }, false };
  question.user = (lc_text){ letters, LC_USER_MAX };
  CHECK(comes_back(&question));
  question.user = question.answer = none;
  CHECK(comes_back(&question));
  char *large = calloc(1, MIB);
  question.body = question.answer = (lc_text){ large, MIB };
  CHECK(comes_back(&question));
  free(large);
}

/* Whether bytes of just this size are told apart from a record. */
static bool is_corrupt(const char *bytes, size_t size) {
  char *memory = malloc(size + (size == 0)); /* malloc(0) may give NULL */
  lc_error error = { "" };
  lc_question unpacked;
  if (size != 0)
    memcpy(memory, bytes, size);
  bool corrupt = lc_question_unpack(memory, size, &unpacked, &error) == LC_CORRUPT && error.message[0] != '\0';
  free(memory);
  return corrupt;
}

static void check_changed(const char *packed, size_t size, size_t at, int byte) {
  char changed[256];
  memcpy(changed, packed, size);
  changed[at] = (char)byte;
  if (changed[at] != packed[at] && !CHECK(is_corrupt(changed, size)))
    printf("byte %zu is %d\n", at, byte);
}

static void test_damaged_bytes(void) {
  char packed[256], longer[257] = { 0 };
  lc_question question = full_question();
  size_t size = lc_question_size(&question);
  if (!CHECK(size > HEAD && size <= sizeof packed))
    return;
  lc_question_pack(&question, packed);
  CHECK(!is_corrupt(packed, size));
  for (size_t shorter = 0; shorter < size; shorter++)
    CHECK(is_corrupt(packed, shorter));
  memcpy(longer, packed, size);
  CHECK(is_corrupt(longer, size + 1));
  for (int byte = 0; byte < 256; byte++) {
    check_changed(packed, size, 0, byte); /* the version */
    if (byte >= LC_QUESTION_STATES)
      check_changed(packed, size, STATE_AT, byte);
    if (!lc_is_trigger((uint32_t)byte))
      check_changed(packed, size, TRIGGER_AT, byte);
    check_changed(packed, size, COMPANY_SIZE_AT, byte);
    check_changed(packed, size, USER_SIZE_AT, byte);
    for (size_t at = BODY_SIZE_AT; at < BODY_SIZE_AT + 8; at++)
      check_changed(packed, size, at, byte);
  }
}

/* Whatever a head says, its texts lie within the record: for the sanitizers. */
static void test_any_bytes(void) {
  unsigned seed = 1;
  for (int round = 0; round < times(20000); round++) {
    size_t size = (size_t)(rand_r(&seed) % 200);
    char *bytes = malloc(size + 1);
    lc_question question;
    for (size_t i = 0; i < size; i++)
      bytes[i] = (char)(i < 3 ? 1 : i < HEAD ? (rand_r(&seed) % 16 == 0 ? rand_r(&seed) % 64 : 0) : rand_r(&seed));
    if (lc_question_unpack(bytes, size, &question, NULL) == LC_OK)
      CHECK(lc_question_size(&question) == size && comes_back(&question));
    free(bytes);
  }
}

/* ---- stores ------------------------------------------------------------------------------ */

static char directory[] = "/tmp/leadcat_question_test_XXXXXX";
static const lc_text tenant = { "", 0 };

/* Has the tenant ask before a customer is made of a lead. */
static void save(lc_store *store, lc_text of) {
  const lc_category categories[] = { { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER }, { .id = QUALIFIED, .group = LC_POTENTIAL_CUSTOMER },
                                     { .id = CUSTOMER, .group = LC_CUSTOMER }, { .id = PARTNER, .group = LC_PARTNER } };
  const lc_rule rule = { .trigger = LC_SALE_WON, .to = CUSTOMER, .ask = true };
  CHECK(save_config(store, of, &(lc_config){ .revision = 1, .categories = categories, .category_count = 4, .rules = &rule, .rule_count = 1 }, NULL) == LC_OK);
}

static lc_store *open_store(void) {
  static int made;
  char path[80];
  lc_error error = { "" };
  lc_store *store = NULL;
  snprintf(path, sizeof path, "%s/%d", directory, made++);
  if (!CHECK(lc_store_open(path, &(lc_store_options){ .map_size = 64 * MIB, .relaxed = true }, &store, &error) == LC_OK)) {
    printf("%s\n", error.message);
    exit(1);
  }
  save(store, tenant);
  return store;
}

static void create(lc_store *store, const char *name) {
  size_t created;
  lc_company company = company_of(name);
  CHECK(lc_store_create(store, tenant, &company, 1, LEAD, &created, NULL) == LC_OK && created == 1);
}

static int32_t category_of(lc_store *store, const char *name) {
  int32_t category;
  lc_company company = company_of(name);
  return lc_store_company(store, tenant, &company, &category, NULL) == LC_OK ? category : 0;
}

/* The ids of the questions that were asked, by the numbers they have here. */
static uint8_t ids[1024][LC_QUESTION_ID_SIZE];

/* How events ask, and changes are made, at `now`: of companies that a host keeps. */
static lc_handling how_of(lc_text of, double expires_at) {
  return (lc_handling){ .tenant = of, .now = now, .claim = 30, .ttl = expires_at - now };
}

/* An event on behalf of Bob that asks, as long as its company is a lead. */
static lc_case asking(const char *company) {
  lc_case c = case_of(LC_SALE_WON, company, "", now);
  c.is_given = true;
  c.given = LEAD;
  c.user = text_of("bob");
  return c;
}

/* Asks the question number `n`. */
static lc_status ask_by(lc_store *store, lc_text of, lc_case *c, uint32_t n, double expires_at) {
  const lc_handling how = how_of(of, expires_at);
  lc_status status = handle(store, &how, c, 1, NULL);
  if (status != LC_OK || c->state != LC_WRITTEN)
    return status == LC_OK ? LC_CONFLICT : status;
  CHECK(c->entry.status == LC_ENTRY_AWAITING && c->entry.has_question);
  memcpy(ids[n], c->entry.question, sizeof ids[n]);
  return LC_OK;
}

static lc_status ask_as(lc_store *store, lc_text of, const char *company, uint32_t n, double expires_at) {
  lc_case c = asking(company);
  return ask_by(store, of, &c, n, expires_at);
}

static void ask(lc_store *store, const char *company, uint32_t n) {
  CHECK(ask_as(store, tenant, company, n, now + TTL) == LC_OK);
}

/* Questions `first` and on, each about a company of its own, in one transaction. */
static void ask_many(lc_store *store, uint32_t first, size_t count) {
  const lc_handling how = how_of(tenant, now + TTL);
  lc_case *cases = calloc(count, sizeof *cases);
  char (*names)[32] = calloc(count, sizeof *names);
  for (size_t i = 0; i < count; i++) {
    snprintf(names[i], sizeof names[i], "c%zu", first + i);
    cases[i] = asking(names[i]);
  }
  CHECK(handle(store, &how, cases, count, NULL) == LC_OK);
  for (size_t i = 0; i < count; i++)
    memcpy(ids[first + i], cases[i].entry.question, sizeof ids[0]);
  free(cases);
  free(names);
}

/* An answer to the question; its entry's status is what is done. */
static lc_write answer_of(const char *company, uint32_t n, lc_entry_status status, int32_t to) {
  lc_write write = { .is_answer = true,
                     .entry = { .at = now + 5, .revision = 1, .status = status, .trigger = LC_SALE_WON, .action = LC_CONFIRM,
                                .from = LEAD, .to = to, .has_question = true, .company = company_of(company),
                                .details = text_of("{\"actor\":{}}") } };
  memcpy(write.entry.question, ids[n], sizeof ids[n]);
  return write;
}

static lc_status answer_at(lc_store *store, const char *company, uint32_t n, lc_entry_status status, double at,
                           lc_write_result *result, uint64_t *entry) {
  lc_write write = answer_of(company, n, status, CUSTOMER);
  lc_status rc = lc_store_write(store, tenant, &write, 1, NULL, at, 30, NULL);
  *result = write.result;
  if (entry != NULL)
    *entry = write.entry.id;
  return rc;
}

static bool answered(lc_store *store, const char *company, uint32_t n, lc_entry_status status, lc_write_result expected) {
  lc_write_result result;
  return answer_at(store, company, n, status, now + 5, &result, NULL) == LC_OK && result == expected;
}

/* The question as it is stored; valid until the next call. Its state is LC_QUESTION_STATES when it cannot be read. */
static lc_question read_question(lc_store *store, uint32_t n) {
  lc_question question = { .state = LC_QUESTION_STATES };
  if (lc_store_question(store, tenant, ids[n], NULL) == LC_OK) {
    lc_text packed = lc_store_result(store);
    if (lc_question_unpack(packed.data, packed.size, &question, NULL) != LC_OK)
      question.state = LC_QUESTION_STATES;
  }
  return question;
}

static bool is_in(lc_store *store, uint32_t n, lc_question_state state) {
  return read_question(store, n).state == state;
}

static int count_entries(lc_store *store) {
  int count = 0;
  if (lc_store_history(store, tenant, NULL, 0, 0, 10000, NULL) != LC_OK)
    return -1;
  lc_text list = lc_store_result(store), item;
  while (lc_list_next(&list, &item))
    count++;
  return count;
}

static uint64_t commits(lc_store *store) {
  lc_store_stats stats;
  return CHECK(lc_store_stat(store, &stats, NULL) == LC_OK) ? stats.commits : 0;
}

static bool finishes(lc_store *store, const char *company, uint64_t entry, lc_entry_status status, lc_status expected) {
  lc_finish finish = { .entry = entry, .company = company_of(company), .status = status };
  return lc_store_finish(store, tenant, &finish, 1, 0, NULL) == expected && !finish.lost;
}

/* ---- answers ----------------------------------------------------------------------------- */

/* What an answer says, where the company stands, and the question's state then. */
static void test_answers(void) {
  static const struct {
    lc_entry_status status;
    int32_t to, stands;
    lc_question_state state;
    int32_t category;
  } rows[] = {
    { LC_ENTRY_UPDATED, CUSTOMER, LEAD, LC_QUESTION_ACCEPTED, CUSTOMER },
    { LC_ENTRY_UPDATED, PARTNER, LEAD, LC_QUESTION_CHANGED, PARTNER },
    { LC_ENTRY_UPDATED, CUSTOMER, QUALIFIED, LC_QUESTION_CONFLICT, 0 },
    { LC_ENTRY_UPDATED, CUSTOMER, 0, LC_QUESTION_CONFLICT, 0 }, /* there is no such company */
    { LC_ENTRY_DECLINED, CUSTOMER, LEAD, LC_QUESTION_DECLINED, 0 },
    { LC_ENTRY_DECLINED, CUSTOMER, QUALIFIED, LC_QUESTION_DECLINED, 0 },
    { LC_ENTRY_APPLYING, CUSTOMER, LEAD, LC_QUESTION_OPEN, 0 },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lc_store *store = open_store();
    lc_company acme = company_of("Acme");
    if (rows[i].stands != 0)
      create(store, "Acme");
    ask(store, "Acme", 1);
    if (rows[i].stands == QUALIFIED)
      CHECK(lc_store_set_category(store, tenant, &acme, QUALIFIED, LEAD, NULL) == LC_OK);
    lc_write write = answer_of("Acme", 1, rows[i].status, rows[i].to);
    CHECK(lc_store_write(store, tenant, &write, 1, NULL, now + 5, 30, NULL) == LC_OK && write.result == LC_PUT);
    lc_question question = read_question(store, 1);
    bool open = rows[i].state == LC_QUESTION_OPEN;
    if (!CHECK(question.state == rows[i].state && question.category == rows[i].category
               && question.resolved_at == (open ? 0 : now + 5)
               && same_text(question.answer, open ? none : write.entry.details)))
      printf("row %zu: state %d, category %d\n", i, question.state, (int)question.category);
    CHECK(same_text(question.user, text_of("bob")) && same_text(question.body, text_of("{\"options\":[1,2,5,6]}")));
    CHECK(question.created_at == now && question.expires_at == now + TTL && question.to == CUSTOMER);
    int entries = count_entries(store);
    /* Whatever it was: there is no second answer. */
    CHECK(answered(store, "Acme", 1, LC_ENTRY_DECLINED, open ? LC_BUSY : LC_ANSWERED));
    CHECK(answered(store, "Acme", 1, LC_ENTRY_UPDATED, open ? LC_BUSY : LC_ANSWERED));
    CHECK(answered(store, "Acme", 1, LC_ENTRY_APPLYING, open ? LC_BUSY : LC_ANSWERED));
    CHECK(count_entries(store) == entries && entries == 2 && is_in(store, 1, rows[i].state));
    lc_store_close(store);
  }
}

static void test_answers_in_one_batch(void) {
  lc_store *store = open_store();
  create(store, "Acme");
  ask(store, "Acme", 1);
  ask(store, "Bolt", 2);
  lc_write writes[] = {
    answer_of("Acme", 1, LC_ENTRY_UPDATED, CUSTOMER), answer_of("Acme", 1, LC_ENTRY_DECLINED, CUSTOMER),
    answer_of("Bolt", 2, LC_ENTRY_APPLYING, CUSTOMER), answer_of("Bolt", 2, LC_ENTRY_DECLINED, CUSTOMER),
  };
  CHECK(lc_store_write(store, tenant, writes, 4, NULL, now + 5, 30, NULL) == LC_OK);
  CHECK(writes[0].result == LC_PUT && writes[1].result == LC_ANSWERED);
  CHECK(writes[2].result == LC_PUT && writes[3].result == LC_BUSY && writes[3].first == writes[2].entry.id);
  CHECK(is_in(store, 1, LC_QUESTION_ACCEPTED) && is_in(store, 2, LC_QUESTION_OPEN) && count_entries(store) == 4);

  /* One that answers nothing undoes all of its batch. */
  ask(store, "Coil", 3);
  lc_write wrong[] = { answer_of("Coil", 3, LC_ENTRY_DECLINED, CUSTOMER), answer_of("Coil", 99, LC_ENTRY_DECLINED, CUSTOMER) };
  CHECK(lc_store_write(store, tenant, wrong, 2, NULL, now + 5, 30, NULL) == LC_NOT_FOUND);
  CHECK(is_in(store, 3, LC_QUESTION_OPEN) && count_entries(store) == 5);
  save(store, text_of("other"));
  CHECK(ask_as(store, text_of("other"), "Coil", 4, now + TTL) == LC_OK); /* another tenant's is none, either */
  wrong[0] = answer_of("Coil", 4, LC_ENTRY_DECLINED, CUSTOMER);
  CHECK(lc_store_write(store, tenant, wrong, 1, NULL, now + 5, 30, NULL) == LC_NOT_FOUND);
  lc_store_close(store);
}

/* A question's time is over at that very moment, and not before; an answer under way was given in time. */
static void test_time_of_answers(void) {
  lc_store *store = open_store();
  lc_write_result result;
  uint64_t entry;
  size_t expired;
  bool more;
  for (uint32_t n = 1; n <= 3; n++)
    ask(store, n == 1 ? "Acme" : n == 2 ? "Bolt" : "Coil", n);
  CHECK(answer_at(store, "Acme", 1, LC_ENTRY_DECLINED, now + TTL - 0.001, &result, NULL) == LC_OK && result == LC_PUT);
  CHECK(answer_at(store, "Bolt", 2, LC_ENTRY_DECLINED, now + TTL, &result, NULL) == LC_OK && result == LC_OVERDUE);
  CHECK(answer_at(store, "Acme", 1, LC_ENTRY_DECLINED, now + TTL, &result, NULL) == LC_OK && result == LC_ANSWERED);
  CHECK(is_in(store, 2, LC_QUESTION_OPEN) && count_entries(store) == 4);

  CHECK(answer_at(store, "Coil", 3, LC_ENTRY_APPLYING, now + 5, &result, &entry) == LC_OK && result == LC_PUT);
  CHECK(answer_at(store, "Coil", 3, LC_ENTRY_APPLYING, now + TTL, &result, NULL) == LC_OK && result == LC_BUSY);
  CHECK(lc_store_expire(store, tenant, now + TTL, &expired, &more, NULL) == LC_OK && expired == 1 && !more);
  CHECK(is_in(store, 2, LC_QUESTION_EXPIRED) && is_in(store, 3, LC_QUESTION_OPEN));
  CHECK(finishes(store, "Coil", entry, LC_ENTRY_UPDATED, LC_OK));
  lc_question question = read_question(store, 3);
  CHECK(question.state == LC_QUESTION_ACCEPTED && question.resolved_at == now + 5 && question.category == CUSTOMER);
  CHECK(lc_store_expire(store, tenant, now + 2 * TTL, &expired, &more, NULL) == LC_OK && expired == 0);
  lc_store_close(store);
}

/* How an answer under way leaves its question. */
static void test_finished_answers(void) {
  static const struct {
    lc_entry_status status;
    lc_question_state state;
  } rows[] = {
    { LC_ENTRY_UPDATED, LC_QUESTION_ACCEPTED }, { LC_ENTRY_CONFLICT, LC_QUESTION_CONFLICT },
    { LC_ENTRY_FAILED, LC_QUESTION_OPEN }, { LC_ENTRY_APPLYING, LC_QUESTION_OPEN },
  };
  lc_store *store = open_store();
  for (uint32_t n = 0; n < sizeof rows / sizeof *rows; n++) {
    const char *company = (const char *const[]){ "Acme", "Bolt", "Coil", "Dyno" }[n];
    lc_write_result result;
    uint64_t entry;
    ask(store, company, n);
    CHECK(answer_at(store, company, n, LC_ENTRY_APPLYING, now + 5, &result, &entry) == LC_OK && result == LC_PUT);
    CHECK(ask_as(store, tenant, company, 100 + n, now + TTL) == LC_CONFLICT && is_in(store, n, LC_QUESTION_OPEN)); /* busy */
    CHECK(finishes(store, company, entry, rows[n].status, LC_OK));
    lc_question question = read_question(store, n);
    bool open = rows[n].state == LC_QUESTION_OPEN;
    CHECK(question.state == rows[n].state && question.resolved_at == (open ? 0 : now + 5));
    CHECK(same_text(question.answer, open ? none : text_of("{\"actor\":{}}")));
    if (rows[n].status == LC_ENTRY_FAILED) /* it can be answered anew */
      CHECK(answered(store, company, n, LC_ENTRY_DECLINED, LC_PUT) && is_in(store, n, LC_QUESTION_DECLINED));
  }
  lc_store_close(store);
}

/* ---- expiring ---------------------------------------------------------------------------- */

static bool expires(lc_store *store, double at, size_t expected, bool more_expected) {
  size_t expired = 9999;
  bool more = !more_expected;
  bool ok = lc_store_expire(store, tenant, at, &expired, &more, NULL) == LC_OK;
  if (expired != expected)
    printf("%zu expired, not %zu\n", expired, expected);
  return ok && expired == expected && more == more_expected;
}

static void test_limits_of_expiring(void) {
  static const size_t counts[] = { 0, 1, MOST_EXPIRED - 1, MOST_EXPIRED, MOST_EXPIRED + 1, 2 * MOST_EXPIRED, 700 };
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    lc_store *store = open_store();
    size_t left = counts[i];
    ask_many(store, 0, counts[i]);
    uint64_t before = commits(store);
    CHECK(expires(store, now + TTL - 0.001, 0, false));
    CHECK(commits(store) == before); /* nothing due: nothing written */
    for (; left >= MOST_EXPIRED; left -= MOST_EXPIRED)
      CHECK(expires(store, now + TTL, MOST_EXPIRED, true));
    CHECK(expires(store, now + TTL, left, false));
    CHECK(expires(store, now + TTL, 0, false));
    CHECK(commits(store) == before + (counts[i] + MOST_EXPIRED - 1) / MOST_EXPIRED);
    CHECK(count_entries(store) == (int)(2 * counts[i]));
    for (uint32_t n = 0; n < counts[i]; n++) {
      lc_question question = read_question(store, n);
      CHECK(question.state == LC_QUESTION_EXPIRED && question.resolved_at == now + TTL && question.answer.size == 0);
    }
    lc_store_close(store);
  }
}

/* Those that are being answered do not keep those behind them from expiring. */
static void test_expiring_behind_answers(void) {
  enum { UNDER_WAY = 300, WAITING = 10 };
  lc_store *store = open_store();
  ask_many(store, 0, UNDER_WAY);
  for (uint32_t n = 0; n < UNDER_WAY; n++) {
    char company[16];
    snprintf(company, sizeof company, "c%u", (unsigned)n);
    CHECK(answered(store, company, n, LC_ENTRY_APPLYING, LC_PUT));
  }
  ask_many(store, UNDER_WAY, WAITING);
  CHECK(expires(store, now + TTL, WAITING, false));
  CHECK(is_in(store, 0, LC_QUESTION_OPEN) && is_in(store, UNDER_WAY, LC_QUESTION_EXPIRED));
  lc_store_close(store);
}

/* Times that are no whole milliseconds, or no times at all. */
static void test_odd_times(void) {
  lc_store *store = open_store();
  const double times_up[] = { now + 0.0009, -1, 0, 1e300, INFINITY };
  for (uint32_t n = 0; n < sizeof times_up / sizeof *times_up; n++) {
    char company[8];
    snprintf(company, sizeof company, "c%u", (unsigned)n);
    CHECK(ask_as(store, tenant, company, n, times_up[n]) == LC_OK);
  }
  CHECK(expires(store, NAN, 0, false));
  CHECK(expires(store, -2, 0, false));
  CHECK(expires(store, now + 0.0005, 2, false)); /* in the same millisecond as the first, but before it */
  CHECK(is_in(store, 0, LC_QUESTION_OPEN) && is_in(store, 1, LC_QUESTION_EXPIRED) && is_in(store, 2, LC_QUESTION_EXPIRED));
  CHECK(expires(store, now + 0.0009, 1, false) && is_in(store, 0, LC_QUESTION_EXPIRED));
  CHECK(expires(store, 9e15, 0, false));
  CHECK(is_in(store, 3, LC_QUESTION_OPEN) && is_in(store, 4, LC_QUESTION_OPEN));
  lc_store_close(store);
}

static void test_tenants(void) {
  static const char *const names[] = { "a", "aa", "b", "\1a" };
  lc_store *store = open_store();
  ask(store, "Acme", 0);
  for (uint32_t n = 0; n < 4; n++) {
    save(store, text_of(names[n]));
    CHECK(ask_as(store, text_of(names[n]), "Acme", n + 1, now + TTL) == LC_OK);
  }
  for (uint32_t n = 0; n < 4; n++) {
    size_t expired;
    bool more;
    CHECK(lc_store_expire(store, text_of(names[n]), now + TTL, &expired, &more, NULL) == LC_OK && expired == 1);
    CHECK(is_in(store, 0, LC_QUESTION_OPEN));
  }
  CHECK(expires(store, now + TTL, 1, false));
  lc_store_close(store);
}

/* ---- lists ------------------------------------------------------------------------------- */

enum { ALL = (1 << LC_QUESTION_STATES) - 1, LISTED = 60 };

/* What the lists are compared with. */
static struct {
  const char *company, *user;
  lc_question_state state;
  uint64_t entry;
} model[LISTED];

static bool matches(const lc_query *query, int i) {
  return (query->company.size == 0 || same_text(query->company, text_of(model[i].company)))
      && (query->user.size == 0 || same_text(query->user, text_of(model[i].user)))
      && (query->states & 1U << model[i].state) != 0 && (query->after == 0 || model[i].entry < query->after);
}

static bool lists(lc_store *store, const lc_query *query) {
  if (lc_store_questions(store, tenant, query, NULL) != LC_OK)
    return false;
  lc_text list = lc_store_result(store), item;
  size_t listed = 0;
  for (int i = LISTED - 1; i >= 0 && listed < query->limit; i--) {
    lc_question question;
    if (!matches(query, i))
      continue;
    if (!lc_list_next(&list, &item) || lc_question_unpack(item.data, item.size, &question, NULL) != LC_OK
        || question.entry != model[i].entry || question.state != model[i].state)
      return false;
    listed++;
  }
  return !lc_list_next(&list, &item);
}

static bool counts(lc_store *store, const lc_query *query) {
  size_t counted, expected = 0;
  for (int i = 0; i < LISTED && expected < query->limit; i++)
    expected += matches(query, i);
  return lc_store_count_questions(store, tenant, query, &counted, NULL) == LC_OK && counted == expected;
}

/* Questions of five companies and three users (one is nobody) in all states but one. */
static void fill(lc_store *store) {
  static const char *const companies[] = { "A", "B", "AB", "C", "D" }, *const users[] = { "bob", "bobby", "" };
  static const lc_entry_status answers[] = { LC_ENTRY_UPDATED, LC_ENTRY_DECLINED, LC_ENTRY_AWAITING };
  for (uint32_t n = 0; n < LISTED; n++) {
    lc_case c = asking(companies[n % 5]);
    c.user = text_of(users[n % 3]);
    CHECK(ask_by(store, tenant, &c, n, now + TTL) == LC_OK);
    model[n].company = companies[n % 5];
    model[n].user = users[n % 3];
    model[n].entry = c.entry.id;
    lc_entry_status answer = answers[n / 5 % 3];
    if (answer != LC_ENTRY_AWAITING)
      CHECK(answered(store, companies[n % 5], n, answer, LC_PUT));
  }
  for (uint32_t n = 0; n < LISTED; n++)
    model[n].state = read_question(store, n).state;
}

static void test_lists(void) {
  lc_store *store = open_store();
  static const char *const companies[] = { "", "A", "AB", "none" }, *const users[] = { "", "bob", "bobby", "bo" };
  create(store, "A");
  create(store, "AB");
  fill(store);
  for (unsigned states = 0; states <= ALL; states++)
    for (int company = 0; company < 4; company++)
      for (int user = 0; user < 4; user++)
        for (size_t limit = 0; limit <= LISTED; limit += limit < 3 ? 1 : LISTED - 3) {
          lc_query query = { .company = text_of(companies[company]), .user = text_of(users[user]), .states = states,
                             .limit = limit };
          CHECK(lists(store, &query) && counts(store, &query));
          query.after = model[(states * 7 + (unsigned)user) % LISTED].entry;
          CHECK(lists(store, &query) && counts(store, &query));
        }
  lc_query behind_all = { .states = ALL, .after = 1, .limit = LISTED };
  CHECK(lists(store, &behind_all));
  lc_store_close(store);
}

/* How many a query lists; -1 when counting them gives another number. */
static int count_listed(lc_store *store, unsigned states, bool unswept, double at) {
  lc_query query = { .user = text_of("bob"), .states = states, .limit = 10, .unswept = unswept, .now = at };
  size_t counted;
  int listed = 0;
  CHECK(lc_store_questions(store, tenant, &query, NULL) == LC_OK);
  lc_text list = lc_store_result(store), item;
  while (lc_list_next(&list, &item))
    listed++;
  return lc_store_count_questions(store, tenant, &query, &counted, NULL) == LC_OK && counted == (size_t)listed ? listed : -1;
}

/* An open question whose time is over is open while it is being answered, and counts as expired where sweeping failed. */
static void test_overdue_in_lists(void) {
  static const unsigned open = 1U << LC_QUESTION_OPEN, expired = 1U << LC_QUESTION_EXPIRED;
  lc_store *store = open_store();
  ask(store, "Acme", 1);
  CHECK(ask_as(store, tenant, "Bolt", 2, now + 2 * TTL) == LC_OK);
  for (int unswept = 0; unswept < 2; unswept++) {
    double before = now + TTL - 0.001, at = now + TTL;
    CHECK(count_listed(store, open, unswept, before) == 2 && count_listed(store, expired, unswept, before) == 0);
    CHECK(count_listed(store, open, unswept, at) == (unswept ? 1 : 2));
    CHECK(count_listed(store, expired, unswept, at) == (unswept ? 1 : 0));
    CHECK(count_listed(store, open | expired, unswept, at) == 2 && count_listed(store, ALL, unswept, at) == 2);
    CHECK(count_listed(store, ALL & ~(open | expired), unswept, at) == 0);
  }
  lc_store_close(store);
}

/* ---- damage ------------------------------------------------------------------------------ */

/* Puts bytes in the place of the question's record; takes it away when there are none. */
static void damage(lc_store *store, uint32_t n, const void *bytes, size_t size) {
  MDB_txn *txn;
  lc_key prefix = lc_key_of(tenant);
  lc_key key = lc_key_of_question(&prefix, ids[n]);
  CHECK(lc_begin_write(store, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
  CHECK((size != 0 ? lc_put(store, txn, LC_TABLE_CONFIRMATIONS, &key, bytes, size)
                   : lc_delete(store, txn, LC_TABLE_CONFIRMATIONS, &key)) == 0);
  CHECK(lc_end_write(store, LC_PART_JOURNAL, txn, LC_OK, NULL) == LC_OK);
}

static void damage_byte(lc_store *store, uint32_t n, size_t at, char byte) {
  char packed[256];
  lc_question question = read_question(store, n);
  size_t size = lc_question_size(&question);
  if (!CHECK(question.state != LC_QUESTION_STATES && size <= sizeof packed))
    return;
  lc_question_pack(&question, packed);
  packed[at] = byte;
  damage(store, n, packed, size);
}

/* Everything that would read the damaged question about Acme says so and changes nothing; others are as before. */
static void check_damaged(lc_store *store) {
  lc_write_result result;
  size_t expired;
  bool more;
  lc_query query = { .states = ALL, .now = now, .limit = 10 };
  uint64_t before = commits(store);
  int entries = count_entries(store);
  CHECK(answer_at(store, "Acme", 1, LC_ENTRY_UPDATED, now + 5, &result, NULL) == LC_CORRUPT);
  CHECK(answer_at(store, "Acme", 1, LC_ENTRY_APPLYING, now + 5, &result, NULL) == LC_CORRUPT);
  CHECK(lc_store_questions(store, tenant, &query, NULL) == LC_CORRUPT);
  CHECK(ask_as(store, tenant, "Acme", 7, now + TTL) == LC_CORRUPT); /* it is to be superseded */
  CHECK(lc_store_expire(store, tenant, now + TTL, &expired, &more, NULL) == LC_CORRUPT);
  CHECK(commits(store) == before && count_entries(store) == entries && category_of(store, "Acme") == LEAD);
  query.company = text_of("Bolt");
  CHECK(lc_store_questions(store, tenant, &query, NULL) == LC_OK);
  CHECK(answered(store, "Bolt", 2, LC_ENTRY_DECLINED, LC_PUT));
}

static void test_damaged_records(void) {
  static const struct {
    size_t at;
    char byte;
  } bytes[] = { { 0, 2 }, { STATE_AT, LC_QUESTION_STATES }, { COMPANY_SIZE_AT, 5 }, { USER_SIZE_AT, 0 }, { BODY_SIZE_AT, 0 },
                { ANSWER_SIZE_AT, 1 } };
  for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
    lc_store *store = open_store();
    create(store, "Acme");
    ask(store, "Acme", 1);
    ask(store, "Bolt", 2);
    damage_byte(store, 1, bytes[i].at, bytes[i].byte);
    check_damaged(store);
    lc_store_close(store);
  }
  lc_store *store = open_store();
  create(store, "Acme");
  ask(store, "Acme", 1);
  ask(store, "Bolt", 2);
  damage(store, 1, "short", 5);
  check_damaged(store);
  lc_store_close(store);
}

/* A question that is listed but not there. */
static void test_missing_record(void) {
  lc_store *store = open_store();
  lc_write_result result;
  lc_query query = { .states = ALL, .now = now, .limit = 10 };
  create(store, "Acme");
  ask(store, "Acme", 1);
  ask(store, "Bolt", 2);
  damage(store, 1, NULL, 0);
  CHECK(answer_at(store, "Acme", 1, LC_ENTRY_UPDATED, now + 5, &result, NULL) == LC_NOT_FOUND);
  CHECK(lc_store_questions(store, tenant, &query, NULL) == LC_CORRUPT);
  CHECK(ask_as(store, tenant, "Acme", 7, now + TTL) == LC_CORRUPT); /* not found would be said about the event */
  CHECK(expires(store, now + TTL, 1, false) && is_in(store, 2, LC_QUESTION_EXPIRED));
  lc_store_close(store);
}

/* A change that the host has made, of a question that cannot be read, or that was closed by something else: the entry
 * stays, claimed, as it was. */
static void test_damage_while_applying(void) {
  for (int closed = 0; closed < 2; closed++) {
    lc_store *store = open_store();
    lc_write_result result;
    uint64_t entry;
    lc_error error = { "" };
    ask(store, "Acme", 1);
    CHECK(answer_at(store, "Acme", 1, LC_ENTRY_APPLYING, now + 5, &result, &entry) == LC_OK);
    damage_byte(store, 1, STATE_AT, closed ? LC_QUESTION_DECLINED : LC_QUESTION_STATES);
    uint64_t before = commits(store);
    lc_finish finish = { .entry = entry, .company = company_of("Acme"), .status = LC_ENTRY_UPDATED };
    CHECK(lc_store_finish(store, tenant, &finish, 1, 0, &error) == LC_CORRUPT);
    if (closed)
      CHECK(strstr(error.message, "declined") != NULL && strstr(error.message, "accepted") != NULL);
    CHECK(commits(store) == before);
    CHECK(lc_store_newest(store, tenant, &finish.company, &entry, NULL) == LC_CONFLICT); /* still applying */
    lc_store_close(store);
  }
}

int main(void) {
  char command[128];
  alarm(300);
  if (mkdtemp(directory) == NULL)
    return 1;
  TEST(test_states());
  TEST(test_packing());
  TEST(test_damaged_bytes());
  TEST(test_any_bytes());
  TEST(test_answers());
  TEST(test_answers_in_one_batch());
  TEST(test_time_of_answers());
  TEST(test_finished_answers());
  TEST(test_limits_of_expiring());
  TEST(test_expiring_behind_answers());
  TEST(test_odd_times());
  TEST(test_tenants());
  TEST(test_lists());
  TEST(test_overdue_in_lists());
  TEST(test_damaged_records());
  TEST(test_missing_record());
  TEST(test_damage_while_applying());
  snprintf(command, sizeof command, "rm -rf %s", directory);
  TEST(CHECK(system(command) == 0));
  return report();
}
