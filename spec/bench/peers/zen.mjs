// GoRules zen: a decision table, prepared once, of which one call decides all events (its execution mode "loop").
import { ZenDecisionContent, ZenEngine } from "@gorules/zen-engine";
import { REASONS, conditionsOf, measure } from "./cases.mjs";

const TRIGGERS = ["sale_registered", "sale_won", "sale_lost", "lead_status_set"];
const FIELDS = ["trigger", "group", "hasLeadStatus", "leadStatus", "category"];

const CELLS = {
  equals: (value) => JSON.stringify(value), one_of: (value) => value.map((one) => JSON.stringify(one)).join(", "),
  at_least: (value) => `>= ${value}`, above: (value) => `> ${value}`,
};

// What a rule's conditions put into the cells of its row.
const cellsOf = (rule) => Object.fromEntries(conditionsOf(rule).map((c) => [c.field, { test: CELLS[c.is](c.value) }]));

// The rows of the table: what each field must be, and the outcome. The first that fits counts.
function rowsOf(rules) {
  const enabled = new Set(rules.map((rule) => rule.trigger));
  const group = "potential_customer";
  const rows = TRIGGERS.filter((trigger) => !enabled.has(trigger)).map((trigger) => [{ trigger }, "rule_disabled"]);
  rows.push([{ group: null }, "unknown_category"]);
  rows.push([{ trigger: "lead_status_set", group, hasLeadStatus: false }, "lead_status_not_enabled"]);
  for (const rule of rules) {
    const { trigger, lead_status: leadStatus, set_category: category, outcome } = rule, cells = cellsOf(rule);
    const row = trigger === "lead_status_set" ? { trigger, group, leadStatus } : { trigger, group, ...cells };
    rows.push([{ ...row, category }, "already_in_category"], [row, outcome]);
    if (rule.when) rows.push([{ trigger, group }, "conditions_not_met"]);
  }
  rows.push([{ group }, "lead_status_not_matched"], [{}, "not_potential_customer"]);
  return rows;
}

function tableOf(rules) {
  const fields = [...FIELDS, ...new Set(rules.flatMap((rule) => conditionsOf(rule).map((c) => c.field)))];
  const rows = rowsOf(rules).map(([conditions, outcome], i) => {
    const row = { _id: `row${i}`, outcome: String(typeof outcome === "number" ? outcome : REASONS.indexOf(outcome)) };
    for (const field of fields)
      row[field] = field in conditions ? conditions[field]?.test ?? JSON.stringify(conditions[field]) : "";
    return row;
  });
  return { hitPolicy: "first", rules: rows, inputs: fields.map((field) => ({ id: field, name: field, field })),
    outputs: [{ id: "outcome", name: "outcome", field: "outcome" }],
    executionMode: "loop", inputField: "events", outputPath: "outcomes" };
}

function contentOf(rules) {
  const node = (id, type, content = {}) => ({ id, name: id, type, position: { x: 0, y: 0 }, content });
  const edge = (sourceId, targetId) => ({ id: `${sourceId}-${targetId}`, type: "edge", sourceId, targetId });
  return { contentType: "application/vnd.gorules.decision", edges: [edge("in", "table"), edge("table", "out")],
    nodes: [node("in", "inputNode"), node("table", "decisionTableNode", tableOf(rules)), node("out", "outputNode")] };
}

const engine = new ZenEngine();

await measure("zen", (rules, facts) => {
  const decision = engine.createDecision(new ZenDecisionContent(contentOf(rules)));
  return async (events) => {
    const { result } = await decision.evaluate({ events: events.map(facts) });
    return result.outcomes.map(({ outcome }) => outcome);
  };
});
