#define _GNU_SOURCE
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, NAME_SIZE = 64, ENTRY_SIZE = 16384 /* for the system's record of a user or group */ };

/* ---- messages -------------------------------------------------------------------------------- */

/* The user's name, or number where it has none. */
static void name_user(uid_t user, char name[NAME_SIZE]) {
  struct passwd entry, *found = NULL;
  char room[ENTRY_SIZE];
  if (getpwuid_r(user, &entry, room, sizeof room, &found) == 0 && found != NULL)
    snprintf(name, NAME_SIZE, "%s", entry.pw_name);
  else
    snprintf(name, NAME_SIZE, "%lu", (unsigned long)user);
}

/* Cuts `name` down to the innermost file or directory that can be seen. */
static bool find_seen(char name[PATH_SIZE], struct stat *data) {
  char *slash;
  while (stat(name, data) != 0 && (slash = strrchr(name, '/')) != NULL && slash != name)
    *slash = '\0';
  return stat(name, data) == 0 || stat(strcpy(name, name[0] == '/' ? "/" : "."), data) == 0;
}

static lc_status refuse_user(const char *file, int rc, lc_error *error) {
  char seen[PATH_SIZE], own[NAME_SIZE], owner[NAME_SIZE];
  struct stat data;
  snprintf(seen, sizeof seen, "%s", file);
  name_user(geteuid(), own);
  if (!find_seen(seen, &data))
    return lc_fail(error, LC_IO, "cannot open %s as user %s: %s", file, own, strerror(rc));
  name_user(data.st_uid, owner);
  if (data.st_uid == geteuid())
    return lc_fail(error, LC_IO, "cannot open %s: %s. %s has the mode %04o, which does not let its own user %s do so: chmod u+rwX "
                   "would", file, strerror(rc), seen, (unsigned)data.st_mode & 07777, own);
  return lc_fail(error, LC_IO, "cannot open %s as user %s: %s. %s belongs to user %s and has the mode %04o: run this as %s, or "
                 "let %s have the right", file, own, strerror(rc), seen, owner, (unsigned)data.st_mode & 07777, owner, own);
}

lc_status lc_refuse_access(const char *file, int rc, lc_error *error) {
  if (rc == EACCES || rc == EPERM)
    return refuse_user(file, rc, error);
  if (rc == ELOOP)
    return lc_fail(error, LC_IO, "cannot open %s: it is a symbolic link", file);
  return lc_fail(error, rc == ENOSPC || rc == EDQUOT ? LC_FULL : LC_IO, "cannot open %s: %s", file, strerror(rc));
}

int lc_may_write(const char *file) {
  return faccessat(AT_FDCWD, file, W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* ---- what is made ---------------------------------------------------------------------------- */

static int chown_like(int file, const struct stat *model) {
  struct stat own;
  if (fstat(file, &own) != 0 || (model->st_uid == own.st_uid && model->st_gid == own.st_gid))
    return 0;
  return fchown(file, model->st_uid, model->st_gid) != 0 && errno != EPERM ? errno : 0;
}

static int change_mode(int file, mode_t mode) {
  return mode != 0 && fchmod(file, mode) != 0 && errno != EPERM ? errno : 0;
}

int lc_adopt(int file, const char *model, mode_t mode) {
  struct stat data;
  if (stat(model, &data) != 0)
    return change_mode(file, mode);
  int rc = chown_like(file, &data);
  if (mode == 0 && S_ISREG(data.st_mode))
    mode = data.st_mode & 0666;
  return rc != 0 ? rc : change_mode(file, mode);
}

int lc_adopt_named(const char *file, const char *model, mode_t mode) {
  int opened = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (opened < 0)
    return errno;
  int rc = lc_adopt(opened, model, mode);
  close(opened);
  return rc;
}

mode_t lc_directory_mode(mode_t mode) {
  return mode | (mode & 0444) >> 2;
}

/* ---- giving a store away ---------------------------------------------------------------------- */

/* A text of digits as a number. */
static bool read_number(const char *text, unsigned long *number) {
  char *end;
  errno = 0;
  *number = strtoul(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number < UINT32_MAX;
}

static lc_status find_user(const char *name, uid_t *user, gid_t *group, lc_error *error) {
  struct passwd entry, *found = NULL;
  char room[ENTRY_SIZE];
  unsigned long number;
  getpwnam_r(name, &entry, room, sizeof room, &found);
  if (found == NULL && read_number(name, &number)) {
    *user = (uid_t)number;
    *group = (gid_t)number;
    getpwuid_r(*user, &entry, room, sizeof room, &found);
  } else if (found == NULL) {
    return lc_fail(error, LC_NOT_FOUND, "there is no user '%s'", name);
  }
  if (found != NULL) {
    *user = entry.pw_uid;
    *group = entry.pw_gid;
  }
  return LC_OK;
}

static lc_status find_group(const char *name, gid_t *group, lc_error *error) {
  struct group entry, *found = NULL;
  char room[ENTRY_SIZE];
  unsigned long number;
  getgrnam_r(name, &entry, room, sizeof room, &found);
  if (found == NULL && !read_number(name, &number))
    return lc_fail(error, LC_NOT_FOUND, "there is no group '%s'", name);
  *group = found != NULL ? entry.gr_gid : (gid_t)number;
  return LC_OK;
}

static lc_status may_give(uid_t user, lc_error *error) {
  char own[NAME_SIZE];
  name_user(geteuid(), own);
  return geteuid() == 0 || geteuid() == user ? LC_OK
       : lc_fail(error, LC_FORBIDDEN, "only root may give a store to another user, and this runs as %s", own);
}

lc_status lc_find_owner(const char *text, uid_t *user, gid_t *group, lc_error *error) {
  char name[NAME_SIZE];
  size_t size = strcspn(text, ":");
  if (size >= sizeof name)
    return lc_fail(error, LC_NOT_FOUND, "there is no user '%s'", text);
  memcpy(name, text, size);
  name[size] = '\0';
  lc_status status = find_user(name, user, group, error);
  if (status == LC_OK && text[size] == ':')
    status = find_group(text + size + 1, group, error);
  return status == LC_OK ? may_give(*user, error) : status;
}

static lc_status give(const char *file, uid_t user, gid_t group, lc_error *error) {
  if (lchown(file, user, group) == 0 || errno == ENOENT)
    return LC_OK;
  return lc_fail(error, errno == EPERM ? LC_FORBIDDEN : LC_IO, "cannot give %s to user %lu, group %lu: %s", file,
                 (unsigned long)user, (unsigned long)group, strerror(errno));
}

lc_status lc_give_store(const char *path, uid_t user, gid_t group, lc_error *error) {
  static const char *const files[] = { "config.mdb", "config.mdb-lock", "journal.mdb", "journal.mdb-lock", "owners.lock",
                                       "writers.lock", "reserve", "restored" };
  char name[PATH_SIZE];
  lc_status status = LC_OK;
  for (size_t i = 0; i < sizeof files / sizeof *files && status == LC_OK; i++) {
    snprintf(name, sizeof name, "%s/%s", path, files[i]);
    status = give(name, user, group, error);
  }
  return status == LC_OK ? give(path, user, group, error) : status;
}
