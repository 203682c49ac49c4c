#include "ending.h"

#include <signal.h>
#include <time.h>

/* Of the process, as signals are. The handler writes it and does nothing else: all else is unsafe there. */
static volatile sig_atomic_t is_ending;

static void note(int signal) {
  (void)signal;
  is_ending = 1;
}

int l_catch_ending(lua_State *L) {
  /* SA_RESTART: what waits for a file or a database goes on; nanosleep ends all the same. */
  struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
  sigemptyset(&action.sa_mask);
  is_ending = 0;
  if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0)
    return luaL_error(L, "signals cannot be caught");
  return 0;
}

int l_ending(lua_State *L) {
  lua_pushboolean(L, is_ending != 0);
  return 1;
}

int l_rest(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct timespec time = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
  if (is_ending == 0)
    nanosleep(&time, NULL);
  return 0;
}
