/* store/overlay.h - what events would change, kept in memory over a store that is only read.
 *
 * Marks map texts to small numbers. An overlay marks companies with the category they would be in, and the ids of events that
 * would have been handled, and keeps each company's newest change, for rules that go by it. Zeroed memory is an empty overlay.
 */
#ifndef LC_STORE_OVERLAY_H
#define LC_STORE_OVERLAY_H

#include <stdbool.h>

#include "rules/company.h"
#include "rules/decide.h"
#include "rules/texts.h"

typedef struct lc_marks {
  lc_texts texts;
  int32_t *values; /* by the texts' numbers */
  uint32_t room;   /* of `values` */
} lc_marks;

/* A company's newest change. */
typedef struct lc_newest_change {
  lc_move move;
  int32_t sale; /* the mark of the sale that caused it; 0: none, or it took something back */
  double at;    /* when the newest event with a time happened; NAN: unknown */
} lc_newest_change;

typedef struct lc_overlay {
  lc_marks companies, ids;
  lc_marks changed; /* companies, with the places of their changes: */
  lc_newest_change *changes;
  uint32_t change_count, change_room;
  lc_marks sales;   /* numbered from 1 */
} lc_overlay;

void lc_overlay_free(lc_overlay *overlay);
void lc_marks_free(lc_marks *marks);

/* False: the text has no mark. */
bool lc_marks_get(const lc_marks *marks, lc_text text, int32_t *value);

/* Sets the mark of a text of 1 to 255 bytes. On failure (LC_UNAVAILABLE, LC_IO) nothing has changed. */
lc_status lc_marks_set(lc_marks *marks, lc_text text, int32_t value, lc_error *error);

/* Notes a company's newest change. `sale`: the id of the sale whose it is; empty: of none. `at`: NAN when it is unknown. */
lc_status lc_overlay_note(lc_overlay *overlay, lc_text company, lc_move move, lc_text sale, double at, lc_error *error);

/* The company's newest change, or NULL. */
const lc_newest_change *lc_overlay_change(const lc_overlay *overlay, lc_text company);

/* Whether the change is of the sale with that id. */
bool lc_overlay_is_of(const lc_overlay *overlay, const lc_newest_change *change, lc_text sale);

#endif
