#include "decide.h"

#include <string.h>

const char *const lc_trigger_names[LC_TRIGGERS] = {
  [LC_SALE_REGISTERED] = "sale_registered",
  [LC_SALE_WON] = "sale_won",
  [LC_SALE_LOST] = "sale_lost",
  [LC_LEAD_STATUS_SET] = "lead_status_set",
};

const char *const lc_group_names[LC_GROUPS] = {
  [LC_CUSTOMER] = "customer",
  [LC_LOST] = "lost",
  [LC_OTHER] = "other",
  [LC_PARTNER] = "partner",
  [LC_POTENTIAL_CUSTOMER] = "potential_customer",
};

const char *const lc_action_names[LC_ACTIONS] = {
  [LC_NONE] = "none",
  [LC_UPDATE] = "update",
  [LC_CONFIRM] = "confirm",
};

int lc_name_index(const char *const *names, int count, const char *name, size_t size) {
  for (int i = 0; i < count; i++)
    if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
      return i;
  return -1;
}

int lc_trigger_of(const char *name, size_t size) {
  lc_trigger trigger = size == 8 ? LC_SALE_WON
                     : size == 9 ? LC_SALE_LOST
                     : size != 0 && name[0] == 's' ? LC_SALE_REGISTERED : LC_LEAD_STATUS_SET;
  const char *expected = lc_trigger_names[trigger];
  return strlen(expected) == size && memcmp(expected, name, size) == 0 ? (int)trigger : -1;
}

/* ---- the checks --------------------------------------------------------------------------- */

/* The facts, and what the checks find. */
typedef struct look {
  const lc_ruleset *ruleset;
  const lc_facts *facts;
  const lc_category_slot *from; /* where the company stands; NULL: in no category of the config */
  const lc_rule_slot *rule;     /* the one that the facts choose; NULL, or without a target: there is none */
} look;

static inline bool about_lead_status(const look *at) {
  return at->facts->trigger == LC_LEAD_STATUS_SET;
}

static inline bool has_rule(const look *at) {
  return about_lead_status(at) ? at->ruleset->status_rules != 0 : at->rule->to != 0;
}

static inline int32_t target_of(const look *at) {
  return at->rule != NULL ? at->rule->to : 0;
}

#define THE_CATEGORY { "category", LC_THE_CATEGORY, at.facts->category, NULL }
#define THE_LEAD_STATUS { "lead_status", LC_THE_LEAD_STATUS, at.facts->lead_status, NULL }
#define ID(name, id) { name, LC_ID, id, NULL }
#define COUNT(name, count) { name, LC_COUNT, count, NULL }
#define FLAG(name, flag) { name, LC_FLAG, flag, NULL }
#define WORD(name, word) { name, LC_WORD, 0, word }

/* A row is a check: its reason and that reason's name; whether the facts have such a check; what it looks up; whether
 * it passes, if those above did; the values it compares, whatever those above did. This is a macro rather than an array
 * of functions, so that lc_decide is straight code. */
#define CHECKS(ROW) \
  ROW(LC_RULE_DISABLED, "rule_disabled", true, \
      at.rule = about_lead_status(&at) ? NULL : &at.ruleset->sale[at.facts->trigger], has_rule(&at), \
      WORD("trigger", lc_trigger_names[at.facts->trigger]), \
      COUNT("enabled_rules", about_lead_status(&at) ? (int32_t)at.ruleset->status_rules : has_rule(&at))) \
  ROW(LC_UNKNOWN_CATEGORY, "unknown_category", true, \
      at.from = lc_ruleset_category(at.ruleset, at.facts->category), at.from != NULL, THE_CATEGORY) \
  ROW(LC_NOT_POTENTIAL_CUSTOMER, "not_potential_customer", true, , at.from->group == LC_POTENTIAL_CUSTOMER, \
      THE_CATEGORY, WORD("group", at.from != NULL ? lc_group_names[at.from->group] : NULL), \
      WORD("expected", lc_group_names[LC_POTENTIAL_CUSTOMER])) \
  ROW(LC_LEAD_STATUS_NOT_ENABLED, "lead_status_not_enabled", about_lead_status(&at), , at.from->lead_status, \
      THE_CATEGORY, FLAG("enabled", at.from != NULL && at.from->lead_status)) \
  ROW(LC_LEAD_STATUS_NOT_MATCHED, "lead_status_not_matched", about_lead_status(&at), \
      at.rule = lc_ruleset_lead_status(at.ruleset, at.facts->lead_status), at.rule != NULL, THE_LEAD_STATUS) \
  ROW(LC_ALREADY_IN_CATEGORY, "already_in_category", true, , at.rule->to != at.facts->category, \
      THE_CATEGORY, ID("target", target_of(&at)))

#define NAME(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) [REASON] = TEXT,
const char *const lc_reason_names[LC_REASONS] = { CHECKS(NAME) [LC_MATCHED] = "matched" };

#define DECIDE(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) \
  if (MADE) { \
    LOOK_UP; \
    if (!(PASSES)) \
      return (lc_decision){ LC_NONE, REASON, 0 }; \
  }

lc_decision lc_decide(const lc_ruleset *ruleset, const lc_facts *facts) {
  look at = { ruleset, facts, NULL, NULL };
  CHECKS(DECIDE)
  return (lc_decision){ at.rule->ask ? LC_CONFIRM : LC_UPDATE, LC_MATCHED, at.rule->to };
}

static lc_check_result result_of(lc_reason check, bool made, lc_reason reason) {
  return !made ? LC_NOT_MADE : check < reason ? LC_PASSED : check == reason ? LC_FAILED : LC_NOT_REACHED;
}

#define FIND(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) if (MADE) { LOOK_UP; }
#define TELL(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) \
  checks[REASON] = (lc_check){ result_of(REASON, MADE, decision.reason), { __VA_ARGS__ } };

lc_decision lc_explain(const lc_ruleset *ruleset, const lc_facts *facts, lc_check checks[LC_CHECKS], int32_t *target) {
  look at = { ruleset, facts, NULL, NULL };
  lc_decision decision = lc_decide(ruleset, facts);
  CHECKS(FIND)
  CHECKS(TELL)
  *target = target_of(&at);
  return decision;
}
