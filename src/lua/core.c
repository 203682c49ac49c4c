/* The module leadcat.core: what leadcat's Lua needs from C. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "convert.h"
#include "crypto.h"
#include "encoding.h"
#include "ending.h"
#include "facts.h"
#include "json.h"
#include "program.h"
#include "rules/checksum.h"
#include "simulate.h"
#include "store.h"
#include "store/handle.h"
#include "store/clock.h"
#include "store/owner.h"
#include "text.h"

/* core.now() -> seconds since 1970, in whole milliseconds */
static int l_now(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  lua_pushnumber(L, (double)(now.tv_sec * 1000 + now.tv_nsec / 1000000) / 1000);
  return 1;
}

/* core.uptime() -> seconds since the machine was started: the clock of claims, which nobody sets */
static int l_uptime(lua_State *L) {
  lua_pushnumber(L, lc_uptime());
  return 1;
}

/* core.forward(seconds) -> how far uptime is ahead in this process: for tests */
static int l_forward(lua_State *L) {
  lua_pushnumber(L, lc_uptime_forward(luaL_checknumber(L, 1)));
  return 1;
}

/* core.sleep(seconds) */
static int l_sleep(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct timespec left = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
  while (nanosleep(&left, &left) != 0 && errno == EINTR)
    ;
  return 0;
}

/* core.lock_file(file) -> whether nobody else has locked it: the lock of a file that Lua has opened for writing is dropped when it is
 * closed, however the process ends */
static int l_lock_file(lua_State *L) {
  FILE **file = luaL_checkudata(L, 1, "FILE*"); /* in every Lua it begins with that */
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  luaL_argcheck(L, *file != NULL, 1, "an open file expected");
  lua_pushboolean(L, fcntl(fileno(*file), F_OFD_SETLK, &lock) == 0);
  return 1;
}

