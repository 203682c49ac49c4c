#include "ruleset.h"

#include <string.h>

#include "checksum.h"

/* The checksum covers everything after its own field. */
static const size_t checked_from = offsetof(lc_ruleset, checksum) + sizeof(uint64_t);

static uint64_t checksum(const lc_ruleset *ruleset) {
  return lc_checksum(LC_CHECKSUM_START, (const unsigned char *)ruleset + checked_from, ruleset->size - checked_from);
}

static const size_t item_sizes[LC_BLOCKS] = {
  [LC_BLOCK_CATEGORIES] = sizeof(lc_category_slot), [LC_BLOCK_STATUSES] = sizeof(lc_status_slot),
  [LC_BLOCK_CONSTANTS] = sizeof(lc_fact), [LC_BLOCK_TRIGGERS] = sizeof(lc_trigger_rules), [LC_BLOCK_RULES] = sizeof(lc_packed_rule),
  [LC_BLOCK_LATER] = sizeof(lc_later_rule), [LC_BLOCK_SHADOW] = sizeof(lc_later_rule), [LC_BLOCK_LIMITS] = sizeof(lc_limit),
  [LC_BLOCK_CONDITIONS] = sizeof(lc_packed_condition), [LC_BLOCK_FIELDS] = sizeof(lc_packed_field),
  [LC_BLOCK_IDS] = sizeof(int32_t), [LC_BLOCK_OPTIONS] = sizeof(int32_t), [LC_BLOCK_TEXTS] = 1,
};

const lc_trigger_rules lc_no_rules = { .plain = 1 };

_Static_assert(sizeof(lc_ruleset) % 8 == 0 && sizeof(lc_fact) == 16 && sizeof(lc_trigger_rules) % 8 == 0, "a block is not aligned");
_Static_assert((int)LC_TRIGGERS <= LC_OWN_TRIGGER && LC_TRIGGER_NUMBERS <= UINT8_MAX + 1, "the numbers of triggers");
_Static_assert(sizeof(lc_category_slot) * 2 % 8 == 0 && sizeof(lc_status_slot) * 2 % 8 == 0, "a block is not aligned");

/* Places the blocks one behind the other. The size of all, a multiple of 8; 0 when it does not fit. */
static size_t place(lc_range blocks[LC_BLOCKS]) {
  size_t size = sizeof(lc_ruleset);
  for (int i = 0; i < LC_BLOCKS; i++) {
    blocks[i].first = (uint32_t)size;
    size += blocks[i].count * item_sizes[i];
    if (size > UINT32_MAX - 8)
      return 0;
  }
  return (size + 7) / 8 * 8;
}

/* ---- fields -------------------------------------------------------------------------------- */

/* Where a field of that name is found; `name` loses what stands for that place. */
static lc_field_place place_of(lc_text *name) {
  static const char *const prefixes[LC_FIELD_PLACES] = {
    [LC_IN_FACTS] = "", [LC_IN_SALE] = "sale.", [LC_IN_CONTACT] = "contact.", [LC_IN_ACTOR] = "actor.",
  };
  for (int i = LC_IN_SALE; i < LC_FIELD_PLACES; i++) {
    size_t size = strlen(prefixes[i]);
    if (name->size > size && memcmp(name->data, prefixes[i], size) == 0) {
      *name = (lc_text){ name->data + size, name->size - size };
      return (lc_field_place)i;
    }
  }
  return LC_IN_FACTS;
}

static bool is_named(lc_text name, const char *expected) {
  return name.size == strlen(expected) && memcmp(name.data, expected, name.size) == 0;
}

bool lc_own_field(lc_text name, uint32_t *field) {
  bool is_category = is_named(name, "category"), is_own = is_category || is_named(name, "category.rank");
  if (is_own)
    *field = is_category ? LC_FIELD_CATEGORY : LC_FIELD_RANK;
  return is_own;
}

static inline bool is_own(uint32_t field) {
  return field == LC_FIELD_CATEGORY || field == LC_FIELD_RANK;
}

/* ---- how large it is ----------------------------------------------------------------------- */

