#include "texts.h"

#include <stdlib.h>
#include <string.h>

typedef struct lc_text_slot {
  uint32_t hash;
  uint32_t at; /* of its record; 0: empty */
} slot;

/* A text with its number. Records start at every fourth byte, so that 32 bits reach 16 GiB of them. */
typedef struct record {
  uint32_t number;
  uint8_t size;
  char text[];
} record;

enum { FIRST_SLOTS = 64, FIRST_RECORD = 1 /* 0 marks an empty slot */, AHEAD = 32 /* texts to fetch memory for */ };

static size_t record_size(size_t text) {
  return (offsetof(record, text) + text + sizeof(uint32_t) - 1) / sizeof(uint32_t);
}

static const record *record_at(const lc_texts *texts, size_t at) {
  return (const void *)(texts->records + at);
}

/* ---- finding ----------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ hash >> 32;
}

static inline uint32_t hash_of(uint64_t seed, const char *text, size_t size) {
  uint64_t hash = mix(seed, size), word = 0;
  for (; size > sizeof word; text += sizeof word, size -= sizeof word) {
    memcpy(&word, text, sizeof word);
    hash = mix(hash, word);
  }
  word = 0;
  memcpy(&word, text, size);
  return (uint32_t)mix(hash, word);
}

/* The slot that holds the text, or else the empty one where it belongs. */
static inline slot *find(const lc_texts *texts, uint32_t hash, const char *text, size_t size) {
  uint32_t mask = texts->slot_count - 1, i = hash & mask;
  for (;; i = (i + 1) & mask) {
    slot *here = &texts->slots[i];
    if (here->at == 0)
      return here;
    const record *known = record_at(texts, here->at);
    if (here->hash == hash && known->size == size && memcmp(known->text, text, size) == 0)
      return here;
  }
}

uint32_t lc_texts_find(const lc_texts *texts, const char *text, size_t size) {
  uint32_t at = find(texts, hash_of(texts->seed, text, size), text, size)->at;
  return at != 0 ? record_at(texts, at)->number : LC_NO_TEXT;
}

const char *lc_texts_next(const lc_texts *texts, size_t *at, size_t *size) {
  *at = *at != 0 ? *at : FIRST_RECORD;
  if (*at == texts->used)
    return NULL;
  const record *here = record_at(texts, *at);
  *at += record_size(here->size);
  *size = here->size;
  return here->text;
}

/* ---- adding ------------------------------------------------------------------------------ */

/* Doubles the slots. */
static lc_status grow_slots(lc_texts *texts, lc_error *error) {
  uint32_t count = texts->slot_count != 0 ? texts->slot_count * 2 : FIRST_SLOTS;
  slot *slots = count != 0 ? calloc(count, sizeof *slots) : NULL;
  if (slots == NULL)
    return lc_no_memory(error);
  for (uint32_t i = 0; i < texts->slot_count; i++) {
    uint32_t to = texts->slots[i].hash & (count - 1);
    if (texts->slots[i].at == 0)
      continue;
    while (slots[to].at != 0)
      to = (to + 1) & (count - 1);
    slots[to] = texts->slots[i];
  }
  free(texts->slots);
  texts->slots = slots;
  texts->slot_count = count;
  return LC_OK;
}

static lc_status grow_records(lc_texts *texts, lc_error *error) {
  size_t room = texts->room + texts->room / 2 + record_size(LC_TEXT_MOST);
  uint32_t *records = room <= UINT32_MAX ? realloc(texts->records, room * sizeof *records) : NULL;
  if (records == NULL)
    return lc_no_memory(error);
  texts->records = records;
  texts->room = room;
  return LC_OK;
}

/* Makes room for one text more. */
static lc_status make_room(lc_texts *texts, lc_error *error) {
  lc_status status = texts->count >= texts->slot_count / 2 ? grow_slots(texts, error) : LC_OK;
  if (status == LC_OK && texts->used + record_size(LC_TEXT_MOST) > texts->room)
    status = grow_records(texts, error);
  return status;
}

/* Adds a text that is new, for which there is room. */
static uint32_t append(lc_texts *texts, uint32_t hash, const char *text, size_t size) {
  uint32_t at = (uint32_t)texts->used;
  record *added = (void *)(texts->records + at);
  added->number = texts->count;
  added->size = (uint8_t)size;
  memcpy(added->text, text, size);
  texts->used += record_size(size);
  *find(texts, hash, text, size) = (slot){ hash, at };
  return texts->count++;
}

static inline lc_status add(lc_texts *texts, uint32_t hash, const char *text, size_t size, uint32_t *number,
                            lc_error *error) {
  uint32_t at = find(texts, hash, text, size)->at;
  if (at != 0) {
    *number = record_at(texts, at)->number;
    return LC_OK;
  }
  lc_status status = make_room(texts, error);
  if (status == LC_OK)
    *number = append(texts, hash, text, size);
  return status;
}

lc_status lc_texts_add(lc_texts *texts, const char *text, size_t size, uint32_t *number, lc_error *error) {
  return add(texts, hash_of(texts->seed, text, size), text, size, number, error);
}

/* With many texts, waiting for memory takes most of the time: what find will look at is fetched ahead, first the slot,
 * then, AHEAD texts later, the record it leads to. */
lc_status lc_texts_add_all(lc_texts *texts, lc_text_column column, uint32_t *hashes, uint32_t *numbers,
                           lc_error *error) {
  lc_status status = LC_OK;
  for (uint32_t i = 0; i < column.count; i++)
    hashes[i] = hash_of(texts->seed, column.bytes + column.at[i], column.size[i]);
  for (uint32_t i = 0; i < column.count && status == LC_OK; i++) {
    if (i + 2 * AHEAD < column.count) {
      uint32_t mask = texts->slot_count - 1;
      __builtin_prefetch(&texts->slots[hashes[i + 2 * AHEAD] & mask]);
      __builtin_prefetch(record_at(texts, texts->slots[hashes[i + AHEAD] & mask].at));
    }
    status = add(texts, hashes[i], column.bytes + column.at[i], column.size[i], &numbers[i], error);
  }
  return status;
}

/* ---- life -------------------------------------------------------------------------------- */

lc_status lc_texts_init(lc_texts *texts, uint64_t seed, lc_error *error) {
  memset(texts, 0, sizeof *texts);
  texts->used = FIRST_RECORD;
  texts->seed = seed;
  return make_room(texts, error);
}

void lc_texts_free(lc_texts *texts) {
  free(texts->slots);
  free(texts->records);
  texts->slots = NULL;
  texts->records = NULL;
}
