/* Rulesets: what may be built, what is decided by one, and what damaged or hostile bytes can do: nothing. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "rules/decide.h"
#include "rules/details.h"
#include "rules/later.h"
#include "rules/ruleset.h"
#include "rules/triggers.h"

enum { LEAD = 1, OPPORTUNITY, CUSTOMER, OLD, PROSPECT };

static const lc_category categories[] = {
  { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true, .deleted = false },
  { .id = OPPORTUNITY, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true, .deleted = false },
  { .id = CUSTOMER, .group = LC_CUSTOMER, .lead_status = false, .deleted = false },
  { .id = OLD, .group = LC_POTENTIAL_CUSTOMER, .lead_status = false, .deleted = true },
  { .id = PROSPECT, .group = LC_POTENTIAL_CUSTOMER, .lead_status = false, .deleted = false },
};

static const lc_rule rules[] = {
  { .trigger = LC_SALE_REGISTERED, .to = OPPORTUNITY, .ask = true },
  { .trigger = LC_SALE_WON, .to = CUSTOMER },
  { .trigger = LC_LEAD_STATUS_SET, .lead_status = 7, .to = OPPORTUNITY },
  { .trigger = LC_LEAD_STATUS_SET, .lead_status = INT32_MAX, .to = CUSTOMER, .ask = true },
};

static const lc_config sound = { .revision = 9, .categories = categories, .category_count = 5, .rules = rules, .rule_count = 4 };

/* Builds into memory of its own, to be freed. */
static lc_status build(const lc_config *config, lc_ruleset **out, size_t *size) {
  *size = lc_ruleset_size(config);
  *out = malloc(*size);
  return lc_ruleset_build(config, *out, *size, NULL);
}

/* Memory that ends where reading on would end the process. */
static unsigned char *guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
  unsigned char *memory = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(memory + whole, page, PROT_NONE);
  return memory + whole - size;
}

/* ---- deciding ---------------------------------------------------------------------------- */

static void test_decisions(void) {
  static const struct {
    lc_trigger trigger;
    int32_t category, lead_status;
    lc_decision expected;
  } rows[] = {
    { LC_SALE_WON, LEAD, 0, { LC_UPDATE, LC_MATCHED, CUSTOMER , 0 } },
    { LC_SALE_WON, OLD, 0, { LC_UPDATE, LC_MATCHED, CUSTOMER , 0 } }, /* a company may still stand there */
    { LC_SALE_REGISTERED, LEAD, 0, { LC_CONFIRM, LC_MATCHED, OPPORTUNITY , 0 } },
    { LC_SALE_REGISTERED, OPPORTUNITY, 0, { LC_NONE, LC_ALREADY_IN_CATEGORY, 0 , 0 } },
    { LC_SALE_LOST, LEAD, 0, { LC_NONE, LC_RULE_DISABLED, 0 , 0 } },
    { LC_SALE_LOST, 99, 0, { LC_NONE, LC_RULE_DISABLED, 0 , 0 } }, /* the order of the checks */
    { LC_SALE_WON, 99, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 , 0 } },
    { LC_SALE_WON, 0, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 , 0 } },
    { LC_SALE_WON, -1, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 , 0 } },
    { LC_SALE_WON, INT32_MIN, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 , 0 } },
    { LC_SALE_WON, INT32_MAX, 0, { LC_NONE, LC_UNKNOWN_CATEGORY, 0 , 0 } },
    { LC_SALE_WON, CUSTOMER, 0, { LC_NONE, LC_NOT_POTENTIAL_CUSTOMER, 0 , 0 } },
    { LC_LEAD_STATUS_SET, LEAD, 7, { LC_UPDATE, LC_MATCHED, OPPORTUNITY , 0 } },
    { LC_LEAD_STATUS_SET, LEAD, INT32_MAX, { LC_CONFIRM, LC_MATCHED, CUSTOMER , 0 } },
    { LC_LEAD_STATUS_SET, LEAD, 8, { LC_NONE, LC_LEAD_STATUS_NOT_MATCHED, 0 , 0 } },
    { LC_LEAD_STATUS_SET, LEAD, 0, { LC_NONE, LC_LEAD_STATUS_NOT_MATCHED, 0 , 0 } },
    { LC_LEAD_STATUS_SET, LEAD, -7, { LC_NONE, LC_LEAD_STATUS_NOT_MATCHED, 0 , 0 } },
    { LC_LEAD_STATUS_SET, PROSPECT, 7, { LC_NONE, LC_LEAD_STATUS_NOT_ENABLED, 0 , 0 } },
    { LC_LEAD_STATUS_SET, PROSPECT, 8, { LC_NONE, LC_LEAD_STATUS_NOT_ENABLED, 0 , 0 } },
    { LC_LEAD_STATUS_SET, OPPORTUNITY, 7, { LC_NONE, LC_ALREADY_IN_CATEGORY, 0 , 0 } },
  };
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&sound, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  CHECK(ruleset->revision == 9);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lc_decision decision = lc_decide(ruleset, &(lc_facts){ .trigger = rows[i].trigger, .category = rows[i].category, .lead_status = rows[i].lead_status });
    CHECK(decision.action == rows[i].expected.action);
    CHECK(decision.reason == rows[i].expected.reason);
    CHECK(decision.to == rows[i].expected.to);
  }
  free(ruleset);
}

