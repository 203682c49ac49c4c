// What the peers share: the cases that leadcat has written down, the check that a peer decides the same, and its time.
import { readFileSync } from "node:fs";

export const REASONS = ["rule_disabled", "unknown_category", "not_potential_customer", "lead_status_not_enabled",
  "lead_status_not_matched", "already_in_category", "conditions_not_met"];

// The conditions of a rule, which all must hold: {field, is, value}, of a sale.
export function conditionsOf(rule) {
  return (rule.when ? rule.when[0] : []).map(({ field, is, value }) => ({ field: field.replace("sale.", ""), is, value }));
}

// The outcome of a rule that matches, as a peer gives it: one of `outcomes`. Those of REASONS come first.
function outcomesOf(rules) {
  const nothing = REASONS.map((reason) => ["none", null, reason]);
  return nothing.concat(rules.map((rule) => [rule.ask ? "confirm" : "update", rule.set_category, "matched"]));
}

// What a rules engine is given of an event: a company's category and what there is to know about that. Where rules have
// conditions, the sale too: field by field, since spreading it would make V8 take three times as long for all that follows.
function factsOf(categories, hasSales) {
  const known = new Map(categories.map((category) => [category.id, category]));
  const facts = ([trigger, id, leadStatus]) => {
    const category = known.get(id);
    return { trigger, category: id, group: category ? category.group : null,
      hasLeadStatus: category ? category.lead_status === true : false, leadStatus };
  };
  const factsWithSale = ([trigger, id, , sale]) => {
    const category = known.get(id);
    return { trigger, category: id, group: category ? category.group : null, amount: sale.amount, type: sale.type,
      currency: sale.currency, probability: sale.probability };
  };
  return hasSales ? factsWithSale : facts;
}

function check(name, outcomes, given, expected) {
  given.forEach((index, i) => {
    if (JSON.stringify(outcomes[index]) !== JSON.stringify(expected[i]))
      throw new Error(`${name}: event ${i} gives ${JSON.stringify(outcomes[index])}, not ${JSON.stringify(expected[i])}`);
  });
}

// Nanoseconds a decision, of calls that last at least `seconds`: of the clock, or of all processors where that is less, since
// leadcat is timed by its processor and other programs may run.
async function time(decide, events, seconds) {
  const begun = process.hrtime.bigint(), usage = process.cpuUsage();
  let calls = 0, taken = 0;
  do {
    await decide(events);
    calls += events.length;
    taken = Number(process.hrtime.bigint() - begun);
  } while (taken < seconds * 1e9);
  const { user, system } = process.cpuUsage(usage);
  return Math.min(taken, (user + system) * 1000) / calls;
}

// Measures a peer. `build(rules, factsOf)` gives a function that takes events and gives the index of the outcome of each,
// or a promise of them; `rules` are enabled ones, each with `outcome`, its index. Prints nanoseconds a decision, of the case
// with the number given.
export async function measure(name, build) {
  const { cases, seconds } = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const timers = [];
  for (const { categories, rules, events, expected } of cases) {
    const enabled = rules.filter((rule) => rule.enabled);
    enabled.forEach((rule, i) => { rule.outcome = REASONS.length + i; });
    const decide = await build(enabled, factsOf(categories, enabled.some((rule) => rule.when)));
    check(name, outcomesOf(enabled), await decide(events), expected);
    timers.push(() => time(decide, events, seconds));
  }
  const timer = timers[Number(process.argv[3])];
  await timer(); // warms up
  console.log((await timer()).toFixed(1));
}
