/* simulate.h - a config's decisions over many events, with the companies kept in memory and nothing written.
 *
 * Events are given in columns, a batch at a time, and decided in their order. A company stands where its event says; where
 * that says nothing, where earlier events have left it; before the first one, in the start category. A question counts as
 * accepted. Memory grows with the number of different companies, never with events. One thread at a time.
 */
#ifndef LC_SIMULATE_H
#define LC_SIMULATE_H

#include "decide.h"
#include "texts.h"

enum {
  LC_BATCH = 2048,              /* the most events of a batch */
  LC_BATCH_TEXTS = 64 << 10,    /* the most bytes of their companies' texts */
  LC_OUTCOMES = LC_MATCHED + 2, /* the reasons of what did not match, then LC_UPDATE and LC_CONFIRM */
  LC_REMEMBERED = 1 << 12       /* decisions that are remembered */
};

/* Categories of companies: an id, or one of these. */
enum {
  LC_CATEGORY_ABSENT = 0,     /* nobody knows it, or, in an event, the event does not say */
  LC_CATEGORY_IMPOSSIBLE = -1 /* an event says what can be no id: no config knows it */
};

/* Events in columns. Zeroed memory is an empty batch. */
typedef struct lc_batch {
  uint32_t count;
  uint32_t texts_used;
  uint32_t company[LC_BATCH];    /* set by lc_simulation_companies */
  uint32_t hash[LC_BATCH];       /* room for lc_texts_add_all */
  uint8_t trigger[LC_BATCH];     /* lc_trigger */
  int32_t category[LC_BATCH];    /* where the event says its company stands */
  int32_t lead_status[LC_BATCH]; /* 0: none */
  uint32_t text[LC_BATCH];       /* where the company's text begins in `texts` */
  uint8_t text_size[LC_BATCH];
  char texts[LC_BATCH_TEXTS];
} lc_batch;

/* A decision that was made before, since few different ones are made very often. */
typedef struct lc_remembered {
  uint64_t key; /* trigger, lead status and category */
  int32_t to;   /* as in lc_decision */
  uint32_t outcome;
} lc_remembered;

/* To be read: `counts`, and the categories of `companies.count` companies. The rest is the simulation's own. */
typedef struct lc_simulation {
  uint64_t counts[LC_TRIGGERS][LC_OUTCOMES];
  lc_texts companies;
  int32_t *categories;   /* by company */
  uint32_t placed, room; /* of `categories` */
  int32_t start;
  const lc_ruleset *ruleset;
  lc_remembered remembered[LC_REMEMBERED];
} lc_simulation;

/* Begins. The ruleset must live as long. `start`: the start category, or LC_CATEGORY_ABSENT. What it takes goes to
 * lc_simulation_free, also after a failure. LC_UNAVAILABLE when out of memory, LC_IO without random bytes. */
lc_status lc_simulation_init(lc_simulation *simulation, const lc_ruleset *ruleset, int32_t start, lc_error *error);
void lc_simulation_free(lc_simulation *simulation);

/* Whether a batch can take no event more. */
static inline bool lc_batch_full(const lc_batch *batch) {
  return batch->count == LC_BATCH || batch->texts_used > LC_BATCH_TEXTS - UINT8_MAX;
}

/* Adds an event to a batch that is not full. The company's text has at most 255 bytes and is copied. */
void lc_batch_add(lc_batch *batch, lc_trigger trigger, const char *company, size_t size, int32_t category,
                  int32_t lead_status);

/* Numbers the companies of a batch; those that are new get the next numbers. LC_UNAVAILABLE when out of memory; it may be
 * called again then. */
lc_status lc_simulation_companies(lc_simulation *simulation, lc_batch *batch, lc_error *error);

/* Decides the events of a batch whose companies are numbered, counts what comes of them, and empties it. */
void lc_simulation_run(lc_simulation *simulation, lc_batch *batch);

/* What an outcome is called. A static string. */
const char *lc_outcome_name(int outcome);

#endif