/* ---- conditions --------------------------------------------------------------------------- */

static const lc_text fields[] = { { "sale.amount", 11 }, { "company.country", 15 } };
static const lc_constant constants[] = {
  { .kind = LC_NUMBER, .number = 100 }, { .kind = LC_TEXT, .text = { "NORWAY", 6 } }, { .kind = LC_TEXT, .text = { "e\xCC\x81", 3 } },
};
static const lc_condition conditions[] = {
  { .field = 0, .is = LC_AT_LEAST, .values = { 0, 1 } },
  { .field = LC_FIELD_RANK, .is = LC_BELOW, .values = { 0, 1 }, .ends_group = true },
  { .field = 1, .is = LC_ONE_OF, .values = { 1, 2 }, .ends_group = true },
};
static const int32_t starts[] = { CUSTOMER };
static const lc_category ranked[] = {
  { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true, .has_rank = true, .rank = 1 },
  { .id = OPPORTUNITY, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true, .has_rank = true, .rank = 2 },
  { .id = CUSTOMER, .group = LC_CUSTOMER, .has_rank = true, .rank = 3 },
};
static const lc_rule rich_rules[] = {
  { .trigger = LC_SALE_WON, .to = OPPORTUNITY, .id = 7, .when = { 0, 3 } },
  { .trigger = LC_SALE_WON, .to = LEAD, .id = 8, .has_from = true, .from = { 0, 1 }, .forward_only = true },
  { .trigger = LC_SALE_WON, .to = CUSTOMER, .ask = true },
  { .trigger = LC_LEAD_STATUS_SET, .lead_status = 7, .to = OPPORTUNITY },
  { .trigger = (lc_trigger)(LC_OWN_TRIGGER + 2), .to = CUSTOMER },
};
static const lc_config rich = {
  .revision = 3, .left_out = 4, .categories = ranked, .category_count = 3, .rules = rich_rules, .rule_count = 5, .fields = fields,
  .field_count = 2, .conditions = conditions, .condition_count = 3, .constants = constants, .constant_count = 3,
  .ids = starts, .id_count = 1,
};

