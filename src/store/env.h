/* store/env.h - the two LMDB environments of a store directory: opened once per process, shared by all.
 *
 * `path/config.mdb` holds what administrators set and rarely change; `path/journal.mdb` holds what changes all the time. With
 * two files, the last transaction of the first one tells, for a memory read, whether a cached ruleset is still the newest.
 *
 * LMDB forbids opening a file twice in a process, so a registry counts the environments, keyed by device and inode of
 * `config.mdb`. An environment is bound to the process that opened it: a forked child must not touch it (lc_env_forked).
 *
 * Any thread may use an environment. A transaction belongs to the thread that began it; a thread has at most one open at a
 * time. Keys and values are valid until their transaction ends or, in a write transaction, until the next change.
 */
#ifndef LC_STORE_ENV_H
#define LC_STORE_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "epoch.h"
#include "layout.h"
#include "rules/status.h"
#include "watch.h"

/* Opens the store in the existing directory `path`, or shares the environment that this process has open already. The caller
 * owns one reference, for lc_env_close. LC_IO: a file cannot be made or read; LC_CORRUPT: a file is not a store's, or only one
 * of the two is there; LC_FULL; LC_UNAVAILABLE: also where this process has it open to read only, and writing is asked for. */
lc_status lc_env_open(const char *path, const lc_env_options *options, lc_env **out, lc_error *error);

/* Gives a reference back; the last one closes both files. In a forked child it does nothing. */
void lc_env_close(lc_env *env);

/* Makes `options.map_size`, unless it is 0, the limit of both files for all processes, if what is in use fits: of config.mdb and of
 * journal.mdb each for itself. It stays as it is where there is no room to write, or no turn. */
lc_status lc_env_settle(lc_env *env, lc_error *error);

/* Have one thread of this process at a time look at whose store it is. */
void lc_env_lock(lc_env *env);
void lc_env_unlock(lc_env *env);

/* The store's epochs: none until lc_identify has read them, then the same as long as the environment is open. */
lc_epochs *lc_env_epochs(lc_env *env);

/* Whether the journal had lost commits when it was opened, by LMDB's lock file, and no epoch was begun since: an older copy has
 * taken its place, or a power failure has undone relaxed ones. */
bool lc_env_went_back(const lc_env *env);

/* Forgets that, since an epoch was begun. From open.c. */
void lc_env_begun_anew(lc_env *env);

/* Whether this process is a forked child of the one that opened `env`. Costs a memory read. */
bool lc_env_forked(const lc_env *env);

typedef struct lc_env_stats {
  uint64_t used;    /* bytes of the file in use, with those of free pages: */
  uint64_t free;    /* bytes that were in use and can be used again */
  uint64_t behind;  /* commits since the oldest read transaction that is open: their pages cannot be used again; 0: none is */
  uint64_t size;    /* its limit: bytes that may be in use, without free pages */
  unsigned readers; /* reader slots taken now */
  unsigned max_readers;
} lc_env_stats;

void lc_env_stat(lc_env *env, lc_part part, lc_env_stats *stats);

/* Copies both files, while they are in use, to `directory`, which is made if its parent exists. The journal comes first, so
 * that no entry names a config that is missing. `compact`: without unused pages, and without what was erased. The copies get their names when both are
 * whole and on disk; on failure they are removed. LC_CONFLICT: a file is there already. From copy.c. */
lc_status lc_env_copy(lc_env *env, const char *directory, bool compact, lc_error *error);

/* Frees reader slots of dead processes; returns how many. */
int lc_env_reader_check(lc_env *env);

/* Publishes a commit of config.mdb whose process was killed after it was on disk but before readers could see it. LMDB does so
 * when the next writer begins, which may take long for configs. */
void lc_env_tell_commit(lc_env *env);

/* Tells whether config.mdb has changed. Valid as long as the environment. */
const lc_watch *lc_env_watch(const lc_env *env);

MDB_dbi lc_env_table(const lc_env *env, lc_table table);

/* Whether a table is missing, as it may be in a store that is only read: an older leadcat made it, or never finished making it. */
bool lc_env_lacks(const lc_env *env, lc_table table);

/* LC_UNAVAILABLE: the store was opened without locks, and now somebody may write it. */
lc_status lc_env_check_still(const lc_env *env, lc_error *error);

/* LC_READONLY: the environment is for reading. */
lc_status lc_env_check_writable(const lc_env *env, lc_error *error);

/* Keeps a part as it is mapped until lc_env_leave. NULL: it had to be opened again and could not be. */
MDB_env *lc_env_enter(lc_env *env, lc_part part);
void lc_env_leave(lc_env *env, lc_part part);

/* Begins a read transaction. lc_env_read_end makes it idle, lc_env_read_close gives its slot back. LC_FORKED, LC_UNAVAILABLE (no
 * reader slot is free; lc_env_check_still), LC_IO. */
lc_status lc_env_read(lc_env *env, lc_part part, lc_reader *reader, lc_error *error);
void lc_env_read_end(lc_env *env, lc_part part, lc_reader *reader);
void lc_env_read_close(lc_env *env, lc_part part, lc_reader *reader);

/* Begins a write transaction, for lc_env_commit or lc_env_abort. Waits for other writers: for `seconds`, then it is LC_LOCKED,
 * or (0) for some, then it is LC_UNAVAILABLE. With `relaxed`, a power failure may undo the commit, but the end of a process never does.
 * LC_READONLY. */
lc_status lc_env_write(lc_env *env, lc_part part, bool relaxed, double seconds, MDB_txn **txn, lc_error *error);
lc_status lc_env_commit(lc_env *env, lc_part part, MDB_txn *txn, lc_error *error);
void lc_env_abort(lc_env *env, lc_part part, MDB_txn *txn);

/* LC_FULL: the write transaction leaves more in use than the limit. */
lc_status lc_env_check_room(const lc_env *env, lc_part part, MDB_txn *txn, lc_error *error);

/* Whether the write transaction may still change so many pages: for what can wait. Not where that check is lifted. From room.c. */
bool lc_env_has_room(const lc_env *env, lc_part part, MDB_txn *txn, size_t pages);

/* Has the open write transaction pass that check: it only removes. */
void lc_env_lift_limit(lc_env *env, lc_part part);

/* Makes room for such a transaction, after one was LC_FULL: maps some beyond the limit, and frees what is kept of the disk. */
void lc_env_use_reserve(lc_env *env, lc_part part);

/* Keeps room on the disk for that, as far as there is any: a file `reserve` of up to a megabyte. */
void lc_env_keep_reserve(const lc_env *env);

/* When this process committed to the journal last, or opened it, by lc_uptime. */
double lc_env_committed(const lc_env *env);

/* The status for LMDB's (or the system's) result `rc`; 0 is LC_OK. `doing` begins the message ("cannot save the config"). */
lc_status lc_env_fail(const lc_env *env, lc_part part, int rc, const char *doing, lc_error *error);

#endif
