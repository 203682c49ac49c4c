#define _GNU_SOURCE
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lock.h"
#include "pages.h"

enum { DEFAULT_READERS = 1024, ROOM = 1 << 20, PATH_SIZE = 4096 };

static const size_t GIB = (size_t)1 << 30;
static const double patience = 5; /* seconds that a writer waits for another one */

const char *const lc_part_files[LC_PARTS] = { "config.mdb", "journal.mdb" };

static const struct {
  const char *name;
  lc_part part;
} tables[LC_TABLES] = {
  [LC_TABLE_RULESETS] = { "rulesets", LC_PART_CONFIG },
  [LC_TABLE_CONFIGS] = { "configs", LC_PART_CONFIG },
  [LC_TABLE_REVISIONS] = { "revisions", LC_PART_CONFIG },
  [LC_TABLE_IDENTITY] = { "identity", LC_PART_CONFIG },
  [LC_TABLE_META] = { "meta", LC_PART_JOURNAL },
  [LC_TABLE_JOURNAL] = { "journal", LC_PART_JOURNAL },
  [LC_TABLE_BY_COMPANY] = { "by_company", LC_PART_JOURNAL },
  [LC_TABLE_APPLYING] = { "applying", LC_PART_JOURNAL },
  [LC_TABLE_SEEN] = { "seen", LC_PART_JOURNAL },
  [LC_TABLE_CONFIRMATIONS] = { "confirmations", LC_PART_JOURNAL },
  [LC_TABLE_QUESTIONS] = { "questions", LC_PART_JOURNAL },
  [LC_TABLE_EXPIRING] = { "expiring", LC_PART_JOURNAL },
  [LC_TABLE_COUNTERS] = { "counters", LC_PART_JOURNAL },
  [LC_TABLE_UNCHANGED] = { "unchanged", LC_PART_JOURNAL },
  [LC_TABLE_UNCHANGED_BY_COMPANY] = { "unchanged_by_company", LC_PART_JOURNAL },
  [LC_TABLE_NOTES] = { "notes", LC_PART_JOURNAL },
  [LC_TABLE_COMPANIES] = { "companies", LC_PART_JOURNAL },
};

struct lc_env {
  lc_env *next;
  dev_t device; /* of config.mdb, which stays open: its inode cannot be given to another file */
  ino_t inode;
  unsigned references;
  lc_watch watch;
  char *metas; /* what `watch` reads, mapped: `metas_size` bytes */
  size_t metas_size;
  MDB_env *parts[LC_PARTS];
  lc_writers *writers;
  bool went_back;
  lc_epochs epochs;
  pthread_rwlock_t remap; /* every transaction of journal.mdb holds it for reading */
  MDB_dbi tables[LC_TABLES];
};

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

/* LMDB reports a short write as EIO. It means "full" if the disk or a file limit has no room. */
static bool out_of_room(MDB_env *mdb) {
  mdb_filehandle_t file;
  struct stat data;
  struct statvfs disk;
  struct rlimit limit;
  if (mdb_env_get_fd(mdb, &file) != 0 || fstat(file, &data) != 0)
    return false;
  if (fstatvfs(file, &disk) == 0 && disk.f_bavail * disk.f_frsize < ROOM)
    return true;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
      && limit.rlim_cur < (rlim_t)data.st_size + ROOM;
}

static lc_status status_of(MDB_env *mdb, int rc) {
  switch (rc) {
    case 0:
      return LC_OK;
    case MDB_NOTFOUND:
      return LC_NOT_FOUND;
    case MDB_MAP_FULL: case MDB_TXN_FULL: case ENOSPC: case EDQUOT: case EFBIG:
      return LC_FULL;
    case EIO:
      return mdb != NULL && out_of_room(mdb) ? LC_FULL : LC_IO;
    case MDB_CORRUPTED: case MDB_PAGE_NOTFOUND: case MDB_INVALID: case MDB_VERSION_MISMATCH: case MDB_INCOMPATIBLE:
      return LC_CORRUPT;
    case MDB_READERS_FULL: case MDB_MAP_RESIZED: case ENOMEM: case EAGAIN: case EBUSY:
      return LC_UNAVAILABLE;
    default:
      return LC_IO;
  }
}

