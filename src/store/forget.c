/* Erasing persons: finds the records that name them, and replaces what they say. */
#define _GNU_SOURCE
#include <string.h>

#include "forget.h"
#include "internal.h"

enum { LOOKED_AT = 4096, FOUND = 128 /* records of one call */ };

const char *const lc_traces_names[LC_TRACES_PLACES] = {
  [LC_TRACES_QUESTIONS] = "questions", [LC_TRACES_REVISIONS] = "revisions", [LC_TRACES_UNCHANGED] = "unchanged",
  [LC_TRACES_JOURNAL] = "journal",
};

static const lc_table table_of[LC_TRACES_PLACES] = {
  [LC_TRACES_QUESTIONS] = LC_TABLE_CONFIRMATIONS, [LC_TRACES_REVISIONS] = LC_TABLE_REVISIONS,
  [LC_TRACES_UNCHANGED] = LC_TABLE_UNCHANGED, [LC_TRACES_JOURNAL] = LC_TABLE_JOURNAL,
};

static lc_part part_of(lc_traces where) {
  return lc_table_part(table_of[where]);
}

/* ---- finding --------------------------------------------------------------------------------- */

typedef struct search {
  lc_traces where;
  lc_key tenant;
  const lc_text *texts;
  size_t count;
  lc_trace_place *place;
} search;

static bool names_any(const search *s, MDB_val value) {
  for (size_t i = 0; i < s->count; i++) {
    if (memmem(value.mv_data, value.mv_size, s->texts[i].data, s->texts[i].size) != NULL)
      return true;
  }
  return false;
}

/* A revision's number stands in its key only. */
static lc_status add_record(lc_store *store, const search *s, MDB_val key, MDB_val value, lc_error *error) {
  uint64_t revision = lc_key_number(key);
  lc_text number = { (const char *)&revision, s->where == LC_TRACES_REVISIONS ? sizeof revision : 0 };
  return lc_result_add(store, number, lc_text_of(value), error);
}

/* Notes where it is: behind this key. False: the key is no record's. */
static bool go_on(const search *s, MDB_val key) {
  size_t size = key.mv_size - s->tenant.size;
  if (size == 0 || size > sizeof s->place->key)
    return false;
  memcpy(s->place->key, (const char *)key.mv_data + s->tenant.size, size);
  s->place->size = size;
  return true;
}

static int seek(MDB_cursor *cursor, const search *s, MDB_val *key, MDB_val *value) {
  lc_key from = s->tenant;
  lc_key_add_bytes(&from, s->place->key, s->place->size);
  *key = lc_key_value(&from);
  int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
  bool is_there = rc == 0 && s->place->size != 0 && key->mv_size == from.size && lc_key_is_prefix(&from, *key);
  return is_there ? mdb_cursor_get(cursor, key, value, MDB_NEXT) : rc;
}

