/* store/overlay.h - what events would change, kept in memory over a store that is only read.
 *
 * Marks map texts to small numbers. An overlay marks companies with the category they would be in, and the ids of events that
 * would have been handled. Zeroed memory is an empty overlay.
 */
#ifndef LC_STORE_OVERLAY_H
#define LC_STORE_OVERLAY_H

#include <stdbool.h>

#include "rules/company.h"
#include "rules/texts.h"

typedef struct lc_marks {
  lc_texts texts;
  int32_t *values; /* by the texts' numbers */
  uint32_t room;   /* of `values` */
} lc_marks;

typedef struct lc_overlay {
  lc_marks companies, ids;
} lc_overlay;

void lc_overlay_free(lc_overlay *overlay);
void lc_marks_free(lc_marks *marks);

/* False: the text has no mark. */
bool lc_marks_get(const lc_marks *marks, lc_text text, int32_t *value);

/* Sets the mark of a text of 1 to 255 bytes. On failure (LC_UNAVAILABLE, LC_IO) nothing has changed. */
lc_status lc_marks_set(lc_marks *marks, lc_text text, int32_t value, lc_error *error);

#endif