lc_status lc_env_fail(const lc_env *env, lc_part part, int rc, const char *doing, lc_error *error) {
  lc_status status = status_of(env->parts[part], rc);
  return status == LC_OK ? LC_OK : lc_fail(error, status, "%s: %s", doing, mdb_strerror(rc));
}

/* ---- opening ----------------------------------------------------------------------------- */

static size_t map_size(lc_part part, const lc_env_options *options) {
  size_t size = options->map_size != 0 ? options->map_size : 16 * GIB;
  return part == LC_PART_CONFIG && size > GIB ? GIB : size;
}

/* The size of the file according to its newest transaction. */
static int size_of(MDB_env *mdb, off_t *size) {
  MDB_envinfo info;
  MDB_stat pages;
  int rc = mdb_env_info(mdb, &info);
  if (rc == 0)
    rc = mdb_env_stat(mdb, &pages);
  if (rc == 0)
    *size = (off_t)(info.me_last_pgno + 1) * (off_t)pages.ms_psize;
  return rc;
}

/* Fills a file that has lost its end with zeros, so that LMDB finds a damaged page there. Reading behind the end of the file
 * would end the process. A shorter file may be sound: pages that one transaction took and freed are never written. */
static int fill_up(MDB_env *mdb) {
  MDB_txn *txn;
  struct stat data;
  mdb_filehandle_t file;
  off_t size = 0;
  int rc = mdb_env_get_fd(mdb, &file);
  if (rc == 0)
    rc = size_of(mdb, &size);
  if (rc == 0 && fstat(file, &data) != 0)
    rc = errno;
  if (rc != 0 || data.st_size >= size)
    return rc;
  if ((rc = mdb_txn_begin(mdb, NULL, 0, &txn)) != 0) /* no other writer may change it meanwhile */
    return rc;
  rc = size_of(mdb, &size);
  if (rc == 0 && fstat(file, &data) == 0 && data.st_size < size && ftruncate(file, size) != 0)
    rc = errno;
  mdb_txn_abort(txn);
  return rc;
}

/* Makes LMDB's lock file before LMDB does. Closing it drops no lock, since this process does not have it open yet (the registry
 * is locked). */
static lc_status prepare_lock(const char *path, lc_part part, unsigned readers, lc_error *error) {
  enum { HEAD = 4096, SLOT = 64 }; /* at least what LMDB uses for its mutexes, and for a reader */
  char name[32];
  int file;
  snprintf(name, sizeof name, "%s-lock", lc_part_files[part]);
  lc_status status = lc_lock_open(path, name, lc_part_files[part], HEAD + (size_t)readers * SLOT, &file, error);
  if (status == LC_OK)
    close(file);
  return status;
}

static int open_file(const char *file, lc_part part, const lc_env_options *options, unsigned readers, MDB_env **out) {
  MDB_env *mdb;
  int rc = mdb_env_create(&mdb);
  if (rc != 0)
    return rc;
  if ((rc = mdb_env_set_mapsize(mdb, map_size(part, options))) != 0
      || (rc = mdb_env_set_maxreaders(mdb, readers)) != 0
      || (rc = mdb_env_set_maxdbs(mdb, LC_TABLES)) != 0
      || (rc = mdb_env_open(mdb, file, MDB_NOSUBDIR | MDB_NOTLS, 0640)) != 0 || (rc = fill_up(mdb)) != 0) {
    mdb_env_close(mdb);
    return rc;
  }
  int dead;
  mdb_reader_check(mdb, &dead);
  *out = mdb;
  return 0;
}

static lc_status open_part(lc_env *env, lc_part part, const char *path, const lc_env_options *options, lc_error *error) {
  char file[PATH_SIZE];
  unsigned readers = options->max_readers != 0 ? options->max_readers : DEFAULT_READERS;
  lc_status status = prepare_lock(path, part, readers, error);
  if (status != LC_OK)
    return status;
  snprintf(file, sizeof file, "%s/%s", path, lc_part_files[part]);
  int rc = open_file(file, part, options, readers, &env->parts[part]);
  return rc == 0 ? LC_OK : lc_fail(error, status_of(NULL, rc), "cannot open %s: %s", file, mdb_strerror(rc));
}