/* The smallest power of two that leaves half of the slots empty, and at least one. */
static uint32_t slots_for(uint32_t count) {
  uint32_t slots = 2;
  while (slots < count * 2)
    slots *= 2;
  return slots;
}

static uint32_t count_status_rules(const lc_config *config) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < config->rule_count; i++)
    count += config->rules[i].trigger == LC_LEAD_STATUS_SET;
  return count;
}

/* How many own triggers there are up to the last that has a rule. */
static uint32_t count_own_triggers(const lc_config *config) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < config->rule_count; i++) {
    uint32_t at = (uint32_t)config->rules[i].trigger - LC_OWN_TRIGGER;
    if (at < LC_OWN_TRIGGERS && at >= count)
      count = at + 1;
  }
  return count;
}

static bool is_shadow(const lc_rule *rule) {
  return rule->shadow;
}

static bool is_later(const lc_rule *rule) {
  return rule->after != 0 && !rule->shadow;
}

/* What a shadow would do is counted nowhere. */
static bool is_limited(const lc_rule *rule) {
  return rule->limit != 0 && !rule->shadow;
}

static uint32_t count_rules(const lc_config *config, bool (*is)(const lc_rule *rule)) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < config->rule_count; i++)
    count += is(&config->rules[i]);
  return count;
}

static uint32_t count_options(const lc_config *config) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < config->category_count; i++)
    count += !config->categories[i].deleted;
  return count;
}

static size_t text_size(const lc_config *config) {
  char folded[LC_FOLDED_MAX];
  size_t sum = 0, size;
  for (uint32_t i = 0; i < config->field_count; i++)
    sum += config->fields[i].size;
  for (uint32_t i = 0; i < config->constant_count; i++)
    if (config->constants[i].kind == LC_TEXT && lc_fold(config->constants[i].text, folded, &size))
      sum += size <= LC_SHORT_TEXT ? 0 : size;
  return sum;
}

/* The blocks of a config's ruleset; their size with the header, or 0 when it does not fit. */
static size_t blocks_of(const lc_config *config, lc_range blocks[LC_BLOCKS]) {
  const uint32_t most = UINT32_C(1) << 26; /* keeps every product below 2^32 */
  size_t texts = text_size(config);
  if (config->category_count > most || config->rule_count > most || config->condition_count > most
      || config->constant_count > most || config->id_count > most || config->field_count > LC_FIELDS_MAX || texts > most)
    return 0;
  const uint32_t later = count_rules(config, is_later), shadows = count_rules(config, is_shadow);
  const uint32_t counts[LC_BLOCKS] = {
    [LC_BLOCK_CATEGORIES] = slots_for(config->category_count),
    [LC_BLOCK_STATUSES] = slots_for(count_status_rules(config)),
    [LC_BLOCK_CONSTANTS] = config->constant_count, [LC_BLOCK_TRIGGERS] = count_own_triggers(config),
    [LC_BLOCK_RULES] = config->rule_count - later - shadows, [LC_BLOCK_LATER] = later, [LC_BLOCK_SHADOW] = shadows,
    [LC_BLOCK_LIMITS] = count_rules(config, is_limited),
    [LC_BLOCK_CONDITIONS] = config->condition_count, [LC_BLOCK_FIELDS] = config->field_count,
    [LC_BLOCK_IDS] = config->id_count, [LC_BLOCK_OPTIONS] = count_options(config), [LC_BLOCK_TEXTS] = (uint32_t)texts,
  };
  for (int i = 0; i < LC_BLOCKS; i++)
    blocks[i].count = counts[i];
  return place(blocks);
}

size_t lc_ruleset_size(const lc_config *config) {
  lc_range blocks[LC_BLOCKS];
  return blocks_of(config, blocks);
}

/* ---- building ------------------------------------------------------------------------------ */

/* What lc_ruleset_ functions find is writable while the ruleset is built. */
#define WRITABLE(pointer) ((void *)(uintptr_t)(pointer))

typedef struct builder {
  const lc_config *config;
  lc_ruleset *ruleset;
  uint32_t texts; /* how many bytes of them are written */
  uint32_t later; /* how many rules of LC_BLOCK_LATER are */
  uint32_t shadows, limits; /* likewise */
  lc_error *error;
} builder;

