/* store/open.h - an environment from inside: what env.c, which hands out transactions, shares with open.c, which opens its
 * files. */
#ifndef LC_STORE_OPEN_H
#define LC_STORE_OPEN_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "epoch.h"
#include "layout.h"
#include "lock.h"
#include "watch.h"

enum { LC_PATH_SIZE = 4096 };

/* A file that is open in LMDB. */
typedef struct lc_opened {
  MDB_env *mdb;           /* NULL: it could not be opened again */
  unsigned opening;       /* how often it was opened again */
  size_t limit;           /* bytes that the write transaction may leave in use; under LMDB's lock for writers */
  pthread_rwlock_t lock;  /* every transaction holds it for reading; who opens it again or maps it anew, for writing */
  pthread_mutex_t mutex;  /* of the list: */
  lc_reader *readers;     /* those that have a reader slot */
} lc_opened;

struct lc_env {
  lc_env *next;
  dev_t device; /* of config.mdb, which stays open: its inode cannot be given to another file */
  ino_t inode;
  unsigned references;
  char *path; /* of the directory */
  lc_env_options options;
  lc_watch watch;
  char *metas; /* what `watch` reads, mapped: `metas_size` bytes */
  size_t metas_size;
  bool went_back;
  lc_epochs epochs;
  pthread_mutex_t opening; /* lc_env_lock */
  lc_writers *writers;
  _Atomic double committed; /* lc_uptime of the journal's last commit in this process that was not relaxed */
  lc_opened parts[LC_PARTS];
  MDB_dbi tables[LC_TABLES];
};

/* Opens both files, with their tables and the writers' lock. What is opened is closed by env.c, also after a failure. */
lc_status lc_open_files(lc_env *env, lc_error *error);

/* Opens a file of which LMDB says that it is of no use any more (MDB_PANIC: a head could not be written), and all of its idle
 * readers anew, unless another thread has done so since it was opened for the time `opening`. No transaction of this thread is
 * open on it. Returns LMDB's result. */
int lc_reopen_part(lc_env *env, lc_part part, unsigned opening);

/* Maps at least `size` bytes of a file, or (0) as many as any process has; LMDB sees to it that the file is covered. No transaction
 * of this thread is open on it. Returns LMDB's result. */
int lc_map_part(lc_env *env, lc_part part, size_t size);

/* The bytes of a part when `wanted` (0: the default) are asked for. */
size_t lc_map_size(lc_part part, size_t wanted);

/* The status for LMDB's (or the system's) result. */
lc_status lc_env_status(MDB_env *mdb, int rc);

/* Its cause and the remedy, in words. */
const char *lc_env_why(int rc);

/* ---- from room.c ------------------------------------------------------------------------- */

/* The limit of a part, which its transaction reads. */
size_t lc_limit_of(const lc_env *env, lc_part part, MDB_txn *txn);

/* Whether a transaction leaves no more in use than `limit`. Returns LMDB's result. */
int lc_fits(const lc_env *env, lc_part part, MDB_txn *txn, size_t limit, bool *fit);

/* Sets it in a write transaction, if what is in use fits. Returns LMDB's result. */
int lc_set_limit(const lc_env *env, lc_part part, MDB_txn *txn, size_t limit);

/* The bytes of a part that are mapped, inside a transaction. */
size_t lc_mapped(const lc_env *env, lc_part part);

#endif
