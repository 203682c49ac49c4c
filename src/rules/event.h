/* rules/event.h - what a decision needs of an event, whatever it was read from. */
#ifndef LC_RULES_EVENT_H
#define LC_RULES_EVENT_H

#include "company.h"
#include "decide.h"
#include "triggers.h"

/* What an event says of its company's category: an id, or one of these. */
enum {
  LC_CATEGORY_ABSENT = 0,     /* nothing; of a company: unknown */
  LC_CATEGORY_IMPOSSIBLE = -1 /* an integer that cannot be an id: it is in no config */
};

typedef struct lc_event {
  const lc_triggers *triggers; /* the own ones that it may name */
  lc_facts facts;            /* lead_status: also 0 for an integer that cannot be an id */
  double at;                 /* when it happened; NaN: it does not say */
  lc_company company;        /* its text points into what was read, or into `room` */
  char room[LC_COMPANY_MAX];
} lc_event;

#endif
