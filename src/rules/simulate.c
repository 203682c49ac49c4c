#include "simulate.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 32 /* events, while memory is fetched */, NOWHERE = -2 /* the start of a company without events */ };

/* How much room to make when `count` rows do not fit. */
static uint32_t more(uint32_t count) {
  return count + count / 2 + 16;
}

/* ---- companies --------------------------------------------------------------------------- */

static lc_status make_room(lc_simulation *simulation, uint32_t room, lc_error *error) {
  for (int i = 0; i < simulation->side_count; i++) {
    int32_t *categories = realloc(simulation->sides[i].categories, room * sizeof *categories);
    if (categories == NULL)
      return lc_no_memory(error);
    simulation->sides[i].categories = categories;
  }
  if (simulation->side_count == LC_SIDES) {
    lc_origin *origins = realloc(simulation->origins, room * sizeof *origins);
    if (origins == NULL)
      return lc_no_memory(error);
    simulation->origins = origins;
  }
  simulation->room = room;
  return LC_OK;
}

/* Puts companies that are new into the start category. */
static lc_status place_new(lc_simulation *simulation, lc_error *error) {
  uint32_t from = simulation->placed, count = simulation->companies.count;
  lc_status status = count > simulation->room ? make_room(simulation, more(count), error) : LC_OK;
  if (status != LC_OK)
    return status;
  for (int i = 0; i < simulation->side_count; i++)
    for (uint32_t company = from; company < count; company++)
      simulation->sides[i].categories[company] = simulation->start;
  for (uint32_t company = from; simulation->origins != NULL && company < count; company++)
    simulation->origins[company].start = NOWHERE;
  simulation->placed = count;
  return LC_OK;
}

lc_status lc_simulation_companies(lc_simulation *simulation, lc_columns *columns, lc_error *error) {
  const lc_text_column companies = { columns->texts, columns->text, columns->text_size, columns->count };
  lc_status status = lc_texts_add_all(&simulation->companies, companies, columns->hash, columns->company, error);
  return status == LC_OK ? place_new(simulation, error) : status;
}

void lc_columns_add(lc_columns *columns, const lc_facts *facts, lc_company company) {
  uint32_t i = columns->count++;
  columns->trigger[i] = (uint8_t)facts->trigger;
  columns->category[i] = facts->category;
  columns->lead_status[i] = facts->lead_status;
  columns->text[i] = columns->texts_used;
  columns->text_size[i] = (uint8_t)company.text.size;
  columns->is_integer[i] = company.is_integer;
  memcpy(columns->texts + columns->texts_used, company.text.data, company.text.size);
  columns->texts_used += (uint32_t)company.text.size;
}

/* ---- counting what differs --------------------------------------------------------------- */

static lc_status fit(lc_tally *tally, uint32_t number, lc_error *error) {
  uint32_t room = more(number);
  lc_count *counts = number >= tally->room ? realloc(tally->counts, room * sizeof *counts) : tally->counts;
  if (counts == NULL)
    return lc_no_memory(error);
  for (; number >= tally->room && tally->room < room; tally->room++)
    counts[tally->room] = (lc_count){ 0 };
  tally->counts = counts;
  return LC_OK;
}

/* Counts one more of the kind with these `size` bytes, and gives its number. */
static lc_status count_one(lc_tally *tally, const void *kind, size_t size, uint32_t *number, lc_error *error) {
  lc_status status = lc_texts_add(&tally->kinds, kind, size, number, error);
  if (status == LC_OK)
    status = fit(tally, *number, error);
  if (status == LC_OK)
    tally->counts[*number].count++;
  return status;
}

/* Whether to show an event of that company for the change; if so, notes the company. */
static bool shows(lc_count *change, uint32_t company) {
  for (uint32_t i = 0; i < change->shown; i++)
    if (change->companies[i] == company)
      return false;
  if (change->shown == LC_EXAMPLES)
    return false;
  change->companies[change->shown++] = company;
  return true;
}

static lc_status note_change(lc_simulation *simulation, const lc_change *change, lc_example example, uint32_t company,
                             lc_error *error) {
  lc_status status = count_one(&simulation->changes, change, sizeof *change, &example.change, error);
  if (status == LC_OK && shows(&simulation->changes.counts[example.change], company))
    simulation->examples[simulation->example_count++] = example;
  return status;
}