static void *block_of(const builder *b, lc_block block) {
  return WRITABLE(lc_ruleset_block(b->ruleset, block));
}

static lc_trigger_rules *trigger_of(const builder *b, lc_trigger trigger) {
  return WRITABLE(lc_ruleset_trigger(b->ruleset, trigger));
}

static uint32_t add_text(builder *b, const char *data, size_t size) {
  uint32_t at = b->texts;
  if (size != 0)
    memcpy((char *)block_of(b, LC_BLOCK_TEXTS) + at, data, size);
  b->texts += (uint32_t)size;
  return at;
}

static lc_status add_category(builder *b, const lc_category *category) {
  if (category->id < 1)
    return lc_fail(b->error, LC_INVALID, "category id %d is out of range", (int)category->id);
  lc_category_slot *slot = WRITABLE(lc_ruleset_category_slot(b->ruleset, category->id));
  if (slot->id != 0)
    return lc_fail(b->error, LC_INVALID, "category id %d is given twice", (int)category->id);
  *slot = (lc_category_slot){ category->id, category->rank, (uint8_t)category->group, category->lead_status,
                              category->deleted, category->has_rank };
  return LC_OK;
}

static void add_options(builder *b) {
  int32_t *options = block_of(b, LC_BLOCK_OPTIONS);
  for (uint32_t i = 0; i < b->config->category_count; i++)
    if (!b->config->categories[i].deleted)
      *options++ = b->config->categories[i].id;
}

static void add_fields(builder *b) {
  lc_packed_field *fields = block_of(b, LC_BLOCK_FIELDS);
  for (uint32_t i = 0; i < b->config->field_count; i++) {
    lc_text name = b->config->fields[i];
    lc_field_place place_in_event = place_of(&name);
    fields[i] = (lc_packed_field){ place_in_event, add_text(b, name.data, name.size), (uint32_t)name.size };
  }
}

static lc_status add_constants(builder *b) {
  lc_fact *facts = block_of(b, LC_BLOCK_CONSTANTS);
  char folded[LC_FOLDED_MAX];
  size_t size;
  for (uint32_t i = 0; i < b->config->constant_count; i++) {
    const lc_constant *constant = &b->config->constants[i];
    facts[i] = (lc_fact){ .kind = constant->kind };
    if (constant->kind == LC_NUMBER) {
      facts[i].is.number = constant->number;
    } else if (constant->kind == LC_BOOLEAN) {
      facts[i].size = constant->number != 0;
    } else {
      if (!lc_fold(constant->text, folded, &size))
        return lc_fail(b->error, LC_INVALID, "a condition's text is too long or not UTF-8");
      facts[i] = lc_text_fact(folded, size, size <= LC_SHORT_TEXT ? 0 : add_text(b, folded, size));
    }
  }
  return LC_OK;
}

static bool lies_in(lc_range range, uint32_t count) {
  return range.first <= count && range.count <= count - range.first;
}

/* Packs the conditions of a rule, from the last one: so each knows how many of its group follow. */
static lc_status add_conditions(builder *b, const lc_rule *rule) {
  lc_packed_condition *packed = block_of(b, LC_BLOCK_CONDITIONS);
  uint16_t rest = 0;
  for (uint32_t i = rule->when.count; i-- > 0;) {
    uint32_t at = rule->when.first + i;
    const lc_condition *condition = &b->config->conditions[at];
    bool own = is_own(condition->field);
    if ((!own && condition->field >= b->config->field_count) || !lies_in(condition->values, b->config->constant_count))
      return lc_fail(b->error, LC_INVALID, "a condition names what is not there");
    rest = condition->ends_group || i + 1 == rule->when.count ? 0 : (uint16_t)(rest + 1);
    if (rest == UINT16_MAX)
      return lc_fail(b->error, LC_INVALID, "a rule has too many conditions");
    packed[at] = (lc_packed_condition){ (uint8_t)condition->field, (uint8_t)condition->is, rest, condition->values };
    if (!own)
      trigger_of(b, rule->trigger)->fields |= UINT64_C(1) << condition->field;
  }
  return LC_OK;
}

