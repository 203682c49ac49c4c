/* store/owner.h - who works on an unfinished journal entry, and whether he is still alive.
 *
 * Every open store is an owner with a random token. It holds a kernel lock on one byte of the file
 * `owners.lock`, at the offset that its token names. The kernel drops the lock when the process
 * ends, however it ends, so another process can ask whether an owner lives without guessing from a
 * process id (which other containers do not share, and which is used again). An owner that lives
 * but hangs is told by the deadline of its claim instead.
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

/* Becomes an owner in the store directory `path`. LC_IO. The result goes to lc_owner_close. */
lc_status lc_owner_open(const char *path, lc_owner *owner, lc_error *error);
void lc_owner_close(lc_owner *owner);

/* Whether the owner of `token` is `self`, or another one that still holds its lock. */
bool lc_owner_alive(const lc_owner *self, uint64_t token);

/* Fills `bytes` from the system's random source. LC_IO. */
lc_status lc_random(void *bytes, size_t size, lc_error *error);

#endif
