#include "lua_simulate.h"

#include <string.h>

#include "event_json.h"
#include "lua_convert.h"
#include "lua_event.h"

static const char *const simulation_type = "leadcat.simulation";

typedef struct l_run {
  lc_simulation simulation;
  lc_batch batch;
} l_run;

_Static_assert((int)L_NO_ID == (int)LC_CATEGORY_IMPOSSIBLE && LC_CATEGORY_ABSENT == 0, "categories of l_event, as they are");

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

static lc_status add(l_run *run, lc_trigger trigger, lc_text company, int32_t category, int32_t lead_status, lc_error *error) {
  lc_status status = lc_batch_full(&run->batch) ? flush(run, error) : LC_OK;
  if (status == LC_OK)
    lc_batch_add(&run->batch, trigger, company.data, company.size, category, lead_status);
  return status;
}

static int l_add(lua_State *L) {
  l_event event;
  lc_error error;
  lc_status status = LC_OK;
  lua_settop(L, 1);
  bool right = l_to_event(L, 1, &event);
  if (right)
    status = add(run_of(L), event.trigger, event.company.text, event.category, event.lead_status, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_pushboolean(L, right);
  return 1;
}

static lc_status add_line(l_run *run, const lc_event *event) {
  return add(run, (lc_trigger)event->trigger, (lc_text){ event->company, event->company_size }, event->category,
             event->lead_status, NULL);
}

static int l_add_lines(lua_State *L) {
  size_t size;
  lc_event event;
  const char *text = luaL_checklstring(L, 1, &size), *end;
  int32_t from = l_check_id(L, 2), most = l_check_id(L, 3), count = 0;
  luaL_argcheck(L, (size_t)from <= size + 1, 2, "beyond the text");
  const char *at = text + from - 1;
  while (count < most && (end = memchr(at, '\n', (size_t)(text + size - at))) != NULL && lc_event_read(at, &event)
         && add_line(run_of(L), &event) == LC_OK) {
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
  for (uint32_t i = 0; i < simulation->companies.count; i++) {
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
  lua_pushinteger(L, (lua_Integer)run->simulation.companies.count);
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
