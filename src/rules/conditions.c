#include "conditions.h"

#include <string.h>

const lc_fact lc_nothing[LC_FIELDS_MAX] = { { .kind = LC_UNKNOWN } };

/* The fact of a field; one of the company's category is made in `own`. */
static inline const lc_fact *fact_of(const lc_evidence *evidence, uint8_t field, lc_fact *own) {
  if (field < LC_FIELDS_MAX)
    return &evidence->known[field];
  own->kind = field == LC_FIELD_CATEGORY || evidence->from->has_rank ? LC_NUMBER : LC_UNKNOWN;
  own->is.number = field == LC_FIELD_CATEGORY ? evidence->from->id : evidence->from->rank;
  return own;
}

lc_fact_kind lc_evidence_kind(const lc_evidence *evidence, const lc_packed_condition *condition) {
  lc_fact own;
  return (lc_fact_kind)fact_of(evidence, condition->field, &own)->kind;
}

/* What an `is` asks of a value and a constant. */
enum {
  ABOVE = 1 << 1, BELOW = 1 << 2, EQUAL = 1 << 3, ORDER = ABOVE | BELOW | EQUAL, /* any of these */
  PART = 1 << 4,  /* the text contains the constant */
  START = 1 << 5, /* the text starts with it */
  EACH = 1 << 6,  /* all values of a list do; else one is enough */
  NOT = 1 << 7,   /* all this does not hold */
  THERE = 1 << 8  /* there is a fact; there is no constant */
};

static const uint16_t meanings[LC_ISES] = {
  [LC_EQUALS] = EQUAL, [LC_NOT_EQUALS] = EQUAL | NOT, [LC_ONE_OF] = EQUAL, [LC_NONE_OF] = EQUAL | NOT,
  [LC_AT_LEAST] = ABOVE | EQUAL, [LC_AT_MOST] = BELOW | EQUAL, [LC_ABOVE] = ABOVE, [LC_BELOW] = BELOW,
  [LC_CONTAINS] = PART, [LC_STARTS_WITH] = START, [LC_IS_KNOWN] = THERE, [LC_IS_UNKNOWN] = THERE | NOT,
  [LC_ALL_ONE_OF] = EQUAL | EACH,
};

/* Whether what is asked has the bit of a's order to b, which is the bit 0 where one of them is no number. */
static inline bool in_order(unsigned asked, double a, double b) {
  return (asked >> ((a >= b) + 2 * (a <= b)) & 1) != 0;
}

static bool texts_in_order(unsigned asked, lc_text a, lc_text b) {
  int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
  return in_order(asked, order != 0 ? order : (double)a.size - (double)b.size, 0);
}

static inline bool starts_with(lc_text text, lc_text part) {
  return text.size >= part.size && memcmp(text.data, part.data, part.size) == 0;
}

static bool contains(lc_text text, lc_text part) {
  for (; text.size >= part.size; text.data++, text.size--)
    if (starts_with(text, part))
      return true;
  return false;
}

static __attribute__((noinline)) bool bytes_stand(unsigned asked, lc_text value, lc_text constant) {
  if ((asked & ORDER) != 0)
    return texts_in_order(asked, value, constant);
  return (asked & PART) != 0 ? contains(value, constant) : starts_with(value, constant);
}

static inline bool text_stands(unsigned asked, const lc_fact *a, const char *a_texts, const lc_fact *b, const char *b_texts) {
  return (asked & ORDER) == EQUAL ? lc_same_texts(a, a_texts, b, b_texts)
                                  : bytes_stand(asked, lc_fact_text(a, a_texts), lc_fact_text(b, b_texts));
}

/* The values of a condition. */
typedef struct values {
  const lc_fact *at, *end;
} values;

static inline const lc_fact *constants_of(const lc_evidence *evidence) {
  return lc_ruleset_block(evidence->ruleset, LC_BLOCK_CONSTANTS);
}

static inline values values_of(const lc_fact *constants, const lc_packed_condition *condition) {
  const lc_fact *first = constants + condition->values.first;
  return (values){ first, first + condition->values.count };
}

