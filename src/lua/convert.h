/* lua/convert.h - between Lua values and the core's structs.
 *
 * The l_check functions and those that read fields raise a Lua error when a value has the wrong type: call them before
 * a transaction begins. Texts point into Lua strings and live as long as those do: those of a table's fields, while
 * no Lua can run that changes the table. What allocates in Lua may run a finalizer; reading fields does not.
 */
#ifndef LC_LUA_CONVERT_H
#define LC_LUA_CONVERT_H

#include "compat.h"
#include "rules/decide.h"
#include "rules/triggers.h"
#include "store/record.h"

/* Pushes nil, the message and the code; returns 3. */
int l_fail(lua_State *L, lc_status status, const lc_error *error);

/* Makes the metatable of a userdata that `gc` frees; NULL: there is nothing to free. */
void l_new_type(lua_State *L, const char *type, lua_CFunction gc);

/* Pushes a zeroed userdata of that type. */
void *l_push_object(lua_State *L, const char *type, size_t size);

/* Arguments. */
lc_text l_check_text(lua_State *L, int argument, size_t most);
lc_text l_check_tenant(lua_State *L, int argument);
int32_t l_check_id(lua_State *L, int argument);

/* The items of a list, in memory that the stack keeps. `read` reads one, from the table at `table`. */
void *l_check_items(lua_State *L, int argument, size_t item_size, size_t *count,
                    void read(lua_State *L, int table, void *item));

/* Fields of the table at `table`; absent ones give zero. */
int64_t l_integer_field(lua_State *L, int table, const char *name);
double l_number_field(lua_State *L, int table, const char *name);
bool l_boolean_field(lua_State *L, int table, const char *name);
lc_text l_text_field(lua_State *L, int table, const char *name, size_t most);
lc_company l_company_field(lua_State *L, int table); /* its fields `company` (text) and `company_is_integer` */
/* The index of the field's value among `names`; raises when it is none of them. */
int l_name_field(lua_State *L, int table, const char *name, const char *const *names, int count);

/* Pushes a new userdata: the own triggers that the list of names at `index` has, in the order of their numbers; nil: none. */
const lc_triggers *l_push_triggers(lua_State *L, int index);

/* Pushes a new userdata: the ruleset of the config table at `index`, in which rules/check.lua has found no errors. `own`: the
 * own triggers; rules of others are left out. */
lc_ruleset *l_push_ruleset(lua_State *L, int index, const lc_triggers *own, uint64_t revision);

enum { L_DIGITS = 24 /* room for those of an integer */ };

/* The integer as decimal text, which lies in `room`. */
lc_text l_digits(int64_t integer, char room[L_DIGITS]);

/* Push one value. */
int l_push_text(lua_State *L, lc_text text); /* "" when absent; returns 1 */
void l_push_company(lua_State *L, lc_company company);
void l_push_question_id(lua_State *L, const uint8_t *id); /* 32 hex digits */
bool l_to_question_id(lc_text hex, uint8_t *id);

/* Set a field of the table at the top of the stack. */
void l_set_text(lua_State *L, const char *name, lc_text text); /* unless it is empty */
void l_set_id(lua_State *L, const char *name, int32_t id);     /* unless it is 0 */

static inline void l_set_integer(lua_State *L, const char *name, int64_t integer) {
  lua_pushinteger(L, (lua_Integer)integer);
  lua_setfield(L, -2, name);
}

static inline void l_set_number(lua_State *L, const char *name, double number) {
  l_push_number(L, number);
  lua_setfield(L, -2, name);
}

static inline void l_set_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static inline void l_set_string(lua_State *L, const char *name, const char *string) {
  lua_pushstring(L, string);
  lua_setfield(L, -2, name);
}

#endif
