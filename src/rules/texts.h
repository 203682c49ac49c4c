/* rules/texts.h - numbers texts: each different text gets the next number, from 0.
 *
 * A text has 1 to 255 bytes, of any value, and is copied. Texts are never removed, so a number stays right and can
 * index arrays of the caller's, with `count` elements. A text takes its size, about 8 bytes and, in the hash table, 16
 * to 32; all at most 16 GiB. With a random seed, nobody can choose texts that collide. One thread at a time.
 *
 *   lc_texts texts;
 *   uint32_t number;
 *   lc_status status = lc_texts_init(&texts, seed, error);
 *   if (status == LC_OK)
 *     status = lc_texts_add(&texts, "Acme", 4, &number, error);   number == 0, now and whenever Acme is added
 *   lc_texts_free(&texts);
 */
#ifndef LC_RULES_TEXTS_H
#define LC_RULES_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

enum { LC_TEXT_MOST = UINT8_MAX /* the most bytes of a text */ };

#define LC_NO_TEXT UINT32_MAX /* no text's number */

/* Callers may read `count`; the rest is private. */
typedef struct lc_texts {
  uint32_t count;             /* of different texts */
  uint32_t slot_count;        /* a power of two */
  struct lc_text_slot *slots; /* a hash table with linear probing, at most half full */
  uint32_t *records;          /* the texts, one after the other, in the order of their numbers */
  size_t used, room;          /* of `records` */
  uint64_t seed;
} lc_texts;

/* Many texts at once, in columns of `count` rows: where each begins in `bytes`, and its size. */
typedef struct lc_text_column {
  const char *bytes;
  const uint32_t *at;
  const uint8_t *size;
  uint32_t count;
} lc_text_column;

/* Begins with no text. What it takes goes to lc_texts_free, also after a failure. LC_UNAVAILABLE when out of memory. */
lc_status lc_texts_init(lc_texts *texts, uint64_t seed, lc_error *error);

/* Frees what the texts take; again, it does nothing. Zeroed memory may be freed, too. */
void lc_texts_free(lc_texts *texts);

/* The number of a text, or LC_NO_TEXT when it was never added. */
uint32_t lc_texts_find(const lc_texts *texts, const char *text, size_t size);

/* The number of a text: the next one when it is new. LC_UNAVAILABLE when out of memory: then nothing has changed. */
lc_status lc_texts_add(lc_texts *texts, const char *text, size_t size, uint32_t *number, lc_error *error);

/* Adds all texts of a column, in order: faster than one by one, because memory is fetched ahead. `hashes` is room for
 * as many. LC_UNAVAILABLE when out of memory: then the first ones may have been added; call it again. */
lc_status lc_texts_add_all(lc_texts *texts, lc_text_column column, uint32_t *hashes, uint32_t *numbers,
                           lc_error *error);

/* Steps through the texts in the order of their numbers: `at`, which begins as 0, is moved to the next. Gives the text,
 * which stays until one is added, and its size; or NULL after the last. */
const char *lc_texts_next(const lc_texts *texts, size_t *at, size_t *size);

#endif
