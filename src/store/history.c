/* Reading the journal. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "store.h"
#include "words.h"

/* Which entries a list holds. */
typedef struct page {
  lc_table entries;
  lc_key tenant;
  lc_key prefix; /* the tenant, and the company if only its entries are listed */
  lc_text after_company;
  uint64_t after_entry;
  lc_search search;
  lc_words words, name; /* of the search */
} page;

static page new_page(lc_text tenant, const lc_search *search) {
  return (page){ .tenant = lc_key_of(tenant), .search = *search, .words = lc_words_of(search->words),
                 .name = lc_words_of(search->name) };
}

/* A search that finds all. */
static lc_search search_all(bool unchanged, double since, size_t limit) {
  return (lc_search){ .unchanged = unchanged, .since = since, .before = HUGE_VAL, .status = -1, .trigger = -1, .revision = -1,
                      .most = SIZE_MAX, .limit = limit };
}

/* Whether the entry may be one that is searched for. */
static bool passes(const page *p, const lc_entry *entry) {
  const lc_search *s = &p->search;
  return entry->at >= s->since && entry->at < s->before && (s->status < 0 || (int)entry->status == s->status)
      && (s->trigger < 0 || (entry->trigger == s->trigger && !lc_entry_is_note(entry)))
      && (s->revision < 0 || (entry->revision == (uint64_t)s->revision && !lc_entry_is_note(entry)))
      && (p->words.last == 0 || (s->asked && entry->has_question) || lc_may_have(&p->words, entry->details))
      && (p->name.last == 0 || lc_may_have(&p->name, entry->company.text) || lc_may_have(&p->name, entry->former.text));
}

lc_status lc_unpack_entry(lc_text packed, uint64_t id, lc_entry *entry, lc_error *error) {
  lc_status status = lc_entry_unpack(packed.data, packed.size, entry, error);
  if (status == LC_OK && entry->id != id)
    return lc_fail(error, LC_CORRUPT, "the journal is damaged: entry %llu stands in the place of entry %llu", (unsigned long long)entry->id,
                   (unsigned long long)id);
  return status;
}

/* Appends the packed entry if it passes. */
static lc_status take_entry(lc_store *store, page *p, uint64_t id, MDB_val value, lc_error *error) {
  lc_entry entry;
  lc_status status = lc_unpack_entry(lc_text_of(value), id, &entry, error);
  if (status != LC_OK || !passes(p, &entry))
    return status;
  p->search.limit--;
  return lc_result_add(store, lc_text_of(value), (lc_text){ NULL, 0 }, error);
}

static lc_status add_entry(lc_store *store, MDB_txn *txn, page *p, uint64_t id, lc_error *error) {
  lc_key key = lc_key_of_entry(&p->tenant, id);
  MDB_val value;
  int rc = lc_get(store, txn, p->entries, &key, &value);
  return rc == 0 ? take_entry(store, p, id, value, error)
                 : lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}

