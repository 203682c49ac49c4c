/* store/owner.h - who works on an unfinished journal entry, and whether it is still alive.
 *
 * Every open store is an owner with a random token. It holds a kernel lock on one byte of the file `owners.lock`, at the offset
 * of its token. The kernel drops the lock however the process ends, so others can tell whether an owner lives. Process ids
 * would not do: containers do not share them, and they are reused. For an owner that hangs, its claim has a deadline.
 */
#ifndef LC_STORE_OWNER_H
#define LC_STORE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/status.h"

typedef struct lc_owner {
  int file;       /* -1 where the file system cannot lock: then every owner counts as alive */
  uint64_t token; /* 1 ... 2^62 */
} lc_owner;

/* Becomes an owner in the store directory `path`, until lc_owner_close. LC_IO. */
lc_status lc_owner_open(const char *path, lc_owner *owner, lc_error *error);
void lc_owner_close(lc_owner *owner);

/* Whether the owner of `token` is `self`, or another one that still holds its lock. */
bool lc_owner_alive(const lc_owner *self, uint64_t token);

/* Fills `bytes` from the system's random source. LC_IO. */
lc_status lc_random(void *bytes, size_t size, lc_error *error);

#endif
