/* check.h - counts C tests, and says which of their checks fail. */
#ifndef LC_CHECK_H
#define LC_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int checks_failed;
static int tests_passed, tests_failed;

static inline bool check(bool holds, const char *what, const char *file, int line) {
  if (!holds) {
    atomic_fetch_add(&checks_failed, 1);
    printf("%s:%d: %s\n", file, line, what);
  }
  return holds;
}

/* Whether the condition holds; where it does not, the test has failed. Any thread. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

/* Counts a test by whether all its checks have held. */
#define TEST(call) \
  do { \
    int failed_before = checks_failed; \
    call; \
    ++*(checks_failed == failed_before ? &tests_passed : &tests_failed); \
  } while (0)

/* Prints the last line; gives the exit status. */
static inline int report(void) {
  printf("%d passed, %d failed\n", tests_passed, tests_failed);
  return tests_failed != 0;
}

/* How often to do something that is done `usually` times: less often where everything is slow. */
static inline int times(int usually) {
  return getenv("LEADCAT_SLOW") != NULL ? (usually + 19) / 20 : usually;
}

#endif
