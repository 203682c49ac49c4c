/* lua/ending.h - being asked to end, by SIGTERM or SIGINT. */
#ifndef LC_LUA_ENDING_H
#define LC_LUA_ENDING_H

#include "compat.h"

/* core.catch_ending() - from now on SIGTERM and SIGINT are only noted, each once: the second one ends the process, as ever. For a
 * program that has the process to itself. */
int l_catch_ending(lua_State *L);

/* core.ending() -> whether one of them has come */
int l_ending(lua_State *L);

/* core.rest(seconds) - sleeps, and wakes early for a signal. One that comes just before is seen when the time is over. */
int l_rest(lua_State *L);

#endif