/* core.process() -> this process's id, another one in a forked child */
static int l_process(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

/* core.random_id() -> 128 random bits as 32 hex digits */
static int l_random_id(lua_State *L) {
  lc_error error;
  uint8_t id[LC_QUESTION_ID_SIZE];
  lc_status status = lc_random(id, sizeof id, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  l_push_question_id(L, id);
  return 1;
}

/* core.checksum(text, before or nil) -> 16 hex digits; `before` is the checksum of what comes before the text */
static int l_checksum(lua_State *L) {
  lc_text text = l_check_text(L, 1, SIZE_MAX);
  uint64_t sum = lua_isnoneornil(L, 2) ? LC_CHECKSUM_START : strtoull(luaL_checkstring(L, 2), NULL, 16);
  char digits[17];
  snprintf(digits, sizeof digits, "%016llx", (unsigned long long)lc_checksum(sum, text.data, text.size));
  lua_pushstring(L, digits);
  return 1;
}

/* Whether the date exists: timegm turns 31 February into a day of March. */
static bool is_date(const struct tm *read, time_t seconds) {
  struct tm again;
  time_t local = seconds + read->tm_gmtoff;
  return gmtime_r(&local, &again) != NULL && again.tm_mday == read->tm_mday && again.tm_mon == read->tm_mon
      && again.tm_year == read->tm_year;
}

/* core.parse_time(text, format) -> seconds since 1970; nil, message, code. The format is strptime's; without a zone
 * (%z) times are UTC. */
static int l_parse_time(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size), *format = luaL_checkstring(L, 2);
  struct tm read = { .tm_mday = 1 };
  lc_error error;
  bool whole = strptime(text, format, &read) == text + size;
  struct tm copy = read; /* timegm writes to it */
  time_t seconds = whole ? timegm(&copy) - read.tm_gmtoff : 0;
  if (!whole || read.tm_year < -900 || !is_date(&read, seconds)) /* "17" is no year: %y was meant */
    return l_fail(L, lc_fail(&error, LC_INVALID, "'%s' is not a date in the form '%s'", text, format), &error);
  l_push_number(L, (double)seconds);
  return 1;
}

/* core.zone_ahead(zone, local) -> how many seconds a time zone such as Europe/Oslo is ahead of UTC at a local time, given as
 * seconds since 1970 as if it were UTC. Of a local time that comes twice, the first one. Changes TZ for a moment: for programs with
 * one thread only. */
static int l_zone_ahead(lua_State *L) {
  const char *zone = luaL_checkstring(L, 1), *set = getenv("TZ");
  time_t local = (time_t)luaL_checknumber(L, 2);
  struct tm when;
  lua_pushstring(L, set); /* a copy: setenv may overwrite it */
  const char *before = lua_tostring(L, -1);
  if (gmtime_r(&local, &when) == NULL || setenv("TZ", zone, 1) != 0)
    return luaL_error(L, "no such time");
  tzset();
  when.tm_isdst = -1;
  time_t utc = mktime(&when);
  if (before != NULL)
    setenv("TZ", before, 1);
  else
    unsetenv("TZ");
  tzset();
  lua_pushinteger(L, (lua_Integer)(local - utc));
  return 1;
}

/* core.ruleset(config, revision, triggers) -> the packed ruleset of a config that has no errors. `triggers`: the names of the
 * store's own ones, in their order, or nil; rules of others are left out. */
static int l_ruleset(lua_State *L) {
  uint64_t revision = (uint64_t)luaL_checkinteger(L, 2);
  lua_settop(L, 3);
  const lc_ruleset *ruleset = l_push_ruleset(L, 1, l_push_triggers(L, 3), revision);
  lua_pushlstring(L, (const char *)ruleset, ruleset->size);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_leadcat_core(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "open", l_store_open },
    { "check_store", l_store_check },
    { "find_owner", l_find_owner },
    { "give_store", l_give_store },
    { "decider", l_config_decider },
    { "explainer", l_config_explainer },
    { "simulation", l_simulation },
    { "ruleset", l_ruleset },
    { "now", l_now },
    { "uptime", l_uptime },
    { "forward", l_forward },
    { "sleep", l_sleep },
    { "rest", l_rest },
    { "catch_ending", l_catch_ending },
    { "ending", l_ending },
    { "lock_file", l_lock_file },
    { "process", l_process },
    { "run_program", l_run_program },
    { "random_id", l_random_id },
    { "random_bytes", l_random_bytes },
    { "sha256", l_sha256 },
    { "hmac_sha256", l_hmac_sha256 },
    { "pbkdf2_sha256", l_pbkdf2_sha256 },
    { "equal", l_equal },
    { "base64", l_base64 },
    { "unbase64", l_unbase64 },
    { "hex", l_hex },
    { "checksum", l_checksum },
    { "parse_time", l_parse_time },
    { "encode", l_encode },
    { "event_details", l_event_details },
    { "valid_text", l_valid_text },
    { "fold", l_fold },
    { "text_width", l_text_width },
    { "text_cut", l_text_cut },
    { "nfc", l_nfc },
    { "nfkc", l_nfkc },
    { "plain", l_plain },
    { "converter", l_converter },
    { "zone_ahead", l_zone_ahead },
    { NULL, NULL },
  };
  l_store_register(L);
  l_journal_register(L);
  l_handle_register(L);
  l_handling_register(L);
  l_question_register(L);
  l_company_register(L);
  l_forget_register(L);
  l_triggers_register(L);
  l_shared_register(L);
  l_walk_register(L);
  l_transfer_register(L);
  l_delivery_register(L);
  l_draft_register(L);
  l_daily_register(L);
  l_decide_register(L);
  l_explain_register(L);
  l_simulate_register(L);
  l_facts_register(L);
  l_encoding_register(L);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  l_push_ffi(L);
  lua_setfield(L, -2, "ffi");
  l_push_list_mark(L);
  lua_setfield(L, -2, "list_mark");
  l_set_string(L, "version", LC_VERSION);
  l_set_integer(L, "most_details", L_MOST_DETAILS);
  l_set_integer(L, "late_seconds", LC_LATE_SECONDS);
  lua_createtable(L, LC_QUESTION_STATES, 0);
  for (int i = 0; i < LC_QUESTION_STATES; i++) { /* the open one first */
    lua_pushstring(L, lc_question_state_names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "question_states");
  return 1;
}
