#define _GNU_SOURCE /* memfd_create, posix_spawn_file_actions_addclosefrom_np */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/clock.h"

extern char **environ;

static const char *check_word(lua_State *L, int index) {
  size_t size;
  luaL_argcheck(L, lua_type(L, index) == LUA_TSTRING, 1, "strings expected");
  const char *word = lua_tolstring(L, index, &size);
  luaL_argcheck(L, strlen(word) == size, 1, "a word has a zero byte");
  return word;
}

/* The words, which the table keeps alive; the array is a userdata on the stack. */
static char **check_argv(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t count = lua_rawlen(L, 1);
  luaL_argcheck(L, count >= 1 && count <= 1000, 1, "1 to 1000 words expected");
  char **argv = lua_newuserdata(L, (count + 1) * sizeof *argv);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    argv[i] = (char *)(uintptr_t)check_word(L, -1);
    lua_pop(L, 1);
  }
  argv[count] = NULL;
  return argv;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* A file in memory that holds the input, from its start; -1. So nobody has to write while the program reads. */
static int input_file(const char *data, size_t size) {
  int file = memfd_create("leadcat", MFD_CLOEXEC);
  size_t written = 0;
  while (file >= 0 && written < size) {
    ssize_t n = write(file, data + written, size - written);
    if (n < 0 && errno != EINTR) {
      close(file);
      return -1;
    }
    written += n > 0 ? (size_t)n : 0;
  }
  if (file >= 0)
    lseek(file, 0, SEEK_SET);
  return file;
}

static int set_files(posix_spawn_file_actions_t *files, int input) {
  int rc = posix_spawn_file_actions_adddup2(files, input, STDIN_FILENO);
  if (rc == 0)
    rc = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

/* Signals as for a new program, and a process group of its own. */
static int set_attributes(posix_spawnattr_t *attributes) {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  int rc = posix_spawnattr_setsigdefault(attributes, &all);
  if (rc == 0)
    rc = posix_spawnattr_setsigmask(attributes, &none);
  if (rc == 0)
    rc = posix_spawnattr_setpgroup(attributes, 0);
  return rc != 0 ? rc : posix_spawnattr_setflags(attributes,
    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

static int start(char **argv, int input, pid_t *id) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  int rc = posix_spawn_file_actions_init(&files);
  if (rc != 0)
    return rc;
  if ((rc = posix_spawnattr_init(&attributes)) == 0) {
    if ((rc = set_files(&files, input)) == 0 && (rc = set_attributes(&attributes)) == 0)
      rc = posix_spawnp(id, argv[0], &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&files);
  return rc;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Waits until it has ended: its status; 0 and `late` when it was killed; or -1, errno. */
static int wait_for(pid_t id, double deadline, int *status, bool *late) {
  struct timespec pause = { 0, 500000 }; /* and longer and longer, up to about 30 ms */
  pid_t ended;
  *late = false;
  while ((ended = waitpid(id, status, *late ? 0 : WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
    if (ended == 0 && lc_uptime() >= deadline) {
      kill(-id, SIGKILL);
      *late = true;
    } else if (ended == 0) {
      nanosleep(&pause, NULL);
      pause.tv_nsec += pause.tv_nsec < 30000000 ? pause.tv_nsec / 2 : 0;
    }
  }
  return ended < 0 ? -1 : 0;
}

static int fail(lua_State *L, const char *what, int number) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, strerror(number));
  return 2;
}

static int push_end(lua_State *L, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  if (WIFEXITED(status))
    lua_pushfstring(L, "it has ended with exit status %d", WEXITSTATUS(status));
  else
    lua_pushfstring(L, "signal %d has ended it", WTERMSIG(status));
  return 2;
}

int l_run_program(lua_State *L) {
  size_t size;
  const char *input = luaL_checklstring(L, 2, &size);
  double seconds = luaL_checknumber(L, 3);
  char **argv = check_argv(L);
  pid_t id;
  int status = 0;
  bool late;
  int file = input_file(input, size);
  if (file < 0)
    return fail(L, "no file for its input", errno);
  int rc = start(argv, file, &id);
  close(file);
  if (rc != 0)
    return fail(L, "it cannot be started", rc);
  if (wait_for(id, lc_uptime() + seconds, &status, &late) != 0)
    return fail(L, "its end cannot be seen", errno);
  if (!late)
    return push_end(L, status);
  lua_pushnil(L);
  lua_pushliteral(L, "it took too long, and was killed");
  return 2;
}
