#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "facts.h"
#include "handling.h"
#include "json.h"
#include "store.h"

static const char *const open_type = "leadcat.open";

enum { TENANT = 2, EVENTS, RESULTS, NOW, HOW, ARGUMENTS = HOW };

/* ---- events ------------------------------------------------------------------------------ */

/* The events that are still to be handled. */
typedef struct l_open {
  size_t count;
  lc_case *cases;
  l_event *read;
  int *places;  /* in the array of events, from 1 */
  void *memory; /* for the three; NULL: they are on the stack, as one event's are, the most usual number */
  int keeper;   /* the stack index of a table that keeps alive what is written; 0: the stack does, of one event */
  int kept;     /* how much is in that table */
  l_fields fields; /* what the rules want to know */
  int names;       /* the stack index of the first of their names */
  const lc_triggers *triggers; /* the own ones that events may name */
  lc_known *known; /* that, of all events; NULL: the rules have no conditions. The stack keeps it */
  bool takes_back; /* a rule takes back what a sale did */
  bool queues;     /* events may be queued, which keeps their choice */
} l_open;

static void free_memory(l_open *open) {
  free(open->memory);
  open->memory = NULL;
}

static int l_open_gc(lua_State *L) {
  free_memory(luaL_checkudata(L, 1, open_type));
  return 0;
}

/* Pushes room for many, which the collector frees where the call does not. The memory is not Lua's, or the collector would
 * have more to do for it than for all results. NULL: there is none. */
static l_open *push_open(lua_State *L, size_t most) {
  lua_createtable(L, (int)most * 4, 0); /* for the texts of all: keeping these allocates nothing */
  int keeper = lua_gettop(L);
  l_open *open = l_push_object(L, open_type, sizeof *open);
  open->keeper = keeper;
  open->memory = malloc(most * (sizeof *open->cases + sizeof *open->read + sizeof *open->places));
  open->cases = open->memory;
  open->read = (void *)(open->cases + most);
  open->places = (void *)(open->read + most);
  return open->memory != NULL ? open : NULL;
}

/* Keeps the value at the top of the stack alive. */
static void keep(lua_State *L, l_open *open) {
  if (open->keeper != 0)
    lua_rawseti(L, open->keeper, ++open->kept);
}

static uint64_t number_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  uint64_t number = (uint64_t)lua_tonumber(L, -1); /* 0 for nil */
  lua_pop(L, 1);
  return number;
}

/* Reads what the caller found out since the last round, from that table. */
static void to_known(lua_State *L, int table, lc_case *c) {
  lua_getfield(L, table, "asked_at");
  c->is_known = !lua_isnil(L, -1);
  c->newest = c->is_known ? (uint64_t)lua_tonumber(L, -1) : 0;
  lua_pop(L, 1);
  if (c->is_known)
    c->category = (int32_t)number_field(L, table, "category");
  c->carries_out = number_field(L, table, "carries_out");
  c->queued = number_field(L, table, "queued");
  c->held = number_field(L, table, "held");
  c->released = l_text_field(L, table, "released", UINT32_MAX);
  c->alone = (int32_t)number_field(L, table, "alone"); /* 0: the rule without an id */
  c->passed = number_field(L, table, "passed");
  if (c->passed == 0)
    return;
  c->target = (int32_t)number_field(L, table, "target"); /* 0: as decided */
  c->keep = l_boolean_field(L, table, "keep");
  c->stand_in = l_text_field(L, table, "stand_in", LC_USER_MAX);
  c->assigned = l_text_field(L, table, "assigned", UINT32_MAX);
}

static void to_case(const l_event *read, double now, lc_case *c) {
  const lc_facts *facts = &read->facts;
  *c = (lc_case){
    .entry.at = isnan(read->at) ? now : read->at,
    .entry.has_at = !isnan(read->at),
    .entry.trigger = (uint8_t)facts->trigger,
    .entry.lead_status = facts->trigger == LC_LEAD_STATUS_SET ? facts->lead_status : 0,
    .entry.company = read->company,
    .entry.event_id = read->id,
    .user = read->user,
    .sale = read->sale,
    .has_choice = read->has_choice,
    .choice = read->choice,
    .is_given = facts->category != LC_CATEGORY_ABSENT,
    .given = facts->category == LC_CATEGORY_IMPOSSIBLE ? 0 : facts->category,
  };
}

/* Whether the result at the top of the stack is final: neither nil nor a table that says what the event lacks. */
static bool is_done(lua_State *L) {
  if (!lua_istable(L, -1))
    return !lua_isnil(L, -1);
  lua_getfield(L, -1, "lacks");
  bool done = lua_isnil(L, -1);
  lua_pop(L, 1);
  return done;
}

