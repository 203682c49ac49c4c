/* Opening the files of an environment. */
#define _GNU_SOURCE
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "access.h"
#include "pages.h"

enum { DEFAULT_READERS = 1024, ROOM = 1 << 20 };

static const size_t GIB = (size_t)1 << 30;

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

lc_status lc_env_status(MDB_env *mdb, int rc) {
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

const char *lc_env_why(int rc) {
  switch (rc) {
    case MDB_READERS_FULL:
      return "all reader slots are taken: open the store with a larger max_readers when all have closed it";
    case MDB_MAP_FULL:
      return "the file is as large as its map_size: open the store with a larger one";
    case MDB_VERSION_MISMATCH:
      return "its form is not that of our LMDB: another version has written it, or its heads are damaged";
    case MDB_INVALID:
      return "this is no LMDB file, or its heads are damaged";
    default:
      return mdb_strerror(rc);
  }
}

/* ---- one file ----------------------------------------------------------------------------- */

size_t lc_map_size(lc_part part, size_t wanted) {
  size_t size = wanted != 0 ? wanted : 16 * GIB;
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

static void count_problem(void *context, const char *problem) {
  (void)problem;
  ++*(unsigned *)context;
}

/* Whether a file that is shorter than LMDB takes it for has all that can be reached. */
static int check_end(const char *file, MDB_env *mdb) {
  struct stat data;
  unsigned problems = 0;
  off_t size = 0;
  int rc = size_of(mdb, &size);
  if (rc != 0 || (stat(file, &data) == 0 && data.st_size >= size))
    return rc;
  lc_pages_check(file, file, count_problem, &problems);
  return problems == 0 ? 0 : MDB_CORRUPTED;
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
static lc_status prepare_lock(const lc_env *env, lc_part part, unsigned readers, lc_error *error) {
  enum { HEAD = 4096, SLOT = 64 }; /* at least what LMDB uses for its mutexes, and for a reader */
  char name[32];
  int file;
  snprintf(name, sizeof name, "%s-lock", lc_part_files[part]);
  lc_status status = lc_lock_open(env->path, name, HEAD + (size_t)readers * SLOT, env->options.mode, &file, error);
  if (status == LC_OK)
    close(file);
  return status;
}

static unsigned reader_slots(const lc_env *env) {
  return env->options.max_readers != 0 ? env->options.max_readers : DEFAULT_READERS;
}

static unsigned flags_of(const lc_env *env) {
  return MDB_NOSUBDIR | MDB_NOTLS | (env->options.readonly ? MDB_RDONLY : 0) | (env->options.unlocked ? MDB_NOLOCK : 0);
}

static int open_file(lc_env *env, lc_part part) {
  char file[LC_PATH_SIZE];
  MDB_env *mdb;
  int rc = mdb_env_create(&mdb);
  if (rc != 0)
    return rc;
  snprintf(file, sizeof file, "%s/%s", env->path, lc_part_files[part]);
  if ((rc = mdb_env_set_mapsize(mdb, lc_map_size(part, env->options.map_size))) != 0
      || (rc = mdb_env_set_maxreaders(mdb, reader_slots(env))) != 0
      || (rc = mdb_env_set_maxdbs(mdb, LC_TABLES)) != 0
      || (rc = mdb_env_open(mdb, file, flags_of(env), 0640)) != 0
      || (rc = env->options.readonly ? check_end(file, mdb) : fill_up(mdb)) != 0) {
    mdb_env_close(mdb);
    return rc;
  }
  int dead;
  mdb_reader_check(mdb, &dead);
  env->parts[part].mdb = mdb;
  return 0;
}

static int make_empty(const lc_env *env, lc_part part, const char *name) {
  MDB_env *mdb;
  int rc = mdb_env_create(&mdb);
  if (rc != 0)
    return rc;
  if ((rc = mdb_env_set_mapsize(mdb, lc_map_size(part, env->options.map_size))) == 0
      && (rc = mdb_env_open(mdb, name, MDB_NOSUBDIR | MDB_NOLOCK, 0640)) == 0)
    rc = mdb_env_sync(mdb, 1);
  mdb_env_close(mdb);
  return rc;
}

/* Makes a file that is missing, or has nothing in it. It gets its name when both of its heads are on disk: LMDB opens no file
 * with one of them, and nobody could tell a file that was never whole from a damaged one. */
static int make_file(const lc_env *env, lc_part part) {
  char name[LC_PATH_SIZE], made[LC_PATH_SIZE];
  struct stat data;
  snprintf(name, sizeof name, "%s/%s", env->path, lc_part_files[part]);
  snprintf(made, sizeof made, "%s/%s.new", env->path, lc_part_files[part]);
  if (stat(name, &data) == 0 ? data.st_size > 0 : errno != ENOENT)
    return 0;
  unlink(made); /* of a process that was killed */
  int rc = make_empty(env, part, made);
  if (rc == 0)
    rc = lc_adopt_named(made, env->path, env->options.mode);
  if (rc == 0 && rename(made, name) != 0)
    rc = errno;
  if (rc != 0)
    unlink(made);
  return rc;
}

static lc_status fail_part(const lc_env *env, lc_part part, int rc, lc_error *error) {
  char file[LC_PATH_SIZE];
  snprintf(file, sizeof file, "%s/%s", env->path, lc_part_files[part]);
  return rc == 0 ? LC_OK
       : rc == EACCES || rc == EPERM ? lc_refuse_access(file, rc, error)
       : lc_fail(error, lc_env_status(NULL, rc), "cannot open %s: %s", file, lc_env_why(rc));
}

static lc_status open_part(lc_env *env, lc_part part, lc_error *error) {
  if (env->options.readonly)
    return fail_part(env, part, open_file(env, part), error);
  lc_status status = prepare_lock(env, part, reader_slots(env), error);
  if (status != LC_OK)
    return status;
  int rc = make_file(env, part);
  return fail_part(env, part, rc == 0 ? open_file(env, part) : rc, error);
}

static int end_txn(MDB_txn *txn, int rc) {
  if (rc == 0)
    return mdb_txn_commit(txn);
  mdb_txn_abort(txn);
  return rc;
}

/* One that is missing in a store that is only read stays 0. */
static int open_table(lc_env *env, MDB_txn *txn, lc_table table, unsigned flags) {
  int rc = mdb_dbi_open(txn, lc_table_name(table), flags, &env->tables[table]);
  return rc == MDB_NOTFOUND && env->options.readonly ? 0 : rc;
}

static int open_tables_with(lc_env *env, lc_part part, unsigned txn_flags, unsigned flags) {
  MDB_txn *txn;
  int rc = mdb_txn_begin(env->parts[part].mdb, NULL, txn_flags, &txn);
  if (rc != 0)
    return rc;
  for (int i = 0; i < LC_TABLES && rc == 0; i++)
    if (lc_table_part((lc_table)i) == part)
      rc = open_table(env, txn, (lc_table)i, flags);
  return end_txn(txn, rc);
}

/* Writes only to a store that lacks a table: a new one, or one of an older leadcat. */
static int open_tables(lc_env *env, lc_part part) {
  int rc = open_tables_with(env, part, MDB_RDONLY, 0);
  return rc == MDB_NOTFOUND ? open_tables_with(env, part, 0, MDB_CREATE) : rc;
}

/* ---- files that are missing, or older than they were ------------------------------------------ */

static bool has_file(const char *path, lc_part part) {
  char file[LC_PATH_SIZE];
  struct stat data;
  snprintf(file, sizeof file, "%s/%s", path, lc_part_files[part]);
  return stat(file, &data) == 0 && data.st_size > 0;
}

/* LMDB's lock file keeps the number of the newest commit after all have closed it; 0: it does not, or is of another form. */
static uint64_t newest_commit_known(const char *path) {
  enum { MAGIC = 0, NEWEST = 6, WORDS }; /* as LMDB 0.9 has them on 64-bit machines */
  static const uint64_t magic = UINT64_C(0x00010001beefc0de);
  uint64_t head[WORDS] = { 0 };
  char name[LC_PATH_SIZE];
  snprintf(name, sizeof name, "%s/%s-lock", path, lc_part_files[LC_PART_JOURNAL]);
  int file = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ssize_t size = file >= 0 ? read(file, head, sizeof head) : 0;
  if (file >= 0)
    close(file);
  return size == (ssize_t)sizeof head && head[MAGIC] == magic ? head[NEWEST] : 0;
}

/* A store whose other file is missing was damaged, unless this one is still empty: then a process was killed while it made
 * both. */
static lc_status refuse_half(const lc_env *env, lc_part part, lc_error *error) {
  MDB_stat names;
  if (mdb_env_stat(env->parts[part].mdb, &names) == 0 && names.ms_entries == 0)
    return LC_OK;
  return lc_fail(error, LC_CORRUPT, "%s/%s is missing or empty, but %s is there: put both files of one backup there", env->path,
                 lc_part_files[!part], lc_part_files[part]);
}

static int sync_directory(const char *path) {
  int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = file < 0 || (fsync(file) != 0 && errno != EINVAL) ? errno : 0; /* not every file system can */
  if (file >= 0)
    close(file);
  return rc;
}

/* Has the names of the files on disk, and that of their directory, which we may have made. Not everybody may read its parent. */
static int sync_names(const char *path) {
  char parent[LC_PATH_SIZE];
  int rc = sync_directory(path);
  snprintf(parent, sizeof parent, "%s/..", path);
  if (rc == 0)
    rc = sync_directory(parent);
  return rc == EACCES ? 0 : rc;
}

static const char restored[] = "restored"; /* the mark's name */

/* Leaves a mark where the journal has lost commits since it was last open: an older copy has been put in its place. LMDB forgets
 * the number that tells as soon as it opens the file, and it may do so for a check, or for a process that is killed before it
 * has begun a new epoch. */
static lc_status mark_restored(lc_env *env, lc_error *error) {
  char name[LC_PATH_SIZE];
  lc_status status = LC_OK;
  snprintf(name, sizeof name, "%s/%s", env->path, lc_part_files[LC_PART_JOURNAL]);
  uint64_t known = newest_commit_known(env->path), newest = lc_pages_newest(name);
  if (newest != 0 && newest < known) {
    int file;
    status = lc_lock_open(env->path, restored, 0, env->options.mode, &file, error);
    if (status == LC_OK)
      close(file);
    if (status == LC_OK && sync_directory(env->path) != 0)
      status = lc_fail(error, LC_IO, "cannot write %s to disk: %s", env->path, strerror(errno));
  }
  snprintf(name, sizeof name, "%s/%s", env->path, restored);
  env->went_back = access(name, F_OK) == 0;
  return status;
}

void lc_env_begun_anew(lc_env *env) {
  char name[LC_PATH_SIZE];
  snprintf(name, sizeof name, "%s/%s", env->path, restored);
  unlink(name);
  env->went_back = false;
}

/* Opens the file first that is there, so that the other one is not made when it should have been there. */
static lc_status open_parts(lc_env *env, lc_error *error) {
  const char *path = env->path;
  lc_part first = has_file(path, LC_PART_CONFIG) ? LC_PART_CONFIG : LC_PART_JOURNAL, second = !first;
  bool is_whole = has_file(path, LC_PART_CONFIG) == has_file(path, LC_PART_JOURNAL);
  lc_status status = env->options.readonly ? LC_OK : mark_restored(env, error);
  if (status == LC_OK)
    status = open_part(env, first, error);
  if (status == LC_OK && !is_whole)
    status = refuse_half(env, first, error);
  if (status == LC_OK)
    status = open_part(env, second, error);
  return status;
}

lc_status lc_open_files(lc_env *env, lc_error *error) {
  const char *path = env->path;
  bool is_new = !env->options.readonly && (!has_file(path, LC_PART_CONFIG) || !has_file(path, LC_PART_JOURNAL));
  lc_status status = open_parts(env, error);
  int rc = status == LC_OK && is_new ? sync_names(path) : 0;
  if (rc != 0)
    return lc_fail(error, LC_IO, "cannot write %s to disk: %s", path, strerror(rc));
  for (int part = 0; part < LC_PARTS && status == LC_OK; part++) {
    rc = open_tables(env, (lc_part)part);
    if (rc != 0)
      status = lc_fail(error, lc_env_status(env->parts[part].mdb, rc), "cannot open %s/%s: %s", path, lc_part_files[part],
                       lc_env_why(rc));
  }
  if (status != LC_OK || env->options.readonly)
    return status;
  return lc_writers_open(path, env->options.alone, env->options.mode, &env->writers, error);
}

/* ---- opening again ---------------------------------------------------------------------------- */

static void drop_readers(lc_opened *opened) {
  for (lc_reader *reader = opened->readers; reader != NULL; reader = reader->next) {
    mdb_txn_abort(reader->txn);
    reader->txn = NULL;
    reader->is_listed = false;
  }
  opened->readers = NULL;
}

static int open_again(lc_env *env, lc_part part) {
  lc_opened *opened = &env->parts[part];
  drop_readers(opened);
  if (opened->mdb != NULL)
    mdb_env_close(opened->mdb);
  opened->mdb = NULL;
  int rc = open_file(env, part);
  if (rc == 0 && (rc = open_tables_with(env, part, MDB_RDONLY, 0)) != 0) {
    mdb_env_close(opened->mdb);
    opened->mdb = NULL;
  }
  opened->opening += rc == 0;
  return rc;
}

int lc_reopen_part(lc_env *env, lc_part part, unsigned opening) {
  pthread_rwlock_wrlock(&env->parts[part].lock);
  int rc = env->parts[part].opening == opening ? open_again(env, part) : 0;
  pthread_rwlock_unlock(&env->parts[part].lock);
  return rc;
}

/* LMDB gives the old map up before it has the new one. */
int lc_map_part(lc_env *env, lc_part part, size_t size) {
  lc_opened *opened = &env->parts[part];
  MDB_envinfo info = { .me_mapsize = 0 };
  pthread_rwlock_wrlock(&opened->lock);
  int rc = opened->mdb != NULL ? mdb_env_info(opened->mdb, &info) : MDB_PANIC;
  if (rc == 0 && (size == 0 || size > info.me_mapsize) && (rc = mdb_env_set_mapsize(opened->mdb, size)) != 0)
    open_again(env, part);
  pthread_rwlock_unlock(&opened->lock);
  return rc;
}
