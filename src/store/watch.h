/* store/watch.h - whether a config has been saved since one was read, by any process, for the cost of a few memory reads.
 *
 * A commit of LMDB ends with writing its number into one of the file's two meta pages, in turn. These
 * are mapped here once more, for reading alone, so that to look takes no call. While a save is being
 * committed the number is already ahead of what readers get, so it is only ever compared with
 * mdb_txn_id of the transaction that read.
 */
#ifndef LC_STORE_WATCH_H
#define LC_STORE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lc_watch {
  const _Atomic uint64_t *commits[2]; /* the numbers in the meta pages of config.mdb: the greater is the newest */
  const atomic_uint *generation;      /* how many forks lie behind this process ... */
  unsigned opened_in;                 /* ... and how many did when the store was opened */
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
