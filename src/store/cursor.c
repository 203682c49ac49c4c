/* Cursors: how far a run of many events has come. */
#include <string.h>

#include "internal.h"
#include "store.h"

lc_status lc_put_cursor(const lc_writer *w, const lc_cursor *cursor, lc_error *error) {
  lc_key key = w->tenant;
  MDB_val found = { 0, NULL };
  lc_key_add_text(&key, cursor->name);
  int rc = lc_get(w->store, w->txn, LC_TABLE_NOTES, &key, &found);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return lc_writer_fail(w, rc, error);
  bool same = found.mv_size == cursor->before.size
           && (found.mv_size == 0 || memcmp(found.mv_data, cursor->before.data, found.mv_size) == 0);
  if (!same && !cursor->anyhow)
    return lc_fail(error, LC_CONFLICT, "the cursor is not where it was");
  rc = lc_put(w->store, w->txn, LC_TABLE_NOTES, &key, cursor->text.data, cursor->text.size);
  return lc_writer_fail(w, rc, error);
}

lc_status lc_store_cursor(lc_store *store, lc_text tenant, lc_text name, lc_error *error) {
  lc_key key = lc_key_of(tenant);
  lc_key_add_text(&key, name);
  return lc_read_one(store, LC_TABLE_NOTES, key, error);
}
