/* The store's cache of rulesets, by tenant, within a limit. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "rules/checksum.h"
#include "store.h"

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

/* Caches a checked copy of `size` bytes, or (NULL) the empty config's ruleset. */
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

/* Whether rules were left out of the stored ruleset whose triggers may have been declared since. */
static int is_outdated(const lc_store *store, MDB_txn *txn, MDB_val stored, bool *outdated) {
  lc_ruleset head;
  size_t count = 0;
  int rc = 0;
  *outdated = false;
  if (stored.mv_size < sizeof head)
    return 0;
  memcpy(&head, stored.mv_data, sizeof head);
  if (head.version == LC_RULESET_VERSION && head.left_out != 0)
    rc = lc_count_triggers(store, txn, &count);
  *outdated = head.left_out != 0 && count > head.left_out - 1;
  return rc;
}

static lc_status read(lc_store *store, MDB_txn *txn, lc_key *tenant, lc_rules *rules, lc_error *error) {
  MDB_val value;
  bool outdated = false;
  int rc = lc_get(store, txn, LC_TABLE_RULESETS, tenant, &value);
  if (rc == MDB_NOTFOUND)
    return cache(rules, NULL, lc_ruleset_size(&(lc_config){ 0 }), error);
  if (rc == 0)
    rc = is_outdated(store, txn, value, &outdated);
  if (rc != 0)
    return lc_store_fail(store, LC_PART_CONFIG, rc, "cannot read the rules", error);
  if (outdated)
    return lc_fail(error, LC_CORRUPT, "the stored ruleset lacks rules of triggers that were declared since");
  return is_cached(rules, value) ? LC_OK : cache(rules, value.mv_data, value.mv_size, error);
}

static lc_status use_kept(const lc_store *store, MDB_txn *txn, lc_text tenant, lc_rules *rules, lc_error *error);

