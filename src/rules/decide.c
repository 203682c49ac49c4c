#include "decide.h"

#include <string.h>

const char *const lc_trigger_names[LC_TRIGGERS] = {
  [LC_SALE_REGISTERED] = "sale_registered",
  [LC_SALE_WON] = "sale_won",
  [LC_SALE_LOST] = "sale_lost",
  [LC_LEAD_STATUS_SET] = "lead_status_set",
  [LC_SALE_REOPENED] = "sale_reopened",
  [LC_SALE_DELETED] = "sale_deleted",
  [LC_NO_SALE_FOR] = "no_sale_for",
};

const char *const lc_group_names[LC_GROUPS] = {
  [LC_CUSTOMER] = "customer",
  [LC_LOST] = "lost",
  [LC_OTHER] = "other",
  [LC_PARTNER] = "partner",
  [LC_POTENTIAL_CUSTOMER] = "potential_customer",
};

const char *const lc_is_names[LC_ISES] = {
  [LC_EQUALS] = "equals", [LC_NOT_EQUALS] = "not_equals", [LC_ONE_OF] = "one_of", [LC_NONE_OF] = "none_of",
  [LC_AT_LEAST] = "at_least", [LC_AT_MOST] = "at_most", [LC_ABOVE] = "above", [LC_BELOW] = "below",
  [LC_CONTAINS] = "contains", [LC_STARTS_WITH] = "starts_with", [LC_IS_KNOWN] = "known", [LC_IS_UNKNOWN] = "unknown",
  [LC_ALL_ONE_OF] = "all_one_of",
};

