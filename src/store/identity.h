/* store/identity.h - which store this is, and which of its copies.
 *
 * Both files carry the store's id, so that files of two stores are not mixed. The journal also has epochs: a copy or a restored
 * backup begins a new one when it is first opened for writing.
 *
 * A copy is recognized by the file system: a journal stays at home as long as its file and `owners.lock` are the ones that it
 * was opened with before, and it has lost no commits.
 */
#ifndef LC_STORE_IDENTITY_H
#define LC_STORE_IDENTITY_H

#include "env.h"

/* Whether a journal has what an older leadcat wrote, which lc_identify brings into today's form. In a transaction on it. */
bool lc_has_old_form(lc_env *env, MDB_txn *txn);

/* Reads the epochs, unless they have been read. Before that, checks the store's identity, gives it one if it is new, brings what
 * an older leadcat wrote into today's form, and begins an epoch if the journal is a copy. The caller is the only one who opens
 * the store now. LC_READONLY: that would be to be done, and it may not be written. LC_CORRUPT: the files belong to two stores, or a newer leadcat wrote them. LC_FULL, LC_UNAVAILABLE, LC_IO. */
lc_status lc_identify(lc_env *env, const char *path, lc_error *error);

#endif