static void test_conditions(void) {
  static const struct {
    double amount; /* 0: unknown */
    const char *country; /* NULL: unknown */
    int32_t category;
    lc_decision expected;
  } rows[] = {
    { 100, NULL, LEAD, { LC_UPDATE, LC_MATCHED, OPPORTUNITY, 7 } },
    { 99, NULL, LEAD, { LC_CONFIRM, LC_MATCHED, CUSTOMER, 0 } },
    { 0, NULL, LEAD, { LC_CONFIRM, LC_MATCHED, CUSTOMER, 0 } },
    { 0, "nOrway", LEAD, { LC_UPDATE, LC_MATCHED, OPPORTUNITY, 7 } },
    { 0, "norwa", LEAD, { LC_CONFIRM, LC_MATCHED, CUSTOMER, 0 } },
    { 0, "\xC3\x89", LEAD, { LC_UPDATE, LC_MATCHED, OPPORTUNITY, 7 } }, /* the same letter in another case and form */
    { 0, "\xC3", LEAD, { LC_CONFIRM, LC_MATCHED, CUSTOMER, 0 } },
    { 100, NULL, OPPORTUNITY, { LC_NONE, LC_ALREADY_IN_CATEGORY, 0, 7 } },
    { 100, NULL, CUSTOMER, { LC_NONE, LC_LOWER_RANK, 0, 8 } }, /* only the second rule starts there */
  };
  lc_ruleset *ruleset;
  size_t size, first;
  lc_known known = { 0 };
  CHECK(build(&rich, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lc_known_clear(&known);
    CHECK(lc_known_add(&known, 3, &first, NULL) == LC_OK);
    if (rows[i].amount != 0)
      known.facts[first] = (lc_fact){ .kind = LC_NUMBER, .is.number = rows[i].amount };
    if (rows[i].country != NULL)
      CHECK(lc_known_set_text(&known, first + 1, (lc_text){ rows[i].country, strlen(rows[i].country) }, NULL) == LC_OK);
    lc_decision decision = lc_decide(ruleset, &(lc_facts){ .trigger = LC_SALE_WON, .category = rows[i].category, .known = &known, .first = first });
    CHECK(decision.action == rows[i].expected.action);
    CHECK(decision.reason == rows[i].expected.reason);
    CHECK(decision.to == rows[i].expected.to);
    CHECK(decision.rule == rows[i].expected.rule);
  }
  CHECK(lc_decide(ruleset, &(lc_facts){ .trigger = LC_LEAD_STATUS_SET, .category = LEAD, .lead_status = 7 }).to == OPPORTUNITY);
  lc_known_free(&known);
  free(ruleset);
}

static const lc_rule back_rules[] = {
  { .trigger = LC_SALE_DELETED, .to = CUSTOMER, .id = 3, .when = { 0, 1 } },
  { .trigger = LC_SALE_DELETED, .id = 4, .ask = true },
  { .trigger = LC_SALE_REOPENED },
};
static const lc_config back = {
  .revision = 5, .categories = categories, .category_count = 5, .rules = back_rules, .rule_count = 3, .fields = fields,
  .field_count = 2, .conditions = conditions, .condition_count = 1, .constants = constants, .constant_count = 1,
};

/* What the sale did is taken back where the company still stands where that has put it, wherever that is. */
static void test_taking_back(void) {
  static const struct {
    lc_trigger trigger;
    int32_t category;
    lc_move made;
    lc_decision expected;
  } rows[] = {
    { LC_SALE_REOPENED, CUSTOMER, { LEAD, CUSTOMER }, { LC_UPDATE, LC_MATCHED, LEAD, 0 } },
    { LC_SALE_REOPENED, OLD, { LEAD, OLD }, { LC_UPDATE, LC_MATCHED, LEAD, 0 } },
    { LC_SALE_DELETED, CUSTOMER, { LEAD, CUSTOMER }, { LC_CONFIRM, LC_MATCHED, LEAD, 4 } },
    { LC_SALE_REOPENED, CUSTOMER, { 0, 0 }, { LC_NONE, LC_NOTHING_TO_TAKE_BACK, 0, 0 } },
    { LC_SALE_DELETED, CUSTOMER, { 0, 0 }, { LC_NONE, LC_NOTHING_TO_TAKE_BACK, 0, 4 } },
    { LC_SALE_REOPENED, OPPORTUNITY, { LEAD, CUSTOMER }, { LC_NONE, LC_NOTHING_TO_TAKE_BACK, 0, 0 } },
    { LC_SALE_REOPENED, CUSTOMER, { OLD, CUSTOMER }, { LC_NONE, LC_NOTHING_TO_TAKE_BACK, 0, 0 } },
    { LC_SALE_REOPENED, CUSTOMER, { 99, CUSTOMER }, { LC_NONE, LC_NOTHING_TO_TAKE_BACK, 0, 0 } },
    { LC_SALE_REOPENED, CUSTOMER, { CUSTOMER, CUSTOMER }, { LC_NONE, LC_NOTHING_TO_TAKE_BACK, 0, 0 } },
    { LC_SALE_REOPENED, 99, { LEAD, 99 }, { LC_NONE, LC_UNKNOWN_CATEGORY, 0, 0 } },
  };
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&back, &ruleset, &size) == LC_OK && lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const lc_facts facts = { .trigger = rows[i].trigger, .category = rows[i].category, .made = rows[i].made };
    lc_decision decision = lc_decide(ruleset, &facts);
    CHECK(decision.action == rows[i].expected.action && decision.reason == rows[i].expected.reason);
    CHECK(decision.to == rows[i].expected.to && decision.rule == rows[i].expected.rule);
  }
  CHECK(lc_ruleset_takes_back(ruleset, LC_SALE_DELETED, 4) && !lc_ruleset_takes_back(ruleset, LC_SALE_DELETED, 3));
  CHECK(lc_ruleset_takes_back(ruleset, LC_SALE_REOPENED, 0) && !lc_ruleset_takes_back(ruleset, LC_SALE_WON, 0));
  free(ruleset);
}

/* The id of the sale in what is kept of an event, and no other. */
static void test_details(void) {
  static const struct {
    const char *json, *sale; /* NULL: none */
  } rows[] = {
    { "{\"sale\":{\"id\":42}}", "42" }, { "{\"sale\":{\"id\":\"42\",\"name\":\"x\"}}", "42" },
    { "{\"actor\":{\"id\":1,\"sale\":{\"id\":2}},\"contact\":{\"a\":[1,{\"id\":3},\"}\"]},\"sale\":{\"amount\":-1.5e3,\"id\":-7}}", "-7" },
    { " { \"sale\" : { \"id\" : \"a\\\"b\\\\\\u0001\\u007f\\n\" } } ", "a\"b\\\x01\x7f\n" },
    { "{\"options\":[1,2],\"sale\":{\"id\":\"\xC3\x86\"}}", "\xC3\x86" },
    { "{}", NULL }, { "", NULL }, { "{\"sale\":{}}", NULL }, { "{\"sale\":42}", NULL }, { "{\"sale\":{\"name\":\"id\"}}", NULL },
    { "{\"sale\":{\"id\":4.5}}", NULL }, { "{\"sale\":{\"id\":\"\"}}", NULL }, { "{\"sale\":{\"id\":{}}}", NULL },
    { "{\"sale\":{\"id\":\"a", NULL }, { "{\"sale\":{\"id\":\"a\\", NULL }, { "{\"sale\":{\"id\":\"\\u12", NULL },
    { "{\"a\":", NULL }, { "{\"a\":[[[", NULL }, { "{\"a\":}", NULL }, { "[\"sale\"]", NULL }, { "null", NULL },
    { "{\"sale\":{\"id\":\"\\ud83d\\ude00\"}}", NULL }, { "{\"sale\":{\"id\":true}}", NULL },
  };
  char room[LC_COMPANY_MAX];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lc_text sale = { NULL, 0 };
    size_t size = strlen(rows[i].json);
    char *copy = (char *)guarded(size); /* nothing behind it may be read */
    memcpy(copy, rows[i].json, size);
    bool found = lc_details_sale((lc_text){ copy, size }, room, &sale);
    CHECK(found == (rows[i].sale != NULL));
    CHECK(!found || (sale.size == strlen(rows[i].sale) && memcmp(sale.data, rows[i].sale, sale.size) == 0));
  }
}