/* Takes the fields that the rules name, which allocates: so before any event is read; and the triggers that there are. */
static lc_status find_fields(lua_State *L, l_store *box, l_how *how, l_open *open, lc_error *error) {
  const lc_ruleset *ruleset;
  lc_status status = lc_store_ruleset(l_open_box(L, box)->store, how->core.tenant, &ruleset, error);
  open->triggers = l_own_triggers(box);
  open->queues = how->core.queues;
  open->takes_back = status == LC_OK && lc_ruleset_ever_takes_back(ruleset);
  if (status != LC_OK || lc_ruleset_field_count(ruleset) == 0)
    return status;
  open->names = lua_gettop(L) + 1;
  l_push_fields(L, ruleset, &open->fields);
  open->known = l_push_known(L);
  how->core.known = open->known;
  how->core.facts_of = open->fields.ruleset;
  return LC_OK;
}

/* What tells rulesets apart, as a number of Lua's, which are exact below 2^53. */
static int64_t rules_of(const l_open *open) {
  return (int64_t)(open->fields.ruleset >> 11);
}

/* Whether the host was asked for what these rules name, going by the result at `index`. */
static bool was_asked(lua_State *L, int index, const l_open *open) {
  return lua_istable(L, index) && l_integer_field(L, index, "rules") == rules_of(open);
}

/* Whether it is no event, but what an earlier one has left to be decided: then all is asked for that the host may know. */
static bool is_anew(const lc_case *c) {
  return c->carries_out != 0 || c->queued != 0 || c->held != 0;
}

/* Whether the rules look at facts beside the event's own. */
static bool looks_beside(const l_open *open, const lc_case *c) {
  return (l_fields_of(&open->fields, (lc_trigger)c->entry.trigger) & open->fields.places[LC_IN_FACTS]) != 0;
}

/* Adds what is known of the event at the top of the stack; below it is its result so far, perhaps with what the host knows. */
static void add_facts(lua_State *L, const l_how *how, l_open *open, lc_case *c) {
  lc_error error;
  bool misses;
  int event = lua_gettop(L);
  if (open->known == NULL)
    return;
  if (was_asked(L, event - 1, open))
    lua_getfield(L, event - 1, "facts");
  else
    lua_pushnil(L);
  const l_reading reading = { &open->fields, (lc_trigger)c->entry.trigger, open->names, event, event + 1 };
  if (l_read_facts(L, &reading, open->known, &c->first_fact, &misses, &error) != LC_OK)
    luaL_error(L, "%s", error.message);
  bool may_ask = how->asks_facts && lua_isnil(L, event + 1);
  c->misses_facts = may_ask && (is_anew(c) ? looks_beside(open, c) : misses);
  lua_settop(L, event);
}

/* Reads the event at the place, unless it is done. False when it is not plain. A user's choice needs a verdict, which
 * is fetched before any event is written, so that all are written in their order. */
static bool to_open(lua_State *L, int place, l_how *how, l_open *open) {
  lua_rawgeti(L, RESULTS, place);
  if (!is_done(L)) {
    l_event *read = &open->read[open->count];
    lc_case *c = &open->cases[open->count];
    lua_rawgeti(L, EVENTS, place);
    if (!l_to_event(L, lua_gettop(L), open->triggers, read))
      return false;
    if (open->takes_back)
      l_event_sale(L, lua_gettop(L), read);
    to_case(read, how->core.now, c);
    if (lua_istable(L, -2))
      to_known(L, lua_gettop(L) - 1, c);
    add_facts(L, how, open, c);
    lua_pop(L, 1);
    how->core.look |= c->has_choice && c->passed == 0;
    open->places[open->count++] = place;
  }
  lua_pop(L, 1);
  return true;
}

/* Whether the error at the top of the stack is Ctrl-C, as the interpreters raise it in what C calls. What they raise in
 * Lua code is in lua/leadcat/util/protected.lua. */
static bool is_interruption(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  return message != NULL && strcmp(message, "interrupted!") == 0;
}

/* Whether the rules look at anything of the event. */
static bool looks_at(const l_open *open, const lc_case *c) {
  return open->known != NULL && l_fields_of(&open->fields, (lc_trigger)c->entry.trigger) != 0;
}

