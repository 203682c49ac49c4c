#include "core.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/checksum.h"
#include "rules/decide.h"
#include "rules/event_json.h"
#include "rules/ruleset.h"
#include "store/record.h"

static void expect(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "broken: %s\n", what);
  abort();
}

#define EXPECT(condition) expect((condition), #condition)

/* A copy that ends where its memory ends, and is aligned. */
static void *copy_of(const void *bytes, size_t size) {
  void *copy = calloc(size != 0 ? size : 1, 1);
  if (copy == NULL)
    abort();
  if (size != 0)
    memcpy(copy, bytes, size);
  return copy;
}

/* ---- rulesets ---------------------------------------------------------------------------- */

/* Whether the explanation is of this decision, whose check alone has failed. */
static bool explains(const lc_ruleset *ruleset, const lc_facts *facts, lc_decision decision) {
  int32_t target;
  lc_check checks[LC_CHECKS];
  lc_decision explained = lc_explain(ruleset, facts, checks, &target);
  bool same = explained.action == decision.action && explained.reason == decision.reason && explained.to == decision.to
           && (decision.action == LC_NONE || target == decision.to);
  for (int i = 0; i < LC_CHECKS; i++)
    same = same && (checks[i].result == LC_FAILED) == (i == (int)decision.reason);
  return same;
}

static void decide_all(const lc_ruleset *ruleset) {
  static const int32_t ids[] = { INT32_MIN, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 1 << 20, INT32_MAX };
  enum { IDS = sizeof ids / sizeof ids[0] };
  for (int trigger = 0; trigger < LC_TRIGGERS; trigger++)
    for (int i = 0; i < IDS; i++)
      for (int k = 0; k < IDS; k++) {
        const lc_facts facts = { (lc_trigger)trigger, ids[i], ids[k] };
        lc_decision decision = lc_decide(ruleset, &facts);
        EXPECT(decision.action < LC_ACTIONS && decision.reason < LC_REASONS);
        EXPECT((decision.reason == LC_MATCHED) == (decision.action != LC_NONE));
        EXPECT(decision.reason == LC_MATCHED ? decision.to != ids[i] : decision.to == 0);
        EXPECT(explains(ruleset, &facts, decision));
      }
}

static void try_ruleset(const void *bytes, size_t size) {
  lc_error error = { "" };
  lc_status status = lc_ruleset_check(bytes, size, &error);
  EXPECT(status == LC_OK || (status == LC_CORRUPT && error.message[0] != '\0'));
  if (status == LC_OK)
    decide_all(bytes);
}

static uint64_t checksum(const unsigned char *bytes, size_t size) {
  size_t from = offsetof(lc_ruleset, checksum) + sizeof(uint64_t);
  return lc_checksum(LC_CHECKSUM_START, bytes + from, size - from);
}

/* Puts right what every damage would make wrong. */
static void seal(lc_ruleset *ruleset, size_t size) {
  ruleset->magic = LC_RULESET_MAGIC;
  ruleset->version = LC_RULESET_VERSION;
  ruleset->size = (uint32_t)size;
  ruleset->checksum = checksum((const unsigned char *)ruleset, size);
}

void fuzz_ruleset(const uint8_t *bytes, size_t size) {
  void *copy = copy_of(bytes, size);
  try_ruleset(copy, size);
  if (size >= sizeof(lc_ruleset)) {
    seal(copy, size);
    try_ruleset(copy, size);
  }
  free(copy);
}

/* ---- building ---------------------------------------------------------------------------- */

enum { MOST = 64 };

/* Takes numbers off the front of the bytes; 0 at their end. */
typedef struct reader {
  const uint8_t *bytes;
  size_t size;
} reader;

static int take(reader *r) {
  if (r->size == 0)
    return 0;
  r->size--;
  return *r->bytes++;
}

/* Mostly small ids, some of them wrong, some far apart. */
static int32_t take_id(reader *r) {
  int byte = take(r);
  return byte < 200 ? byte : byte < 210 ? -byte : (int32_t)(((uint32_t)byte << 23) | (uint32_t)take(r));
}

static void check_built(const lc_ruleset *ruleset, const lc_config *config) {
  for (uint32_t i = 0; i < config->category_count; i++) {
    const lc_category *category = &config->categories[i];
    const lc_category_slot *slot = lc_ruleset_category(ruleset, category->id);
    EXPECT(slot != NULL && slot->id == category->id && slot->group == category->group);
    EXPECT(slot->deleted == category->deleted && slot->lead_status == category->lead_status);
  }
  uint32_t options = 0;
  for (uint32_t i = 0; i < config->category_count; i++)
    if (!config->categories[i].deleted)
      EXPECT(options < ruleset->option_count && lc_ruleset_options(ruleset)[options++] == config->categories[i].id);
  EXPECT(options == ruleset->option_count);
  for (uint32_t i = 0; i < config->rule_count; i++) {
    const lc_rule *rule = &config->rules[i];
    const lc_rule_slot *slot = rule->trigger == LC_LEAD_STATUS_SET ? lc_ruleset_lead_status(ruleset, rule->lead_status)
                                                                   : &ruleset->sale[rule->trigger];
    EXPECT(slot != NULL && slot->to == rule->to && slot->ask == rule->ask);
  }
}