static int end_txn(MDB_txn *txn, int rc) {
  if (rc == 0)
    return mdb_txn_commit(txn);
  mdb_txn_abort(txn);
  return rc;
}

static int open_tables_with(lc_env *env, lc_part part, unsigned txn_flags, unsigned flags) {
  MDB_txn *txn;
  int rc = mdb_txn_begin(env->parts[part], NULL, txn_flags, &txn);
  if (rc != 0)
    return rc;
  for (int i = 0; i < LC_TABLES && rc == 0; i++)
    if (tables[i].part == part)
      rc = mdb_dbi_open(txn, tables[i].name, flags, &env->tables[i]);
  return end_txn(txn, rc);
}

/* Writes only to a store that lacks a table: a new one, or one of an older leadcat. */
static int open_tables(lc_env *env, lc_part part) {
  int rc = open_tables_with(env, part, MDB_RDONLY, 0);
  return rc == MDB_NOTFOUND ? open_tables_with(env, part, 0, MDB_CREATE) : rc;
}

/* Whether the watch reads what LMDB does. In another format of file, old configs might look new. */
static bool knows_newest(const lc_env *env) {
  MDB_envinfo info;
  uint64_t before = lc_watch_newest(&env->watch);
  mdb_env_info(env->parts[LC_PART_CONFIG], &info);
  return before <= info.me_last_txnid && info.me_last_txnid <= lc_watch_newest(&env->watch);
}

static int start_watch(lc_env *env) {
  MDB_stat pages;
  mdb_filehandle_t file;
  MDB_env *mdb = env->parts[LC_PART_CONFIG];
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
  for (int part = 0; part < LC_PARTS; part++)
    if (env->parts[part] != NULL)
      mdb_env_close(env->parts[part]);
  lc_epochs_free(&env->epochs);
  pthread_rwlock_destroy(&env->remap);
  free(env);
}

/* ---- files that are missing, or older than they were ------------------------------------------ */

static bool has_file(const char *path, lc_part part) {
  char file[PATH_SIZE];
  struct stat data;
  snprintf(file, sizeof file, "%s/%s", path, lc_part_files[part]);
  return stat(file, &data) == 0 && data.st_size > 0;
}

/* LMDB's lock file keeps the number of the newest commit after all have closed it; 0: it does not, or is of another form. */
static uint64_t newest_commit_known(const char *path) {
  enum { MAGIC = 0, NEWEST = 6, WORDS }; /* as LMDB 0.9 has them on 64-bit machines */
  static const uint64_t magic = UINT64_C(0x00010001beefc0de);
  uint64_t head[WORDS] = { 0 };
  char name[PATH_SIZE];
  snprintf(name, sizeof name, "%s/%s-lock", path, lc_part_files[LC_PART_JOURNAL]);
  int file = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ssize_t size = file >= 0 ? read(file, head, sizeof head) : 0;
  if (file >= 0)
    close(file);
  return size == (ssize_t)sizeof head && head[MAGIC] == magic ? head[NEWEST] : 0;
}

/* Notes whether the journal has lost commits since it was last open: an older copy has been put in its place. */
static void compare_commits(lc_env *env, uint64_t known) {
  MDB_envinfo info;
  env->went_back = mdb_env_info(env->parts[LC_PART_JOURNAL], &info) == 0 && info.me_last_txnid < known;
}

/* A store whose other file is missing was damaged, unless this one is still empty: then a process was killed while it made
 * both. */
static lc_status refuse_half(const lc_env *env, lc_part part, const char *path, lc_error *error) {
  MDB_stat names;
  if (mdb_env_stat(env->parts[part], &names) == 0 && names.ms_entries == 0)
    return LC_OK;
  return lc_fail(error, LC_CORRUPT, "%s/%s is missing or empty, but %s is there: put both files of one backup into %s", path,
                 lc_part_files[!part], lc_part_files[part], path);
}

static int sync_directory(const char *path) {
  int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = file < 0 || (fsync(file) != 0 && errno != EINVAL) ? errno : 0; /* not every file system can */
  if (file >= 0)
    close(file);
  return rc;
}

