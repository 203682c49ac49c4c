/* store/question_state.h - the states of a question to a user, and the only moves between them. */
#ifndef LC_STORE_QUESTION_STATE_H
#define LC_STORE_QUESTION_STATE_H

#include <stdbool.h>

typedef enum lc_question_state {
  LC_QUESTION_OPEN,       /* "open": waits for an answer */
  LC_QUESTION_ACCEPTED,   /* "accepted": the proposal was applied */
  LC_QUESTION_CHANGED,    /* "changed": another category was chosen and applied */
  LC_QUESTION_DECLINED,   /* "declined": the user kept the category */
  LC_QUESTION_EXPIRED,    /* "expired": nobody answered in time */
  LC_QUESTION_SUPERSEDED, /* "superseded": a newer event of the company closed it */
  LC_QUESTION_CONFLICT,   /* "conflict": the company had moved when the user answered */
  LC_QUESTION_STATES      /* how many there are */
} lc_question_state;

extern const char *const lc_question_state_names[LC_QUESTION_STATES];

/* Whether a question in state `from` may move to state `to`. */
bool lc_question_may_move(lc_question_state from, lc_question_state to);

#endif
