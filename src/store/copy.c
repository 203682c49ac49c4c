/* Copying a store while it is in use. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"

enum { PATH_SIZE = 4096 };

/* The journal first: no entry may name a config that is missing. */
static const lc_part order[LC_PARTS] = { LC_PART_JOURNAL, LC_PART_CONFIG };

static void name_copy(char name[PATH_SIZE], const char *directory, lc_part part, const char *ending) {
  snprintf(name, PATH_SIZE, "%s/%s%s", directory, lc_part_files[part], ending);
}

static lc_status fail(const lc_env *env, lc_part part, int rc, const char *name, lc_error *error) {
  char doing[PATH_SIZE + 32];
  snprintf(doing, sizeof doing, "cannot copy to %s", name);
  return lc_env_fail(env, part, rc, doing, error);
}

static lc_status refuse_existing(const char *directory, lc_error *error) {
  char name[PATH_SIZE];
  for (int part = 0; part < LC_PARTS; part++) {
    name_copy(name, directory, (lc_part)part, "");
    if (access(name, F_OK) == 0)
      return lc_fail(error, LC_CONFLICT, "%s exists already", name);
  }
  return LC_OK;
}

/* Nobody else may read it before it is whole. */
static lc_status copy_part(lc_env *env, lc_part part, const char *directory, bool compact, lc_error *error) {
  char name[PATH_SIZE];
  name_copy(name, directory, part, ".part");
  unlink(name); /* of a copy that was killed */
  int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0)
    return fail(env, part, errno, name, error);
  MDB_env *mdb = lc_env_enter(env, part);
  int rc = mdb == NULL ? MDB_PANIC : mdb_env_copyfd2(mdb, file, compact ? MDB_CP_COMPACT : 0);
  lc_env_leave(env, part);
  if (rc == 0 && (fchmod(file, 0640) != 0 || fsync(file) != 0))
    rc = errno;
  close(file);
  return rc == 0 ? LC_OK : fail(env, part, rc, name, error);
}

static lc_status name_part(const lc_env *env, lc_part part, const char *directory, lc_error *error) {
  char from[PATH_SIZE], to[PATH_SIZE];
  name_copy(from, directory, part, ".part");
  name_copy(to, directory, part, "");
  return rename(from, to) == 0 ? LC_OK : fail(env, part, errno, to, error);
}

static lc_status sync_directory(const lc_env *env, const char *directory, lc_error *error) {
  int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
  if (file < 0 || fsync(file) != 0)
    rc = errno;
  if (file >= 0)
    close(file);
  return rc == 0 ? LC_OK : fail(env, LC_PART_JOURNAL, rc, directory, error);
}

/* What lies beside the store's files belongs to the directory too: its name must be on disk. */
static lc_status sync_parent(const lc_env *env, const char *directory, lc_error *error) {
  char parent[PATH_SIZE];
  snprintf(parent, sizeof parent, "%s/..", directory);
  return sync_directory(env, parent, error);
}

static lc_status copy_all(lc_env *env, const char *directory, bool compact, lc_error *error) {
  lc_status status = LC_OK;
  for (int i = 0; i < LC_PARTS && status == LC_OK; i++)
    status = copy_part(env, order[i], directory, compact, error);
  for (int i = 0; i < LC_PARTS && status == LC_OK; i++)
    status = name_part(env, order[i], directory, error);
  if (status == LC_OK)
    status = sync_directory(env, directory, error);
  return status;
}

static void remove_copies(const char *directory, const char *ending) {
  char name[PATH_SIZE];
  for (int part = 0; part < LC_PARTS; part++) {
    name_copy(name, directory, (lc_part)part, ending);
    unlink(name);
  }
}

lc_status lc_env_copy(lc_env *env, const char *directory, bool compact, lc_error *error) {
  bool made = mkdir(directory, 0750) == 0;
  if (!made && errno != EEXIST)
    return fail(env, LC_PART_JOURNAL, errno, directory, error);
  lc_status status = refuse_existing(directory, error);
  if (status != LC_OK)
    return status;
  status = copy_all(env, directory, compact, error);
  if (status == LC_OK)
    status = lc_env_check_still(env, error);
  if (status == LC_OK && made)
    status = sync_parent(env, directory, error);
  if (status != LC_OK) {
    remove_copies(directory, ".part");
    remove_copies(directory, "");
    if (made)
      rmdir(directory);
  }
  return status;
}
