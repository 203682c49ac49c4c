/* Why a decision is what it is: every check with what it compared, and what became of each rule. */
#include <string.h>

#include "decide.h"
#include "rules/later.h"

/* Facts are shown as given, in the three arguments from `argument` on; what cannot be an id counts as none. */
static void push_value(lua_State *L, const lc_value *value, int argument) {
  switch (value->kind) {
  case LC_THE_TRIGGER: lua_pushvalue(L, argument); break;
  case LC_THE_CATEGORY: lua_pushvalue(L, argument + 1); break;
  case LC_THE_LEAD_STATUS: lua_pushvalue(L, argument + 2); break;
  case LC_ID: l_push_target(L, value->number); break;
  case LC_COUNT: lua_pushinteger(L, value->number); break;
  case LC_FLAG: lua_pushboolean(L, value->number); break;
  case LC_WORD: lua_pushstring(L, value->word); break;
  }
}

static void push_check(lua_State *L, lc_reason reason, const lc_check *check, int argument) {
  lua_createtable(L, 0, 2 + LC_VALUES);
  l_set_string(L, "name", lc_reason_names[reason]);
  if (check->result != LC_NOT_REACHED) {
    l_set_boolean(L, "pass", check->result == LC_PASSED);
  }
  for (int i = 0; i < LC_VALUES && check->values[i].name != NULL; i++) {
    push_value(L, &check->values[i], argument);
    lua_setfield(L, -2, check->values[i].name);
  }
}

static void push_condition(lua_State *L, const lc_evidence *evidence, const lc_packed_condition *condition) {
  static const char *const kinds[LC_FACT_KINDS] = {
    [LC_UNKNOWN] = "unknown", [LC_NUMBER] = "number", [LC_BOOLEAN] = "boolean", [LC_TEXT] = "text", [LC_LIST] = "list",
    [LC_STRANGE] = "other",
  };
  lua_createtable(L, 0, 2);
  l_set_boolean(L, "holds", lc_condition_holds(evidence, condition));
  l_set_string(L, "fact", kinds[lc_evidence_kind(evidence, condition)]);
}