/* ---- deciding ---------------------------------------------------------------------------- */

const char *lc_outcome_name(int outcome) {
  return outcome < LC_MATCHED ? lc_reason_names[outcome] : lc_action_names[outcome - LC_MATCHED + LC_UPDATE];
}

/* Seldom: inlined, it would take the registers of what is done for each event. */
static __attribute__((noinline)) void remember(const lc_ruleset *ruleset, lc_remembered *place, const lc_facts *facts, uint64_t key) {
  lc_decision decision = lc_decide(ruleset, facts);
  uint32_t outcome = decision.action == LC_NONE ? decision.reason : LC_MATCHED + decision.action - LC_UPDATE;
  *place = (lc_remembered){ key, decision.to, outcome };
}

/* A mispredicted branch costs more than all the rest: those here nearly always go the same way. What goes either way is
 * reckoned: the compiler would make a branch of `?:`. */
static inline int32_t only_if(bool condition, int32_t value) {
  return value & -(int32_t)condition;
}

static inline const lc_remembered *decide_plain(lc_side *side, lc_trigger trigger, int32_t category, int32_t lead_status) {
  const int32_t other = INT32_MIN; /* which no lead status has */
  bool of_status = trigger == LC_LEAD_STATUS_SET;
  int32_t status = only_if(of_status, lead_status);
  uint64_t key = (uint64_t)(uint32_t)category << 32 | (uint32_t)(status | only_if(!of_status, other | (int32_t)trigger));
  lc_remembered *place = &side->remembered[key * UINT64_C(0x9E3779B97F4A7C15) >> 52];
  if (place->key != key)
    remember(side->ruleset, place, &(lc_facts){ .trigger = trigger, .category = category, .lead_status = status }, key);
  return place;
}

/* By rules that look at more than what is remembered of a decision. */
static const lc_remembered *decide_event(lc_side *side, const lc_columns *columns, uint32_t i, int32_t category, int number) {
  const lc_facts facts = { (lc_trigger)columns->trigger[i], category, columns->lead_status[i], &columns->known[number],
                           columns->first[number][i] };
  remember(side->ruleset, &side->last, &facts, 0);
  return &side->last;
}

/* Decides one event on one side. `*from` is set to where its company stood. */
static inline const lc_remembered *step(lc_side *side, const lc_columns *columns, uint32_t i, int number, int32_t *from) {
  int32_t *stands = &side->categories[columns->company[i]];
  *from = columns->category[i] | only_if(columns->category[i] == LC_CATEGORY_ABSENT, *stands);
  int32_t category = *from > 0 ? *from : 0;
  lc_trigger trigger = (lc_trigger)columns->trigger[i];
  const lc_remembered *decision = lc_ruleset_trigger(side->ruleset, trigger)->plain
                                ? decide_plain(side, trigger, category, columns->lead_status[i])
                                : decide_event(side, columns, i, category, number);
  *stands = decision->to != 0 ? decision->to : *from;
  side->counts[columns->trigger[i]][decision->outcome]++;
  return decision;
}

/* Decides one event on the second side, and notes how that differs from `a`, the decision on the first. */
static inline lc_status step_beside(lc_simulation *simulation, const lc_columns *columns, uint32_t i, int32_t from,
                                    const lc_remembered *a, lc_error *error) {
  lc_example example = { i, 0, { from, 0 } };
  lc_origin *origin = &simulation->origins[columns->company[i]];
  const lc_remembered *b = step(&simulation->sides[1], columns, i, 1, &example.category[1]);
  if (origin->start == NOWHERE)
    *origin = (lc_origin){ from, columns->is_integer[i] };
  if (a->outcome == b->outcome && a->to == b->to)
    return LC_OK;
  const lc_change change = { columns->trigger[i], { (int32_t)a->outcome, (int32_t)b->outcome }, { a->to, b->to } };
  return note_change(simulation, &change, example, columns->company[i], error);
}