const char *const lc_on_expiry_names[LC_ON_EXPIRIES] = {
  [LC_EXPIRES] = "expire", [LC_ACCEPTS] = "accept", [LC_DECLINES] = "decline",
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

/* The only trigger whose name may have that size and first letter. */
static lc_trigger trigger_like(size_t size, char first) {
  switch (size) {
  case 8: return LC_SALE_WON;
  case 9: return LC_SALE_LOST;
  case 11: return LC_NO_SALE_FOR;
  case 12: return LC_SALE_DELETED;
  case 13: return LC_SALE_REOPENED;
  default: return first == 's' ? LC_SALE_REGISTERED : LC_LEAD_STATUS_SET;
  }
}

int lc_trigger_of(const char *name, size_t size) {
  lc_trigger trigger = trigger_like(size, size != 0 ? name[0] : 0);
  const char *expected = lc_trigger_names[trigger];
  return strlen(expected) == size && memcmp(expected, name, size) == 0 ? (int)trigger : -1;
}

/* ---- the checks --------------------------------------------------------------------------- */

/* The facts, and what the checks find. */
typedef struct look {
  lc_evidence seen; /* `from`: where the company stands; NULL: in no category of the config */
  const lc_trigger_rules *trigger;
  lc_range rules;               /* those that could decide */
  const lc_packed_rule *rule;   /* the one that decides; NULL: none does */
} look;

static inline look look_at(const lc_ruleset *ruleset, const lc_facts *facts, const lc_trigger_rules *trigger, bool plain) {
  const lc_fact *known = plain ? NULL : lc_known_by_field(ruleset, facts);
  return (look){ { ruleset, facts, known, NULL }, trigger, { 0, 0 }, NULL };
}

static inline bool about_lead_status(const look *at) {
  return at->seen.facts->trigger == LC_LEAD_STATUS_SET;
}

static inline const lc_packed_rule *rules_of(const look *at, lc_range range) {
  return (const lc_packed_rule *)lc_ruleset_block(at->seen.ruleset, LC_BLOCK_RULES) + range.first;
}

static inline bool any_may_start(const look *at, lc_range range) {
  const lc_packed_rule *rule = rules_of(at, range), *end = rule + range.count;
  while (rule < end && !lc_rule_may_start(&at->seen, rule))
    rule++;
  return rule < end;
}

static inline bool has_start(const look *at, bool plain) {
  return plain ? at->seen.from->group == LC_POTENTIAL_CUSTOMER : any_may_start(at, at->trigger->rules);
}

static inline bool has_status_rule(const look *at, bool plain) {
  return at->rules.count != 0 && (plain || any_may_start(at, at->rules));
}

static inline const lc_packed_rule *find_rule(const look *at) {
  const lc_packed_rule *rule = rules_of(at, at->rules), *end = rule + at->rules.count;
  for (; rule < end; rule++)
    if (lc_rule_may_start(&at->seen, rule) && lc_rule_applies(&at->seen, rule))
      return rule;
  return NULL;
}

static bool goes_back(const look *at) {
  return lc_rule_goes_back(&at->seen, at->rule);
}

static inline bool takes_back(const look *at) {
  return at->rule != NULL && lc_rule_takes_back(at->rule);
}

bool lc_can_take_back(const lc_ruleset *ruleset, const lc_facts *facts) {
  const lc_move *made = &facts->made;
  const lc_category_slot *to = lc_ruleset_category(ruleset, made->from);
  return to != NULL && !to->deleted && made->to == facts->category && made->from != made->to;
}

static inline int32_t target_of(const look *at) {
  return at->rule == NULL ? 0 : takes_back(at) ? at->seen.facts->made.from : at->rule->to;
}

#define THE_TRIGGER { "trigger", LC_THE_TRIGGER, 0, NULL }
#define THE_CATEGORY { "category", LC_THE_CATEGORY, at.seen.facts->category, NULL }
#define THE_LEAD_STATUS { "lead_status", LC_THE_LEAD_STATUS, at.seen.facts->lead_status, NULL }
#define ID(name, id) { name, LC_ID, id, NULL }
#define COUNT(name, count) { name, LC_COUNT, count, NULL }
#define FLAG(name, flag) { name, LC_FLAG, flag, NULL }
#define WORD(name, word) { name, LC_WORD, 0, word }

/* A row is a check: its reason and that reason's name; whether the facts have such a check; what it looks up; whether
 * it passes, if those above did; the values it compares, whatever those above did. This is a macro rather than an array
 * of functions, so that lc_decide is straight code. */
#define CHECKS(ROW) \
  ROW(LC_RULE_DISABLED, "rule_disabled", true, at.rules = at.trigger->rules, at.rules.count != 0, \
      THE_TRIGGER, \
      COUNT("enabled_rules", (int32_t)at.trigger->rules.count)) \
  ROW(LC_UNKNOWN_CATEGORY, "unknown_category", true, \
      at.seen.from = lc_ruleset_category(at.seen.ruleset, at.seen.facts->category), at.seen.from != NULL, \
      THE_CATEGORY) \
  ROW(LC_NOT_POTENTIAL_CUSTOMER, "not_potential_customer", true, , has_start(&at, plain), \
      THE_CATEGORY, WORD("group", at.seen.from != NULL ? lc_group_names[at.seen.from->group] : NULL), \
      WORD("expected", lc_group_names[LC_POTENTIAL_CUSTOMER])) \
  ROW(LC_LEAD_STATUS_NOT_ENABLED, "lead_status_not_enabled", about_lead_status(&at), , at.seen.from->lead_status, \
      THE_CATEGORY, FLAG("enabled", at.seen.from != NULL && at.seen.from->lead_status)) \
  ROW(LC_LEAD_STATUS_NOT_MATCHED, "lead_status_not_matched", about_lead_status(&at), \
      at.rules = lc_ruleset_lead_status(at.seen.ruleset, at.seen.facts->lead_status), has_status_rule(&at, plain), \
      THE_LEAD_STATUS) \
  ROW(LC_CONDITIONS_NOT_MET, "conditions_not_met", !plain, \
      at.rule = at.seen.from != NULL ? find_rule(&at) : NULL, at.rule != NULL, COUNT("rules", (int32_t)at.rules.count)) \
  ROW(LC_ALREADY_IN_CATEGORY, "already_in_category", plain || !takes_back(&at), \
      at.rule = plain && at.rules.count != 0 ? rules_of(&at, at.rules) : at.rule, \
      at.rule->to != at.seen.facts->category, THE_CATEGORY, ID("target", target_of(&at))) \
  ROW(LC_NOTHING_TO_TAKE_BACK, "nothing_to_take_back", !plain && takes_back(&at), , lc_can_take_back(at.seen.ruleset, at.seen.facts), \
      THE_CATEGORY, ID("changed_to", at.seen.facts->made.to), ID("target", at.seen.facts->made.from)) \
  ROW(LC_LOWER_RANK, "lower_rank", !plain && at.rule != NULL && at.rule->forward_only, , !goes_back(&at), \
      THE_CATEGORY, ID("target", target_of(&at)))

#define NAME(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) [REASON] = TEXT,
const char *const lc_reason_names[LC_REASONS] = { CHECKS(NAME) [LC_MATCHED] = "matched" };

#define DECIDE(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) \
  if (MADE) { \
    LOOK_UP; \
    if (!(PASSES)) \
      return (lc_decision){ LC_NONE, REASON, 0, at.rule != NULL ? at.rule->id : 0 }; \
  }

/* Made once for plain rules, whose checks are few. */
static inline __attribute__((always_inline)) lc_decision decide(const lc_ruleset *ruleset, const lc_facts *facts,
                                                                const lc_trigger_rules *trigger, bool plain) {
  look at = look_at(ruleset, facts, trigger, plain);
  CHECKS(DECIDE)
  return (lc_decision){ at.rule->ask ? LC_CONFIRM : LC_UPDATE, LC_MATCHED, plain ? at.rule->to : target_of(&at), at.rule->id };
}

static __attribute__((noinline)) lc_decision decide_by_conditions(const lc_ruleset *ruleset, const lc_facts *facts,
                                                                  const lc_trigger_rules *trigger) {
  return decide(ruleset, facts, trigger, false);
}

lc_decision lc_decide(const lc_ruleset *ruleset, const lc_facts *facts) {
  const lc_trigger_rules *trigger = lc_ruleset_trigger(ruleset, facts->trigger);
  return trigger->plain ? decide(ruleset, facts, trigger, true) : decide_by_conditions(ruleset, facts, trigger);
}

static lc_check_result result_of(lc_reason check, bool made, lc_reason reason) {
  return !made ? LC_NOT_MADE : check < reason ? LC_PASSED : check == reason ? LC_FAILED : LC_NOT_REACHED;
}

#define FIND(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) if (MADE) { LOOK_UP; }
#define TELL(REASON, TEXT, MADE, LOOK_UP, PASSES, ...) \
  checks[REASON] = (lc_check){ result_of(REASON, MADE, decision.reason), { __VA_ARGS__ } };

lc_decision lc_explain(const lc_ruleset *ruleset, const lc_facts *facts, lc_explanation *explanation) {
  lc_check *checks = explanation->checks;
  look at = look_at(ruleset, facts, lc_ruleset_trigger(ruleset, facts->trigger), false);
  const bool plain = at.trigger->plain != 0;
  lc_decision decision = lc_decide(ruleset, facts);
  CHECKS(FIND)
  CHECKS(TELL)
  explanation->target = target_of(&at);
  explanation->rules = rules_of(&at, at.rules);
  explanation->rule_count = at.rules.count;
  explanation->evidence = at.seen;
  return decision;
}