static inline bool may_take_back(lc_trigger trigger) {
  return trigger == LC_SALE_REOPENED || trigger == LC_SALE_DELETED;
}

bool lc_ruleset_takes_back(const lc_ruleset *ruleset, lc_trigger trigger, int32_t rule) {
  const lc_trigger_rules *rules = lc_ruleset_trigger(ruleset, trigger);
  const lc_packed_rule *at = (const lc_packed_rule *)lc_ruleset_block(ruleset, LC_BLOCK_RULES) + rules->rules.first;
  if (rules->takes_back == 0)
    return false;
  for (uint32_t i = 0; i < rules->rules.count; i++)
    if (at[i].id == rule)
      return lc_rule_takes_back(&at[i]);
  return false;
}

const lc_limit *lc_ruleset_limit(const lc_ruleset *ruleset, lc_trigger trigger, int32_t lead_status, int32_t rule) {
  const lc_limit *limit = lc_ruleset_block(ruleset, LC_BLOCK_LIMITS), *end = limit + ruleset->blocks[LC_BLOCK_LIMITS].count;
  for (; limit < end; limit++)
    if (limit->trigger == (uint32_t)trigger && limit->lead_status == lead_status && limit->rule == rule)
      return limit;
  return NULL;
}

/* Among those that decide at once, then those that wait. */
static const lc_packed_rule *find_rule(const lc_ruleset *ruleset, lc_trigger trigger, int32_t lead_status, int32_t id) {
  bool by_status = trigger == LC_LEAD_STATUS_SET;
  lc_range range = by_status ? lc_ruleset_lead_status(ruleset, lead_status) : lc_ruleset_trigger(ruleset, trigger)->rules;
  const lc_packed_rule *rule = (const lc_packed_rule *)lc_ruleset_block(ruleset, LC_BLOCK_RULES) + range.first;
  const lc_later_rule *later = lc_ruleset_block(ruleset, LC_BLOCK_LATER), *end = later + ruleset->blocks[LC_BLOCK_LATER].count;
  for (uint32_t i = 0; i < range.count; i++)
    if (rule[i].id == id)
      return &rule[i];
  for (; later < end; later++)
    if (later->trigger == (uint32_t)trigger && (!by_status || later->lead_status == lead_status) && later->rule.id == id)
      return &later->rule;
  return NULL;
}

lc_on_expiry lc_ruleset_on_expiry(const lc_ruleset *ruleset, lc_trigger trigger, int32_t lead_status, int32_t rule) {
  const lc_packed_rule *found = find_rule(ruleset, trigger, lead_status, rule);
  return found == NULL || found->ask == 0 ? LC_EXPIRES : (lc_on_expiry)(found->ask - 1);
}

bool lc_ruleset_ever_takes_back(const lc_ruleset *ruleset) {
  return ruleset->triggers[LC_SALE_REOPENED].takes_back != 0 || ruleset->triggers[LC_SALE_DELETED].takes_back != 0;
}

static lc_status check_rule(builder *b, const lc_rule *rule) {
  const lc_category_slot *target = lc_ruleset_category(b->ruleset, rule->to);
  bool takes_back = rule->to == 0 && may_take_back(rule->trigger) && !rule->has_from && !rule->forward_only;
  if (!lc_is_trigger(rule->trigger))
    return lc_fail(b->error, LC_INVALID, "a rule's trigger %d is none", (int)rule->trigger);
  if (!takes_back && (target == NULL || target->deleted))
    return lc_fail(b->error, LC_INVALID, "a rule's target %d is not a live category", (int)rule->to);
  if (rule->trigger == LC_LEAD_STATUS_SET && rule->lead_status < 1)
    return lc_fail(b->error, LC_INVALID, "lead status id %d is out of range", (int)rule->lead_status);
  if (rule->on_expiry >= LC_ON_EXPIRIES)
    return lc_fail(b->error, LC_INVALID, "what a rule does at expiry is %d", (int)rule->on_expiry);
  if (rule->limit != 0 && rule->limit_hours == 0)
    return lc_fail(b->error, LC_INVALID, "a rule's limit is for no time");
  if (!lies_in(rule->from, b->config->id_count) || !lies_in(rule->when, b->config->condition_count))
    return lc_fail(b->error, LC_INVALID, "a rule names what is not there");
  return LC_OK;
}

