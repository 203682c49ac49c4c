// json-logic-js: a rule of nested conditions for each trigger; it knows no compiling.
import jsonLogic from "json-logic-js";
import { REASONS, conditionsOf, measure } from "./cases.mjs";

const outcome = (reason) => REASONS.indexOf(reason);
const is = (name, value) => ({ "==": [{ var: name }, value] });

const OPERATORS = { equals: "==", one_of: "in", at_least: ">=", above: ">" };

const target = (rule) => ({ if: [is("category", rule.set_category), outcome("already_in_category"), rule.outcome] });

function targetIf(rule) {
  const conditions = conditionsOf(rule).map((c) => ({ [OPERATORS[c.is]]: [{ var: c.field }, c.value] }));
  return conditions.length ? { if: [{ and: conditions }, target(rule), outcome("conditions_not_met")] } : target(rule);
}

function afterGroup(trigger, rules) {
  if (trigger !== "lead_status_set") return targetIf(rules[0]);
  const statuses = rules.flatMap((rule) => [is("leadStatus", rule.lead_status), target(rule)]);
  return { if: [{ "!": [{ var: "hasLeadStatus" }] }, outcome("lead_status_not_enabled"), ...statuses,
    outcome("lead_status_not_matched")] };
}

function ruleOf(trigger, rules) {
  return { if: [is("group", null), outcome("unknown_category"),
    { "!=": [{ var: "group" }, "potential_customer"] }, outcome("not_potential_customer"),
    afterGroup(trigger, rules)] };
}

await measure("json-logic-js", (rules, facts) => {
  const byTrigger = new Map();
  for (const { trigger } of rules)
    byTrigger.set(trigger, ruleOf(trigger, rules.filter((rule) => rule.trigger === trigger)));
  const decide = (event) => {
    const rule = byTrigger.get(event[0]);
    return rule ? jsonLogic.apply(rule, facts(event)) : outcome("rule_disabled");
  };
  return (events) => events.map(decide);
});
