/* rules/ruleset.h - the rules of one config, packed into one block of bytes for deciding.
 *
 * A ruleset is built from a config, stored beside the config's JSON, read back, checked, and then only read. It has no
 * pointers: it can be copied byte by byte, and is read in place. The JSON stays the source of truth, from which a
 * ruleset can always be built again: so its form is the machine's own (byte order included) and is never migrated.
 *
 * Layout: the header below, then its blocks, in the order of lc_block. The slots are hash tables with linear probing, a power
 * of two in size and at most half full, so lookups end soon. Empty slots have id 0. The rules of a trigger that decide at
 * once, and within them those of a lead status, lie side by side in the order of the config.
 */
#ifndef LC_RULES_RULESET_H
#define LC_RULES_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "company.h"
#include "facts.h"
#include "status.h"

/* Journals keep these numbers: new triggers are appended. */
typedef enum lc_trigger {
  LC_SALE_REGISTERED, /* "sale_registered" */
  LC_SALE_WON,        /* "sale_won" */
  LC_SALE_LOST,       /* "sale_lost" */
  LC_LEAD_STATUS_SET, /* "lead_status_set" */
  LC_SALE_REOPENED,   /* "sale_reopened": won or lost before, and now open again */
  LC_SALE_DELETED,    /* "sale_deleted" */
  LC_NO_SALE_FOR,     /* "no_sale_for": so many days without a sale, as the calendar finds */
  LC_TRIGGERS         /* how many there are */
} lc_trigger;

/* What an integrator has declared is numbered from LC_OWN_TRIGGER on (triggers.h). */
enum { LC_OWN_TRIGGER = 64, LC_OWN_TRIGGERS = 64 /* the most */, LC_TRIGGER_NUMBERS = LC_OWN_TRIGGER + LC_OWN_TRIGGERS };

/* Whether there may be a trigger of that number. */
static inline bool lc_is_trigger(uint32_t number) {
  return number < LC_TRIGGERS || (number >= LC_OWN_TRIGGER && number < LC_TRIGGER_NUMBERS);
}

typedef enum lc_group {
  LC_CUSTOMER,           /* "customer" */
  LC_LOST,               /* "lost" */
  LC_OTHER,              /* "other" */
  LC_PARTNER,            /* "partner" */
  LC_POTENTIAL_CUSTOMER, /* "potential_customer" */
  LC_GROUPS              /* how many there are */
} lc_group;

/* How a condition compares a fact with its values. */
typedef enum lc_is {
  LC_EQUALS,      /* "equals" */
  LC_NOT_EQUALS,  /* "not_equals" */
  LC_ONE_OF,      /* "one_of" */
  LC_NONE_OF,     /* "none_of" */
  LC_AT_LEAST,    /* "at_least" */
  LC_AT_MOST,     /* "at_most" */
  LC_ABOVE,       /* "above" */
  LC_BELOW,       /* "below" */
  LC_CONTAINS,    /* "contains" */
  LC_STARTS_WITH, /* "starts_with" */
  LC_IS_KNOWN,    /* "known" */
  LC_IS_UNKNOWN,  /* "unknown" */
  LC_ALL_ONE_OF,  /* "all_one_of" */
  LC_ISES         /* how many there are */
} lc_is;

/* What becomes of a question that nobody answers in time. Stored questions keep these numbers. */
typedef enum lc_on_expiry {
  LC_EXPIRES,    /* nothing */
  LC_ACCEPTS,    /* "accept": what was proposed is carried out */
  LC_DECLINES,   /* "decline": the category stays, as if the user had kept it */
  LC_ON_EXPIRIES /* how many there are */
} lc_on_expiry;

/* What a ruleset is built from. */
typedef struct lc_category {
  int32_t id;       /* 1 ... 2^31-1 */
  lc_group group;
  bool lead_status; /* contacts of such companies have a lead status */
  bool deleted;     /* companies may still stand in it; it cannot be a target */
  bool has_rank;
  int32_t rank;
} lc_category;

/* Items of one of the config's arrays. */
typedef struct lc_range {
  uint32_t first, count;
} lc_range;

/* A value of a condition. */
typedef struct lc_constant {
  lc_fact_kind kind; /* LC_NUMBER, LC_BOOLEAN or LC_TEXT */
  double number;     /* of LC_BOOLEAN: 0 or 1 */
  lc_text text;
} lc_constant;

