/* Notes: how far a run of many events has come, written with what it has written. */
#include "store.h"
#include "store_internal.h"

int lc_put_note(const lc_writer *w, const lc_note *note) {
  lc_key key = w->tenant;
  lc_key_add_text(&key, note->name);
  return lc_put(w->store, w->txn, LC_TABLE_NOTES, &key, note->text.data, note->text.size);
}

lc_status lc_store_note(lc_store *store, lc_text tenant, lc_text name, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, name);
  return lc_read_one(store, LC_TABLE_NOTES, key, error);
}
