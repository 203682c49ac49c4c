/* Many Lua states in one process, which share a store's environment: in eight threads at once, opened and closed again and
 * again (closing a state unloads its modules, the core too), and after a fork. Built for Lua 5.4 and for LuaJIT. What the
 * states do is in states.lua; the store must be open once, however many they are. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "files.h"

#if LUA_VERSION_NUM < 502
#define MODULES "luajit"
enum { EVENTS = 2000 }; /* of each thread */
#else
#define MODULES "lua5.4"
enum { EVENTS = 10000 };
#endif

enum { THREADS = 8, STATES = 50 };

/* ---- states ------------------------------------------------------------------------------ */

/* A state with the functions of states.lua. */
static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    exit(1);
  luaL_openlibs(L);
  if (luaL_loadfile(L, "spec/c/states.lua") != 0 || lua_pcall(L, 0, 1, 0) != 0) {
    printf("%s\n", lua_tostring(L, -1));
    exit(1);
  }
  return L;
}

/* Calls a function of states.lua; -1 when it raises, which is a failure. */
static int call(lua_State *L, const char *name, const char *path, int first, int second) {
  lua_getfield(L, 1, name);
  lua_pushstring(L, path);
  lua_pushinteger(L, first);
  lua_pushinteger(L, second);
  int result = -1;
  if (CHECK(lua_pcall(L, 3, 1, 0) == 0))
    result = (int)lua_tointeger(L, -1);
  else
    printf("%s: %s\n", name, lua_tostring(L, -1));
  lua_settop(L, 1);
  return result;
}

/* Whether this many environments and owners (one for each engine) are open, of all stores. */
static bool are_open(int environments, int owners) {
  return files_open("/config.mdb-lock") == environments && files_open("/journal.mdb-lock") == environments
      && files_open("/owners.lock") == owners;
}

/* The name of a new store's directory. */
static const char *new_path(void) {
  static char paths[8][96];
  static int made;
  snprintf(paths[made], sizeof paths[made], "%s/%d", files_directory, made);
  return paths[made++];
}

/* ---- threads ----------------------------------------------------------------------------- */

typedef struct worker {
  pthread_t thread;
  const char *path;
  int number, events;
  int effects; /* out */
} worker;

static void *work(void *argument) {
  worker *w = argument;
  lua_State *L = new_state();
  w->effects = call(L, "work", w->path, w->number, w->events);
  lua_close(L);
  return NULL;
}

/* While others work, states come and go, and the store is open once. Gives how many they were. */
static int visit(const char *path, int events) {
  int visits = events / 100;
  for (int i = 0; i < visits; i++) {
    lua_State *L = new_state();
    CHECK(call(L, "visit", path, i, i % 2) == 1);
    CHECK(files_open("/config.mdb-lock") == 1 && files_open("/journal.mdb-lock") == 1);
    lua_close(L);
  }
  return visits;
}

static void test_threads(void) {
  worker workers[THREADS];
  const char *path = new_path();
  int events = times(EVENTS), effects = 0;
  lua_State *L = new_state();
  CHECK(call(L, "prepare", path, THREADS, events) == 1);
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){ .path = path, .number = i + 1, .events = events };
    CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
  }
  effects += visit(path, events);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    effects += workers[i].effects;
  }
  CHECK(effects > THREADS * events / 2);
  CHECK(call(L, "verify", path, THREADS, events) == effects);
  CHECK(are_open(1, 1));
  lua_close(L);
  CHECK(are_open(0, 0));
}

/* ---- closed and opened again ------------------------------------------------------------- */

/* A state that opens the store, handles an event, and is closed; every other one leaves the store to that. */
static void visit_once(const char *path, int number) {
  lua_State *L = new_state();
  CHECK(call(L, "visit", path, number, number % 2) == 1);
  lua_close(L);
}

