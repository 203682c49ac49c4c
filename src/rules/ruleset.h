/* rules/ruleset.h - the rules of one config, packed into one block of bytes for deciding.
 *
 * A ruleset is built from a config, stored beside the config's JSON, read back, checked, and then only read. It has no
 * pointers: it can be copied byte by byte, and is read in place. The JSON stays the source of truth, from which a
 * ruleset can always be built again: so its form is the machine's own (byte order included) and is never migrated.
 *
 * Layout: the header below, then `category_slots` slots of categories, then `status_slots` slots of lead-status rules,
 * then the ids of the `option_count` categories that a user may choose, in the config's order. The slots are hash
 * tables with linear probing, a power of two in size and at most half full, so lookups end soon. Empty slots have id 0.
 */
#ifndef LC_RULES_RULESET_H
#define LC_RULES_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef enum lc_trigger {
  LC_SALE_REGISTERED, /* "sale_registered" */
  LC_SALE_WON,        /* "sale_won" */
  LC_SALE_LOST,       /* "sale_lost" */
  LC_LEAD_STATUS_SET, /* "lead_status_set" */
  LC_TRIGGERS         /* how many there are */
} lc_trigger;

typedef enum lc_group {
  LC_CUSTOMER,           /* "customer" */
  LC_LOST,               /* "lost" */
  LC_OTHER,              /* "other" */
  LC_PARTNER,            /* "partner" */
  LC_POTENTIAL_CUSTOMER, /* "potential_customer" */
  LC_GROUPS              /* how many there are */
} lc_group;

/* What a ruleset is built from. */
typedef struct lc_category {
  int32_t id;       /* 1 ... 2^31-1 */
  lc_group group;
  bool lead_status; /* contacts of such companies have a lead status */
  bool deleted;     /* companies may still stand in it; it cannot be a target */
} lc_category;

typedef struct lc_rule {
  lc_trigger trigger;
  int32_t lead_status; /* for LC_LEAD_STATUS_SET: 1 ... 2^31-1; else 0 */
  int32_t to;          /* the target category */
  bool ask;
} lc_rule;

typedef struct lc_config {
  uint64_t revision;
  const lc_category *categories;
  uint32_t category_count;
  const lc_rule *rules; /* the enabled ones */
  uint32_t rule_count;
} lc_config;

/* The packed form. */
typedef struct lc_category_slot {
  int32_t id;          /* 0: empty */
  uint8_t group;       /* lc_group */
  uint8_t lead_status; /* 0 or 1 */
  uint8_t deleted;     /* 0 or 1 */
  uint8_t reserved;    /* 0 */
} lc_category_slot;

typedef struct lc_rule_slot {
  int32_t lead_status; /* 0: empty */
  int32_t to;          /* 0: no such rule */
  uint32_t ask;        /* 0 or 1 */
} lc_rule_slot;

typedef struct lc_ruleset {
  uint32_t magic;                     /* LC_RULESET_MAGIC in this machine's byte order */
  uint32_t version;                   /* LC_RULESET_VERSION */
  uint64_t checksum;                  /* FNV-1a of every byte after this field */
  uint64_t revision;                  /* of the config it was built from */
  uint32_t size;                      /* of the whole block, in bytes */
  uint32_t category_slots;            /* a power of two */
  uint32_t status_slots;              /* a power of two */
  uint32_t status_rules;              /* how many enabled lead-status rules there are */
  lc_rule_slot sale[LC_LEAD_STATUS_SET]; /* by trigger; `to` is 0 where no rule is enabled */
  uint32_t option_count;              /* categories that are not deleted */
} lc_ruleset;

enum { LC_RULESET_MAGIC = 0x5352434c, LC_RULESET_VERSION = 2 };

/* The size of a config's ruleset in bytes; 0 when it does not fit 32 bits. */
size_t lc_ruleset_size(const lc_config *config);

/* Builds the ruleset of `config` in `memory`, which is aligned for uint64_t; `size` comes from lc_ruleset_size.
 * LC_INVALID: an id out of range or given twice, a rule given twice, a target that is not a live category. */
lc_status lc_ruleset_build(const lc_config *config, void *memory, size_t size, lc_error *error);

/* LC_CORRUPT unless `bytes` (aligned for uint64_t) are a whole, undamaged ruleset, safe for lc_decide. Trusts nothing
 * that it has not checked, not even the checksum. */
lc_status lc_ruleset_check(const void *bytes, size_t size, lc_error *error);

/* The parts after the header. */
static inline const lc_category_slot *lc_ruleset_categories(const lc_ruleset *ruleset) {
  return (const void *)(ruleset + 1);
}

static inline const lc_rule_slot *lc_ruleset_status_rules(const lc_ruleset *ruleset) {
  return (const void *)(lc_ruleset_categories(ruleset) + ruleset->category_slots);
}

static inline const int32_t *lc_ruleset_options(const lc_ruleset *ruleset) {
  return (const void *)(lc_ruleset_status_rules(ruleset) + ruleset->status_slots);
}

/* Where to look for an id first. Fibonacci hashing spreads dense ids as well as multiples of a power of two. */
static inline uint32_t lc_ruleset_first_slot(int32_t id, uint32_t slots) {
  return (uint32_t)(((uint64_t)((uint32_t)id * UINT32_C(2654435769)) * slots) >> 32);
}

/* The slot of an id, which is at least 1, or else the empty one where it belongs. */
static inline const lc_category_slot *lc_ruleset_category_slot(const lc_ruleset *ruleset, int32_t id) {
  const lc_category_slot *slots = lc_ruleset_categories(ruleset);
  uint32_t at = lc_ruleset_first_slot(id, ruleset->category_slots);
  while (slots[at].id != 0 && slots[at].id != id)
    at = (at + 1) & (ruleset->category_slots - 1);
  return &slots[at];
}

static inline const lc_rule_slot *lc_ruleset_rule_slot(const lc_ruleset *ruleset, int32_t lead_status) {
  const lc_rule_slot *slots = lc_ruleset_status_rules(ruleset);
  uint32_t at = lc_ruleset_first_slot(lead_status, ruleset->status_slots);
  while (slots[at].lead_status != 0 && slots[at].lead_status != lead_status)
    at = (at + 1) & (ruleset->status_slots - 1);
  return &slots[at];
}

/* The slot of a category, or NULL when the ruleset has none of that id. */
static inline const lc_category_slot *lc_ruleset_category(const lc_ruleset *ruleset, int32_t id) {
  const lc_category_slot *slot = id > 0 ? lc_ruleset_category_slot(ruleset, id) : NULL;
  return slot != NULL && slot->id != 0 ? slot : NULL;
}

/* Whether an enabled rule exists for the trigger. */
static inline bool lc_ruleset_has_rule(const lc_ruleset *ruleset, lc_trigger trigger) {
  return trigger == LC_LEAD_STATUS_SET ? ruleset->status_rules != 0 : ruleset->sale[trigger].to != 0;
}

/* The enabled rule for a lead status, or NULL. */
static inline const lc_rule_slot *lc_ruleset_lead_status(const lc_ruleset *ruleset, int32_t lead_status) {
  const lc_rule_slot *slot = lead_status > 0 ? lc_ruleset_rule_slot(ruleset, lead_status) : NULL;
  return slot != NULL && slot->lead_status != 0 ? slot : NULL;
}

#endif
