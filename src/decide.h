/* decide.h - the decision: what a trigger means for a company that stands in a category.
 *
 * A pure function of a ruleset and an event: no I/O, no allocation, no state, any thread. The six
 * checks, and their order, are those of the contract ("The decision, check by check").
 */
#ifndef LC_DECIDE_H
#define LC_DECIDE_H

#include "ruleset.h"

typedef enum lc_action {
  LC_NONE,    /* "none": the category stays */
  LC_UPDATE,  /* "update": set the category */
  LC_CONFIRM, /* "confirm": ask the user first */
  LC_ACTIONS  /* how many there are */
} lc_action;

/* The reasons, in the order of the checks that give them. */
typedef enum lc_reason {
  LC_RULE_DISABLED,           /* no enabled rule exists for the trigger */
  LC_UNKNOWN_CATEGORY,        /* the company's category is not in the config */
  LC_NOT_POTENTIAL_CUSTOMER,  /* its group is another one */
  LC_LEAD_STATUS_NOT_ENABLED, /* companies of that category have no lead status */
  LC_LEAD_STATUS_NOT_MATCHED, /* no enabled rule names that lead status */
  LC_ALREADY_IN_CATEGORY,     /* the target is where the company stands */
  LC_MATCHED,                 /* all checks passed */
  LC_REASONS                  /* how many there are */
} lc_reason;

typedef struct lc_decision {
  lc_action action;
  lc_reason reason;
  int32_t to; /* the target category when matched; else 0 */
} lc_decision;

/* Decides. `category` and `lead_status` are 0 when the host knows none. */
lc_decision lc_decide(const lc_ruleset *ruleset, lc_trigger trigger, int32_t category, int32_t lead_status);

/* The contract's words for the values, by value. Static strings. */
extern const char *const lc_trigger_names[LC_TRIGGERS];
extern const char *const lc_group_names[LC_GROUPS];
extern const char *const lc_action_names[LC_ACTIONS];
extern const char *const lc_reason_names[LC_REASONS];

/* The trigger of that name (`size` bytes), or -1. Faster than lc_name_index. */
int lc_trigger_of(const char *name, size_t size);

/* The index of `name` (`size` bytes) among `count` names, or -1. */
int lc_name_index(const char *const *names, int count, const char *name, size_t size);

#endif
