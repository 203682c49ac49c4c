#define _GNU_SOURCE
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

lc_status lc_random(void *bytes, size_t size, lc_error *error) {
  if (getrandom(bytes, size, 0) != (ssize_t)size) /* up to 256 bytes come whole */
    return lc_fail(error, LC_IO, "the system gives no random bytes: %s", strerror(errno));
  return LC_OK;
}

static struct flock byte_of(uint64_t token) {
  return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)token, .l_len = 1 };
}

/* Locks the byte of a fresh token. The lock belongs to the open file: unlike a POSIX lock, it survives closing another file of
 * the same inode. */
static lc_status take_token(lc_owner *owner, lc_error *error) {
  lc_status status = lc_random(&owner->token, sizeof owner->token, error);
  owner->token = (owner->token >> 2) + 1;
  struct flock lock = byte_of(owner->token);
  if (status == LC_OK && fcntl(owner->file, F_OFD_SETLK, &lock) != 0) {
    close(owner->file);
    owner->file = -1;
  }
  return status;
}

lc_status lc_owner_open(const char *path, lc_owner *owner, lc_error *error) {
  char file[4096];
  snprintf(file, sizeof file, "%s/owners.lock", path);
  owner->file = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (owner->file < 0)
    return lc_fail(error, LC_IO, "cannot open %s: %s", file, strerror(errno));
  lc_status status = take_token(owner, error);
  if (status != LC_OK)
    lc_owner_close(owner);
  return status;
}

void lc_owner_close(lc_owner *owner) {
  if (owner->file >= 0)
    close(owner->file);
  owner->file = -1;
}

bool lc_owner_alive(const lc_owner *self, uint64_t token) {
  if (token == self->token)
    return true;
  if (self->file < 0)
    return token != 0;
  struct flock lock = byte_of(token);
  return token != 0 && (fcntl(self->file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK);
}
