/* Configs: all revisions as JSON, and the newest one as a packed ruleset. */
#include "internal.h"
#include "store.h"

/* 0: the tenant has none. */
static int newest_revision(const lc_store *store, MDB_txn *txn, const lc_key *tenant, uint64_t *revision) {
  MDB_val key, value;
  int rc = lc_get_last(store, txn, LC_TABLE_CONFIGS, tenant, &key, &value);
  *revision = rc == 0 ? lc_key_number(key) : 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_put_config(const lc_store *store, MDB_txn *txn, lc_key tenant, uint64_t revision, lc_text ruleset, lc_text json,
                  lc_text about) {
  lc_key key = tenant;
  lc_key_add_number(&key, revision);
  int rc = lc_put(store, txn, LC_TABLE_RULESETS, &tenant, ruleset.data, ruleset.size);
  if (rc == 0)
    rc = lc_put(store, txn, LC_TABLE_CONFIGS, &key, json.data, json.size);
  return rc != 0 ? rc : lc_put(store, txn, LC_TABLE_REVISIONS, &key, about.data, about.size);
}

lc_status lc_store_save(lc_store *store, lc_text tenant, uint64_t expected, lc_text ruleset, lc_text json, lc_text about,
                        lc_error *error) {
  MDB_txn *txn;
  uint64_t revision;
  lc_key key = lc_key_of(tenant);
  lc_status status = lc_begin_write(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = newest_revision(store, txn, &key, &revision);
  if (rc == 0 && revision != expected)
    status = lc_fail(error, LC_STALE, "revision %llu is not the newest, which is revision %llu",
                     (unsigned long long)expected, (unsigned long long)revision);
  else if (rc == 0)
    rc = lc_put_config(store, txn, key, expected + 1, ruleset, json, about);
  if (rc != 0)
    status = lc_store_fail(store, LC_PART_CONFIG, rc, "cannot save the config", error);
  return lc_end_write(store, LC_PART_CONFIG, txn, status, error);
}

lc_status lc_store_repair(lc_store *store, lc_text tenant, uint64_t revision, lc_text ruleset, lc_error *error) {
  MDB_txn *txn;
  uint64_t newest;
  lc_key key = lc_key_of(tenant);
  if (store->readonly)
    return lc_keep_ruleset(store, tenant, ruleset, error);
  lc_status status = lc_begin_write(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = newest_revision(store, txn, &key, &newest);
  if (rc == 0 && newest == revision)
    rc = lc_put(store, txn, LC_TABLE_RULESETS, &key, ruleset.data, ruleset.size);
  status = lc_store_fail(store, LC_PART_CONFIG, rc, "cannot save the rules", error);
  return lc_end_write(store, LC_PART_CONFIG, txn, status, error);
}

lc_status lc_store_config(lc_store *store, lc_text tenant, uint64_t revision, lc_error *error) {
  MDB_txn *txn;
  MDB_val value;
  lc_key key = lc_key_of(tenant);
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = revision == 0 ? newest_revision(store, txn, &key, &revision) : 0;
  lc_key_add_number(&key, revision);
  if (rc == 0)
    rc = lc_get(store, txn, LC_TABLE_CONFIGS, &key, &value);
  if (rc == 0)
    status = lc_result_set(store, value.mv_data, value.mv_size, error);
  else
    status = lc_store_fail(store, LC_PART_CONFIG, rc, "cannot read the config", error);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

static lc_status list_revisions(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  const lc_key *tenant = request;
  MDB_val key, value;
  lc_status status = LC_OK;
  int rc = lc_seek_before(cursor, tenant, UINT64_MAX, &key, &value);
  for (; rc == 0 && status == LC_OK; rc = lc_seek_previous(cursor, tenant, &key, &value))
    status = lc_result_add(store, lc_text_of(value), (lc_text){ NULL, 0 }, error);
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_CONFIG, rc, error);
}

lc_status lc_store_revisions(lc_store *store, lc_text tenant, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  return lc_scan(store, LC_PART_CONFIG, LC_TABLE_REVISIONS, list_revisions, &key, error);
}
