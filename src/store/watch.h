/* store/watch.h - tells, for a few memory reads, whether any process has saved a config since one was read.
 *
 * LMDB ends a commit by writing its number to one of the file's two meta pages, in turn. These are mapped here once more, for
 * reading only, so looking takes no call. During a commit the number is ahead of what readers get, so compare it only with
 * mdb_txn_id of the transaction that read.
 */
#ifndef LC_STORE_WATCH_H
#define LC_STORE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lc_watch {
  const _Atomic uint64_t *commits[2]; /* the numbers in the meta pages of config.mdb: the greater is the newest */
  const atomic_uint *generation;      /* the number of forks behind this process ... */
  unsigned opened_in;                 /* ... and that number when the store was opened */
} lc_watch;

/* The number of the newest commit. */
static inline uint64_t lc_watch_newest(const lc_watch *watch) {
  uint64_t a = atomic_load_explicit(watch->commits[0], memory_order_acquire);
  uint64_t b = atomic_load_explicit(watch->commits[1], memory_order_acquire);
  return a > b ? a : b;
}

/* Whether this process is a forked child of the one that opened the store. */
static inline bool lc_watch_forked(const lc_watch *watch) {
  return atomic_load_explicit(watch->generation, memory_order_relaxed) != watch->opened_in;
}

#endif
