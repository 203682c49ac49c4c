#include "event.h"

#include <math.h>
#include <string.h>

static const int64_t most = INT64_C(1) << 53; /* from here on, doubles are not exact */

/* The number at the top of the stack. False when it is none, or has a fraction, or is not exact. */
static bool to_integer(lua_State *L, int64_t *integer) {
  return lua_type(L, -1) == LUA_TNUMBER && l_to_integer(L, -1, integer) && *integer > -most && *integer < most;
}

/* The id at the top of the stack: a string or an integer. */
static bool to_id(lua_State *L, size_t longest, lc_text *text, char *digits) {
  int64_t number;
  if (lua_type(L, -1) == LUA_TSTRING) {
    text->data = lua_tolstring(L, -1, &text->size);
    return text->size >= 1 && text->size <= longest;
  }
  bool fits = to_integer(L, &number);
  if (fits)
    *text = l_digits(number, digits);
  return fits;
}

static bool to_trigger(lua_State *L, const lc_triggers *own, lc_trigger *trigger) {
  size_t size;
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
  int found = name != NULL ? lc_trigger_number(own, name, size) : -1;
  *trigger = (lc_trigger)found;
  return found >= 0;
}

/* The id of a category or lead status, or `impossible` for an integer that cannot be one. */
static bool to_number(lua_State *L, int32_t impossible, int32_t *id) {
  int64_t number;
  bool fits = to_integer(L, &number);
  if (fits)
    *id = number >= 1 && number <= INT32_MAX ? (int32_t)number : impossible;
  return fits;
}

static bool to_time(lua_State *L, double *at) {
  static const double last = 253402300799; /* the end of the year 9999 */
  *at = lua_tonumber(L, -1);
  return lua_type(L, -1) == LUA_TNUMBER && *at > -HUGE_VAL && *at <= last;
}

/* The id of the table at the top of the stack, which may have none. */
static bool to_own_id(lua_State *L, size_t longest, lc_text *id, char *digits) {
  lua_getfield(L, -1, "id"); /* which allocates nothing, so that no finalizer runs while the event is read */
  bool fits = lua_isnil(L, -1) || to_id(L, longest, id, digits);
  lua_pop(L, 1);
  return fits;
}

/* A sale or a contact. */
static bool is_record(lua_State *L) {
  lc_text id;
  char digits[L_DIGITS];
  if (!lua_istable(L, -1))
    return false;
  if (lua_getmetatable(L, -1)) {
    lua_pop(L, 1);
    return true; /* its id cannot be read without running Lua */
  }
  return to_own_id(L, LC_COMPANY_MAX, &id, digits);
}

static bool to_actor(lua_State *L, l_event *event) {
  bool is_plain = lua_istable(L, -1) && !lua_getmetatable(L, -1);
  return is_plain && to_own_id(L, LC_USER_MAX, &event->user, event->user_digits);
}

/* Takes the field of that name, whose value is at the top. l_event_details (json.h) writes what is kept for display. */
static bool take(lua_State *L, const char *name, size_t size, l_event *event) {
#define IS(literal) (size == sizeof literal - 1 && memcmp(name, literal, sizeof literal - 1) == 0)
  if (IS("trigger"))
    return to_trigger(L, event->triggers, &event->facts.trigger);
  if (IS("company")) {
    event->company.is_integer = lua_type(L, -1) == LUA_TNUMBER;
    return to_id(L, LC_COMPANY_MAX, &event->company.text, event->company_digits);
  }
  if (IS("id"))
    return to_id(L, LC_EVENT_ID_MAX, &event->id, event->id_digits);
  if (IS("category"))
    return to_number(L, LC_CATEGORY_IMPOSSIBLE, &event->facts.category);
  if (IS("lead_status"))
    return to_number(L, 0, &event->facts.lead_status);
  if (IS("at"))
    return to_time(L, &event->at);
  if (IS("sale") || IS("contact") || IS("actor")) {
    event->has_details = true;
    return IS("actor") ? to_actor(L, event) : is_record(L);
  }
  if (IS("facts"))
    return lua_istable(L, -1);
  if (IS("choice")) {
    event->has_choice = true;
    return lua_isboolean(L, -1) ? !lua_toboolean(L, -1) : to_number(L, LC_CATEGORY_IMPOSSIBLE, &event->choice);
  }
  return true;
#undef IS
}

bool l_to_event(lua_State *L, int index, const lc_triggers *triggers, l_event *event) {
  size_t size;
  event->triggers = triggers;
  event->facts = (lc_facts){ .trigger = LC_TRIGGERS, .category = LC_CATEGORY_ABSENT };
  event->company.text = event->id = event->user = (lc_text){ NULL, 0 };
  event->choice = 0;
  event->at = NAN;
  event->has_choice = event->has_details = false;
  if (!lua_istable(L, index) || lua_getmetatable(L, index))
    return false;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &size) : NULL; /* not of a number */
    if (name != NULL && !take(L, name, size, event))
      return false;
  }
  return event->facts.trigger != LC_TRIGGERS && event->company.text.size != 0;
}
