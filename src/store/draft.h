/* store/draft.h - drafts of configs: what an administrator has written and nobody has made active yet.
 *
 * What holds for the calls of store.h holds for these. One that falls due stands in LC_TABLE_EXPIRING, with all else that does.
 */
#ifndef LC_STORE_DRAFT_H
#define LC_STORE_DRAFT_H

#include "rules/status.h"
#include "store.h"

typedef struct lc_draft {
  uint64_t id;  /* given when it is put first, like that of an entry */
  uint64_t due; /* milliseconds since 1970; 0: it does not fall due */
  lc_text json; /* of the caller's, an object */
} lc_draft;

/* LC_CORRUPT: the bytes are no draft. `json` points into them; the id is that of its key. */
lc_status lc_draft_unpack(lc_text bytes, lc_draft *draft, lc_error *error);

/* Puts a draft: a new one (id 0; gives its id), or in place of one whose JSON is `before`; without JSON it is removed.
 * LC_CONFLICT: it is another one by now, or gone. */
lc_status lc_store_put_draft(lc_store *store, lc_text tenant, lc_draft *draft, lc_text before, double now, lc_error *error);

/* Copies out a list of some drafts, by id: each is two items, its id (uint64_t) and its record. `due_by`: those that are due then, in
 * seconds since 1970; 0: all. */
lc_status lc_store_drafts(lc_store *store, lc_text tenant, double due_by, size_t limit, lc_error *error);

#endif