void fuzz_build(const uint8_t *bytes, size_t size) {
  lc_category categories[MOST];
  lc_rule rules[MOST];
  reader r = { bytes, size };
  lc_config config = { .revision = 1, .categories = categories, .rules = rules };
  config.category_count = (uint32_t)take(&r) % MOST;
  config.rule_count = (uint32_t)take(&r) % MOST;
  for (uint32_t i = 0; i < config.category_count; i++) {
    int32_t id = take_id(&r);
    int flags = take(&r);
    categories[i] = (lc_category){ id, (lc_group)(flags % LC_GROUPS), (flags & 64) != 0, (flags & 128) != 0 };
  }
  for (uint32_t i = 0; i < config.rule_count; i++) {
    int flags = take(&r);
    bool by_status = flags % LC_TRIGGERS == LC_LEAD_STATUS_SET;
    int32_t to = take_id(&r);
    rules[i] = (lc_rule){ (lc_trigger)(flags % LC_TRIGGERS), by_status ? take_id(&r) : 0, to, (flags & 128) != 0 };
  }
  size_t needed = lc_ruleset_size(&config);
  lc_error error = { "" };
  void *memory = malloc(needed);
  if (memory == NULL)
    abort();
  lc_status status = lc_ruleset_build(&config, memory, needed, &error);
  EXPECT(status == LC_OK || (status == LC_INVALID && error.message[0] != '\0'));
  if (status == LC_OK) {
    EXPECT(lc_ruleset_check(memory, needed, NULL) == LC_OK);
    check_built(memory, &config);
    decide_all(memory);
  }
  free(memory);
}

/* ---- events ------------------------------------------------------------------------------ */

void fuzz_event(const uint8_t *bytes, size_t size) {
  char *line = malloc(size + 1); /* it ends where its memory ends */
  if (line == NULL)
    abort();
  if (size != 0)
    memcpy(line, bytes, size);
  line[size] = '\n';
  lc_event event;
  if (lc_event_read(line, &event)) {
    lc_text company = event.company.text;
    EXPECT(event.facts.trigger < LC_TRIGGERS);
    EXPECT(company.size >= 1 && company.size <= LC_COMPANY_MAX);
    EXPECT(company.data == event.room || (company.data > line && company.data + company.size < line + size));
    EXPECT(event.facts.category >= LC_CATEGORY_IMPOSSIBLE && event.facts.lead_status >= 0);
  }
  free(line);
}

/* ---- records ----------------------------------------------------------------------------- */

/* Reads every byte of the text, which must lie within the record. */
static void check_text(lc_text text, const void *bytes, size_t size) {
  const char *from = bytes;
  EXPECT(text.size == 0 ? text.data == NULL : text.data >= from && text.data + text.size <= from + size);
  volatile char last = 0;
  for (size_t i = 0; i < text.size; i++)
    last = text.data[i];
  (void)last;
}

static void try_entry(const void *bytes, size_t size) {
  lc_entry entry, again;
  lc_error error = { "" };
  lc_status status = lc_entry_unpack(bytes, size, &entry, &error);
  EXPECT(status == LC_OK || (status == LC_CORRUPT && error.message[0] != '\0'));
  if (status != LC_OK)
    return;
  check_text(entry.company.text, bytes, size);
  check_text(entry.event_id, bytes, size);
  check_text(entry.details, bytes, size);
  check_text(entry.error, bytes, size);
  EXPECT(lc_entry_size(&entry) == size + (*(const char *)bytes == 1 ? sizeof(double) : 0));
  size = lc_entry_size(&entry);
  char *packed = malloc(size), *twice = malloc(size);
  if (packed == NULL || twice == NULL)
    abort();
  lc_entry_pack(&entry, packed);
  EXPECT(lc_entry_unpack(packed, size, &again, NULL) == LC_OK);
  lc_entry_pack(&again, twice);
  EXPECT(memcmp(packed, twice, size) == 0);
  EXPECT(lc_entry_status_names[entry.status] != NULL && lc_trigger_names[entry.trigger] != NULL);
  EXPECT(lc_action_names[entry.action] != NULL);
  free(packed);
  free(twice);
}

static void try_confirmation(const void *bytes, size_t size) {
  lc_question question, again;
  lc_error error = { "" };
  lc_status status = lc_question_unpack(bytes, size, &question, &error);
  EXPECT(status == LC_OK || (status == LC_CORRUPT && error.message[0] != '\0'));
  if (status != LC_OK)
    return;
  check_text(question.company.text, bytes, size);
  check_text(question.user, bytes, size);
  check_text(question.body, bytes, size);
  check_text(question.answer, bytes, size);
  EXPECT(lc_question_size(&question) == size);
  char *packed = malloc(size), *twice = malloc(size);
  if (packed == NULL || twice == NULL)
    abort();
  lc_question_pack(&question, packed);
  EXPECT(lc_question_unpack(packed, size, &again, NULL) == LC_OK);
  lc_question_pack(&again, twice);
  EXPECT(memcmp(packed, twice, size) == 0);
  EXPECT(lc_question_state_names[question.state] != NULL && lc_trigger_names[question.trigger] != NULL);
  free(packed);
  free(twice);
}

void fuzz_records(const uint8_t *bytes, size_t size) {
  void *copy = copy_of(bytes, size);
  try_entry(copy, size);
  try_confirmation(copy, size);
  free(copy);
}
