/* handle.h - rules and events in C tests: saved, and handled as the binding does it. */
#ifndef LC_HANDLE_H
#define LC_HANDLE_H

#include <string.h>

#include "check.h"
#include "store/handle.h"

static inline lc_text text_of(const char *string) {
  return (lc_text){ string, strlen(string) };
}

static inline lc_company company_of(const char *name) {
  return (lc_company){ text_of(name), false };
}

/* Saves small rules, as the revision that they name. */
static inline lc_status save_config(lc_store *store, lc_text tenant, const lc_config *config, lc_error *error) {
  static _Thread_local uint64_t memory[128];
  size_t size = lc_ruleset_size(config);
  CHECK(size <= sizeof memory && lc_ruleset_build(config, memory, size, NULL) == LC_OK);
  lc_text ruleset = { (const char *)memory, size };
  return lc_store_save(store, tenant, config->revision - 1, ruleset, text_of("{}"), text_of("{}"), error);
}

/* An event; "" is no id. */
static inline lc_case case_of(lc_trigger trigger, const char *company, const char *id, double at) {
  return (lc_case){ .entry = { .at = at, .trigger = (uint8_t)trigger, .company = company_of(company), .event_id = text_of(id) } };
}

/* Brings events as far as they come without anything being fetched. */
static inline lc_status handle(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, lc_error *error) {
  size_t first;
  lc_status status = lc_store_look(store, how, cases, count, &first, error);
  if (status != LC_OK || how->overlay != NULL || (first == count && how->cursor == NULL))
    return status;
  return lc_store_handle(store, how, cases, count, first, error);
}

/* The guards, or the user, let the decision pass that the event has just got: its company goes to `target`, or stays. */
static inline void pass(lc_case *c, int32_t target, bool keep) {
  c->passed = c->about;
  c->target = target;
  c->keep = keep;
}

#endif