static inline bool number_relates(values to, unsigned asked, double number) {
  for (; to.at < to.end; to.at++)
    if (to.at->kind == LC_NUMBER && in_order(asked, number, to.at->is.number))
      return true;
  return false;
}

static bool text_relates(values to, const char *to_texts, unsigned asked, const lc_fact *text, const char *texts) {
  for (; to.at < to.end; to.at++)
    if (to.at->kind == LC_TEXT && text_stands(asked, text, texts, to.at, to_texts))
      return true;
  return false;
}

/* Booleans have no order. */
static bool boolean_relates(values to, unsigned asked, uint32_t boolean) {
  for (; to.at < to.end; to.at++)
    if (to.at->kind == LC_BOOLEAN && (asked & ORDER) == EQUAL && to.at->size == boolean)
      return true;
  return false;
}

/* Whether a single value stands as asked to one of the condition's. */
static bool relates(const lc_evidence *evidence, values to, unsigned asked, const lc_fact *fact) {
  switch (fact->kind) {
  case LC_NUMBER: return number_relates(to, asked, fact->is.number);
  case LC_BOOLEAN: return boolean_relates(to, asked, fact->size);
  case LC_TEXT: return text_relates(to, lc_ruleset_block(evidence->ruleset, LC_BLOCK_TEXTS), asked, fact,
                                    evidence->facts->known->texts);
  default: return false;
  }
}

static bool list_relates(const lc_evidence *evidence, values to, unsigned asked, const lc_fact *list) {
  const lc_fact *value = evidence->facts->known->facts + list->is.at, *end = value + list->size;
  bool each = (asked & EACH) != 0;
  for (; value < end; value++)
    if (relates(evidence, to, asked, value) != each)
      return !each;
  return each && list->size != 0;
}

static __attribute__((noinline)) bool fact_relates(const lc_evidence *evidence, values to, unsigned asked, const lc_fact *fact) {
  if ((asked & THERE) != 0)
    return fact->kind != LC_UNKNOWN;
  return fact->kind == LC_LIST ? list_relates(evidence, to, asked, fact) : relates(evidence, to, asked, fact);
}

static inline bool is_short_text(const lc_fact *fact) {
  return fact->kind == LC_TEXT && fact->size <= LC_SHORT_TEXT;
}

/* Whether a short text is one of the values: those are all in the facts themselves, with zeros behind them. */
static inline bool is_among(values to, const lc_fact *text) {
  for (; to.at < to.end; to.at++)
    if (memcmp(to.at, text, sizeof *text) == 0)
      return true;
  return false;
}

/* What most conditions come to is looked at here: numbers, and whether a short text is one of some. */
static inline __attribute__((always_inline)) bool holds(const lc_evidence *evidence, const lc_fact *constants,
                                                        const lc_packed_condition *condition) {
  lc_fact own;
  const lc_fact *fact = fact_of(evidence, condition->field, &own);
  unsigned asked = meanings[condition->is];
  values to = values_of(constants, condition);
  bool found = fact->kind == LC_NUMBER && (asked & ORDER) != 0 ? number_relates(to, asked, fact->is.number)
             : is_short_text(fact) && (asked & ORDER) == EQUAL ? is_among(to, fact)
             : fact_relates(evidence, to, asked, fact);
  return found != ((asked & NOT) != 0);
}

bool lc_condition_holds(const lc_evidence *evidence, const lc_packed_condition *condition) {
  return holds(evidence, constants_of(evidence), condition);
}

bool lc_rule_has_from(const lc_evidence *evidence, const lc_packed_rule *rule) {
  const int32_t *ids = (const int32_t *)lc_ruleset_block(evidence->ruleset, LC_BLOCK_IDS) + rule->from.first;
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
  const lc_fact *constants = constants_of(evidence);
  if (at == end)
    return true;
  while (at < end) {
    bool met = holds(evidence, constants, at);
    if (met && at->rest == 0)
      return true;
    at += met ? 1 : at->rest + 1; /* else the next group */
  }
  return false;
}
