/* check.h - counts a C test's checks and says which of them fail. */
#ifndef LC_CHECK_H
#define LC_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int checks_passed, checks_failed;

static inline bool check(bool holds, const char *what, const char *file, int line) {
  atomic_fetch_add(holds ? &checks_passed : &checks_failed, 1);
  if (!holds)
    printf("%s:%d: %s\n", file, line, what);
  return holds;
}

/* Whether the condition holds, which is counted. Any thread. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

/* Prints the last line; gives the exit status. */
static inline int report(void) {
  printf("%d passed, %d failed\n", checks_passed, checks_failed);
  return checks_failed != 0;
}

/* How often to do something that is done `usually` times: less often where everything is slow. */
static inline int times(int usually) {
  return getenv("LEADCAT_SLOW") != NULL ? (usually + 19) / 20 : usually;
}

#endif
