/* store/owner.h - who has a store open, who works on an unfinished journal entry, and whether it is still alive.
 *
 * Every open store is an owner with a random token. It holds a kernel lock on one byte of the file `owners.lock`, at the offset
 * of its token. The kernel drops the lock however the process ends, so others can tell whether an owner lives. Process ids
 * would not do: containers do not share them, and they are reused. For an owner that hangs, its claim has a deadline.
 *
 * LMDB's own locks do go by process ids and need one namespace of them; claims need one clock. So a token begins with a number
 * for both namespaces, and a store refuses to open while an owner from others lives. A leadcat too old to know this counts as
 * one of those.
 */
#ifndef LC_STORE_OWNER_H
#define LC_STORE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rules/status.h"

typedef struct lc_owner {
  int file;       /* -1 where the file system cannot lock: then every owner counts as alive */
  uint64_t token; /* 2^32 ... 2^62; 0 until lc_owner_enter */
} lc_owner;

/* Waits its turn, a few seconds at most, to open the store in directory `path`: others wait until lc_owner_enter or
 * lc_owner_close. `alone` is whether nobody has the store open. LC_UNAVAILABLE: an owner from other namespaces lives, or
 * another process does not finish opening. LC_IO, LC_FULL. `mode`: as of lc_lock_open. */
lc_status lc_owner_open(const char *path, mode_t mode, lc_owner *owner, bool *alone, lc_error *error);

/* Whether the store in directory `path` has an owner, or that cannot be told, as `owners.lock` may not be read. Makes and locks
 * nothing. Where the file system cannot lock, nobody is seen. */
bool lc_owner_lives(const char *path);

/* Becomes an owner, and lets others open the store. LC_IO. */
lc_status lc_owner_enter(lc_owner *owner, lc_error *error);
void lc_owner_close(lc_owner *owner);

/* Whether the owner of `token` is `self`, or another one that still holds its lock. */
bool lc_owner_alive(const lc_owner *self, uint64_t token);

/* Fills `bytes` from the system's random source. LC_IO. */
lc_status lc_random(void *bytes, size_t size, lc_error *error);

#endif
