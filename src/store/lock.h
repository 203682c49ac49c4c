/* store/lock.h - the lock files of a store, and a lock in front of LMDB's that does not wait for ever.
 *
 * LMDB's lock for writers has no time limit: a process that is stopped while it holds it would stop all others. So writers
 * first take a lock of ours, `writers.lock`, which they wait for only so long. Whether two writers meet is still decided by
 * LMDB's.
 */
#ifndef LC_STORE_LOCK_H
#define LC_STORE_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "rules/status.h"

/* Opens `name` in the store directory `path` for reading and writing, and makes it with `size` bytes of disk if it is missing:
 * with `mode` (0: that of the journal) and the owner of the journal, or before there is one of the directory, and without
 * copy-on-write, so that writing to it later needs no room. Follows no symbolic link. LC_IO, LC_FULL: the message names the file. */
lc_status lc_lock_open(const char *path, const char *name, size_t size, mode_t mode, int *file, lc_error *error);

typedef struct lc_writers lc_writers;

/* Maps `writers.lock`. `alone`: no other process has the store open, so what is in the file is left over. `mode`: as of
 * lc_lock_open. */
lc_status lc_writers_open(const char *path, bool alone, mode_t mode, lc_writers **out, lc_error *error);
void lc_writers_close(lc_writers *writers);

/* Waits for the lock of a part (an lc_part), `seconds` at most. LC_LOCKED: the message names the process that holds it. */
lc_status lc_writers_lock(lc_writers *writers, int part, double seconds, lc_error *error);
void lc_writers_unlock(lc_writers *writers, int part);

#endif
