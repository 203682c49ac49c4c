#include "simulate.h"

#include <stdlib.h>
#include <string.h>

#include "owner.h"

/* ---- companies --------------------------------------------------------------------------- */

/* A company's text. Records start at every fourth byte, so that 32 bits reach 16 GiB of them. */
typedef struct record {
  uint32_t company;
  uint8_t size;
  char text[];
} record;

enum { FIRST_SLOTS = 64, AHEAD = 32 /* events, while memory is fetched */ };

static size_t record_size(size_t text) {
  return (offsetof(record, text) + text + sizeof(uint32_t) - 1) / sizeof(uint32_t);
}

static const record *record_at(const lc_simulation *simulation, uint32_t at) {
  return (const void *)(simulation->texts + at);
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ hash >> 32;
}

static uint32_t hash_of(uint64_t seed, const char *text, size_t size) {
  uint64_t hash = mix(seed, size), word = 0;
  for (; size > sizeof word; text += sizeof word, size -= sizeof word) {
    memcpy(&word, text, sizeof word);
    hash = mix(hash, word);
  }
  word = 0;
  memcpy(&word, text, size);
  return (uint32_t)mix(hash, word);
}

/* The slot that holds the company, or else the empty one where it belongs. */
static lc_company_slot *find(const lc_simulation *simulation, uint32_t hash, const char *text, size_t size) {
  uint32_t mask = simulation->slot_count - 1, i = hash & mask;
  for (;; i = (i + 1) & mask) {
    lc_company_slot *slot = &simulation->slots[i];
    if (slot->at == 0)
      return slot;
    const record *known = record_at(simulation, slot->at);
    if (slot->hash == hash && known->size == size && memcmp(known->text, text, size) == 0)
      return slot;
  }
}

static lc_status no_memory(lc_error *error) {
  return lc_fail(error, LC_UNAVAILABLE, "out of memory");
}

/* Twice the slots. */
static lc_status grow_slots(lc_simulation *simulation, lc_error *error) {
  uint32_t count = simulation->slot_count != 0 ? simulation->slot_count * 2 : FIRST_SLOTS;
  lc_company_slot *slots = count != 0 ? calloc(count, sizeof *slots) : NULL;
  if (slots == NULL)
    return no_memory(error);
  for (uint32_t i = 0; i < simulation->slot_count; i++) {
    uint32_t to = simulation->slots[i].hash & (count - 1);
    if (simulation->slots[i].at == 0)
      continue;
    while (slots[to].at != 0)
      to = (to + 1) & (count - 1);
    slots[to] = simulation->slots[i];
  }
  free(simulation->slots);
  simulation->slots = slots;
  simulation->slot_count = count;
  return LC_OK;
}

static lc_status grow_categories(lc_simulation *simulation, lc_error *error) {
  uint32_t room = simulation->slot_count / 2;
  int32_t *categories = realloc(simulation->categories, room * sizeof *categories);
  if (categories == NULL)
    return no_memory(error);
  simulation->categories = categories;
  simulation->company_room = room;
  return LC_OK;
}

static lc_status grow_texts(lc_simulation *simulation, lc_error *error) {
  size_t room = simulation->texts_room + simulation->texts_room / 2 + record_size(UINT8_MAX);
  uint32_t *texts = room <= UINT32_MAX ? realloc(simulation->texts, room * sizeof *texts) : NULL;
  if (texts == NULL)
    return no_memory(error);
  simulation->texts = texts;
  simulation->texts_room = room;
  return LC_OK;
}

/* Makes room for one more company. */
static lc_status make_room(lc_simulation *simulation, lc_error *error) {
  lc_status status = LC_OK;
  if (simulation->company_count >= simulation->slot_count / 2)
    status = grow_slots(simulation, error);
  if (status == LC_OK && simulation->company_count >= simulation->company_room)
    status = grow_categories(simulation, error);
  if (status == LC_OK && simulation->texts_used + record_size(UINT8_MAX) > simulation->texts_room)
    status = grow_texts(simulation, error);
  return status;
}

