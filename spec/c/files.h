/* files.h - directories for stores of C tests, and which files of them this process has open. */
#ifndef LC_FILES_H
#define LC_FILES_H

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char files_directory[64];

/* Makes the directory of this program's stores: in memory where there is such a file system, since these tests commit much
 * and none of them loses power. */
static inline const char *files_make(const char *name) {
  snprintf(files_directory, sizeof files_directory, "%s/leadcat_%s_XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
           name);
  return mkdtemp(files_directory);
}

/* Removes a directory with all that is in it. */
static inline int files_remove(const char *directory) {
  char command[256];
  snprintf(command, sizeof command, "rm -rf '%s'", directory);
  return system(command);
}

/* How many open files of this process have names that end so; -1 when that cannot be seen. */
static inline int files_open(const char *ending) {
  DIR *list = opendir("/proc/self/fd");
  if (list == NULL)
    return -1;
  int count = 0;
  for (struct dirent *item = readdir(list); item != NULL; item = readdir(list)) {
    char target[PATH_MAX];
    ssize_t size = readlinkat(dirfd(list), item->d_name, target, sizeof target - 1);
    if (size < 0)
      continue; /* "." and ".." */
    target[size] = '\0';
    size_t length = strlen(ending);
    count += (size_t)size >= length && strcmp(target + (size_t)size - length, ending) == 0;
  }
  closedir(list);
  return count;
}

#endif
