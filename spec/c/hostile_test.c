/* Hostile bytes for the C core, without a fuzzer: what `make fuzz` starts from and what it has found (spec/fuzz/corpus), and
 * each of these with some bytes changed, the same ones every time. What must hold is in spec/fuzz/core.c, which ends the
 * process where it does not. */
#define _GNU_SOURCE
#include "../fuzz/core.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

enum { MOST = 1 << 16 };

/* Numbers that look random and are the same everywhere. */
static uint32_t state;

static uint32_t below(uint32_t bound) {
  state = (uint32_t)((uint64_t)state * 48271 % 2147483647);
  return state % bound;
}

/* Changes some bytes, and sometimes the size. */
static size_t damage(uint8_t *bytes, size_t size) {
  for (uint32_t i = below(4); i < 4 && size > 0; i++) {
    uint32_t at = below((uint32_t)size);
    bytes[at] = below(2) == 0 ? (uint8_t)below(256) : bytes[at] ^ (uint8_t)(1U << below(8));
  }
  return below(4) == 0 && size > 0 ? below((uint32_t)size) : size;
}

static size_t read_file(const char *name, uint8_t *bytes) {
  FILE *file = fopen(name, "rb");
  CHECK(file != NULL);
  if (file == NULL)
    return 0;
  size_t size = fread(bytes, 1, MOST, file);
  fclose(file);
  return size;
}

static void try_file(void (*target)(const uint8_t *, size_t), const char *name) {
  static uint8_t bytes[MOST], changed[MOST];
  size_t size = read_file(name, bytes);
  target(bytes, size);
  state = 1;
  for (int i = times(4000); i > 0; i--) {
    memcpy(changed, bytes, size);
    target(changed, damage(changed, size));
  }
}

static void test_corpus(void (*target)(const uint8_t *, size_t), const char *directory) {
  int found = 0;
  DIR *list = opendir(directory);
  if (!CHECK(list != NULL))
    return;
  for (struct dirent *item = readdir(list); item != NULL; item = readdir(list)) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/%s", directory, item->d_name);
    if (item->d_name[0] != '.') {
      try_file(target, name);
      found++;
    }
  }
  closedir(list);
  CHECK(found >= 3);
}

int main(void) {
  alarm(300);
  TEST(test_corpus(fuzz_ruleset, "spec/fuzz/corpus/ruleset"));
  TEST(test_corpus(fuzz_build, "spec/fuzz/corpus/build"));
  TEST(test_corpus(fuzz_records, "spec/fuzz/corpus/records"));
  TEST(test_corpus(fuzz_event, "spec/fuzz/corpus/event"));
  return report();
}