/* The loop, made once for each number of sides. */
static inline lc_status run(lc_simulation *simulation, const lc_columns *columns, bool beside, lc_error *error) {
  lc_side *side = &simulation->sides[0];
  lc_status status = LC_OK;
  for (uint32_t i = 0; i < columns->count && status == LC_OK; i++) {
    int32_t from;
    __builtin_prefetch(&side->categories[columns->company[(i + AHEAD) % LC_COLUMNS_MAX]], 1);
    const lc_remembered *decision = step(side, columns, i, 0, &from);
    if (beside)
      status = step_beside(simulation, columns, i, from, decision, error);
  }
  return status;
}

lc_status lc_simulation_run(lc_simulation *simulation, lc_columns *columns, lc_error *error) {
  simulation->example_count = 0;
  lc_status status = simulation->side_count == 1 ? run(simulation, columns, false, error)
                                                 : run(simulation, columns, true, error);
  columns->count = columns->texts_used = 0;
  for (int i = 0; i < LC_SIDES; i++)
    lc_known_clear(&columns->known[i]);
  return status;
}

/* ---- the end ----------------------------------------------------------------------------- */

static int32_t known(int32_t category) {
  return category > 0 ? category : 0;
}

lc_journey lc_simulation_journey(const lc_simulation *simulation, uint32_t company) {
  lc_journey journey = { 0, { 0 } };
  for (int i = 0; i < simulation->side_count; i++)
    journey.end[i] = known(simulation->sides[i].categories[company]);
  if (simulation->origins != NULL)
    journey.start = known(simulation->origins[company].start);
  return journey;
}

lc_status lc_simulation_finish(lc_simulation *simulation, lc_error *error) {
  uint32_t number;
  lc_status status = LC_OK;
  for (uint32_t i = 0; i < simulation->companies.count && status == LC_OK; i++) {
    const lc_journey journey = lc_simulation_journey(simulation, i);
    status = count_one(&simulation->journeys, &journey, sizeof journey, &number, error);
  }
  return status;
}

/* ---- life -------------------------------------------------------------------------------- */

static void init_side(lc_side *side, const lc_ruleset *ruleset) {
  side->ruleset = ruleset;
  for (int i = 0; i < LC_REMEMBERED; i++) /* which is right for the key 0, the only one that finds them */
    remember(ruleset, &side->remembered[i], &(lc_facts){ .trigger = LC_LEAD_STATUS_SET }, 0);
}

lc_status lc_simulation_init(lc_simulation *simulation, const lc_ruleset *const *rulesets, int side_count,
                             int32_t start, uint64_t seed, lc_error *error) {
  lc_texts *const texts[] = { &simulation->companies, &simulation->changes.kinds, &simulation->journeys.kinds };
  lc_status status = LC_OK;
  memset(simulation, 0, sizeof *simulation);
  simulation->start = start;
  simulation->side_count = side_count;
  simulation->sides = calloc((size_t)side_count, sizeof *simulation->sides);
  simulation->examples = side_count == LC_SIDES ? calloc(LC_COLUMNS_MAX, sizeof *simulation->examples) : NULL;
  if (simulation->sides == NULL || (side_count == LC_SIDES && simulation->examples == NULL))
    return lc_no_memory(error);
  for (int i = 0; i < side_count; i++)
    init_side(&simulation->sides[i], rulesets[i]);
  for (int i = 0; i < 3 && status == LC_OK; i++)
    status = lc_texts_init(texts[i], seed, error);
  return status;
}

void lc_columns_free(lc_columns *columns) {
  for (int i = 0; i < LC_SIDES; i++)
    lc_known_free(&columns->known[i]);
}

void lc_simulation_free(lc_simulation *simulation) {
  lc_texts_free(&simulation->companies);
  lc_texts_free(&simulation->changes.kinds);
  lc_texts_free(&simulation->journeys.kinds);
  for (int i = 0; simulation->sides != NULL && i < simulation->side_count; i++)
    free(simulation->sides[i].categories);
  free(simulation->sides);
  free(simulation->examples);
  free(simulation->origins);
  free(simulation->changes.counts);
  free(simulation->journeys.counts);
  memset(simulation, 0, sizeof *simulation);
}
