#define _GNU_SOURCE
#include "env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "lock.h"
#include "open.h"
#include "owner.h"
#include "pages.h"

static const uint64_t MIB = 1 << 20;
static const double patience = 5, moment = 0.001; /* seconds that a writer waits for another one */

/* What this process has open: the one mutable static. */
static struct {
  pthread_mutex_t mutex;
  pthread_once_t once;
  lc_env *first;
  atomic_uint generation; /* the number of forks between this process and the one that loaded us */
} registry = { .mutex = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT };

/* ---- fork -------------------------------------------------------------------------------- */

static void lock_registry(void) {
  pthread_mutex_lock(&registry.mutex);
}

static void unlock_registry(void) {
  pthread_mutex_unlock(&registry.mutex);
}

/* The child leaves environments, locks and mapped files to its parent. */
static void after_fork_in_child(void) {
  registry.first = NULL;
  atomic_fetch_add(&registry.generation, 1);
  unlock_registry();
}

static void watch_forks(void) {
  pthread_atfork(lock_registry, unlock_registry, after_fork_in_child);
}

void lc_env_lock(lc_env *env) {
  pthread_mutex_lock(&env->opening);
}

void lc_env_unlock(lc_env *env) {
  pthread_mutex_unlock(&env->opening);
}

lc_epochs *lc_env_epochs(lc_env *env) {
  return &env->epochs;
}

bool lc_env_went_back(const lc_env *env) {
  return env->went_back;
}

bool lc_env_forked(const lc_env *env) {
  return lc_watch_forked(&env->watch);
}

/* ---- errors ------------------------------------------------------------------------------ */

lc_status lc_env_fail(const lc_env *env, lc_part part, int rc, const char *doing, lc_error *error) {
  lc_status status = lc_env_status(env->parts[part].mdb, rc);
  const char *why = status == LC_FULL && rc == EIO ? "the disk has no room, or the file may not grow" : lc_env_why(rc);
  return status == LC_OK ? LC_OK : lc_fail(error, status, "%s: %s", doing, why);
}

/* ---- opening ----------------------------------------------------------------------------- */

/* Whether the watch reads what LMDB does. In another format of file, old configs might look new. */
static bool knows_newest(const lc_env *env) {
  MDB_envinfo info;
  uint64_t before = lc_watch_newest(&env->watch);
  mdb_env_info(env->parts[LC_PART_CONFIG].mdb, &info);
  return before <= info.me_last_txnid && info.me_last_txnid <= lc_watch_newest(&env->watch);
}

static int start_watch(lc_env *env) {
  MDB_stat pages;
  mdb_filehandle_t file;
  MDB_env *mdb = env->parts[LC_PART_CONFIG].mdb;
  int rc = mdb_env_get_fd(mdb, &file);
  if (rc == 0)
    rc = mdb_env_stat(mdb, &pages);
  if (rc != 0)
    return rc;
  size_t size = 2 * (size_t)pages.ms_psize;
  char *metas = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
  if (metas == MAP_FAILED)
    return errno;
  env->metas = metas;
  env->metas_size = size;
  for (int i = 0; i < 2; i++)
    env->watch.commits[i] = (const void *)(metas + (size_t)i * pages.ms_psize + LC_META_TXN);
  env->watch.generation = &registry.generation;
  env->watch.opened_in = atomic_load(&registry.generation);
  return knows_newest(env) ? 0 : MDB_VERSION_MISMATCH;
}

static void destroy(lc_env *env) {
  if (env->metas != NULL)
    munmap(env->metas, env->metas_size);
  if (env->writers != NULL)
    lc_writers_close(env->writers);
  for (int part = 0; part < LC_PARTS; part++) {
    if (env->parts[part].mdb != NULL)
      mdb_env_close(env->parts[part].mdb);
    pthread_rwlock_destroy(&env->parts[part].lock);
    pthread_mutex_destroy(&env->parts[part].mutex);
  }
  pthread_mutex_destroy(&env->opening);
  lc_epochs_free(&env->epochs);
  free(env->path);
  free(env);
}

