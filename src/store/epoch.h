/* store/epoch.h - what tells the entries of a store from those of its copies.
 *
 * A copy of a store, or a restored backup, begins a new epoch when it is first opened for writing (identity.h). The number of
 * an entry may be given again after a restore, but not in the same epoch, so the two together are unique for ever.
 */
#ifndef LC_STORE_EPOCH_H
#define LC_STORE_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/status.h"

enum { LC_EPOCH_SIZE = 10, LC_EPOCH_KEY_SIZE = LC_EPOCH_SIZE + 1 + 20 };

typedef struct lc_epoch {
  uint64_t first;           /* its entries have this number or a greater one */
  char name[LC_EPOCH_SIZE]; /* random: letters and digits */
} lc_epoch;

/* The epochs of a store, oldest first; the first one begins at 0. Freed with lc_epochs_free. */
typedef struct lc_epochs {
  lc_epoch *list;
  size_t count;
} lc_epochs;

/* Appends one. LC_UNAVAILABLE: no memory. */
lc_status lc_epochs_add(lc_epochs *epochs, lc_epoch epoch, lc_error *error);
lc_status lc_epochs_copy(const lc_epochs *epochs, lc_epochs *copy, lc_error *error);
void lc_epochs_free(lc_epochs *epochs);

/* Writes `<epoch>-<entry>` to `key` and returns its size. */
size_t lc_epoch_key(const lc_epochs *epochs, uint64_t entry, char key[LC_EPOCH_KEY_SIZE]);

/* Whether the entry is older than the newest copy. What was under way in it then may have been finished since. */
static inline bool lc_is_restored(const lc_epochs *epochs, uint64_t entry) {
  return entry < epochs->list[epochs->count - 1].first;
}

#endif