/* Pushes what the rules look at of the event at the place, as it is, or nil. */
static void push_looked_at(lua_State *L, const l_open *open, int place, const lc_case *c) {
  int top = lua_gettop(L);
  lua_rawgeti(L, EVENTS, place);
  if (!looks_at(open, c) || !lua_istable(L, -1)) { /* a finalizer may have taken it away */
    lua_settop(L, top);
    lua_pushnil(L);
    return;
  }
  luaL_checkstack(L, LUA_MINSTACK, "the facts of an event");
  lua_rawgeti(L, RESULTS, place);
  if (was_asked(L, top + 2, open))
    lua_getfield(L, top + 2, "facts");
  else
    lua_pushnil(L);
  l_push_facts(L, &(l_reading){ &open->fields, (lc_trigger)c->entry.trigger, open->names, top + 1, top + 3 });
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* Pushes the choice of the event at the place, 0 for keeping the category; nil when it has none. */
static void push_choice(lua_State *L, int place) {
  int top = lua_gettop(L);
  lua_rawgeti(L, EVENTS, place);
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "choice");
    if (lua_isboolean(L, -1))
      lua_pushinteger(L, 0);
  } else {
    lua_pushnil(L);
  }
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* Pushes what is kept of the event at the place: JSON or nil. False when it cannot be kept: then pushes why. */
static bool push_details(lua_State *L, const l_how *how, const l_open *open, int place, const lc_case *c) {
  lua_pushcfunction(L, l_event_details);
  lua_rawgeti(L, EVENTS, place);
  if (how->has_run)
    lua_getfield(L, HOW, "run");
  else
    lua_pushnil(L);
  push_looked_at(L, open, place, c);
  if (open->queues && c->has_choice)
    push_choice(L, place);
  else
    lua_pushnil(L);
  int result = lua_pcall(L, 4, 1, 0);
  if (result == LUA_ERRMEM || (result != 0 && is_interruption(L)))
    lua_error(L);
  return result == 0;
}

/* Keeps the texts of all events, before anything allocates: then a finalizer may change the events. */
static void keep_texts(lua_State *L, l_open *open) {
  for (size_t i = 0; i < open->count; i++) {
    lua_rawgeti(L, EVENTS, open->places[i]);
    int event = lua_gettop(L);
    lua_getfield(L, event, "company");
    keep(L, open);
    lua_getfield(L, event, "id");
    keep(L, open);
    if (open->cases[i].released.size != 0) {
      lua_rawgeti(L, RESULTS, open->places[i]);
      lua_getfield(L, -1, "released");
      lua_remove(L, -2);
      keep(L, open);
    }
    if (open->read[i].user.size != 0) {
      lua_getfield(L, event, "actor");
      lua_getfield(L, -1, "id");
      lua_remove(L, -2);
      keep(L, open);
    }
    if (open->read[i].sale.size != 0) {
      l_push_sale_id(L, event);
      keep(L, open);
    }
    lua_remove(L, event);
  }
}

/* Adds the details of the events from `first` on, or why they cannot be kept. */
static void add_details(lua_State *L, const l_how *how, l_open *open, size_t first) {
  keep_texts(L, open);
  for (size_t i = first; i < open->count; i++) {
    lc_case *c = &open->cases[i];
    bool is_kept = how->has_run || open->read[i].has_details || looks_at(open, c) || (open->queues && c->has_choice);
    if (!is_kept)
      continue;
    c->is_unkeepable = !push_details(L, how, open, open->places[i], c);
    c->entry.details.data = lua_tolstring(L, -1, &c->entry.details.size);
    keep(L, open);
  }
}

/* ---- results ----------------------------------------------------------------------------- */

/* Sets `rule`, the key of the rule, as rules/config.lua makes it. */
static void set_rule(lua_State *L, const l_store *box, const lc_entry *entry) {
  const char *trigger = lc_trigger_name_of(&box->triggers, entry->trigger); /* it was read from there */
  if (entry->trigger != LC_LEAD_STATUS_SET)
    lua_pushstring(L, trigger);
  else
    lua_pushfstring(L, "%s:%d", trigger, (int)entry->lead_status);
  if (entry->rule != 0) {
    lua_pushfstring(L, "#%d", (int)entry->rule);
    lua_concat(L, 2);
  }
  lua_setfield(L, -2, "rule");
}

/* The fields of a decision, in the table at the top of the stack. */
static void set_decision(lua_State *L, const lc_entry *entry) {
  l_set_string(L, "action", lc_action_names[entry->action]);
  l_set_integer(L, "revision", (int64_t)entry->revision);
  l_set_id(L, "from", entry->from);
  l_set_id(L, "to", entry->to);
}

