/* rules/simulate.h - decides many events by one config, or by two side by side. Companies are kept in memory.
 *
 * Events are given in columns, many at a time, and decided in their order. On each side, a company stands where its
 * event says; where that says nothing, where earlier events have left it; before the first one, in the start category.
 * A question counts as accepted. Memory grows with the number of different companies and, of two sides, of different
 * changes, never with events. One thread at a time.
 */
#ifndef LC_RULES_SIMULATE_H
#define LC_RULES_SIMULATE_H

#include "event.h"
#include "texts.h"

enum {
  LC_SIDES = 2,                 /* the most */
  LC_COLUMNS_MAX = 2048,        /* the most events in columns */
  LC_COLUMNS_TEXTS = 64 << 10,  /* the most bytes of their companies' texts */
  LC_OUTCOMES = LC_MATCHED + 2, /* the reasons of what did not match, then LC_UPDATE and LC_CONFIRM */
  LC_EXAMPLES = 3,              /* the most of a change, each of another company */
  LC_REMEMBERED = 1 << 12       /* decisions that are remembered */
};

/* Events in columns. Zeroed memory has none. What it takes goes to lc_columns_free. */
typedef struct lc_columns {
  uint32_t count;
  uint32_t texts_used;
  uint32_t company[LC_COLUMNS_MAX]; /* set by lc_simulation_companies */
  uint32_t hash[LC_COLUMNS_MAX]; /* room for lc_texts_add_all */
  uint8_t trigger[LC_COLUMNS_MAX]; /* lc_trigger */
  int32_t category[LC_COLUMNS_MAX]; /* where the event says its company stands */
  int32_t lead_status[LC_COLUMNS_MAX]; /* 0: none */
  uint32_t text[LC_COLUMNS_MAX]; /* where the company's text begins in `texts` */
  uint8_t text_size[LC_COLUMNS_MAX];
  bool is_integer[LC_COLUMNS_MAX]; /* as in lc_company */
  size_t first[LC_SIDES][LC_COLUMNS_MAX]; /* as in lc_facts, where the side's rules have conditions */
  lc_known known[LC_SIDES];
  char texts[LC_COLUMNS_TEXTS];
} lc_columns;

/* A decision made before: there are few different ones, and each is made very often. */
typedef struct lc_remembered {
  uint64_t key; /* category, and lead status or another trigger */
  int32_t to;   /* as in lc_decision */
  uint32_t outcome;
} lc_remembered;

typedef struct lc_side {
  const lc_ruleset *ruleset;
  int32_t *categories; /* by company: where it stands */
  uint64_t counts[LC_TRIGGER_NUMBERS][LC_OUTCOMES];
  lc_remembered remembered[LC_REMEMBERED];
  lc_remembered last; /* the decision by rules with conditions that was made last */
} lc_side;

/* What only a comparison needs to know of a company. */
typedef struct lc_origin {
  int32_t start;   /* where its first event found it */
  bool is_integer; /* the type in its first event */
} lc_origin;

/* A kind of change: how the two sides differ about an event. */
typedef struct lc_change {
  int32_t trigger;
  int32_t outcome[LC_SIDES];
  int32_t to[LC_SIDES]; /* as in lc_decision */
} lc_change;

/* Where a company started, in a comparison, and where it ended on each side; 0: unknown. */
typedef struct lc_journey {
  int32_t start;
  int32_t end[LC_SIDES];
} lc_journey;

/* How often a change or a journey was counted, and the companies of its examples. */
typedef struct lc_count {
  uint64_t count;
  uint32_t shown;
  uint32_t companies[LC_EXAMPLES];
} lc_count;

/* Different changes or journeys, numbered from 0 in the order in which they were found. */
typedef struct lc_tally {
  lc_texts kinds;   /* their bytes */
  lc_count *counts; /* by number */
  uint32_t room;
} lc_tally;

/* An event that shows a change. */
typedef struct lc_example {
  uint32_t event;             /* its place in the columns */
  uint32_t change;            /* the change's number */
  int32_t category[LC_SIDES]; /* where its company stood */
} lc_example;

/* Callers may read all but what is marked as own. */
typedef struct lc_simulation {
  lc_texts companies;
  lc_side *sides;
  int side_count;
  lc_tally changes;     /* of events, of two sides */
  lc_tally journeys;    /* of companies, once lc_simulation_finish has counted them */
  lc_example *examples; /* of two sides: those of the columns that were run last, in the order of their events */
  uint32_t example_count;
  lc_origin *origins;    /* by company, of two sides */
  int32_t start;         /* own, as is all that follows */
  uint32_t placed, room; /* of companies */
} lc_simulation;

/* Begins with one side or, to compare them, two: `rulesets` must live as long, the array itself need not. `start`: the
 * start category, or LC_CATEGORY_ABSENT; `seed`: of its texts. What it takes goes to lc_simulation_free, also after a
 * failure. LC_UNAVAILABLE when out of memory. */
lc_status lc_simulation_init(lc_simulation *simulation, const lc_ruleset *const *rulesets, int side_count,
                             int32_t start, uint64_t seed, lc_error *error);
void lc_simulation_free(lc_simulation *simulation);

/* Whether the columns can take no event more. */
static inline bool lc_columns_full(const lc_columns *columns) {
  return columns->count == LC_COLUMNS_MAX || columns->texts_used > LC_COLUMNS_TEXTS - LC_COMPANY_MAX;
}

void lc_columns_free(lc_columns *columns);

/* Adds an event to columns that are not full. The company's text is copied. What is known of it, for conditions, the caller
 * adds to `known` and `first`, at the place that the event has. */
void lc_columns_add(lc_columns *columns, const lc_facts *facts, lc_company company);

/* Numbers the companies of columns; new ones get the next numbers. LC_UNAVAILABLE when out of memory; call it again. */
lc_status lc_simulation_companies(lc_simulation *simulation, lc_columns *columns, lc_error *error);

/* Decides the events of columns whose companies are numbered, counts the outcomes, and empties the columns.
 * LC_UNAVAILABLE when out of memory, of two sides only: the simulation can only be freed then. */
lc_status lc_simulation_run(lc_simulation *simulation, lc_columns *columns, lc_error *error);

/* Counts the companies' journeys, once, at the end. LC_UNAVAILABLE when out of memory. */
lc_status lc_simulation_finish(lc_simulation *simulation, lc_error *error);

lc_journey lc_simulation_journey(const lc_simulation *simulation, uint32_t company);

/* What an outcome is called. A static string. */
const char *lc_outcome_name(int outcome);

#endif