/* Adds a company, for which there is room. */
static uint32_t add(lc_simulation *simulation, uint32_t hash, const char *text, size_t size) {
  uint32_t company = simulation->company_count++;
  uint32_t at = (uint32_t)simulation->texts_used;
  record *added = (void *)(simulation->texts + at);
  added->company = company;
  added->size = (uint8_t)size;
  memcpy(added->text, text, size);
  simulation->texts_used += record_size(size);
  simulation->categories[company] = simulation->start;
  *find(simulation, hash, text, size) = (lc_company_slot){ hash, at };
  return company;
}

/* The company of that text, which is new when it was not known. LC_UNAVAILABLE. */
static lc_status number(lc_simulation *simulation, uint32_t hash, const char *text, size_t size, uint32_t *company,
                        lc_error *error) {
  uint32_t at = find(simulation, hash, text, size)->at;
  if (at != 0) {
    *company = record_at(simulation, at)->company;
    return LC_OK;
  }
  lc_status status = make_room(simulation, error);
  if (status == LC_OK)
    *company = add(simulation, hash, text, size);
  return status;
}

/* Has the memory fetched that find will look at: first the slot, then, events later, the record it leads to. With many
 * companies, waiting for memory is what takes time. */
static void fetch_slot(const lc_simulation *simulation, uint32_t hash) {
  __builtin_prefetch(&simulation->slots[hash & (simulation->slot_count - 1)]);
}

static void fetch_record(const lc_simulation *simulation, uint32_t hash) {
  __builtin_prefetch(record_at(simulation, simulation->slots[hash & (simulation->slot_count - 1)].at));
}

lc_status lc_simulation_companies(lc_simulation *simulation, lc_batch *batch, lc_error *error) {
  lc_status status = LC_OK;
  for (uint32_t i = 0; i < batch->count; i++)
    batch->hash[i] = hash_of(simulation->seed, batch->texts + batch->text[i], batch->text_size[i]);
  for (uint32_t i = 0; i < batch->count && status == LC_OK; i++) {
    fetch_slot(simulation, batch->hash[(i + 2 * AHEAD) % LC_BATCH]);
    fetch_record(simulation, batch->hash[(i + AHEAD) % LC_BATCH]);
    status = number(simulation, batch->hash[i], batch->texts + batch->text[i], batch->text_size[i], &batch->company[i],
                    error);
    if (status == LC_OK)
      __builtin_prefetch(&simulation->categories[batch->company[i]], 1); /* for lc_simulation_run */
  }
  return status;
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
  lc_decision decision = lc_decide(ruleset, trigger, category, lead_status);
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
  for (uint32_t i = 0; i < batch->count; i++)
    step(simulation, batch, i);
  batch->count = batch->texts_used = 0;
}

/* ---- life -------------------------------------------------------------------------------- */

lc_status lc_simulation_init(lc_simulation *simulation, const lc_ruleset *ruleset, int32_t start, lc_error *error) {
  memset(simulation, 0, sizeof *simulation);
  simulation->ruleset = ruleset;
  simulation->start = start;
  simulation->texts_used = 1; /* 0 marks an empty slot */
  for (int i = 0; i < LC_REMEMBERED; i++) /* right for the key 0, the only one they can be found by */
    remember(ruleset, &simulation->remembered[i], LC_SALE_REGISTERED, 0, 0, 0);
  lc_status status = lc_random(&simulation->seed, sizeof simulation->seed, error);
  return status == LC_OK ? make_room(simulation, error) : status;
}

void lc_simulation_free(lc_simulation *simulation) {
  free(simulation->slots);
  free(simulation->categories);
  free(simulation->texts);
  simulation->slots = NULL;
  simulation->categories = NULL;
  simulation->texts = NULL;
}
