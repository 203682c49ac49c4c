/* rules/decide.h - the decision: what a trigger means for a company that is in a category.
 *
 * A pure function of a ruleset and facts: no I/O, no allocation, no state, any thread. The checks and their order are
 * the contract's ("The decision, check by check"). One table (decide.c) decides and explains, so lc_explain says what
 * lc_decide does.
 */
#ifndef LC_RULES_DECIDE_H
#define LC_RULES_DECIDE_H

#include "conditions.h"
#include "ruleset.h"

typedef enum lc_action {
  LC_NONE,    /* "none": the category stays */
  LC_UPDATE,  /* "update": set the category */
  LC_CONFIRM, /* "confirm": ask the user first */
  LC_ACTIONS  /* how many there are */
} lc_action;

/* The reasons, in the order of the checks that give them. A check has the name of its reason. */
typedef enum lc_reason {
  LC_RULE_DISABLED,           /* no enabled rule exists for the trigger */
  LC_UNKNOWN_CATEGORY,        /* the company's category is not in the config */
  LC_NOT_POTENTIAL_CUSTOMER,  /* no enabled rule may start there; without `from` it must be in that group */
  LC_LEAD_STATUS_NOT_ENABLED, /* companies of that category have no lead status */
  LC_LEAD_STATUS_NOT_MATCHED, /* no enabled rule that may start there names that lead status */
  LC_CONDITIONS_NOT_MET,      /* none of these rules applies; the first that does decides */
  LC_ALREADY_IN_CATEGORY,     /* the target is where the company stands */
  LC_NOTHING_TO_TAKE_BACK,    /* in its place for a rule that takes back: the sale has not caused the company's newest change, or
                                 the company no longer stands where that has put it, or where it stood before is no live category */
  LC_LOWER_RANK,              /* the target's rank is lower, and the rule goes forward only */
  LC_CHECKS,                  /* how many checks there are */
  LC_MATCHED = LC_CHECKS,     /* all checks passed */
  LC_REASONS                  /* how many there are */
} lc_reason;

typedef struct lc_decision {
  lc_action action;
  lc_reason reason;
  int32_t to;   /* the target category when matched; else 0 */
  int32_t rule; /* the id of the rule that decides; 0: it has none, or none decides */
} lc_decision;

lc_decision lc_decide(const lc_ruleset *ruleset, const lc_facts *facts);

/* Whether what the event's sale did can be taken back. */
bool lc_can_take_back(const lc_ruleset *ruleset, const lc_facts *facts);

/* ---- explaining --------------------------------------------------------------------------- */

typedef enum lc_check_result {
  LC_NOT_MADE,   /* there is no such check for the trigger */
  LC_PASSED,
  LC_FAILED,     /* it gave the decision its reason */
  LC_NOT_REACHED /* one before it failed */
} lc_check_result;

typedef enum lc_kind {
  LC_THE_TRIGGER,     /* the fact of that name */
  LC_THE_CATEGORY,    /* the same */
  LC_THE_LEAD_STATUS, /* the same */
  LC_ID,              /* `number`; 0: none */
  LC_COUNT,           /* `number` */
  LC_FLAG,            /* `number`, 0 or 1 */
  LC_WORD             /* `word`; NULL: none */
} lc_kind;

/* A value that a check compares. */
typedef struct lc_value {
  const char *name; /* NULL: there are no more */
  lc_kind kind;
  int32_t number;
  const char *word; /* a static string */
} lc_value;

enum { LC_VALUES = 3 /* the most of a check */ };

/* What a check says. It has its values even when it was not reached. */
typedef struct lc_check {
  lc_check_result result;
  lc_value values[LC_VALUES];
} lc_check;

typedef struct lc_explanation {
  lc_check checks[LC_CHECKS]; /* by reason */
  int32_t target;             /* of the rule that the facts choose, whatever the checks say; 0: they choose none */
  const lc_packed_rule *rules; /* those among which conditions choose */
  uint32_t rule_count;
  lc_evidence evidence;       /* for conditions.h; without `from` when the category is unknown */
} lc_explanation;

/* Decides, and says what each check compared, and its result. */
lc_decision lc_explain(const lc_ruleset *ruleset, const lc_facts *facts, lc_explanation *explanation);

/* ---- words -------------------------------------------------------------------------------- */

/* The contract's words for the values, by value. Static strings. */
extern const char *const lc_trigger_names[LC_TRIGGERS];
extern const char *const lc_group_names[LC_GROUPS];
extern const char *const lc_is_names[LC_ISES];
extern const char *const lc_on_expiry_names[LC_ON_EXPIRIES]; /* "expire", "accept", "decline" */
extern const char *const lc_action_names[LC_ACTIONS];
extern const char *const lc_reason_names[LC_REASONS];

/* The built-in trigger of that name (`size` bytes), or -1. Faster than lc_name_index. lc_trigger_number (triggers.h) knows own ones, too. */
int lc_trigger_of(const char *name, size_t size);

/* The index of `name` (`size` bytes) among `count` names, or -1. */
int lc_name_index(const char *const *names, int count, const char *name, size_t size);

#endif
