/* store/scratch.h - a world in memory: what a shared store (lua/leadcat/store/sql.lua) has read of some companies, so that the same code
 * decides and writes there as on one machine.
 *
 * It is a write transaction of journal.mdb that is never committed: nothing of it reaches the disk, and nobody else sees it. While it
 * is there, all that reads and writes the journal works in it, and marks of events that came to nothing wait for lc_scratch_marks.
 * The journal of such a store stays empty. Of a company's entries only those are there that were put.
 */
#ifndef LC_STORE_SCRATCH_H
#define LC_STORE_SCRATCH_H

#include "store.h"

/* A company, and what it has under way. Zeroed: nothing is known of it. */
typedef struct lc_scratch_company {
  lc_company company;
  uint64_t newest;   /* its newest entry */
  bool is_kept;      /* here: */
  lc_company_record kept;
  bool is_mine;      /* the claim is this store's */
  lc_claim claim;    /* its entry is 0: there is none. The times are seconds from now; the owner is 0 or anything */
  uint64_t scheduled;    /* entry; 0: none */
  uint64_t scheduled_at; /* milliseconds since 1970 */
} lc_scratch_company;

/* What came of it. */
typedef lc_status lc_scratch_take(void *context, lc_text record, lc_error *error);

/* Begins a world of the tenant, in which new entries have numbers behind `last`. One at a time. LC_LOCKED, LC_UNAVAILABLE. */
lc_status lc_scratch_begin(lc_store *store, lc_text tenant, uint64_t last, lc_error *error);

/* Ends it, if there is one. */
void lc_scratch_end(lc_store *store);

/* Put something there, as it is stored. Records are packed; LC_CORRUPT. */
lc_status lc_scratch_put_company(lc_store *store, const lc_scratch_company *company, lc_error *error);
lc_status lc_scratch_put_entry(lc_store *store, lc_text record, lc_error *error);
lc_status lc_scratch_put_unchanged(lc_store *store, lc_text record, lc_error *error);
lc_status lc_scratch_put_limit(lc_store *store, lc_text record, lc_error *error); /* an lc_window (window.h) */
lc_status lc_scratch_put_question(lc_store *store, lc_text record, lc_error *error);
lc_status lc_scratch_put_seen(lc_store *store, lc_text event_id, uint64_t entry, lc_error *error);
lc_status lc_scratch_put_mark(lc_store *store, lc_text event_id, lc_text mark, lc_error *error);
lc_status lc_scratch_put_cursor(lc_store *store, lc_text name, lc_text text, lc_error *error);

/* What became of a company that was put. */
lc_status lc_scratch_get_company(lc_store *store, const lc_company *of, lc_scratch_company *company, lc_error *error);

/* Call `take` with each packed record there: entries, entries of events that changed nothing, questions, or
 * what rules with a limit have done. */
lc_status lc_scratch_entries(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);
lc_status lc_scratch_unchanged(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);
lc_status lc_scratch_limits(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);
lc_status lc_scratch_questions(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);

/* Calls `take` with what each new end of an entry adds to a counter by day: a packed lc_daily, a byte that is 1 (0: it is taken away), and
 * the company. */
lc_status lc_scratch_daily(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);

/* Whether the entry is the one that its event's id stands for, as far as is known: an event that schedules something beside what it does at
 * once has two. */
bool lc_scratch_is_seen_as(lc_store *store, const lc_entry *entry);

/* Calls `take` with each mark that waits, of any tenant, and empties their list once all were taken. The record is the tenant, the event's
 * id, each with its size in a byte before it, and the packed mark. */
lc_status lc_scratch_marks(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);

/* The mark of an event that waits; false: none does. It is valid until the next call. */
bool lc_scratch_find_mark(const lc_store *store, lc_text tenant, lc_text event_id, lc_text *mark);

/* How long the oldest has been waiting, in seconds; below 0: none is. */
double lc_scratch_marks_age(const lc_store *store);

/* Drops the marks that have come since the world began: what came to nothing there may be otherwise. */
void lc_scratch_drop_marks(lc_store *store);

/* Has a mark wait (again). */
lc_status lc_scratch_keep_mark(lc_store *store, lc_text tenant, lc_text event_id, lc_text mark, lc_error *error);

#endif
