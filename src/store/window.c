#include "window.h"

#include <string.h>

enum { MINUTE = 60 };

_Static_assert(sizeof(lc_window) == 272, "lc_window has other padding");

static uint32_t *count_at(lc_window *window, uint64_t slot) {
  return &window->counts[slot % LC_WINDOW_SLOTS];
}

static void forget(lc_window *window) {
  memset(window->counts, 0, sizeof window->counts);
}

/* The limit is for another time now: what was counted goes to the slots that have its time, which is that of the end of its slot, at the
 * latest now. */
static void resize(lc_window *window, uint32_t width, uint64_t now) {
  const lc_window old = *window;
  forget(window);
  window->width = width;
  window->slot = now / width;
  for (uint64_t i = 0; i < LC_WINDOW_SLOTS && i <= old.slot && old.width != 0; i++) {
    uint64_t end = (old.slot - i + 1) * old.width - 1, slot = (end < now ? end : now) / width;
    if (window->slot - slot < LC_WINDOW_SLOTS)
      *count_at(window, slot) += old.counts[(old.slot - i) % LC_WINDOW_SLOTS];
  }
}

void lc_window_move(lc_window *window, uint32_t hours, double now) {
  const uint32_t width = hours * MINUTE;
  const uint64_t seconds = now > 0 && now < 9e15 ? (uint64_t)now : 0, slot = seconds / width;
  if (window->width != width)
    resize(window, width, seconds);
  if (slot + LC_WINDOW_SLOTS < window->slot || slot > window->slot + LC_WINDOW_SLOTS) {
    forget(window);
    window->slot = slot;
  }
  while (window->slot < slot)
    *count_at(window, ++window->slot) = 0;
}

uint64_t lc_window_sum(const lc_window *window) {
  uint64_t sum = 0;
  for (int i = 0; i < LC_WINDOW_SLOTS; i++)
    sum += window->counts[i];
  return sum;
}

bool lc_window_take(lc_window *window, uint32_t changes) {
  bool is_held = window->held != 0 || lc_window_sum(window) >= changes;
  if (is_held)
    window->held++;
  else
    ++*count_at(window, window->slot);
  return is_held;
}

void lc_window_release(lc_window *window) {
  if (window->held != 0 && --window->held == 0)
    forget(window);
}

bool lc_window_unpack(const void *bytes, size_t size, lc_window *window) {
  if (size != sizeof *window)
    return false;
  memcpy(window, bytes, size);
  return window->width % MINUTE == 0;
}
