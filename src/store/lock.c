#define _GNU_SOURCE
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "layout.h"

enum { PATH_SIZE = 4096, PARTS = 2 };

/* ---- lock files -------------------------------------------------------------------------------- */

/* On a file system that copies what is written, room that was reserved does not help. Only btrfs knows the flag. */
static void forbid_copying(int file) {
  int flags = 0;
  if (ioctl(file, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) == 0) {
    flags |= FS_NOCOW_FL;
    (void)ioctl(file, FS_IOC_SETFLAGS, &flags);
  }
}

static int make_lock(const char *name, const char *model, mode_t mode, int *file) {
  *file = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (*file < 0)
    return errno;
  forbid_copying(*file);
  return lc_adopt(*file, model, mode);
}

/* Reserves disk for all of it: writing to a hole of a mapped file on a full disk would end the process. */
static int reserve(int file, size_t size) {
  struct stat data;
  if (fstat(file, &data) != 0)
    return errno;
  if (data.st_size > 0)
    size = (size_t)data.st_size;
  if (size == 0 || fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
    return 0;
  return errno == ENOSPC && data.st_size == 0 ? ENOSPC : 0; /* not every file system can; what is there can be used */
}

lc_status lc_lock_open(const char *path, const char *name, size_t size, mode_t mode, int *file, lc_error *error) {
  char lock[PATH_SIZE], model[PATH_SIZE];
  snprintf(lock, sizeof lock, "%s/%s", path, name);
  snprintf(model, sizeof model, "%s/%s", path, lc_part_files[LC_PART_JOURNAL]);
  int rc = make_lock(lock, access(model, F_OK) == 0 ? model : path, mode, file);
  if (rc == EEXIST && (rc = 0, *file = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW)) < 0)
    rc = errno;
  if (rc == 0)
    rc = reserve(*file, size);
  if (rc == 0)
    return LC_OK;
  if (*file >= 0)
    close(*file);
  *file = -1;
  return lc_refuse_access(lock, rc, error);
}

/* ---- the writers' lock ------------------------------------------------------------------------ */

struct lc_writers {
  pthread_mutex_t mutexes[PARTS];
  atomic_int holders[PARTS]; /* process ids, for the message; 0: nobody */
  uint64_t ready;            /* READY when the mutexes are made */
};

static const uint64_t READY = UINT64_C(0x6c63777269746572);

static int make_mutexes(lc_writers *writers) {
  pthread_mutexattr_t attributes;
  int rc = pthread_mutexattr_init(&attributes);
  if (rc != 0)
    return rc;
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  memset(writers, 0, sizeof *writers);
  for (int part = 0; part < PARTS && rc == 0; part++)
    rc = pthread_mutex_init(&writers->mutexes[part], &attributes);
  pthread_mutexattr_destroy(&attributes);
  writers->ready = rc == 0 ? READY : 0;
  return rc;
}

static int map_writers(int file, bool alone, lc_writers **out) {
  struct stat data;
  if (fstat(file, &data) != 0 || (data.st_size < (off_t)sizeof **out && ftruncate(file, sizeof **out) != 0))
    return errno;
  lc_writers *writers = mmap(NULL, sizeof *writers, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (writers == MAP_FAILED)
    return errno;
  int rc = alone || writers->ready != READY ? make_mutexes(writers) : 0;
  if (rc != 0)
    munmap(writers, sizeof *writers);
  else
    *out = writers;
  return rc;
}

lc_status lc_writers_open(const char *path, bool alone, mode_t mode, lc_writers **out, lc_error *error) {
  int file;
  lc_status status = lc_lock_open(path, "writers.lock", sizeof **out, mode, &file, error);
  if (status != LC_OK)
    return status;
  int rc = map_writers(file, alone, out);
  close(file);
  return rc == 0 ? LC_OK : lc_fail(error, LC_IO, "cannot map %s/writers.lock: %s", path, strerror(rc));
}

void lc_writers_close(lc_writers *writers) {
  munmap(writers, sizeof *writers);
}

#ifdef __SANITIZE_THREAD__ /* it does not know pthread_mutex_clocklock */
enum { WAITING = CLOCK_REALTIME };
static int lock_until(pthread_mutex_t *mutex, const struct timespec *until) {
  return pthread_mutex_timedlock(mutex, until);
}
#else
enum { WAITING = CLOCK_MONOTONIC };
static int lock_until(pthread_mutex_t *mutex, const struct timespec *until) {
  return pthread_mutex_clocklock(mutex, WAITING, until);
}
#endif

static struct timespec in_seconds(double seconds) {
  struct timespec at;
  clock_gettime(WAITING, &at);
  long nanoseconds = at.tv_nsec + (long)((seconds - (double)(time_t)seconds) * 1e9);
  at.tv_sec += (time_t)seconds + nanoseconds / 1000000000;
  at.tv_nsec = nanoseconds % 1000000000;
  return at;
}

static int wait_for(pthread_mutex_t *mutex, double seconds) {
  int rc = pthread_mutex_trylock(mutex);
  if (rc == EBUSY && seconds > 0) {
    struct timespec until = in_seconds(seconds);
    rc = lock_until(mutex, &until);
  }
  return rc == EOWNERDEAD ? pthread_mutex_consistent(mutex) : rc; /* its owner was killed: LMDB undoes what it had begun */
}

lc_status lc_writers_lock(lc_writers *writers, int part, double seconds, lc_error *error) {
  int rc = wait_for(&writers->mutexes[part], seconds);
  if (rc == 0) {
    atomic_store_explicit(&writers->holders[part], getpid(), memory_order_relaxed);
    return LC_OK;
  }
  if (rc == EBUSY || rc == ETIMEDOUT)
    return lc_fail(error, LC_LOCKED, "process %d does not end its write to the store: is it stopped?",
                   atomic_load_explicit(&writers->holders[part], memory_order_relaxed));
  return lc_fail(error, LC_IO, "cannot lock writers.lock: %s", strerror(rc));
}

void lc_writers_unlock(lc_writers *writers, int part) {
  pthread_mutex_unlock(&writers->mutexes[part]);
}
