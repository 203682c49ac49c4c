#include "later.h"

/* The rules of the facts' trigger (and lead status) that decide at once. */
static lc_range rules_at_once(const lc_ruleset *ruleset, const lc_facts *facts) {
  return facts->trigger == LC_LEAD_STATUS_SET ? lc_ruleset_lead_status(ruleset, facts->lead_status)
                                              : lc_ruleset_trigger(ruleset, facts->trigger)->rules;
}

static const lc_packed_rule *first_of(const lc_ruleset *ruleset, lc_range range) {
  return (const lc_packed_rule *)lc_ruleset_block(ruleset, LC_BLOCK_RULES) + range.first;
}

static lc_evidence evidence_of(const lc_ruleset *ruleset, const lc_facts *facts) {
  return (lc_evidence){ ruleset, facts, lc_known_by_field(ruleset, facts), lc_ruleset_category(ruleset, facts->category) };
}

static bool concerns(const lc_later_rule *later, const lc_facts *facts) {
  return later->trigger == (uint32_t)facts->trigger
      && (facts->trigger != LC_LEAD_STATUS_SET || later->lead_status == facts->lead_status);
}

/* The rules of one of the two blocks, up to the end. */
static const lc_later_rule *begin(const lc_ruleset *ruleset, lc_block block, const lc_later_rule **end) {
  const lc_later_rule *first = lc_ruleset_block(ruleset, block);
  *end = first + ruleset->blocks[block].count;
  return first;
}

static const lc_later_rule *begin_later(const lc_ruleset *ruleset, const lc_later_rule **end) {
  return begin(ruleset, LC_BLOCK_LATER, end);
}

/* Whether companies of that category, which is one, can have what the trigger is about. */
static bool can_have(const lc_evidence *evidence, const lc_facts *facts) {
  return facts->trigger != LC_LEAD_STATUS_SET || evidence->from->lead_status;
}

static bool is_chosen(const lc_evidence *evidence, const lc_packed_rule *rule) {
  return lc_rule_may_start(evidence, rule) && lc_rule_applies(evidence, rule);
}

static bool has_rule_for(const lc_ruleset *ruleset, lc_block block, lc_trigger trigger) {
  const lc_later_rule *end, *at = begin(ruleset, block, &end);
  while (at < end && at->trigger != (uint32_t)trigger)
    at++;
  return at < end;
}

bool lc_has_later_for(const lc_ruleset *ruleset, lc_trigger trigger) {
  return has_rule_for(ruleset, LC_BLOCK_LATER, trigger);
}

bool lc_has_shadow_for(const lc_ruleset *ruleset, lc_trigger trigger) {
  return has_rule_for(ruleset, LC_BLOCK_SHADOW, trigger);
}

static bool may_find(const lc_ruleset *ruleset, lc_block block, const lc_facts *facts) {
  const lc_evidence evidence = evidence_of(ruleset, facts);
  if (evidence.from == NULL || !can_have(&evidence, facts))
    return false;
  const lc_later_rule *end, *at = begin(ruleset, block, &end);
  while (at < end && !(concerns(at, facts) && lc_rule_may_start(&evidence, &at->rule)))
    at++;
  return at < end;
}

bool lc_may_find_later(const lc_ruleset *ruleset, const lc_facts *facts) {
  return may_find(ruleset, LC_BLOCK_LATER, facts);
}

bool lc_may_find_shadow(const lc_ruleset *ruleset, const lc_facts *facts) {
  return may_find(ruleset, LC_BLOCK_SHADOW, facts);
}

const lc_later_rule *lc_find_later(const lc_ruleset *ruleset, const lc_facts *facts) {
  const lc_evidence evidence = evidence_of(ruleset, facts);
  const lc_packed_rule *rules = first_of(ruleset, rules_at_once(ruleset, facts));
  const lc_later_rule *end, *at = begin_later(ruleset, &end);
  if (evidence.from == NULL || !can_have(&evidence, facts))
    return NULL;
  for (uint32_t passed = 0; at < end; at++) {
    if (!concerns(at, facts))
      continue;
    for (; passed < at->before; passed++)
      if (is_chosen(&evidence, &rules[passed]))
        return NULL;
    if (is_chosen(&evidence, &at->rule))
      return at;
  }
  return NULL;
}

