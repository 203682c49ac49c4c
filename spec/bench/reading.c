/* reading - the least that four conditions can cost in Lua 5.4: a C function that reads four facts of an event's sale by Lua's
 * API, as fast as that can be done without metamethods, and does nothing with them. It is called as a decider is. */
#include "lua/compat.h"

__attribute__((visibility("default"))) int luaopen_bench_reading(lua_State *L);

static const char *const names[] = { "amount", "type", "currency", "probability" };
enum { FACTS = sizeof names / sizeof *names, UP_ACTION = FACTS + 2, UP_REASON, UP_COUNT = UP_REASON };

/* reading(trigger, category, lead_status, event) -> "update", 2, "matched" */
static int l_reading(lua_State *L) {
  double sum = 0;
  size_t size;
  lua_pushvalue(L, lua_upvalueindex(1));
  if (l_rawget(L, 4) != LUA_TTABLE)
    return luaL_error(L, "the event has no sale");
  for (int i = 0; i < FACTS; i++) {
    lua_pushvalue(L, lua_upvalueindex(2 + i));
    if (l_rawget(L, 5) == LUA_TNUMBER)
      sum += lua_tonumber(L, -1);
    else if (lua_tolstring(L, -1, &size) != NULL)
      sum += (double)size;
  }
  lua_pushvalue(L, lua_upvalueindex(UP_ACTION));
  lua_pushinteger(L, sum > 0 ? 2 : 0);
  lua_pushvalue(L, lua_upvalueindex(UP_REASON));
  return 3;
}

int luaopen_bench_reading(lua_State *L) {
  lua_pushliteral(L, "sale");
  for (int i = 0; i < FACTS; i++)
    lua_pushstring(L, names[i]);
  lua_pushliteral(L, "update");
  lua_pushliteral(L, "matched");
  lua_pushcclosure(L, l_reading, UP_COUNT);
  return 1;
}
