/* Opening, closing and upkeep of a store. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "identity.h"
#include "internal.h"
#include "mirror.h"
#include "open.h"
#include "scratch.h"
#include "store.h"
#include "transfer.h"

enum { PATH_MAX_SIZE = 4096 - 32 }; /* so that the names of its files fit */

static lc_status make_directory(const char *path, mode_t mode, lc_error *error) {
  int rc = mkdir(path, 0750) == 0 ? 0 : errno;
  if (rc == EEXIST)
    return LC_OK;
  if (rc == 0 && mode != 0 && chmod(path, lc_directory_mode(mode)) != 0)
    rc = errno;
  if (rc == 0 || rc == EACCES)
    return rc == 0 ? LC_OK : lc_refuse_access(path, rc, error);
  return lc_fail(error, rc == ENOSPC || rc == EDQUOT ? LC_FULL : LC_IO, "cannot make the directory %s: %s", path, strerror(rc));
}

static lc_status measure(const char *path, lc_error *error) {
  return strlen(path) <= PATH_MAX_SIZE ? LC_OK
       : lc_fail(error, LC_IO, "cannot open the store: its path is longer than %d bytes", PATH_MAX_SIZE);
}

static lc_status refuse_others(const lc_store *store, const char *path, bool alone, lc_error *error) {
  return !store->moves || alone ? LC_OK
       : lc_fail(error, LC_UNAVAILABLE, "%s is in use: stop all processes that have it open", path);
}

/* One process opens a store at a time, until it counts as an owner. Who moves it does not let others in. */
static lc_status open_in_turn(lc_store *store, const char *path, lc_env_options *options, lc_error *error) {
  lc_status status = lc_owner_open(path, options->mode, &store->owner, &options->alone, error);
  if (status == LC_OK)
    status = refuse_others(store, path, options->alone, error);
  if (status == LC_OK)
    status = lc_env_open(path, options, &store->env, error);
  if (status == LC_OK)
    status = lc_identify(store->env, path, error);
  if (status != LC_OK || store->moves)
    return status;
  status = lc_transfer_check(store, error);
  return status == LC_OK ? lc_owner_enter(&store->owner, error) : status;
}

/* The lock file that may not be written, of those that a reader beside writers takes; 0: all may. */
static int find_unwritable(const char *path, char name[LC_PATH_SIZE]) {
  static const char *const files[] = { "owners.lock", "config.mdb-lock", "journal.mdb-lock" };
  int rc = 0;
  for (size_t i = 0; i < sizeof files / sizeof *files && rc == 0; i++) {
    snprintf(name, LC_PATH_SIZE, "%s/%s", path, files[i]);
    rc = lc_may_write(name);
    rc = rc == ENOENT ? lc_may_write(path) : rc;
  }
  return rc;
}

static int find_unreadable(const char *path, char name[LC_PATH_SIZE]) {
  int rc = 0;
  for (int part = 0; part < LC_PARTS && rc == 0; part++) {
    snprintf(name, LC_PATH_SIZE, "%s/%s", path, lc_part_files[part]);
    rc = faccessat(AT_FDCWD, name, R_OK, AT_EACCESS) == 0 ? 0 : errno;
  }
  return rc;
}

lc_status lc_how_to_read(const char *path, lc_env_options *options, lc_error *error) {
  char name[LC_PATH_SIZE];
  lc_error why;
  *options = (lc_env_options){ .readonly = true, .unlocked = !lc_owner_lives(path) };
  int rc = find_unreadable(path, name);
  if (rc != 0 && rc != ENOENT) /* opening it says which file is missing */
    return lc_refuse_access(name, rc, error);
  rc = options->unlocked ? 0 : find_unwritable(path, name);
  if (rc == 0)
    return LC_OK;
  lc_refuse_access(name, rc, &why);
  return lc_fail(error, LC_UNAVAILABLE, "%s is in use, and to read it meanwhile takes writing to its lock files. Stop what uses "
                 "it, read a backup, or mend this: %s", path, why.message);
}

static lc_status open_to_read(lc_store *store, const char *path, lc_error *error) {
  lc_env_options options;
  lc_status status = lc_how_to_read(path, &options, error);
  if (status != LC_OK || !options.unlocked)
    return status != LC_OK ? status : open_in_turn(store, path, &options, error);
  status = lc_env_open(path, &options, &store->env, error);
  if (status == LC_OK)
    status = lc_identify(store->env, path, error);
  return status == LC_OK ? lc_transfer_check(store, error) : status;
}

static lc_status open_to_write(lc_store *store, const char *path, lc_env_options *options, lc_error *error) {
  lc_status status = make_directory(path, options->mode, error);
  return status == LC_OK ? open_in_turn(store, path, options, error) : status;
}

/* A forked child leaves the environment to its parent. Both hold the owner's lock until both have closed it. */
void lc_store_close(lc_store *store) {
  lc_error ignored;
  if (store->env != NULL && !lc_env_forked(store->env)) {
    lc_scratch_end(store);
    store->patience = 1; /* as long as marks are worth */
    lc_store_settle(store, &ignored);
    for (int part = 0; part < LC_PARTS; part++)
      lc_env_read_close(store->env, (lc_part)part, &store->readers[part]);
    lc_env_close(store->env);
  }
  lc_owner_close(&store->owner);
  lc_rules_cache_free(store->rules);
  lc_pending_free(store->pending);
  lc_rules_cache_free(store->repaired);
  free(store->result);
  free(store);
}

