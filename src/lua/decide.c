#include <stddef.h>
#include <string.h>

#include "decide.h"

static const char *const rules_type = "leadcat.rules";

/* What the FFI shares with the core. `answer_text` declares the same for it. */
typedef struct l_answer {
  int32_t to;                   /* the target category when matched; else 0 */
  uint32_t generation;          /* grows whenever another ruleset is used */
  lc_fact facts[LC_FIELDS_MAX]; /* by their fields: what is known of the event; its texts are LC_LENT */
} l_answer;

static const char *const answer_text =
  "struct { int32_t to; uint32_t generation;"
  "  struct { uint32_t kind; uint32_t size; union { double number; const char *lent; } is; } facts[64]; }";

_Static_assert(offsetof(l_answer, facts) == 8 && sizeof(lc_fact) == 16 && LC_FIELDS_MAX == 64, "as in answer_text");
_Static_assert(offsetof(lc_fact, size) == 4 && offsetof(lc_fact, is) == 8, "as in answer_text");

/* What a decider answers from. */
typedef struct l_rules {
  l_answer answer;           /* first: the FFI knows no more of this struct */
  lc_rules cached;           /* owned, of a store */
  bool closed;               /* it was collected: only a finalizer still has it */
  const lc_ruleset *ruleset; /* the one to use: cached.ruleset, or a fixed one kept by an upvalue */
  l_fields fields;           /* its fields, whose names are in an upvalue */
  lc_known known;            /* of the event at hand */
  lc_known lent;             /* the same, by the FFI: its facts are those of the answer */
  l_store *store;            /* NULL when fixed; kept alive by an upvalue */
  const lc_triggers *own;    /* when fixed: the own triggers; kept alive by an upvalue */
  const char *triggers[LC_TRIGGERS]; /* the names as Lua's strings, kept alive by upvalues: equal ones are the same */
  size_t tenant_size;
  char tenant[LC_TENANT_MAX];
} l_rules;

/* A decider's upvalues, with names: so deciding makes no strings. */
enum {
  UP_RULES = 1, UP_ANCHOR, UP_REPAIR, UP_ACTIONS, UP_REASONS = UP_ACTIONS + LC_ACTIONS,
  UP_TRIGGERS = UP_REASONS + LC_REASONS, UP_NAMES = UP_TRIGGERS + LC_TRIGGERS, UP_COUNT = UP_NAMES + L_NAMES_MAX - 1
};

/* Has Lua rebuild a damaged ruleset from its config; whether that was done. */
static bool repair(lua_State *L, lc_error *error) {
  lua_pushvalue(L, lua_upvalueindex(UP_REPAIR));
  lua_call(L, 0, 2);
  bool done = lua_toboolean(L, -2);
  const char *message = lua_tostring(L, -1);
  if (!done && message != NULL)
    lc_fail(error, LC_CORRUPT, "%s", message);
  lua_pop(L, 2);
  return done;
}

/* Whether `rules` has the newest ruleset of an open store, or a fixed one. */
static inline bool is_fresh(const l_rules *rules) {
  return rules->store == NULL || (rules->store->store != NULL && lc_rules_fresh(&rules->cached, rules->store->watch));
}

static inline bool has_fields(const l_rules *rules) {
  return rules->fields.ruleset == rules->ruleset->checksum;
}

/* Takes the fields of the ruleset to use; their names go to the index `names`. A finalizer may take another ruleset meanwhile. */
static void take_fields(lua_State *L, l_rules *rules, int names) {
  while (!has_fields(rules)) {
    l_fields fields;
    l_push_fields(L, rules->ruleset, &fields);
    rules->fields = fields;
    for (int i = l_name_count(&fields) - 1; i >= 0; i--)
      lua_replace(L, l_name_at(names, i));
    rules->answer.generation++;
  }
}

/* Reads the newest ruleset into `rules`. */
static lc_status refresh(lua_State *L, l_rules *rules, lc_error *error) {
  lc_text tenant = { rules->tenant, rules->tenant_size };
  if (rules->closed)
    luaL_error(L, "the decider is closed");
  lc_status status = lc_store_refresh(l_open_box(L, rules->store)->store, tenant, &rules->cached, error);
  if (status == LC_CORRUPT && repair(L, error)) /* which may close the store */
    status = lc_store_refresh(l_open_box(L, rules->store)->store, tenant, &rules->cached, error);
  rules->ruleset = rules->cached.ruleset;
  if (status == LC_OK)
    l_own_triggers(rules->store);
  if (status == LC_OK)
    take_fields(L, rules, lua_upvalueindex(UP_NAMES));
  return status;
}

