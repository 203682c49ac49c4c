/* store/words.h - a sieve for searches: whether a text may have some words in it, whatever the case and the accents of its letters.
 *
 * It says yes too often, and never wrongly no: a character that is not ASCII may stand for any letters, as many as there are in its
 * plain form at most (two for two bytes, four for three, five for four), or for none. So only what passes has to be looked at.
 */
#ifndef LC_STORE_WORDS_H
#define LC_STORE_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/company.h"

enum {
  LC_WORDS_LETTERS = 128,
  LC_WORDS_MARK = 1 /* a letter of the words that stands for any mark between which JSON has a value */
};

typedef struct lc_words {
  uint64_t letters[LC_WORDS_LETTERS]; /* of each letter, a bit for each of its places in the words */
  uint64_t last;                      /* the bit of the last place; 0: everything passes */
} lc_words;

/* Of small ASCII letters; what is behind the 64th, or behind one that is none, is not looked for. */
lc_words lc_words_of(lc_text text);

bool lc_may_have(const lc_words *words, lc_text text);

#endif
