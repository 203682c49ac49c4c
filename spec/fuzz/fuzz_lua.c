/* The fuzzer of what reads clients' bytes in Lua: the function of targets.lua that LEADCAT_FUZZ names. The fuzzer sees which
 * lines of Lua follow each other, as it sees the branches of C, so it looks for inputs that reach new ones. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_leadcat_core(lua_State *L);
int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { COUNTERS = 1 << 16 };

/* libFuzzer takes what is in this section as coverage. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static lua_State *L;
static uint32_t last_line;

/* Counts a step from one line to another. A source is known by where its name is in memory, which is the same in each run
 * of an input. */
static void count_line(lua_State *state, lua_Debug *line) {
  lua_getinfo(state, "S", line);
  uint32_t here = ((uint32_t)((uintptr_t)line->source >> 4) * 2654435769U) ^ ((uint32_t)line->currentline * 40503U);
  uint8_t *counter = &counters[(here ^ last_line) % COUNTERS];
  *counter = (uint8_t)(*counter + (*counter < 255));
  last_line = here >> 1;
}

static int add_traceback(lua_State *state) {
  luaL_traceback(state, state, luaL_tolstring(state, 1, NULL), 1);
  return 1;
}

static void must(int status) {
  if (status == LUA_OK)
    return;
  fprintf(stderr, "broken: %s\n", lua_tostring(L, -1));
  abort();
}

/* Leaves the target on the stack, above the function for tracebacks. */
int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count;
  (void)arguments;
  const char *name = getenv("LEADCAT_FUZZ"), *directory = getenv("LEADCAT_FUZZ_DIRECTORY");
  if (name == NULL || directory == NULL) {
    fprintf(stderr, "LEADCAT_FUZZ names the target, LEADCAT_FUZZ_DIRECTORY a directory for stores\n");
    exit(1);
  }
  L = luaL_newstate();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_leadcat_core);
  lua_setfield(L, -2, "leadcat.core");
  lua_settop(L, 0);
  lua_pushcfunction(L, add_traceback);
  must(luaL_loadfile(L, "spec/fuzz/targets.lua"));
  must(lua_pcall(L, 0, 1, 1));
  lua_getfield(L, -1, "new");
  lua_pushstring(L, directory);
  must(lua_pcall(L, 1, 1, 1));
  lua_getfield(L, -1, name);
  lua_replace(L, 2);
  lua_settop(L, 2);
  lua_sethook(L, count_line, LUA_MASKLINE, 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  last_line = 0;
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)bytes, size);
  must(lua_pcall(L, 1, 0, 1));
  return 0;
}