/* Opens the file first that is there, so that the other one is not made when it should have been there. */
static lc_status open_parts(lc_env *env, const char *path, const lc_env_options *options, lc_error *error) {
  lc_part first = has_file(path, LC_PART_CONFIG) ? LC_PART_CONFIG : LC_PART_JOURNAL, second = !first;
  bool is_whole = has_file(path, LC_PART_CONFIG) == has_file(path, LC_PART_JOURNAL);
  uint64_t known = newest_commit_known(path);
  lc_status status = open_part(env, first, path, options, error);
  if (status == LC_OK && !is_whole)
    status = refuse_half(env, first, path, error);
  if (status == LC_OK)
    status = open_part(env, second, path, options, error);
  if (status == LC_OK)
    compare_commits(env, known);
  return status;
}

static lc_status open_files(lc_env *env, const char *path, const lc_env_options *options, lc_error *error) {
  bool is_new = !has_file(path, LC_PART_CONFIG) || !has_file(path, LC_PART_JOURNAL);
  lc_status status = open_parts(env, path, options, error);
  if (status == LC_OK && is_new && sync_directory(path) != 0)
    return lc_fail(error, LC_IO, "cannot write %s to disk: %s", path, strerror(errno));
  for (int part = 0; part < LC_PARTS && status == LC_OK; part++) {
    int rc = open_tables(env, (lc_part)part);
    if (rc != 0)
      status = lc_fail(error, status_of(env->parts[part], rc), "cannot open %s/%s: %s", path, lc_part_files[part], mdb_strerror(rc));
  }
  return status == LC_OK ? lc_writers_open(path, options->alone, &env->writers, error) : status;
}