static lc_status_slot *status_slot(const builder *b, int32_t lead_status) {
  return WRITABLE(lc_ruleset_status_slot(b->ruleset, lead_status));
}

/* Gives triggers their ranges, one behind the other, in which none is yet. */
static void place_ranges(lc_trigger_rules *triggers, uint32_t count, uint32_t *next) {
  for (uint32_t i = 0; i < count; i++) {
    triggers[i].rules.first = *next;
    *next += triggers[i].rules.count;
    triggers[i].rules.count = 0;
  }
}

/* Counts the rules of each trigger and lead status that decide at once, then gives each its range, in which none is yet. */
static lc_status make_ranges(builder *b) {
  lc_ruleset *ruleset = b->ruleset;
  uint32_t next = 0;
  for (uint32_t i = 0; i < b->config->rule_count; i++) {
    const lc_rule *rule = &b->config->rules[i];
    lc_status status = check_rule(b, rule);
    if (status != LC_OK)
      return status;
    if (is_later(rule) || is_shadow(rule))
      continue;
    trigger_of(b, rule->trigger)->rules.count++;
    if (rule->trigger == LC_LEAD_STATUS_SET) {
      lc_status_slot *slot = status_slot(b, rule->lead_status);
      slot->lead_status = rule->lead_status;
      slot->rules.count++;
    }
  }
  place_ranges(ruleset->triggers, LC_TRIGGERS, &next);
  place_ranges(block_of(b, LC_BLOCK_TRIGGERS), ruleset->blocks[LC_BLOCK_TRIGGERS].count, &next);
  next = ruleset->triggers[LC_LEAD_STATUS_SET].rules.first;
  for (uint32_t i = 0; i < ruleset->blocks[LC_BLOCK_STATUSES].count; i++) {
    lc_status_slot *slot = (lc_status_slot *)block_of(b, LC_BLOCK_STATUSES) + i;
    slot->rules.first = next;
    next += slot->rules.count;
    slot->rules.count = 0;
  }
  return LC_OK;
}

/* A rule that takes back looks at what the sale did instead of the category. */
static lc_packed_rule pack(const lc_rule *rule) {
  const uint32_t anywhere = (UINT32_C(1) << LC_GROUPS) - 1;
  return (lc_packed_rule){
    .id = rule->id, .to = rule->to, .ask = (uint8_t)(rule->ask ? 1 + rule->on_expiry : 0), .forward_only = rule->forward_only,
    .has_from = rule->has_from || rule->to == 0, .from_groups = (uint8_t)(rule->to == 0 ? anywhere : rule->from_groups),
    .from = rule->from, .when = rule->when,
  };
}

/* Adds a rule to one of the two blocks of rules that do not decide at once. The rules of its trigger (and lead status) that were
 * added before it are in front of it. */
static lc_status add_later(builder *b, lc_block block, uint32_t place, const lc_rule *rule) {
  bool by_status = rule->trigger == LC_LEAD_STATUS_SET;
  lc_range ahead = by_status ? lc_ruleset_lead_status(b->ruleset, rule->lead_status)
                             : trigger_of(b, rule->trigger)->rules;
  ((lc_later_rule *)block_of(b, block))[place] = (lc_later_rule){
    (uint32_t)rule->trigger, by_status ? rule->lead_status : 0, ahead.count, rule->after, pack(rule),
  };
  return add_conditions(b, rule);
}

static void add_limit(builder *b, const lc_rule *rule) {
  ((lc_limit *)block_of(b, LC_BLOCK_LIMITS))[b->limits++] = (lc_limit){
    (uint32_t)rule->trigger, rule->trigger == LC_LEAD_STATUS_SET ? rule->lead_status : 0, rule->id, rule->limit, rule->limit_hours,
  };
}