lc_status lc_store_refresh(lc_store *store, lc_text tenant, lc_rules *rules, lc_error *error) {
  MDB_txn *txn;
  lc_key key = lc_key_of(tenant);
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  status = read(store, txn, &key, rules, error);
  if (status == LC_CORRUPT && store->repaired != NULL)
    status = use_kept(store, txn, tenant, rules, error);
  if (status == LC_OK)
    rules->stamp = mdb_txn_id(txn);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

static const size_t most_bytes = (size_t)64 << 20; /* of all entries; a single one may be larger */

typedef struct tenant_rules {
  struct tenant_rules *next; /* in the same bucket */
  lc_rules rules;
  size_t counted; /* of its bytes in the cache's */
  bool used;      /* since the hand passed */
  uint8_t tenant_size;
  char tenant[];
} tenant_rules;

struct lc_rules_cache {
  tenant_rules **buckets; /* a power of two */
  size_t bucket_count, count;
  size_t bytes; /* of all entries with their rulesets */
  size_t hand;  /* the next bucket to look at, when room is needed */
};

static uint64_t hash_of(lc_text tenant) {
  uint64_t hash = lc_checksum(LC_CHECKSUM_START, tenant.data, tenant.size);
  return hash ^ hash >> 32;
}

static tenant_rules **bucket_of(const lc_rules_cache *cache, lc_text tenant) {
  return &cache->buckets[hash_of(tenant) & (cache->bucket_count - 1)];
}

static bool is_of(const tenant_rules *entry, lc_text tenant) {
  return entry->tenant_size == tenant.size && (tenant.size == 0 || memcmp(entry->tenant, tenant.data, tenant.size) == 0);
}

static tenant_rules *find(const lc_rules_cache *cache, lc_text tenant) {
  tenant_rules *entry = cache->count != 0 ? *bucket_of(cache, tenant) : NULL;
  while (entry != NULL && !is_of(entry, tenant))
    entry = entry->next;
  return entry;
}

static size_t size_of(const tenant_rules *entry) {
  return sizeof *entry + entry->tenant_size + (entry->rules.ruleset != NULL ? entry->rules.ruleset->size : 0);
}

static void put(lc_rules_cache *cache, tenant_rules *entry) {
  tenant_rules **bucket = bucket_of(cache, (lc_text){ entry->tenant, entry->tenant_size });
  entry->next = *bucket;
  *bucket = entry;
}

/* Unlinks the entry that `link` points to and frees it. */
static void drop(lc_rules_cache *cache, tenant_rules **link) {
  tenant_rules *entry = *link;
  *link = entry->next;
  cache->count--;
  cache->bytes -= entry->counted;
  lc_rules_free(&entry->rules);
  free(entry);
}

/* Doubles the buckets. Without memory for it the chains just get longer. */
static void grow(lc_rules_cache *cache) {
  lc_rules_cache larger = *cache;
  larger.bucket_count = cache->bucket_count != 0 ? cache->bucket_count * 2 : 64;
  larger.buckets = calloc(larger.bucket_count, sizeof *larger.buckets);
  if (larger.buckets == NULL)
    return;
  for (size_t i = 0; i < cache->bucket_count; i++)
    for (tenant_rules *entry = cache->buckets[i], *next; entry != NULL; entry = next) {
      next = entry->next;
      put(&larger, entry);
    }
  free(cache->buckets);
  *cache = larger;
}

/* Adds an entry without rules; NULL: out of memory. */
static tenant_rules *add(lc_rules_cache *cache, lc_text tenant) {
  if (cache->count >= cache->bucket_count)
    grow(cache);
  tenant_rules *entry = cache->bucket_count != 0 ? calloc(1, sizeof *entry + tenant.size) : NULL;
  if (entry == NULL)
    return NULL;
  if (tenant.size != 0)
    memcpy(entry->tenant, tenant.data, tenant.size);
  entry->tenant_size = (uint8_t)tenant.size;
  put(cache, entry);
  cache->count++;
  return entry;
}

/* Drops entries unused since the hand last passed, until there is room; never `keep`. */
static void make_room(lc_rules_cache *cache, const tenant_rules *keep) {
  while (cache->bytes > most_bytes && cache->count > 1) {
    tenant_rules **link = &cache->buckets[cache->hand++ & (cache->bucket_count - 1)];
    while (*link != NULL) {
      bool may_go = !(*link)->used && *link != keep;
      (*link)->used = false;
      if (may_go)
        drop(cache, link);
      else
        link = &(*link)->next;
    }
  }
}

static lc_status read_into(lc_store *store, tenant_rules *entry, lc_text tenant, lc_error *error) {
  lc_status status = lc_store_refresh(store, tenant, &entry->rules, error);
  store->rules->bytes += size_of(entry) - entry->counted;
  entry->counted = size_of(entry);
  make_room(store->rules, entry);
  return status;
}

lc_status lc_store_ruleset(lc_store *store, lc_text tenant, const lc_ruleset **ruleset, lc_error *error) {
  if (store->rules == NULL)
    store->rules = calloc(1, sizeof *store->rules);
  tenant_rules *entry = store->rules != NULL ? find(store->rules, tenant) : NULL;
  if (entry == NULL && store->rules != NULL)
    entry = add(store->rules, tenant);
  if (entry == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "cannot read the rules: out of memory");
  lc_status status = LC_OK;
  if (!lc_rules_fresh(&entry->rules, lc_store_watch(store)))
    status = read_into(store, entry, tenant, error);
  entry->used = true;
  *ruleset = entry->rules.ruleset;
  return status;
}

/* Of what was made in place of rulesets that may not be written. The error is that of the stored one. */
static lc_status use_kept(const lc_store *store, MDB_txn *txn, lc_text tenant, lc_rules *rules, lc_error *error) {
  const tenant_rules *kept = find(store->repaired, tenant);
  if (kept == NULL || kept->rules.stamp != mdb_txn_id(txn))
    return LC_CORRUPT;
  return cache(rules, kept->rules.ruleset, kept->rules.ruleset->size, error);
}

static lc_status keep(lc_store *store, lc_text tenant, lc_text ruleset, uint64_t stamp, lc_error *error) {
  tenant_rules *kept = find(store->repaired, tenant);
  if (kept == NULL)
    kept = add(store->repaired, tenant);
  if (kept == NULL)
    return lc_no_memory(error);
  kept->rules.stamp = 0;
  lc_status status = cache(&kept->rules, ruleset.data, ruleset.size, error);
  if (status == LC_OK)
    kept->rules.stamp = stamp;
  return status;
}

lc_status lc_keep_ruleset(lc_store *store, lc_text tenant, lc_text ruleset, lc_error *error) {
  MDB_txn *txn;
  if (store->repaired == NULL)
    store->repaired = calloc(1, sizeof *store->repaired);
  if (store->repaired == NULL)
    return lc_no_memory(error);
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  status = keep(store, tenant, ruleset, mdb_txn_id(txn), error);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

void lc_rules_cache_free(lc_rules_cache *cache) {
  if (cache == NULL)
    return;
  for (size_t i = 0; i < cache->bucket_count; i++)
    while (cache->buckets[i] != NULL)
      drop(cache, &cache->buckets[i]);
  free(cache->buckets);
  free(cache);
}
