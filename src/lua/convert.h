/* lua/convert.h - between Lua values and the core's structs.
 *
 * The l_check functions raise a Lua error when a value has the wrong type: they run before any
 * transaction begins. Texts point into Lua strings and live as long as those do.
 */
#ifndef LC_LUA_CONVERT_H
#define LC_LUA_CONVERT_H

#include "compat.h"
#include "rules/decide.h"
#include "store/record.h"

/* Pushes nil, the message, the code; returns 3. */
int l_fail(lua_State *L, lc_status status, const lc_error *error);
/* Pushes true; or what l_fail does. Returns how many values. */
int l_done(lua_State *L, lc_status status, const lc_error *error);

/* Arguments. */
lc_text l_check_text(lua_State *L, int argument, size_t most);
lc_text l_opt_text(lua_State *L, int argument, size_t most); /* empty when nil or absent */
lc_text l_check_tenant(lua_State *L, int argument);
int32_t l_check_id(lua_State *L, int argument);

/* Fields of the table at `table`; absent ones give zero. */
int64_t l_integer_field(lua_State *L, int table, const char *name);
double l_number_field(lua_State *L, int table, const char *name);
bool l_boolean_field(lua_State *L, int table, const char *name);
lc_text l_text_field(lua_State *L, int table, const char *name, size_t most);
/* The index of the field's value among `names`; raises when it is none of them. */
int l_name_field(lua_State *L, int table, const char *name, const char *const *names, int count);

/* The company of the table at `table`: its fields `company` (text) and `company_is_integer`. */
lc_company l_company_field(lua_State *L, int table);

/* Builds the ruleset of the config table at `index`, which rules/config.lua has found without errors, in
 * a new userdata on top of the stack. */
lc_ruleset *l_push_ruleset(lua_State *L, int index, uint64_t revision);

/* Pushes one value. */
void l_push_text(lua_State *L, lc_text text); /* "" when absent */
void l_push_company(lua_State *L, lc_company company);
void l_push_question_id(lua_State *L, const uint8_t *id); /* 32 hex digits */
bool l_to_question_id(lc_text hex, uint8_t *id);
void l_push_entry(lua_State *L, const lc_entry *entry);
void l_push_question(lua_State *L, const lc_question *question);

#endif
