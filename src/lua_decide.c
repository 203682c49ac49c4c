#include "lua_decide.h"

#include <string.h>

#include "decide.h"
#include "lua_convert.h"
#include "lua_store.h"

static const char *const rules_type = "leadcat.rules";

/* What a decider answers from. */
typedef struct l_rules {
  lc_rules cached;           /* owned, of a store */
  const lc_ruleset *ruleset; /* the one to use: cached.ruleset, or a fixed one kept by an upvalue */
  const l_store *store;      /* NULL when fixed; kept alive by an upvalue */
  size_t tenant_size;
  char tenant[LC_TENANT_MAX];
} l_rules;

/* A decider's upvalues. The names are pushed by reference: no string is made while deciding. */
enum { UP_RULES = 1, UP_ANCHOR, UP_REPAIR, UP_ACTIONS, UP_REASONS = UP_ACTIONS + LC_ACTIONS, UP_COUNT = UP_REASONS + LC_REASONS - 1 };

/* Has a damaged ruleset made anew from its config; whether that was done. */
static bool repair(lua_State *L, lc_error *error) {
  size_t size;
  lua_pushvalue(L, lua_upvalueindex(UP_REPAIR));
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return false;
  }
  lua_call(L, 0, 2);
  bool done = lua_toboolean(L, -2) != 0;
  const char *message = lua_tolstring(L, -1, &size);
  if (!done && message != NULL)
    lc_fail(error, LC_CORRUPT, "%s", message);
  lua_pop(L, 2);
  return done;
}

/* Sees to it that `rules` has the newest ruleset. */
static lc_status refresh(lua_State *L, l_rules *rules, lc_error *error) {
  if (rules->store == NULL)
    return LC_OK;
  lc_store *store = rules->store->store;
  if (store == NULL)
    luaL_error(L, "the engine is closed");
  if (lc_store_fresh(store, &rules->cached))
    return LC_OK;
  lc_text tenant = { rules->tenant, rules->tenant_size };
  lc_status status = lc_store_refresh(store, tenant, &rules->cached, error);
  if (status == LC_CORRUPT && repair(L, error))
    status = lc_store_refresh(store, tenant, &rules->cached, error);
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

/* An id or nil: 0 for nil and for what cannot be an id. */
static int32_t opt_id(lua_State *L, int argument) {
  int64_t id = 0;
  int type = lua_type(L, argument);
  if (type <= LUA_TNIL)
    return 0;
  if (type != LUA_TNUMBER) /* "5" is no id: Lua would convert it */
    luaL_checktype(L, argument, LUA_TNUMBER);
  return l_to_integer(L, argument, &id) && id > 0 && id <= INT32_MAX ? (int32_t)id : 0;
}

static int decide(lua_State *L, int results) {
  lc_error error;
  l_rules *rules = lua_touserdata(L, lua_upvalueindex(UP_RULES));
  lc_trigger trigger = check_trigger(L, 1);
  int32_t category = opt_id(L, 2);
  int32_t lead_status = opt_id(L, 3);
  lc_status status = refresh(L, rules, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lc_decision decision = lc_decide(rules->ruleset, trigger, category, lead_status);
  lua_pushvalue(L, lua_upvalueindex(UP_ACTIONS + (int)decision.action));
  if (decision.to != 0)
    lua_pushinteger(L, decision.to);
  else
    lua_pushnil(L);
  lua_pushvalue(L, lua_upvalueindex(UP_REASONS + (int)decision.reason));
  if (results == 4)
    lua_pushinteger(L, (lua_Integer)rules->ruleset->revision);
  return results;
}

static int l_decide(lua_State *L) {
  return decide(L, 3);
}

static int l_evaluate(lua_State *L) {
  return decide(L, 4);
}

/* Pushes a decider of the rules, the anchor and the repair function at these stack indexes. */
static void push_decider(lua_State *L, lua_CFunction function, int rules, int anchor, int mender) {
  lua_pushvalue(L, rules);
  lua_pushvalue(L, anchor);
  lua_pushvalue(L, mender);
  for (int i = 0; i < LC_ACTIONS; i++)
    lua_pushstring(L, lc_action_names[i]);
  for (int i = 0; i < LC_REASONS; i++)
    lua_pushstring(L, lc_reason_names[i]);
  lua_pushcclosure(L, function, UP_COUNT);
}

/* Pushes the deciders of the rules on top of the stack. */
static int push_deciders(lua_State *L, int anchor, int mender) {
  int rules = lua_gettop(L);
  push_decider(L, l_decide, rules, anchor, mender);
  push_decider(L, l_evaluate, rules, anchor, mender);
  return 2;
}

static l_rules *push_rules(lua_State *L) {
  l_rules *rules = lua_newuserdata(L, sizeof *rules);
  memset(rules, 0, sizeof *rules);
  luaL_getmetatable(L, rules_type);
  lua_setmetatable(L, -2);
  return rules;
}

int l_store_deciders(lua_State *L) {
  const l_store *store = l_check_store(L, 1);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  l_rules *rules = push_rules(L);
  rules->store = store;
  rules->tenant_size = tenant.size;
  memcpy(rules->tenant, tenant.data, tenant.size);
  return push_deciders(L, 1, 3);
}

int l_config_deciders(lua_State *L) {
  lua_settop(L, 1);
  lua_pushnil(L);
  const lc_ruleset *ruleset = l_push_ruleset(L, 1, 0);
  push_rules(L)->ruleset = ruleset;
  return push_deciders(L, 3, 2);
}

static int l_rules_gc(lua_State *L) {
  lc_rules_free(&((l_rules *)luaL_checkudata(L, 1, rules_type))->cached);
  return 0;
}

void l_decide_register(lua_State *L) {
  luaL_newmetatable(L, rules_type);
  lua_pushcfunction(L, l_rules_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
