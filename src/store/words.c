#include "words.h"

#include <string.h>

enum { PLACES = 64, LONG = 0xE0 /* begins a character of three or four bytes */ };

/* Marks, between which a value stands in JSON. */
static const char marks[] = "\":,}";

static void add(lc_words *words, unsigned char letter, uint64_t place) {
  words->letters[letter] |= place;
}

static unsigned char in_other_case(unsigned char letter) {
  return letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter;
}

lc_words lc_words_of(lc_text text) {
  lc_words words;
  memset(&words, 0, sizeof words);
  for (size_t i = 0; i < text.size && i < PLACES && (unsigned char)text.data[i] < LC_WORDS_LETTERS; i++) {
    unsigned char letter = (unsigned char)text.data[i];
    words.last = UINT64_C(1) << i;
    add(&words, letter, words.last);
    add(&words, in_other_case(letter), words.last);
    for (const char *mark = letter == LC_WORDS_MARK ? marks : ""; *mark != 0; mark++)
      add(&words, (unsigned char)*mark, words.last);
  }
  return words;
}

/* Goes through the text with the places that may have been reached: all at once, as bits. Where JSON has escaped something, it passes. */
bool lc_may_have(const lc_words *words, lc_text text) {
  uint64_t reached = 0, ever = 0;
  if (words->last == 0 || (text.size != 0 && memchr(text.data, '\\', text.size) != NULL))
    return true;
  for (size_t i = 0; i < text.size; i++) {
    unsigned char byte = (unsigned char)text.data[i];
    uint64_t next = reached << 1 | 1;
    if (byte < LC_WORDS_LETTERS)
      reached = next & words->letters[byte];
    else
      reached |= next | (byte >= LONG ? next << 1 : 0);
    ever |= reached;
  }
  return (ever & words->last) != 0;
}
