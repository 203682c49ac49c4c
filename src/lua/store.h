/* lua/store.h - the store as a Lua object, and its methods. */
#ifndef LC_LUA_STORE_H
#define LC_LUA_STORE_H

#include "compat.h"
#include "store/store.h"

/* The userdata. It is made closed, before anything is acquired. */
typedef struct l_store {
  lc_store *store;       /* NULL when closed */
  const lc_watch *watch; /* of the store, while it is open */
  lc_error error;        /* of the last method that failed */
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

/* The same box; raises when its store is closed. */
l_store *l_open_box(lua_State *L, l_store *box);

/* The box that is argument 1; raises when its store is closed. Call it after everything that allocates in Lua, since that may run
 * a finalizer that closes the store. */
l_store *l_check_open(lua_State *L);

/* What a method returns when a call on its store gave `status`: true; an integer; what `push` makes of the result; an array of
 * what it makes of each item. Else, like `push` itself when that fails, nil, message, code. All return how many values. */
int l_done(lua_State *L, const l_store *box, lc_status status);
int l_done_integer(lua_State *L, const l_store *box, lc_status status, int64_t integer);
int l_push_result(lua_State *L, const l_store *box, lc_status status, int push(lua_State *L, lc_text item));
int l_push_results(lua_State *L, const l_store *box, lc_status status, int push(lua_State *L, lc_text item));

/* The cursor at the stack index, {name=, before=, text=} (JSON), if there is one. */
bool l_to_cursor(lua_State *L, int index, lc_cursor *cursor);

#endif
