#include "facts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Whether the text is ASCII. If so, its folded form is in `folded`, which has room for it. */
static inline bool fold_ascii(lc_text text, char *folded) {
  uint64_t all = 0, eight;
  size_t i = 0;
  for (; text.size - i >= sizeof eight; i += sizeof eight) {
    memcpy(&eight, text.data + i, sizeof eight);
    all |= eight;
    eight = lc_fold_eight(eight);
    memcpy(folded + i, &eight, sizeof eight);
  }
  for (; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    all |= c;
    folded[i] = (char)(c | (c - (unsigned)'A' < 26) << 5);
  }
  return (all & LC_HIGH_BITS) == 0;
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
  *size = text.size;
  return fold_ascii(text, folded) || fold_unicode(text, folded, size);
}

lc_fact lc_text_fact(const char *folded, size_t size, uint64_t at) {
  lc_fact fact = { .kind = LC_TEXT, .size = (uint32_t)size, .is.at = size <= LC_SHORT_TEXT ? 0 : at };
  if (size <= LC_SHORT_TEXT)
    memcpy(fact.is.text, folded, size);
  return fact;
}

void lc_known_free(lc_known *known) {
  free(known->facts);
  free(known->texts);
  *known = (lc_known){ 0 };
}

/* Room for `used + more` items of `size` bytes in `*memory`, which has `*room`. */
static bool grow(void **memory, size_t size, size_t used, size_t more, size_t *room) {
  size_t wanted = *room < 16 ? 16 : *room;
  while (wanted < used + more)
    wanted *= 2;
  void *grown = realloc(*memory, wanted * size);
  if (grown == NULL)
    return false;
  *memory = grown;
  *room = wanted;
  return true;
}

lc_status lc_known_grow(lc_known *known, size_t count, lc_error *error) {
  void *facts = known->facts;
  bool grown = grow(&facts, sizeof *known->facts, known->count, count, &known->room);
  known->facts = facts;
  return grown ? LC_OK : lc_no_memory(error);
}

static bool grow_texts(lc_known *known, size_t more) {
  void *texts = known->texts;
  bool grown = grow(&texts, 1, known->texts_used, more, &known->texts_room);
  known->texts = texts;
  return grown;
}

lc_status lc_known_set_long_text(lc_known *known, size_t at, lc_text text, lc_error *error) {
  lc_fact *fact = &known->facts[at];
  size_t size;
  if (known->texts_room - known->texts_used < LC_FOLDED_MAX && !grow_texts(known, LC_FOLDED_MAX))
    return lc_no_memory(error);
  char *folded = known->texts + known->texts_used;
  if (!lc_fold(text, folded, &size)) {
    *fact = (lc_fact){ .kind = LC_STRANGE };
    return LC_OK;
  }
  *fact = lc_text_fact(folded, size, known->texts_used);
  known->texts_used += size;
  return LC_OK;
}
