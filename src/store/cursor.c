/* Notes: how far a run of many events has come, written with what it has written. */
#include <string.h>

#include "internal.h"
#include "store.h"

lc_status lc_put_note(const lc_writer *w, const lc_note *note, lc_error *error) {
  lc_key key = w->tenant;
  MDB_val found = { 0, NULL };
  lc_key_add_text(&key, note->name);
  int rc = lc_get(w->store, w->txn, LC_TABLE_NOTES, &key, &found);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return lc_writer_fail(w, rc, error);
  if (found.mv_size != note->before.size
      || (found.mv_size != 0 && memcmp(found.mv_data, note->before.data, found.mv_size) != 0))
    return lc_fail(error, LC_CONFLICT, "the note is not what it was");
  rc = lc_put(w->store, w->txn, LC_TABLE_NOTES, &key, note->text.data, note->text.size);
  return lc_writer_fail(w, rc, error);
}

lc_status lc_store_note(lc_store *store, lc_text tenant, lc_text name, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, name);
  return lc_read_one(store, LC_TABLE_NOTES, key, error);
}
