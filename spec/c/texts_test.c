/* Numbered texts, beside a plain array of them: every number, every text that is found or not, and the order. */
#include <string.h>

#include "check.h"
#include "rules/texts.h"

enum { MOST = 3000, SIZES = LC_TEXT_MOST };

/* The text of a number: texts of all sizes, many of which begin alike and hold any byte. */
static size_t text_of(uint32_t number, char *text) {
  size_t size = 4 + number % (SIZES - 3);
  memset(text, 0, size);
  memcpy(text + size - sizeof number, &number, sizeof number);
  return size;
}

static void check_text(lc_texts *texts, uint32_t expected, uint32_t count) {
  char text[SIZES];
  uint32_t number = LC_NO_TEXT;
  size_t size = text_of(expected, text);
  CHECK(lc_texts_find(texts, text, size) == (expected < count ? expected : LC_NO_TEXT));
  if (expected < count)
    CHECK(lc_texts_add(texts, text, size, &number, NULL) == LC_OK && number == expected);
  CHECK(texts->count == count);
}

static void test_adding(void) {
  char text[SIZES];
  uint32_t number;
  lc_texts texts;
  CHECK(lc_texts_init(&texts, 0, NULL) == LC_OK);
  for (uint32_t count = 0; count < MOST; count++) {
    check_text(&texts, count, count);
    CHECK(lc_texts_add(&texts, text, text_of(count, text), &number, NULL) == LC_OK && number == count);
    check_text(&texts, count / 2, count + 1);
  }
  for (uint32_t i = 0; i < MOST + 100; i++)
    check_text(&texts, i, MOST);
  lc_texts_free(&texts);
  lc_texts_free(&texts);
}

/* The shortest texts: each byte is one, and none is another followed by zeros. */
static void test_short(void) {
  lc_texts texts;
  uint32_t number;
  CHECK(lc_texts_init(&texts, 0, NULL) == LC_OK);
  for (uint32_t i = 0; i < 512; i++) {
    const char text[2] = { (char)(i % 256), 0 };
    CHECK(lc_texts_add(&texts, text, i < 256 ? 1 : 2, &number, NULL) == LC_OK && number == i);
  }
  lc_texts_free(&texts);
}

/* A column of which every text comes twice. */
static void test_column(uint32_t count) {
  static char bytes[MOST * SIZES];
  static uint32_t at[2 * MOST], hashes[2 * MOST], numbers[2 * MOST];
  static uint8_t sizes[2 * MOST];
  lc_texts texts;
  for (uint32_t i = 0; i < count; i++) {
    at[2 * i] = at[2 * i + 1] = i * SIZES;
    sizes[2 * i] = sizes[2 * i + 1] = (uint8_t)text_of(i, bytes + i * SIZES);
  }
  CHECK(lc_texts_init(&texts, 0, NULL) == LC_OK);
  CHECK(lc_texts_add_all(&texts, (lc_text_column){ bytes, at, sizes, 2 * count }, hashes, numbers, NULL) == LC_OK);
  CHECK(texts.count == count);
  for (uint32_t i = 0; i < 2 * count; i++)
    CHECK(numbers[i] == i / 2);
  lc_texts_free(&texts);
}

/* Where a text comes in the table depends on the seed, so that nobody can choose texts that all come to one place. */
static void test_seed(void) {
  lc_texts texts[2];
  char text[SIZES];
  uint32_t number;
  for (uint32_t seed = 0; seed < 2; seed++) {
    CHECK(lc_texts_init(&texts[seed], seed, NULL) == LC_OK);
    for (uint32_t i = 0; i < 20; i++)
      CHECK(lc_texts_add(&texts[seed], text, text_of(i, text), &number, NULL) == LC_OK && number == i);
  }
  CHECK(texts[0].slot_count == texts[1].slot_count);
  CHECK(memcmp(texts[0].slots, texts[1].slots, texts[0].slot_count * 2 * sizeof(uint32_t)) != 0);
  lc_texts_free(&texts[0]);
  lc_texts_free(&texts[1]);
}

static void test_next(uint32_t count) {
  char expected[SIZES];
  size_t at = 0, size;
  uint32_t number;
  lc_texts texts;
  CHECK(lc_texts_init(&texts, 0, NULL) == LC_OK);
  for (uint32_t i = 0; i < count; i++)
    CHECK(lc_texts_add(&texts, expected, text_of(i, expected), &number, NULL) == LC_OK);
  for (uint32_t i = 0; i < count; i++) {
    const char *text = lc_texts_next(&texts, &at, &size);
    CHECK(text != NULL && size == text_of(i, expected) && memcmp(text, expected, size) == 0);
  }
  CHECK(lc_texts_next(&texts, &at, &size) == NULL && lc_texts_next(&texts, &at, &size) == NULL);
  lc_texts_free(&texts);
}

int main(void) {
  TEST(test_adding());
  TEST(test_short());
  TEST(test_column(0));
  TEST(test_column(1));
  TEST(test_column(MOST));
  TEST(test_seed());
  TEST(test_next(0));
  TEST(test_next(MOST));
  return report();
}
