/* Rulesets: what may be built, what is decided by one, and what damaged or hostile bytes can do: nothing. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "rules/decide.h"
#include "rules/ruleset.h"

enum { LEAD = 1, OPPORTUNITY, CUSTOMER, OLD, PROSPECT };

static const lc_category categories[] = {
  { LEAD, LC_POTENTIAL_CUSTOMER, true, false },
  { OPPORTUNITY, LC_POTENTIAL_CUSTOMER, true, false },
  { CUSTOMER, LC_CUSTOMER, false, false },
  { OLD, LC_POTENTIAL_CUSTOMER, false, true },
  { PROSPECT, LC_POTENTIAL_CUSTOMER, false, false },
};

static const lc_rule rules[] = {
  { LC_SALE_REGISTERED, 0, OPPORTUNITY, true },
  { LC_SALE_WON, 0, CUSTOMER, false },
  { LC_LEAD_STATUS_SET, 7, OPPORTUNITY, false },
  { LC_LEAD_STATUS_SET, INT32_MAX, CUSTOMER, true },
};

static const lc_config sound = { 9, categories, 5, rules, 4 };

/* Builds into memory of its own, to be freed. */
static lc_status build(const lc_config *config, lc_ruleset **out, size_t *size) {
  *size = lc_ruleset_size(config);
  *out = malloc(*size);
  return lc_ruleset_build(config, *out, *size, NULL);
}

/* ---- deciding ---------------------------------------------------------------------------- */

static void test_decisions(void) {
  static const struct {
    lc_trigger trigger;
    int32_t category, lead_status;
    lc_decision expected;
  } rows[] = {
    { LC_SALE_WON, LEAD, 0, { LC_UPDATE, LC_MATCHED, CUSTOMER } },
    { LC_SALE_WON, OLD, 0, { LC_UPDATE, LC_MATCHED, CUSTOMER } }, /* a company may still stand there */
    { LC_SALE_REGISTERED, LEAD, 0, { LC_CONFIRM, LC_MATCHED, OPPORTUNITY } },
    { LC_SALE_REGISTERED, OPPORTUNITY, 0, { LC_NONE, LC_ALREADY_IN_CATEGORY, 0 } },
    { LC_SALE_LOST, LEAD, 0, { LC_NONE, LC_RULE_DISABLED, 0 } },
    { LC_SALE_LOST, 99, 0, { LC_NONE, LC_RULE_DISABLED, 0 } }, /* the order of the checks */
    { LC_SALE_WON, 99, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 } },
    { LC_SALE_WON, 0, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 } },
    { LC_SALE_WON, -1, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 } },
    { LC_SALE_WON, INT32_MIN, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 } },
    { LC_SALE_WON, INT32_MAX, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 } },
    { LC_SALE_WON, CUSTOMER, 0, { LC_NONE, LC_NOT_POTENTIAL_CUSTOMER, 0 } },
    { LC_LEAD_STATUS_SET, LEAD, 7, { LC_UPDATE, LC_MATCHED, OPPORTUNITY } },
    { LC_LEAD_STATUS_SET, LEAD, INT32_MAX, { LC_CONFIRM, LC_MATCHED, CUSTOMER } },
    { LC_LEAD_STATUS_SET, LEAD, 8, { LC_NONE, LC_LEAD_STATUS_NOT_MATCHED, 0 } },
    { LC_LEAD_STATUS_SET, LEAD, 0, { LC_NONE, LC_LEAD_STATUS_NOT_MATCHED, 0 } },
    { LC_LEAD_STATUS_SET, LEAD, -7, { LC_NONE, LC_LEAD_STATUS_NOT_MATCHED, 0 } },
    { LC_LEAD_STATUS_SET, PROSPECT, 7, { LC_NONE, LC_LEAD_STATUS_NOT_ENABLED, 0 } },
    { LC_LEAD_STATUS_SET, PROSPECT, 8, { LC_NONE, LC_LEAD_STATUS_NOT_ENABLED, 0 } },
    { LC_LEAD_STATUS_SET, OPPORTUNITY, 7, { LC_NONE, LC_ALREADY_IN_CATEGORY, 0 } },
  };
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&sound, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  CHECK(ruleset->revision == 9);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lc_decision decision = lc_decide(ruleset, &(lc_facts){ rows[i].trigger, rows[i].category, rows[i].lead_status });
    CHECK(decision.action == rows[i].expected.action);
    CHECK(decision.reason == rows[i].expected.reason);
    CHECK(decision.to == rows[i].expected.to);
  }
  free(ruleset);
}

static void test_empty(void) {
  const lc_config empty = { 0 };
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&empty, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  for (int trigger = 0; trigger < LC_TRIGGERS; trigger++)
    CHECK(lc_decide(ruleset, &(lc_facts){ (lc_trigger)trigger, LEAD, 7 }).reason == LC_RULE_DISABLED);
  free(ruleset);
}

/* ---- building ---------------------------------------------------------------------------- */

