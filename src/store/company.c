/* The companies of the embedded host. */
#include <string.h>

#include "internal.h"
#include "store.h"

lc_status lc_store_company(lc_store *store, lc_text tenant, const lc_company *company, int32_t *category, lc_error *error) {
  lc_key prefix = lc_key_of(tenant), key = lc_key_of_company(&prefix, company);
  lc_company_record record = { 0 };
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_get_record(store, txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
  lc_end_read(store, LC_PART_JOURNAL);
  *category = record.category;
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the company", error);
}

static int create_one(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_company *company, int32_t category,
                      size_t *created) {
  lc_key key = lc_key_of_company(tenant, company);
  lc_company_record record = { .category = category, .is_integer = company->is_integer };
  MDB_val value;
  int rc = lc_get(store, txn, LC_TABLE_COMPANIES, &key, &value);
  if (rc != MDB_NOTFOUND)
    return rc;
  (*created)++;
  return lc_put(store, txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
}

lc_status lc_store_create(lc_store *store, lc_text tenant, const lc_company *companies, size_t count, int32_t category,
                          size_t *created, lc_error *error) {
  MDB_txn *txn;
  lc_key prefix = lc_key_of(tenant);
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = 0;
  *created = 0;
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = create_one(store, txn, &prefix, &companies[i], category, created);
  status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot add the companies", error);
  return lc_end_write(store, LC_PART_JOURNAL, txn, status, error);
}

static lc_status compare_and_set(const lc_store *store, MDB_txn *txn, lc_key *key, int32_t to, int32_t from, lc_error *error) {
  lc_company_record record;
  int rc = lc_get_record(store, txn, LC_TABLE_COMPANIES, key, &record, sizeof record);
  if (rc == 0 && record.category != from)
    return lc_fail(error, LC_CONFLICT, "the company is in category %d, not %d", (int)record.category, (int)from);
  if (rc == 0) {
    record.category = to;
    rc = lc_put(store, txn, LC_TABLE_COMPANIES, key, &record, sizeof record);
  }
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot change the company", error);
}

lc_status lc_store_set_category(lc_store *store, lc_text tenant, const lc_company *company, int32_t to, int32_t from,
                                lc_error *error) {
  MDB_txn *txn;
  lc_key prefix = lc_key_of(tenant), key = lc_key_of_company(&prefix, company);
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  status = compare_and_set(store, txn, &key, to, from, error);
  return lc_end_write(store, LC_PART_JOURNAL, txn, status, error);
}

lc_status lc_store_companies(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_error *error) {
  lc_name_list list = { lc_key_of(tenant), after, limit, sizeof(lc_company_record), "a company's record is damaged" };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_COMPANIES, lc_list_names, &list, error);
}

/* ---- how many there are ---------------------------------------------------------------------- */

typedef struct counting {
  lc_key tenant;
  lc_text after;
  size_t limit;
  lc_company_tally *tally;
} counting;

/* False: there are too many categories. */
static bool count_one(lc_company_tally *tally, int32_t category) {
  size_t i = 0;
  while (i < tally->used && tally->counts[i].category != category)
    i++;
  if (i == LC_TALLY_MAX)
    return false;
  if (i == tally->used)
    tally->counts[tally->used++].category = category;
  tally->counts[i].count++;
  return true;
}

static lc_status count_companies(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  counting *c = request;
  size_t skip = c->tenant.size + 1; /* the tenant, and the size of the name */
  lc_text last = { NULL, 0 };
  lc_company_record record;
  MDB_val key, value;
  int rc = lc_seek_company(cursor, &c->tenant, c->after, &key, &value);
  for (; rc == 0 && lc_key_is_prefix(&c->tenant, key); rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    if (value.mv_size != sizeof record || key.mv_size <= skip || key.mv_size - skip > LC_COMPANY_MAX)
      return lc_fail(error, LC_CORRUPT, "a company's record is damaged");
    memcpy(&record, value.mv_data, sizeof record);
    if (c->limit-- == 0 || !count_one(c->tally, record.category)) {
      memcpy(c->tally->last, last.data, last.size);
      c->tally->last_size = last.size;
      return LC_OK;
    }
    last = (lc_text){ (const char *)key.mv_data + skip, key.mv_size - skip };
  }
  return lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_tally(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_company_tally *tally, lc_error *error) {
  counting c = { lc_key_of(tenant), after, limit > 0 ? limit : 1, tally };
  memset(tally, 0, sizeof *tally);
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_COMPANIES, count_companies, &c, error);
}
