#include "ruleset.h"

#include <string.h>

#include "checksum.h"

/* The checksum covers everything after its own field. */
static const size_t checked_from = offsetof(lc_ruleset, checksum) + sizeof(uint64_t);

static uint64_t checksum(const lc_ruleset *ruleset) {
  return lc_checksum(LC_CHECKSUM_START, (const unsigned char *)ruleset + checked_from, ruleset->size - checked_from);
}

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

static uint32_t count_options(const lc_config *config) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < config->category_count; i++)
    count += !config->categories[i].deleted;
  return count;
}

static size_t block_size(uint32_t category_slots, uint32_t status_slots, uint32_t options) {
  return sizeof(lc_ruleset) + category_slots * sizeof(lc_category_slot) + status_slots * sizeof(lc_rule_slot)
       + options * sizeof(int32_t);
}

size_t lc_ruleset_size(const lc_config *config) {
  const uint32_t most = UINT32_C(1) << 26; /* keeps every product below 2^32 */
  if (config->category_count > most || config->rule_count > most)
    return 0;
  return block_size(slots_for(config->category_count), slots_for(count_status_rules(config)), count_options(config));
}

/* What lc_ruleset_ functions find is writable while the ruleset is built. */
#define WRITABLE(pointer) ((void *)(uintptr_t)(pointer))

static lc_status add_category(lc_ruleset *ruleset, const lc_category *category, lc_error *error) {
  if (category->id < 1)
    return lc_fail(error, LC_INVALID, "category id %d is out of range", (int)category->id);
  lc_category_slot *slot = WRITABLE(lc_ruleset_category_slot(ruleset, category->id));
  if (slot->id != 0)
    return lc_fail(error, LC_INVALID, "category id %d is given twice", (int)category->id);
  *slot = (lc_category_slot){ category->id, (uint8_t)category->group, category->lead_status, category->deleted, 0 };
  return LC_OK;
}

static lc_status add_rule(lc_ruleset *ruleset, const lc_rule *rule, lc_error *error) {
  const lc_category_slot *target = lc_ruleset_category(ruleset, rule->to);
  if (target == NULL || target->deleted)
    return lc_fail(error, LC_INVALID, "a rule's target %d is not a live category", (int)rule->to);
  bool by_status = rule->trigger == LC_LEAD_STATUS_SET;
  if (by_status && rule->lead_status < 1)
    return lc_fail(error, LC_INVALID, "lead status id %d is out of range", (int)rule->lead_status);
  lc_rule_slot *slot = by_status ? WRITABLE(lc_ruleset_rule_slot(ruleset, rule->lead_status))
                                 : &ruleset->sale[rule->trigger];
  if (slot->to != 0)
    return lc_fail(error, LC_INVALID, "two enabled rules for one trigger and lead status");
  *slot = (lc_rule_slot){ rule->lead_status, rule->to, rule->ask };
  return LC_OK;
}

static void add_options(lc_ruleset *ruleset, const lc_config *config) {
  int32_t *options = WRITABLE(lc_ruleset_options(ruleset));
  for (uint32_t i = 0; i < config->category_count; i++)
    if (!config->categories[i].deleted)
      *options++ = config->categories[i].id;
}

lc_status lc_ruleset_build(const lc_config *config, void *memory, size_t size, lc_error *error) {
  uint32_t status_rules = count_status_rules(config);
  if (size == 0 || size > UINT32_MAX || size != lc_ruleset_size(config))
    return lc_fail(error, LC_INVALID, "the config has too many categories or rules");
  lc_ruleset *ruleset = memset(memory, 0, size);
  ruleset->magic = LC_RULESET_MAGIC;
  ruleset->version = LC_RULESET_VERSION;
  ruleset->revision = config->revision;
  ruleset->size = (uint32_t)size;
  ruleset->category_slots = slots_for(config->category_count);
  ruleset->status_slots = slots_for(status_rules);
  ruleset->status_rules = status_rules;
  ruleset->option_count = count_options(config);
  add_options(ruleset, config);
  lc_status status = LC_OK;
  for (uint32_t i = 0; i < config->category_count && status == LC_OK; i++)
    status = add_category(ruleset, &config->categories[i], error);
  for (uint32_t i = 0; i < config->rule_count && status == LC_OK; i++)
    status = add_rule(ruleset, &config->rules[i], error);
  ruleset->checksum = checksum(ruleset);
  return status;
}

static bool is_power_of_two(uint32_t n) {
  return n != 0 && (n & (n - 1)) == 0;
}

/* Whether the header's sizes are those of a block of `size` bytes. */
static bool sizes_fit(const lc_ruleset *ruleset, size_t size) {
  const uint32_t most = UINT32_C(1) << 27;
  return is_power_of_two(ruleset->category_slots) && ruleset->category_slots <= most
      && is_power_of_two(ruleset->status_slots) && ruleset->status_slots <= most && ruleset->option_count <= most
      && size == block_size(ruleset->category_slots, ruleset->status_slots, ruleset->option_count);
}

/* Whether lookups end: at least half of the slots must be empty. */
static bool tables_end(const lc_ruleset *ruleset) {
  uint32_t categories = 0, rules = 0;
  for (uint32_t i = 0; i < ruleset->category_slots; i++) {
    categories += lc_ruleset_categories(ruleset)[i].id != 0;
    if (lc_ruleset_categories(ruleset)[i].group >= LC_GROUPS)
      return false;
  }
  for (uint32_t i = 0; i < ruleset->status_slots; i++)
    rules += lc_ruleset_status_rules(ruleset)[i].lead_status != 0;
  return categories <= ruleset->category_slots / 2 && rules <= ruleset->status_slots / 2
      && rules == ruleset->status_rules;
}

lc_status lc_ruleset_check(const void *bytes, size_t size, lc_error *error) {
  const lc_ruleset *ruleset = bytes;
  if (size < sizeof *ruleset || ruleset->magic != LC_RULESET_MAGIC)
    return lc_fail(error, LC_CORRUPT, "the stored ruleset is not one");
  if (ruleset->version != LC_RULESET_VERSION)
    return lc_fail(error, LC_CORRUPT, "the stored ruleset has version %u, not %d", (unsigned)ruleset->version,
                   LC_RULESET_VERSION);
  if (ruleset->size != size || !sizes_fit(ruleset, size))
    return lc_fail(error, LC_CORRUPT, "the stored ruleset has the wrong size");
  if (ruleset->checksum != checksum(ruleset) || !tables_end(ruleset))
    return lc_fail(error, LC_CORRUPT, "the stored ruleset fails its checksum");
  return LC_OK;
}
