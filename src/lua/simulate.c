#include "simulate.h"

#include <math.h>
#include <string.h>

#include "event.h"
#include "facts.h"
#include "rules/event_json.h"
#include "rules/simulate.h"
#include "store/owner.h"

static const char *const simulation_type = "leadcat.simulation";

typedef struct l_simulator {
  lc_simulation simulation;
  lc_columns columns;
  l_fields fields[LC_SIDES]; /* of the rulesets */
  bool has_fields;           /* one has some */
  const lc_triggers *triggers; /* the own ones that events may name */
  bool closed; /* it has ended, or was collected, or is at work while a finalizer runs */
} l_simulator;

/* For a comparison, Lua keeps the events that wait, by their places in the columns, and the examples, which show a
 * change. The rulesets only have to stay alive. */
enum { UP_SIMULATOR = 1, UP_EVENTS, UP_EXAMPLES, UP_RULESETS, UP_NAMES = UP_RULESETS + LC_SIDES,
       UP_TRIGGERS = UP_NAMES + LC_SIDES * L_NAMES_MAX, UP_COUNT = UP_TRIGGERS };

static l_simulator *check_open(lua_State *L) {
  l_simulator *simulator = lua_touserdata(L, lua_upvalueindex(UP_SIMULATOR));
  if (simulator->closed)
    luaL_error(L, "the simulation is closed");
  return simulator;
}

static void set_id(lua_State *L, int key, int32_t id) {
  if (id > 0) {
    lua_pushinteger(L, id);
    lua_rawseti(L, -2, key);
  }
}

/* Sets `made` and the side's number to what it could have taken back, {from, to}, if that is something. */
static void set_made(lua_State *L, int side, lc_move made) {
  static const char *const names[LC_SIDES] = { "made_1", "made_2" };
  if (made.from == made.to)
    return;
  lua_createtable(L, 0, 2);
  l_set_id(L, "from", made.from);
  l_set_id(L, "to", made.to);
  lua_setfield(L, -2, names[side]);
}

/* Keeps the events that show a change, as {event, change, [side] = category, made_1, made_2}. */
static void keep_examples(lua_State *L, const lc_simulation *simulation) {
  for (uint32_t i = 0; i < simulation->example_count; i++) {
    const lc_example *example = &simulation->examples[i];
    lua_createtable(L, LC_SIDES, 2);
    lua_rawgeti(L, lua_upvalueindex(UP_EVENTS), (int)example->event);
    lua_setfield(L, -2, "event");
    l_set_integer(L, "change", example->change + 1);
    for (int side = 0; side < LC_SIDES; side++) {
      set_id(L, side + 1, example->category[side]);
      set_made(L, side, example->made[side]);
    }
    lua_rawseti(L, lua_upvalueindex(UP_EXAMPLES), (int)lua_rawlen(L, lua_upvalueindex(UP_EXAMPLES)) + 1);
  }
}

/* Decides what waits in the columns. An error leaves it closed. */
static lc_status flush(lua_State *L, l_simulator *simulator, lc_error *error) {
  lc_status status = lc_simulation_companies(&simulator->simulation, &simulator->columns, error);
  if (status == LC_OK)
    status = lc_simulation_run(&simulator->simulation, &simulator->columns, error);
  simulator->closed = true;
  if (status == LC_OK)
    keep_examples(L, &simulator->simulation);
  simulator->closed = false;
  return status;
}

/* ---- events ------------------------------------------------------------------------------ */

/* Makes room for an event, before it is read: that may run a finalizer. */
static lc_status make_room(lua_State *L, l_simulator *simulator, lc_error *error) {
  return lc_columns_full(&simulator->columns) ? flush(L, simulator, error) : LC_OK;
}

/* Adds what the rules want to know of the event at 1, which has the next place in the columns. */
static lc_status add_facts(lua_State *L, l_simulator *simulator, lc_trigger trigger, lc_error *error) {
  lc_columns *columns = &simulator->columns;
  lc_status status = LC_OK;
  bool misses;
  for (int i = 0; i < simulator->simulation.side_count && status == LC_OK; i++) {
    const l_reading reading = { &simulator->fields[i], trigger, lua_upvalueindex(UP_NAMES + i * L_NAMES_MAX), 1, 0 };
    status = l_read_facts(L, &reading, &columns->known[i], &columns->first[i][columns->count], &misses, error);
  }
  return status;
}

/* Adds the sale of the event at 1, which has the next place in the columns. */
static lc_status add_sale(lua_State *L, l_simulator *simulator, l_event *event, lc_error *error) {
  l_event_sale(L, 1, event);
  return lc_simulation_sale(&simulator->simulation, event->sale, &simulator->columns.sale[simulator->columns.count], error);
}

