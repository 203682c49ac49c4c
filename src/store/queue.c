/* What waits behind an unfinished change: events that came when nobody could wait for its end. Each is an entry of its own,
 * and they have their turn in the order of their numbers. The company's claim names its unfinished entry: the change, then one
 * queued entry after the other. So a company with a queue takes nothing out of its order, and whoever looks for unfinished changes finds it. */
#include "internal.h"
#include "store.h"

/* Whether the entry is queued; then makes it the next to be claimed. */
static int look_at(const lc_writer *w, uint64_t id, lc_claim *next) {
  lc_key key = lc_key_of_entry(&w->tenant, id);
  MDB_val value;
  lc_entry entry;
  int rc = lc_get(w->store, w->txn, LC_TABLE_JOURNAL, &key, &value);
  if (lc_may_be_missing(w->store, rc))
    return 0;
  if (rc != 0)
    return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
  if (lc_entry_unpack(value.mv_data, value.mv_size, &entry, NULL) != LC_OK)
    return MDB_CORRUPTED;
  if (entry.status == LC_ENTRY_QUEUED) {
    next->entry = id;
    next->begun = entry.written > 0 && entry.written < UINT32_MAX ? (uint32_t)entry.written : 0;
  }
  return 0;
}

int lc_find_queued(const lc_writer *w, const lc_company *company, uint64_t behind, lc_claim *next) {
  lc_key prefix = lc_key_of_company(&w->tenant, company), from = prefix;
  MDB_cursor *cursor;
  *next = (lc_claim){ .boot = w->store->boot };
  lc_key_add_number(&from, behind + 1);
  MDB_val key = lc_key_value(&from), value;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_BY_COMPANY), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (rc == 0 && next->entry == 0 && lc_key_is_prefix(&prefix, key)) {
    rc = look_at(w, lc_key_number(key), next);
    if (rc == 0)
      rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The company's claim, if the queued entry is the unfinished one and this store has claimed it; else its entry is 0. */
static int find_claim(const lc_writer *w, const lc_company *company, uint64_t queued, lc_claim *claim) {
  lc_key key = lc_key_of_company(&w->tenant, company);
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_APPLYING, &key, claim, sizeof *claim);
  if (rc == MDB_NOTFOUND || (rc == 0 && (claim->entry != queued || claim->owner != w->store->owner.token)))
    claim->entry = 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_has_turn(const lc_writer *w, const lc_company *company, uint64_t queued, bool *has_turn) {
  lc_claim claim;
  int rc = find_claim(w, company, queued, &claim);
  *has_turn = rc == 0 && claim.entry != 0;
  return rc;
}

/* Gives the next one its turn. */
static int pass_on(const lc_writer *w, const lc_company *company, uint64_t behind) {
  lc_key key = lc_key_of_company(&w->tenant, company);
  lc_claim next;
  int rc = lc_find_queued(w, company, behind, &next);
  if (rc == 0 && next.entry != 0)
    return lc_put(w->store, w->txn, LC_TABLE_APPLYING, &key, &next, sizeof next);
  return rc != 0 ? rc : lc_delete(w->store, w->txn, LC_TABLE_APPLYING, &key);
}

static lc_status read_queued(const lc_writer *w, uint64_t id, lc_entry *entry, lc_error *error) {
  return lc_must_be_there(lc_read_entry(w, id, entry, error), "a queued entry", error);
}

lc_status lc_follow(lc_writer *w, lc_entry *newer, uint64_t queued, lc_error *error) {
  bool applies = newer->status == LC_ENTRY_APPLYING;
  lc_entry entry;
  lc_status status = read_queued(w, queued, &entry, error);
  if (status != LC_OK)
    return status;
  entry.status = LC_ENTRY_CARRIED_OUT;
  int rc = lc_put_ended(w, &entry);
  if (rc == 0 && !applies)
    rc = pass_on(w, &newer->company, queued);
  if (applies || newer->link == LC_LINK_NONE) { /* lc_store_finish goes on from there */
    newer->link = LC_LINK_FOLLOWS;
    newer->linked = queued;
  }
  return lc_writer_fail(w, rc, error);
}

/* Gives the claim back, for another try. */
static int give_back(const lc_writer *w, const lc_ending *ending, lc_claim *claim) {
  lc_key key = lc_key_of_company(&w->tenant, &ending->company);
  claim->owner = 0;
  claim->boot = w->store->boot;
  claim->retry_at = lc_uptime() + ending->again;
  claim->attempts++;
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, &key, claim, sizeof *claim);
}

void lc_set_ending(lc_entry *entry, const lc_ending *ending) {
  entry->status = ending->status;
  entry->reason = ending->reason;
  entry->error = ending->error;
  if (ending->revision != 0) {
    entry->revision = ending->revision;
    entry->from = ending->from;
  }
  if (ending->details.size != 0)
    entry->details = ending->details;
}

lc_status lc_end_queued(lc_writer *w, lc_ending *ending, lc_error *error) {
  lc_claim claim;
  lc_entry entry;
  int rc = find_claim(w, &ending->company, ending->entry, &claim);
  ending->lost = rc == 0 && claim.entry == 0;
  if (rc != 0 || ending->lost)
    return lc_writer_fail(w, rc, error);
  if (ending->status == LC_ENTRY_QUEUED)
    return lc_writer_fail(w, give_back(w, ending, &claim), error);
  lc_status status = read_queued(w, ending->entry, &entry, error);
  if (status != LC_OK)
    return status;
  lc_set_ending(&entry, ending);
  rc = lc_put_ended(w, &entry);
  return lc_writer_fail(w, rc != 0 ? rc : pass_on(w, &ending->company, ending->entry), error);
}
