#include "pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "owner.h"
#include "rules/checksum.h"

enum { MOST = 4096, SLOTS = 2 * MOST, MOST_BYTES = 1 << 20, FIRST_BYTES = 4096 };

typedef struct item {
  size_t at; /* of its key in `bytes`; its mark stands behind that */
  size_t key_size, size;
} item;

struct lc_pending {
  uint64_t seed; /* nobody can choose ids that collide */
  double since;
  size_t count;
  item items[MOST];
  uint16_t slots[SLOTS]; /* by the hashes of keys: the place of the item, from 1; 0: free. Probed linearly */
  char *bytes;
  size_t used, room;
};

void lc_pending_free(lc_pending *pending) {
  if (pending != NULL)
    free(pending->bytes);
  free(pending);
}

size_t lc_pending_count(const lc_pending *pending) {
  return pending != NULL ? pending->count : 0;
}

double lc_pending_since(const lc_pending *pending) {
  return lc_pending_count(pending) != 0 ? pending->since : 0;
}

static MDB_val key_of(const lc_pending *pending, const item *i) {
  return (MDB_val){ i->key_size, pending->bytes + i->at };
}

static MDB_val mark_of(const lc_pending *pending, const item *i) {
  return (MDB_val){ i->size, pending->bytes + i->at + i->key_size };
}

/* The slot that has the key's item, or would take it. */
static size_t slot_of(const lc_pending *pending, MDB_val key) {
  uint64_t hash = lc_checksum(pending->seed, key.mv_data, key.mv_size);
  size_t slot = (size_t)(hash ^ hash >> 32) % SLOTS;
  for (; pending->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
    MDB_val other = key_of(pending, &pending->items[pending->slots[slot] - 1]);
    if (other.mv_size == key.mv_size && memcmp(other.mv_data, key.mv_data, key.mv_size) == 0)
      break;
  }
  return slot;
}

bool lc_pending_find(const lc_pending *pending, MDB_val key, MDB_val *mark) {
  size_t slot = lc_pending_count(pending) != 0 ? slot_of(pending, key) : 0;
  if (lc_pending_count(pending) == 0 || pending->slots[slot] == 0)
    return false;
  *mark = mark_of(pending, &pending->items[pending->slots[slot] - 1]);
  return true;
}

static lc_status begin(lc_pending **pending, lc_error *error) {
  lc_pending *made = calloc(1, sizeof *made);
  if (made == NULL)
    return lc_no_memory(error);
  lc_status status = lc_random(&made->seed, sizeof made->seed, error);
  if (status == LC_OK)
    *pending = made;
  else
    free(made);
  return status;
}

static lc_status make_room(lc_pending *pending, size_t size, lc_error *error) {
  if (pending->count == MOST || pending->used + size > MOST_BYTES)
    return lc_fail(error, LC_FULL, "too many marks wait to be written");
  if (pending->used + size <= pending->room)
    return LC_OK;
  size_t room = pending->room != 0 ? pending->room * 2 : FIRST_BYTES;
  char *bytes = realloc(pending->bytes, room);
  if (bytes == NULL)
    return lc_no_memory(error);
  pending->bytes = bytes;
  pending->room = room;
  return LC_OK;
}

lc_status lc_pending_add(lc_pending **to, MDB_val key, const void *mark, size_t size, lc_error *error) {
  lc_status status = *to == NULL ? begin(to, error) : LC_OK;
  if (status == LC_OK)
    status = make_room(*to, key.mv_size + size, error);
  if (status != LC_OK)
    return status;
  lc_pending *pending = *to;
  if (pending->count == 0)
    pending->since = lc_uptime();
  pending->items[pending->count] = (item){ pending->used, key.mv_size, size };
  memcpy(pending->bytes + pending->used, key.mv_data, key.mv_size);
  memcpy(pending->bytes + pending->used + key.mv_size, mark, size);
  pending->used += key.mv_size + size;
  pending->slots[slot_of(pending, key)] = (uint16_t)++pending->count;
  return LC_OK;
}

void lc_pending_cut(lc_pending *pending, size_t count) {
  if (lc_pending_count(pending) <= count)
    return;
  pending->used = pending->items[count].at;
  pending->count = 0;
  memset(pending->slots, 0, sizeof pending->slots);
  while (pending->count < count) {
    size_t slot = slot_of(pending, key_of(pending, &pending->items[pending->count]));
    pending->slots[slot] = (uint16_t)++pending->count;
  }
}

/* The bytes of a key begin with its size and that of each text in it, so none is the beginning of another. */
static int compare(const void *one, const void *other) {
  const MDB_val *a = one, *b = other;
  return memcmp(a->mv_data, b->mv_data, a->mv_size < b->mv_size ? a->mv_size : b->mv_size);
}

/* LMDB is quicker where neighbours come one after the other. The second of each pair is the mark. */
int lc_pending_each(const lc_pending *pending, lc_pending_put *put, void *context) {
  size_t count = lc_pending_count(pending);
  MDB_val(*sorted)[2] = count != 0 ? malloc(count * sizeof *sorted) : NULL;
  int rc = sorted == NULL && count != 0 ? ENOMEM : 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    sorted[i][0] = key_of(pending, &pending->items[i]);
    sorted[i][1] = mark_of(pending, &pending->items[i]);
  }
  if (rc == 0 && count > 1)
    qsort(sorted, count, sizeof *sorted, compare);
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = put(context, sorted[i][0], sorted[i][1]);
  free(sorted);
  return rc;
}
