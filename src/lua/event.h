/* lua/event.h - reads an event as the host gives it.
 *
 * It reads only events that are plainly right. Every other one, wrong or just unusual, is left to events/event.lua,
 * which says what is wrong with it, and to events/handle.lua.
 */
#ifndef LC_LUA_EVENT_H
#define LC_LUA_EVENT_H

#include "convert.h"
#include "rules/event.h"

typedef struct l_event {
  const lc_triggers *triggers; /* the own ones that it may name */
  lc_facts facts; /* as in lc_event (rules/event.h), as is the company */
  lc_company company;
  lc_text id;       /* empty: none */
  double at;        /* seconds since 1970; NAN: none is given */
  bool has_choice;  /* the user has answered already: */
  int32_t choice;   /* the category to set; 0: it stays; LC_CATEGORY_IMPOSSIBLE: an integer that cannot be an id */
  bool has_details; /* it has an actor, a sale or a contact */
  lc_text user;     /* the actor's id; empty: none */
  char company_digits[L_DIGITS], id_digits[L_DIGITS], user_digits[L_DIGITS];
} l_event;

/* Reads the table at the absolute `index`. False unless it is a plain table whose fields are as they should be. Texts
 * point into the table's strings and into `event`. `triggers`: the own ones that it may name; NULL: none. */
bool l_to_event(lua_State *L, int index, const lc_triggers *triggers, l_event *event);

#endif
