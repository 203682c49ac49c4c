#include "mirror.h"

#include "internal.h"

static lc_key state_key(void) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, "mirror", 6);
  return key;
}

static int remove_all(const lc_store *store, MDB_txn *txn, lc_table table, const lc_key *prefix) {
  MDB_cursor *cursor;
  lc_key from = *prefix;
  MDB_val key = lc_key_value(&from), value;
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, table), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, prefix->size == 0 ? MDB_FIRST : MDB_SET_RANGE); /* LMDB seeks no empty key */
  while (rc == 0 && lc_key_is_prefix(prefix, key)) {
    rc = mdb_cursor_del(cursor, 0);
    if (rc == 0)
      rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Removes what is mirrored of the tenants whose keys begin so. */
static int clear(const lc_store *store, MDB_txn *txn, const lc_key *prefix) {
  int rc = remove_all(store, txn, LC_TABLE_RULESETS, prefix);
  if (rc == 0)
    rc = remove_all(store, txn, LC_TABLE_CONFIGS, prefix);
  return rc != 0 ? rc : remove_all(store, txn, LC_TABLE_REVISIONS, prefix);
}

static int put_config(const lc_store *store, MDB_txn *txn, const lc_mirrored *config) {
  lc_key key = lc_key_of(config->tenant);
  int rc = clear(store, txn, &key);
  if (rc == 0 && config->revision != 0)
    rc = lc_put_config(store, txn, key, config->revision, config->ruleset, config->json, config->about);
  return rc;
}

lc_status lc_store_mirror(lc_store *store, const lc_mirrored *configs, size_t count, bool all, const lc_declared *triggers,
                          size_t trigger_count, lc_text state, lc_error *error) {
  MDB_txn *txn;
  const lc_key every = { .size = 0 };
  lc_key key = state_key();
  lc_status status = lc_begin_write(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = all ? clear(store, txn, &every) : 0;
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = put_config(store, txn, &configs[i]);
  if (rc == 0 && triggers != NULL)
    rc = lc_replace_triggers(store, txn, triggers, trigger_count);
  if (rc == 0)
    rc = lc_put(store, txn, LC_TABLE_IDENTITY, &key, state.data, state.size);
  status = lc_store_fail(store, LC_PART_CONFIG, rc, "cannot keep the rules", error);
  return lc_end_write(store, LC_PART_CONFIG, txn, status, error);
}

static lc_status find_any(lc_store *store, lc_table table, bool *found, lc_error *error) {
  MDB_txn *txn;
  MDB_stat pages;
  lc_part part = lc_table_part(table);
  lc_status status = *found ? LC_OK : lc_begin_read(store, part, &txn, error);
  if (status != LC_OK || *found)
    return status;
  int rc = mdb_stat(txn, lc_env_table(store->env, table), &pages);
  *found = rc == 0 && pages.ms_entries != 0;
  lc_end_read(store, part);
  return lc_store_fail(store, part, rc, "cannot read the store", error);
}

lc_status lc_store_holds(lc_store *store, bool *holds, lc_error *error) {
  static const lc_table tables[] = { LC_TABLE_CONFIGS, LC_TABLE_JOURNAL, LC_TABLE_UNCHANGED, LC_TABLE_COMPANIES };
  lc_status status = LC_OK;
  *holds = false;
  for (size_t i = 0; i < sizeof tables / sizeof *tables && status == LC_OK; i++)
    status = find_any(store, tables[i], holds, error);
  return status;
}

lc_status lc_store_mirror_state(lc_store *store, lc_error *error) {
  return lc_read_identity(store, state_key(), error);
}
