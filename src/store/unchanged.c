/* Events that changed nothing: in a log of their own, so that no event, answer or undo meets them. */
#include "internal.h"
#include "store.h"

lc_status lc_store_add_unchanged(lc_store *store, lc_text tenant, lc_entry *entries, size_t count, double now,
                                 lc_error *error) {
  lc_writer w = { .store = store, .tenant = lc_key_of(tenant), .now = now, .log = LC_LOG_UNCHANGED };
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    entries[i].id = lc_next_entry(&w);
    rc = lc_put_new_entry(&w, &entries[i]);
  }
  return lc_writer_end(&w, lc_writer_fail(&w, rc, error), error);
}
