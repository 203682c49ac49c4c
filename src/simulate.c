#include "simulate.h"

#include <stdlib.h>
#include <string.h>

/* ---- companies --------------------------------------------------------------------------- */

enum { AHEAD = 32 /* events, while memory is fetched */ };

/* Puts companies that are new into the start category. */
static lc_status place_new(lc_simulation *simulation, lc_error *error) {
  uint32_t count = simulation->companies.count;
  if (count > simulation->room) {
    uint32_t room = count + count / 2;
    int32_t *categories = realloc(simulation->categories, room * sizeof *categories);
    if (categories == NULL)
      return lc_fail(error, LC_UNAVAILABLE, "out of memory");
    simulation->categories = categories;
    simulation->room = room;
  }
  while (simulation->placed < count)
    simulation->categories[simulation->placed++] = simulation->start;
  return LC_OK;
}

lc_status lc_simulation_companies(lc_simulation *simulation, lc_batch *batch, lc_error *error) {
  const lc_text_column companies = { batch->texts, batch->text, batch->text_size, batch->count };
  lc_status status = lc_texts_add_all(&simulation->companies, companies, batch->hash, batch->company, error);
  return status == LC_OK ? place_new(simulation, error) : status;
}

void lc_batch_add(lc_batch *batch, lc_trigger trigger, const char *company, size_t size, int32_t category,
                  int32_t lead_status) {
  uint32_t i = batch->count++;
  batch->trigger[i] = (uint8_t)trigger;
  batch->category[i] = category;
  batch->lead_status[i] = lead_status;
  batch->text[i] = batch->texts_used;
  batch->text_size[i] = (uint8_t)size;
  memcpy(batch->texts + batch->texts_used, company, size);
  batch->texts_used += (uint32_t)size;
}

/* ---- deciding ---------------------------------------------------------------------------- */

const char *lc_outcome_name(int outcome) {
  return outcome < LC_MATCHED ? lc_reason_names[outcome] : lc_action_names[outcome - LC_MATCHED + LC_UPDATE];
}

static void remember(const lc_ruleset *ruleset, lc_remembered *place, lc_trigger trigger, int32_t category,
                     int32_t lead_status, uint64_t key) {
  lc_decision decision = lc_decide(ruleset, &(lc_facts){ trigger, category, lead_status });
  uint32_t outcome = decision.action == LC_NONE ? decision.reason : LC_MATCHED + decision.action - LC_UPDATE;
  *place = (lc_remembered){ key, decision.to, outcome };
}

/* A branch that goes wrong costs more than all the rest: the one there is nearly always goes the same way. */
static inline const lc_remembered *decide(lc_simulation *simulation, lc_trigger trigger, int32_t category,
                                          int32_t lead_status) {
  int32_t status = trigger == LC_LEAD_STATUS_SET ? lead_status : 0;
  uint64_t key = (uint64_t)(uint32_t)category << 33 | (uint64_t)(uint32_t)status << 2 | trigger;
  lc_remembered *place = &simulation->remembered[key * UINT64_C(0x9E3779B97F4A7C15) >> 52];
  if (place->key != key)
    remember(simulation->ruleset, place, trigger, category, status, key);
  return place;
}

static inline void step(lc_simulation *simulation, const lc_batch *batch, uint32_t i) {
  int32_t *stands = &simulation->categories[batch->company[i]];
  int32_t from = batch->category[i] != LC_CATEGORY_ABSENT ? batch->category[i] : *stands;
  int32_t category = from > 0 ? from : 0;
  const lc_remembered *decision = decide(simulation, (lc_trigger)batch->trigger[i], category, batch->lead_status[i]);
  *stands = decision->to != 0 ? decision->to : from;
  simulation->counts[batch->trigger[i]][decision->outcome]++;
}

void lc_simulation_run(lc_simulation *simulation, lc_batch *batch) {
  for (uint32_t i = 0; i < batch->count; i++) {
    __builtin_prefetch(&simulation->categories[batch->company[(i + AHEAD) % LC_BATCH]], 1);
    step(simulation, batch, i);
  }
  batch->count = batch->texts_used = 0;
}

/* ---- life -------------------------------------------------------------------------------- */

lc_status lc_simulation_init(lc_simulation *simulation, const lc_ruleset *ruleset, int32_t start, lc_error *error) {
  memset(simulation, 0, sizeof *simulation);
  simulation->ruleset = ruleset;
  simulation->start = start;
  for (int i = 0; i < LC_REMEMBERED; i++) /* right for the key 0, the only one they can be found by */
    remember(ruleset, &simulation->remembered[i], LC_SALE_REGISTERED, 0, 0, 0);
  return lc_texts_init(&simulation->companies, error);
}

void lc_simulation_free(lc_simulation *simulation) {
  lc_texts_free(&simulation->companies);
  free(simulation->categories);
  simulation->categories = NULL;
}
