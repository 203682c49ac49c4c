/* The newest change of a company that has been applied, and what of it later events go by. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "rules/details.h"
#include "store.h"

enum { MOST_LOOKED_AT = 10000 /* entries of a company, so that a transaction is short also behind many questions that changed nothing */ };

bool lc_is_of_sale(lc_text details, lc_text sale) {
  char room[LC_COMPANY_MAX];
  lc_text id;
  return sale.size != 0 && lc_details_sale(details, room, &id) && id.size == sale.size && memcmp(id.data, sale.data, id.size) == 0;
}

/* What took something back is not taken back itself. (Undos keep no sale.) */
static lc_move made_by(const lc_entry *entry, lc_text sale) {
  bool counts = !entry->takes_back && lc_is_of_sale(entry->details, sale);
  return counts ? (lc_move){ entry->from, entry->to } : (lc_move){ 0, 0 };
}

/* What is looked for, and how far the search is. */
typedef struct search {
  lc_text sale;
  lc_last_change *last;
  bool found;                               /* the newest change */
  bool answers;                             /* of an answer to: */
  uint8_t question[LC_QUESTION_ID_SIZE];
} search;

/* When the event happened that led to the change: not before it says, but no later than it was written. */
static double time_of(const lc_entry *entry) {
  return entry->at < entry->written ? entry->at : entry->written;
}

/* Takes the next older entry; whether the search is over. The event of an answer is that of the question. What was done to a company
 * that has become part of this one, or had its id before, did not change this one. */
static bool take(search *s, const lc_entry *entry) {
  if (entry->is_gone || entry->former.text.size != 0)
    return false;
  bool asked = s->answers && entry->status == LC_ENTRY_AWAITING
            && memcmp(entry->question, s->question, sizeof s->question) == 0;
  if (entry->status == LC_ENTRY_UPDATED) {
    if (!s->found)
      s->last->made = made_by(entry, s->sale);
    s->found = true;
    s->answers = entry->has_question;
    memcpy(s->question, entry->question, sizeof s->question);
  }
  if (entry->has_at && (asked || entry->status == LC_ENTRY_UPDATED))
    s->last->at = time_of(entry);
  return s->found && (!s->last->needs_at || !isnan(s->last->at));
}

static int read_entry(const lc_store *store, MDB_txn *txn, const lc_key *tenant, uint64_t id, lc_entry *entry) {
  lc_key key = lc_key_of_entry(tenant, id);
  MDB_val value;
  int rc = lc_get(store, txn, LC_TABLE_JOURNAL, &key, &value);
  return rc == 0 && lc_unpack_entry(lc_text_of(value), id, entry, NULL) != LC_OK ? MDB_CORRUPTED : rc;
}

int lc_find_last_change(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_company *company, lc_text sale,
                        lc_last_change *last) {
  search s = { .sale = sale, .last = last };
  const lc_key prefix = lc_key_of_company(tenant, company);
  MDB_cursor *cursor;
  MDB_val key, value;
  lc_entry entry;
  last->made = (lc_move){ 0, 0 };
  last->at = NAN;
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, LC_TABLE_BY_COMPANY), &cursor);
  if (rc != 0)
    return rc;
  rc = lc_seek_before(cursor, &prefix, UINT64_MAX, &key, &value);
  for (int i = 0; i < MOST_LOOKED_AT && rc == 0; i++) {
    rc = read_entry(store, txn, tenant, lc_key_number(key), &entry);
    if (!lc_may_be_missing(store, rc) && (rc != 0 || take(&s, &entry)))
      break;
    rc = lc_seek_previous(cursor, &prefix, &key, &value);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

lc_status lc_store_last_change(lc_store *store, lc_text tenant, const lc_company *company, lc_text sale, lc_last_change *last,
                               lc_error *error) {
  lc_key key = lc_key_of(tenant);
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = lc_find_last_change(store, txn, &key, company, sale, last);
  lc_end_read(store, LC_PART_JOURNAL);
  return lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
}