static lc_status build_changed(lc_category *category, lc_rule *rule) {
  lc_category some[5];
  lc_rule others[4];
  memcpy(some, categories, sizeof some);
  memcpy(others, rules, sizeof others);
  if (category != NULL)
    some[4] = *category;
  if (rule != NULL)
    others[3] = *rule;
  lc_ruleset *ruleset;
  size_t size;
  lc_status status = build(&(lc_config){ 1, some, 5, others, 4 }, &ruleset, &size);
  free(ruleset);
  return status;
}

static void test_refusals(void) {
  static const int32_t no_ids[] = { 0, -1, INT32_MIN };
  for (size_t i = 0; i < sizeof no_ids / sizeof *no_ids; i++) {
    CHECK(build_changed(&(lc_category){ no_ids[i], LC_OTHER, false, false }, NULL) == LC_INVALID);
    CHECK(build_changed(NULL, &(lc_rule){ LC_LEAD_STATUS_SET, no_ids[i], CUSTOMER, false }) == LC_INVALID);
    CHECK(build_changed(NULL, &(lc_rule){ LC_SALE_LOST, 0, no_ids[i], false }) == LC_INVALID);
  }
  CHECK(build_changed(&(lc_category){ LEAD, LC_OTHER, false, false }, NULL) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ LC_LEAD_STATUS_SET, 7, CUSTOMER, false }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ LC_SALE_WON, 0, CUSTOMER, false }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ LC_SALE_LOST, 0, 99, false }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ LC_SALE_LOST, 0, OLD, false }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ LC_SALE_LOST, 0, CUSTOMER, false }) == LC_OK);

  lc_error error = { "" };
  uint64_t memory[64];
  size_t size = lc_ruleset_size(&sound);
  CHECK(lc_ruleset_build(&sound, memory, size - 8, &error) == LC_INVALID && error.message[0] != '\0');
  CHECK(lc_ruleset_build(&sound, memory, size + 8, NULL) == LC_INVALID);
  CHECK(lc_ruleset_build(&sound, memory, 0, NULL) == LC_INVALID);
  CHECK(lc_ruleset_size(&(lc_config){ .category_count = UINT32_MAX }) == 0);
  CHECK(lc_ruleset_size(&(lc_config){ .rule_count = UINT32_MAX }) == 0);
}

/* Ids that lie as unluckily as a hash table could fear: each is found, and their neighbours are not. */
static void test_many(int32_t first, int32_t step, uint32_t count) {
  lc_category *many = malloc(count * sizeof *many);
  lc_rule *set = malloc(count * sizeof *set);
  for (uint32_t i = 0; i < count; i++) {
    int32_t id = first + (int32_t)i * step;
    many[i] = (lc_category){ id, LC_POTENTIAL_CUSTOMER, true, false };
    set[i] = (lc_rule){ LC_LEAD_STATUS_SET, id, id, false };
  }
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&(lc_config){ 1, many, count, set, count }, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  uint32_t found = 0, wrong = 0;
  for (uint32_t i = 0; i < count; i++) {
    const lc_category_slot *slot = lc_ruleset_category(ruleset, many[i].id);
    const lc_rule_slot *rule = lc_ruleset_lead_status(ruleset, many[i].id);
    found += slot != NULL && slot->id == many[i].id && rule != NULL && rule->to == many[i].id;
    wrong += step > 1 && lc_ruleset_category(ruleset, many[i].id + 1) != NULL;
    wrong += step > 1 && lc_ruleset_lead_status(ruleset, many[i].id + 1) != NULL;
  }
  CHECK(found == count);
  CHECK(wrong == 0);
  free(ruleset);
  free(set);
  free(many);
}

/* ---- hostile bytes ----------------------------------------------------------------------- */

/* The checksum as rules/ruleset.h describes it, whatever the block's own size says. */
static void sign(unsigned char *bytes, size_t size) {
  const size_t from = offsetof(lc_ruleset, checksum) + sizeof(uint64_t);
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = from; i < size; i++)
    hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
  if (size >= from)
    memcpy(bytes + offsetof(lc_ruleset, checksum), &hash, sizeof hash);
}

/* Memory that ends where reading on would end the process. */
static unsigned char *guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
  unsigned char *memory = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(memory + whole, page, PROT_NONE);
  return memory + whole - size;
}

/* Whether the block is refused, or else is harmless: looking up and deciding by it end, with what there may be. */
static bool is_harmless(const unsigned char *bytes, size_t size) {
  static const int32_t ids[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 99, 1 << 20, INT32_MAX, INT32_MIN, -1 };
  const size_t count = sizeof ids / sizeof *ids;
  const lc_ruleset *ruleset = (const void *)bytes;
  if (lc_ruleset_check(bytes, size, NULL) != LC_OK)
    return true;
  for (size_t i = 0; i < count; i++) {
    const lc_category_slot *category = lc_ruleset_category(ruleset, ids[i]);
    const lc_rule_slot *rule = lc_ruleset_lead_status(ruleset, ids[i]);
    if ((category != NULL && category->id != ids[i]) || (rule != NULL && rule->lead_status != ids[i]))
      return false;
  }
  for (size_t i = 0; i < count * count * LC_TRIGGERS; i++) {
    lc_trigger trigger = (lc_trigger)(i % LC_TRIGGERS);
    const lc_facts facts = { trigger, ids[i / LC_TRIGGERS % count], ids[i / LC_TRIGGERS / count] };
    lc_decision decision = lc_decide(ruleset, &facts);
    if (decision.action >= LC_ACTIONS || decision.reason >= LC_REASONS)
      return false;
  }
  return true;
}