static const lc_packed_rule *find_rule(const lc_ruleset *ruleset, const lc_facts *facts, int32_t id) {
  const lc_range range = rules_at_once(ruleset, facts);
  const lc_packed_rule *rules = first_of(ruleset, range);
  const lc_later_rule *end, *at = begin_later(ruleset, &end);
  for (uint32_t i = 0; i < range.count; i++)
    if (rules[i].id == id)
      return &rules[i];
  while (at < end && !(concerns(at, facts) && at->rule.id == id))
    at++;
  return at < end ? &at->rule : NULL;
}

/* The checks of where it leads, in their order. */
static lc_reason reason_of_target(const lc_evidence *evidence, const lc_facts *facts, const lc_packed_rule *rule) {
  if (lc_rule_takes_back(rule))
    return lc_can_take_back(evidence->ruleset, facts) ? LC_MATCHED : LC_NOTHING_TO_TAKE_BACK;
  return rule->to == facts->category ? LC_ALREADY_IN_CATEGORY
       : rule->forward_only && lc_rule_goes_back(evidence, rule) ? LC_LOWER_RANK : LC_MATCHED;
}

/* All checks, in their order. */
static lc_reason reason_of(const lc_evidence *evidence, const lc_facts *facts, const lc_packed_rule *rule) {
  return rule == NULL ? LC_RULE_DISABLED
       : evidence->from == NULL ? LC_UNKNOWN_CATEGORY
       : !lc_rule_may_start(evidence, rule) ? LC_NOT_POTENTIAL_CUSTOMER
       : !can_have(evidence, facts) ? LC_LEAD_STATUS_NOT_ENABLED
       : !lc_rule_applies(evidence, rule) ? LC_CONDITIONS_NOT_MET : reason_of_target(evidence, facts, rule);
}

/* What a rule does whose checks have passed. */
static lc_decision decision_of(const lc_facts *facts, const lc_packed_rule *rule) {
  int32_t to = lc_rule_takes_back(rule) ? facts->made.from : rule->to;
  return (lc_decision){ rule->ask ? LC_CONFIRM : LC_UPDATE, LC_MATCHED, to, rule->id };
}

lc_decision lc_decide_alone(const lc_ruleset *ruleset, const lc_facts *facts, int32_t id) {
  const lc_evidence evidence = evidence_of(ruleset, facts);
  const lc_packed_rule *rule = find_rule(ruleset, facts, id);
  lc_reason reason = reason_of(&evidence, facts, rule);
  return reason == LC_MATCHED ? decision_of(facts, rule) : (lc_decision){ LC_NONE, reason, 0, id };
}

/* Whether none of the rules in front of it decides. */
static bool has_its_turn(const lc_evidence *evidence, const lc_packed_rule *rules, const lc_later_rule *shadow) {
  uint32_t i = 0;
  while (i < shadow->before && !is_chosen(evidence, &rules[i]))
    i++;
  return i == shadow->before;
}

const lc_later_rule *lc_next_shadow(const lc_ruleset *ruleset, const lc_facts *facts, const lc_later_rule *behind, lc_decision *decision) {
  const lc_evidence evidence = evidence_of(ruleset, facts);
  const lc_packed_rule *rules = first_of(ruleset, rules_at_once(ruleset, facts));
  const lc_later_rule *end, *first = begin(ruleset, LC_BLOCK_SHADOW, &end);
  for (const lc_later_rule *at = behind != NULL ? behind + 1 : first; at < end; at++)
    if (concerns(at, facts) && reason_of(&evidence, facts, &at->rule) == LC_MATCHED && has_its_turn(&evidence, rules, at)) {
      *decision = decision_of(facts, &at->rule);
      return at;
    }
  return NULL;
}
