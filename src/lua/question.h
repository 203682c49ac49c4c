/* lua/question.h - the questions to users as methods of the store: finding, counting and expiring them. */
#ifndef LC_LUA_QUESTION_H
#define LC_LUA_QUESTION_H

#include "compat.h"

/* Adds them to the store's, after l_store_register. */
void l_question_register(lua_State *L);

#endif
