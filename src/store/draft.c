#include "draft.h"

#include <string.h>

#include "internal.h"

/* A record is the time as a uint64_t, then the JSON. */
lc_status lc_draft_unpack(lc_text bytes, lc_draft *draft, lc_error *error) {
  if (bytes.size <= sizeof draft->due || bytes.data[sizeof draft->due] != '{')
    return lc_fail(error, LC_CORRUPT, "a draft is damaged");
  memcpy(&draft->due, bytes.data, sizeof draft->due);
  draft->json = (lc_text){ bytes.data + sizeof draft->due, bytes.size - sizeof draft->due };
  return LC_OK;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int put_due(const lc_writer *w, const lc_draft *draft) {
  lc_key key = lc_key_of_due(&w->tenant, draft->due, draft->id);
  return draft->due != 0 ? lc_put(w->store, w->txn, LC_TABLE_EXPIRING, &key, "d", 1) : 0;
}

static int remove_due(const lc_writer *w, const lc_draft *draft) {
  lc_key key = lc_key_of_due(&w->tenant, draft->due, draft->id);
  return draft->due != 0 ? lc_delete(w->store, w->txn, LC_TABLE_EXPIRING, &key) : 0;
}

int lc_put_draft(const lc_writer *w, const lc_draft *draft) {
  lc_key key = lc_key_of_entry(&w->tenant, draft->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, LC_TABLE_DRAFTS, &key, sizeof draft->due + draft->json.size, &memory);
  if (rc != 0)
    return rc;
  memcpy(memory, &draft->due, sizeof draft->due);
  memcpy((char *)memory + sizeof draft->due, draft->json.data, draft->json.size);
  return put_due(w, draft);
}

static int put_new(lc_writer *w, lc_draft *draft) {
  lc_entry numbered = { .id = 0 };
  lc_number_entry(w, &numbered);
  draft->id = numbered.id;
  return lc_put_draft(w, draft);
}

/* Reads the one that is there. LC_CONFLICT: its JSON is not `before`. */
static lc_status read_old(const lc_writer *w, uint64_t id, lc_text before, lc_draft *old, lc_error *error) {
  lc_key key = lc_key_of_entry(&w->tenant, id);
  MDB_val value;
  int rc = lc_get(w->store, w->txn, LC_TABLE_DRAFTS, &key, &value);
  lc_status status = rc == 0 ? lc_draft_unpack(lc_text_of(value), old, error) : LC_OK;
  if (status != LC_OK || (rc != 0 && rc != MDB_NOTFOUND))
    return status != LC_OK ? status : lc_writer_fail(w, rc, error);
  if (rc == MDB_NOTFOUND || old->json.size != before.size || memcmp(old->json.data, before.data, before.size) != 0)
    return lc_fail(error, LC_CONFLICT, "the draft is not what it was");
  old->id = id;
  return LC_OK;
}

static lc_status replace(const lc_writer *w, const lc_draft *draft, lc_text before, lc_error *error) {
  lc_key key = lc_key_of_entry(&w->tenant, draft->id);
  lc_draft old = { .id = 0 };
  lc_status status = read_old(w, draft->id, before, &old, error);
  if (status != LC_OK)
    return status;
  int rc = remove_due(w, &old);
  if (rc == 0)
    rc = draft->json.size != 0 ? lc_put_draft(w, draft) : lc_delete(w->store, w->txn, LC_TABLE_DRAFTS, &key);
  return lc_writer_fail(w, rc, error);
}

lc_status lc_store_put_draft(lc_store *store, lc_text tenant, lc_draft *draft, lc_text before, double now, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  status = draft->id == 0 ? lc_writer_fail(&w, put_new(&w, draft), error) : replace(&w, draft, before, error);
  return lc_writer_end(&w, status, error);
}

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct page {
  lc_key tenant;
  uint64_t due_by; /* 0: all */
  size_t left;
} page;

static lc_status add(lc_store *store, MDB_val key, MDB_val value, lc_error *error) {
  const lc_text none = { NULL, 0 };
  uint64_t id = lc_key_number(key);
  lc_status status = lc_result_add(store, (lc_text){ (const char *)&id, sizeof id }, none, error);
  return status != LC_OK ? status : lc_result_add(store, lc_text_of(value), none, error);
}

static lc_status list_page(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  page *p = request;
  MDB_val key = lc_key_value(&p->tenant), value;
  lc_status status = LC_OK;
  int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (; rc == 0 && status == LC_OK && p->left > 0 && lc_key_is_prefix(&p->tenant, key);
       rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    lc_draft draft = { .id = 0 };
    status = lc_draft_unpack(lc_text_of(value), &draft, error);
    if (status != LC_OK || (p->due_by != 0 && (draft.due == 0 || draft.due > p->due_by)))
      continue;
    p->left--;
    status = add(store, key, value, error);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_drafts(lc_store *store, lc_text tenant, double due_by, size_t limit, lc_error *error) {
  page p = { .tenant = lc_key_of(tenant), .due_by = lc_milliseconds(due_by), .left = limit };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_DRAFTS, list_page, &p, error);
}
