#include "overlay.h"

#include <stdlib.h>

#include "owner.h"

void lc_marks_free(lc_marks *marks) {
  lc_texts_free(&marks->texts);
  free(marks->values);
  *marks = (lc_marks){ .values = NULL };
}

void lc_overlay_free(lc_overlay *overlay) {
  lc_marks_free(&overlay->companies);
  lc_marks_free(&overlay->ids);
}

bool lc_marks_get(const lc_marks *marks, lc_text text, int32_t *value) {
  uint32_t number = marks->texts.count != 0 ? lc_texts_find(&marks->texts, text.data, text.size) : LC_NO_TEXT;
  if (number == LC_NO_TEXT)
    return false;
  *value = marks->values[number];
  return true;
}

static lc_status begin(lc_texts *texts, lc_error *error) {
  uint64_t seed;
  lc_status status = lc_random(&seed, sizeof seed, error);
  return status == LC_OK ? lc_texts_init(texts, seed, error) : status;
}

static lc_status make_room(lc_marks *marks, lc_error *error) {
  uint32_t room = marks->room != 0 ? marks->room * 2 : 64;
  int32_t *values = realloc(marks->values, room * sizeof *values);
  if (values == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "out of memory");
  marks->values = values;
  lc_status status = marks->room == 0 ? begin(&marks->texts, error) : LC_OK;
  if (status == LC_OK)
    marks->room = room;
  else
    lc_texts_free(&marks->texts);
  return status;
}

lc_status lc_marks_set(lc_marks *marks, lc_text text, int32_t value, lc_error *error) {
  uint32_t number = 0;
  lc_status status = marks->texts.count == marks->room ? make_room(marks, error) : LC_OK;
  if (status == LC_OK)
    status = lc_texts_add(&marks->texts, text.data, text.size, &number, error);
  if (status == LC_OK)
    marks->values[number] = value;
  return status;
}
