/* arguments - the least that a decision can cost in Lua: a C function that takes its state and reads its three arguments by Lua's
 * API, each as an id or a name must be read, decides nothing, and has three results. It is called as a decider is. */
#include "lua/compat.h"

__attribute__((visibility("default"))) int luaopen_bench_arguments(lua_State *L);

enum { UP_STATE = 1, UP_ACTION, UP_REASON, UP_COUNT = UP_REASON };

/* An id; 0 for nil. Lua would convert "5". */
static int64_t id_of(lua_State *L, int argument) {
  int64_t id = 0;
  if (lua_type(L, argument) == LUA_TNUMBER)
    l_to_integer(L, argument, &id);
  return id;
}

/* arguments(trigger, category, lead_status) -> "update", 2, "matched" */
static int l_arguments(lua_State *L) {
  const int64_t *state = lua_touserdata(L, lua_upvalueindex(UP_STATE));
  const char *trigger = lua_tolstring(L, 1, NULL);
  int64_t found = trigger != NULL ? id_of(L, 2) + id_of(L, 3) : 0;
  lua_pushvalue(L, lua_upvalueindex(UP_ACTION));
  lua_pushinteger(L, (lua_Integer)(found > 0 ? *state : 0));
  lua_pushvalue(L, lua_upvalueindex(UP_REASON));
  return 3;
}

int luaopen_bench_arguments(lua_State *L) {
  *(int64_t *)lua_newuserdata(L, sizeof(int64_t)) = 2;
  lua_pushliteral(L, "update");
  lua_pushliteral(L, "matched");
  lua_pushcclosure(L, l_arguments, UP_COUNT);
  return 1;
}
