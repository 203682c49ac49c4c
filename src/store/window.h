/* store/window.h - how much a rule with a limit has done of late: counts of the last hours, in slots, and how many of its matches are held.
 * Pure: whoever reads and writes it does so in one transaction (limit.c).
 */
#ifndef LC_STORE_WINDOW_H
#define LC_STORE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sixty whole slots and the one at hand: so at no time more than the limit is done in its hours. */
enum { LC_WINDOW_SLOTS = 61 };

typedef struct lc_window {
  uint32_t trigger;    /* the rule's, an lc_trigger */
  int32_t lead_status; /* for LC_LEAD_STATUS_SET; else 0 */
  int32_t rule;        /* its id; 0: it has none */
  uint32_t held;       /* matches that wait for somebody: as long as there are any, the rule is at a stop */
  uint64_t slot;       /* the newest: seconds since 1970 by `width` */
  uint32_t width;      /* seconds of a slot; 0: nothing was counted yet */
  uint32_t counts[LC_WINDOW_SLOTS]; /* of slots: that of slot n is at n % LC_WINDOW_SLOTS */
} lc_window;

/* Makes it end at the time `now`, with slots for a limit of so many hours. A clock that goes back counts where it was; one that was
 * far ahead is forgotten. */
void lc_window_move(lc_window *window, uint32_t hours, double now);

/* What was done in it. */
uint64_t lc_window_sum(const lc_window *window);

/* Counts a match, at most `changes` of them. True: it is to be held, since the window is full or the rule at a stop. */
bool lc_window_take(lc_window *window, uint32_t changes);

/* One that was held no longer is. With the last of them the rule goes on, and all is counted from there. */
void lc_window_release(lc_window *window);

/* False: the bytes are none. */
bool lc_window_unpack(const void *bytes, size_t size, lc_window *window);

#endif