/* A closed environment; NULL without memory. */
static lc_env *make(const char *path, const lc_env_options *options) {
  lc_env *env = calloc(1, sizeof *env);
  char *copy = strdup(path);
  if (env == NULL || copy == NULL) {
    free(env);
    free(copy);
    return NULL;
  }
  env->path = copy;
  env->options = *options;
  env->committed = lc_uptime();
  pthread_mutex_init(&env->opening, NULL);
  for (int part = 0; part < LC_PARTS; part++) {
    pthread_rwlock_init(&env->parts[part].lock, NULL);
    pthread_mutex_init(&env->parts[part].mutex, NULL);
  }
  return env;
}

static lc_status open_new(const char *path, const lc_env_options *options, lc_env **out, lc_error *error) {
  lc_env *env = make(path, options);
  if (env == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot open %s: out of memory", path);
  lc_status status = lc_open_files(env, error);
  if (status == LC_OK)
    status = lc_env_fail(env, LC_PART_CONFIG, start_watch(env), "cannot map the head of config.mdb", error);
  mdb_filehandle_t file;
  struct stat data;
  if (status == LC_OK && (mdb_env_get_fd(env->parts[LC_PART_CONFIG].mdb, &file) != 0 || fstat(file, &data) != 0))
    status = lc_fail(error, LC_IO, "cannot open %s: %s", path, strerror(errno));
  if (status != LC_OK) {
    destroy(env);
    return status;
  }
  if (!env->options.readonly)
    lc_env_keep_reserve(env);
  env->device = data.st_dev;
  env->inode = data.st_ino;
  env->next = registry.first;
  registry.first = env;
  *out = env;
  return LC_OK;
}

static lc_env *find_open(const char *path) {
  char file[LC_PATH_SIZE];
  struct stat data;
  snprintf(file, sizeof file, "%s/%s", path, lc_part_files[LC_PART_CONFIG]);
  if (stat(file, &data) != 0)
    return NULL;
  lc_env *env = registry.first;
  while (env != NULL && (env->device != data.st_dev || env->inode != data.st_ino))
    env = env->next;
  return env;
}

lc_status lc_env_open(const char *path, const lc_env_options *options, lc_env **out, lc_error *error) {
  pthread_once(&registry.once, watch_forks);
  lock_registry();
  *out = find_open(path);
  lc_status status = *out == NULL ? open_new(path, options, out, error) : LC_OK;
  if (status == LC_OK && !options->readonly && (*out)->options.readonly)
    status = lc_fail(error, LC_UNAVAILABLE, "this process has %s open to read only: close it before it is opened to be written", path);
  if (status == LC_OK)
    (*out)->references++;
  else
    *out = NULL;
  unlock_registry();
  return status;
}

void lc_env_close(lc_env *env) {
  if (lc_env_forked(env))
    return;
  pthread_mutex_lock(&registry.mutex);
  if (--env->references == 0) {
    lc_env **link = &registry.first;
    while (*link != env)
      link = &(*link)->next;
    *link = env->next;
    destroy(env);
  }
  pthread_mutex_unlock(&registry.mutex);
}

/* ---- use --------------------------------------------------------------------------------- */

const lc_watch *lc_env_watch(const lc_env *env) {
  return &env->watch;
}

MDB_dbi lc_env_table(const lc_env *env, lc_table table) {
  return env->tables[table];
}

bool lc_env_lacks(const lc_env *env, lc_table table) {
  return env->tables[table] == 0; /* LMDB's own free list has that number */
}

MDB_env *lc_env_enter(lc_env *env, lc_part part) {
  pthread_rwlock_rdlock(&env->parts[part].lock);
  return env->parts[part].mdb;
}

void lc_env_leave(lc_env *env, lc_part part) {
  pthread_rwlock_unlock(&env->parts[part].lock);
}

static int check_readers(lc_env *env, lc_part part) {
  int dead = 0;
  MDB_env *mdb = lc_env_enter(env, part);
  if (mdb != NULL)
    mdb_reader_check(mdb, &dead);
  lc_env_leave(env, part);
  return dead;
}

int lc_env_reader_check(lc_env *env) {
  return check_readers(env, LC_PART_CONFIG) + check_readers(env, LC_PART_JOURNAL);
}

/* ---- transactions ------------------------------------------------------------------------ */

static int begin_once(lc_env *env, lc_part part, unsigned flags, MDB_txn **txn, unsigned *opening) {
  MDB_env *mdb = lc_env_enter(env, part);
  *opening = env->parts[part].opening;
  int rc = mdb == NULL ? MDB_PANIC : *txn != NULL ? mdb_txn_renew(*txn) : mdb_txn_begin(mdb, NULL, flags, txn);
  if (rc != 0)
    lc_env_leave(env, part);
  return rc;
}

static lc_status refuse_forked(const lc_env *env, lc_error *error) {
  return !lc_env_forked(env) ? LC_OK
       : lc_fail(error, LC_FORKED, "the store was opened before this process was forked: open it in the child");
}

lc_status lc_env_check_still(const lc_env *env, lc_error *error) {
  return !env->options.unlocked || !lc_owner_lives(env->path) ? LC_OK
       : lc_fail(error, LC_UNAVAILABLE, "%s was opened to be read while nobody used it, and somebody does now: open it again", env->path);
}

lc_status lc_env_check_writable(const lc_env *env, lc_error *error) {
  return !env->options.readonly ? LC_OK : lc_fail(error, LC_READONLY, "%s was opened to read only", env->path);
}

static lc_status begin(lc_env *env, lc_part part, unsigned flags, MDB_txn **txn, lc_error *error) {
  unsigned opening;
  int rc = begin_once(env, part, flags, txn, &opening);
  if (rc == MDB_PANIC && (rc = lc_reopen_part(env, part, opening)) == 0)
    rc = begin_once(env, part, flags, txn, &opening);
  if (rc == MDB_READERS_FULL && lc_env_reader_check(env) > 0)
    rc = begin_once(env, part, flags, txn, &opening);
  if (rc == MDB_MAP_RESIZED && (rc = lc_map_part(env, part, 0)) == 0) /* another process has grown it beyond our map */
    rc = begin_once(env, part, flags, txn, &opening);
  return lc_env_fail(env, part, rc, "cannot begin a transaction", error);
}

static void list_reader(lc_opened *opened, lc_reader *reader) {
  pthread_mutex_lock(&opened->mutex);
  reader->is_listed = true;
  reader->next = opened->readers;
  opened->readers = reader;
  pthread_mutex_unlock(&opened->mutex);
}

static void unlist_reader(lc_opened *opened, const lc_reader *reader) {
  pthread_mutex_lock(&opened->mutex);
  lc_reader **link = &opened->readers;
  while (*link != reader)
    link = &(*link)->next;
  *link = reader->next;
  pthread_mutex_unlock(&opened->mutex);
}

lc_status lc_env_read(lc_env *env, lc_part part, lc_reader *reader, lc_error *error) {
  lc_status status = refuse_forked(env, error);
  if (status != LC_OK)
    return status;
  status = lc_env_check_still(env, error);
  if (status == LC_OK)
    status = begin(env, part, MDB_RDONLY, &reader->txn, error);
  if (status == LC_OK && !reader->is_listed)
    list_reader(&env->parts[part], reader);
  return status;
}

void lc_env_read_end(lc_env *env, lc_part part, lc_reader *reader) {
  mdb_txn_reset(reader->txn);
  lc_env_leave(env, part);
}

void lc_env_read_close(lc_env *env, lc_part part, lc_reader *reader) {
  lc_env_enter(env, part); /* nobody opens it again meanwhile */
  if (reader->is_listed)
    unlist_reader(&env->parts[part], reader);
  if (reader->txn != NULL)
    mdb_txn_abort(reader->txn);
  reader->txn = NULL;
  lc_env_leave(env, part);
}

/* LMDB sets durability for an environment, not for a transaction. We hold the writer lock until the commit that reads the flag,
 * so no other writer of this process meets it. */
static void set_durability(MDB_env *mdb, bool relaxed) {
  unsigned flags = 0;
  mdb_env_get_flags(mdb, &flags);
  if (((flags & MDB_NOMETASYNC) != 0) != relaxed)
    mdb_env_set_flags(mdb, MDB_NOMETASYNC, relaxed);
}

static lc_status begin_write(lc_env *env, lc_part part, bool relaxed, double seconds, MDB_txn **txn, lc_error *error) {
  *txn = NULL;
  lc_status status = refuse_forked(env, error);
  if (status == LC_OK)
    status = lc_env_check_writable(env, error);
  if (status == LC_OK)
    status = lc_writers_lock(env->writers, part, seconds != 0 ? seconds : patience, error);
  if (status != LC_OK)
    return status == LC_LOCKED && seconds == 0 ? LC_UNAVAILABLE : status;
  status = begin(env, part, 0, txn, error);
  if (status != LC_OK) {
    lc_writers_unlock(env->writers, part);
    return status;
  }
  set_durability(env->parts[part].mdb, relaxed);
  env->parts[part].limit = lc_limit_of(env, part, *txn);
  return LC_OK;
}

lc_status lc_env_write(lc_env *env, lc_part part, bool relaxed, double seconds, MDB_txn **txn, lc_error *error) {
  lc_status status = begin_write(env, part, relaxed, seconds, txn, error);
  if (status != LC_OK || env->parts[part].limit <= lc_mapped(env, part))
    return status;
  size_t limit = env->parts[part].limit; /* which another process has raised */
  lc_env_abort(env, part, *txn);
  status = lc_env_fail(env, part, lc_map_part(env, part, limit), "cannot map a larger file", error);
  return status == LC_OK ? begin_write(env, part, relaxed, seconds, txn, error) : status;
}

lc_status lc_env_commit(lc_env *env, lc_part part, MDB_txn *txn, lc_error *error) {
  int rc = mdb_txn_commit(txn); /* ends the transaction in any case */
  lc_env_leave(env, part);
  lc_writers_unlock(env->writers, part);
  if (rc == 0 && part == LC_PART_JOURNAL)
    atomic_store_explicit(&env->committed, lc_uptime(), memory_order_relaxed);
  return lc_env_fail(env, part, rc, "cannot commit", error);
}

void lc_env_abort(lc_env *env, lc_part part, MDB_txn *txn) {
  mdb_txn_abort(txn);
  lc_env_leave(env, part);
  lc_writers_unlock(env->writers, part);
}

double lc_env_committed(const lc_env *env) {
  return atomic_load_explicit(&env->committed, memory_order_relaxed);
}

void lc_env_tell_commit(lc_env *env) {
  MDB_txn *txn;
  lc_reader reader = { .txn = NULL };
  if (lc_env_read(env, LC_PART_CONFIG, &reader, NULL) != LC_OK)
    return;
  bool untold = mdb_txn_id(reader.txn) < lc_watch_newest(&env->watch);
  lc_env_read_end(env, LC_PART_CONFIG, &reader);
  lc_env_read_close(env, LC_PART_CONFIG, &reader);
  if (untold && lc_env_write(env, LC_PART_CONFIG, false, moment, &txn, NULL) == LC_OK)
    lc_env_abort(env, LC_PART_CONFIG, txn);
}

/* ---- sizes ------------------------------------------------------------------------------- */

typedef struct reader_list {
  int lines;
  uint64_t oldest; /* the commit that the oldest open transaction reads; UINT64_MAX: none is open */
} reader_list;

/* LMDB lists readers as lines of text below a head: process, thread, commit or `-`. Or in one line, that there are none. */
static int read_line(const char *line, void *context) {
  reader_list *list = context;
  unsigned long long commit;
  if (line[0] != '(')
    list->lines++;
  if (sscanf(line, "%*d %*x %llu", &commit) == 1 && commit < list->oldest)
    list->oldest = commit;
  return 0;
}

/* LMDB lists the pages that each commit has freed in a table of its own, 0: their number, then the pages. */
static size_t free_pages(MDB_txn *txn) {
  MDB_cursor *cursor;
  MDB_val key, list;
  size_t pages = 0, count;
  if (mdb_cursor_open(txn, 0, &cursor) != 0)
    return 0;
  for (; mdb_cursor_get(cursor, &key, &list, MDB_NEXT) == 0; pages += count)
    memcpy(&count, list.mv_data, sizeof count);
  mdb_cursor_close(cursor);
  return pages;
}

/* What only a transaction tells. */
static void read_room(lc_env *env, lc_part part, size_t page, lc_env_stats *stats) {
  lc_reader reader = { .txn = NULL };
  if (lc_env_read(env, part, &reader, NULL) != LC_OK)
    return;
  stats->free = free_pages(reader.txn) * page;
  stats->size = lc_limit_of(env, part, reader.txn);
  lc_env_read_end(env, part, &reader);
  lc_env_read_close(env, part, &reader);
}

void lc_env_stat(lc_env *env, lc_part part, lc_env_stats *stats) {
  MDB_envinfo info;
  MDB_stat pages;
  reader_list readers = { 0, UINT64_MAX };
  MDB_env *mdb = lc_env_enter(env, part);
  *stats = (lc_env_stats){ .used = 0 };
  if (mdb != NULL) {
    mdb_env_info(mdb, &info);
    mdb_env_stat(mdb, &pages);
    mdb_reader_list(mdb, read_line, &readers);
    *stats = (lc_env_stats){
      .used = (uint64_t)(info.me_last_pgno + 1) * pages.ms_psize,
      .behind = readers.oldest < info.me_last_txnid ? info.me_last_txnid - readers.oldest : 0,
      .size = info.me_mapsize,
      .readers = readers.lines > 0 ? (unsigned)readers.lines - 1 : 0,
      .max_readers = info.me_maxreaders,
    };
  }
  lc_env_leave(env, part);
  if (mdb != NULL && !lc_env_forked(env)) /* last: it may free the slots of dead readers */
    read_room(env, part, pages.ms_psize, stats);
}

/* ---- limits ------------------------------------------------------------------------------ */

/* Whether the limit of a part is to be another one. */
static lc_status wants_limit(lc_env *env, lc_part part, bool *wants, lc_error *error) {
  lc_reader reader = { .txn = NULL };
  lc_status status = lc_env_read(env, part, &reader, error);
  if (status != LC_OK)
    return status;
  *wants = lc_limit_of(env, part, reader.txn) != lc_map_size(part, env->options.map_size);
  lc_env_read_end(env, part, &reader);
  lc_env_read_close(env, part, &reader);
  return LC_OK;
}

static lc_status settle(lc_env *env, lc_part part, lc_error *error) {
  MDB_txn *txn;
  bool wants = false;
  lc_status status = wants_limit(env, part, &wants, error);
  if (status == LC_OK && wants) /* without mapping as much as the limit is now */
    status = begin_write(env, part, false, 0, &txn, error);
  if (status != LC_OK || !wants)
    return status;
  int rc = lc_set_limit(env, part, txn, lc_map_size(part, env->options.map_size));
  if (rc == 0)
    return lc_env_commit(env, part, txn, error);
  lc_env_abort(env, part, txn);
  return lc_env_fail(env, part, rc, "cannot write the file's map_size", error);
}

lc_status lc_env_settle(lc_env *env, lc_error *error) {
  lc_status status = LC_OK;
  for (int part = 0; part < LC_PARTS && status == LC_OK && env->options.map_size != 0; part++) {
    status = settle(env, (lc_part)part, error);
    if (status == LC_FULL || status == LC_UNAVAILABLE) /* the next one to ask for it may have more luck */
      status = LC_OK;
  }
  return status;
}

lc_status lc_env_check_room(const lc_env *env, lc_part part, MDB_txn *txn, lc_error *error) {
  bool fit = true;
  size_t limit = env->parts[part].limit;
  int rc = limit < lc_mapped(env, part) ? lc_fits(env, part, txn, limit, &fit) : 0; /* else LMDB does not let it grow beyond */
  if (rc != 0)
    return lc_env_fail(env, part, rc, "cannot count the pages in use", error);
  return fit ? LC_OK : lc_fail(error, LC_FULL, "%s has as much in use as its map_size allows: %zu bytes", lc_part_files[part], limit);
}

void lc_env_lift_limit(lc_env *env, lc_part part) {
  env->parts[part].limit = SIZE_MAX;
}

static const char reserve[] = "reserve"; /* the file's name */

void lc_env_keep_reserve(const lc_env *env) {
  int file;
  lc_error ignored;
  for (size_t size = MIB; size >= MIB / 16; size /= 2)
    if (lc_lock_open(env->path, reserve, size, env->options.mode, &file, &ignored) == LC_OK) {
      close(file);
      return;
    }
}

static void free_reserve(const lc_env *env) {
  char name[LC_PATH_SIZE];
  snprintf(name, sizeof name, "%s/%s", env->path, reserve);
  unlink(name);
}

/* With the reserve a file still lacks pages when its newest commit has freed them: LMDB takes those after the next one. So without
 * readers in the way it may grow by more. With readers it may not, as removing gives them no room. */
void lc_env_use_reserve(lc_env *env, lc_part part) {
  lc_env_stats stats;
  lc_env_reader_check(env); /* the dead are not in the way */
  lc_env_stat(env, part, &stats);
  uint64_t more = stats.size / 16 > MIB ? stats.size / 16 : MIB;
  uint64_t end = stats.behind == 0 && stats.used > stats.size ? stats.used : stats.size;
  lc_map_part(env, part, end + more);
  free_reserve(env);
}
