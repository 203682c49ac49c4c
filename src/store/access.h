/* store/access.h - whose the files of a store are, and who may do what with them.
 *
 * What is made in a store gets the owner of what is there already, so that a store opened once by root stays open to its own
 * user: a lock file that of the data, everything else that of the directory.
 */
#ifndef LC_STORE_ACCESS_H
#define LC_STORE_ACCESS_H

#include <sys/types.h>

#include "rules/status.h"

/* The message for the system's result `rc` of opening or making `file`. Where rights are the reason, it names who asked, whose
 * the file is (or its directory, when it cannot be seen), and what would help. */
lc_status lc_refuse_access(const char *file, int rc, lc_error *error);

/* Whether `file` may be written: 0, or the system's result. A file that is missing: ENOENT. */
int lc_may_write(const char *file);

/* Gives the new `file` the owner of `model`, as far as this process may, and `mode` (0: `model`'s, if that is a file). Returns the
 * system's result. */
int lc_adopt(int file, const char *model, mode_t mode);

/* The same for a file or directory by its name: `model` is the directory around it. `mode` 0: it stays as it is. */
int lc_adopt_named(const char *file, const char *model, mode_t mode);

/* The mode of a directory of files with `mode`: who may read them may look for them. */
mode_t lc_directory_mode(mode_t mode);

/* Reads "USER" or "USER:GROUP", names or numbers; without a group it is the user's own. LC_NOT_FOUND: there is no such one.
 * LC_FORBIDDEN: this process may not give files to another user. */
lc_status lc_find_owner(const char *text, uid_t *user, gid_t *group, lc_error *error);

/* Gives the directory `path` and the store's files in it to somebody. Nobody has the store open. LC_FORBIDDEN, LC_IO. */
lc_status lc_give_store(const char *path, uid_t user, gid_t group, lc_error *error);

#endif
