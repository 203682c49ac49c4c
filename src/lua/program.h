/* lua/program.h - running another program, for notices. */
#ifndef LC_LUA_PROGRAM_H
#define LC_LUA_PROGRAM_H

#include "compat.h"

/* core.run_program(argv, input, seconds) -> true when it has ended with exit status 0; nil, message
 * argv: the program, found by PATH when it has no slash, and its arguments; no shell is involved. It reads `input` and writes messages
 * to this process's standard error; what else it writes goes nowhere. It gets no other file of this process. It is a process
 * group of its own, which is killed when the time is over. The calling thread waits. */
int l_run_program(lua_State *L);

#endif