static lc_status open_new(const char *path, const lc_env_options *options, lc_env **out, lc_error *error) {
  lc_env *env = calloc(1, sizeof *env);
  if (env == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot open %s: out of memory", path);
  pthread_rwlock_init(&env->remap, NULL);
  lc_status status = open_files(env, path, options, error);
  if (status == LC_OK)
    status = lc_env_fail(env, LC_PART_CONFIG, start_watch(env), "cannot map the head of config.mdb", error);
  mdb_filehandle_t file;
  struct stat data;
  if (status == LC_OK && (mdb_env_get_fd(env->parts[LC_PART_CONFIG], &file) != 0 || fstat(file, &data) != 0))
    status = lc_fail(error, LC_IO, "cannot open %s: %s", path, strerror(errno));
  if (status != LC_OK) {
    destroy(env);
    return status;
  }
  env->device = data.st_dev;
  env->inode = data.st_ino;
  env->next = registry.first;
  registry.first = env;
  *out = env;
  return LC_OK;
}

static lc_env *find_open(const char *path) {
  char file[PATH_SIZE];
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
  if (status == LC_OK)
    (*out)->references++;
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

int lc_env_reader_check(lc_env *env) {
  int total = 0;
  for (int part = 0; part < LC_PARTS; part++) {
    int dead = 0;
    mdb_reader_check(env->parts[part], &dead);
    total += dead;
  }
  return total;
}

void lc_env_tell_commit(lc_env *env) {
  MDB_env *mdb = env->parts[LC_PART_CONFIG];
  MDB_txn *txn;
  if (mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn) != 0)
    return;
  bool untold = mdb_txn_id(txn) < lc_watch_newest(&env->watch);
  mdb_txn_abort(txn);
  if (!untold || lc_writers_lock(env->writers, LC_PART_CONFIG, 0, NULL) != LC_OK)
    return; /* a writer that has the lock tells it */
  if (mdb_txn_begin(mdb, NULL, 0, &txn) == 0)
    mdb_txn_abort(txn);
  lc_writers_unlock(env->writers, LC_PART_CONFIG);
}

const lc_watch *lc_env_watch(const lc_env *env) {
  return &env->watch;
}

MDB_dbi lc_env_table(const lc_env *env, lc_table table) {
  return env->tables[table];
}

const char *lc_table_name(lc_table table) {
  return tables[table].name;
}

/* Only journal.mdb is remapped while open, so only its transactions take the lock. */
MDB_env *lc_env_enter(lc_env *env, lc_part part) {
  if (part == LC_PART_JOURNAL)
    pthread_rwlock_rdlock(&env->remap);
  return env->parts[part];
}

void lc_env_leave(lc_env *env, lc_part part) {
  if (part == LC_PART_JOURNAL)
    pthread_rwlock_unlock(&env->remap);
}

/* ---- sizes ------------------------------------------------------------------------------- */

/* LMDB lists readers as lines of text below a head, or one line that there are none. */
static int count_line(const char *line, void *count) {
  int *lines = count;
  if (line[0] != '(')
    (*lines)++;
  return 0;
}

void lc_env_stat(lc_env *env, lc_part part, lc_env_stats *stats) {
  MDB_envinfo info;
  MDB_stat pages;
  int lines = 0;
  lc_env_enter(env, part);
  mdb_env_info(env->parts[part], &info);
  mdb_env_stat(env->parts[part], &pages);
  mdb_reader_list(env->parts[part], count_line, &lines);
  lc_env_leave(env, part);
  *stats = (lc_env_stats){
    .used = (uint64_t)(info.me_last_pgno + 1) * pages.ms_psize,
    .size = info.me_mapsize,
    .readers = lines > 0 ? (unsigned)lines - 1 : 0,
    .max_readers = info.me_maxreaders,
  };
}

/* Maps the file as large as it is, after another process has grown it beyond our map. */
static int adopt_map_size(lc_env *env, lc_part part) {
  if (part == LC_PART_CONFIG)
    return MDB_MAP_RESIZED;
  pthread_rwlock_wrlock(&env->remap);
  int rc = mdb_env_set_mapsize(env->parts[part], 0);
  pthread_rwlock_unlock(&env->remap);
  return rc;
}

static int begin_once(lc_env *env, lc_part part, unsigned flags, MDB_txn **txn) {
  lc_env_enter(env, part);
  int rc = *txn != NULL ? mdb_txn_renew(*txn) : mdb_txn_begin(env->parts[part], NULL, flags, txn);
  if (rc != 0)
    lc_env_leave(env, part);
  return rc;
}

static lc_status refuse_forked(const lc_env *env, lc_error *error) {
  return !lc_env_forked(env) ? LC_OK
       : lc_fail(error, LC_FORKED, "the store was opened before this process was forked: open it in the child");
}

static lc_status begin(lc_env *env, lc_part part, unsigned flags, MDB_txn **txn, lc_error *error) {
  int rc = begin_once(env, part, flags, txn);
  if (rc == MDB_READERS_FULL && lc_env_reader_check(env) > 0)
    rc = begin_once(env, part, flags, txn);
  if (rc == MDB_MAP_RESIZED && (rc = adopt_map_size(env, part)) == 0)
    rc = begin_once(env, part, flags, txn);
  return lc_env_fail(env, part, rc, "cannot begin a transaction", error);
}

lc_status lc_env_read(lc_env *env, lc_part part, MDB_txn **reader, lc_error *error) {
  lc_status status = refuse_forked(env, error);
  return status == LC_OK ? begin(env, part, MDB_RDONLY, reader, error) : status;
}

void lc_env_read_end(lc_env *env, lc_part part, MDB_txn *reader) {
  mdb_txn_reset(reader);
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

lc_status lc_env_write(lc_env *env, lc_part part, bool relaxed, MDB_txn **txn, lc_error *error) {
  *txn = NULL;
  lc_status status = refuse_forked(env, error);
  if (status == LC_OK)
    status = lc_writers_lock(env->writers, part, patience, error);
  if (status != LC_OK)
    return status;
  status = begin(env, part, 0, txn, error);
  if (status == LC_OK)
    set_durability(env->parts[part], relaxed);
  else
    lc_writers_unlock(env->writers, part);
  return status;
}

lc_status lc_env_commit(lc_env *env, lc_part part, MDB_txn *txn, lc_error *error) {
  int rc = mdb_txn_commit(txn); /* ends the transaction in any case */
  lc_env_leave(env, part);
  lc_writers_unlock(env->writers, part);
  return lc_env_fail(env, part, rc, "cannot commit", error);
}

void lc_env_abort(lc_env *env, lc_part part, MDB_txn *txn) {
  mdb_txn_abort(txn);
  lc_env_leave(env, part);
  lc_writers_unlock(env->writers, part);
}
