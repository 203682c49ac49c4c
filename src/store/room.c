/* How large the files of a store may be.
 *
 * LMDB limits a file by the map of each process, and copies what it changes: a file that is full cannot be made emptier. So
 * the limit is also a record in the file, the same for all processes. What only removes may map more, and what writes is
 * refused when it would leave more pages in use than the limit. */
#include <string.h>

#include "open.h"
#include "record.h"

static const char name[] = "map_size"; /* -> its bytes, as of lc_seal_count */
static const lc_table records[LC_PARTS] = { [LC_PART_CONFIG] = LC_TABLE_IDENTITY, [LC_PART_JOURNAL] = LC_TABLE_META };

size_t lc_limit_of(const lc_env *env, lc_part part, MDB_txn *txn) {
  MDB_val key = { sizeof name - 1, (void *)(uintptr_t)name }, value;
  uint64_t sealed, limit;
  if (mdb_get(txn, env->tables[records[part]], &key, &value) != 0 || value.mv_size != sizeof sealed)
    return lc_map_size(part, 0);
  memcpy(&sealed, value.mv_data, sizeof sealed);
  return lc_unseal_count(sealed, &limit) ? (size_t)limit : lc_map_size(part, 0);
}

static int add_pages(MDB_txn *txn, MDB_dbi table, size_t *bytes) {
  MDB_stat pages;
  int rc = mdb_stat(txn, table, &pages);
  if (rc == 0)
    *bytes += (pages.ms_branch_pages + pages.ms_leaf_pages + pages.ms_overflow_pages) * pages.ms_psize;
  return rc;
}

/* All but the free pages: the file's two heads, LMDB's own tables (its free list, and the names of the others), and ours. */
static int count_used(const lc_env *env, lc_part part, MDB_txn *txn, size_t *bytes) {
  enum { OWN = 2 };
  int rc = 0;
  *bytes = env->metas_size;
  for (MDB_dbi own = 0; own < OWN && rc == 0; own++)
    rc = add_pages(txn, own, bytes);
  for (int table = 0; table < LC_TABLES && rc == 0; table++)
    if (lc_table_part((lc_table)table) == part)
      rc = add_pages(txn, env->tables[table], bytes);
  return rc;
}

int lc_fits(const lc_env *env, lc_part part, MDB_txn *txn, size_t limit, bool *fit) {
  size_t bytes;
  int rc = count_used(env, part, txn, &bytes);
  *fit = rc == 0 && bytes <= limit;
  return rc;
}

bool lc_env_has_room(const lc_env *env, lc_part part, MDB_txn *txn, size_t pages) {
  size_t limit = env->parts[part].limit, mapped = lc_mapped(env, part), needed = pages * (env->metas_size / 2);
  bool fit = false;
  if (limit == SIZE_MAX) /* lifted */
    return false;
  if (mapped < limit)
    limit = mapped;
  return limit > needed && lc_fits(env, part, txn, limit - needed, &fit) == 0 && fit;
}

int lc_set_limit(const lc_env *env, lc_part part, MDB_txn *txn, size_t limit) {
  uint64_t sealed = lc_seal_count(limit);
  MDB_val key = { sizeof name - 1, (void *)(uintptr_t)name }, value = { sizeof sealed, &sealed };
  bool fit;
  int rc = lc_fits(env, part, txn, limit, &fit);
  return rc != 0 || !fit ? rc : mdb_put(txn, env->tables[records[part]], &key, &value, 0);
}

size_t lc_mapped(const lc_env *env, lc_part part) {
  MDB_envinfo info = { .me_mapsize = 0 };
  mdb_env_info(env->parts[part].mdb, &info);
  return info.me_mapsize;
}
