/* Preloaded: makes system calls fail. Lua says which by opening a file that does not exist:
 *
 *   fault:CALL:NTH:ERRNO:COUNT   the NTH CALL from now on, and COUNT - 1 behind it, fail with ERRNO; 0: a write is short
 *   fault:struck                 opens /dev/null when that has happened
 *   fault:off                    no call fails any more */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char call[16];
static int nth, error, count;
static atomic_int seen;

static bool strikes(const char *name) {
  if (strcmp(name, call) != 0)
    return false;
  int number = atomic_fetch_add(&seen, 1) + 1;
  if (number < nth || number >= nth + count)
    return false;
  errno = error;
  return true;
}

static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (function == NULL)
    abort();
  return function;
}

FILE *fopen(const char *name, const char *mode) {
  FILE *(*real)(const char *, const char *) = next("fopen");
  if (strncmp(name, "fault:", 6) != 0)
    return strikes("fopen") ? NULL : real(name, mode);
  if (strcmp(name, "fault:struck") == 0)
    return atomic_load(&seen) >= nth && nth != 0 ? real("/dev/null", mode) : NULL;
  call[0] = '\0';
  if (sscanf(name, "fault:%15[a-z]:%d:%d:%d", call, &nth, &error, &count) == 4)
    atomic_store(&seen, 0);
  else
    call[0] = '\0';
  return NULL;
}

/* What Lua calls. */
FILE *fopen64(const char *name, const char *mode) {
  return fopen(name, mode);
}

/* CALL(type, name, parameters, arguments, result of a failure) */
#define CALL(type, name, parameters, arguments, failed) \
  type name parameters { \
    type(*real) parameters = next(#name); \
    return strikes(#name) ? (failed) : real arguments; \
  }

/* What writes may also write half of it. */
#define WRITE(name, parameters, arguments, half) \
  ssize_t name parameters { \
    ssize_t(*real) parameters = next(#name); \
    if (!strikes(#name)) \
      return real arguments; \
    return errno != 0 ? -1 : real half; \
  }

WRITE(write, (int file, const void *data, size_t size), (file, data, size), (file, data, (size + 1) / 2))
WRITE(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at), (file, data, (size + 1) / 2, at))
WRITE(writev, (int file, const struct iovec *list, int n), (file, list, n), (file, list, (n + 1) / 2))
WRITE(pwritev, (int file, const struct iovec *list, int n, off_t at), (file, list, n, at), (file, list, (n + 1) / 2, at))
CALL(ssize_t, read, (int file, void *data, size_t size), (file, data, size), -1)
CALL(ssize_t, pread, (int file, void *data, size_t size, off_t at), (file, data, size, at), -1)
CALL(int, fsync, (int file), (file), -1)
CALL(int, fdatasync, (int file), (file), -1)
CALL(int, msync, (void *at, size_t size, int flags), (at, size, flags), -1)
CALL(int, ftruncate, (int file, off_t size), (file, size), -1)
CALL(int, fallocate, (int file, int mode, off_t at, off_t size), (file, mode, at, size), -1)
CALL(void *, mmap, (void *at, size_t size, int protection, int flags, int file, off_t from),
     (at, size, protection, flags, file, from), MAP_FAILED)
CALL(int, rename, (const char *from, const char *to), (from, to), -1)
CALL(int, unlink, (const char *name), (name), -1)
CALL(int, mkdir, (const char *name, mode_t mode), (name, mode), -1)
CALL(int, fchmod, (int file, mode_t mode), (file, mode), -1)
CALL(int, stat, (const char *name, struct stat *data), (name, data), -1)
CALL(int, fstat, (int file, struct stat *data), (file, data), -1)
CALL(ssize_t, getrandom, (void *data, size_t size, unsigned flags), (data, size, flags), -1)

int open(const char *name, int flags, ...) {
  int (*real)(const char *, int, ...) = next("open");
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return strikes("open") ? -1 : real(name, flags, mode);
}

int fcntl(int file, int command, ...) {
  int (*real)(int, int, ...) = next("fcntl");
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return strikes("fcntl") ? -1 : real(file, command, argument);
}