/* A node's copy of shared rules is no store. */
static lc_status refuse_mirror(lc_store *store, const char *path, lc_error *error) {
  lc_status status = store->shared || store->moves ? LC_NOT_FOUND : lc_store_mirror_state(store, error);
  return status == LC_NOT_FOUND ? LC_OK
       : status != LC_OK ? status
       : lc_fail(error, LC_CONFLICT, "%s mirrors a shared store: open it with `shared`", path);
}

lc_status lc_store_open(const char *path, const lc_store_options *options, lc_store **out, lc_error *error) {
  lc_env_options env = {
    .map_size = options->map_size, .max_readers = options->max_readers, .mode = (mode_t)options->mode,
  };
  lc_status status = measure(path, error);
  lc_store *store = status == LC_OK ? calloc(1, sizeof *store) : NULL;
  if (status != LC_OK)
    return status;
  if (store == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot open %s: out of memory", path);
  store->owner.file = -1;
  store->boot = lc_boot();
  store->relaxed = options->relaxed;
  store->patience = options->patience;
  store->readonly = options->readonly;
  store->shared = options->shared;
  store->moves = options->moves;
  status = store->readonly ? open_to_read(store, path, error) : open_to_write(store, path, &env, error);
  if (status == LC_OK)
    status = refuse_mirror(store, path, error);
  if (status == LC_OK)
    *out = store;
  else
    lc_store_close(store);
  return status;
}

const lc_epochs *lc_store_epochs(const lc_store *store) {
  return lc_env_epochs(store->env);
}

static lc_status check_owned(const lc_store *store, lc_error *error) {
  return !lc_env_forked(store->env) ? LC_OK
       : lc_fail(error, LC_FORKED, "the store was opened before this process was forked: open it in the child");
}

static lc_status count_unfinished(lc_store *store, uint64_t *unfinished, lc_error *error) {
  MDB_txn *txn;
  MDB_stat table;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_stat(txn, lc_env_table(store->env, LC_TABLE_APPLYING), &table);
  *unfinished = rc == 0 ? table.ms_entries : 0;
  lc_end_read(store, LC_PART_JOURNAL);
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}

lc_status lc_store_stat(lc_store *store, lc_store_stats *stats, lc_error *error) {
  lc_status status = check_owned(store, error);
  if (status != LC_OK)
    return status;
  *stats = (lc_store_stats){
    .commits = store->commits,
    .commit_seconds = store->commit_seconds,
    .commit_slowest = store->commit_slowest,
  };
  status = count_unfinished(store, &stats->unfinished, error);
  for (int part = 0; part < LC_PARTS; part++) {
    lc_env_stats env;
    lc_env_stat(store->env, (lc_part)part, &env);
    stats->map_used[part] = env.used;
    stats->map_free[part] = env.free;
    stats->behind[part] = env.behind;
    stats->map_size[part] = env.size;
    stats->readers[part] = env.readers;
    stats->max_readers = env.max_readers;
  }
  return status;
}

static lc_status probe_read(lc_store *store, lc_part part, lc_table table, lc_error *error) {
  MDB_txn *txn;
  MDB_stat pages;
  lc_status status = lc_begin_read(store, part, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_stat(txn, lc_env_table(store->env, table), &pages);
  lc_end_read(store, part);
  return lc_store_fail(store, part, rc, "cannot read the store", error);
}

static lc_status probe_write(lc_store *store, lc_error *error) {
  const double now = lc_uptime();
  lc_key key = { .size = 0 };
  MDB_txn *txn;
  lc_key_add_bytes(&key, "probe", 5);
  lc_status status = lc_env_write(store->env, LC_PART_JOURNAL, false, store->patience, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_put(store, txn, LC_TABLE_META, &key, &now, sizeof now);
  return lc_end_write(store, LC_PART_JOURNAL, txn, lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot write", error), error);
}

lc_status lc_store_probe(lc_store *store, double age, lc_error *error) {
  lc_status status = probe_read(store, LC_PART_CONFIG, LC_TABLE_CONFIGS, error);
  if (status == LC_OK)
    status = probe_read(store, LC_PART_JOURNAL, LC_TABLE_META, error);
  if (status == LC_OK && !store->readonly && lc_uptime() - lc_env_committed(store->env) >= age)
    status = probe_write(store, error);
  return status;
}

lc_status lc_store_copy(lc_store *store, const char *path, bool compact, lc_error *error) {
  lc_error ignored;
  lc_status status = check_owned(store, error);
  if (status == LC_OK)
    lc_store_settle(store, &ignored);
  return status != LC_OK ? status : lc_env_copy(store->env, path, compact, error);
}

lc_status lc_store_check_readers(lc_store *store, unsigned *freed, lc_error *error) {
  lc_status status = check_owned(store, error);
  if (status != LC_OK)
    return status;
  *freed = (unsigned)lc_env_reader_check(store->env);
  lc_env_tell_commit(store->env);
  return LC_OK;
}
