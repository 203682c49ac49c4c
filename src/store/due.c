/* Finding the tenants that have work due, by seeking from one tenant's keys to the next one's. */
#include <string.h>

#include "internal.h"
#include "store.h"

enum { STEP = 256 }; /* keys looked at in one transaction: each may have to be read from disk */

static const lc_table table_of[LC_WORKS] = {
  [LC_WORK_CHANGES] = LC_TABLE_APPLYING,
  [LC_WORK_TIMED] = LC_TABLE_EXPIRING,
  [LC_WORK_JOURNAL] = LC_TABLE_JOURNAL,
  [LC_WORK_UNCHANGED] = LC_TABLE_UNCHANGED,
  [LC_WORK_MARKS] = LC_TABLE_MARKS,
  [LC_WORK_DELIVERIES] = LC_TABLE_DELIVERIES,
};

typedef struct search {
  lc_work work;
  const lc_retention *keep;
  double now;
  lc_place *place;
} search;

/* The tenant that begins the key. False: the key is damaged, and `tenant` has as many bytes of it as there may be. */
static bool tenant_of(MDB_val key, lc_key *tenant) {
  size_t size = 1 + (size_t)*(const unsigned char *)key.mv_data, most = 1 + LC_TENANT_MAX;
  tenant->size = 0;
  lc_key_add_bytes(tenant, key.mv_data, key.mv_size < most ? key.mv_size : most);
  if (size > tenant->size)
    return false;
  tenant->size = size;
  return true;
}

/* Goes on behind all keys with the prefix. */
static void go_behind(lc_place *place, const lc_key *prefix) {
  place->size = prefix->size;
  memcpy(place->key, prefix->bytes, prefix->size);
  while (place->size > 0 && ++place->key[place->size - 1] == 0)
    place->size--;
}

/* Goes on behind the tenant's key. */
static void go_on(lc_place *place, const lc_key *tenant, MDB_val key) {
  if (key.mv_size >= sizeof place->key) {
    go_behind(place, tenant); /* no key is as long as that */
    return;
  }
  memcpy(place->key, key.mv_data, key.mv_size);
  place->key[key.mv_size] = 0;
  place->size = key.mv_size + 1;
}

/* Whether the tenant has work due, by its first key; for changes, by this key. Damage is due, so that the work reports it. */
static bool is_due(const search *s, const lc_writer *reader, MDB_cursor *cursor, MDB_val key, MDB_val value) {
  lc_claim claim;
  bool due = false;
  switch (s->work) {
    case LC_WORK_CHANGES:
      if (value.mv_size != sizeof claim)
        return true;
      memcpy(&claim, value.mv_data, sizeof claim);
      return lc_claim_is_due(reader->store, &claim);
    case LC_WORK_TIMED:
      return lc_is_overdue(&reader->tenant, key, s->now);
    case LC_WORK_MARKS:
      return lc_are_marks_due(reader, cursor, s->keep, &due) != 0 || due;
    case LC_WORK_DELIVERIES:
      return lc_are_deliveries_due(reader, s->keep, lc_text_of(value), &due) != 0 || due;
    default:
      return lc_is_beyond(reader, s->keep, lc_text_of(value), &due) != 0 || due;
  }
}

/* May move the cursor; the place is where the search goes on. */
static lc_status look_at(const search *s, lc_writer *reader, MDB_cursor *cursor, MDB_val key, MDB_val value, lc_error *error) {
  lc_key *tenant = &reader->tenant;
  bool known = tenant_of(key, tenant), due = known && is_due(s, reader, cursor, key, value);
  if (known && !due && s->work == LC_WORK_CHANGES)
    go_on(s->place, tenant, key);
  else
    go_behind(s->place, tenant);
  lc_text name = { (const char *)tenant->bytes + 1, tenant->size - 1 };
  return due ? lc_result_add(reader->store, name, (lc_text){ NULL, 0 }, error) : LC_OK;
}

static lc_status list_due(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  const search *s = request;
  lc_place *place = s->place;
  lc_writer reader = { .store = store, .txn = mdb_cursor_txn(cursor), .now = s->now,
                       .log = s->work == LC_WORK_UNCHANGED ? LC_LOG_UNCHANGED
                            : s->work == LC_WORK_DELIVERIES ? LC_LOG_DELIVERIES : LC_LOG_JOURNAL };
  lc_status status = LC_OK;
  if (lc_read_last(&reader) != 0)
    return lc_fail(error, LC_CORRUPT, "the number of the newest entry is damaged");
  if (place->size == 0)
    place->key[place->size++] = 0; /* LMDB seeks no empty key; none is before this */
  for (int i = 0; i < STEP && place->size > 0 && status == LC_OK; i++) {
    MDB_val key = { place->size, place->key }, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
      place->size = 0;
    status = rc == 0 ? look_at(s, &reader, cursor, key, value, error) : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
  }
  return status;
}

lc_status lc_store_due(lc_store *store, lc_work work, const lc_retention *keep, double now, lc_place *place, lc_error *error) {
  lc_place from = *place;
  search s = { .work = work, .keep = keep, .now = now, .place = place };
  lc_status status = lc_scan(store, LC_PART_JOURNAL, table_of[work], list_due, &s, error);
  if (status != LC_OK)
    *place = from;
  return status;
}