/* What it carries out, or schedules: `due` where that is all it does, else `scheduled`, the entry; true where nothing is scheduled. */
static void set_later(lua_State *L, const lc_case *c) {
  if (c->entry.link == LC_LINK_CARRIES_OUT || c->entry.link == LC_LINK_FOLLOWS)
    l_set_integer(L, lc_link_names[c->entry.link], (int64_t)c->entry.linked);
  if (!c->later.is_there)
    return;
  if (c->entry.link == LC_LINK_DUE)
    l_set_number(L, "due", (double)c->entry.linked / 1000);
  else if (c->later.entry != 0)
    l_set_integer(L, "scheduled", (int64_t)c->later.entry);
  else
    l_set_boolean(L, "scheduled", true);
}

static void push_outcome(lua_State *L, const l_store *box, const lc_case *c) {
  enum { UNCHANGED = 8, WRITTEN = 9 }; /* fields: tables grow by powers of two */
  const lc_entry *entry = &c->entry;
  bool queued = c->state == LC_LINED_UP, written = c->state == LC_WRITTEN || queued;
  lua_createtable(L, 0, written ? WRITTEN : UNCHANGED);
  l_set_string(L, "status", written ? lc_entry_status_names[entry->status] : "unchanged");
  l_set_string(L, "reason", queued ? "queued" : c->state == LC_SKIPPED ? "skipped" : c->is_late ? "late" : lc_reason_names[c->reason]);
  if (entry->takes_back)
    l_set_boolean(L, "takes_back", true);
  if (c->has_choice && !c->is_answered)
    l_set_boolean(L, "choice_ignored", true);
  set_decision(L, entry);
  if (!queued && (c->state != LC_UNMATCHED || c->reason >= LC_ALREADY_IN_CATEGORY))
    set_rule(L, box, entry);
  if (entry->id != 0)
    l_set_entry(L, box, entry->id);
  set_later(L, c);
  if (entry->has_question) {
    l_push_question_id(L, entry->question);
    lua_setfield(L, -2, "confirmation");
  }
}

/* Sets `details` of the table at the top: what is to be noted of an event that comes to nothing. What cannot be kept is left out. */
static void set_details(lua_State *L, const l_how *how, const l_open *open, size_t i) {
  if (push_details(L, how, open, open->places[i], &open->cases[i]))
    lua_setfield(L, -2, "details");
  else
    lua_pop(L, 1);
}

/* Pushes what an event lacks: the table that was its result so far, or a new one. */
static void push_lack(lua_State *L, const l_store *box, const l_open *open, int place, const lc_case *c, lc_lack lack) {
  enum { FEW = 4, MANY = 8 }; /* fields, with those that Lua usually adds */
  lua_rawgeti(L, RESULTS, place);
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    lua_createtable(L, 0, lack == LC_LACKS_VERDICT ? MANY : FEW);
  }
  l_set_string(L, "lacks", lc_lack_names[lack]);
  if (lack == LC_LACKS_CATEGORY) {
    l_set_integer(L, "newest", (int64_t)c->newest);
  } else if (lack == LC_LACKS_FACTS) {
    const lc_known *known = is_anew(c) ? NULL : open->known; /* facts of the moment count more than those of the event */
    l_push_missing(L, &open->fields, (lc_trigger)c->entry.trigger, open->names, known, c->first_fact);
    lua_setfield(L, -2, "names");
    l_set_integer(L, "rules", rules_of(open));
  } else if (lack == LC_LACKS_VERDICT) {
    l_set_integer(L, "about", (int64_t)c->about);
    if (c->is_answered)
      l_set_boolean(L, "is_answered", true);
    set_decision(L, &c->entry);
    set_rule(L, box, &c->entry);
  } else if (lack == LC_LACKS_DETAILS) {
    l_push_text(L, c->entry.details);
    lua_setfield(L, -2, "error");
  }
}

/* Pushes what takes the place of an outcome when what was scheduled has ended already. */
static void push_over(lua_State *L) {
  lua_createtable(L, 0, 1);
  l_set_string(L, "status", "over");
}

static bool is_unchanged(const lc_case *c) {
  return c->state == LC_UNMATCHED || c->state == LC_SKIPPED;
}

/* Puts the event's result in its place; true when the event is not at its end. */
static bool set_result(lua_State *L, const l_store *box, const l_how *how, const l_open *open, size_t i) {
  const lc_case *c = &open->cases[i];
  int place = open->places[i];
  bool done = c->state > LC_LACKING;
  if (c->state == LC_DUPLICATE)
    lua_pushinteger(L, (lua_Integer)c->first);
  else if (c->state == LC_OVER)
    push_over(L);
  else if (done)
    push_outcome(L, box, c);
  else
    push_lack(L, box, open, place, c, c->state == LC_LACKING ? c->lack : LC_LACKS_COMMIT);
  if (how->notes && (is_unchanged(c) || (c->state == LC_LACKING && c->lack == LC_LACKS_VERDICT)))
    set_details(L, how, open, i);
  lua_rawseti(L, RESULTS, place);
  bool applies = c->state == LC_WRITTEN && c->entry.status == LC_ENTRY_APPLYING;
  return !done || c->state == LC_DUPLICATE || (applies && !how->core.queues);
}

