/* Numbers that tell decisions, and the outcomes of events, apart. */
#include "handle.h"
#include "internal.h"
#include "rules/checksum.h"

static uint64_t mix(uint64_t sum, uint64_t number) {
  return lc_checksum(sum, &number, sizeof number);
}

/* Fits the number to Lua, whose numbers are exact below 2^53; 0 means none. */
static uint64_t fold(uint64_t sum) {
  return (sum >> 11) | 1;
}

uint64_t lc_tell_apart(const lc_entry *entry) {
  uint64_t rule = mix(LC_CHECKSUM_START, (uint64_t)entry->trigger << 32 | (uint32_t)entry->lead_status);
  uint64_t change = mix(rule, (uint64_t)(uint32_t)entry->from << 32 | (uint32_t)entry->to);
  uint64_t how = mix(change, entry->revision << 2 | entry->action);
  return fold(entry->rule != 0 ? mix(how, (uint64_t)entry->rule) : how);
}

bool lc_are_all_done(const lc_case *cases, size_t count) {
  size_t i = 0;
  while (i < count && cases[i].state > LC_LACKING)
    i++;
  return i == count;
}

uint64_t lc_digest(const lc_case *cases, size_t count) {
  uint64_t sum = LC_CHECKSUM_START;
  for (size_t i = 0; i < count && cases[i].state > LC_LACKING; i++) {
    const lc_case *c = &cases[i];
    uint64_t status = c->state == LC_WRITTEN ? c->entry.status : 0;
    uint64_t reason = c->state == LC_DUPLICATE ? 0 : c->is_late ? LC_REASONS : c->reason;
    sum = mix(sum, (uint64_t)c->state << 16 | status << 8 | reason);
    if (c->state == LC_WRITTEN || c->state == LC_SKIPPED)
      sum = mix(sum, (uint64_t)(uint32_t)c->entry.from << 32 | (uint32_t)c->entry.to);
  }
  return fold(sum);
}
