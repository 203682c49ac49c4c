/* Erases the marks that name somebody who is to be forgotten: the marks of events that came to nothing. */
#define _GNU_SOURCE
#include <ctype.h>
#include <string.h>

#include "forget.h"
#include "internal.h"

enum { BATCHES = 16 }; /* of one call */

typedef struct eraser {
  lc_writer w;
  const lc_text *texts;
  size_t count;
  bool companies;
  size_t erased;
} eraser;

/* Whether the bytes before and behind are no letters or digits. */
static bool is_word(lc_text text, const char *at, size_t size) {
  const char *end = text.data + text.size, *behind = at + size;
  return (at == text.data || (!isalnum((unsigned char)at[-1]) && (unsigned char)at[-1] < 128))
      && (behind == end || (!isalnum((unsigned char)*behind) && (unsigned char)*behind < 128));
}

static bool has_word(lc_text text, lc_text word) {
  const char *end = text.data + text.size, *at = text.data;
  while (text.size != 0 && (at = memmem(at, (size_t)(end - at), word.data, word.size)) != NULL) {
    if (is_word(text, at, word.size))
      return true;
    at++;
  }
  return false;
}

static bool names_any(const eraser *e, lc_text text) {
  for (size_t i = 0; i < e->count; i++)
    if (has_word(text, e->texts[i]))
      return true;
  return false;
}

static bool is_of_any(const eraser *e, lc_text company) {
  for (size_t i = 0; i < e->count; i++)
    if (company.size == e->texts[i].size && memcmp(company.data, e->texts[i].data, company.size) == 0)
      return true;
  return false;
}

/* Whether the mark of an event id names one of them. It is deleted then. MDB_NOTFOUND: it has no mark. */
static int look(const eraser *e, lc_text id, bool *names) {
  lc_key key = e->w.tenant;
  lc_mark mark;
  MDB_val stored;
  lc_key_add_text(&key, id);
  int rc = lc_get(e->w.store, e->w.txn, LC_TABLE_SEEN, &key, &stored);
  if (rc != 0 || stored.mv_size == sizeof(uint64_t)) /* an entry's */
    return rc != 0 ? rc : MDB_NOTFOUND;
  if (lc_mark_unpack(stored.mv_data, stored.mv_size, &mark, NULL) != LC_OK)
    return MDB_CORRUPTED;
  *names = (e->companies && is_of_any(e, mark.company.text)) || names_any(e, id) || names_any(e, mark.error);
  return *names ? lc_delete(e->w.store, e->w.txn, LC_TABLE_SEEN, &key) : 0;
}

/* Copies a batch without the ids whose marks are erased: they have no bytes any more. */
static int copy_rest(eraser *e, lc_text ids, unsigned char *copy, size_t *size) {
  lc_text id;
  int rc = 0;
  while (rc == 0 && lc_batch_next(&ids, &id)) {
    bool names = false;
    rc = id.size != 0 ? look(e, id, &names) : 0;
    rc = rc == MDB_NOTFOUND ? 0 : rc;
    size_t kept = names ? 0 : id.size;
    copy[*size] = (unsigned char)kept;
    if (kept != 0)
      memcpy(copy + *size + 1, id.data, kept);
    *size += 1 + kept;
    e->erased += names;
  }
  return rc;
}

/* The batch at which the cursor is. */
static int erase_in_batch(eraser *e, MDB_cursor *batches, MDB_val key, MDB_val stored) {
  unsigned char bytes[LC_BATCH_MAX], copy[LC_BATCH_MAX];
  lc_batch head;
  lc_text ids;
  size_t size = sizeof head, before = e->erased;
  if (stored.mv_size > sizeof bytes)
    return MDB_CORRUPTED;
  memcpy(bytes, stored.mv_data, stored.mv_size); /* the transaction changes its pages */
  if (!lc_batch_unpack((lc_text){ (const char *)bytes, stored.mv_size }, &head, &ids))
    return MDB_CORRUPTED;
  memcpy(copy, &head, sizeof head);
  int rc = copy_rest(e, ids, copy, &size);
  MDB_val value = { size, copy };
  return rc != 0 || e->erased == before ? rc : mdb_cursor_put(batches, &key, &value, MDB_CURRENT);
}

static int erase_some(eraser *e, MDB_cursor *batches, uint64_t *from) {
  lc_key first = e->w.tenant;
  MDB_val stored;
  lc_key_add_number(&first, *from);
  MDB_val key = lc_key_value(&first);
  int rc = mdb_cursor_get(batches, &key, &stored, MDB_SET_RANGE);
  for (int i = 0; i < BATCHES && rc == 0 && lc_key_is_prefix(&e->w.tenant, key); i++) {
    uint64_t number = lc_key_number(key);
    rc = erase_in_batch(e, batches, key, stored);
    *from = number + 1;
    if (rc == 0)
      rc = mdb_cursor_get(batches, &key, &stored, MDB_NEXT);
  }
  if (rc == MDB_NOTFOUND || (rc == 0 && !lc_key_is_prefix(&e->w.tenant, key)))
    *from = 0;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

lc_status lc_store_erase_marks(lc_store *store, lc_text tenant, const lc_text *texts, size_t count, bool companies, uint64_t *from,
                               size_t *erased, lc_error *error) {
  eraser e = { .w = { .store = store, .tenant = lc_key_of(tenant) }, .texts = texts, .count = count, .companies = companies };
  MDB_cursor *batches;
  lc_status status = lc_store_settle(store, error);
  if (status == LC_OK)
    status = lc_begin_write(store, LC_PART_JOURNAL, &e.w.txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_cursor_open(e.w.txn, lc_env_table(store->env, LC_TABLE_MARKS), &batches); /* the end of the transaction closes it */
  if (rc == 0)
    rc = erase_some(&e, batches, from);
  *erased = e.erased;
  return lc_end_write(store, LC_PART_JOURNAL, e.w.txn, lc_writer_fail(&e.w, rc, error), error);
}
