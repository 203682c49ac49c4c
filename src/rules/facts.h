/* rules/facts.h - what conditions compare: the facts known of an event, and the constants of rules.
 *
 * Texts are kept folded, so that comparing them is comparing bytes: by Unicode's case folding and form NFC, with libutf8proc.
 */
#ifndef LC_RULES_FACTS_H
#define LC_RULES_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "company.h"
#include "status.h"

enum {
  LC_FACT_TEXT_MAX = 1 << 10,           /* bytes of a text that can equal another */
  LC_FOLDED_MAX = 3 * LC_FACT_TEXT_MAX, /* bytes of its folded form */
  LC_SHORT_TEXT = 8,                    /* the most bytes of a folded text that is in the fact itself */
  LC_FIELDS_MAX = 64                    /* different fields in the conditions of a config */
};

typedef enum lc_fact_kind {
  LC_UNKNOWN, /* there is none */
  LC_NUMBER,
  LC_BOOLEAN,
  LC_TEXT,
  LC_LIST,
  LC_STRANGE, /* a value that equals nothing, such as a text that is too long or not UTF-8 */
  LC_FACT_KINDS, /* how many there are */
  LC_LENT = LC_FACT_KINDS /* none yet: a text that is still to be folded */
} lc_fact_kind;

typedef struct lc_fact {
  uint32_t kind; /* lc_fact_kind */
  uint32_t size; /* of LC_TEXT and LC_LENT: its bytes; of LC_LIST: its elements; of LC_BOOLEAN: 1 is true */
  union {
    double number;
    char text[LC_SHORT_TEXT]; /* of LC_TEXT, when it is short; with zeros behind it */
    uint64_t at; /* of LC_TEXT: where it begins in the texts; of LC_LIST: its first element in the facts */
    const char *lent;
  } is;
} lc_fact;

/* A fact that is this text, which is folded, and begins at `at` in the texts. */
lc_fact lc_text_fact(const char *folded, size_t size, uint64_t at);

/* The text of a fact that is one. `texts` are those it may point into. */
static inline lc_text lc_fact_text(const lc_fact *fact, const char *texts) {
  return (lc_text){ fact->size <= LC_SHORT_TEXT ? fact->is.text : texts + fact->is.at, fact->size };
}

/* Whether two facts that are texts are the same. */
static inline bool lc_same_texts(const lc_fact *a, const char *a_texts, const lc_fact *b, const char *b_texts) {
  if (a->size != b->size)
    return false;
  return a->size <= LC_SHORT_TEXT ? a->is.at == b->is.at : memcmp(a_texts + a->is.at, b_texts + b->is.at, a->size) == 0;
}

/* Facts, and the texts that they point into. Zeroed memory has none. Both grow as needed, and can be used again. */
typedef struct lc_known {
  lc_fact *facts;
  char *texts;
  size_t count, room;
  size_t texts_used, texts_room;
} lc_known;

/* Frees what the facts take; again, it does nothing. */
void lc_known_free(lc_known *known);

/* Forgets all facts, but keeps the memory for others. */
static inline void lc_known_clear(lc_known *known) {
  known->count = known->texts_used = 0;
}

/* Makes room for `count` facts more. LC_UNAVAILABLE when out of memory. */
lc_status lc_known_grow(lc_known *known, size_t count, lc_error *error);

/* Adds `count` unknown facts, the first of which is at `*first`. LC_UNAVAILABLE when out of memory. */
static inline lc_status lc_known_add(lc_known *known, size_t count, size_t *first, lc_error *error) {
  *first = known->count;
  lc_status status = known->room - known->count < count ? lc_known_grow(known, count, error) : LC_OK;
  if (status != LC_OK)
    return status;
  for (lc_fact *fact = known->facts + known->count, *end = fact + count; fact < end; fact++)
    fact->kind = LC_UNKNOWN;
  known->count += count;
  return LC_OK;
}

/* Eight bytes of the value 1, and the high bits of eight bytes. */
#define LC_EACH_BYTE UINT64_C(0x0101010101010101)
#define LC_HIGH_BITS (LC_EACH_BYTE * 0x80)

/* Eight ASCII characters, folded; zeros stay. What is no ASCII comes out wrong. */
static inline uint64_t lc_fold_eight(uint64_t eight) {
  uint64_t from_a = eight + LC_EACH_BYTE * (0x80 - 'A'), beyond_z = eight + LC_EACH_BYTE * (0x7F - 'Z');
  return eight | ((from_a ^ beyond_z) & LC_HIGH_BITS) >> 2;
}

/* As lc_known_set_text, for any text. */
lc_status lc_known_set_long_text(lc_known *known, size_t at, lc_text text, lc_error *error);

/* A text of at most eight bytes, as they lie in memory, with zeros behind them. */
static inline uint64_t lc_eight_of(lc_text text) {
  enum { LITTLE = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, FIRST = LITTLE ? 0 : 56 /* bits before the first byte */ };
  const unsigned char *bytes = (const unsigned char *)text.data;
  const size_t last = text.size - 1;
  uint32_t head, tail; /* which overlap */
  if (text.size >= sizeof head) {
    unsigned between = 8 * (unsigned)(text.size - sizeof tail);
    memcpy(&head, bytes, sizeof head);
    memcpy(&tail, bytes + text.size - sizeof tail, sizeof tail);
    return LITTLE ? head | (uint64_t)tail << between : (uint64_t)head << 32 | (uint64_t)tail << 32 >> between;
  }
  return text.size == 0 ? 0
                        : (uint64_t)bytes[0] << FIRST | (uint64_t)bytes[last / 2] << ((8 * (last / 2)) ^ FIRST)
                            | (uint64_t)bytes[last] << ((8 * last) ^ FIRST);
}

/* Makes the fact at `at` a text, or LC_STRANGE. LC_UNAVAILABLE when out of memory. */
static inline lc_status lc_known_set_text(lc_known *known, size_t at, lc_text text, lc_error *error) {
  uint64_t eight = text.size <= LC_SHORT_TEXT ? lc_eight_of(text) : LC_HIGH_BITS;
  if ((eight & LC_HIGH_BITS) != 0)
    return lc_known_set_long_text(known, at, text, error);
  known->facts[at] = (lc_fact){ .kind = LC_TEXT, .size = (uint32_t)text.size, .is.at = lc_fold_eight(eight) };
  return LC_OK;
}

/* The folded form of `text`; its size goes to `*size`. False when it has none: it is too long or not UTF-8. */
bool lc_fold(lc_text text, char folded[LC_FOLDED_MAX], size_t *size);

#endif
