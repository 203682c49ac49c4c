/* lua/simulate.h - simulations as Lua functions, which collect thousands of events and decide them at once. */
#ifndef LC_LUA_SIMULATE_H
#define LC_LUA_SIMULATE_H

#include "compat.h"

/* Makes the metatable, before the first simulation. */
void l_simulate_register(lua_State *L);

/* core.simulation(start_category or nil, config, other config or nil, triggers) -> add, add_lines, finish; of configs without
 * errors. With another config it is a comparison: both decide every event, side by side. `triggers`: the names of own ones that
 * events and rules may name, as for core.ruleset.
 *
 * add(event, shown or nil) -> true; false when the event is not plainly right (it has a problem, or a metatable) and
 * was not added; or nil, message, code. A comparison may show the event, or `shown` in its place.
 *
 * add_lines(text, from, most, latest or nil) -> the position of the first line that was not added, how many were, and the latest
 * time so far: at most `most`, which all end with LF, are plainly a right event as JSON, and are not older than `latest` or one
 * another. `from` is at most size + 1. Not for a comparison.
 *
 * All raise once the simulation has ended, which finish does, and for a finalizer that runs within one of them.
 *
 * finish(limit) -> {companies (how many), outcomes, journeys, changes, examples, moved}; or nil, message, code. Only a
 * comparison fills the last three. [1] and [2] are the sides; one config has only [1]. Unknown categories are absent.
 *   outcomes   {[1], [2]}, each {[trigger] = {[action or reason] = events}}
 *   journeys   {start, [1], [2], companies}[]: companies by the category in which they started (only in a comparison)
 *              and those in which they ended
 *   changes    {trigger, count (events), [1], [2]}[], each side {outcome (action or reason), to}: what the sides do
 *              differently, in the order in which it came first
 *   examples   {change (which), event, [1], [2] (the company's category)}[] in order: at most three of a change, of
 *              different companies
 *   moved      {company, start, [1], [2]}[]: the first `limit` companies that end elsewhere on the second side */
int l_simulation(lua_State *L);

#endif
