#include "lua_simulate.h"

#include <math.h>
#include <string.h>

#include "event_json.h"
#include "lua_convert.h"

static const char *const simulation_type = "leadcat.simulation";

typedef struct l_run {
  lc_simulation simulation;
  lc_batch batch;
} l_run;

enum { UP_RUN = 1, UP_RULESET, UP_COUNT = UP_RULESET }; /* the ruleset only has to stay */

static l_run *run_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(UP_RUN));
}

/* Decides what waits in the batch. */
static lc_status flush(l_run *run, lc_error *error) {
  lc_status status = lc_simulation_companies(&run->simulation, &run->batch, error);
  if (status == LC_OK)
    lc_simulation_run(&run->simulation, &run->batch);
  return status;
}

/* ---- events ------------------------------------------------------------------------------ */

static bool to_integer(lua_State *L, int64_t *integer) {
  const int64_t limit = INT64_C(1) << 53;
  return lua_type(L, -1) == LUA_TNUMBER && l_to_integer(L, -1, integer) && *integer > -limit && *integer < limit;
}

static void put_integer(int64_t integer, char *text, size_t *size) {
  char digits[20], *at = digits + sizeof digits;
  uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
  do {
    *--at = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (integer < 0)
    *--at = '-';
  *size = (size_t)(digits + sizeof digits - at);
  memcpy(text, at, *size);
}

/* The text by which a company is known. */
static bool to_company(lua_State *L, char *company, size_t *size) {
  int64_t integer;
  if (lua_type(L, -1) == LUA_TSTRING) {
    const char *text = lua_tolstring(L, -1, size);
    if (*size == 0 || *size > LC_COMPANY_MAX)
      return false;
    memcpy(company, text, *size);
    return true;
  }
  if (!to_integer(L, &integer))
    return false;
  put_integer(integer, company, size);
  return true;
}

static bool is_key(lua_State *L) {
  int64_t integer;
  return lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) >= 1 && lua_rawlen(L, -1) <= LC_COMPANY_MAX
                                        : to_integer(L, &integer);
}

static bool is_actor(lua_State *L) {
  if (!lua_istable(L, -1) || lua_getmetatable(L, -1))
    return false;
  lua_pushliteral(L, "id");
  lua_rawget(L, -2);
  bool fits = lua_isnil(L, -1) || is_key(L);
  lua_pop(L, 1);
  return fits;
}

static bool to_trigger(lua_State *L, int *trigger) {
  size_t size;
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  *trigger = name != NULL ? lc_trigger_of(name, size) : -1;
  return *trigger >= 0;
}

/* An id, or `impossible` for an integer that can be none. */
static bool to_id(lua_State *L, int32_t *id, int32_t impossible) {
  int64_t integer;
  if (!to_integer(L, &integer))
    return false;
  *id = integer > 0 && integer <= INT32_MAX ? (int32_t)integer : impossible;
  return true;
}

/* Takes one field, whose value is on top. False when it is not plainly right. */
static bool take(lua_State *L, const char *name, size_t size, lc_event *event) {
#define IS(literal) (size == sizeof literal - 1 && memcmp(name, literal, sizeof literal - 1) == 0)
  int64_t integer;
  if (IS("trigger"))
    return to_trigger(L, &event->trigger);
  if (IS("company"))
    return to_company(L, event->company, &event->company_size);
  if (IS("category"))
    return to_id(L, &event->category, LC_CATEGORY_IMPOSSIBLE);
  if (IS("lead_status"))
    return to_id(L, &event->lead_status, 0);
  if (IS("id"))
    return is_key(L);
  if (IS("at"))
    return lua_type(L, -1) == LUA_TNUMBER && isfinite(lua_tonumber(L, -1));
  if (IS("choice"))
    return to_integer(L, &integer) || (lua_isboolean(L, -1) && !lua_toboolean(L, -1));
  if (IS("contact") || IS("sale"))
    return lua_istable(L, -1);
  return !IS("actor") || is_actor(L);
#undef IS
}

/* Reads the event at index 1. False when it is not plainly right. */
static bool read_event(lua_State *L, lc_event *event) {
  if (!lua_istable(L, 1) || lua_getmetatable(L, 1))
    return false;
  event->trigger = -1;
  event->category = LC_CATEGORY_ABSENT;
  event->lead_status = 0;
  event->company_size = 0;
  for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
    size_t size;
    if (lua_type(L, -2) == LUA_TSTRING) { /* a number as key must not be converted */
      const char *name = lua_tolstring(L, -2, &size);
      if (!take(L, name, size, event))
        return false;
    }
  }
  return event->trigger >= 0 && event->company_size != 0;
}

