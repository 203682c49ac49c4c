// json-rules-engine: an engine for each trigger, made once; rules by priority, and the first that succeeds ends the run.
import { Engine } from "json-rules-engine";
import { REASONS, conditionsOf, measure } from "./cases.mjs";

const OPERATORS = { equals: "equal", one_of: "in", at_least: "greaterThanInclusive", above: "greaterThan" };

const when = (fact, operator, value) => ({ fact, operator, value });

// Conditions and outcomes in the order of the checks.
function rowsOf(trigger, rules) {
  const rows = [
    [[when("group", "equal", null)], REASONS.indexOf("unknown_category")],
    [[when("group", "notEqual", "potential_customer")], REASONS.indexOf("not_potential_customer")],
  ];
  if (trigger === "lead_status_set")
    rows.push([[when("hasLeadStatus", "equal", false)], REASONS.indexOf("lead_status_not_enabled")]);
  for (const rule of rules) {
    const all = trigger === "lead_status_set" ? [when("leadStatus", "equal", rule.lead_status)] : [];
    all.push(...conditionsOf(rule).map((c) => when(c.field, OPERATORS[c.is], c.value)));
    rows.push([[...all, when("category", "equal", rule.set_category)], REASONS.indexOf("already_in_category")]);
    rows.push([[...all, when("category", "notEqual", rule.set_category)], rule.outcome]);
  }
  const otherwise = trigger === "lead_status_set" ? "lead_status_not_matched" : "conditions_not_met";
  rows.push([[when("group", "equal", "potential_customer")], REASONS.indexOf(otherwise)]);
  return rows;
}

function engineOf(trigger, rules) {
  const engine = new Engine();
  rowsOf(trigger, rules).forEach(([all, index], i) => {
    engine.addRule({ conditions: { all }, event: { type: "decided", params: { index } }, priority: 1000 - i });
  });
  engine.on("success", () => { engine.stop(); });
  return engine;
}

await measure("json-rules-engine", (rules, facts) => {
  const engines = new Map();
  for (const { trigger } of rules)
    engines.set(trigger, engineOf(trigger, rules.filter((rule) => rule.trigger === trigger)));
  return async (events) => {
    const indexes = [];
    for (const event of events) {
      const engine = engines.get(event[0]);
      indexes.push(engine ? (await engine.run(facts(event))).events[0].params.index : REASONS.indexOf("rule_disabled"));
    }
    return indexes;
  };
});