lc_facts l_check_facts(lua_State *L, int argument, l_store *box, const lc_triggers *own) {
  lc_trigger trigger = l_check_trigger(L, argument, box, own);
  return (lc_facts){ .trigger = trigger, .category = l_opt_id(L, argument + 1), .lead_status = l_opt_id(L, argument + 2) };
}

/* Argument 1, a trigger: faster for the built-in ones. */
static inline lc_trigger find_trigger(lua_State *L, const l_rules *rules) {
  const char *name = lua_tolstring(L, 1, NULL);
  for (int i = 0; i < LC_TRIGGERS; i++)
    if (name == rules->triggers[i])
      return (lc_trigger)i;
  return l_check_trigger(L, 1, rules->store, rules->own);
}

static inline int push_answer(lua_State *L, lc_decision decision) {
  lua_pushvalue(L, lua_upvalueindex(UP_ACTIONS + (int)decision.action));
  l_push_target(L, decision.to);
  lua_pushvalue(L, lua_upvalueindex(UP_REASONS + (int)decision.reason));
  return 3;
}

static inline bool asks_event(const l_rules *rules, lc_trigger trigger) {
  return lc_ruleset_trigger(rules->ruleset, trigger)->fields != 0;
}

/* Adds what the event, argument 4, tells of what the rules name. */
static lc_status add_event(lua_State *L, l_rules *rules, lc_facts *facts, lc_error *error) {
  const l_reading reading = { &rules->fields, facts->trigger, lua_upvalueindex(UP_NAMES), 4, 0 };
  if (!has_fields(rules))
    take_fields(L, rules, reading.names);
  return l_add_known(L, &reading, &rules->known, facts, error);
}

/* What a decision may need besides the rules at hand: the newest ones, and the event. */
static __attribute__((noinline)) int decide_by_more(lua_State *L, l_rules *rules, lc_facts *facts) {
  lc_error error;
  lc_status status = is_fresh(rules) ? LC_OK : refresh(L, rules, &error);
  if (status == LC_OK && asks_event(rules, facts->trigger))
    status = add_event(L, rules, facts, &error);
  return status == LC_OK ? push_answer(L, lc_decide(rules->ruleset, facts)) : l_fail(L, status, &error);
}

static int l_decide(lua_State *L) {
  l_rules *rules = lua_touserdata(L, lua_upvalueindex(UP_RULES));
  lc_facts facts = { .trigger = find_trigger(L, rules), .category = l_opt_id(L, 2), .lead_status = l_opt_id(L, 3) };
  if (!is_fresh(rules) || asks_event(rules, facts.trigger))
    return decide_by_more(L, rules, &facts);
  return push_answer(L, lc_decide(rules->ruleset, &facts));
}

/* Pushes the decider, the rules and, for the FFI, a function that tells their fields. The rules are at the top of the stack;
 * `anchor` is the index of what keeps alive what they point to, `repairer` that of the function that repairs. */
static int push_decider(lua_State *L, int anchor, int repairer) {
  int top = lua_gettop(L);
  luaL_checkstack(L, UP_COUNT + 4, "a decider");
  l_rules *rules = lua_touserdata(L, top);
  rules->lent = (lc_known){ .facts = rules->answer.facts, .count = LC_FIELDS_MAX, .room = LC_FIELDS_MAX };
  lua_pushvalue(L, top);
  lua_pushvalue(L, anchor);
  lua_pushvalue(L, repairer);
  for (int i = 0; i < LC_ACTIONS; i++)
    lua_pushstring(L, lc_action_names[i]);
  for (int i = 0; i < LC_REASONS; i++)
    lua_pushstring(L, lc_reason_names[i]);
  for (int i = 0; i < LC_TRIGGERS; i++) {
    lua_pushstring(L, lc_trigger_names[i]);
    rules->triggers[i] = lua_tostring(L, -1);
  }
  lua_settop(L, top + UP_COUNT); /* the names of the fields */
  if (rules->ruleset != NULL)
    take_fields(L, rules, top + UP_NAMES);
  lua_pushcclosure(L, l_decide, UP_COUNT);
  lua_insert(L, top);
  return 2;
}

/* store:decider(tenant, repair) -> decide, rules: a function of trigger, category or nil, lead_status or nil, event or nil that
 * returns action, to, reason; and what it answers from, for the FFI. It answers from the tenant's newest saved config,
 * and raises once the store is closed. repair() -> true, or nil, message, rebuilds a packed ruleset that is damaged. */