static lc_status add(l_run *run, const lc_event *event, lc_error *error) {
  lc_status status = lc_batch_full(&run->batch) ? flush(run, error) : LC_OK;
  if (status == LC_OK)
    lc_batch_add(&run->batch, (lc_trigger)event->trigger, event->company, event->company_size, event->category,
                 event->lead_status);
  return status;
}

static int l_add(lua_State *L) {
  lc_event event;
  lc_error error;
  lua_settop(L, 1);
  bool right = read_event(L, &event);
  lc_status status = right ? add(run_of(L), &event, &error) : LC_OK;
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushboolean(L, right);
  return 1;
}

static int l_add_lines(lua_State *L) {
  size_t size;
  lc_event event;
  const char *text = luaL_checklstring(L, 1, &size), *end;
  int32_t from = l_check_id(L, 2), most = l_check_id(L, 3), count = 0;
  luaL_argcheck(L, (size_t)from <= size + 1, 2, "beyond the text");
  const char *at = text + from - 1;
  while (count < most && (end = memchr(at, '\n', (size_t)(text + size - at))) != NULL && lc_event_read(at, &event)
         && add(run_of(L), &event, NULL) == LC_OK) {
    at = end + 1;
    count++;
  }
  lua_pushinteger(L, (lua_Integer)(at - text) + 1);
  lua_pushinteger(L, count);
  return 2;
}

/* ---- results ----------------------------------------------------------------------------- */

static void push_outcomes(lua_State *L, const lc_simulation *simulation) {
  lua_newtable(L);
  for (int trigger = 0; trigger < LC_TRIGGERS; trigger++) {
    int counted = 0;
    lua_newtable(L);
    for (int outcome = 0; outcome < LC_OUTCOMES; outcome++) {
      if (simulation->counts[trigger][outcome] == 0)
        continue;
      l_push_number(L, (double)simulation->counts[trigger][outcome]);
      lua_setfield(L, -2, lc_outcome_name(outcome));
      counted++;
    }
    if (counted != 0)
      lua_setfield(L, -2, lc_trigger_names[trigger]);
    else
      lua_pop(L, 1);
  }
}

static void push_categories(lua_State *L, const lc_simulation *simulation) {
  lua_newtable(L);
  for (uint32_t i = 0; i < simulation->company_count; i++) {
    if (simulation->categories[i] <= 0)
      continue;
    lua_rawgeti(L, -1, simulation->categories[i]);
    l_push_number(L, lua_tonumber(L, -1) + 1);
    lua_rawseti(L, -3, simulation->categories[i]);
    lua_pop(L, 1);
  }
}

static int l_finish(lua_State *L) {
  lc_error error;
  l_run *run = run_of(L);
  lc_status status = flush(run, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  push_outcomes(L, &run->simulation);
  push_categories(L, &run->simulation);
  lua_pushinteger(L, (lua_Integer)run->simulation.company_count);
  return 3;
}

/* ---- life -------------------------------------------------------------------------------- */

static int l_run_gc(lua_State *L) {
  lc_simulation_free(&((l_run *)luaL_checkudata(L, 1, simulation_type))->simulation);
  return 0;
}

static l_run *push_run(lua_State *L) {
  l_run *run = lua_newuserdata(L, sizeof *run);
  memset(run, 0, sizeof *run);
  luaL_getmetatable(L, simulation_type);
  lua_setmetatable(L, -2);
  return run;
}

/* With the ruleset at 2 and the run at 3. */
static void push_method(lua_State *L, lua_CFunction function) {
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, function, UP_COUNT);
}

int l_simulation(lua_State *L) {
  lc_error error;
  int32_t start = lua_isnoneornil(L, 2) ? LC_CATEGORY_ABSENT : l_check_id(L, 2);
  lua_settop(L, 1);
  const lc_ruleset *ruleset = l_push_ruleset(L, 1, 0);
  l_run *run = push_run(L);
  lc_status status = lc_simulation_init(&run->simulation, ruleset, start, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  push_method(L, l_add);
  push_method(L, l_add_lines);
  push_method(L, l_finish);
  return 3;
}

void l_simulate_register(lua_State *L) {
  luaL_newmetatable(L, simulation_type);
  lua_pushcfunction(L, l_run_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
