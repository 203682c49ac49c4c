/* store/pending.h - marks of events that came to nothing, until they are written (marks.c): in memory, a bounded number of them.
 *
 * A key is that of LC_TABLE_SEEN: the tenant and the event's id. NULL is the same as none. */
#ifndef LC_STORE_PENDING_H
#define LC_STORE_PENDING_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "rules/status.h"

typedef struct lc_pending lc_pending;

void lc_pending_free(lc_pending *pending);

size_t lc_pending_count(const lc_pending *pending);

/* When the oldest was added, by lc_uptime; 0: there is none. */
double lc_pending_since(const lc_pending *pending);

/* False: the key has no mark. */
bool lc_pending_find(const lc_pending *pending, MDB_val key, MDB_val *mark);

/* Adds a packed mark of a key that has none, and makes `*pending` when it is NULL. LC_FULL: there are too many. LC_UNAVAILABLE. */
lc_status lc_pending_add(lc_pending **pending, MDB_val key, const void *mark, size_t size, lc_error *error);

/* Removes those added after the first `count`. */
void lc_pending_cut(lc_pending *pending, size_t count);

/* Calls `put` with each, in the order of the keys, until it returns another result than 0. */
typedef int lc_pending_put(void *context, MDB_val key, MDB_val mark);
int lc_pending_each(const lc_pending *pending, lc_pending_put *put, void *context);

#endif