/* The cursor is in the table of entries, or in one that names them. */
static lc_status list_entries(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  lc_search *s = &p->search;
  MDB_val key, value;
  lc_status status = LC_OK;
  bool in_entries = p->prefix.size == p->tenant.size;
  int rc = lc_seek_before(cursor, &p->prefix, p->after_entry, &key, &value);
  for (; rc == 0 && status == LC_OK && s->limit > 0 && s->looked_at < s->most; s->looked_at++) {
    s->reached = lc_key_number(key);
    status = in_entries ? take_entry(store, p, s->reached, value, error)
                        : add_entry(store, mdb_cursor_txn(cursor), p, s->reached, error);
    rc = lc_seek_previous(cursor, &p->prefix, &key, &value);
  }
  s->reached = rc == 0 ? s->reached : 0;
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_search(lc_store *store, lc_text tenant, const lc_company *company, uint64_t after, lc_search *search,
                          lc_error *error) {
  page p = new_page(tenant, search);
  const lc_log_parts *log = &lc_logs[search->unchanged ? LC_LOG_UNCHANGED : LC_LOG_JOURNAL];
  p.entries = log->entries;
  p.after_entry = after != 0 ? after : UINT64_MAX;
  p.prefix = company != NULL ? lc_key_of_company(&p.tenant, company) : p.tenant;
  lc_status status = lc_scan(store, LC_PART_JOURNAL, company != NULL ? log->by_company : log->entries, list_entries, &p, error);
  search->looked_at = p.search.looked_at;
  search->reached = p.search.reached;
  return status;
}

lc_status lc_store_history(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                           size_t limit, lc_error *error) {
  lc_search all = search_all(false, since, limit);
  return lc_store_search(store, tenant, company, after, &all, error);
}

lc_status lc_store_unchanged(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                             size_t limit, lc_error *error) {
  lc_search all = search_all(true, since, limit);
  return lc_store_search(store, tenant, company, after, &all, error);
}

bool lc_claim_is_due(const lc_store *store, const lc_claim *claim) {
  return claim->boot != store->boot || claim->retry_at <= lc_uptime();
}

static lc_status list_applying(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  MDB_val key, value;
  lc_claim claim;
  lc_status status = LC_OK;
  int rc = lc_seek_company(cursor, &p->tenant, p->after_company, &key, &value);
  while (rc == 0 && status == LC_OK && p->search.limit > 0 && lc_key_is_prefix(&p->tenant, key)) {
    if (value.mv_size != sizeof claim)
      return lc_fail(error, LC_CORRUPT, "a claim is damaged");
    memcpy(&claim, value.mv_data, sizeof claim);
    if (lc_claim_is_due(store, &claim))
      status = add_entry(store, mdb_cursor_txn(cursor), p, claim.entry, error);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_applying(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_error *error) {
  lc_search all = search_all(false, -HUGE_VAL, limit);
  page p = new_page(tenant, &all);
  p.entries = LC_TABLE_JOURNAL;
  p.after_company = after;
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_APPLYING, list_applying, &p, error);
}

lc_status lc_store_entry(lc_store *store, lc_text tenant, uint64_t entry, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  lc_entry read;
  lc_status status = lc_read_one(store, LC_TABLE_JOURNAL, lc_key_of_entry(&key, entry), error);
  return status != LC_OK ? status : lc_unpack_entry(lc_store_result(store), entry, &read, error);
}

/* Retention may remove mark and entry between the two reads. Only a mark that stays is damaged. */
lc_status lc_store_seen(lc_store *store, lc_text tenant, lc_text event_id, lc_error *error) {
  uint64_t entry = 0, before;
  lc_status status;
  do {
    before = entry;
    status = lc_read_seen(store, tenant, event_id, &entry, error);
    if (status != LC_OK || entry == 0)
      return status;
    status = lc_store_entry(store, tenant, entry, error);
  } while (status == LC_NOT_FOUND && entry != before);
  return lc_must_be_there(status, "an entry", error);
}

int lc_get_newest(const lc_store *store, MDB_txn *txn, const lc_key *company, uint64_t *newest) {
  MDB_val key, value;
  int rc = lc_get_last(store, txn, LC_TABLE_BY_COMPANY, company, &key, &value);
  *newest = rc == 0 ? lc_key_number(key) : 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

lc_status lc_store_newest(lc_store *store, lc_text tenant, const lc_company *company, uint64_t *newest, lc_error *error) {
  lc_key prefix = lc_key_of(tenant), key = lc_key_of_company(&prefix, company);
  MDB_txn *txn;
  MDB_val claim;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_get_newest(store, txn, &key, newest);
  bool applying = rc == 0 && lc_get(store, txn, LC_TABLE_APPLYING, &key, &claim) == 0;
  lc_end_read(store, LC_PART_JOURNAL);
  if (applying)
    return lc_fail(error, LC_CONFLICT, "entry %llu is being applied", (unsigned long long)*newest);
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}