static void test_flips(void) {
  lc_ruleset *ruleset;
  size_t size;
  build(&sound, &ruleset, &size);
  unsigned char *copy = guarded(size);
  int unnoticed = 0, harmful = 0;
  for (size_t at = 0; at < size; at++)
    for (int flip = 1; flip < 256; flip++) {
      memcpy(copy, ruleset, size);
      copy[at] ^= (unsigned char)flip;
      unnoticed += lc_ruleset_check(copy, size, NULL) == LC_OK;
      if (times(100) < 100 && flip % 16 != 1)
        continue;
      sign(copy, size);
      harmful += !is_harmless(copy, size);
    }
  CHECK(unnoticed == 0);
  CHECK(harmful == 0);
  free(ruleset);
}

static void test_truncations(void) {
  lc_ruleset *ruleset;
  size_t size;
  build(&sound, &ruleset, &size);
  for (size_t cut = 0; cut < size; cut++) {
    unsigned char *copy = malloc(cut + (cut == 0));
    memcpy(copy, ruleset, cut);
    bool refused = lc_ruleset_check(copy, cut, NULL) == LC_CORRUPT;
    if (cut >= sizeof *ruleset) {
      ((lc_ruleset *)(void *)copy)->size = (uint32_t)cut;
      sign(copy, cut);
      refused = refused && lc_ruleset_check(copy, cut, NULL) == LC_CORRUPT;
    }
    CHECK(refused);
    free(copy);
  }
  free(ruleset);
}

/* Mostly a power of two, as it should be. */
static uint32_t random_slots(void) {
  return random() % 4 != 0 ? UINT32_C(1) << random() % 6 : (uint32_t)random() % 40;
}

/* Headers that fit their block, before slots that are filled at random. */
static void test_random(void) {
  int harmful = 0, accepted = 0, rounds = times(200000);
  srandom(4711);
  for (int round = 0; round < rounds; round++) {
    uint32_t category_slots = random_slots(), status_slots = random_slots();
    size_t size = sizeof(lc_ruleset) + category_slots * sizeof(lc_category_slot) + status_slots * sizeof(lc_rule_slot);
    unsigned char *bytes = malloc(size);
    long dense = random() % 4; /* few slots are taken, or many */
    for (size_t i = 0; i < size; i++)
      bytes[i] = random() % 4 < dense ? (unsigned char)(random() % (random() % 2 != 0 ? 4 : 256)) : 0;
    lc_ruleset *ruleset = (void *)bytes;
    ruleset->magic = LC_RULESET_MAGIC;
    ruleset->version = LC_RULESET_VERSION;
    ruleset->size = (uint32_t)size;
    ruleset->category_slots = category_slots;
    ruleset->status_slots = status_slots;
    ruleset->status_rules = (uint32_t)random() % (status_slots + 1);
    sign(bytes, size);
    accepted += lc_ruleset_check(bytes, size, NULL) == LC_OK;
    harmful += !is_harmless(bytes, size);
    free(bytes);
  }
  CHECK(harmful == 0);
  CHECK(accepted > 0 && accepted < rounds);
}

/* Sizes that overflow, or are no powers of two. */
static void test_headers(void) {
  static const uint32_t slots[] = { 0, 1, 2, 3, 6, 16, 1 << 27, 1 << 28, UINT32_C(1) << 31, UINT32_MAX };
  const size_t count = sizeof slots / sizeof *slots;
  lc_ruleset *ruleset;
  size_t size;
  build(&sound, &ruleset, &size);
  unsigned char *copy = guarded(size);
  for (size_t i = 0; i < count * count; i++) {
    memcpy(copy, ruleset, size);
    lc_ruleset *changed = (void *)copy;
    changed->category_slots = slots[i % count];
    changed->status_slots = slots[i / count];
    sign(copy, size);
    CHECK(is_harmless(copy, size));
  }
  free(ruleset);
}

int main(void) {
  alarm(300); /* a table that is walked forever */
  TEST(test_decisions());
  TEST(test_empty());
  TEST(test_refusals());
  TEST(test_many(1, 1, 10000));
  TEST(test_many(1 << 12, 1 << 12, 10000));
  TEST(test_many(3, 65536, 10000));
  TEST(test_many(INT32_MAX - 9999, 1, 10000));
  TEST(test_flips());
  TEST(test_truncations());
  TEST(test_random());
  TEST(test_headers());
  return report();
}
