/* How much a rule with a limit has done of late (store/window.h), against a plain list of times. */
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "store/window.h"

enum { HOUR = 3600, MINUTE = 60 };

static const double start = 1700000000 - 1700000000 % HOUR;

static bool take(lc_window *window, uint32_t changes, uint32_t hours, double now) {
  lc_window_move(window, hours, now);
  return lc_window_take(window, changes);
}

static void test_stop(void) {
  lc_window window = { 0 };
  CHECK(!take(&window, 2, 1, start) && !take(&window, 2, 1, start) && take(&window, 2, 1, start));
  CHECK(window.held == 1 && take(&window, 2, 1, start + 5 * HOUR) && window.held == 2); /* at a stop, however late */
  lc_window_release(&window);
  CHECK(take(&window, 2, 1, start + 5 * HOUR));
  lc_window_release(&window);
  lc_window_release(&window);
  CHECK(window.held == 0 && lc_window_sum(&window) == 0 && !take(&window, 2, 1, start + 5 * HOUR));
  lc_window_release(&window); /* nothing is held */
  CHECK(window.held == 0 && lc_window_sum(&window) == 1);
}

static void test_clocks(void) {
  static const double odd[] = { 0, -1, -HUGE_VAL, HUGE_VAL, NAN, 1e300, 59, 9e15, 1e-300 };
  lc_window window = { 0 };
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    for (uint32_t hours = 1; hours <= 720; hours *= 3)
      lc_window_move(&window, hours, odd[i]);
  CHECK(!take(&window, 1, 1, start) && take(&window, 1, 1, start - 30 * MINUTE)); /* it goes back a little */
  memset(&window, 0, sizeof window);
  CHECK(!take(&window, 1, 1, start + 1000.0 * HOUR) && !take(&window, 1, 1, start)); /* it was far ahead */
}

static void test_packing(void) {
  lc_window window = { .trigger = 1, .rule = 7 }, read;
  char bytes[sizeof window + 1];
  take(&window, 5, 24, start);
  memcpy(bytes + 1, &window, sizeof window); /* not aligned, as LMDB's values are not */
  CHECK(lc_window_unpack(bytes + 1, sizeof window, &read) && memcmp(&read, &window, sizeof window) == 0);
  CHECK(!lc_window_unpack(bytes + 1, sizeof window - 1, &read) && !lc_window_unpack(bytes, 0, &read));
  window.width++;
  CHECK(!lc_window_unpack(&window, sizeof window, &read));
}

/* At no time more than the limit is done in its hours, and what is held there would have been near it: at most a slot more than the hours
 * count. The limit may be for other hours later: then none is lost. */
static void test_random(void) {
  enum { EVENTS = 3000 };
  static double done[EVENTS];
  int wrong = 0, held = 0;
  srandom(4711);
  for (int round = 0; round < 60; round++) {
    const uint32_t hours = 1 + (uint32_t)random() % 30, changes = 1 + (uint32_t)random() % 40;
    lc_window window = { 0 };
    double now = start;
    size_t count = 0;
    for (int i = 0; i < EVENTS; i++) {
      now += (double)(random() % (long)(hours * HOUR * 2 / changes + 1)) * (random() % 4 == 0 ? 2 : 0.5);
      size_t within = 0, nearly = 0;
      for (size_t k = count; k-- > 0 && done[k] > now - (hours + 1) * (double)HOUR;) {
        within += done[k] > now - hours * (double)HOUR;
        nearly += done[k] > now - hours * (double)(HOUR + MINUTE);
      }
      if (!take(&window, changes, hours, now)) {
        wrong += within >= changes;
        done[count++] = now;
      } else {
        wrong += nearly < changes;
        held++;
        window.held = 0; /* without the stop, and without counting anew */
      }
    }
  }
  CHECK(wrong == 0 && held > 1000);
}

static void test_other_hours(void) {
  for (uint32_t from = 1; from <= 48; from++)
    for (uint32_t to = 1; to <= 720; to = to * 2 + 1) {
      lc_window window = { 0 };
      for (int i = 0; i < 60; i++)
        take(&window, 1000, from, start + i * MINUTE);
      lc_window_move(&window, to, start + 59 * MINUTE);
      CHECK(lc_window_sum(&window) == 60);
    }
}

int main(void) {
  TEST(test_stop());
  TEST(test_clocks());
  TEST(test_packing());
  TEST(test_random());
  TEST(test_other_hours());
  return report();
}
