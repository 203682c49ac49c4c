#include "decide.h"

#include <string.h>

const char *const lc_trigger_names[LC_TRIGGERS] = {
  [LC_SALE_REGISTERED] = "sale_registered",
  [LC_SALE_WON] = "sale_won",
  [LC_SALE_LOST] = "sale_lost",
  [LC_LEAD_STATUS_SET] = "lead_status_set",
};

const char *const lc_group_names[LC_GROUPS] = {
  [LC_CUSTOMER] = "customer",
  [LC_LOST] = "lost",
  [LC_OTHER] = "other",
  [LC_PARTNER] = "partner",
  [LC_POTENTIAL_CUSTOMER] = "potential_customer",
};

const char *const lc_action_names[LC_ACTIONS] = {
  [LC_NONE] = "none",
  [LC_UPDATE] = "update",
  [LC_CONFIRM] = "confirm",
};

const char *const lc_reason_names[LC_REASONS] = {
  [LC_RULE_DISABLED] = "rule_disabled",
  [LC_UNKNOWN_CATEGORY] = "unknown_category",
  [LC_NOT_POTENTIAL_CUSTOMER] = "not_potential_customer",
  [LC_LEAD_STATUS_NOT_ENABLED] = "lead_status_not_enabled",
  [LC_LEAD_STATUS_NOT_MATCHED] = "lead_status_not_matched",
  [LC_ALREADY_IN_CATEGORY] = "already_in_category",
  [LC_MATCHED] = "matched",
};

int lc_name_index(const char *const *names, int count, const char *name, size_t size) {
  for (int i = 0; i < count; i++)
    if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
      return i;
  return -1;
}

int lc_trigger_of(const char *name, size_t size) {
  lc_trigger trigger = size == 8 ? LC_SALE_WON
                     : size == 9 ? LC_SALE_LOST
                     : size != 0 && name[0] == 's' ? LC_SALE_REGISTERED : LC_LEAD_STATUS_SET;
  const char *expected = lc_trigger_names[trigger];
  return strlen(expected) == size && memcmp(expected, name, size) == 0 ? (int)trigger : -1;
}

static lc_decision nothing(lc_reason reason) {
  return (lc_decision){ LC_NONE, reason, 0 };
}

lc_decision lc_decide(const lc_ruleset *ruleset, lc_trigger trigger, int32_t category, int32_t lead_status) {
  if (!lc_ruleset_has_rule(ruleset, trigger))
    return nothing(LC_RULE_DISABLED);
  const lc_category_slot *from = lc_ruleset_category(ruleset, category);
  if (from == NULL)
    return nothing(LC_UNKNOWN_CATEGORY);
  if (from->group != LC_POTENTIAL_CUSTOMER)
    return nothing(LC_NOT_POTENTIAL_CUSTOMER);
  const lc_rule_slot *rule;
  if (trigger == LC_LEAD_STATUS_SET) {
    if (!from->lead_status)
      return nothing(LC_LEAD_STATUS_NOT_ENABLED);
    rule = lc_ruleset_lead_status(ruleset, lead_status);
    if (rule == NULL)
      return nothing(LC_LEAD_STATUS_NOT_MATCHED);
  } else {
    rule = &ruleset->sale[trigger];
  }
  if (rule->to == category)
    return nothing(LC_ALREADY_IN_CATEGORY);
  return (lc_decision){ rule->ask ? LC_CONFIRM : LC_UPDATE, LC_MATCHED, rule->to };
}
