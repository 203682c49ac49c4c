/* empty - the least that a decision can cost: C functions that do nothing, called as a decider is, with three arguments and three
 * results, and through the FFI. */
#include "lua/compat.h"

__attribute__((visibility("default"))) int luaopen_bench_empty(lua_State *L);
__attribute__((visibility("default"))) int bench_empty(const char *trigger, int category, int lead_status);

int bench_empty(const char *trigger, int category, int lead_status) {
  (void)trigger, (void)category, (void)lead_status;
  return 0;
}

/* empty(trigger, category, lead_status) -> "none", 5, "matched" */
static int l_empty(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushinteger(L, 5);
  lua_pushvalue(L, lua_upvalueindex(2));
  return 3;
}

int luaopen_bench_empty(lua_State *L) {
  lua_pushliteral(L, "none");
  lua_pushliteral(L, "matched");
  lua_pushcclosure(L, l_empty, 2);
  return 1;
}
