#include "overlay.h"

#include <math.h>
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
  lc_marks_free(&overlay->changed);
  lc_marks_free(&overlay->sales);
  free(overlay->changes);
  overlay->changes = NULL;
  overlay->change_count = overlay->change_room = 0;
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

/* The number of a sale; a new one gets the next. */
static lc_status number_sale(lc_overlay *overlay, lc_text sale, int32_t *number, lc_error *error) {
  *number = 0;
  if (sale.size == 0 || lc_marks_get(&overlay->sales, sale, number))
    return LC_OK;
  *number = (int32_t)overlay->sales.texts.count + 1;
  return lc_marks_set(&overlay->sales, sale, *number, error);
}

static lc_status add_change(lc_overlay *overlay, lc_text company, int32_t *place, lc_error *error) {
  if (overlay->change_count == overlay->change_room) {
    uint32_t room = overlay->change_room != 0 ? overlay->change_room * 2 : 64;
    lc_newest_change *changes = realloc(overlay->changes, room * sizeof *changes);
    if (changes == NULL)
      return lc_no_memory(error);
    overlay->changes = changes;
    overlay->change_room = room;
  }
  *place = (int32_t)overlay->change_count;
  lc_status status = lc_marks_set(&overlay->changed, company, *place, error);
  if (status == LC_OK)
    overlay->changes[overlay->change_count++] = (lc_newest_change){ .at = NAN };
  return status;
}

lc_status lc_overlay_note(lc_overlay *overlay, lc_text company, lc_move move, lc_text sale, double at, lc_error *error) {
  int32_t place = 0, number;
  lc_status status = number_sale(overlay, sale, &number, error);
  if (status == LC_OK && !lc_marks_get(&overlay->changed, company, &place))
    status = add_change(overlay, company, &place, error);
  if (status != LC_OK)
    return status;
  lc_newest_change *change = &overlay->changes[place];
  *change = (lc_newest_change){ move, number, isnan(at) ? change->at : at };
  return LC_OK;
}

const lc_newest_change *lc_overlay_change(const lc_overlay *overlay, lc_text company) {
  int32_t place;
  return lc_marks_get(&overlay->changed, company, &place) ? &overlay->changes[place] : NULL;
}

bool lc_overlay_is_of(const lc_overlay *overlay, const lc_newest_change *change, lc_text sale) {
  int32_t number;
  return change->sale != 0 && sale.size != 0 && lc_marks_get(&overlay->sales, sale, &number) && number == change->sale;
}
