/* store/handler.h - what the files share that handle events: handle.c, steps.c and settle.c. */
#ifndef LC_STORE_HANDLER_H
#define LC_STORE_HANDLER_H

#include "handle.h"
#include "internal.h"
#include "overlay.h"

/* How the events of one call are handled. */
typedef struct lc_handler {
  const lc_handling *how;
  const lc_ruleset *ruleset;
  lc_error *error;
  lc_writer w;         /* its transaction only reads unless `writing` */
  bool writing;
  lc_overlay *overlay; /* takes what would be written; NULL: the transaction does, or nothing */
  lc_overlay open;     /* companies and ids that later events have to wait for */
  lc_marks nothing;    /* ids of events that came to nothing */
  lc_case *cases;
  lc_marks asked;      /* companies whose host was asked, with the number of the case that has the answer */
  size_t applying;     /* changes for the host */
  bool changed;        /* something was written */
  bool many;           /* there are several events */
  bool notes_changes;  /* later events may go by what earlier ones changed */
  char *body;          /* buffer for the text of a question */
  size_t body_room;
  size_t body_begun;   /* bytes of it that begin every question; 0: not written yet */
  uint8_t random[8][LC_QUESTION_ID_SIZE];  /* ids for questions, so that the system is not asked for each */
  size_t random_left;
  uint16_t shared;         /* what ids of questions begin with; 0: not chosen yet */
} lc_handler;

static inline bool lc_is_preview(const lc_handler *h) {
  return h->how->overlay != NULL;
}

static inline lc_status lc_handler_fail(const lc_handler *h, int rc) {
  return lc_writer_fail(&h->w, rc, h->error);
}

/* ---- from steps.c ------------------------------------------------------------------------- */

/* Takes the steps until the event lacks something, is known to come to nothing, or (LC_OPEN) is to be written. */
lc_status lc_take_steps(lc_handler *h, lc_case *c);

/* The category of a company kept here, which may be added; 0 when it is unknown. */
lc_status lc_kept_category(lc_handler *h, const lc_company *company, int32_t *category);

/* Whether nothing is decided at once, and so at most scheduled. */
bool lc_is_put_off(const lc_case *c);

/* Whether it is what a rule has left to be decided anew, by that rule alone: it was scheduled, or held. */
static inline bool lc_is_alone(const lc_case *c) {
  return c->carries_out != 0 || c->held != 0;
}

/* What rules look at, as the steps have found it. */
lc_facts lc_facts_of(const lc_handler *h, const lc_case *c);

/* Makes the entry that of what the event schedules. */
void lc_put_off(lc_case *c, lc_entry *entry);

/* ---- from settle.c ------------------------------------------------------------------------ */

/* Writes what the steps came to, or notes in the overlay that it would be written. */
lc_status lc_settle(lc_handler *h, lc_case *c);

/* Whether something is to be written even where the event comes to nothing: what its sale has led to ends, or shadows are noted. */
bool lc_writes_anyway(const lc_case *c);

/* Makes later events wait for one that lacks something. When only looking at companies kept here, assumes that it will get its
 * verdict, and that one waiting for its turn changes nothing. */
lc_status lc_leave_open(lc_handler *h, lc_case *c);

/* Once the call has ended well, an event that came to nothing is remembered: later ones with its id are duplicates. */
lc_status lc_note_nothing(lc_handler *h, const lc_case *c);

#endif
