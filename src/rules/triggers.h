/* rules/triggers.h - the names of triggers: the built-in ones (decide.h), and those that an integrator has declared.
 *
 * Own triggers are numbered from LC_OWN_TRIGGER on, in the order in which a store came to know them. A list of them only grows:
 * a name keeps its number for ever, and an older copy of the list is right about all that it has.
 */
#ifndef LC_RULES_TRIGGERS_H
#define LC_RULES_TRIGGERS_H

#include "decide.h"

enum { LC_TRIGGER_NAME_MAX = 40 /* bytes */ };

typedef struct lc_trigger_name {
  uint8_t size;
  char text[LC_TRIGGER_NAME_MAX + 1]; /* ends with a zero byte */
} lc_trigger_name;

/* Zeroed memory has none. */
typedef struct lc_triggers {
  uint64_t stamp; /* of a store's: the transaction that read them (store.h); 0: not read yet */
  uint32_t count;
  lc_trigger_name own[LC_OWN_TRIGGERS]; /* by number, from LC_OWN_TRIGGER on */
} lc_triggers;

/* Whether it may be the name of an own trigger: [a-z][a-z0-9_]*, at most LC_TRIGGER_NAME_MAX bytes, and no built-in's. */
bool lc_trigger_name_fits(lc_text name);

/* Adds a name that fits, with the next number. LC_INVALID: it is there already, or the list is full. */
lc_status lc_triggers_add(lc_triggers *triggers, lc_text name, lc_error *error);

/* The number of the own trigger of that name (`size` bytes), or -1. */
int lc_own_trigger_of(const lc_triggers *own, const char *name, size_t size);

/* The number of any trigger, or -1. `own`: those that the integrator has declared; NULL: none. */
static inline int lc_trigger_number(const lc_triggers *own, const char *name, size_t size) {
  int number = lc_trigger_of(name, size);
  return number >= 0 || own == NULL ? number : lc_own_trigger_of(own, name, size);
}

/* The name of a trigger; NULL: there is none of that number. It lives as long as `own`. */
const char *lc_trigger_name_of(const lc_triggers *own, uint32_t number);

#endif
