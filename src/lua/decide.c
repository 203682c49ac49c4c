#include <string.h>

#include "convert.h"
#include "rules/decide.h"
#include "store.h"

static const char *const rules_type = "leadcat.rules";

/* Where the FFI finds a decision's target: one declaration, as C and as text. */
#define ANSWER struct { int32_t to; /* the target category when matched; else 0 */ }
#define TEXT_OF(declaration) TEXT(declaration)
#define TEXT(declaration) #declaration
typedef ANSWER l_answer;

/* What a decider answers from. */
typedef struct l_rules {
  l_answer answer;           /* first: the FFI knows no more of this struct */
  lc_rules cached;           /* owned, of a store */
  bool closed;               /* it was collected: only a finalizer still has it */
  const lc_ruleset *ruleset; /* the one to use: cached.ruleset, or a fixed one kept by an upvalue */
  l_store *store;            /* NULL when fixed; kept alive by an upvalue */
  const char *triggers[LC_TRIGGERS]; /* the names as Lua's strings, kept alive by upvalues: equal ones are the same */
  size_t tenant_size;
  char tenant[LC_TENANT_MAX];
} l_rules;

/* A decider's upvalues, with names: so deciding makes no strings. */
enum {
  UP_RULES = 1, UP_ANCHOR, UP_REPAIR, UP_ACTIONS, UP_REASONS = UP_ACTIONS + LC_ACTIONS,
  UP_TRIGGERS = UP_REASONS + LC_REASONS, UP_COUNT = UP_TRIGGERS + LC_TRIGGERS - 1
};

/* Has Lua rebuild a damaged ruleset from its config; whether that was done. */
static bool repair(lua_State *L, lc_error *error) {
  lua_pushvalue(L, lua_upvalueindex(UP_REPAIR));
  lua_call(L, 0, 2);
  bool done = lua_toboolean(L, -2);
  const char *message = lua_tostring(L, -1);
  if (!done && message != NULL)
    lc_fail(error, LC_CORRUPT, "%s", message);
  lua_pop(L, 2);
  return done;
}

/* Whether `rules` has the newest ruleset of an open store, or a fixed one. */
static inline bool is_fresh(const l_rules *rules) {
  return rules->store == NULL || (rules->store->store != NULL && lc_rules_fresh(&rules->cached, rules->store->watch));
}

/* Reads the newest ruleset into `rules`. */
static lc_status refresh(lua_State *L, l_rules *rules, lc_error *error) {
  lc_text tenant = { rules->tenant, rules->tenant_size };
  if (rules->closed)
    luaL_error(L, "the decider is closed");
  lc_status status = lc_store_refresh(l_open_box(L, rules->store)->store, tenant, &rules->cached, error);
  if (status == LC_CORRUPT && repair(L, error)) /* which may close the store */
    status = lc_store_refresh(l_open_box(L, rules->store)->store, tenant, &rules->cached, error);
  rules->ruleset = rules->cached.ruleset;
  return status;
}

static lc_trigger check_trigger(lua_State *L, int argument) {
  size_t size;
  const char *name = luaL_checklstring(L, argument, &size);
  int trigger = lc_trigger_of(name, size);
  if (trigger < 0)
    luaL_argerror(L, argument, lua_pushfstring(L, "unknown trigger '%s' (expected sale_registered, sale_won, "
                                                  "sale_lost or lead_status_set)", name));
  return (lc_trigger)trigger;
}

/* An id or nil: 0 for nil and for a number that cannot be an id. */
static int32_t opt_id(lua_State *L, int argument) {
  int64_t id = 0;
  int type = lua_type(L, argument);
  if (type <= LUA_TNIL)
    return 0;
  if (type != LUA_TNUMBER) /* not "5", which Lua would convert */
    luaL_checktype(L, argument, LUA_TNUMBER);
  return l_to_integer(L, argument, &id) && id > 0 && id <= INT32_MAX ? (int32_t)id : 0;
}

/* The arguments from `argument` on: trigger, category or nil, lead_status or nil. */
static lc_facts check_facts(lua_State *L, int argument) {
  lc_trigger trigger = check_trigger(L, argument);
  return (lc_facts){ trigger, opt_id(L, argument + 1), opt_id(L, argument + 2) };
}

/* Argument 1, a trigger: faster for the names that the decider knows. */
static inline lc_trigger find_trigger(lua_State *L, const l_rules *rules) {
  const char *name = lua_tolstring(L, 1, NULL);
  for (int i = 0; i < LC_TRIGGERS; i++)
    if (name == rules->triggers[i])
      return (lc_trigger)i;
  return check_trigger(L, 1);
}

