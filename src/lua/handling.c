#include "handling.h"

#include <stddef.h>
#include <string.h>

#include "convert.h"
#include "store/overlay.h"

static const char *const overlay_type = "leadcat.overlay", *const how_type = "leadcat.how";

/* store:overlay() -> an overlay for `handle`, which remembers what would have been written */
static int l_overlay(lua_State *L) {
  l_push_object(L, overlay_type, sizeof(lc_overlay));
  return 1;
}

static int l_overlay_gc(lua_State *L) {
  lc_overlay_free(luaL_checkudata(L, 1, overlay_type));
  lua_pushnil(L);
  lua_setmetatable(L, 1); /* a finalizer that runs later still may have it: it is no overlay any more */
  return 0;
}

/* Takes the field of that name, whose value is at the top of the stack, if it is one that is true or false. */
static bool take_flag(lua_State *L, const char *name, l_how *how) {
  static const struct { const char *name; size_t offset; } flags[] = {
    { "write", offsetof(l_how, write) },
    { "asks_facts", offsetof(l_how, asks_facts) },
    { "notes", offsetof(l_how, notes) },
    { "keeps_companies", offsetof(l_how, core.keeps_companies) },
    { "look", offsetof(l_how, core.look) },
    { "foresee", offsetof(l_how, core.foresee) },
    { "needs_licence", offsetof(l_how, core.needs_licence) },
    { "is_guarded", offsetof(l_how, core.is_guarded) },
    { "has_stand_ins", offsetof(l_how, core.has_stand_ins) },
    { "schedules_nothing", offsetof(l_how, core.schedules_nothing) },
    { "queues", offsetof(l_how, core.queues) },
    { "skips_late", offsetof(l_how, core.skips_late) },
  };
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    if (strcmp(name, flags[i].name) == 0) {
      *(bool *)((char *)how + flags[i].offset) = lua_toboolean(L, -1);
      return true;
    }
  }
  return false;
}

/* Takes the field of that name of the table at `index`; its value is at the top of the stack. */
static void take(lua_State *L, int index, const char *name, l_how *how) {
  lc_handling *core = &how->core;
  if (take_flag(L, name, how))
    return;
  if (strcmp(name, "ttl") == 0)
    core->ttl = luaL_checknumber(L, -1);
  else if (strcmp(name, "claim") == 0)
    core->claim = luaL_checknumber(L, -1);
  else if (strcmp(name, "most") == 0)
    core->most = (size_t)luaL_checkinteger(L, -1);
  else if (strcmp(name, "start") == 0)
    core->start = l_check_id(L, lua_gettop(L));
  else if (strcmp(name, "digest") == 0)
    core->digest = (uint64_t)luaL_checkinteger(L, -1);
  else if (strcmp(name, "confirm") == 0)
    core->confirm = (lc_confirm)l_name_field(L, index, name, lc_confirm_names, LC_CONFIRMS);
  else if (strcmp(name, "overlay") == 0)
    core->overlay = luaL_checkudata(L, -1, overlay_type);
  else if (strcmp(name, "cursor") == 0)
    core->cursor = l_to_cursor(L, lua_gettop(L), &how->cursor) ? &how->cursor : NULL;
  else if (strcmp(name, "run") == 0)
    how->has_run = true;
  else
    luaL_error(L, "unknown field '%s'", name);
}

static void from_table(lua_State *L, int index, l_how *how) {
  memset(how, 0, sizeof *how);
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    luaL_checktype(L, -2, LUA_TSTRING);
    take(L, index, lua_tostring(L, -2), how);
  }
  how->core.look |= how->core.foresee;
  how->core.remembers = !how->has_run && how->core.overlay == NULL && !how->core.foresee;
}

void l_to_how(lua_State *L, int index, l_how *how) {
  const l_how *prepared = luaL_testudata(L, index, how_type);
  if (prepared != NULL)
    *how = *prepared;
  else
    from_table(L, index, how);
}

/* store:prepare(how) -> what `handle` takes in its place, any number of times; without cursor, overlay or run */
static int l_prepare(lua_State *L) {
  l_how how;
  from_table(L, 2, &how);
  bool lasts = how.core.cursor == NULL && how.core.overlay == NULL && !how.has_run;
  luaL_argcheck(L, lasts, 2, "cursor, overlay and run are of one call");
  *(l_how *)l_push_object(L, how_type, sizeof how) = how;
  return 1;
}

void l_handling_register(lua_State *L) {
  static const luaL_Reg methods[] = { { "overlay", l_overlay }, { "prepare", l_prepare }, { NULL, NULL } };
  l_store_methods(L, methods);
  l_new_type(L, overlay_type, l_overlay_gc);
  l_new_type(L, how_type, NULL);
}
