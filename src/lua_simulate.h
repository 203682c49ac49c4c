/* lua_simulate.h - simulations as Lua functions: an event is one call, decided later with thousands of others. */
#ifndef LC_LUA_SIMULATE_H
#define LC_LUA_SIMULATE_H

#include "lua_compat.h"

/* Makes the metatable. */
void l_simulate_register(lua_State *L);

/* core.simulation(config, start_category or nil) -> add, add_lines, finish; of a config that has no errors.
 *
 * add(event) -> true; false when the event is not plainly right (it has a problem, or a metatable): it is not added then;
 * or nil, message, code.
 *
 * add_lines(text, from, most) -> the position of the first line that was not added, and how many were: at most `most`, which
 * all end with LF and are plainly a right event as JSON. `from` is at most one behind the text's end.
 *
 * finish() -> outcomes {[trigger] = {[action or reason] = events}}, categories {[id] = companies}, companies;
 * or nil, message, code. */
int l_simulation(lua_State *L);

#endif