static lc_status add_rule(builder *b, const lc_rule *rule) {
  lc_trigger_rules *trigger = trigger_of(b, rule->trigger);
  if (is_limited(rule))
    add_limit(b, rule);
  if (is_shadow(rule)) {
    trigger->takes_back |= rule->to == 0;
    return add_later(b, LC_BLOCK_SHADOW, b->shadows++, rule);
  }
  if (is_later(rule))
    return add_later(b, LC_BLOCK_LATER, b->later++, rule);
  lc_range *range = rule->trigger == LC_LEAD_STATUS_SET ? &status_slot(b, rule->lead_status)->rules : &trigger->rules;
  if (range->count != 0 || rule->has_from || rule->forward_only || rule->when.count != 0 || rule->to == 0)
    trigger->plain = 0;
  trigger->takes_back |= rule->to == 0;
  ((lc_packed_rule *)block_of(b, LC_BLOCK_RULES))[range->first + range->count++] = pack(rule);
  if (range != &trigger->rules)
    trigger->rules.count++;
  return add_conditions(b, rule);
}

static lc_status add_all(builder *b) {
  const lc_config *config = b->config;
  lc_status status = add_constants(b);
  for (uint32_t i = 0; i < config->category_count && status == LC_OK; i++)
    status = add_category(b, &config->categories[i]);
  if (status == LC_OK)
    status = make_ranges(b);
  for (uint32_t i = 0; i < config->rule_count && status == LC_OK; i++)
    status = add_rule(b, &config->rules[i]);
  add_options(b);
  add_fields(b);
  if (config->id_count != 0)
    memcpy(block_of(b, LC_BLOCK_IDS), config->ids, config->id_count * sizeof *config->ids);
  return status;
}

lc_status lc_ruleset_build(const lc_config *config, void *memory, size_t size, lc_error *error) {
  lc_range blocks[LC_BLOCKS];
  if (size == 0 || size != blocks_of(config, blocks))
    return lc_fail(error, LC_INVALID, "the config has too many categories, rules or conditions");
  builder b = { .config = config, .ruleset = memset(memory, 0, size), .error = error };
  b.ruleset->magic = LC_RULESET_MAGIC;
  b.ruleset->version = LC_RULESET_VERSION;
  b.ruleset->revision = config->revision;
  b.ruleset->size = (uint32_t)size;
  b.ruleset->left_out = config->left_out;
  memcpy(b.ruleset->blocks, blocks, sizeof blocks);
  for (int i = 0; i < LC_TRIGGERS; i++)
    b.ruleset->triggers[i].plain = 1;
  for (uint32_t i = 0; i < blocks[LC_BLOCK_TRIGGERS].count; i++)
    ((lc_trigger_rules *)block_of(&b, LC_BLOCK_TRIGGERS))[i].plain = 1;
  lc_status status = add_all(&b);
  b.ruleset->checksum = checksum(b.ruleset);
  return status;
}

/* ---- checking ------------------------------------------------------------------------------ */

static bool is_power_of_two(uint32_t n) {
  return n != 0 && (n & (n - 1)) == 0;
}

/* Whether the blocks are those of `size` bytes. */
static bool blocks_fit(const lc_ruleset *ruleset, size_t size) {
  const uint32_t most = UINT32_C(1) << 27;
  lc_range blocks[LC_BLOCKS];
  memcpy(blocks, ruleset->blocks, sizeof blocks);
  for (int i = 0; i < LC_BLOCKS; i++)
    if (blocks[i].count > most)
      return false;
  return is_power_of_two(blocks[LC_BLOCK_CATEGORIES].count) && blocks[LC_BLOCK_CATEGORIES].count >= 2
      && is_power_of_two(blocks[LC_BLOCK_STATUSES].count) && blocks[LC_BLOCK_STATUSES].count >= 2
      && blocks[LC_BLOCK_FIELDS].count <= LC_FIELDS_MAX && blocks[LC_BLOCK_TRIGGERS].count <= LC_OWN_TRIGGERS
      && ruleset->left_out <= 1 + LC_OWN_TRIGGERS
      && place(blocks) == size && memcmp(blocks, ruleset->blocks, sizeof blocks) == 0;
}

