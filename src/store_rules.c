/* The rulesets of a store, in memory: those of the tenants that are being decided for, and no more than there is room for. */
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "store_internal.h"

/* ---- one ruleset ------------------------------------------------------------------------- */

const lc_watch *lc_store_watch(const lc_store *store) {
  return lc_env_watch(store->env);
}

void lc_rules_free(lc_rules *rules) {
  free(rules->ruleset);
  *rules = (lc_rules){ NULL, 0 };
}

static bool is_cached(const lc_rules *rules, MDB_val stored) {
  return rules->ruleset != NULL && rules->ruleset->size == stored.mv_size
      && memcmp(rules->ruleset, stored.mv_data, stored.mv_size) == 0;
}

/* Replaces the cached ruleset by a checked copy of `size` bytes, or by the empty config's. */
static lc_status cache(lc_rules *rules, const void *bytes, size_t size, lc_error *error) {
  const lc_config empty = { 0 };
  lc_ruleset *copy = malloc(size);
  if (copy == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot read the rules: out of memory");
  lc_status status;
  if (bytes != NULL) {
    memcpy(copy, bytes, size);
    status = lc_ruleset_check(copy, size, error);
  } else {
    status = lc_ruleset_build(&empty, copy, size, error);
  }
  if (status != LC_OK) {
    free(copy);
    return status;
  }
  free(rules->ruleset);
  rules->ruleset = copy;
  return LC_OK;
}

lc_status lc_store_refresh(lc_store *store, lc_text tenant, lc_rules *rules, lc_error *error) {
  MDB_txn *txn;
  MDB_val value;
  lc_key key = lc_key_of(tenant);
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_get(store, txn, LC_TABLE_RULESETS, &key, &value);
  if (rc == MDB_NOTFOUND)
    status = cache(rules, NULL, lc_ruleset_size(0, 0), error);
  else if (rc != 0)
    status = lc_store_fail(store, LC_PART_CONFIG, rc, "cannot read the rules", error);
  else if (!is_cached(rules, value))
    status = cache(rules, value.mv_data, value.mv_size, error);
  if (status == LC_OK)
    rules->stamp = mdb_txn_id(txn);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

/* ---- those of many tenants --------------------------------------------------------------- */

/* A tenant has its place in one of the sets, a few slots long. */
enum { SETS = 1024, WAYS = 4, SLOTS = SETS * WAYS };

static const size_t most_bytes = (size_t)16 << 20; /* of all rulesets together, when there is more than one */

typedef struct rules_slot {
  lc_rules rules;
  bool used; /* since the hand came by */
  uint8_t tenant_size;
  char tenant[LC_TENANT_MAX];
} rules_slot;

struct lc_rules_cache {
  size_t bytes;  /* of the rulesets */
  unsigned hand; /* the slot to be looked at next, when room is needed */
  rules_slot slots[SLOTS];
};

static uint64_t hash_of(lc_text tenant) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < tenant.size; i++)
    hash = (hash ^ (unsigned char)tenant.data[i]) * UINT64_C(1099511628211);
  return hash ^ hash >> 32;
}

static size_t size_of(const rules_slot *slot) {
  return slot->rules.ruleset != NULL ? slot->rules.ruleset->size : 0;
}

static bool has(const rules_slot *slot, lc_text tenant) {
  return slot->rules.ruleset != NULL && slot->tenant_size == tenant.size
      && memcmp(slot->tenant, tenant.data, tenant.size) == 0;
}

static void empty(lc_rules_cache *cache, rules_slot *slot) {
  cache->bytes -= size_of(slot);
  lc_rules_free(&slot->rules);
}

/* The tenant's slot, or one of its set that it may have: best an empty one, then one that was not used lately. */
static rules_slot *find_slot(lc_rules_cache *cache, lc_text tenant) {
  rules_slot *set = &cache->slots[hash_of(tenant) % SETS * WAYS], *place = &set[cache->hand % WAYS];
  for (int i = 0; i < WAYS; i++) {
    if (has(&set[i], tenant))
      return &set[i];
    if (set[i].rules.ruleset == NULL || (!set[i].used && place->rules.ruleset != NULL))
      place = &set[i];
  }
  return place;
}

/* Frees what was not used since the hand last came by, until there is room; never `keep`. */
static void make_room(lc_rules_cache *cache, const rules_slot *keep) {
  for (unsigned i = 0; i < 2 * SLOTS && cache->bytes > most_bytes; i++) {
    rules_slot *slot = &cache->slots[cache->hand++ % SLOTS];
    if (!slot->used && slot != keep)
      empty(cache, slot);
    slot->used = false;
  }
}

static lc_status read_into(lc_store *store, rules_slot *slot, lc_text tenant, lc_error *error) {
  lc_rules_cache *cache = store->rules;
  if (!has(slot, tenant)) {
    empty(cache, slot);
    memcpy(slot->tenant, tenant.data, tenant.size);
    slot->tenant_size = (uint8_t)tenant.size;
    cache->hand++;
  }
  cache->bytes -= size_of(slot);
  lc_status status = lc_store_refresh(store, tenant, &slot->rules, error);
  cache->bytes += size_of(slot);
  make_room(cache, slot);
  return status;
}

lc_status lc_store_ruleset(lc_store *store, lc_text tenant, const lc_ruleset **ruleset, lc_error *error) {
  if (store->rules == NULL && (store->rules = calloc(1, sizeof *store->rules)) == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot read the rules: out of memory");
  lc_status status = LC_OK;
  rules_slot *slot = find_slot(store->rules, tenant);
  if (!has(slot, tenant) || !lc_rules_fresh(&slot->rules, lc_store_watch(store)))
    status = read_into(store, slot, tenant, error);
  slot->used = true;
  *ruleset = slot->rules.ruleset;
  return status;
}

void lc_rules_cache_free(lc_rules_cache *cache) {
  for (int i = 0; cache != NULL && i < SLOTS; i++)
    lc_rules_free(&cache->slots[i].rules);
  free(cache);
}