/* Pushes {id, starts, applies, [i] = {holds, fact}}: what came of a rule, and of its conditions one after the other. */
static void push_rule(lua_State *L, const lc_evidence *evidence, const lc_packed_rule *rule) {
  const lc_packed_condition *conditions = lc_ruleset_block(evidence->ruleset, LC_BLOCK_CONDITIONS);
  lua_createtable(L, (int)rule->when.count, 3);
  l_set_id(L, "id", rule->id);
  l_set_boolean(L, "starts", lc_rule_may_start(evidence, rule));
  l_set_boolean(L, "applies", lc_rule_applies(evidence, rule));
  for (uint32_t i = 0; i < rule->when.count; i++) {
    push_condition(L, evidence, &conditions[rule->when.first + i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

static void push_rules(lua_State *L, const lc_explanation *explanation) {
  lua_newtable(L);
  if (explanation->evidence.from == NULL)
    return;
  for (uint32_t i = 0; i < explanation->rule_count; i++) {
    push_rule(L, &explanation->evidence, &explanation->rules[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

/* The change that rules may take back, from the table {from, to} or nil. */
static lc_move opt_move(lua_State *L, int argument) {
  lc_move move = { 0, 0 };
  if (!lua_istable(L, argument))
    return move;
  lua_getfield(L, argument, "from");
  move.from = l_opt_id(L, lua_gettop(L));
  lua_getfield(L, argument, "to");
  move.to = l_opt_id(L, lua_gettop(L));
  lua_pop(L, 2);
  return move;
}

static bool concerns(const lc_later_rule *rule, const lc_facts *facts) {
  return rule->trigger == (uint32_t)facts->trigger
      && (facts->trigger != LC_LEAD_STATUS_SET || rule->lead_status == facts->lead_status);
}

/* Sets `shadows` of the table at the top: the shadows of the facts' trigger (and lead status), in order, as push_rules does, those that
 * would do something with `action` and `to`. */
static void set_shadows(lua_State *L, const lc_ruleset *ruleset, const lc_facts *facts, const lc_evidence *evidence) {
  const lc_later_rule *shadows = lc_ruleset_block(ruleset, LC_BLOCK_SHADOW), *found = NULL;
  uint32_t count = evidence->from != NULL ? ruleset->blocks[LC_BLOCK_SHADOW].count : 0;
  lc_decision decision;
  int place = 0;
  lua_newtable(L);
  found = lc_next_shadow(ruleset, facts, NULL, &decision);
  for (uint32_t i = 0; i < count; i++) {
    if (!concerns(&shadows[i], facts))
      continue;
    push_rule(L, evidence, &shadows[i].rule);
    if (&shadows[i] == found) {
      l_set_string(L, "action", lc_action_names[decision.action]);
      l_set_id(L, "to", decision.to);
      found = lc_next_shadow(ruleset, facts, found, &decision);
    }
    lua_rawseti(L, -2, ++place);
  }
  lua_setfield(L, -2, "shadows");
}

/* Pushes the rules with `after` of the facts' trigger (and lead status), in order, as push_rules does, each with `after`, seconds,
 * and one with `scheduled`. */
static void push_later(lua_State *L, const lc_ruleset *ruleset, const lc_facts *facts, const lc_evidence *evidence) {
  const lc_later_rule *later = lc_ruleset_block(ruleset, LC_BLOCK_LATER), *found = lc_find_later(ruleset, facts);
  uint32_t count = evidence->from != NULL ? ruleset->blocks[LC_BLOCK_LATER].count : 0;
  lua_newtable(L);
  for (uint32_t i = 0; i < count; i++) {
    if (!concerns(&later[i], facts))
      continue;
    push_rule(L, evidence, &later[i].rule);
    l_set_integer(L, "after", later[i].after);
    if (&later[i] == found) {
      l_set_boolean(L, "scheduled", true);
    }
    lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  }
}

/* Explains the facts in the arguments from `argument` on, which are the last: trigger, category, lead status, event, made. The
 * stack keeps the ruleset. */
static int push_explanation(lua_State *L, const lc_ruleset *ruleset, int argument, lc_facts facts) {
  lc_explanation explanation = { .target = 0 };
  lc_error error;
  l_fields fields;
  int count = 0;
  luaL_checkstack(L, LUA_MINSTACK, "an explanation");
  facts.made = opt_move(L, argument + 4);
  lc_known *known = l_push_known(L);
  int names = lua_gettop(L) + 1;
  l_push_fields(L, ruleset, &fields);
  const l_reading reading = { &fields, facts.trigger, names, argument + 3, 0 };
  lc_status status = l_add_known(L, &reading, known, &facts, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lc_decision decision = lc_explain(ruleset, &facts, &explanation);
  l_push_decision(L, decision, ruleset->revision);
  lua_createtable(L, LC_CHECKS, 0);
  for (int i = 0; i < LC_CHECKS; i++) {
    if (explanation.checks[i].result == LC_NOT_MADE)
      continue;
    push_check(L, (lc_reason)i, &explanation.checks[i], argument);
    lua_rawseti(L, -2, ++count);
  }
  l_push_target(L, explanation.target);
  l_push_target(L, decision.rule);
  push_rules(L, &explanation);
  push_later(L, ruleset, &facts, &explanation.evidence);
  set_shadows(L, ruleset, &facts, &explanation.evidence);
  l_push_missing(L, &fields, facts.trigger, names, facts.known, facts.first);
  return 10;
}

/* Pushes a copy of the tenant's ruleset, which no finalizer can take away. */
static lc_status push_copy(lua_State *L, lc_text tenant, lc_ruleset **copy) {
  int top = lua_gettop(L);
  size_t room = 0;
  *copy = NULL;
  for (int i = 0; i < L_MOST_SAVES; i++) {
    const lc_ruleset *ruleset;
    l_store *box = l_check_open(L);
    lc_status status = lc_store_ruleset(box->store, tenant, &ruleset, &box->error);
    if (status != LC_OK)
      return status;
    if (ruleset->size <= room) {
      memcpy(*copy, ruleset, ruleset->size);
      return LC_OK;
    }
    room = ruleset->size;
    lua_settop(L, top);
    *copy = lua_newuserdata(L, room);
  }
  return lc_fail(&l_check_open(L)->error, LC_UNAVAILABLE, "the rules keep changing");
}

/* store:explain(tenant, trigger, category, lead_status, event, made) -> action, to, reason, revision, checks, target, rule, rules,
 * later, missing: as `decide`, then each check in order as {name, pass, ...}: `pass` is absent after the one that failed, the rest is what was
 * compared; `target` is that of the rule that the facts choose, if any, whatever the checks say; `rule` the id of the rule that
 * decides, if it has one; `rules` those among which conditions choose, in order: {id, starts, applies, [i] = {holds, fact}};
 * `later` likewise those with `after`, seconds: `scheduled` is true of the one whose match would be, and `later.shadows` the shadows: with
 * the `action` and `to` that one would come to. `missing`: the names of what
 * conditions compare that is not the event's own, and that its facts lack. `made`: the change that rules may take back, as
 * store:last_change gives it, or nil. */
static int l_store_explain(lua_State *L) {
  lc_ruleset *ruleset;
  lua_settop(L, 7);
  lc_text tenant = l_check_tenant(L, 2);
  lc_facts facts = l_check_facts(L, 3, l_check_store(L, 1), NULL);
  lc_status status = push_copy(L, tenant, &ruleset);
  return status == LC_OK ? push_explanation(L, ruleset, 3, facts) : l_fail(L, status, &l_check_store(L, 1)->error);
}

static int l_explain(lua_State *L) {
  lua_settop(L, 5);
  lc_facts facts = l_check_facts(L, 1, NULL, lua_touserdata(L, lua_upvalueindex(2)));
  return push_explanation(L, lua_touserdata(L, lua_upvalueindex(1)), 1, facts);
}

int l_config_explainer(lua_State *L) {
  lua_settop(L, 2);
  l_push_ruleset(L, 1, l_push_triggers(L, 2), 0);
  lua_insert(L, -2);
  lua_pushcclosure(L, l_explain, 2);
  return 1;
}

void l_explain_register(lua_State *L) {
  static const luaL_Reg methods[] = { { "explain", l_store_explain }, { NULL, NULL } };
  l_store_methods(L, methods);
}
