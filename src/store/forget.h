/* store/forget.h - erases persons.
 *
 * What holds for the calls of store.h holds for these.
 */
#ifndef LC_STORE_FORGET_H
#define LC_STORE_FORGET_H

#include "store.h"

/* Where persons are named. What else comes to keep something of events, their persons or actors is added here. (The records of runs,
 * counters name nobody; a seen-mark goes with the event id of its entry; for marks there is lc_store_erase_marks.) */
typedef enum lc_traces {
  LC_TRACES_QUESTIONS, /* "questions" */
  LC_TRACES_REVISIONS, /* "revisions": who saved configs */
  LC_TRACES_UNCHANGED, /* "unchanged": entries of events that changed nothing */
  LC_TRACES_JOURNAL,   /* "journal": the other entries; the last, since new ones are added while the others are looked through */
  LC_TRACES_PLACES     /* how many there are */
} lc_traces;

extern const char *const lc_traces_names[LC_TRACES_PLACES];

/* How far a search has come, in one of the places. */
typedef struct lc_trace_place {
  uint8_t key[LC_QUESTION_ID_SIZE];
  size_t size; /* 0: before the first; 0 again: behind the last */
} lc_trace_place;

/* Copies out a list of the next records in which one of the texts stands: the packed entries or questions; of a revision, its number
 * (uint64_t) and its JSON. A call looks at a limited number of records, so the list may be empty. `place` as that of lc_store_due. */
lc_status lc_store_find_traces(lc_store *store, lc_text tenant, lc_traces where, const lc_text *texts, size_t count,
                               lc_trace_place *place, lc_error *error);

/* What to put in the place of the texts of one record. */
typedef struct lc_erasure {
  lc_text record;     /* as it was found; another one than is there now is left alone */
  lc_text json;       /* an entry's details, a question's body, or the JSON of a revision; absent (NULL): as it is */
  lc_text answer;     /* of a question; likewise */
  bool no_user;       /* a question: nobody was asked by name */
  bool no_error;      /* an entry has no error */
  bool no_event_id;   /* an entry has no event id, which does not count as seen any more */
  lc_company former;  /* of an entry, in the place of the one that it has; absent: as it is */
  bool lost;          /* out: the record has changed, and was left alone */
} lc_erasure;

/* Writes them, in one transaction. */
lc_status lc_store_erase(lc_store *store, lc_text tenant, lc_traces where, lc_erasure *erasures, size_t count, lc_error *error);

/* Erases the marks in whose event id or error one of the texts stands as a word; with `companies` also those of companies with one of
 * these ids. `from` is 0 at first, then where the next call goes on, 0 again at the end. `erased`: how many. */
lc_status lc_store_erase_marks(lc_store *store, lc_text tenant, const lc_text *texts, size_t count, bool companies, uint64_t *from,
                               size_t *erased, lc_error *error);

#endif
