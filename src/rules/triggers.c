#include "triggers.h"

#include <string.h>

static bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool lc_trigger_name_fits(lc_text name) {
  if (name.size < 1 || name.size > LC_TRIGGER_NAME_MAX || !is_lower(name.data[0]))
    return false;
  for (size_t i = 1; i < name.size; i++)
    if (!is_lower(name.data[i]) && !(name.data[i] >= '0' && name.data[i] <= '9') && name.data[i] != '_')
      return false;
  return lc_trigger_of(name.data, name.size) < 0;
}

int lc_own_trigger_of(const lc_triggers *own, const char *name, size_t size) {
  for (uint32_t i = 0; i < own->count; i++)
    if (own->own[i].size == size && memcmp(own->own[i].text, name, size) == 0)
      return LC_OWN_TRIGGER + (int)i;
  return -1;
}

lc_status lc_triggers_add(lc_triggers *triggers, lc_text name, lc_error *error) {
  if (lc_own_trigger_of(triggers, name.data, name.size) >= 0)
    return lc_fail(error, LC_INVALID, "the trigger %.*s is given twice", (int)name.size, name.data);
  if (triggers->count == LC_OWN_TRIGGERS)
    return lc_fail(error, LC_INVALID, "the store has %d triggers of its own, which is the most: there is no room for %.*s",
                   LC_OWN_TRIGGERS, (int)name.size, name.data);
  lc_trigger_name *own = &triggers->own[triggers->count++];
  *own = (lc_trigger_name){ .size = (uint8_t)name.size };
  memcpy(own->text, name.data, name.size);
  return LC_OK;
}

const char *lc_trigger_name_of(const lc_triggers *own, uint32_t number) {
  if (number < LC_TRIGGERS)
    return lc_trigger_names[number];
  bool is_known = own != NULL && number >= LC_OWN_TRIGGER && number - LC_OWN_TRIGGER < own->count;
  return is_known ? own->own[number - LC_OWN_TRIGGER].text : NULL;
}