typedef struct lc_condition {
  uint32_t field;      /* in lc_config.fields; or LC_FIELD_CATEGORY, LC_FIELD_RANK */
  lc_is is;
  lc_range values;     /* in lc_config.constants */
  bool ends_group;     /* the next condition of the rule, if there is one, begins another group */
} lc_condition;

typedef struct lc_rule {
  lc_trigger trigger;
  int32_t lead_status;  /* for LC_LEAD_STATUS_SET: 1 ... 2^31-1; else 0 */
  int32_t to;           /* the target category; 0, of LC_SALE_REOPENED and LC_SALE_DELETED: it takes back what the sale did */
  bool ask;
  lc_on_expiry on_expiry; /* of what it asks */
  int32_t id;           /* 0: none */
  bool forward_only;    /* not to a category of a lower rank */
  bool has_from;        /* it starts only from these: */
  uint32_t from_groups; /* a bit for each lc_group */
  lc_range from;        /* in lc_config.ids: categories */
  lc_range when;        /* in lc_config.conditions, of which each belongs to one rule; none: it always applies */
  uint32_t after;       /* seconds: its match is decided anew when they are over; 0: it decides at once */
  bool shadow;          /* what it would do is only noted */
  uint32_t limit;       /* how many of its matches are done in so many hours, before others are held; 0: any number */
  uint32_t limit_hours;
} lc_rule;

typedef struct lc_config {
  uint64_t revision;
  const lc_category *categories;
  uint32_t category_count;
  const lc_rule *rules; /* the enabled ones */
  uint32_t rule_count;
  const lc_text *fields; /* different ones, at most LC_FIELDS_MAX */
  uint32_t field_count;
  const lc_condition *conditions;
  uint32_t condition_count;
  const lc_constant *constants;
  uint32_t constant_count;
  const int32_t *ids;
  uint32_t id_count;
  uint32_t left_out; /* as in lc_ruleset */
} lc_config;

/* The packed form. */
typedef struct lc_category_slot {
  int32_t id;          /* 0: empty */
  int32_t rank;
  uint8_t group;       /* lc_group */
  uint8_t lead_status; /* 0 or 1 */
  uint8_t deleted;     /* 0 or 1 */
  uint8_t has_rank;    /* 0 or 1 */
} lc_category_slot;

/* The enabled rules of a trigger. */
typedef struct lc_trigger_rules {
  lc_range rules;  /* in LC_BLOCK_RULES */
  uint64_t fields; /* a bit for each field that their conditions name, and those of its rules in LC_BLOCK_LATER and LC_BLOCK_SHADOW */
  uint32_t plain;  /* 1: each rule applies whenever its trigger (and lead status) does, and is the only one */
  uint32_t takes_back; /* 1: one of them, or of those in LC_BLOCK_SHADOW, takes back what the sale did */
} lc_trigger_rules;

typedef struct lc_status_slot {
  int32_t lead_status; /* 0: empty */
  lc_range rules;
} lc_status_slot;

typedef struct lc_packed_rule {
  int32_t id; /* 0: none */
  int32_t to; /* 0: it takes back */
  uint8_t ask; /* 0, or 1 + lc_on_expiry */
  uint8_t forward_only, has_from, from_groups;
  lc_range from; /* in LC_BLOCK_IDS */
  lc_range when; /* in LC_BLOCK_CONDITIONS */
} lc_packed_rule;

/* A rule that does not decide at once (later.h): it waits, or is a shadow. */
typedef struct lc_later_rule {
  uint32_t trigger;     /* lc_trigger */
  int32_t lead_status;  /* for LC_LEAD_STATUS_SET; else 0 */
  uint32_t before;      /* how many rules of its trigger (and lead status) in LC_BLOCK_RULES stand in front of it */
  uint32_t after;       /* as in lc_rule */
  lc_packed_rule rule;
} lc_later_rule;

/* How much a rule may do before its matches are held. */
typedef struct lc_limit {
  uint32_t trigger;    /* lc_trigger */
  int32_t lead_status; /* for LC_LEAD_STATUS_SET; else 0 */
  int32_t rule;        /* its id; 0: it has none */
  uint32_t changes;    /* at least 1 */
  uint32_t hours;      /* at least 1 */
} lc_limit;

/* Fields that the event does not have, but the company's category. They are in no list. */
enum { LC_FIELD_CATEGORY = LC_FIELDS_MAX, LC_FIELD_RANK };

