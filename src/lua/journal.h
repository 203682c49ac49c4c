/* lua/journal.h - the journal as methods of the store: what is written down, and looked up again. */
#ifndef LC_LUA_JOURNAL_H
#define LC_LUA_JOURNAL_H

#include "compat.h"
#include "store/store.h"

/* The cursor at the stack index, {name=, before=, text=} (JSON), if there is one. */
bool l_to_cursor(lua_State *L, int index, lc_cursor *cursor);

/* Adds them to the store's, after l_store_register. */
void l_journal_register(lua_State *L);

#endif