static int l_add(lua_State *L) {
  l_event event;
  lc_error error;
  lua_settop(L, 2);
  l_simulator *simulator = check_open(L);
  lc_status status = make_room(L, simulator, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  if (!l_to_event(L, 1, simulator->triggers, &event)) {
    lua_pushboolean(L, false);
    return 1;
  }
  if (simulator->has_fields)
    status = add_facts(L, simulator, event.facts.trigger, &error);
  if (status == LC_OK && lc_simulation_takes_back(&simulator->simulation))
    status = add_sale(L, simulator, &event, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lc_columns_add(&simulator->columns, &event.facts, event.company);
  if (simulator->simulation.side_count == LC_SIDES) {
    lua_pushvalue(L, lua_isnil(L, 2) ? 1 : 2);
    lua_rawseti(L, lua_upvalueindex(UP_EVENTS), (int)simulator->columns.count - 1);
  }
  lua_pushboolean(L, true);
  return 1;
}

static int l_add_lines(lua_State *L) {
  size_t size;
  lc_event event;
  const char *text = luaL_checklstring(L, 1, &size), *end;
  int32_t from = l_check_id(L, 2), most = l_check_id(L, 3), count = 0;
  double latest = luaL_optnumber(L, 4, -HUGE_VAL);
  luaL_argcheck(L, (size_t)from <= size + 1, 2, "beyond the text");
  l_simulator *simulator = check_open(L);
  luaL_argcheck(L, simulator->simulation.side_count == 1, 1, "a comparison shows events, not lines");
  const char *at = text + from - 1;
  if (simulator->has_fields || lc_simulation_takes_back(&simulator->simulation)) /* which lc_event_read does not read */
    most = 0;
  while (count < most && (end = memchr(at, '\n', (size_t)(text + size - at))) != NULL
         && lc_event_read(at, simulator->triggers, &event) && !(event.at < latest)
         && make_room(L, simulator, NULL) == LC_OK) {
    lc_columns_add(&simulator->columns, &event.facts, event.company);
    latest = event.at > latest ? event.at : latest;
    at = end + 1;
    count++;
  }
  lua_pushinteger(L, (lua_Integer)(at - text) + 1);
  lua_pushinteger(L, count);
  lua_pushnumber(L, latest);
  return 3;
}

/* ---- results ----------------------------------------------------------------------------- */

static void push_outcomes(lua_State *L, const lc_side *side, const lc_triggers *own) {
  lua_newtable(L);
  for (uint32_t trigger = 0; trigger < LC_TRIGGER_NUMBERS; trigger++) {
    int counted = 0;
    lua_newtable(L);
    for (int outcome = 0; outcome < LC_OUTCOMES; outcome++) {
      if (side->counts[trigger][outcome] == 0)
        continue;
      l_set_integer(L, lc_outcome_name(outcome), (int64_t)side->counts[trigger][outcome]);
      counted++;
    }
    if (counted != 0)
      lua_setfield(L, -2, lc_trigger_name_of(own, trigger));
    else
      lua_pop(L, 1);
  }
}

static void push_journey(lua_State *L, const void *bytes, const lc_triggers *own) {
  lc_journey journey;
  (void)own;
  memcpy(&journey, bytes, sizeof journey);
  lua_createtable(L, LC_SIDES, 2);
  for (int i = 0; i < LC_SIDES; i++)
    set_id(L, i + 1, journey.end[i]);
  l_set_id(L, "start", journey.start);
}

static void push_change(lua_State *L, const void *bytes, const lc_triggers *own) {
  lc_change change;
  memcpy(&change, bytes, sizeof change);
  lua_createtable(L, LC_SIDES, 2);
  l_set_string(L, "trigger", lc_trigger_name_of(own, (uint32_t)change.trigger));
  for (int i = 0; i < LC_SIDES; i++) {
    lua_createtable(L, 0, 2);
    l_set_string(L, "outcome", lc_outcome_name(change.outcome[i]));
    l_set_id(L, "to", change.to[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

typedef void push_kind(lua_State *L, const void *bytes, const lc_triggers *own);

/* Sets the field `name` to a list of what was counted, each with its count as `counted`. */
static void set_tally(lua_State *L, const char *name, const lc_tally *tally, push_kind *push,
                      const char *counted, const lc_triggers *own) {
  size_t at = 0, size;
  const char *bytes;
  lua_newtable(L);
  for (int i = 0; (bytes = lc_texts_next(&tally->kinds, &at, &size)) != NULL; i++) {
    push(L, bytes, own);
    l_set_integer(L, counted, (int64_t)tally->counts[i].count);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

/* The first companies that end in another category on the second side, at most `limit`. */
static void set_moved(lua_State *L, const lc_simulation *simulation, double limit) {
  size_t at = 0;
  lc_text text;
  int count = 0;
  lua_newtable(L);
  const lc_texts *companies = &simulation->companies;
  for (uint32_t i = 0; count < limit && (text.data = lc_texts_next(companies, &at, &text.size)) != NULL; i++) {
    const lc_journey journey = lc_simulation_journey(simulation, i);
    if (journey.end[0] == journey.end[1])
      continue;
    push_journey(L, &journey, NULL);
    l_push_company(L, (lc_company){ text, simulation->origins[i].is_integer });
    lua_setfield(L, -2, "company");
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "moved");
}

static void push_result(lua_State *L, const l_simulator *simulator, double limit) {
  const lc_simulation *simulation = &simulator->simulation;
  lua_newtable(L);
  l_set_integer(L, "companies", simulation->companies.count);
  lua_newtable(L);
  for (int i = 0; i < simulation->side_count; i++) {
    push_outcomes(L, &simulation->sides[i], simulator->triggers);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "outcomes");
  lua_newtable(L);
  for (int i = 0; i < simulation->side_count; i++) {
    lua_pushinteger(L, (lua_Integer)simulation->sides[i].scheduled);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "scheduled");
  set_tally(L, "journeys", &simulation->journeys, push_journey, "companies", NULL);
  set_tally(L, "changes", &simulation->changes, push_change, "count", simulator->triggers);
  set_moved(L, simulation, simulation->side_count == LC_SIDES ? limit : 0);
  lua_pushvalue(L, lua_upvalueindex(UP_EXAMPLES));
  lua_setfield(L, -2, "examples");
}

static int l_finish(lua_State *L) {
  lc_error error;
  l_simulator *simulator = check_open(L);
  double limit = luaL_optnumber(L, 1, 0);
  lc_status status = flush(L, simulator, &error);
  simulator->closed = true;
  if (status == LC_OK)
    status = lc_simulation_finish(&simulator->simulation, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  push_result(L, simulator, limit);
  return 1;
}

/* ---- life -------------------------------------------------------------------------------- */

static int l_simulator_gc(lua_State *L) {
  l_simulator *simulator = luaL_checkudata(L, 1, simulation_type);
  simulator->closed = true;
  lc_simulation_free(&simulator->simulation);
  lc_columns_free(&simulator->columns);
  return 0;
}

/* Pushes a function with its upvalues, which are on the stack from `first` on. */
static void push_method(lua_State *L, int first, lua_CFunction function) {
  for (int i = 0; i < UP_COUNT; i++)
    lua_pushvalue(L, first + i);
  lua_pushcclosure(L, function, UP_COUNT);
}

int l_simulation(lua_State *L) {
  lc_error error;
  uint64_t seed;
  int32_t start = lua_isnoneornil(L, 1) ? LC_CATEGORY_ABSENT : l_check_id(L, 1);
  const lc_ruleset *rulesets[LC_SIDES] = { NULL };
  lua_settop(L, 4);
  int side_count = lua_isnil(L, 3) ? 1 : 2, first = 6;
  const lc_triggers *triggers = l_push_triggers(L, 4);
  l_simulator *simulator = l_push_object(L, simulation_type, sizeof *simulator);
  lua_newtable(L);
  lua_newtable(L);
  for (int i = 0; i < side_count; i++)
    rulesets[i] = l_push_ruleset(L, 2 + i, triggers, 0);
  luaL_checkstack(L, 2 * UP_COUNT, "a simulation");
  for (int i = 0; i < side_count; i++) {
    lua_settop(L, first + UP_NAMES - 2 + i * L_NAMES_MAX);
    l_push_fields(L, rulesets[i], &simulator->fields[i]);
    simulator->has_fields |= simulator->fields[i].count != 0;
  }
  lua_settop(L, first + UP_TRIGGERS - 2);
  lua_pushvalue(L, first - 1);
  simulator->triggers = triggers;
  lc_status status = lc_random(&seed, sizeof seed, &error);
  if (status == LC_OK)
    status = lc_simulation_init(&simulator->simulation, rulesets, side_count, start, seed, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  push_method(L, first, l_add);
  push_method(L, first, l_add_lines);
  push_method(L, first, l_finish);
  return 3;
}

void l_simulate_register(lua_State *L) {
  l_new_type(L, simulation_type, l_simulator_gc);
}