/* The fact that says how many days an event of LC_NO_SALE_FOR is about. */
#define LC_NO_SALE_FIELD "no_sale_for.days"

/* Whether a field has one of the two names, "category" and "category.rank", and then which. */
bool lc_own_field(lc_text name, uint32_t *field);

typedef struct lc_packed_condition {
  uint8_t field;    /* in LC_BLOCK_FIELDS, or one of the two above */
  uint8_t is;       /* lc_is */
  uint16_t rest;    /* how many of its group follow */
  lc_range values;  /* in LC_BLOCK_CONSTANTS */
} lc_packed_condition;

/* Where a field of an event is found. */
typedef enum lc_field_place {
  LC_IN_FACTS,    /* in its facts, by the whole name */
  LC_IN_SALE,     /* in its sale, by what follows "sale." */
  LC_IN_CONTACT,  /* "contact." */
  LC_IN_ACTOR,    /* "actor." */
  LC_FIELD_PLACES /* how many there are */
} lc_field_place;

typedef struct lc_packed_field {
  uint32_t place;    /* lc_field_place */
  uint32_t at, size; /* its name there, in LC_BLOCK_TEXTS */
} lc_packed_field;

/* The blocks behind the header. Those before LC_BLOCK_RULES end where an uint64_t may begin. */
typedef enum lc_block {
  LC_BLOCK_CATEGORIES, /* slots */
  LC_BLOCK_STATUSES,   /* slots */
  LC_BLOCK_CONSTANTS,  /* lc_fact, whose texts are in LC_BLOCK_TEXTS */
  LC_BLOCK_TRIGGERS,   /* lc_trigger_rules of own triggers, from LC_OWN_TRIGGER to the last that has a rule */
  LC_BLOCK_RULES,      /* those that decide at once */
  LC_BLOCK_LATER,      /* lc_later_rule: those with `after`, in the config's order */
  LC_BLOCK_SHADOW,     /* lc_later_rule: those that are shadows, likewise */
  LC_BLOCK_LIMITS,     /* lc_limit */
  LC_BLOCK_CONDITIONS,
  LC_BLOCK_FIELDS,
  LC_BLOCK_IDS,
  LC_BLOCK_OPTIONS,    /* the ids of the categories that a user may choose, in the config's order */
  LC_BLOCK_TEXTS,
  LC_BLOCKS    /* how many there are */
} lc_block;

typedef struct lc_ruleset {
  uint32_t magic;      /* LC_RULESET_MAGIC in this machine's byte order */
  uint32_t version;    /* LC_RULESET_VERSION */
  uint64_t checksum;   /* FNV-1a of every byte after this field */
  uint64_t revision;   /* of the config it was built from */
  lc_trigger_rules triggers[LC_TRIGGERS];
  lc_range blocks[LC_BLOCKS]; /* where each begins, in bytes from the start of all, and how many items it has */
  uint32_t size;       /* of the whole block, in bytes */
  uint32_t left_out;   /* 0; or, when enabled rules were left out as nobody had declared their triggers yet: 1 and how many own
                        * triggers there were. It is to be built again when there are more. */
} lc_ruleset;

enum { LC_RULESET_MAGIC = 0x5352434c, LC_RULESET_VERSION = 9 };

/* Rules of a trigger that has none. */
extern const lc_trigger_rules lc_no_rules;

/* The size of a config's ruleset in bytes; 0 when it does not fit 32 bits. */
size_t lc_ruleset_size(const lc_config *config);

/* Builds the ruleset of `config` in `memory`, which is aligned for uint64_t; `size` comes from lc_ruleset_size.
 * LC_INVALID: an id out of range or given twice, a rule given twice, a target that is not a live category. */
lc_status lc_ruleset_build(const lc_config *config, void *memory, size_t size, lc_error *error);

/* LC_CORRUPT unless `bytes` (aligned for uint64_t) are a whole, undamaged ruleset, safe for lc_decide. Trusts nothing
 * that it has not checked, not even the checksum. */
lc_status lc_ruleset_check(const void *bytes, size_t size, lc_error *error);

static inline const void *lc_ruleset_block(const lc_ruleset *ruleset, lc_block block) {
  return (const char *)ruleset + ruleset->blocks[block].first;
}

/* The first block. */
static inline const lc_category_slot *lc_ruleset_categories(const lc_ruleset *ruleset) {
  return (const void *)(ruleset + 1);
}

