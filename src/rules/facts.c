#include "facts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* How many ASCII characters are at the start. They go to `folded`, which has room for all of the text. */
static size_t fold_ascii(lc_text text, char *folded) {
  size_t i = 0;
  for (; i < text.size && (unsigned char)text.data[i] < 0x80; i++) {
    char c = text.data[i];
    folded[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
  }
  return i;
}

static bool fold_unicode(lc_text text, char *folded, size_t *size) {
  enum { MOST = 4 * LC_FACT_TEXT_MAX }; /* code points: no decomposition has more for each byte */
  const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;
  utf8proc_int32_t points[MOST + 1]; /* one for utf8proc_reencode's NUL */
  utf8proc_ssize_t count = utf8proc_decompose((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size, points,
                                              MOST, options);
  if (count < 0 || count > MOST)
    return false;
  utf8proc_ssize_t bytes = utf8proc_reencode(points, count, options);
  if (bytes < 0 || bytes > LC_FOLDED_MAX)
    return false;
  memcpy(folded, points, (size_t)bytes);
  *size = (size_t)bytes;
  return true;
}

bool lc_fold(lc_text text, char folded[LC_FOLDED_MAX], size_t *size) {
  if (text.size > LC_FACT_TEXT_MAX)
    return false;
  *size = fold_ascii(text, folded);
  return *size == text.size || fold_unicode(text, folded, size);
}

void lc_known_free(lc_known *known) {
  free(known->facts);
  free(known->texts);
  *known = (lc_known){ 0 };
}

/* Room for `used + more` items of `size` bytes in `*memory`, which has `*room`. */
static bool grow(void **memory, size_t size, size_t used, size_t more, size_t *room) {
  size_t wanted = *room < 16 ? 16 : *room;
  if (used + more <= *room)
    return true;
  while (wanted < used + more)
    wanted *= 2;
  void *grown = realloc(*memory, wanted * size);
  if (grown == NULL)
    return false;
  *memory = grown;
  *room = wanted;
  return true;
}

lc_status lc_known_add(lc_known *known, size_t count, size_t *first, lc_error *error) {
  void *facts = known->facts;
  if (!grow(&facts, sizeof *known->facts, known->count, count, &known->room))
    return lc_no_memory(error);
  known->facts = facts;
  *first = known->count;
  for (size_t i = 0; i < count; i++)
    known->facts[known->count++] = (lc_fact){ .kind = LC_UNKNOWN };
  return LC_OK;
}

lc_status lc_known_set_text(lc_known *known, size_t at, lc_text text, lc_error *error) {
  void *texts = known->texts;
  size_t size;
  if (!grow(&texts, 1, known->texts_used, LC_FOLDED_MAX, &known->texts_room))
    return lc_no_memory(error);
  known->texts = texts;
  known->facts[at] = (lc_fact){ .kind = LC_STRANGE };
  if (lc_fold(text, known->texts + known->texts_used, &size)) {
    known->facts[at] = (lc_fact){ .kind = LC_TEXT, .size = (uint32_t)size, .is.at = known->texts_used };
    known->texts_used += size;
  }
  return LC_OK;
}
