#include "conditions.h"

#include <string.h>

lc_fact lc_evidence_fact(const lc_evidence *evidence, uint8_t field) {
  const lc_category_slot *from = evidence->from;
  if (field == LC_FIELD_CATEGORY)
    return (lc_fact){ .kind = LC_NUMBER, .is.number = from->id };
  if (field == LC_FIELD_RANK)
    return (lc_fact){ .kind = from->has_rank ? LC_NUMBER : LC_UNKNOWN, .is.number = from->rank };
  size_t at = evidence->first + field;
  bool is_there = evidence->known != NULL && at < evidence->known->count;
  return is_there ? evidence->known->facts[at] : (lc_fact){ .kind = LC_UNKNOWN };
}

/* A fact that is no list, and the texts that it points into. */
typedef struct operand {
  lc_fact fact;
  const char *texts;
} operand;

static inline const char *text_of(const operand *o) {
  return o->texts + o->fact.is.at;
}

static inline bool equal(const operand *a, const operand *b) {
  if (a->fact.kind != b->fact.kind)
    return false;
  switch (a->fact.kind) {
  case LC_NUMBER: return a->fact.is.number == b->fact.is.number;
  case LC_BOOLEAN: return a->fact.size == b->fact.size;
  case LC_TEXT: return a->fact.size == b->fact.size && memcmp(text_of(a), text_of(b), a->fact.size) == 0;
  default: return false;
  }
}

/* Compares two numbers or two texts; `*order` is below, at or above 0. False when they have no order. */
static bool compare(const operand *a, const operand *b, int *order) {
  if (a->fact.kind != b->fact.kind)
    return false;
  if (a->fact.kind == LC_NUMBER) {
    double x = a->fact.is.number, y = b->fact.is.number;
    *order = (x > y) - (x < y);
    return x == x && y == y;
  }
  if (a->fact.kind != LC_TEXT)
    return false;
  uint32_t shorter = a->fact.size < b->fact.size ? a->fact.size : b->fact.size;
  *order = memcmp(text_of(a), text_of(b), shorter);
  if (*order == 0)
    *order = (a->fact.size > b->fact.size) - (a->fact.size < b->fact.size);
  return true;
}

static bool starts_with(const operand *text, const operand *part) {
  return text->fact.size >= part->fact.size && memcmp(text_of(text), text_of(part), part->fact.size) == 0;
}

static bool contains(const operand *text, const operand *part) {
  for (operand rest = *text; rest.fact.size >= part->fact.size; rest.fact.size--, rest.fact.is.at++)
    if (starts_with(&rest, part))
      return true;
  return false;
}

/* Whether a single value stands to a constant as `is` says; for the others, whether they are equal. */
static bool relates(lc_is is, const operand *value, const operand *constant) {
  int order;
  switch (is) {
  case LC_AT_LEAST: return compare(value, constant, &order) && order >= 0;
  case LC_AT_MOST: return compare(value, constant, &order) && order <= 0;
  case LC_ABOVE: return compare(value, constant, &order) && order > 0;
  case LC_BELOW: return compare(value, constant, &order) && order < 0;
  case LC_CONTAINS:
  case LC_STARTS_WITH:
    return value->fact.kind == LC_TEXT && constant->fact.kind == LC_TEXT
        && (is == LC_CONTAINS ? contains : starts_with)(value, constant);
  default: return equal(value, constant);
  }
}

static bool relates_to_any(const lc_ruleset *ruleset, const lc_packed_condition *condition, const operand *value) {
  const lc_fact *constants = lc_ruleset_block(ruleset, LC_BLOCK_CONSTANTS);
  operand constant = { .texts = lc_ruleset_block(ruleset, LC_BLOCK_TEXTS) };
  for (uint32_t i = 0; i < condition->values.count; i++) {
    constant.fact = constants[condition->values.first + i];
    if (relates((lc_is)condition->is, value, &constant))
      return true;
  }
  return false;
}

/* Whether a value of the fact (`all`: each, and there is one) stands to one of the condition's as `is` says. A fact that is
 * no list is its only value. */
static bool relate(const lc_evidence *evidence, const lc_packed_condition *condition, lc_fact fact, bool all) {
  const lc_known *known = evidence->known;
  operand value = { fact, known != NULL ? known->texts : NULL };
  if (fact.kind != LC_LIST)
    return relates_to_any(evidence->ruleset, condition, &value);
  for (uint32_t i = 0; i < fact.size; i++) {
    value.fact = known->facts[fact.is.at + i];
    if (relates_to_any(evidence->ruleset, condition, &value) != all)
      return !all;
  }
  return all && fact.size != 0;
}

bool lc_condition_holds(const lc_evidence *evidence, const lc_packed_condition *condition) {
  lc_fact fact = lc_evidence_fact(evidence, condition->field);
  bool is_known = fact.kind != LC_UNKNOWN;
  switch ((lc_is)condition->is) {
  case LC_IS_KNOWN: return is_known;
  case LC_IS_UNKNOWN: return !is_known;
  case LC_NOT_EQUALS:
  case LC_NONE_OF: return !relate(evidence, condition, fact, false);
  default: return is_known && relate(evidence, condition, fact, condition->is == LC_ALL_ONE_OF);
  }
}

bool lc_rule_may_start(const lc_evidence *evidence, const lc_packed_rule *rule) {
  const int32_t *ids = (const int32_t *)lc_ruleset_block(evidence->ruleset, LC_BLOCK_IDS) + rule->from.first;
  if (!rule->has_from)
    return evidence->from->group == LC_POTENTIAL_CUSTOMER;
  if ((rule->from_groups >> evidence->from->group & 1) != 0)
    return true;
  for (uint32_t i = 0; i < rule->from.count; i++)
    if (ids[i] == evidence->from->id)
      return true;
  return false;
}

bool lc_rule_goes_back(const lc_evidence *evidence, const lc_packed_rule *rule) {
  const lc_category_slot *from = evidence->from, *to = lc_ruleset_category(evidence->ruleset, rule->to);
  return to != NULL && to->has_rank && from->has_rank && to->rank < from->rank;
}

bool lc_rule_applies(const lc_evidence *evidence, const lc_packed_rule *rule) {
  const lc_packed_condition *conditions = lc_ruleset_block(evidence->ruleset, LC_BLOCK_CONDITIONS);
  const lc_packed_condition *at = conditions + rule->when.first, *end = at + rule->when.count;
  if (at == end)
    return true;
  while (at < end) {
    bool holds = lc_condition_holds(evidence, at);
    if (holds && at->rest == 0)
      return true;
    at += holds ? 1 : at->rest + 1; /* else the next group */
  }
  return false;
}
