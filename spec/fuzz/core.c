#include "core.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/checksum.h"
#include "rules/decide.h"
#include "rules/event_json.h"
#include "rules/later.h"
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
  lc_explanation explanation = { .target = 0 };
  lc_decision explained = lc_explain(ruleset, facts, &explanation);
  const lc_check *checks = explanation.checks;
  bool same = explained.action == decision.action && explained.reason == decision.reason && explained.to == decision.to
           && (decision.action == LC_NONE || explanation.target == decision.to);
  for (int i = 0; i < LC_CHECKS; i++)
    same = same && (checks[i].result == LC_FAILED) == (i == (int)decision.reason);
  return same;
}

/* Some fact for each field: unknown, a number, a text, a list. The first fact is of no field. */
static void know(lc_known *known) {
  static const lc_text texts[] = { { "b", 1 }, { "\xC3\x89", 2 }, { "\xFF", 1 } };
  size_t first, list;
  if (lc_known_add(known, 1 + LC_FIELDS_MAX, &first, NULL) != LC_OK || lc_known_add(known, 3, &list, NULL) != LC_OK)
    abort();
  for (size_t i = 0; i < 3; i++)
    if (lc_known_set_text(known, list + i, texts[i], NULL) != LC_OK)
      abort();
  const lc_fact kinds[] = {
    { .kind = LC_UNKNOWN }, { .kind = LC_NUMBER, .is.number = 5 }, known->facts[list],
    { .kind = LC_LIST, .size = 3, .is.at = list },
  };
  for (size_t i = 1; i <= LC_FIELDS_MAX; i++)
    known->facts[i] = kinds[i % 4];
}

static void decide_later(const lc_ruleset *ruleset, const lc_facts *facts) {
  const lc_later_rule *later = lc_find_later(ruleset, facts);
  lc_decision alone = lc_decide_alone(ruleset, facts, later != NULL ? later->rule.id : 0);
  EXPECT(later == NULL || (later->trigger == (uint32_t)facts->trigger && lc_may_find_later(ruleset, facts)));
  EXPECT(later == NULL || lc_has_later_for(ruleset, facts->trigger));
  EXPECT((alone.reason == LC_MATCHED) == (alone.action != LC_NONE) && alone.reason < LC_REASONS);
  EXPECT(alone.reason == LC_MATCHED ? alone.to != facts->category : alone.to == 0);
}

static void decide_shadows(const lc_ruleset *ruleset, const lc_facts *facts) {
  const lc_later_rule *at = NULL, *behind;
  lc_decision decision = { .to = 0 };
  while ((at = lc_next_shadow(ruleset, facts, behind = at, &decision)) != NULL) {
    EXPECT(at > behind && at->trigger == (uint32_t)facts->trigger && lc_may_find_shadow(ruleset, facts));
    EXPECT(lc_has_shadow(ruleset) && lc_has_shadow_for(ruleset, facts->trigger));
    EXPECT(decision.reason == LC_MATCHED && decision.action != LC_NONE && decision.to != facts->category);
  }
}

static void decide_by(const lc_ruleset *ruleset, const lc_known *known) {
  static const int32_t ids[] = { INT32_MIN, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 1 << 20, INT32_MAX };
  enum { IDS = sizeof ids / sizeof ids[0], OWN = 3, TRIED = LC_TRIGGERS + OWN + 1 };
  for (int t = 0; t < TRIED; t++) {
    int trigger = t < LC_TRIGGERS ? t : LC_OWN_TRIGGER + (t - LC_TRIGGERS) * (LC_OWN_TRIGGERS - 1) / OWN; /* some own ones, with the first and the last */
    for (int i = 0; i < IDS; i++)
      for (int k = 0; k < IDS; k++) {
        lc_facts facts = { .trigger = (lc_trigger)trigger, .category = ids[i], .lead_status = ids[k] };
        if (i % 2 == 1) {
          facts.known = known;
          facts.first = 1;
          facts.made = (lc_move){ ids[k], ids[i] };
        }
        lc_decision decision = lc_decide(ruleset, &facts);
        EXPECT(decision.action < LC_ACTIONS && decision.reason < LC_REASONS);
        EXPECT((decision.reason == LC_MATCHED) == (decision.action != LC_NONE));
        EXPECT(decision.reason == LC_MATCHED ? decision.to != ids[i] : decision.to == 0);
        EXPECT(explains(ruleset, &facts, decision));
        decide_later(ruleset, &facts);
        decide_shadows(ruleset, &facts);
      }
  }
}

