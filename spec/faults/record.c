/* Preloaded: records what a process does to the files below the directory RECORD, in the file RECORD_TO. Each record is a line
 * of words, the last of which is the size of the bytes that follow it, and these:
 *
 *   make FILE 0 · write FILE OFFSET SYNC SIZE BYTES · size FILE SIZE 0 · sync FILE 0          FILE: "inode" in that process
 *   enter NAME FILE 0 · leave NAME 0 · move FROM TO 0 · directory NAME 0 · names DIRECTORY 0
 *
 * Names are relative to RECORD. Lua adds `ack SIZE LINE` by opening "ack:LINE". A write with SYNC 1 is on disk when it
 * returns (O_DSYNC). What is written by way of a mapping is not recorded: leadcat and LMDB do so with lock files only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES = 1024, LINE = 4600 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bool watched[FILES], synchronous[FILES]; /* by descriptor */

static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (function == NULL)
    abort();
  return function;
}

/* The name relative to RECORD, or NULL when it is elsewhere. */
static const char *inside(const char *name) {
  const char *directory = getenv("RECORD");
  size_t size = directory == NULL ? 0 : strlen(directory);
  return size != 0 && strncmp(name, directory, size) == 0 && (name[size] == '/' || name[size] == '\0')
       ? name + size + (name[size] == '/') : NULL;
}

/* Writes a record; `list` are its bytes. */
static void note(const struct iovec *list, int n, const char *format, ...) {
  ssize_t (*real_write)(int, const void *, size_t) = next("write");
  static int to = -1;
  char line[LINE];
  size_t size = 0;
  va_list arguments;
  for (int i = 0; i < n; i++)
    size += list[i].iov_len;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 24, format, arguments);
  va_end(arguments);
  length += snprintf(line + length, 24, " %zu\n", size);
  pthread_mutex_lock(&mutex);
  if (to < 0) {
    int (*real_open)(const char *, int, ...) = next("open");
    to = real_open(getenv("RECORD_TO"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  bool done = real_write(to, line, (size_t)length) == length;
  for (int i = 0; i < n; i++)
    done = done && real_write(to, list[i].iov_base, list[i].iov_len) == (ssize_t)list[i].iov_len;
  pthread_mutex_unlock(&mutex);
  if (!done)
    abort();
}

static bool is_watched(int file) {
  return file >= 0 && file < FILES && watched[file];
}

static unsigned long inode_of(int file) {
  struct stat data;
  return fstat(file, &data) == 0 ? data.st_ino : 0;
}

int open(const char *name, int flags, ...) {
  int (*real)(const char *, int, ...) = next("open");
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  const char *own = inside(name);
  bool is_new = own != NULL && (flags & O_CREAT) != 0 && access(name, F_OK) != 0;
  int file = real(name, flags, mode);
  if (file < 0 || file >= FILES)
    return file;
  watched[file] = own != NULL;
  synchronous[file] = (flags & O_DSYNC) != 0;
  if (is_new) {
    note(NULL, 0, "make %lu", inode_of(file));
    note(NULL, 0, "enter %s %lu", own, inode_of(file));
  }
  return file;
}

int close(int file) {
  int (*real)(int) = next("close");
  if (is_watched(file))
    watched[file] = false;
  return real(file);
}

static ssize_t wrote(int file, const struct iovec *list, int n, off_t at, ssize_t size) {
  size_t asked = 0;
  for (int i = 0; i < n; i++)
    asked += list[i].iov_len;
  if (size >= 0 && (size_t)size != asked)
    abort(); /* a short write: there is no room to record in */
  if (size >= 0 && is_watched(file))
    note(list, n, "write %lu %ld %d", inode_of(file), (long)at, synchronous[file]);
  return size;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
  ssize_t (*real)(int, const void *, size_t, off_t) = next("pwrite");
  return wrote(file, &(struct iovec){ (void *)(uintptr_t)data, size }, 1, at, real(file, data, size, at));
}

ssize_t write(int file, const void *data, size_t size) {
  ssize_t (*real)(int, const void *, size_t) = next("write");
  if (!is_watched(file))
    return real(file, data, size);
  off_t at = lseek(file, 0, SEEK_CUR);
  return wrote(file, &(struct iovec){ (void *)(uintptr_t)data, size }, 1, at, real(file, data, size));
}

ssize_t writev(int file, const struct iovec *list, int n) {
  ssize_t (*real)(int, const struct iovec *, int) = next("writev");
  if (!is_watched(file))
    return real(file, list, n);
  off_t at = lseek(file, 0, SEEK_CUR);
  return wrote(file, list, n, at, real(file, list, n));
}

ssize_t pwritev(int file, const struct iovec *list, int n, off_t at) {
  ssize_t (*real)(int, const struct iovec *, int, off_t) = next("pwritev");
  return wrote(file, list, n, at, real(file, list, n, at));
}

int ftruncate(int file, off_t size) {
  int (*real)(int, off_t) = next("ftruncate");
  int rc = real(file, size);
  if (rc == 0 && is_watched(file))
    note(NULL, 0, "size %lu %ld", inode_of(file), (long)size);
  return rc;
}

static int synced(int file, int rc) {
  char link[64], name[4096];
  struct stat data;
  if (rc != 0 || !is_watched(file) || fstat(file, &data) != 0)
    return rc;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, name, sizeof name - 1);
  name[size < 0 ? 0 : size] = '\0';
  if (S_ISDIR(data.st_mode))
    note(NULL, 0, "names ./%s", inside(name));
  else
    note(NULL, 0, "sync %lu", (unsigned long)data.st_ino);
  return rc;
}

int fsync(int file) {
  int (*real)(int) = next("fsync");
  return synced(file, real(file));
}

int fdatasync(int file) {
  int (*real)(int) = next("fdatasync");
  return synced(file, real(file));
}

int mkdir(const char *name, mode_t mode) {
  int (*real)(const char *, mode_t) = next("mkdir");
  int rc = real(name, mode);
  if (rc == 0 && inside(name) != NULL)
    note(NULL, 0, "directory %s", inside(name));
  return rc;
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = next("rename");
  int rc = real(from, to);
  if (rc == 0 && inside(from) != NULL && inside(to) != NULL)
    note(NULL, 0, "move %s %s", inside(from), inside(to));
  return rc;
}

int unlink(const char *name) {
  int (*real)(const char *) = next("unlink");
  int rc = real(name);
  if (rc == 0 && inside(name) != NULL)
    note(NULL, 0, "leave %s", inside(name));
  return rc;
}

FILE *fopen(const char *name, const char *mode) {
  FILE *(*real)(const char *, const char *) = next("fopen");
  if (strncmp(name, "ack:", 4) != 0)
    return real(name, mode);
  note(&(struct iovec){ (void *)(uintptr_t)(name + 4), strlen(name + 4) }, 1, "ack");
  return NULL;
}

/* What Lua calls. */
FILE *fopen64(const char *name, const char *mode) {
  return fopen(name, mode);
}