/* Whether lookups end, as at least half of the slots are empty, and find what can be used. */
static bool slots_fit(const lc_ruleset *ruleset) {
  const lc_status_slot *statuses = lc_ruleset_block(ruleset, LC_BLOCK_STATUSES);
  const lc_range *blocks = ruleset->blocks;
  lc_range rules = ruleset->triggers[LC_LEAD_STATUS_SET].rules;
  uint32_t categories = 0, used = 0;
  for (uint32_t i = 0; i < blocks[LC_BLOCK_CATEGORIES].count; i++) {
    categories += lc_ruleset_categories(ruleset)[i].id != 0;
    if (lc_ruleset_categories(ruleset)[i].group >= LC_GROUPS)
      return false;
  }
  for (uint32_t i = 0; i < blocks[LC_BLOCK_STATUSES].count; i++) {
    used += statuses[i].lead_status != 0;
    if (statuses[i].rules.first < rules.first
        || !lies_in((lc_range){ statuses[i].rules.first - rules.first, statuses[i].rules.count }, rules.count)
        || (statuses[i].lead_status == 0 && statuses[i].rules.count != 0))
      return false;
  }
  return categories <= blocks[LC_BLOCK_CATEGORIES].count / 2 && used <= blocks[LC_BLOCK_STATUSES].count / 2;
}

static bool constants_fit(const lc_ruleset *ruleset) {
  const lc_fact *facts = lc_ruleset_block(ruleset, LC_BLOCK_CONSTANTS);
  const uint64_t texts = ruleset->blocks[LC_BLOCK_TEXTS].count;
  for (uint32_t i = 0; i < ruleset->blocks[LC_BLOCK_CONSTANTS].count; i++) {
    bool is_text = facts[i].kind == LC_TEXT;
    if (facts[i].kind != LC_NUMBER && facts[i].kind != LC_BOOLEAN && !is_text)
      return false;
    if (is_text && facts[i].size > LC_SHORT_TEXT && (facts[i].is.at > texts || facts[i].size > texts - facts[i].is.at))
      return false;
  }
  return true;
}

static bool fields_fit(const lc_ruleset *ruleset) {
  const lc_packed_field *fields = lc_ruleset_block(ruleset, LC_BLOCK_FIELDS);
  for (uint32_t i = 0; i < ruleset->blocks[LC_BLOCK_FIELDS].count; i++)
    if (fields[i].place >= LC_FIELD_PLACES
        || !lies_in((lc_range){ fields[i].at, fields[i].size }, ruleset->blocks[LC_BLOCK_TEXTS].count))
      return false;
  return true;
}

/* Whether the fields and values of a rule's conditions are there. */
static bool conditions_fit(const lc_ruleset *ruleset, lc_range when, uint64_t fields) {
  const lc_packed_condition *conditions = lc_ruleset_block(ruleset, LC_BLOCK_CONDITIONS);
  for (uint32_t i = 0; i < when.count; i++) {
    const lc_packed_condition *condition = &conditions[when.first + i];
    bool needs_value = condition->is != LC_IS_KNOWN && condition->is != LC_IS_UNKNOWN;
    if (condition->is >= LC_ISES || condition->rest >= when.count - i
        || !lies_in(condition->values, ruleset->blocks[LC_BLOCK_CONSTANTS].count)
        || (needs_value && condition->values.count == 0)
        || (!is_own(condition->field) && (condition->field >= ruleset->blocks[LC_BLOCK_FIELDS].count || (fields >> condition->field & 1) == 0)))
      return false;
  }
  return true;
}

/* `*used`: how many conditions and ids the rules have. Each has its own, or deciding could take for ever. */
static bool rule_fits(const lc_ruleset *ruleset, const lc_packed_rule *rule, uint64_t fields, uint64_t *used) {
  return rule->ask <= LC_ON_EXPIRIES && lies_in(rule->from, ruleset->blocks[LC_BLOCK_IDS].count)
      && lies_in(rule->when, ruleset->blocks[LC_BLOCK_CONDITIONS].count)
      && (*used += rule->when.count + (uint64_t)rule->from.count) <= ruleset->size
      && conditions_fit(ruleset, rule->when, fields);
}