/* Own triggers have a block of their own, up to the last that has a rule. */
static void test_own_triggers(void) {
  static const struct {
    int number;
    lc_reason expected;
  } rows[] = {
    { LC_OWN_TRIGGER, LC_RULE_DISABLED }, { LC_OWN_TRIGGER + 2, LC_MATCHED }, { LC_OWN_TRIGGER + 3, LC_RULE_DISABLED },
    { LC_TRIGGER_NUMBERS - 1, LC_RULE_DISABLED },
  };
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&rich, &ruleset, &size) == LC_OK);
  CHECK(ruleset->left_out == 4 && ruleset->blocks[LC_BLOCK_TRIGGERS].count == 3);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const lc_facts facts = { .trigger = (lc_trigger)rows[i].number, .category = LEAD };
    CHECK(lc_decide(ruleset, &facts).reason == rows[i].expected);
    CHECK(lc_ruleset_has_rule(ruleset, facts.trigger) == (rows[i].expected == LC_MATCHED));
  }
  free(ruleset);
}

static void test_names(void) {
  static const char *const names[] = {
    "a", "a_9", "0a", "_a", "A", "a-b", "a b", "", "sale_won", "lead_status_set", "sale_wonn", "abcdefghijklmnopqrstuvwxyzabcdefghijklmn",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmno",
  };
  static const bool fits[] = { true, true, false, false, false, false, false, false, false, false, true, true, false };
  lc_triggers own = { .count = 0 };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    CHECK(lc_trigger_name_fits((lc_text){ names[i], strlen(names[i]) }) == fits[i]);
  for (int i = 0; i < LC_OWN_TRIGGERS; i++) {
    char name[8];
    size_t length = (size_t)snprintf(name, sizeof name, "t%d", i);
    CHECK(lc_trigger_number(&own, name, length) < 0 && lc_trigger_name_of(&own, (uint32_t)(LC_OWN_TRIGGER + i)) == NULL);
    CHECK(lc_triggers_add(&own, (lc_text){ name, length }, NULL) == LC_OK);
    CHECK(lc_triggers_add(&own, (lc_text){ name, length }, NULL) == LC_INVALID); /* it is there already */
    CHECK(lc_trigger_number(&own, name, length) == LC_OWN_TRIGGER + i);
    CHECK(strcmp(lc_trigger_name_of(&own, (uint32_t)(LC_OWN_TRIGGER + i)), name) == 0);
  }
  CHECK(lc_triggers_add(&own, (lc_text){ "one_more", 8 }, NULL) == LC_INVALID);
  for (uint32_t number = 0; number < 256; number++)
    CHECK((lc_trigger_name_of(&own, number) != NULL) == lc_is_trigger(number));
  CHECK(lc_trigger_number(NULL, "t1", 2) < 0 && lc_trigger_number(NULL, "sale_won", 8) == LC_SALE_WON);
  CHECK(lc_trigger_name_of(NULL, LC_OWN_TRIGGER) == NULL);
}

static void test_flips(const lc_config *config);

/* ---- shadows, and limits ------------------------------------------------------------------- */

static const lc_rule trial_rules[] = {
  { .trigger = LC_SALE_WON, .to = OPPORTUNITY, .id = 7, .when = { 0, 3 }, .limit = 500, .limit_hours = 1 },
  { .trigger = LC_SALE_WON, .to = CUSTOMER, .id = 8, .shadow = true, .ask = true },
  { .trigger = LC_SALE_WON, .to = LEAD, .id = 9, .has_from = true, .from = { 0, 1 }, .shadow = true, .after = 60, .limit = 2, .limit_hours = 2 },
  { .trigger = LC_SALE_WON, .to = OPPORTUNITY, .id = 10 },
  { .trigger = LC_SALE_WON, .to = CUSTOMER, .id = 11, .shadow = true }, /* whose turn it never is */
  { .trigger = LC_SALE_DELETED, .to = 0, .id = 12, .shadow = true },
  { .trigger = LC_LEAD_STATUS_SET, .lead_status = 7, .to = OPPORTUNITY, .limit = 3, .limit_hours = 24 },
};

