/* lua/facts.h - reads from events the facts that rules name. */
#ifndef LC_LUA_FACTS_H
#define LC_LUA_FACTS_H

#include "compat.h"
#include "rules/decide.h"

/* What to read for the rules of a ruleset. */
typedef struct l_fields {
  uint64_t ruleset;               /* the checksum of the ruleset; 0: none yet */
  uint32_t count;                 /* of the ruleset's fields */
  uint64_t triggers[LC_TRIGGERS]; /* a bit for each field that the trigger's rules name */
  uint64_t own[LC_OWN_TRIGGERS];  /* the same of own triggers, from LC_OWN_TRIGGER on */
  uint64_t places[LC_FIELD_PLACES]; /* a bit for each field that is found there */
} l_fields;

/* A bit for each field that the trigger's rules name. */
static inline uint64_t l_fields_of(const l_fields *fields, lc_trigger trigger) {
  uint32_t own = (uint32_t)trigger - LC_OWN_TRIGGER;
  return trigger < LC_TRIGGERS ? fields->triggers[trigger] : own < LC_OWN_TRIGGERS ? fields->own[own] : 0;
}

/* The names that reading takes lie side by side, first those of the places, then those of the fields: on the stack, or, where
 * every nanosecond counts, in upvalues. */
enum { L_NAMES_MAX = LC_FIELD_PLACES + LC_FIELDS_MAX };

/* The index of a name, where `names` is that of the first. */
static inline int l_name_at(int names, int i) {
  return names < 0 ? names - i : names + i;
}

/* How many names the fields take. */
static inline int l_name_count(const l_fields *fields) {
  return LC_FIELD_PLACES + (int)fields->count;
}

/* Takes the fields of the ruleset, and pushes their names. That allocates: the ruleset may be gone afterwards. */
void l_push_fields(lua_State *L, const lc_ruleset *ruleset, l_fields *fields);

/* What is read: the fields that the trigger's rules name. The rest are indexes: of the first of the names, of the event, and of a
 * table of what the host knows, by names; 0: there is none. */
typedef struct l_reading {
  const l_fields *fields;
  lc_trigger trigger;
  int names, event, answers;
} l_reading;

/* Adds these facts to `known`, the first at `*first`. `*misses` is set when a fact that is not the event's own is in neither.
 * Raises when the event's sale, contact, actor or facts are no table. LC_UNAVAILABLE when out of memory. Allocates nothing in
 * Lua. */
lc_status l_read_facts(lua_State *L, const l_reading *reading, lc_known *known, size_t *first, bool *misses, lc_error *error);

/* Pushes those facts of the event as they are, without what no condition can compare, such as a very long text:
 * {facts = {name = value}, sale = likewise, ...}. */
void l_push_facts(lua_State *L, const l_reading *reading);

/* Pushes an empty lc_known, which the stack keeps. */
lc_known *l_push_known(lua_State *L);
void l_facts_register(lua_State *L);

/* Pushes a list of the names of what is missing so; with NULL in the place of `known`, of all that is not the event's own. */
void l_push_missing(lua_State *L, const l_fields *fields, lc_trigger trigger, int names, const lc_known *known, size_t first);

#endif