static inline uint32_t lc_ruleset_option_count(const lc_ruleset *ruleset) {
  return ruleset->blocks[LC_BLOCK_OPTIONS].count;
}

static inline uint32_t lc_ruleset_field_count(const lc_ruleset *ruleset) {
  return ruleset->blocks[LC_BLOCK_FIELDS].count;
}

/* Where to look for an id first. Fibonacci hashing spreads dense ids as well as multiples of a power of two. */
static inline uint32_t lc_ruleset_first_slot(int32_t id, uint32_t slots) {
  return (uint32_t)(((uint64_t)((uint32_t)id * UINT32_C(2654435769)) * slots) >> 32);
}

/* The slot of an id, which is at least 1, or else the empty one where it belongs. */
static inline const lc_category_slot *lc_ruleset_category_slot(const lc_ruleset *ruleset, int32_t id) {
  const lc_category_slot *slots = lc_ruleset_categories(ruleset);
  uint32_t count = ruleset->blocks[LC_BLOCK_CATEGORIES].count, at = lc_ruleset_first_slot(id, count);
  while (slots[at].id != 0 && slots[at].id != id)
    at = (at + 1) & (count - 1);
  return &slots[at];
}

static inline const lc_status_slot *lc_ruleset_status_slot(const lc_ruleset *ruleset, int32_t lead_status) {
  const lc_status_slot *slots = lc_ruleset_block(ruleset, LC_BLOCK_STATUSES);
  uint32_t count = ruleset->blocks[LC_BLOCK_STATUSES].count, at = lc_ruleset_first_slot(lead_status, count);
  while (slots[at].lead_status != 0 && slots[at].lead_status != lead_status)
    at = (at + 1) & (count - 1);
  return &slots[at];
}

/* The slot of a category, or NULL when the ruleset has none of that id. */
static inline const lc_category_slot *lc_ruleset_category(const lc_ruleset *ruleset, int32_t id) {
  const lc_category_slot *slot = id > 0 ? lc_ruleset_category_slot(ruleset, id) : NULL;
  return slot != NULL && slot->id != 0 ? slot : NULL;
}

/* Whether the rule takes back what its sale did, rather than setting a category. */
static inline bool lc_rule_takes_back(const lc_packed_rule *rule) {
  return rule->to == 0;
}

/* Whether the trigger's rule with that id (0: the one without) takes back. */
bool lc_ruleset_takes_back(const lc_ruleset *ruleset, lc_trigger trigger, int32_t rule);

static inline bool lc_has_limits(const lc_ruleset *ruleset) {
  return ruleset->blocks[LC_BLOCK_LIMITS].count != 0;
}

/* How much a rule may do; NULL: any number of changes. */
const lc_limit *lc_ruleset_limit(const lc_ruleset *ruleset, lc_trigger trigger, int32_t lead_status, int32_t rule);

/* What becomes of the questions of a rule. */
lc_on_expiry lc_ruleset_on_expiry(const lc_ruleset *ruleset, lc_trigger trigger, int32_t lead_status, int32_t rule);

/* Whether any rule takes back. */
bool lc_ruleset_ever_takes_back(const lc_ruleset *ruleset);

/* The rules of any trigger. */
static inline const lc_trigger_rules *lc_ruleset_trigger(const lc_ruleset *ruleset, lc_trigger trigger) {
  if (trigger < LC_TRIGGERS)
    return &ruleset->triggers[trigger];
  uint32_t at = (uint32_t)trigger - LC_OWN_TRIGGER;
  const lc_trigger_rules *own = lc_ruleset_block(ruleset, LC_BLOCK_TRIGGERS);
  return at < ruleset->blocks[LC_BLOCK_TRIGGERS].count ? own + at : &lc_no_rules;
}

/* Whether an enabled rule exists for the trigger that decides at once. */
static inline bool lc_ruleset_has_rule(const lc_ruleset *ruleset, lc_trigger trigger) {
  return lc_ruleset_trigger(ruleset, trigger)->rules.count != 0;
}

/* The same of a lead status. */
static inline lc_range lc_ruleset_lead_status(const lc_ruleset *ruleset, int32_t lead_status) {
  return lead_status > 0 ? lc_ruleset_status_slot(ruleset, lead_status)->rules : (lc_range){ 0, 0 };
}

#endif
