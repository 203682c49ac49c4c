/* store/delivery.h - what webhooks have left, from when it is acknowledged until it has been handled, and some time after that.
 *
 * What holds for the calls of store.h holds for these.
 */
#ifndef LC_STORE_DELIVERY_H
#define LC_STORE_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/status.h"
#include "store.h"

enum {
  LC_HOOK_MAX = 64,            /* bytes of a webhook's name */
  LC_SENDER_ID_MAX = 255,      /* bytes of the sender's id of a delivery */
  LC_DELIVERY_KEY_SIZE = 16,   /* bytes that identify the hook and what it has delivered */
  LC_DELIVERY_BODY_MAX = 262144
};

typedef enum lc_delivery_state {
  LC_DELIVERY_WAITING, /* "waiting": to be handled when it is due */
  LC_DELIVERY_DONE,    /* "done": its events are in the journal, or it has none */
  LC_DELIVERY_FAILED,  /* "failed": it cannot be handled; its problem says why */
  LC_DELIVERY_DROPPED, /* "dropped": somebody has said that it is not to be handled */
  LC_DELIVERY_STATES   /* how many there are */
} lc_delivery_state;

extern const char *const lc_delivery_state_names[LC_DELIVERY_STATES];

typedef struct lc_delivery {
  uint64_t id;       /* given when it is put, like that of an entry */
  double received;   /* seconds since 1970 */
  double due;        /* while it waits: when it may be taken */
  uint32_t attempts; /* how often it was taken */
  lc_delivery_state state;
  uint8_t key[LC_DELIVERY_KEY_SIZE];
  lc_text hook;
  lc_text sender_id;
  lc_text about;     /* JSON of the caller's: the headers that matter */
  lc_text problem;
  lc_text body;      /* what was sent; like `about` empty once it is done or dropped */
} lc_delivery;

size_t lc_delivery_size(const lc_delivery *delivery);
void lc_delivery_pack(const lc_delivery *delivery, void *memory);

/* LC_CORRUPT: the bytes are no delivery. The texts point into them. */
lc_status lc_delivery_unpack(const void *bytes, size_t size, lc_delivery *delivery, lc_error *error);

/* Puts a delivery that waits, received and due `now`, unless there is one with its key: then only its id is set. `is_new`: it was put.
 * LC_UNAVAILABLE: `most` of the tenant's wait already. */
lc_status lc_store_put_delivery(lc_store *store, lc_text tenant, lc_delivery *delivery, double now, size_t most, bool *is_new,
                                lc_error *error);

/* Takes at most `limit` of the hook's deliveries that are due `now`, the earliest first, in one transaction: each counts one attempt
 * more and is due again in `seconds`, for the case that nobody ends it. One whose record is damaged or missing has failed from now on,
 * and is in the list, too. Copies out a list of them. */
lc_status lc_store_take_deliveries(lc_store *store, lc_text tenant, lc_text hook, double now, double seconds, size_t limit,
                                   lc_error *error);

/* What becomes of a delivery that waits or has failed. */
typedef struct lc_delivery_end {
  uint64_t id;
  lc_delivery_state state; /* a failed one that is to wait has no attempts behind it */
  uint32_t attempts;       /* it waits, and was taken so often; 0: that does not matter */
  bool of_failed;          /* it has failed */
  bool erases;             /* nothing is kept of what was sent; done and dropped ones never keep it */
  double due;              /* of one that waits: when it may be taken again */
  lc_text problem;
  bool lost;               /* out: it was otherwise, and is left as it is */
} lc_delivery_end;

/* Writes them, in one transaction. */
lc_status lc_store_end_deliveries(lc_store *store, lc_text tenant, lc_delivery_end *ends, size_t count, lc_error *error);

typedef struct lc_delivery_query {
  lc_text hook;    /* empty: of all */
  unsigned states; /* bits 1 << lc_delivery_state */
  uint64_t after;  /* older than this one; 0: from the newest */
  size_t limit;
} lc_delivery_query;

/* Copies out a list of deliveries without their bodies, newest first. */
lc_status lc_store_deliveries(lc_store *store, lc_text tenant, const lc_delivery_query *query, lc_error *error);

/* Copies out one delivery. LC_NOT_FOUND. */
lc_status lc_store_delivery(lc_store *store, lc_text tenant, uint64_t id, lc_error *error);

/* As lc_store_trim, of deliveries. Those that wait stay. */
lc_status lc_store_trim_deliveries(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                                   size_t *removed, lc_error *error);

#endif