static lc_status find(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  search *s = request;
  MDB_val key, value;
  lc_status status = LC_OK;
  size_t found = 0;
  int rc = seek(cursor, s, &key, &value);
  for (int i = 0; i < LOOKED_AT && found < FOUND && rc == 0 && status == LC_OK; i++) {
    if (!lc_key_is_prefix(&s->tenant, key))
      break;
    if (names_any(s, value)) {
      found++;
      status = add_record(store, s, key, value, error);
    }
    if (!go_on(s, key))
      return lc_fail(error, LC_CORRUPT, "a key of %s is damaged", lc_table_name(table_of[s->where]));
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  if (rc == MDB_NOTFOUND || (rc == 0 && !lc_key_is_prefix(&s->tenant, key)))
    s->place->size = 0;
  return status != LC_OK ? status : lc_end_of_scan(store, part_of(s->where), rc, error);
}

lc_status lc_store_find_traces(lc_store *store, lc_text tenant, lc_traces where, const lc_text *texts, size_t count,
                               lc_trace_place *place, lc_error *error) {
  search s = { where, lc_key_of(tenant), texts, count, place };
  return lc_scan(store, part_of(where), table_of[where], find, &s, error);
}

/* ---- erasing --------------------------------------------------------------------------------- */

static bool equals(MDB_val value, lc_text text) {
  return value.mv_size == text.size && memcmp(value.mv_data, text.data, text.size) == 0;
}

/* Whether the record under the key is still the one that was found. */
static int find_same(const lc_writer *w, lc_traces where, lc_key key, lc_text record, bool *same) {
  MDB_val value;
  int rc = lc_get(w->store, w->txn, table_of[where], &key, &value);
  *same = rc == 0 && equals(value, record);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static void replace(lc_text *text, lc_text by) {
  if (by.data != NULL)
    *text = by;
}

static lc_status erase_entry(const lc_writer *w, lc_traces where, lc_erasure *e, lc_error *error) {
  lc_entry entry;
  bool same = false;
  lc_status status = lc_entry_unpack(e->record.data, e->record.size, &entry, error);
  if (status != LC_OK)
    return status;
  int rc = find_same(w, where, lc_key_of_entry(&w->tenant, entry.id), e->record, &same);
  e->lost = !same;
  if (rc != 0 || !same)
    return lc_writer_fail(w, rc, error);
  if (e->no_event_id && where == LC_TRACES_JOURNAL)
    rc = lc_remove_seen(w, &entry);
  if (e->no_event_id)
    entry.event_id = (lc_text){ NULL, 0 };
  if (e->no_error)
    entry.error = (lc_text){ NULL, 0 };
  if (e->former.text.size != 0)
    entry.former = e->former;
  replace(&entry.details, e->json);
  return lc_writer_fail(w, rc != 0 ? rc : lc_put_entry(w, &entry), error);
}

static lc_status erase_question(const lc_writer *w, lc_erasure *e, lc_error *error) {
  lc_question question;
  bool same = false;
  lc_status status = lc_question_unpack(e->record.data, e->record.size, &question, error);
  if (status != LC_OK)
    return status;
  int rc = find_same(w, LC_TRACES_QUESTIONS, lc_key_of_question(&w->tenant, question.id), e->record, &same);
  e->lost = !same;
  if (rc != 0 || !same)
    return lc_writer_fail(w, rc, error);
  lc_question erased = question;
  replace(&erased.body, e->json);
  replace(&erased.answer, e->answer);
  if (e->no_user)
    erased.user = (lc_text){ NULL, 0 };
  return lc_writer_fail(w, lc_replace_question(w, &question, &erased), error);
}

static lc_status erase_revision(const lc_writer *w, lc_erasure *e, lc_error *error) {
  uint64_t revision;
  bool same = false;
  if (e->record.size < sizeof revision)
    return lc_fail(error, LC_INVALID, "a revision's record is too short");
  memcpy(&revision, e->record.data, sizeof revision);
  lc_text json = { e->record.data + sizeof revision, e->record.size - sizeof revision };
  lc_key key = w->tenant;
  lc_key_add_number(&key, revision);
  int rc = find_same(w, LC_TRACES_REVISIONS, key, json, &same);
  e->lost = !same;
  if (rc == 0 && same && e->json.data != NULL)
    rc = lc_put(w->store, w->txn, LC_TABLE_REVISIONS, &key, e->json.data, e->json.size);
  return lc_store_fail(w->store, LC_PART_CONFIG, rc, "cannot write the configs", error);
}

static lc_status erase_one(const lc_writer *w, lc_traces where, lc_erasure *e, lc_error *error) {
  switch (where) {
    case LC_TRACES_QUESTIONS:
      return erase_question(w, e, error);
    case LC_TRACES_REVISIONS:
      return erase_revision(w, e, error);
    default:
      return erase_entry(w, where, e, error);
  }
}

/* No entry is added, so that the number of the newest stays. */
lc_status lc_store_erase(lc_store *store, lc_text tenant, lc_traces where, lc_erasure *erasures, size_t count, lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant),
                  .log = where == LC_TRACES_UNCHANGED ? LC_LOG_UNCHANGED : LC_LOG_JOURNAL };
  lc_status status = lc_begin_write(store, part_of(where), &w.txn, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = erase_one(&w, where, &erasures[i], error);
  return lc_end_write(store, part_of(where), w.txn, status, error);
}
