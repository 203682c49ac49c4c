/* The loops of a simulation over random events, of as many companies as the argument says: the nanoseconds that deciding takes
 * for each event, and numbering its company. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rules/simulate.h"

enum { EVENTS = 10000000 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint32_t below(uint32_t bound) {
  static uint64_t state = UINT64_C(88172645463325252);
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % bound;
}

static const lc_ruleset *build(void) {
  static const lc_category categories[] = {
    { .id = 1, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true }, { .id = 2, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true },
    { .id = 3, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true },
    { .id = 4, .group = LC_POTENTIAL_CUSTOMER },
    { .id = 5, .group = LC_CUSTOMER }, { .id = 6, .group = LC_PARTNER }, { .id = 7, .group = LC_LOST },
    { .id = 8, .group = LC_OTHER },
  };
  static const lc_rule rules[] = {
    { .trigger = LC_SALE_REGISTERED, .to = 3 }, { .trigger = LC_SALE_WON, .to = 5 },
    { .trigger = LC_SALE_LOST, .to = 4, .ask = true },
    { .trigger = LC_LEAD_STATUS_SET, .lead_status = 5, .to = 2 },
  };
  static _Alignas(uint64_t) char memory[1024];
  const lc_config config = {
    .revision = 1, .categories = categories, .category_count = 8, .rules = rules, .rule_count = 4,
  };
  if (lc_ruleset_build(&config, memory, lc_ruleset_size(&config), NULL) != LC_OK)
    abort();
  return (const void *)memory;
}

/* Every fourth event says where its company stands, so that there always are some to decide about. */
static void add(lc_columns *columns, uint32_t company) {
  char text[32];
  int size = snprintf(text, sizeof text, "company %u", company);
  int32_t category = below(4) == 0 ? (int32_t)below(8) + 1 : LC_CATEGORY_ABSENT;
  const lc_facts facts = {
    .trigger = (lc_trigger)below(4), .category = category, .lead_status = (int32_t)below(7),
  };
  lc_columns_add(columns, &facts, (lc_company){ { text, (size_t)size }, false });
}

int main(int count, char **arguments) {
  static lc_simulation simulation;
  static lc_columns columns;
  uint32_t companies = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 100000;
  double numbering = 0, deciding = 0;
  const lc_ruleset *ruleset = build();
  if (lc_simulation_init(&simulation, &ruleset, 1, 1, 0, NULL) != LC_OK)
    return 1;
  for (uint32_t done = 0; done < companies + EVENTS;) {
    bool known = done >= companies; /* first, every company once, which is not measured */
    for (; !lc_columns_full(&columns); done++)
      add(&columns, done < companies ? done : below(companies));
    double begun = now();
    if (lc_simulation_companies(&simulation, &columns, NULL) != LC_OK)
      return 1;
    double numbered = now();
    lc_simulation_run(&simulation, &columns, NULL);
    numbering += known ? numbered - begun : 0;
    deciding += known ? now() - numbered : 0;
  }
  lc_simulation_free(&simulation);
  printf("%.2f %.2f\n", deciding / EVENTS * 1e9, numbering / EVENTS * 1e9);
  return 0;
}
