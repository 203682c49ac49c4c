/* What writing an entry does: it changes a company kept here, claims a change for the host to make, asks a question, or schedules
 * a decision. It also marks its event as seen. */
#include "internal.h"
#include "store.h"

int lc_find_unfinished(const lc_writer *w, const lc_company *company, bool *unfinished, uint64_t *entry) {
  lc_key key = lc_key_of_company(&w->tenant, company);
  lc_claim claim;
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_APPLYING, &key, &claim, sizeof claim);
  *unfinished = rc == 0;
  if (rc == 0)
    *entry = claim.entry;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Changes a company kept here, or makes the entry a conflict. */
static int change_company(const lc_writer *w, lc_entry *entry) {
  lc_key key = lc_key_of_company(&w->tenant, &entry->company);
  lc_company_record record = { 0 };
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return rc;
  if (rc == MDB_NOTFOUND || record.category != entry->from) {
    entry->status = LC_ENTRY_CONFLICT;
    return 0;
  }
  record.category = entry->to;
  record.entry = entry->id;
  return lc_put(w->store, w->txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
}

void lc_hold(const lc_writer *w, lc_claim *claim) {
  claim->owner = w->claim > 0 ? w->store->owner.token : 0;
  claim->boot = w->store->boot;
  claim->deadline = lc_uptime() + w->claim;
}

static int put_applying(const lc_writer *w, const lc_entry *entry) {
  lc_key key = lc_key_of_company(&w->tenant, &entry->company);
  lc_claim claim = { .entry = entry->id };
  lc_hold(w, &claim);
  claim.begun = w->now > 0 && w->now < UINT32_MAX ? (uint32_t)w->now : 0;
  return lc_put(w->store, w->txn, LC_TABLE_APPLYING, &key, &claim, sizeof claim);
}

static int put_seen(const lc_writer *w, const lc_entry *entry) {
  lc_key key = w->tenant;
  lc_key_add_text(&key, entry->event_id);
  return entry->event_id.size == 0 ? 0 : lc_put(w->store, w->txn, LC_TABLE_SEEN, &key, &entry->id, sizeof entry->id);
}

static int put_effect(const lc_writer *w, lc_entry *entry, lc_question *question) {
  switch (entry->status) {
    case LC_ENTRY_APPLYING:
      return put_applying(w, entry);
    case LC_ENTRY_UPDATED:
      return change_company(w, entry);
    case LC_ENTRY_AWAITING:
      return lc_put_question(w, question, entry);
    case LC_ENTRY_SCHEDULED:
      return lc_put_schedule(w, entry);
    default:
      return 0;
  }
}

int lc_put_with_effect(lc_writer *w, lc_entry *entry, lc_question *question) {
  lc_number_entry(w, entry);
  int rc = put_effect(w, entry, question);
  if (rc == 0)
    rc = lc_put_new_entry(w, entry);
  return rc != 0 ? rc : put_seen(w, entry);
}
