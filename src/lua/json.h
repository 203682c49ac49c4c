/* lua/json.h - writes Lua values as JSON: the same text for the same value every time.
 *
 * Keys are sorted by their bytes. A list is a table that is marked, or that has [1]. Whole numbers have neither
 * exponent nor ".0". Text is UTF-8: U+FFFD replaces what is ill-formed; of keys that this makes equal the
 * well-formed one counts, else the first. Fields that are null (cjson.null) are left out. Metamethods are not called.
 * All functions raise for what JSON cannot say: functions, NaN, lists with holes, more than 1,000 nested tables.
 */
#ifndef LC_LUA_JSON_H
#define LC_LUA_JSON_H

#include "compat.h"

/* core.encode(value, indent) -> text */
int l_encode(lua_State *L);

enum { L_MOST_DETAILS = 8192 /* bytes that are kept of an event for display; core.most_details */ };

/* core.event_details(event, run or nil, facts or nil, choice or nil) -> what is kept of an event for display; nil when there is nothing. Where that would be
 * more than L_MOST_DETAILS, only the ids and names of its actor, contact and sale are kept, and of very long ones the beginning. `facts`, a table, is kept
 * beside, unless it has more bytes than that itself. */
int l_event_details(lua_State *L);

/* core.valid_text(text) -> the text with U+FFFD for each ill-formed sequence */
int l_valid_text(lua_State *L);

/* Pushes the metatable that marks a list. */
void l_push_list_mark(lua_State *L);

#endif