static int l_store_decider(lua_State *L) {
  l_store *store = l_check_store(L, 1);
  lc_text tenant = l_check_tenant(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  l_rules *rules = l_push_object(L, rules_type, sizeof *rules);
  rules->store = store;
  rules->tenant_size = tenant.size;
  memcpy(rules->tenant, tenant.data, tenant.size);
  return push_decider(L, 1, 3);
}

/* Pushes a table that keeps the fixed ruleset of the config at 1 alive, and the own triggers of the list at 2. */
static const lc_ruleset *push_fixed(lua_State *L, const lc_triggers **own) {
  lua_settop(L, 2);
  lua_createtable(L, 2, 0);
  *own = l_push_triggers(L, 2);
  const lc_ruleset *ruleset = l_push_ruleset(L, 1, *own, 0);
  lua_rawseti(L, 3, 1);
  lua_rawseti(L, 3, 2);
  return ruleset;
}

int l_config_decider(lua_State *L) {
  const lc_triggers *own;
  const lc_ruleset *ruleset = push_fixed(L, &own);
  lua_pushnil(L);
  l_rules *rules = l_push_object(L, rules_type, sizeof *rules);
  rules->ruleset = ruleset;
  rules->own = own;
  return push_decider(L, 3, 4);
}

void l_push_decision(lua_State *L, lc_decision decision, uint64_t revision) {
  lua_pushstring(L, lc_action_names[decision.action]);
  l_push_target(L, decision.to);
  lua_pushstring(L, lc_reason_names[decision.reason]);
  lua_pushinteger(L, (lua_Integer)revision);
}

/* The tenant's ruleset, and what it wants to know of the event at the index `event`. Pushes. */
static lc_status find_ruleset(lua_State *L, lc_text tenant, int event, const lc_ruleset **ruleset, lc_facts *facts) {
  lc_known *known = l_push_known(L);
  int top = lua_gettop(L);
  l_fields fields;
  fields.ruleset = 0; /* the rest is taken when it is needed */
  for (int i = 0; i < L_MOST_SAVES; i++) {
    l_store *box = l_check_open(L);
    lc_status status = lc_store_ruleset(box->store, tenant, ruleset, &box->error);
    if (status != LC_OK || lc_ruleset_trigger(*ruleset, facts->trigger)->fields == 0 || lua_isnoneornil(L, event))
      return status;
    if (fields.ruleset == (*ruleset)->checksum)
      return l_add_known(L, &(l_reading){ &fields, facts->trigger, top + 1, event, 0 }, known, facts, &box->error);
    lua_settop(L, top);
    l_push_fields(L, *ruleset, &fields);
  }
  return lc_fail(&l_check_open(L)->error, LC_UNAVAILABLE, "the rules keep changing");
}

/* store:decide(tenant, trigger, category, lead_status, event) -> action, to, reason, revision; from the newest saved config.
 * The event is looked at for what the rules' conditions name. */
static int l_store_decide(lua_State *L) {
  const lc_ruleset *ruleset;
  lua_settop(L, 6);
  lc_text tenant = l_check_tenant(L, 2);
  lc_facts facts = l_check_facts(L, 3, l_check_store(L, 1), NULL);
  lc_status status = find_ruleset(L, tenant, 6, &ruleset, &facts);
  if (status != LC_OK)
    return l_fail(L, status, &l_check_store(L, 1)->error);
  l_push_decision(L, lc_decide(ruleset, &facts), ruleset->revision);
  return 4;
}

static int l_rules_gc(lua_State *L) {
  l_rules *rules = luaL_checkudata(L, 1, rules_type);
  static l_store none; /* a closed one */
  lc_rules_free(&rules->cached);
  lc_known_free(&rules->known);
  rules->lent.facts = NULL; /* which it does not own */
  lc_known_free(&rules->lent);
  rules->ruleset = NULL;
  rules->own = NULL;
  rules->store = &none; /* so that the rules are never fresh */
  rules->closed = true;
  return 0;
}

/* ---- LuaJIT's FFI ------------------------------------------------------------------------- */

/* The id, or 0 when the number cannot be one. */
static inline int32_t id_of(double number) {
  int32_t id = number >= 1 && number <= INT32_MAX ? (int32_t)number : 0;
  return id == number ? id : 0;
}

/* Folds the texts of the event, which Lua has lent. False when they were read for other rules, or there is no memory. */
static bool take_known(l_rules *rules, lc_facts *facts) {
  rules->lent.texts_used = 0;
  if (!has_fields(rules))
    return false;
  for (uint64_t rest = l_fields_of(&rules->fields, facts->trigger); rest != 0; rest &= rest - 1) {
    size_t at = (size_t)__builtin_ctzll(rest);
    const lc_fact *fact = &rules->answer.facts[at];
    if (fact->kind == LC_LENT
        && lc_known_set_text(&rules->lent, at, (lc_text){ fact->is.lent, fact->size }, NULL) != LC_OK)
      return false;
  }
  facts->known = &rules->lent;
  return true;
}

/* Decides as `decide` does, and puts the target into the answer. Returns the reason; LC_REASONS for a match that asks;
 * -1 when the store must be read first, or is closed, or memory is short. */
static int32_t ffi_decide(l_answer *answer, uint32_t trigger, double category, double lead_status) {
  l_rules *rules = (l_rules *)answer;
  lc_facts facts = { .trigger = (lc_trigger)trigger, .category = id_of(category), .lead_status = id_of(lead_status) };
  if (!is_fresh(rules))
    return -1;
  if (lc_ruleset_trigger(rules->ruleset, facts.trigger)->fields != 0 && !take_known(rules, &facts))
    return -1;
  lc_decision decision = lc_decide(rules->ruleset, &facts);
  answer->to = decision.to;
  return (int32_t)decision.reason + (decision.action == LC_CONFIRM);
}

static void push_field(lua_State *L, int field, int place, int names) {
  lua_createtable(L, 0, 3);
  l_set_integer(L, "field", field);
  lua_pushvalue(L, l_name_at(names, place));
  lua_setfield(L, -2, "place");
  lua_pushvalue(L, l_name_at(names, LC_FIELD_PLACES + field));
  lua_setfield(L, -2, "name");
}

/* Pushes the list of a trigger's fields, whose bits are `named`. */
static void push_trigger_fields(lua_State *L, const l_fields *fields, int names, uint64_t named) {
  int count = 0;
  lua_newtable(L);
  for (int place = 0; place < LC_FIELD_PLACES; place++) {
    for (uint64_t rest = named & fields->places[place]; rest != 0; rest &= rest - 1) {
      push_field(L, __builtin_ctzll(rest), place, names);
      lua_rawseti(L, -2, ++count);
    }
  }
}

/* core.ffi.fields(rules) -> by trigger: nil when its rules have no conditions, else a list of {field, place, name}, those of a
 * place side by side: the number of a field, and the event's table and the name there in which it is found; and the numbers of
 * own triggers by their names. */
static int l_rules_fields(lua_State *L) {
  enum { RULES = 1, FIELDS, OWN, NAMES /* on the stack */ };
  l_rules *rules = luaL_checkudata(L, RULES, rules_type);
  l_fields fields;
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  if (rules->ruleset == NULL)
    return 2;
  l_push_fields(L, rules->ruleset, &fields);
  const int top = lua_gettop(L);
  for (uint32_t trigger = 0; trigger < LC_TRIGGER_NUMBERS; trigger++) {
    const lc_triggers *own = rules->store != NULL ? &rules->store->triggers : rules->own;
    const char *name = lc_trigger_name_of(own, trigger);
    if (name == NULL)
      continue;
    lua_pushstring(L, name);
    lua_pushvalue(L, -1);
    lua_pushinteger(L, (lua_Integer)trigger);
    lua_rawset(L, OWN);
    uint64_t named = l_fields_of(&fields, (lc_trigger)trigger);
    if (named != 0) {
      push_trigger_fields(L, &fields, NAMES, named);
      lua_rawset(L, FIELDS);
    }
    lua_settop(L, top);
  }
  lua_settop(L, OWN);
  return 2;
}

void l_push_ffi(lua_State *L) {
  union { int32_t (*function)(l_answer *, uint32_t, double, double); void *address; } decide = { ffi_decide };
  lua_createtable(L, 0, 5);
  l_set_string(L, "answer", answer_text);
  lua_pushcfunction(L, l_rules_fields);
  lua_setfield(L, -2, "fields");
  lua_pushlightuserdata(L, decide.address);
  lua_setfield(L, -2, "decide");
  lua_createtable(L, 0, LC_TRIGGERS);
  for (int i = 0; i < LC_TRIGGERS; i++)
    l_set_integer(L, lc_trigger_names[i], i);
  lua_setfield(L, -2, "triggers");
  lua_createtable(L, LC_REASONS, 0);
  for (int i = 0; i < LC_REASONS; i++) {
    lua_pushstring(L, lc_reason_names[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "reasons");
}

void l_decide_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "decide", l_store_decide },
    { "decider", l_store_decider },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
  l_new_type(L, rules_type, l_rules_gc);
}
