/* Marks: the ids of events that came to nothing, so that none is handled twice. They are collected in memory (pending.h) and put
 * into the next commit of their store (batches.c). */
#include <string.h>

#include "internal.h"
#include "store.h"

static const double longest = 3; /* seconds that marks wait for a commit */

/* ---- finding ------------------------------------------------------------------------------ */

static bool find_pending(const lc_store *store, lc_key *key, MDB_val *mark) {
  return lc_pending_find(store->pending, lc_key_value(key), mark);
}

int lc_unpack_seen(MDB_val value, uint64_t *entry) {
  lc_mark mark;
  *entry = 0;
  if (value.mv_size == sizeof *entry)
    memcpy(entry, value.mv_data, sizeof *entry);
  else if (lc_mark_unpack(value.mv_data, value.mv_size, &mark, NULL) != LC_OK)
    return MDB_CORRUPTED;
  return 0;
}

int lc_find_seen(const lc_store *store, MDB_txn *txn, lc_key *key, uint64_t *entry) {
  MDB_val found;
  *entry = 0;
  int rc = lc_get(store, txn, LC_TABLE_SEEN, key, &found);
  if (rc == MDB_NOTFOUND)
    return find_pending(store, key, &found) ? 0 : rc;
  return rc == 0 ? lc_unpack_seen(found, entry) : rc;
}

/* Makes the result, a packed mark, a packed entry. */
static lc_status show_mark(lc_store *store, lc_text event_id, lc_error *error) {
  char room[LC_MARK_SIZE_MAX], packed[LC_MARK_SIZE_MAX + 512];
  lc_mark mark;
  lc_text stored = lc_store_result(store);
  if (stored.size > sizeof room)
    return lc_fail(error, LC_CORRUPT, "a mark is damaged");
  memcpy(room, stored.data, stored.size);
  lc_status status = lc_mark_unpack(room, stored.size, &mark, error);
  if (status != LC_OK)
    return status;
  const lc_entry entry = lc_entry_of_mark(&mark, event_id);
  lc_entry_pack(&entry, packed);
  return lc_result_set(store, packed, lc_entry_size(&entry), error);
}

lc_status lc_read_seen(lc_store *store, lc_text tenant, lc_text event_id, uint64_t *entry, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  MDB_val pending;
  lc_key_add_text(&key, event_id);
  lc_status status = lc_read_one(store, LC_TABLE_SEEN, key, error);
  if (status == LC_NOT_FOUND && find_pending(store, &key, &pending))
    status = lc_result_set(store, pending.mv_data, pending.mv_size, error);
  if (status != LC_OK)
    return status;
  if (store->result_size != sizeof *entry) {
    *entry = 0;
    return show_mark(store, event_id, error);
  }
  memcpy(entry, store->result, sizeof *entry);
  return LC_OK;
}

/* ---- remembering --------------------------------------------------------------------------- */

static lc_status add(lc_store *store, lc_text tenant, lc_text event_id, const lc_mark *mark, lc_error *error) {
  char packed[LC_MARK_SIZE_MAX];
  MDB_val found;
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, event_id);
  if (find_pending(store, &key, &found))
    return LC_OK;
  lc_mark_pack(mark, packed);
  return lc_pending_add(&store->pending, lc_key_value(&key), packed, lc_mark_size(mark), error);
}

lc_status lc_store_settle(lc_store *store, lc_error *error) {
  MDB_txn *txn;
  if (lc_pending_count(store->pending) == 0 || store->shared)
    return LC_OK; /* a shared store takes them out itself */
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &txn, error);
  return status != LC_OK ? status : lc_end_write(store, LC_PART_JOURNAL, txn, LC_OK, error);
}

/* Makes room when too many are waiting. What has none is not remembered: there is no room on the disk either. */
static void add_or_settle(lc_store *store, lc_text tenant, lc_text event_id, const lc_mark *mark) {
  lc_error ignored;
  if (!store->readonly && add(store, tenant, event_id, mark, &ignored) == LC_FULL && lc_store_settle(store, &ignored) == LC_OK)
    add(store, tenant, event_id, mark, &ignored);
}

