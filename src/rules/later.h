/* rules/later.h - rules that do not decide at once: those with `after`, whose match is scheduled, and decided anew when its time has
 * come; and shadows, of which is only noted what they would do. No I/O, and nothing here allocates.
 *
 * lc_decide knows only the rules that decide at once, as if the others were not there.
 */
#ifndef LC_RULES_LATER_H
#define LC_RULES_LATER_H

#include "decide.h"

static inline bool lc_has_later(const lc_ruleset *ruleset) {
  return ruleset->blocks[LC_BLOCK_LATER].count != 0;
}

/* Whether the trigger has such a rule. */
bool lc_has_later_for(const lc_ruleset *ruleset, lc_trigger trigger);

/* The rule whose match is scheduled: the first with `after` that applies, unless a rule in front of it that decides at once
 * does, too. The target may be where the company stands: it may move before the time has come. NULL: there is none. */
const lc_later_rule *lc_find_later(const lc_ruleset *ruleset, const lc_facts *facts);

/* Whether there may be one as soon as more facts are known. */
bool lc_may_find_later(const lc_ruleset *ruleset, const lc_facts *facts);

/* What the rule with this id (0: the one without) of the facts' trigger and lead status decides, whether or not it has `after`,
 * as if there were no other. LC_RULE_DISABLED: there is none, or it is switched off. */
lc_decision lc_decide_alone(const lc_ruleset *ruleset, const lc_facts *facts, int32_t id);

/* ---- shadows ------------------------------------------------------------------------------ */

static inline bool lc_has_shadow(const lc_ruleset *ruleset) {
  return ruleset->blocks[LC_BLOCK_SHADOW].count != 0;
}

/* Whether the trigger has one. */
bool lc_has_shadow_for(const lc_ruleset *ruleset, lc_trigger trigger);

/* Whether one may do something as soon as more facts are known. */
bool lc_may_find_shadow(const lc_ruleset *ruleset, const lc_facts *facts);

/* The next shadow behind that one (NULL: the first) that would do something if it were none, and alone among the shadows; and what. One
 * with `after` is looked at as if it decided at once. NULL: there is none. */
const lc_later_rule *lc_next_shadow(const lc_ruleset *ruleset, const lc_facts *facts, const lc_later_rule *behind, lc_decision *decision);

#endif