static void test_beside_another(void) {
  const char *path = new_path();
  lua_State *L = new_state();
  CHECK(call(L, "prepare", path, 0, 1) == 1);
  int files = files_open("");
  for (int i = 0; i < times(STATES); i++) {
    visit_once(path, i);
    CHECK(are_open(1, 1) && files_open("") == files);
    CHECK(call(L, "visited", path, i, 0) == 1);
  }
  lua_close(L);
  CHECK(are_open(0, 0));
}

/* Whether the core is in memory, with the list of what it has open. */
static bool is_loaded(void) {
  char line[PATH_MAX + 128];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL)
    found = strstr(line, "/leadcat/core.so") != NULL;
  if (maps != NULL)
    fclose(maps);
  return found;
}

/* The last state to be closed unloads the core, or would: it stays, and is what the next one loads. */
static void test_alone(void) {
  const char *path = new_path();
  lua_State *L = new_state();
  CHECK(call(L, "prepare", path, 0, 1) == 1);
  lua_close(L);
  int files = files_open("");
  for (int i = 0; i < times(STATES); i++) {
    visit_once(path, i);
    CHECK(is_loaded() && are_open(0, 0) && files_open("") == files);
  }
}

/* Two states leave their stores to their end, the later one is closed last: what they share outlives the first. */
static void test_overlapping(void) {
  const char *path = new_path();
  lua_State *L = new_state(), *next;
  CHECK(call(L, "prepare", path, 0, 1) == 1);
  for (int i = 0; i < times(STATES); i++) {
    next = new_state();
    CHECK(call(next, "visit", path, i, 1) == 1);
    CHECK(are_open(1, 2));
    lua_close(L);
    L = next;
    CHECK(are_open(1, 1) && call(L, "visited", path, i, 0) == 1);
  }
  lua_close(L);
  CHECK(are_open(0, 0));
}

/* ---- after a fork ------------------------------------------------------------------------ */

static void in_the_child(lua_State *L, const char *path) {
  CHECK(call(L, "inherited", path, 0, 0) == 1);
  visit_once(path, 1);
  lua_close(L); /* with the inherited store in it */
  visit_once(path, 2);
  CHECK(files_open("/config.mdb-lock") == 1); /* the parent's: its own is closed */
  fflush(stdout);
}

static void test_fork(void) {
  const char *path = new_path();
  int result[2], before = checks_failed;
  char failed = 1;
  lua_State *L = new_state();
  CHECK(call(L, "prepare", path, 0, 1) == 1 && pipe(result) == 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    in_the_child(L, path);
    failed = (char)(checks_failed - before);
    if (write(result[1], &failed, 1) == 1)
      pause(); /* what it has inherited it may not free: it does not end in order */
    _exit(1);
  }
  visit_once(path, 3);
  close(result[1]);
  CHECK(read(result[0], &failed, 1) == 1 && failed == 0);
  close(result[0]);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  for (int i = 1; i <= 3; i++)
    CHECK(call(L, "visited", path, i, 0) == 1);
  CHECK(are_open(1, 1));
  lua_close(L);
}

/* Lua finds this tree's files, and the core that was built beside this program. */
static void set_paths(const char *program) {
  char path[PATH_MAX + 64];
  const char *slash = strrchr(program, '/');
  snprintf(path, sizeof path, "%.*s/../" MODULES "/?.so;;", slash != NULL ? (int)(slash - program) : 1,
           slash != NULL ? program : ".");
  setenv("LUA_PATH", "lua/?.lua;lua/?/init.lua;;", 1);
  setenv("LUA_CPATH", path, 1);
  unsetenv("LUA_PATH_5_4");
  unsetenv("LUA_CPATH_5_4");
}

int main(int count, char **arguments) {
  alarm(300);
  if (count < 1 || files_make("states") == NULL)
    return 1;
  set_paths(arguments[0]);
  TEST(test_threads());
  TEST(test_beside_another());
  TEST(test_alone());
  TEST(test_overlapping());
  TEST(test_fork());
  TEST(CHECK(files_remove(files_directory) == 0));
  return report();
}
