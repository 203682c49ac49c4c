/* lua/store.h - the store as a Lua object, and its methods. */
#ifndef LC_LUA_STORE_H
#define LC_LUA_STORE_H

#include "compat.h"
#include "store/store.h"

/* The userdata. It is made closed, before anything is acquired. */
typedef struct l_store {
  lc_store *store;       /* NULL when closed */
  const lc_watch *watch; /* of the store, while it is open */
} l_store;

/* core.open{path=, map_size=, max_readers=, relaxed=} -> store; nil, message, code */
int l_store_open(lua_State *L);

/* core.check_store(path) -> array of sentences: at most 200 problems and how many more; empty when the store is sound */
int l_store_check(lua_State *L);

/* Makes the metatable, with the methods for opening, configs, companies and upkeep. */
void l_store_register(lua_State *L);

/* Adds methods to the metatable. */
void l_store_methods(lua_State *L, const luaL_Reg *methods);

/* Add the methods of journal.c, question.c and handle.c, after l_store_register. */
void l_journal_register(lua_State *L);
void l_question_register(lua_State *L);
void l_handle_register(lua_State *L);

/* The store at `index`, open or closed; raises when it is none. */
l_store *l_check_store(lua_State *L, int index);

/* The store in the box; raises when it is closed. */
lc_store *l_open_store(lua_State *L, const l_store *box);

/* The store that is argument 1; raises when it is closed. Call it after everything that allocates in Lua, since that may run
 * a finalizer that closes the store. */
lc_store *l_check_open(lua_State *L);

/* Pushes what `push` makes of the store's result, or an array of what it makes of each item. `push` returns 1; or 3, for nil,
 * message, code, as these do. */
int l_push_result(lua_State *L, const lc_store *store, lc_status status, const lc_error *error,
                  int push(lua_State *L, lc_text item));
int l_push_results(lua_State *L, const lc_store *store, lc_status status, const lc_error *error,
                   int push(lua_State *L, lc_text item));

/* The cursor at the stack index, {name=, before=, text=} (JSON), if there is one. */
bool l_to_cursor(lua_State *L, int index, lc_cursor *cursor);

#endif