/* The ids of the shadows that would do something, and what, one after the other. */
static int32_t shadows_of(const lc_ruleset *ruleset, lc_facts facts, int32_t *to, lc_action *action) {
  const lc_later_rule *at = NULL;
  lc_decision decision = { .to = 0 };
  int32_t ids = 0;
  while ((at = lc_next_shadow(ruleset, &facts, at, &decision)) != NULL) {
    CHECK(lc_may_find_shadow(ruleset, &facts) && decision.reason == LC_MATCHED && decision.rule == at->rule.id);
    ids = ids * 100 + decision.rule;
    *to = decision.to;
    *action = decision.action;
  }
  return ids;
}

static void test_trials(void) {
  lc_config config = rich;
  lc_ruleset *ruleset;
  size_t size, first;
  int32_t to = 0;
  lc_action action = LC_NONE;
  lc_known known = { 0 };
  config.rules = trial_rules;
  config.rule_count = sizeof trial_rules / sizeof *trial_rules;
  CHECK(build(&config, &ruleset, &size) == LC_OK && lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  CHECK(ruleset->blocks[LC_BLOCK_RULES].count == 3 && ruleset->blocks[LC_BLOCK_LATER].count == 0
        && ruleset->blocks[LC_BLOCK_SHADOW].count == 4 && ruleset->blocks[LC_BLOCK_LIMITS].count == 2);
  CHECK(lc_has_shadow_for(ruleset, LC_SALE_DELETED) && !lc_has_shadow_for(ruleset, LC_SALE_LOST));
  CHECK(lc_known_add(&known, 3, &first, NULL) == LC_OK);
  CHECK(shadows_of(ruleset, (lc_facts){ LC_SALE_WON, LEAD, 0, &known, first, { 0, 0 } }, &to, &action) == 8 && to == CUSTOMER && action == LC_CONFIRM);
  CHECK(shadows_of(ruleset, (lc_facts){ LC_SALE_WON, CUSTOMER, 0, &known, first, { 0, 0 } }, &to, &action) == 9 && to == LEAD && action == LC_UPDATE);
  CHECK(shadows_of(ruleset, (lc_facts){ LC_SALE_WON, 99, 0, &known, first, { 0, 0 } }, &to, &action) == 0);
  CHECK(lc_decide(ruleset, &(lc_facts){ LC_SALE_WON, LEAD, 0, &known, first, { 0, 0 } }).rule == 10);
  known.facts[first] = (lc_fact){ .kind = LC_NUMBER, .is.number = 100 };
  CHECK(shadows_of(ruleset, (lc_facts){ LC_SALE_WON, LEAD, 0, &known, first, { 0, 0 } }, &to, &action) == 0); /* the first rule decides */
  CHECK(shadows_of(ruleset, (lc_facts){ LC_SALE_DELETED, CUSTOMER, 0, NULL, 0, { LEAD, CUSTOMER } }, &to, &action) == 12 && to == LEAD);
  CHECK(shadows_of(ruleset, (lc_facts){ LC_SALE_DELETED, LEAD, 0, NULL, 0, { LEAD, CUSTOMER } }, &to, &action) == 0);
  CHECK(!lc_ruleset_takes_back(ruleset, LC_SALE_DELETED, 12));
  CHECK(lc_decide(ruleset, &(lc_facts){ LC_SALE_DELETED, CUSTOMER, 0, NULL, 0, { LEAD, CUSTOMER } }).reason == LC_RULE_DISABLED);
  const lc_limit *limit = lc_ruleset_limit(ruleset, LC_SALE_WON, 0, 7);
  CHECK(limit != NULL && limit->changes == 500 && limit->hours == 1);
  CHECK(lc_ruleset_limit(ruleset, LC_SALE_WON, 0, 9) == NULL && lc_ruleset_limit(ruleset, LC_SALE_LOST, 0, 7) == NULL);
  CHECK(lc_ruleset_limit(ruleset, LC_LEAD_STATUS_SET, 7, 0)->hours == 24 && lc_ruleset_limit(ruleset, LC_LEAD_STATUS_SET, 8, 0) == NULL);
  lc_known_free(&known);
  free(ruleset);
  test_flips(&config);
}

/* ---- rules that wait ------------------------------------------------------------------------ */

static const lc_rule waiting_rules[] = {
  { .trigger = LC_SALE_WON, .to = OPPORTUNITY, .id = 7, .when = { 0, 3 } },
  { .trigger = LC_SALE_WON, .to = LEAD, .id = 8, .has_from = true, .from = { 0, 1 }, .forward_only = true, .after = 60 },
  { .trigger = LC_SALE_WON, .to = CUSTOMER, .id = 9, .after = 3600 },
  { .trigger = LC_SALE_WON, .to = CUSTOMER, .ask = true },
  { .trigger = LC_SALE_WON, .to = OPPORTUNITY, .id = 10, .after = 5 },
  { .trigger = LC_SALE_LOST, .to = CUSTOMER, .after = 7 },
  { .trigger = LC_LEAD_STATUS_SET, .lead_status = 7, .to = OPPORTUNITY, .after = 9 },
};

/* The id of the rule whose match is scheduled; -1: none is. */
static int32_t found_later(const lc_ruleset *ruleset, lc_facts facts) {
  const lc_later_rule *later = lc_find_later(ruleset, &facts);
  CHECK(later == NULL || lc_may_find_later(ruleset, &facts));
  return later != NULL ? later->rule.id : -1;
}

static void test_on_expiry(void) {
  static const lc_rule expiring[] = {
    { .trigger = LC_SALE_WON, .to = CUSTOMER, .ask = true, .on_expiry = LC_ACCEPTS },
    { .trigger = LC_SALE_WON, .to = CUSTOMER, .id = 7, .ask = true, .on_expiry = LC_DECLINES, .after = 5 },
    { .trigger = LC_SALE_WON, .to = CUSTOMER, .id = 8, .on_expiry = LC_DECLINES },
    { .trigger = LC_SALE_WON, .to = CUSTOMER, .id = 9, .ask = true },
    { .trigger = LC_LEAD_STATUS_SET, .lead_status = 7, .to = OPPORTUNITY, .ask = true, .on_expiry = LC_DECLINES },
    { .trigger = LC_LEAD_STATUS_SET, .lead_status = 8, .to = OPPORTUNITY, .ask = true, .on_expiry = LC_ACCEPTS, .after = 5 },
  };
  static const struct {
    lc_trigger trigger;
    int32_t lead_status, rule;
    lc_on_expiry expected;
  } rows[] = {
    { LC_SALE_WON, 0, 0, LC_ACCEPTS }, { LC_SALE_WON, 0, 7, LC_DECLINES }, { LC_SALE_WON, 0, 8, LC_EXPIRES }, /* it asks nothing */
    { LC_SALE_WON, 0, 9, LC_EXPIRES }, { LC_SALE_WON, 0, 10, LC_EXPIRES }, { LC_SALE_LOST, 0, 0, LC_EXPIRES },
    { LC_LEAD_STATUS_SET, 7, 0, LC_DECLINES }, { LC_LEAD_STATUS_SET, 8, 0, LC_ACCEPTS }, { LC_LEAD_STATUS_SET, 9, 0, LC_EXPIRES },
  };
  lc_config config = rich;
  lc_ruleset *ruleset;
  size_t size;
  config.rules = expiring;
  config.rule_count = sizeof expiring / sizeof *expiring;
  if (!CHECK(build(&config, &ruleset, &size) == LC_OK && lc_ruleset_check(ruleset, size, NULL) == LC_OK))
    return;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    CHECK(lc_ruleset_on_expiry(ruleset, rows[i].trigger, rows[i].lead_status, rows[i].rule) == rows[i].expected);
  free(ruleset);
}

static void test_waiting(void) {
  lc_config config = rich;
  lc_ruleset *ruleset;
  size_t size, first;
  lc_known known = { 0 };
  config.rules = waiting_rules;
  config.rule_count = sizeof waiting_rules / sizeof *waiting_rules;
  CHECK(build(&config, &ruleset, &size) == LC_OK && lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  CHECK(ruleset->blocks[LC_BLOCK_RULES].count == 2 && ruleset->blocks[LC_BLOCK_LATER].count == 5);
  CHECK(lc_known_add(&known, 3, &first, NULL) == LC_OK);
  CHECK(found_later(ruleset, (lc_facts){ LC_SALE_WON, LEAD, 0, &known, first, { 0, 0 } }) == 9);
  CHECK(found_later(ruleset, (lc_facts){ LC_SALE_WON, CUSTOMER, 0, &known, first, { 0, 0 } }) == 8);
  known.facts[first] = (lc_fact){ .kind = LC_NUMBER, .is.number = 100 };
  CHECK(found_later(ruleset, (lc_facts){ LC_SALE_WON, LEAD, 0, &known, first, { 0, 0 } }) == -1); /* the first rule decides */
  CHECK(found_later(ruleset, (lc_facts){ .trigger = LC_SALE_LOST, .category = LEAD }) == 0);
  CHECK(found_later(ruleset, (lc_facts){ .trigger = LC_SALE_LOST, .category = CUSTOMER }) == -1);
  CHECK(found_later(ruleset, (lc_facts){ .trigger = LC_SALE_LOST, .category = 99 }) == -1);
  CHECK(found_later(ruleset, (lc_facts){ LC_LEAD_STATUS_SET, LEAD, 7, NULL, 0, { 0, 0 } }) == 0);
  CHECK(found_later(ruleset, (lc_facts){ LC_LEAD_STATUS_SET, LEAD, 8, NULL, 0, { 0, 0 } }) == -1);
  CHECK(found_later(ruleset, (lc_facts){ LC_LEAD_STATUS_SET, CUSTOMER, 7, NULL, 0, { 0, 0 } }) == -1);
  CHECK(lc_has_later_for(ruleset, LC_SALE_LOST) && !lc_has_later_for(ruleset, LC_SALE_REGISTERED));
  CHECK(lc_decide(ruleset, &(lc_facts){ .trigger = LC_SALE_LOST, .category = LEAD }).reason == LC_RULE_DISABLED);
  static const struct {
    int32_t id, category;
    lc_reason reason;
  } rows[] = {
    { 9, LEAD, LC_MATCHED }, { 9, 99, LC_UNKNOWN_CATEGORY }, { 9, CUSTOMER, LC_NOT_POTENTIAL_CUSTOMER },
    { 8, CUSTOMER, LC_LOWER_RANK }, { 10, OPPORTUNITY, LC_ALREADY_IN_CATEGORY }, { 11, LEAD, LC_RULE_DISABLED },
    { 0, LEAD, LC_MATCHED }, { 7, LEAD, LC_CONDITIONS_NOT_MET },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const lc_facts facts = { .trigger = LC_SALE_WON, .category = rows[i].category };
    lc_decision decision = lc_decide_alone(ruleset, &facts, rows[i].id);
    CHECK(decision.reason == rows[i].reason && decision.rule == rows[i].id);
    CHECK(decision.action == (rows[i].reason != LC_MATCHED ? LC_NONE : rows[i].id == 0 ? LC_CONFIRM : LC_UPDATE));
  }
  lc_known_free(&known);
  free(ruleset);
  test_flips(&config);
}

static void test_empty(void) {
  const lc_config empty = { 0 };
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&empty, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  for (int trigger = 0; trigger < LC_TRIGGERS; trigger++)
    CHECK(lc_decide(ruleset, &(lc_facts){ .trigger = (lc_trigger)trigger, .category = LEAD, .lead_status = 7 }).reason == LC_RULE_DISABLED);
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
  lc_status status = build(&(lc_config){ .revision = 1, .categories = some, .category_count = 5, .rules = others, .rule_count = 4 }, &ruleset, &size);
  free(ruleset);
  return status;
}

static void test_refusals(void) {
  static const int32_t no_ids[] = { 0, -1, INT32_MIN };
  for (size_t i = 0; i < sizeof no_ids / sizeof *no_ids; i++) {
    CHECK(build_changed(&(lc_category){ .id = no_ids[i], .group = LC_OTHER, .lead_status = false, .deleted = false }, NULL) == LC_INVALID);
    CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_LEAD_STATUS_SET, .lead_status = no_ids[i], .to = CUSTOMER, .ask = false }) == LC_INVALID);
    CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_LOST, .lead_status = 0, .to = no_ids[i], .ask = false }) == LC_INVALID);
  }
  CHECK(build_changed(&(lc_category){ .id = LEAD, .group = LC_OTHER, .lead_status = false, .deleted = false }, NULL) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_LEAD_STATUS_SET, .lead_status = 7, .to = CUSTOMER }) == LC_OK);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_WON, .to = CUSTOMER }) == LC_OK); /* a second one */
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = (lc_trigger)LC_OWN_TRIGGER, .to = CUSTOMER }) == LC_OK);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_TRIGGERS, .to = CUSTOMER }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = (lc_trigger)(LC_OWN_TRIGGER - 1), .to = CUSTOMER }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = (lc_trigger)LC_TRIGGER_NUMBERS, .to = CUSTOMER }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_LOST, .lead_status = 0, .to = 99, .ask = false }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_LOST, .lead_status = 0, .to = OLD, .ask = false }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_LOST, .to = CUSTOMER, .ask = true, .on_expiry = LC_ON_EXPIRIES }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_LOST, .lead_status = 0, .to = CUSTOMER, .ask = false }) == LC_OK);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_DELETED }) == LC_OK); /* it takes back */
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_DELETED, .forward_only = true }) == LC_INVALID);
  CHECK(build_changed(NULL, &(lc_rule){ .trigger = LC_SALE_DELETED, .has_from = true }) == LC_INVALID);

  lc_error error = { "" };
  uint64_t memory[128];
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
    many[i] = (lc_category){ .id = id, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true, .deleted = false };
    set[i] = (lc_rule){ .trigger = LC_LEAD_STATUS_SET, .lead_status = id, .to = id, .ask = false };
  }
  lc_ruleset *ruleset;
  size_t size;
  CHECK(build(&(lc_config){ .revision = 1, .categories = many, .category_count = count, .rules = set, .rule_count = count }, &ruleset, &size) == LC_OK);
  CHECK(lc_ruleset_check(ruleset, size, NULL) == LC_OK);
  uint32_t found = 0, wrong = 0;
  for (uint32_t i = 0; i < count; i++) {
    const lc_category_slot *slot = lc_ruleset_category(ruleset, many[i].id);
    lc_range range = lc_ruleset_lead_status(ruleset, many[i].id);
    const lc_packed_rule *rule = (const lc_packed_rule *)lc_ruleset_block(ruleset, LC_BLOCK_RULES) + range.first;
    found += slot != NULL && slot->id == many[i].id && range.count == 1 && rule->to == many[i].id;
    wrong += step > 1 && lc_ruleset_category(ruleset, many[i].id + 1) != NULL;
    wrong += step > 1 && lc_ruleset_lead_status(ruleset, many[i].id + 1).count != 0;
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

/* The built-in triggers, and some own ones. */
enum { TRIED = LC_TRIGGERS + 4 };
static const lc_trigger tried[TRIED] = {
  LC_SALE_REGISTERED, LC_SALE_WON, LC_SALE_LOST, LC_LEAD_STATUS_SET, LC_SALE_REOPENED, LC_SALE_DELETED,
  (lc_trigger)LC_OWN_TRIGGER, (lc_trigger)(LC_OWN_TRIGGER + 2), (lc_trigger)(LC_OWN_TRIGGER + 5), (lc_trigger)(LC_TRIGGER_NUMBERS - 1),
};

/* Whether the block is refused, or else is harmless: looking up and deciding by it end, with what there may be. */
static bool is_harmless(const unsigned char *bytes, size_t size) {
  static const int32_t ids[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 99, 1 << 20, INT32_MAX, INT32_MIN, -1 };
  const size_t count = sizeof ids / sizeof *ids;
  const lc_ruleset *ruleset = (const void *)bytes;
  if (lc_ruleset_check(bytes, size, NULL) != LC_OK)
    return true;
  for (size_t i = 0; i < count; i++) {
    const lc_category_slot *category = lc_ruleset_category(ruleset, ids[i]);
    lc_range range = lc_ruleset_lead_status(ruleset, ids[i]), all = ruleset->triggers[LC_LEAD_STATUS_SET].rules;
    if ((category != NULL && category->id != ids[i])
        || (range.count != 0 && (range.first < all.first || range.first + range.count > all.first + all.count)))
      return false;
  }
  for (size_t i = 0; i < count * count * TRIED; i++) {
    lc_trigger trigger = tried[i % TRIED];
    const lc_facts facts = { .trigger = trigger, .category = ids[i / TRIED % count], .lead_status = ids[i / TRIED / count] };
    lc_decision decision = lc_decide(ruleset, &facts);
    if (decision.action >= LC_ACTIONS || decision.reason >= LC_REASONS)
      return false;
  }
  return true;
}

static void test_flips(const lc_config *config) {
  lc_ruleset *ruleset;
  size_t size;
  build(config, &ruleset, &size);
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

/* Headers that fit their blocks, which are filled at random. */
static void test_random(void) {
  static const size_t sizes[LC_BLOCKS] = {
    sizeof(lc_category_slot), sizeof(lc_status_slot), sizeof(lc_fact), sizeof(lc_trigger_rules), sizeof(lc_packed_rule),
    sizeof(lc_later_rule), sizeof(lc_later_rule), sizeof(lc_limit), sizeof(lc_packed_condition), sizeof(lc_packed_field), sizeof(int32_t), sizeof(int32_t), 1,
  };
  int harmful = 0, accepted = 0, rounds = times(200000);
  srandom(4711);
  for (int round = 0; round < rounds; round++) {
    lc_range blocks[LC_BLOCKS];
    size_t size = sizeof(lc_ruleset);
    for (int i = 0; i < LC_BLOCKS; i++) {
      blocks[i].first = (uint32_t)size;
      blocks[i].count = i <= LC_BLOCK_STATUSES ? random_slots() : (uint32_t)random() % 6;
      size += blocks[i].count * sizes[i];
    }
    size = (size + 7) / 8 * 8;
    unsigned char *bytes = malloc(size);
    long dense = random() % 4; /* few slots are taken, or many */
    for (size_t i = 0; i < size; i++)
      bytes[i] = (unsigned char)(random() % 4 < dense ? random() % (random() % 2 != 0 ? 4 : 256) : 0);
    lc_ruleset *ruleset = (void *)bytes;
    ruleset->magic = LC_RULESET_MAGIC;
    ruleset->version = LC_RULESET_VERSION;
    ruleset->size = (uint32_t)size;
    memcpy(ruleset->blocks, blocks, sizeof blocks);
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
    changed->blocks[LC_BLOCK_CATEGORIES].count = slots[i % count];
    changed->blocks[LC_BLOCK_STATUSES].count = slots[i / count];
    sign(copy, size);
    CHECK(is_harmless(copy, size));
  }
  free(ruleset);
}

int main(void) {
  alarm(300); /* a table that is walked forever */
  TEST(test_decisions());
  TEST(test_conditions());
  TEST(test_taking_back());
  TEST(test_details());
  TEST(test_own_triggers());
  TEST(test_names());
  TEST(test_on_expiry());
  TEST(test_waiting());
  TEST(test_trials());
  TEST(test_empty());
  TEST(test_refusals());
  TEST(test_many(1, 1, 10000));
  TEST(test_many(1 << 12, 1 << 12, 10000));
  TEST(test_many(3, 65536, 10000));
  TEST(test_many(INT32_MAX - 9999, 1, 10000));
  TEST(test_flips(&sound));
  TEST(test_flips(&rich));
  TEST(test_flips(&back));
  TEST(test_truncations());
  TEST(test_random());
  TEST(test_headers());
  return report();
}
