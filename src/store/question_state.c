#include "question_state.h"

const char *const lc_question_state_names[LC_QUESTION_STATES] = {
  [LC_QUESTION_OPEN] = "open",
  [LC_QUESTION_ACCEPTED] = "accepted",
  [LC_QUESTION_CHANGED] = "changed",
  [LC_QUESTION_DECLINED] = "declined",
  [LC_QUESTION_EXPIRED] = "expired",
  [LC_QUESTION_SUPERSEDED] = "superseded",
  [LC_QUESTION_CONFLICT] = "conflict",
};

/* Every end is final: a question is answered once. */
static const bool moves[LC_QUESTION_STATES][LC_QUESTION_STATES] = {
  [LC_QUESTION_OPEN] = {
    [LC_QUESTION_ACCEPTED] = true,
    [LC_QUESTION_CHANGED] = true,
    [LC_QUESTION_DECLINED] = true,
    [LC_QUESTION_EXPIRED] = true,
    [LC_QUESTION_SUPERSEDED] = true,
    [LC_QUESTION_CONFLICT] = true,
  },
};

bool lc_question_may_move(lc_question_state from, lc_question_state to) {
  return moves[from][to];
}
