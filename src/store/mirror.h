/* store/mirror.h - what a node keeps of the rules of a shared store (lua/leadcat/store/sql.lua): the newest config of each tenant, and the
 * own triggers, so that deciding needs no network. The database has the truth.
 */
#ifndef LC_STORE_MIRROR_H
#define LC_STORE_MIRROR_H

#include "store.h"

/* A tenant's newest config. */
typedef struct lc_mirrored {
  lc_text tenant;
  uint64_t revision; /* 0: it has none */
  lc_text ruleset, json, about;
} lc_mirrored;

/* Takes these in the place of what is there of their tenants, and with `all` removes what is there of others; `triggers` (unless it is
 * NULL) in the place of the own triggers; `state` is a text that says of what database this is, and how far it goes. In one transaction. */
lc_status lc_store_mirror(lc_store *store, const lc_mirrored *configs, size_t count, bool all, const lc_declared *triggers,
                          size_t trigger_count, lc_text state, lc_error *error);

/* Whether the store has a config, an entry or a company: then it is no mirror, unless it says so. */
lc_status lc_store_holds(lc_store *store, bool *holds, lc_error *error);

/* Copies out that text. LC_NOT_FOUND. */
lc_status lc_store_mirror_state(lc_store *store, lc_error *error);

#endif