/* Whether the table at `index` is an array of `count` items and has nothing else. */
static bool is_array(lua_State *L, int index, size_t count) {
  size_t items = 0;
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
    items++;
  return items == count;
}

/* Looks at the events, then writes those that can be written. */
static lc_status handle(lua_State *L, l_store *box, l_how *how, l_open *open, lc_error *error) {
  size_t first;
  lc_store *store = l_open_box(L, box)->store;
  lc_status status = lc_store_look(store, &how->core, open->cases, open->count, &first, error);
  if (status != LC_OK)
    return status;
  if (!how->write || (first == open->count && how->core.cursor == NULL)) {
    lc_store_remember(store, &how->core, open->cases, open->count);
    return LC_OK;
  }
  add_details(L, how, open, first);
  return lc_store_handle(l_open_box(L, box)->store, &how->core, open->cases, open->count, first, error);
}

/* store:handle(tenant, events, results, now, how) -> how many events are not at their end, and a digest when they are
 * foreseen, or true when the cursor has moved; nil, message, code; false, i when events[i] is not plain.
 *
 * It fills in `results` by the events' places, and skips those that are final already. A result is an outcome, which with
 * `notes` has `details` when the event has come to nothing: what is kept of it, as JSON; the
 * number of the entry that the event made before; or {lacks = what}: see lc_lack. Each has these fields, and those to
 * add before the next call:
 *   category  {newest}: add `asked_at` = newest, as it was when the host was asked, and `category`
 *   facts     {names, rules}: add `facts`, a table of what the host knows of them, which may be more
 *   verdict   {about, action, from, to, rule, revision, is_answered, details, likewise}: add `passed` = about; `target` if not `to`; `stand_in` and `assigned`; `keep` if
 *             declined. is_answered: true when the event's choice counts
 *   licence   give `how` without needs_licence
 *   details   {error}: nothing helps, the event's actor, sale or contact cannot be kept
 *   end, turn, commit   nothing
 * `how` is {write, keeps_companies, claim, queues, most, start, needs_licence, is_guarded, has_stand_ins, asks_facts, confirm, ttl, skips_late, look,
 * foresee, overlay, schedules_nothing, notes, cursor = {name, before, text}, digest, run}, as in lc_handling; `write`: whether the call may
 * write; `run`:
 * the id of the run that the events belong to. */
static int l_handle(lua_State *L) {
  l_how how;
  lc_case c;
  l_event read;
  int place;
  l_open one = { .cases = &c, .read = &read, .places = &place };
  lc_error error;
  l_store *box = l_check_store(L, 1);
  luaL_checktype(L, EVENTS, LUA_TTABLE);
  luaL_checktype(L, RESULTS, LUA_TTABLE);
  lua_settop(L, ARGUMENTS);
  l_to_how(L, HOW, &how);
  how.core.tenant = l_check_tenant(L, TENANT);
  how.core.now = luaL_checknumber(L, NOW);
  size_t count = lua_rawlen(L, EVENTS), left = 0;
  if (!is_array(L, EVENTS, count)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  l_open *open = count > 1 ? push_open(L, count) : &one;
  if (open == NULL)
    return l_fail(L, lc_no_memory(&error), &error);
  lc_status status = find_fields(L, box, &how, open, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  for (size_t i = 1; i <= count; i++)
    if (!to_open(L, (int)i, &how, open)) {
      lua_pushboolean(L, 0);
      lua_pushinteger(L, (lua_Integer)i);
      return 2;
    }
  status = handle(L, box, &how, open, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  for (size_t i = 0; i < open->count; i++)
    left += set_result(L, box, &how, open, i);
  lua_pushinteger(L, (lua_Integer)left);
  bool moved = how.write && how.core.cursor != NULL && lc_are_all_done(open->cases, open->count);
  if (how.core.foresee)
    lua_pushinteger(L, (lua_Integer)lc_digest(open->cases, open->count));
  else if (moved)
    lua_pushboolean(L, 1);
  free_memory(open);
  return how.core.foresee || moved ? 2 : 1;
}

void l_handle_register(lua_State *L) {
  static const luaL_Reg methods[] = { { "handle", l_handle }, { NULL, NULL } };
  l_store_methods(L, methods);
  l_new_type(L, open_type, l_open_gc);
}
