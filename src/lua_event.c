#include "lua_event.h"

#include <math.h>
#include <string.h>

#include "decide.h"

static const int64_t most = INT64_C(1) << 53; /* beyond, Lua numbers that are doubles are not exact */

/* The decimal text of a number, at the end of `digits`. */
static lc_text digits_of(int64_t number, char *digits) {
  uint64_t rest = number < 0 ? (uint64_t)-number : (uint64_t)number;
  size_t first = L_DIGITS;
  do
    digits[--first] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0)
    digits[--first] = '-';
  return (lc_text){ digits + first, L_DIGITS - first };
}

/* The id at the top of the stack: a string or an integer. */
static bool to_id(lua_State *L, size_t longest, lc_text *text, char *digits) {
  int64_t number;
  int type = lua_type(L, -1);
  if (type == LUA_TSTRING) {
    text->data = lua_tolstring(L, -1, &text->size);
    return text->size >= 1 && text->size <= longest;
  }
  if (type != LUA_TNUMBER || !l_to_integer(L, -1, &number) || number <= -most || number >= most)
    return false;
  *text = digits_of(number, digits);
  return true;
}

static bool read_trigger(lua_State *L, int index, l_event *event) {
  size_t size;
  lua_getfield(L, index, "trigger");
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  int trigger = name != NULL ? lc_trigger_of(name, size) : -1;
  lua_pop(L, 1);
  event->trigger = (lc_trigger)trigger;
  return trigger >= 0;
}

static bool read_company(lua_State *L, int index, l_event *event) {
  lua_getfield(L, index, "company");
  bool fits = to_id(L, LC_COMPANY_MAX, &event->company.text, event->company_digits);
  event->company.is_integer = lua_type(L, -1) == LUA_TNUMBER;
  lua_pop(L, 1);
  return fits;
}

static bool read_event_id(lua_State *L, int index, l_event *event) {
  lua_getfield(L, index, "id");
  bool fits = lua_isnil(L, -1) || to_id(L, LC_EVENT_ID_MAX, &event->id, event->id_digits);
  lua_pop(L, 1);
  return fits;
}

/* An id of a category or lead status; 0 when there is none. */
static bool read_number(lua_State *L, int index, const char *name, int32_t *id) {
  int64_t number = 0;
  lua_getfield(L, index, name);
  bool fits = lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && l_to_integer(L, -1, &number) && number >= 1
                                   && number <= INT32_MAX);
  lua_pop(L, 1);
  *id = (int32_t)number;
  return fits;
}

static bool read_time(lua_State *L, int index, l_event *event) {
  lua_getfield(L, index, "at");
  bool given = !lua_isnil(L, -1);
  bool fits = !given || (lua_type(L, -1) == LUA_TNUMBER && isfinite(lua_tonumber(L, -1)));
  event->at = given ? lua_tonumber(L, -1) : NAN;
  lua_pop(L, 1);
  return fits;
}

/* What is kept for display: checked here, written by journal.lua. */
static bool read_detail(lua_State *L, int index, const char *name, l_event *event) {
  lc_text id;
  char digits[L_DIGITS];
  lua_getfield(L, index, name);
  bool fits = lua_isnil(L, -1) || lua_istable(L, -1);
  event->has_details = event->has_details || !lua_isnil(L, -1);
  if (lua_istable(L, -1) && strcmp(name, "actor") == 0) {
    lua_getfield(L, -1, "id");
    fits = lua_isnil(L, -1) || to_id(L, LC_USER_MAX, &id, digits);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return fits;
}

static bool is_plain(lua_State *L, int index) {
  if (!lua_istable(L, index))
    return false;
  bool plain = !lua_getmetatable(L, index);
  if (!plain) {
    lua_pop(L, 1);
    return false;
  }
  lua_getfield(L, index, "choice");
  plain = lua_isnil(L, -1);
  lua_pop(L, 1);
  return plain;
}

bool l_to_event(lua_State *L, int index, l_event *event) {
  event->id = (lc_text){ NULL, 0 };
  event->has_details = false;
  return is_plain(L, index) && read_trigger(L, index, event) && read_company(L, index, event)
      && read_event_id(L, index, event) && read_number(L, index, "category", &event->category)
      && read_number(L, index, "lead_status", &event->lead_status) && read_time(L, index, event)
      && read_detail(L, index, "actor", event) && read_detail(L, index, "sale", event)
      && read_detail(L, index, "contact", event);
}