static void push_target(lua_State *L, int32_t to) {
  if (to != 0)
    lua_pushinteger(L, to);
  else
    lua_pushnil(L);
}

static int l_decide(lua_State *L) {
  lc_error error;
  l_rules *rules = lua_touserdata(L, lua_upvalueindex(UP_RULES));
  const lc_facts facts = { find_trigger(L, rules), opt_id(L, 2), opt_id(L, 3) };
  lc_status status = is_fresh(rules) ? LC_OK : refresh(L, rules, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lc_decision decision = lc_decide(rules->ruleset, &facts);
  lua_pushvalue(L, lua_upvalueindex(UP_ACTIONS + (int)decision.action));
  push_target(L, decision.to);
  lua_pushvalue(L, lua_upvalueindex(UP_REASONS + (int)decision.reason));
  return 3;
}

/* Inserts the decider below the rules at the top of the stack. `anchor` is the index of what keeps alive what they
 * point to, `repairer` that of the function that repairs. */
static int push_decider(lua_State *L, int anchor, int repairer) {
  l_rules *rules = lua_touserdata(L, -1);
  lua_pushvalue(L, -1);
  lua_pushvalue(L, anchor);
  lua_pushvalue(L, repairer);
  for (int i = 0; i < LC_ACTIONS; i++)
    lua_pushstring(L, lc_action_names[i]);
  for (int i = 0; i < LC_REASONS; i++)
    lua_pushstring(L, lc_reason_names[i]);
  for (int i = 0; i < LC_TRIGGERS; i++) {
    lua_pushstring(L, lc_trigger_names[i]);
    rules->triggers[i] = lua_tostring(L, -1);
  }
  lua_pushcclosure(L, l_decide, UP_COUNT);
  lua_insert(L, -2);
  return 2;
}

/* store:decider(tenant, repair) -> decide, rules: a function of trigger, category or nil, lead_status or nil that
 * returns action, to, reason; and what it answers from, for the FFI. It answers from the tenant's newest saved config,
 * and raises once the store is closed. repair() -> true, or nil, message, rebuilds a packed ruleset that is damaged. */
static int l_store_decider(lua_State *L) {
  l_store *store = l_check_store(L, 1);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  l_rules *rules = l_push_object(L, rules_type, sizeof *rules);
  rules->store = store;
  rules->tenant_size = tenant.size;
  memcpy(rules->tenant, tenant.data, tenant.size);
  return push_decider(L, 1, 3);
}

int l_config_decider(lua_State *L) {
  lua_settop(L, 1);
  lua_pushnil(L);
  const lc_ruleset *ruleset = l_push_ruleset(L, 1, 0);
  l_rules *rules = l_push_object(L, rules_type, sizeof *rules);
  rules->ruleset = ruleset;
  return push_decider(L, 3, 2);
}

/* Pushes action, to, reason, revision. That may run a finalizer that uses or closes the ruleset's store. */
static void push_decision(lua_State *L, lc_decision decision, uint64_t revision) {
  lua_pushstring(L, lc_action_names[decision.action]);
  push_target(L, decision.to);
  lua_pushstring(L, lc_reason_names[decision.reason]);
  lua_pushinteger(L, (lua_Integer)revision);
}

/* store:decide(tenant, trigger, category, lead_status) -> action, to, reason, revision; from the newest saved config */
static int l_store_decide(lua_State *L) {
  const lc_ruleset *ruleset;
  lc_text tenant = l_check_tenant(L, 2);
  const lc_facts facts = check_facts(L, 3);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_ruleset(box->store, tenant, &ruleset, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  push_decision(L, lc_decide(ruleset, &facts), ruleset->revision);
  return 4;
}

/* ---- explaining --------------------------------------------------------------------------- */

/* Facts are shown as given, in the three arguments from `argument` on; what cannot be an id counts as none. */
static void push_value(lua_State *L, const lc_value *value, int argument) {
  switch (value->kind) {
  case LC_THE_CATEGORY: lua_pushvalue(L, argument + 1); break;
  case LC_THE_LEAD_STATUS: lua_pushvalue(L, argument + 2); break;
  case LC_ID: push_target(L, value->number); break;
  case LC_COUNT: lua_pushinteger(L, value->number); break;
  case LC_FLAG: lua_pushboolean(L, value->number); break;
  case LC_WORD: lua_pushstring(L, value->word); break;
  }
}

static void push_check(lua_State *L, lc_reason reason, const lc_check *check, int argument) {
  lua_createtable(L, 0, 2 + LC_VALUES);
  l_set_string(L, "name", lc_reason_names[reason]);
  if (check->result != LC_NOT_REACHED) {
    lua_pushboolean(L, check->result == LC_PASSED);
    lua_setfield(L, -2, "pass");
  }
  for (int i = 0; i < LC_VALUES && check->values[i].name != NULL; i++) {
    push_value(L, &check->values[i], argument);
    lua_setfield(L, -2, check->values[i].name);
  }
}

/* Of the facts in the arguments from `argument` on, which are the last. Reads the ruleset before it pushes anything. */
static int push_explanation(lua_State *L, const lc_ruleset *ruleset, const lc_facts *facts, int argument) {
  lc_check checks[LC_CHECKS];
  int32_t target;
  int count = 0;
  lc_decision decision = lc_explain(ruleset, facts, checks, &target);
  push_decision(L, decision, ruleset->revision);
  lua_createtable(L, LC_CHECKS, 0);
  for (int i = 0; i < LC_CHECKS; i++) {
    if (checks[i].result == LC_NOT_MADE)
      continue;
    push_check(L, (lc_reason)i, &checks[i], argument);
    lua_rawseti(L, -2, ++count);
  }
  push_target(L, target);
  return 6;
}

/* store:explain(tenant, trigger, category, lead_status) -> action, to, reason, revision, checks, target: as `decide`,
 * then each check in order as {name, pass, ...}: `pass` is absent after the one that failed, the rest is what was
 * compared; `target` is that of the rule that the facts choose, if any, whatever the checks say. */
static int l_store_explain(lua_State *L) {
  const lc_ruleset *ruleset;
  lua_settop(L, 5);
  lc_text tenant = l_check_tenant(L, 2);
  const lc_facts facts = check_facts(L, 3);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_ruleset(box->store, tenant, &ruleset, &box->error);
  return status == LC_OK ? push_explanation(L, ruleset, &facts, 3) : l_fail(L, status, &box->error);
}

static int l_explain(lua_State *L) {
  lua_settop(L, 3);
  const lc_facts facts = check_facts(L, 1);
  return push_explanation(L, lua_touserdata(L, lua_upvalueindex(1)), &facts, 1);
}

int l_config_explainer(lua_State *L) {
  lua_settop(L, 1);
  l_push_ruleset(L, 1, 0);
  lua_pushcclosure(L, l_explain, 1);
  return 1;
}

static int l_rules_gc(lua_State *L) {
  l_rules *rules = luaL_checkudata(L, 1, rules_type);
  lc_rules_free(&rules->cached);
  rules->closed = true;
  return 0;
}

/* ---- LuaJIT's FFI ------------------------------------------------------------------------- */

/* The id, or 0 when the number cannot be one. */
static inline int32_t id_of(double number) {
  int32_t id = number >= 1 && number <= INT32_MAX ? (int32_t)number : 0;
  return id == number ? id : 0;
}

/* Decides as `decide` does, and puts the target into the answer. Returns the reason; LC_REASONS for a match that asks;
 * -1 when the store must be read first, or is closed. */
static int32_t ffi_decide(l_answer *answer, uint32_t trigger, double category, double lead_status) {
  l_rules *rules = (l_rules *)answer;
  const lc_facts facts = { (lc_trigger)trigger, id_of(category), id_of(lead_status) };
  if (!is_fresh(rules))
    return -1;
  lc_decision decision = lc_decide(rules->ruleset, &facts);
  answer->to = decision.to;
  return (int32_t)decision.reason + (decision.action == LC_CONFIRM);
}

void l_push_ffi(lua_State *L) {
  union { int32_t (*function)(l_answer *, uint32_t, double, double); void *address; } decide = { ffi_decide };
  lua_createtable(L, 0, 4);
  l_set_string(L, "answer", TEXT_OF(ANSWER));
  lua_pushlightuserdata(L, decide.address);
  lua_setfield(L, -2, "decide");
  lua_createtable(L, 0, LC_TRIGGERS);
  for (int i = 0; i < LC_TRIGGERS; i++)
    l_set_integer(L, lc_trigger_names[i], i);
  lua_setfield(L, -2, "triggers");
  lua_createtable(L, LC_REASONS, 0);
  for (int i = 0; i < LC_REASONS; i++) {
    lua_pushstring(L, lc_reason_names[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "reasons");
}

void l_decide_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "decide", l_store_decide },
    { "decider", l_store_decider },
    { "explain", l_store_explain },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
  l_new_type(L, rules_type, l_rules_gc);
}
