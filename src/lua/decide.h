/* lua/decide.h - what decide.c and explain.c have in common: the facts that a Lua caller gives, and what a decision looks like to it. */
#ifndef LC_LUA_DECIDE_H
#define LC_LUA_DECIDE_H

#include "compat.h"
#include "convert.h"
#include "facts.h"
#include "store.h"

enum { L_MOST_SAVES = 16 }; /* of rules, at this very moment */

/* An id or nil: 0 for nil and for a number that cannot be an id. */
static inline int32_t l_opt_id(lua_State *L, int argument) {
  int64_t id = 0;
  int type = lua_type(L, argument);
  if (type <= LUA_TNIL)
    return 0;
  if (type != LUA_TNUMBER) /* not "5", which Lua would convert */
    luaL_checktype(L, argument, LUA_TNUMBER);
  return l_to_integer(L, argument, &id) && id > 0 && id <= INT32_MAX ? (int32_t)id : 0;
}

/* Adds what the event, or nil, tells of what the rules name. */
static inline lc_status l_add_known(lua_State *L, const l_reading *reading, lc_known *known, lc_facts *facts, lc_error *error) {
  bool misses;
  int type = lua_type(L, reading->event);
  if (type <= LUA_TNIL || l_fields_of(reading->fields, facts->trigger) == 0)
    return LC_OK;
  if (type != LUA_TTABLE)
    luaL_checktype(L, reading->event, LUA_TTABLE);
  lc_known_clear(known);
  facts->known = known;
  return l_read_facts(L, reading, known, &facts->first, &misses, error);
}

/* Pushes the id; nil for 0. */
static inline void l_push_target(lua_State *L, int32_t to) {
  if (to != 0)
    lua_pushinteger(L, to);
  else
    lua_pushnil(L);
}

/* The arguments from `argument` on: trigger, category or nil, lead_status or nil. `box`, `own`: as for l_check_trigger. */
lc_facts l_check_facts(lua_State *L, int argument, l_store *box, const lc_triggers *own);

/* Pushes action, to, reason, revision. That may run a finalizer that uses or closes the ruleset's store. */
void l_push_decision(lua_State *L, lc_decision decision, uint64_t revision);

#endif
