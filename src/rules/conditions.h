/* rules/conditions.h - whether a rule's conditions hold for the facts of an event. Nothing here allocates. */
#ifndef LC_RULES_CONDITIONS_H
#define LC_RULES_CONDITIONS_H

#include "facts.h"
#include "ruleset.h"

/* What conditions look at. */
typedef struct lc_evidence {
  const lc_ruleset *ruleset;
  const lc_category_slot *from; /* the company's category */
  const lc_known *known;        /* NULL: nothing is known but the category */
  size_t first;                 /* in `known`: the fact of the ruleset's first field */
} lc_evidence;

/* The fact that a condition compares. */
lc_fact lc_evidence_fact(const lc_evidence *evidence, uint8_t field);

/* Whether one condition holds. */
bool lc_condition_holds(const lc_evidence *evidence, const lc_packed_condition *condition);

/* Whether the rule may start from the company's category. */
bool lc_rule_may_start(const lc_evidence *evidence, const lc_packed_rule *rule);

/* Whether the rule, which goes forward only, would lead to a category of a lower rank. Without a rank there is no order. */
bool lc_rule_goes_back(const lc_evidence *evidence, const lc_packed_rule *rule);

/* Whether all conditions of one group hold, or the rule has none. */
bool lc_rule_applies(const lc_evidence *evidence, const lc_packed_rule *rule);

#endif
