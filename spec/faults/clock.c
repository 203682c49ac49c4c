/* Preloaded: the process has a clock that is ahead by as many seconds as the file LEADCAT_CLOCK says (behind: below 0), at any
 * time. The file has 32 bytes: a number with spaces before it. What measures time that passes (CLOCK_MONOTONIC) stays. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 32 };

static const char *text;
static int (*real_gettime)(clockid_t, struct timespec *);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void) {
  *(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  const char *name = getenv("LEADCAT_CLOCK");
  int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return;
  void *mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED)
    text = mapped;
  close(file);
}

static time_t ahead(void) {
  char copy[SIZE + 1] = "";
  if (text != NULL)
    memcpy(copy, text, SIZE);
  return strtol(copy, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  pthread_once(&once, start);
  int result = real_gettime(clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    at->tv_sec += ahead();
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at != NULL)
    *at = now.tv_sec;
  return now.tv_sec;
}
