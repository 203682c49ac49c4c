/* lua/handling.h - how events are to be handled: the table that store:handle takes, as a struct. */
#ifndef LC_LUA_HANDLING_H
#define LC_LUA_HANDLING_H

#include "store.h"
#include "store/handle.h"

/* After `core`, what only the binding needs. */
typedef struct l_how {
  lc_handling core; /* but for its tenant and the time */
  lc_cursor cursor;
  bool write;       /* the call may write */
  bool has_run;     /* the events belong to a run, whose id is kept with each */
  bool asks_facts;  /* the host knows facts */
  bool notes;       /* what comes to nothing is noted by the caller */
} l_how;

/* Reads the table at `index`, or what store:prepare has made of one. Raises when a field is unknown or has the wrong type. */
void l_to_how(lua_State *L, int index, l_how *how);

#endif
