#define _GNU_SOURCE
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"
#include "rules/checksum.h"

/* A token is the number of the namespaces, then SHIFT random bits. The byte at offset 0 is locked while a store is opened. */
static const char owners[] = "owners.lock";
enum { SHIFT = 32, OPENING = 0, TRIES = 500, PAUSE = 10000000 /* nanoseconds */, PATH_SIZE = 4096 };

lc_status lc_random(void *bytes, size_t size, lc_error *error) {
  if (getrandom(bytes, size, 0) != (ssize_t)size) /* up to 256 bytes come whole */
    return lc_fail(error, LC_IO, "the system gives no random bytes: %s", strerror(errno));
  return LC_OK;
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* The locks belong to the open file: unlike POSIX locks, they survive closing another file of the same inode. */
static int set_lock(int file, short type, uint64_t byte) {
  struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };
  return fcntl(file, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

static bool is_busy(int rc) {
  return rc == EAGAIN || rc == EACCES;
}

/* Whether another open file has a lock on a byte from `from` up to, but not including, `to` (0: to the end). */
static bool is_locked(int file, uint64_t from, uint64_t to) {
  off_t size = to == 0 ? 0 : (off_t)(to - from);
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)from, .l_len = size };
  return fcntl(file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static uint64_t inode_of(const char *file) {
  struct stat data;
  return stat(file, &data) == 0 ? data.st_ino : 0;
}

/* The first token of this process's namespaces, whose number has 30 bits and is not 0. */
static uint64_t first_token(void) {
  const uint64_t inodes[] = { inode_of("/proc/self/ns/pid"), inode_of("/proc/self/ns/time") };
  uint64_t number = lc_checksum(LC_CHECKSUM_START, inodes, sizeof inodes) >> 34;
  return (number == 0 ? 1 : number) << SHIFT;
}

/* ---- owners ---------------------------------------------------------------------------------- */

static lc_status await_turn(lc_owner *owner, lc_error *error) {
  const struct timespec pause = { 0, PAUSE };
  int rc = set_lock(owner->file, F_WRLCK, OPENING);
  for (int i = 0; is_busy(rc) && i < TRIES; i++) {
    nanosleep(&pause, NULL);
    rc = set_lock(owner->file, F_WRLCK, OPENING);
  }
  if (is_busy(rc))
    return lc_fail(error, LC_UNAVAILABLE, "another process has been opening the store for seconds: is it stopped?");
  if (rc != 0) { /* this file system cannot lock */
    close(owner->file);
    owner->file = -1;
  }
  return LC_OK;
}

static lc_status refuse_strangers(const lc_owner *owner, const char *path, bool *alone, lc_error *error) {
  uint64_t first = first_token(), behind = first + (UINT64_C(1) << SHIFT);
  if (is_locked(owner->file, OPENING + 1, first) || is_locked(owner->file, behind, 0))
    return lc_fail(error, LC_UNAVAILABLE, "%s is open in another container, or by an older leadcat. All processes that use a store "
                   "must share one namespace of process ids: close it there first, or start the containers with the same one", path);
  *alone = !is_locked(owner->file, first, behind);
  return LC_OK;
}

lc_status lc_owner_open(const char *path, mode_t mode, lc_owner *owner, bool *alone, lc_error *error) {
  *alone = false;
  owner->token = 0;
  lc_status status = lc_lock_open(path, owners, 0, mode, &owner->file, error);
  if (status == LC_OK)
    status = await_turn(owner, error);
  if (status == LC_OK && owner->file >= 0)
    status = refuse_strangers(owner, path, alone, error);
  if (status != LC_OK)
    lc_owner_close(owner);
  return status;
}

bool lc_owner_lives(const char *path) {
  char name[PATH_SIZE];
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  snprintf(name, sizeof name, "%s/%s", path, owners);
  int file = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0)
    return errno != ENOENT;
  bool lives = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(file);
  return lives;
}

lc_status lc_owner_enter(lc_owner *owner, lc_error *error) {
  int rc;
  do {
    uint32_t random;
    lc_status status = lc_random(&random, sizeof random, error);
    if (status != LC_OK)
      return status;
    owner->token = first_token() + random;
    rc = owner->file < 0 ? 0 : set_lock(owner->file, F_WRLCK, owner->token);
  } while (is_busy(rc)); /* another owner has this one */
  if (rc != 0)
    return lc_fail(error, LC_IO, "cannot lock owners.lock: %s", strerror(rc));
  if (owner->file >= 0)
    set_lock(owner->file, F_UNLCK, OPENING);
  return LC_OK;
}

void lc_owner_close(lc_owner *owner) {
  if (owner->file >= 0)
    close(owner->file);
  owner->file = -1;
}

bool lc_owner_alive(const lc_owner *self, uint64_t token) {
  if (token == self->token)
    return true;
  return token != 0 && (self->file < 0 || is_locked(self->file, token, token + 1));
}