static bool rules_fit(const lc_ruleset *ruleset, const lc_trigger_rules *trigger, uint64_t *used) {
  const lc_packed_rule *rules = lc_ruleset_block(ruleset, LC_BLOCK_RULES);
  uint32_t fields = ruleset->blocks[LC_BLOCK_FIELDS].count;
  if (!lies_in(trigger->rules, ruleset->blocks[LC_BLOCK_RULES].count) || trigger->plain > 1 || trigger->takes_back > 1
      || (fields < LC_FIELDS_MAX && trigger->fields >> fields != 0))
    return false;
  for (uint32_t i = 0; i < trigger->rules.count; i++) {
    const lc_packed_rule *rule = &rules[trigger->rules.first + i];
    if ((lc_rule_takes_back(rule) && (trigger->plain != 0 || trigger->takes_back == 0))
        || !rule_fits(ruleset, rule, trigger->fields, used))
      return false;
  }
  return true;
}

/* Those that decide at once are known to fit. */
static bool later_fit(const lc_ruleset *ruleset, lc_block block, uint64_t *used) {
  const lc_later_rule *later = lc_ruleset_block(ruleset, block);
  for (uint32_t i = 0; i < ruleset->blocks[block].count; i++) {
    if (!lc_is_trigger(later[i].trigger))
      return false;
    const lc_trigger_rules *trigger = lc_ruleset_trigger(ruleset, (lc_trigger)later[i].trigger);
    lc_range ahead = later[i].trigger == LC_LEAD_STATUS_SET ? lc_ruleset_lead_status(ruleset, later[i].lead_status)
                                                            : trigger->rules;
    bool may_take = block == LC_BLOCK_SHADOW && trigger->takes_back != 0;
    if (later[i].before > ahead.count || (lc_rule_takes_back(&later[i].rule) && !may_take)
        || !rule_fits(ruleset, &later[i].rule, trigger->fields, used))
      return false;
  }
  return true;
}

static bool limits_fit(const lc_ruleset *ruleset) {
  const lc_limit *limits = lc_ruleset_block(ruleset, LC_BLOCK_LIMITS);
  for (uint32_t i = 0; i < ruleset->blocks[LC_BLOCK_LIMITS].count; i++)
    if (!lc_is_trigger(limits[i].trigger) || limits[i].changes == 0 || limits[i].hours == 0)
      return false;
  return true;
}

static bool contents_fit(const lc_ruleset *ruleset) {
  const lc_trigger_rules *own = lc_ruleset_block(ruleset, LC_BLOCK_TRIGGERS);
  bool fits = slots_fit(ruleset) && constants_fit(ruleset) && fields_fit(ruleset);
  uint64_t used = 0;
  for (int i = 0; i < LC_TRIGGERS && fits; i++)
    fits = rules_fit(ruleset, &ruleset->triggers[i], &used)
        && (ruleset->triggers[i].takes_back == 0 || may_take_back((lc_trigger)i));
  for (uint32_t i = 0; i < ruleset->blocks[LC_BLOCK_TRIGGERS].count && fits; i++)
    fits = rules_fit(ruleset, &own[i], &used) && own[i].takes_back == 0;
  return fits && later_fit(ruleset, LC_BLOCK_LATER, &used) && later_fit(ruleset, LC_BLOCK_SHADOW, &used) && limits_fit(ruleset);
}

lc_status lc_ruleset_check(const void *bytes, size_t size, lc_error *error) {
  const lc_ruleset *ruleset = bytes;
  if (size < 2 * sizeof(uint32_t) || ruleset->magic != LC_RULESET_MAGIC)
    return lc_fail(error, LC_CORRUPT, "the stored ruleset is not one");
  if (ruleset->version != LC_RULESET_VERSION)
    return lc_fail(error, LC_CORRUPT, "the stored ruleset has version %u, not %d", (unsigned)ruleset->version,
                   LC_RULESET_VERSION);
  if (size < sizeof *ruleset || ruleset->size != size || !blocks_fit(ruleset, size))
    return lc_fail(error, LC_CORRUPT, "the stored ruleset has the wrong size");
  if (ruleset->checksum != checksum(ruleset) || !contents_fit(ruleset))
    return lc_fail(error, LC_CORRUPT, "the stored ruleset fails its checksum");
  return LC_OK;
}
