/* rules/conditions.h - whether a rule's conditions hold for the facts of an event. Nothing here allocates. */
#ifndef LC_RULES_CONDITIONS_H
#define LC_RULES_CONDITIONS_H

#include "facts.h"
#include "ruleset.h"

/* All that a decision depends on besides the rules. */
typedef struct lc_facts {
  lc_trigger trigger;
  int32_t category;      /* where the company stands; 0, or what cannot be an id: unknown */
  int32_t lead_status;   /* 0: none */
  const lc_known *known; /* what is known besides, for conditions; NULL: nothing */
  size_t first;          /* in `known`: the fact of the ruleset's first field */
} lc_facts;

/* What conditions look at. */
typedef struct lc_evidence {
  const lc_ruleset *ruleset;
  const lc_facts *facts;
  const lc_fact *known;         /* by the ruleset's fields */
  const lc_category_slot *from; /* the company's category */
} lc_evidence;

extern const lc_fact lc_nothing[LC_FIELDS_MAX]; /* facts that are all unknown */

/* What is known, by the ruleset's fields. */
static inline const lc_fact *lc_known_by_field(const lc_ruleset *ruleset, const lc_facts *facts) {
  const lc_known *known = facts->known;
  bool are_there = known != NULL && facts->first + lc_ruleset_field_count(ruleset) <= known->count;
  return are_there ? known->facts + facts->first : lc_nothing;
}

/* The kind of the fact that a condition compares. */
lc_fact_kind lc_evidence_kind(const lc_evidence *evidence, const lc_packed_condition *condition);

/* Whether one condition holds. */
bool lc_condition_holds(const lc_evidence *evidence, const lc_packed_condition *condition);

/* Whether the company's category is one of the rule's `from`. */
bool lc_rule_has_from(const lc_evidence *evidence, const lc_packed_rule *rule);

/* Whether the rule may start from the company's category. */
static inline bool lc_rule_may_start(const lc_evidence *evidence, const lc_packed_rule *rule) {
  return rule->has_from ? lc_rule_has_from(evidence, rule) : evidence->from->group == LC_POTENTIAL_CUSTOMER;
}

/* Whether all conditions of one group hold, or the rule has none. */
bool lc_rule_applies(const lc_evidence *evidence, const lc_packed_rule *rule);

#endif