static void decide_all(const lc_ruleset *ruleset) {
  lc_known known = { 0 };
  know(&known);
  decide_by(ruleset, &known);
  lc_known_free(&known);
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

/* Whether the rule is the one at that place among those with `after`. */
static bool has_later(const lc_ruleset *ruleset, uint32_t place, const lc_rule *rule) {
  const lc_later_rule *packed = (const lc_later_rule *)lc_ruleset_block(ruleset, LC_BLOCK_LATER) + place;
  return place < ruleset->blocks[LC_BLOCK_LATER].count && packed->trigger == (uint32_t)rule->trigger
      && packed->after == rule->after && packed->rule.to == rule->to && packed->rule.id == rule->id;
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
      EXPECT(options < lc_ruleset_option_count(ruleset)
             && ((const int32_t *)lc_ruleset_block(ruleset, LC_BLOCK_OPTIONS))[options++] == config->categories[i].id);
  EXPECT(options == lc_ruleset_option_count(ruleset));
  uint32_t later = 0;
  for (uint32_t i = 0; i < config->rule_count; i++) {
    const lc_rule *rule = &config->rules[i];
    if (rule->after != 0) {
      later += has_later(ruleset, later, rule);
      continue;
    }
    lc_range range = rule->trigger == LC_LEAD_STATUS_SET ? lc_ruleset_lead_status(ruleset, rule->lead_status)
                                                         : lc_ruleset_trigger(ruleset, rule->trigger)->rules;
    const lc_packed_rule *packed = (const lc_packed_rule *)lc_ruleset_block(ruleset, LC_BLOCK_RULES) + range.first;
    const lc_packed_rule *behind = packed + range.count;
    while (packed < behind && (packed->to != rule->to || (packed->ask != 0) != rule->ask || packed->when.first != rule->when.first))
      packed++;
    EXPECT(packed < behind);
  }
  EXPECT(later == ruleset->blocks[LC_BLOCK_LATER].count);
}

static lc_range take_range(reader *r, uint32_t count) {
  uint32_t first = (uint32_t)take(r) % (count + 1);
  return (lc_range){ first, (uint32_t)take(r) % (count - first + 1) };
}

/* What is left of the input makes conditions for some of the rules. */
static void add_conditions(reader *r, lc_config *config, lc_condition *conditions, lc_constant *constants, int32_t *from,
                           lc_rule *rules) {
  static const lc_text texts[] = { { "B", 1 }, { "\xC3\xA9", 2 }, { "", 0 } };
  config->constant_count = (uint32_t)take(r) % MOST;
  config->condition_count = (uint32_t)take(r) % MOST;
  config->id_count = (uint32_t)take(r) % MOST;
  for (uint32_t i = 0; i < config->constant_count; i++) {
    int byte = take(r);
    constants[i] = (lc_constant){ byte % 3 == 0 ? LC_TEXT : byte % 3 == 1 ? LC_NUMBER : LC_BOOLEAN, byte / 3, texts[byte / 3 % 3] };
  }
  for (uint32_t i = 0; i < config->condition_count; i++) {
    int byte = take(r);
    conditions[i] = (lc_condition){ byte % 5 < 3 ? (uint32_t)byte % config->field_count : LC_FIELD_CATEGORY + (uint32_t)byte % 2, (lc_is)(byte % LC_ISES),
                                    take_range(r, config->constant_count), (byte & 64) != 0 };
    if (conditions[i].values.count == 0 && conditions[i].is != LC_IS_KNOWN)
      conditions[i].is = LC_IS_UNKNOWN;
  }
  for (uint32_t i = 0; i < config->id_count; i++)
    from[i] = take_id(r);
  uint32_t next = 0; /* a condition belongs to one rule */
  for (uint32_t i = 0; i < config->rule_count && r->size != 0; i++) {
    int byte = take(r);
    rules[i].when = (lc_range){ next, (uint32_t)take(r) % (config->condition_count - next + 1) };
    next += rules[i].when.count;
    rules[i].has_from = (byte & 1) != 0;
    rules[i].forward_only = (byte & 2) != 0;
    rules[i].after = (byte & 4) != 0 ? (uint32_t)byte : 0;
    rules[i].from_groups = (uint32_t)byte >> 3;
    rules[i].on_expiry = (lc_on_expiry)(byte % LC_ON_EXPIRIES);
    rules[i].from = take_range(r, config->id_count);
  }
}

/* What is left of the input changes bytes of a ruleset that was sound: the files of the corpus are of older forms. */
static void damage(reader *r, lc_ruleset *ruleset, size_t size) {
  while (r->size >= 3) {
    size_t at = (size_t)take(r);
    at = (at | (size_t)take(r) << 8) % size;
    ((unsigned char *)ruleset)[at] = (unsigned char)take(r);
  }
  seal(ruleset, size);
}

void fuzz_build(const uint8_t *bytes, size_t size) {
  static const lc_text fields[] = { { "sale.amount", 11 }, { "x", 1 }, { "actor.", 6 } };
  enum { FIELDS = sizeof fields / sizeof *fields };
  lc_category categories[MOST];
  lc_rule rules[MOST];
  lc_condition conditions[MOST];
  lc_constant constants[MOST];
  int32_t from[MOST];
  reader r = { bytes, size };
  lc_config config = {
    .revision = 1, .categories = categories, .rules = rules, .fields = fields, .field_count = FIELDS,
    .conditions = conditions, .constants = constants, .ids = from,
  };
  config.category_count = (uint32_t)take(&r) % MOST;
  config.rule_count = (uint32_t)take(&r) % MOST;
  for (uint32_t i = 0; i < config.category_count; i++) {
    int32_t id = take_id(&r);
    int flags = take(&r);
    categories[i] = (lc_category){ id, (lc_group)(flags % LC_GROUPS), (flags & 64) != 0, (flags & 128) != 0,
                                   (flags & 32) != 0, take(&r) };
  }
  for (uint32_t i = 0; i < config.rule_count; i++) {
    int flags = take(&r);
    int kind = flags % (LC_TRIGGERS + 2);
    bool by_status = kind == LC_LEAD_STATUS_SET;
    int trigger = kind < LC_TRIGGERS ? kind : LC_OWN_TRIGGER + take(&r) % LC_OWN_TRIGGERS;
    int32_t to = take_id(&r);
    rules[i] = (lc_rule){ .trigger = (lc_trigger)trigger, .lead_status = by_status ? take_id(&r) : 0, .to = to,
                          .ask = (flags & 128) != 0, .id = (int32_t)i };
  }
  add_conditions(&r, &config, conditions, constants, from, rules);
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
    damage(&r, memory, needed);
    try_ruleset(memory, needed);
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
  static const lc_triggers own = { .count = 2, .own = { { 1, "x" }, { 4, "paid" } } };
  if (lc_event_read(line, &own, &event)) {
    lc_text company = event.company.text;
    EXPECT(lc_trigger_name_of(&own, event.facts.trigger) != NULL);
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
  check_text(entry.former.text, bytes, size);
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
  EXPECT(lc_entry_status_names[entry.status] != NULL && lc_is_trigger(entry.trigger));
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
  EXPECT(lc_question_state_names[question.state] != NULL && lc_is_trigger(question.trigger));
  free(packed);
  free(twice);
}

static void try_mark(const void *bytes, size_t size) {
  lc_mark mark;
  lc_error error = { "" };
  lc_status status = lc_mark_unpack(bytes, size, &mark, &error);
  EXPECT(status == LC_OK || (status == LC_CORRUPT && error.message[0] != '\0'));
  if (status != LC_OK)
    return;
  check_text(mark.company.text, bytes, size);
  check_text(mark.error, bytes, size);
  EXPECT(lc_mark_size(&mark) == size && size <= LC_MARK_SIZE_MAX && size > sizeof(uint64_t));
  char packed[LC_MARK_SIZE_MAX];
  lc_mark_pack(&mark, packed);
  EXPECT(memcmp(packed, bytes, size) == 0);
  EXPECT(lc_entry_reason_names[mark.reason] != NULL && lc_is_trigger(mark.trigger));
}

static void try_batch(const void *bytes, size_t size) {
  lc_text ids, id;
  lc_batch batch;
  if (!lc_batch_unpack((lc_text){ bytes, size }, &batch, &ids))
    return;
  for (; lc_batch_next(&ids, &id); batch.count--)
    check_text(id, bytes, size);
  EXPECT(batch.count == 0 && ids.size == 0);
}

void fuzz_records(const uint8_t *bytes, size_t size) {
  void *copy = copy_of(bytes, size);
  try_entry(copy, size);
  try_confirmation(copy, size);
  try_mark(copy, size);
  try_batch(copy, size);
  free(copy);
}
