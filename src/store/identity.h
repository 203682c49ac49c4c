/* store/identity.h - which store this is, and which of its copies.
 *
 * Both files carry the store's id, so that files of two stores are not mixed. The journal also has epochs: a copy or a restored
 * backup begins a new one when it is first opened for writing. The number of an entry may be given again after a restore, but
 * not in the same epoch, so the two together are unique for ever.
 *
 * A copy is recognized by the file system: a journal stays at home as long as its file and `owners.lock` are the ones that it
 * was opened with before, and it has lost no commits.
 */
#ifndef LC_STORE_IDENTITY_H
#define LC_STORE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env.h"

enum { LC_EPOCH_SIZE = 10, LC_EPOCH_KEY_SIZE = LC_EPOCH_SIZE + 1 + 20 + 1 };

typedef struct lc_epoch {
  uint64_t first;           /* its entries have this number or a greater one */
  char name[LC_EPOCH_SIZE]; /* random: letters and digits */
} lc_epoch;

/* The epochs of a store, oldest first: at least one, which begins at 0. */
struct lc_epochs {
  lc_epoch *list; /* freed with lc_epochs_free */
  size_t count;
};

/* Reads the epochs, unless they have been read. Before that, checks the store's identity, gives it one if it is new, brings what an older leadcat wrote into today's form, and begins an
 * epoch if the journal is a copy. The caller is the only one who opens the store now. LC_CORRUPT: the files belong to two
 * stores, or a newer leadcat wrote them. LC_FULL, LC_UNAVAILABLE, LC_IO. */
lc_status lc_identify(lc_env *env, const char *path, lc_error *error);
lc_status lc_epochs_copy(const lc_epochs *epochs, lc_epochs *copy, lc_error *error);
void lc_epochs_free(lc_epochs *epochs);

/* Writes `<epoch>-<entry>` to `key` and returns its size. */
size_t lc_epoch_key(const lc_epochs *epochs, uint64_t entry, char key[LC_EPOCH_KEY_SIZE]);

/* Whether the entry is older than the newest copy. What was under way in it then may have been finished since. */
static inline bool lc_is_restored(const lc_epochs *epochs, uint64_t entry) {
  return entry < epochs->list[epochs->count - 1].first;
}

#endif