static void settle_old(lc_store *store) {
  lc_error ignored;
  if (lc_pending_count(store->pending) != 0 && lc_uptime() - lc_pending_since(store->pending) >= longest)
    lc_store_settle(store, &ignored);
}

/* ---- events -------------------------------------------------------------------------------- */

/* What a decision's reason is in a record. */
static uint8_t reason_of(const lc_case *c) {
  static const uint8_t reasons[LC_REASONS] = {
    [LC_RULE_DISABLED] = LC_ENTRY_RULE_DISABLED, [LC_UNKNOWN_CATEGORY] = LC_ENTRY_UNKNOWN_CATEGORY,
    [LC_NOT_POTENTIAL_CUSTOMER] = LC_ENTRY_NOT_POTENTIAL_CUSTOMER,
    [LC_LEAD_STATUS_NOT_ENABLED] = LC_ENTRY_LEAD_STATUS_NOT_ENABLED,
    [LC_LEAD_STATUS_NOT_MATCHED] = LC_ENTRY_LEAD_STATUS_NOT_MATCHED,
    [LC_CONDITIONS_NOT_MET] = LC_ENTRY_CONDITIONS_NOT_MET, [LC_ALREADY_IN_CATEGORY] = LC_ENTRY_ALREADY_IN_CATEGORY,
    [LC_NOTHING_TO_TAKE_BACK] = LC_ENTRY_NOTHING_TO_TAKE_BACK, [LC_LOWER_RANK] = LC_ENTRY_LOWER_RANK,
    [LC_MATCHED] = LC_ENTRY_MATCHED,
  };
  return c->is_late ? LC_ENTRY_LATE : reasons[c->reason];
}

bool lc_is_remembered(const lc_handling *how, const lc_case *c) {
  return how->remembers && c->state == LC_UNMATCHED && c->entry.event_id.size != 0 && c->carries_out == 0 && c->held == 0
      && (c->is_tried || c->reason != LC_RULE_DISABLED) && c->reason != LC_UNKNOWN_CATEGORY;
}

static lc_mark mark_of(const lc_case *c) {
  const lc_entry *entry = &c->entry;
  return (lc_mark){ .revision = entry->revision, .trigger = entry->trigger, .reason = reason_of(c),
                    .lead_status = entry->trigger == LC_LEAD_STATUS_SET ? entry->lead_status : 0,
                    .rule = entry->rule, .from = entry->from, .company = entry->company };
}

void lc_store_remember(lc_store *store, const lc_handling *how, const lc_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (lc_is_remembered(how, &cases[i])) {
      const lc_mark mark = mark_of(&cases[i]);
      add_or_settle(store, how->tenant, cases[i].entry.event_id, &mark);
      store->pending_at = how->now;
    }
  settle_old(store);
}

lc_status lc_remember_in(lc_store *store, MDB_txn *txn, const lc_handling *how, const lc_case *cases, size_t count,
                         size_t *before, lc_error *error) {
  lc_status status = LC_OK;
  lc_error ignored;
  *before = lc_pending_count(store->pending);
  for (size_t i = 0; i < count && status == LC_OK; i++) {
    if (!lc_is_remembered(how, &cases[i]))
      continue;
    const lc_mark mark = mark_of(&cases[i]);
    store->pending_at = how->now;
    if (add(store, how->tenant, cases[i].entry.event_id, &mark, &ignored) != LC_FULL || store->shared)
      continue;
    status = lc_put_marks(store, txn, error);
    lc_pending_cut(store->pending, *before = 0);
    add(store, how->tenant, cases[i].entry.event_id, &mark, &ignored);
  }
  return status;
}

void lc_store_remember_one(lc_store *store, lc_text tenant, lc_text event_id, const lc_mark *mark, double now) {
  add_or_settle(store, tenant, event_id, mark);
  store->pending_at = now;
  settle_old(store);
}
