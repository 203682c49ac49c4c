/* Every allocation of a Lua state made to fail in turn, as Lua's own memerr.lua does, while leadcat is used in it: from the
 * n-th on all fail, until the operation has ended. It raises or says so; no store handle, transaction or lock is left behind
 * (another state can open and write the store), and done once more it succeeds and has had its effect once. The operations
 * are in lua_memory.lua. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "files.h"

/* ---- a state whose memory ends ----------------------------------------------------------- */

static long left = -1; /* allocations until all fail; -1: none does */
static bool has_failed;

static void *allocate(void *nothing, void *memory, size_t old, size_t new) {
  (void)nothing;
  if (new == 0) {
    free(memory);
    return NULL;
  }
  bool grows = memory == NULL || new > old;
  if (grows && left == 0) {
    has_failed = true;
    return NULL;
  }
  if (grows && left > 0)
    left--;
  return realloc(memory, new);
}

/* A state with the functions of lua_memory.lua. */
static lua_State *new_state(void) {
  lua_State *L = lua_newstate(allocate, NULL);
  if (L == NULL)
    exit(1);
  luaL_openlibs(L);
  if (luaL_loadfile(L, "spec/c/lua_memory.lua") != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK) {
    printf("%s\n", lua_tostring(L, -1));
    exit(1);
  }
  return L;
}

/* lua-cjson leaks its buffers when Lua runs out of memory while it works. It can be told from others as long as it is loaded,
 * for which a state is kept. */
static lua_State *volatile kept;
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
  return "leak:cjson";
}

static char path[96], host_path[96];

/* Calls a function while all allocations from the `nth` on fail (0: none); whether it came to its end. */
static bool run(lua_State *L, const char *name, int number, long nth) {
  lua_getfield(L, 1, name);
  lua_pushstring(L, path);
  lua_pushstring(L, host_path);
  lua_pushinteger(L, number);
  has_failed = false;
  left = nth - 1; /* -1 for none */
  int status = lua_pcall(L, 3, 0, 0);
  left = -1;
  if (status != LUA_OK && !has_failed)
    printf("%s, allocation %ld: %s\n", name, nth, lua_tostring(L, -1));
  lua_settop(L, 1);
  return status == LUA_OK;
}

/* ---- the tests --------------------------------------------------------------------------- */

static int number; /* of the try, in all of them */

/* One try. Whether memory was short in it. */
static bool try(lua_State *L, lua_State *witness, const char *operation, long nth) {
  char check_operation[32];
  snprintf(check_operation, sizeof check_operation, "check_%s", operation);
  CHECK(run(L, "begin", ++number, 0));
  bool done = run(L, operation, number, nth), failed = has_failed;
  CHECK(done || failed);
  lua_gc(L, LUA_GCCOLLECT, 0);
  CHECK(files_open("/owners.lock") == 2 && files_open("/journal.mdb-lock") == 2); /* the two that are kept open */
  CHECK(run(witness, "witness", number, 0));
  CHECK(run(L, "later", number, 0) && run(L, operation, number, 0));
  CHECK(run(L, check_operation, number, 0));
  return failed;
}

static void test_operation(lua_State *L, lua_State *witness, const char *operation) {
  int failed_before = checks_failed, stride = times(40) < 40 ? 41 : 1;
  long nth = 1;
  while (checks_failed == failed_before && try(L, witness, operation, nth))
    nth += stride;
  printf("%s: %ld allocations\n", operation, nth - 1);
}

/* Lua finds this tree's files, and the core that was built beside this program. */
static void set_paths(const char *program) {
  char modules[PATH_MAX + 64];
  const char *slash = strrchr(program, '/');
  snprintf(modules, sizeof modules, "%.*s/../lua5.4/?.so;;", slash != NULL ? (int)(slash - program) : 1,
           slash != NULL ? program : ".");
  setenv("LUA_PATH", "lua/?.lua;lua/?/init.lua;;", 1);
  setenv("LUA_CPATH", modules, 1);
  unsetenv("LUA_PATH_5_4");
  unsetenv("LUA_CPATH_5_4");
}

int main(int count, char **arguments) {
  static const char *const operations[] = { "open", "handle", "hosted", "resolve", "save" };
  alarm(300);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count < 1 || files_make("lua_memory") == NULL)
    return 1;
  set_paths(arguments[0]);
  snprintf(path, sizeof path, "%s/1", files_directory);
  snprintf(host_path, sizeof host_path, "%s/2", files_directory);
  lua_State *L = new_state(), *witness = new_state();
  kept = new_state();
  TEST(CHECK(run(L, "prepare", 0, 0)));
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
    TEST(test_operation(L, witness, operations[i]));
  lua_close(L);
  lua_close(witness);
  TEST(CHECK(files_open("/owners.lock") == 0 && files_open("/journal.mdb-lock") == 0));
  TEST(CHECK(files_remove(files_directory) == 0));
  return report();
}
