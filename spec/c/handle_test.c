/* Events on their one way: what they lack, what waits behind them, and what becomes of them, whether they are looked at, foreseen,
 * imagined in an overlay, or written. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "files.h"
#include "handle.h"
#include "store/overlay.h"

enum { LEAD = 1, QUALIFIED = 2, CUSTOMER = 5, PARTNER = 6, OLD = 7, MIB = 1 << 20, TTL = 60 };

static const lc_text tenant = { "", 0 };
static const double now = 1700000000;

/* ---- a store ----------------------------------------------------------------------------- */

static uint64_t busy, moved; /* the entries that it has */

/* A sale that is won makes a customer, one that is registered asks, and no rule is about one that is lost. */
static lc_status save(lc_store *store, uint64_t revision) {
  const lc_category categories[] = {
    { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true }, { .id = QUALIFIED, .group = LC_POTENTIAL_CUSTOMER },
    { .id = OLD, .group = LC_OTHER, .deleted = true }, { .id = CUSTOMER, .group = LC_CUSTOMER }, { .id = PARTNER, .group = LC_PARTNER },
  };
  const lc_rule rules[] = { { .trigger = LC_SALE_WON, .to = CUSTOMER }, { .trigger = LC_SALE_REGISTERED, .to = QUALIFIED, .ask = true } };
  return save_config(store, tenant, &(lc_config){ .revision = revision, .categories = categories, .category_count = 5, .rules = rules, .rule_count = 2 }, NULL);
}

static void create(lc_store *store, const char *name, int32_t category) {
  size_t created;
  lc_company company = company_of(name);
  CHECK(lc_store_create(store, tenant, &company, 1, category, &created, NULL) == LC_OK && created == 1);
}

static lc_handling how_for(bool keeps_companies) {
  return (lc_handling){ .tenant = tenant, .now = now, .keeps_companies = keeps_companies, .claim = 30, .ttl = TTL };
}

static lc_case won(const char *company, const char *id) {
  return case_of(LC_SALE_WON, company, id, now);
}

static lc_case registered(const char *company, const char *id) {
  return case_of(LC_SALE_REGISTERED, company, id, now);
}

static lc_case lost(const char *company, const char *id) {
  return case_of(LC_SALE_LOST, company, id, now);
}

/* The event says where its company stands. */
static lc_case in(lc_case c, int32_t category) {
  c.is_given = true;
  c.given = category;
  return c;
}

/* The host was asked, when the company had no entry. */
static lc_case known(lc_case c, int32_t category) {
  c.is_known = true;
  c.category = category;
  return c;
}

static lc_case chosen(lc_case c, int32_t category) {
  c.has_choice = true;
  c.choice = category;
  return c;
}

/* A company whose change is being made, and one whose change has been. */
static void make_entries(lc_store *store) {
  const lc_handling how = how_for(false);
  lc_case cases[] = { in(won("Busy", ""), LEAD), in(won("Moved", "seen"), LEAD) };
  CHECK(handle(store, &how, cases, 2, NULL) == LC_OK);
  busy = cases[0].entry.id;
  moved = cases[1].entry.id;
  lc_finish finish = { .entry = moved, .company = company_of("Moved"), .status = LC_ENTRY_UPDATED };
  CHECK(lc_store_finish(store, tenant, &finish, 1, 0, NULL) == LC_OK && !finish.lost);
}

static lc_store *open_store(void) {
  static int made;
  char path[96];
  lc_error error = { "" };
  lc_store *store = NULL;
  snprintf(path, sizeof path, "%s/%d", files_directory, made++);
  if (!CHECK(lc_store_open(path, &(lc_store_options){ .map_size = 8 * MIB, .relaxed = true }, &store, &error) == LC_OK)) {
    printf("%s\n", error.message);
    exit(1);
  }
  CHECK(save(store, 1) == LC_OK);
  create(store, "Acme", LEAD);
  create(store, "Bolt", LEAD);
  create(store, "Coil", CUSTOMER);
  make_entries(store);
  return store;
}

static int32_t category_of(lc_store *store, const char *name) {
  int32_t category;
  lc_company company = company_of(name);
  return lc_store_company(store, tenant, &company, &category, NULL) == LC_OK ? category : 0;
}

static void move(lc_store *store, const char *name, int32_t to) {
  lc_company company = company_of(name);
  CHECK(lc_store_set_category(store, tenant, &company, to, category_of(store, name), NULL) == LC_OK);
}

static int count_entries(lc_store *store) {
  int count = 0;
  CHECK(lc_store_history(store, tenant, NULL, 0, 0, 1000, NULL) == LC_OK);
  lc_text list = lc_store_result(store), item;
  while (lc_list_next(&list, &item))
    count++;
  return count;
}

static uint64_t commits(lc_store *store) {
  lc_store_stats stats;
  return CHECK(lc_store_stat(store, &stats, NULL) == LC_OK) ? stats.commits : 0;
}

static bool lacks(const lc_case *c, lc_lack lack) {
  return c->state == LC_LACKING && c->lack == lack;
}

static bool is_written(const lc_case *c, lc_entry_status status) {
  return c->state == LC_WRITTEN && c->entry.status == status;
}

static bool is_unmatched(const lc_case *c, lc_reason reason) {
  return c->state == LC_UNMATCHED && c->reason == reason;
}

/* ---- what one event comes to --------------------------------------------------------------- */

typedef enum verdict { NONE, PASSED, OTHER /* about another decision */, KEPT } verdict;

typedef struct row {
  const char *name;
  lc_case c;
  lc_handling how;
  verdict verdict;
  uint64_t newest; /* when the host was asked */
  lc_case_state state;
  int with; /* what is lacking, the reason, or the entry's status */
} row;

#define EVENT(trigger_, company_) \
  .entry = { .at = 1700000000, .trigger = (trigger_), .company = { { (company_), sizeof(company_) - 1 }, false } }
#define SEEN(trigger_, company_) \
  .entry = { .at = 1700000000, .trigger = (trigger_), .company = { { (company_), sizeof(company_) - 1 }, false }, \
             .event_id = { "seen", 4 } }
#define HERE .keeps_companies = true

static const row rows[] = {
  { "kept here", .c = { EVENT(LC_SALE_WON, "Acme") }, .how = { HERE }, .state = LC_WRITTEN, .with = LC_ENTRY_UPDATED },
  { "customer", .c = { EVENT(LC_SALE_WON, "Coil") }, .how = { HERE }, .state = LC_UNMATCHED, .with = LC_NOT_POTENTIAL_CUSTOMER },
  { "no rule", .c = { EVENT(LC_SALE_LOST, "Acme") }, .how = { HERE }, .state = LC_UNMATCHED, .with = LC_RULE_DISABLED },
  { "unknown", .c = { EVENT(LC_SALE_WON, "Dune") }, .how = { HERE }, .state = LC_UNMATCHED, .with = LC_UNKNOWN_CATEGORY },
  { "given", .c = { EVENT(LC_SALE_WON, "Acme"), .is_given = true, .given = LEAD }, .how = { HERE }, .state = LC_WRITTEN,
    .with = LC_ENTRY_UPDATED },
  { "given, but elsewhere", .c = { EVENT(LC_SALE_WON, "Coil"), .is_given = true, .given = LEAD }, .how = { HERE },
    .state = LC_WRITTEN, .with = LC_ENTRY_CONFLICT },
  { "given, but not there", .c = { EVENT(LC_SALE_WON, "Dune"), .is_given = true, .given = LEAD }, .how = { HERE },
    .state = LC_WRITTEN, .with = LC_ENTRY_CONFLICT },
  { "given what can be none", .c = { EVENT(LC_SALE_WON, "Acme"), .is_given = true }, .how = { HERE }, .state = LC_UNMATCHED,
    .with = LC_UNKNOWN_CATEGORY },

  { "licence", .c = { EVENT(LC_SALE_WON, "Acme") }, .how = { HERE, .needs_licence = true }, .state = LC_LACKING,
    .with = LC_LACKS_LICENCE },
  { "licence, before all but seen", .c = { EVENT(LC_SALE_WON, "Busy"), .is_unkeepable = true }, .how = { .needs_licence = true },
    .state = LC_LACKING, .with = LC_LACKS_LICENCE },
  { "seen", .c = { SEEN(LC_SALE_WON, "Acme") }, .how = { .needs_licence = true }, .state = LC_DUPLICATE },

  { "category", .c = { EVENT(LC_SALE_WON, "Acme") }, .state = LC_LACKING, .with = LC_LACKS_CATEGORY },
  { "category of no rule", .c = { EVENT(LC_SALE_LOST, "Busy") }, .state = LC_LACKING, .with = LC_LACKS_CATEGORY },
  { "known", .c = { EVENT(LC_SALE_WON, "Acme"), .is_known = true, .category = LEAD }, .state = LC_WRITTEN,
    .with = LC_ENTRY_APPLYING },
  { "known to be none", .c = { EVENT(LC_SALE_WON, "Acme"), .is_known = true }, .state = LC_UNMATCHED,
    .with = LC_UNKNOWN_CATEGORY },
  { "known before", .c = { EVENT(LC_SALE_WON, "Moved"), .is_known = true, .category = LEAD }, .state = LC_LACKING,
    .with = LC_LACKS_CATEGORY },
  { "known since", .c = { EVENT(LC_SALE_WON, "Moved"), .is_known = true, .category = LEAD }, .newest = 1, .state = LC_WRITTEN,
    .with = LC_ENTRY_APPLYING },
  { "given by a host", .c = { EVENT(LC_SALE_WON, "Moved"), .is_given = true, .given = QUALIFIED }, .state = LC_WRITTEN,
    .with = LC_ENTRY_APPLYING },

  { "end", .c = { EVENT(LC_SALE_WON, "Busy"), .is_known = true, .category = LEAD }, .state = LC_LACKING, .with = LC_LACKS_END },
  { "end, kept here", .c = { EVENT(LC_SALE_WON, "Busy") }, .how = { HERE }, .state = LC_LACKING, .with = LC_LACKS_END },
  { "end, for no rule", .c = { EVENT(LC_SALE_LOST, "Busy"), .is_given = true, .given = LEAD }, .state = LC_UNMATCHED,
    .with = LC_RULE_DISABLED },

  { "verdict", .c = { EVENT(LC_SALE_WON, "Acme") }, .how = { HERE, .is_guarded = true }, .state = LC_LACKING,
    .with = LC_LACKS_VERDICT },
  { "verdict for nothing", .c = { EVENT(LC_SALE_WON, "Coil") }, .how = { HERE, .is_guarded = true }, .state = LC_UNMATCHED,
    .with = LC_NOT_POTENTIAL_CUSTOMER },
  { "passed", .c = { EVENT(LC_SALE_WON, "Acme") }, .how = { HERE, .is_guarded = true }, .verdict = PASSED, .state = LC_WRITTEN,
    .with = LC_ENTRY_UPDATED },
  { "another passed", .c = { EVENT(LC_SALE_WON, "Acme") }, .how = { HERE, .is_guarded = true }, .verdict = OTHER,
    .state = LC_LACKING, .with = LC_LACKS_VERDICT },
  { "choice", .c = { EVENT(LC_SALE_REGISTERED, "Acme"), .has_choice = true }, .how = { HERE }, .state = LC_LACKING,
    .with = LC_LACKS_VERDICT },
  { "choice that passed", .c = { EVENT(LC_SALE_REGISTERED, "Acme"), .has_choice = true }, .how = { HERE }, .verdict = PASSED,
    .state = LC_WRITTEN, .with = LC_ENTRY_UPDATED },
  { "choice to skip nothing", .c = { EVENT(LC_SALE_REGISTERED, "Acme"), .has_choice = true },
    .how = { HERE, .confirm = LC_CONFIRM_SKIP }, .verdict = PASSED, .state = LC_WRITTEN, .with = LC_ENTRY_UPDATED },
  { "declined", .c = { EVENT(LC_SALE_REGISTERED, "Acme"), .has_choice = true }, .how = { HERE }, .verdict = KEPT,
    .state = LC_WRITTEN, .with = LC_ENTRY_DECLINED },
  { "declined, at a host", .c = { EVENT(LC_SALE_WON, "Acme"), .has_choice = true, .is_known = true, .category = LEAD },
    .verdict = KEPT, .state = LC_WRITTEN, .with = LC_ENTRY_DECLINED },
  { "choice where no rule asks", .c = { EVENT(LC_SALE_WON, "Acme"), .has_choice = true, .choice = 6 }, .how = { HERE },
    .state = LC_WRITTEN, .with = LC_ENTRY_UPDATED },
  { "choice where no rule asks, at a host", .c = { EVENT(LC_SALE_WON, "Acme"), .has_choice = true, .choice = 6,
    .is_known = true, .category = LEAD }, .state = LC_WRITTEN, .with = LC_ENTRY_APPLYING },

  { "ask", .c = { EVENT(LC_SALE_REGISTERED, "Acme") }, .how = { HERE }, .state = LC_WRITTEN, .with = LC_ENTRY_AWAITING },
  { "accept", .c = { EVENT(LC_SALE_REGISTERED, "Acme") }, .how = { HERE, .confirm = LC_CONFIRM_ACCEPT }, .state = LC_WRITTEN,
    .with = LC_ENTRY_UPDATED },
  { "accept, at a host", .c = { EVENT(LC_SALE_REGISTERED, "Acme"), .is_known = true, .category = LEAD },
    .how = { .confirm = LC_CONFIRM_ACCEPT }, .state = LC_WRITTEN, .with = LC_ENTRY_APPLYING },
  { "skip", .c = { EVENT(LC_SALE_REGISTERED, "Acme") }, .how = { HERE, .confirm = LC_CONFIRM_SKIP }, .state = LC_SKIPPED },
  { "skip what asks only", .c = { EVENT(LC_SALE_WON, "Acme") }, .how = { HERE, .confirm = LC_CONFIRM_SKIP },
    .state = LC_WRITTEN, .with = LC_ENTRY_UPDATED },
  { "skip after the guards", .c = { EVENT(LC_SALE_REGISTERED, "Acme") },
    .how = { HERE, .is_guarded = true, .confirm = LC_CONFIRM_SKIP }, .state = LC_LACKING, .with = LC_LACKS_VERDICT },

  { "details", .c = { EVENT(LC_SALE_WON, "Acme"), .is_unkeepable = true }, .how = { HERE }, .state = LC_LACKING,
    .with = LC_LACKS_DETAILS },
  { "details of nothing", .c = { EVENT(LC_SALE_WON, "Coil"), .is_unkeepable = true }, .how = { HERE }, .state = LC_UNMATCHED,
    .with = LC_NOT_POTENTIAL_CUSTOMER },
  { "details after the verdict", .c = { EVENT(LC_SALE_WON, "Acme"), .is_unkeepable = true }, .how = { HERE, .is_guarded = true },
    .state = LC_LACKING, .with = LC_LACKS_VERDICT },
};

/* How an event may come to its end. */
typedef enum way { TOGETHER /* what is complete is written */, LOOKED /* all are looked at first */, AT_ONCE /* without a look */, WAYS } way;

static lc_status go(lc_store *store, lc_handling how, lc_case *cases, size_t count, way w) {
  how.look = w == LOOKED;
  return w == AT_ONCE ? lc_store_handle(store, &how, cases, count, 0, NULL) : handle(store, &how, cases, count, NULL);
}

/* Gives the event the verdict of its row: about the decision that it gets when it is looked at. */
static void judge(lc_store *store, const row *r, const lc_handling *how, lc_case *c) {
  size_t first;
  if (r->verdict == NONE)
    return;
  CHECK(lc_store_look(store, how, c, 1, &first, NULL) == LC_OK && lacks(c, LC_LACKS_VERDICT) && c->about != 0);
  CHECK(c->about < UINT64_C(1) << 53);
  pass(c, r->verdict == KEPT ? c->entry.from : PARTNER, r->verdict == KEPT);
  c->passed += r->verdict == OTHER ? 2 : 0;
}

static bool comes_to(const row *r, const lc_case *c) {
  switch (r->state) {
    case LC_LACKING:
      return lacks(c, (lc_lack)r->with) && (r->with != LC_LACKS_END || c->first == busy)
          && (r->with != LC_LACKS_CATEGORY || c->newest == (c->entry.company.text.data[0] == 'A' ? 0 :
                                                            c->entry.company.text.data[0] == 'M' ? moved : busy));
    case LC_UNMATCHED:
      return is_unmatched(c, (lc_reason)r->with) && c->entry.id == 0;
    case LC_WRITTEN:
      return is_written(c, (lc_entry_status)r->with) && c->reason == LC_MATCHED && c->entry.id > moved && c->entry.revision == 1;
    case LC_DUPLICATE:
      return c->state == LC_DUPLICATE && c->first == moved;
    default:
      return c->state == r->state && c->entry.id == 0;
  }
}

/* What it comes to is in the journal, and only that; and nothing is committed for nothing. */
static void test_row(const row *r, way w) {
  lc_store *store = open_store();
  lc_case c = r->c;
  lc_handling how = r->how, plain = how_for(how.keeps_companies);
  how.tenant = tenant;
  how.now = now;
  how.claim = plain.claim;
  how.ttl = plain.ttl;
  c.newest = r->newest != 0 ? moved : 0;
  judge(store, r, &how, &c);
  int entries = count_entries(store);
  uint64_t before = commits(store);
  CHECK(go(store, how, &c, 1, w) == LC_OK);
  bool written = r->state == LC_WRITTEN, updated = written && r->with == LC_ENTRY_UPDATED;
  if (!CHECK(comes_to(r, &c)) || !CHECK(commits(store) == before + written) || !CHECK(count_entries(store) == entries + written))
    printf("%s (way %d): state %d, lack %d, reason %d, status %d\n", r->name, w, c.state, c.lack, c.reason, c.entry.status);
  CHECK(category_of(store, "Acme") == (!updated ? LEAD : r->verdict != NONE ? PARTNER : c.entry.to));
  lc_store_close(store);
}

static void test_rows(void) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (way w = 0; w < WAYS; w++)
      test_row(&rows[i], w);
}

static void test_names(void) {
  static const char *const lack_names[] = { "licence", "category", "facts", "verdict", "details", "end", "turn", "commit" };
  static const char *const confirm_names[] = { "ask", "accept", "skip" };
  CHECK(LC_LACKS == 8 && LC_CONFIRMS == 3);
  for (int i = 0; i < LC_LACKS; i++)
    CHECK(strcmp(lc_lack_names[i], lack_names[i]) == 0);
  for (int i = 0; i < LC_CONFIRMS; i++)
    CHECK(strcmp(lc_confirm_names[i], confirm_names[i]) == 0);
}

/* ---- answers that hold, and that do not ------------------------------------------------------ */

/* What was said of a decision does not hold for another: of a company that has moved, or by newer rules. */
static void test_overtaken_verdicts(void) {
  for (int by_rules = 0; by_rules < 2; by_rules++) {
    lc_store *store = open_store();
    lc_handling how = how_for(true);
    lc_case c = won("Acme", "");
    size_t first;
    how.is_guarded = true;
    CHECK(handle(store, &how, &c, 1, NULL) == LC_OK && lacks(&c, LC_LACKS_VERDICT));
    uint64_t about = c.about;
    pass(&c, CUSTOMER, false);
    CHECK(lc_store_look(store, &how, &c, 1, &first, NULL) == LC_OK && first == 0 && c.about == about);
    if (by_rules)
      CHECK(save(store, 2) == LC_OK);
    else
      move(store, "Acme", QUALIFIED);
    uint64_t before = commits(store);
    CHECK(lc_store_handle(store, &how, &c, 1, first, NULL) == LC_OK && lacks(&c, LC_LACKS_VERDICT) && c.about != about);
    CHECK(commits(store) == before);
    pass(&c, CUSTOMER, false);
    CHECK(handle(store, &how, &c, 1, NULL) == LC_OK && is_written(&c, LC_ENTRY_UPDATED) && category_of(store, "Acme") == CUSTOMER);
    lc_store_close(store);
  }
}

/* A category that the host said too early is asked for until it is said anew, however often the event is looked at. */
static void test_overtaken_categories(void) {
  for (way w = 0; w < WAYS; w++) {
    lc_store *store = open_store();
    lc_case c = known(won("Moved", ""), LEAD);
    for (int twice = 0; twice < 2; twice++)
      CHECK(go(store, how_for(false), &c, 1, w) == LC_OK && lacks(&c, LC_LACKS_CATEGORY) && c.newest == moved);
    c = known(c, QUALIFIED);
    CHECK(go(store, how_for(false), &c, 1, w) == LC_OK && is_written(&c, LC_ENTRY_APPLYING) && c.entry.from == QUALIFIED);
    lc_store_close(store);
  }
}

/* The host is asked once for several events of a company. */
static void test_shared_answers(void) {
  for (way w = 0; w < WAYS; w++) {
    lc_store *store = open_store();
    lc_case cases[] = { known(lost("Acme", ""), LEAD), lost("Bolt", ""), won("Acme", "") };
    CHECK(go(store, how_for(false), cases, 3, w) == LC_OK && lacks(&cases[1], LC_LACKS_CATEGORY));
    cases[1] = known(cases[1], LEAD);
    CHECK(w != LOOKED || go(store, how_for(false), cases, 3, w) == LC_OK);
    CHECK(is_unmatched(&cases[0], LC_RULE_DISABLED) && is_written(&cases[2], LC_ENTRY_APPLYING) && cases[2].entry.from == LEAD);
    lc_store_close(store);
  }
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Behind an event that lacks something, those of its company and of its id wait; others do not. */
static void test_waiting(void) {
  for (way w = 0; w < WAYS; w++) {
    lc_store *store = open_store();
    lc_case cases[] = { won("Acme", "e1"), won("Acme", "e2"), won("Bolt", "e1"), known(won("Dune", "e3"), LEAD),
                        won("Acme", "e4"), known(won("Echo", "e1"), LEAD), known(won("Fuse", "e2"), LEAD),
                        known(won("Gale", ""), LEAD) };
    lc_case_state complete = w == LOOKED ? LC_OPEN : LC_WRITTEN;
    int entries = count_entries(store);
    CHECK(go(store, how_for(false), cases, 8, w) == LC_OK);
    CHECK(lacks(&cases[0], LC_LACKS_CATEGORY) && lacks(&cases[1], LC_LACKS_TURN) && lacks(&cases[2], LC_LACKS_TURN));
    CHECK(lacks(&cases[4], LC_LACKS_TURN) && lacks(&cases[5], LC_LACKS_TURN) && lacks(&cases[6], LC_LACKS_TURN));
    CHECK(cases[3].state == complete && cases[7].state == complete);
    CHECK(count_entries(store) == entries + (w == LOOKED ? 0 : 2));

    /* Once it is known, it is written; its company waits for the host then, and its id is seen. */
    cases[0] = known(cases[0], LEAD);
    CHECK(go(store, how_for(false), cases, 3, w) == LC_OK && is_written(&cases[0], LC_ENTRY_APPLYING));
    CHECK(lacks(&cases[1], LC_LACKS_END) && cases[1].first == cases[0].entry.id);
    CHECK(cases[2].state == LC_DUPLICATE && cases[2].first == cases[0].entry.id);
    lc_store_close(store);
  }
}

/* Those that wait behind what a look has left wait in the transaction too, though it goes on from the first complete one. */
static void test_waiting_behind_a_look(void) {
  lc_store *store = open_store();
  const lc_handling how = how_for(false);
  lc_case cases[] = { won("Acme", "e1"), known(won("Bolt", "e2"), LEAD), known(won("Acme", "e3"), LEAD),
                      known(won("Dune", "e1"), LEAD), won("Acme", "seen") };
  size_t first;
  CHECK(lc_store_look(store, &how, cases, 5, &first, NULL) == LC_OK && first == 1);
  CHECK(lc_store_handle(store, &how, cases, 5, first, NULL) == LC_OK);
  CHECK(lacks(&cases[0], LC_LACKS_CATEGORY) && is_written(&cases[1], LC_ENTRY_APPLYING));
  CHECK(lacks(&cases[2], LC_LACKS_TURN) && lacks(&cases[3], LC_LACKS_TURN));
  CHECK(cases[4].state == LC_DUPLICATE && cases[4].first == moved); /* it waits for nothing */
  lc_store_close(store);
}

/* At most so many changes are handed to the host; what changes nothing is not counted. */
static void test_most(void) {
  for (way w = 0; w < WAYS; w++) {
    lc_store *store = open_store();
    lc_handling how = how_for(false);
    lc_case cases[] = { in(won("A", ""), LEAD), in(lost("B", ""), LEAD), in(registered("C", ""), LEAD), in(won("D", ""), LEAD),
                        in(won("E", "e"), LEAD), in(won("F", "e"), LEAD), in(registered("G", ""), LEAD), in(registered("E", ""), LEAD) };
    how.most = 2;
    CHECK(go(store, how, cases, 8, w) == LC_OK);
    CHECK(is_written(&cases[0], LC_ENTRY_APPLYING) && is_unmatched(&cases[1], LC_RULE_DISABLED));
    CHECK(is_written(&cases[2], LC_ENTRY_AWAITING) && is_written(&cases[3], LC_ENTRY_APPLYING));
    CHECK(lacks(&cases[4], LC_LACKS_TURN) && lacks(&cases[5], LC_LACKS_TURN) && lacks(&cases[7], LC_LACKS_TURN));
    CHECK(is_written(&cases[6], LC_ENTRY_AWAITING));
    CHECK(go(store, how, cases + 4, 2, w) == LC_OK && is_written(&cases[4], LC_ENTRY_APPLYING));
    CHECK(cases[5].state == LC_DUPLICATE && cases[5].first == cases[4].entry.id);
    lc_store_close(store);
  }
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Nothing is written while something lacks; all, in one transaction, when nothing does. */
static void test_look(void) {
  lc_store *store = open_store();
  lc_handling how = how_for(true);
  lc_case cases[] = { lost("Acme", ""), won("Acme", "e1"), chosen(registered("Bolt", "e2"), QUALIFIED), won("Dune", ""), won("Bolt", "e1") };
  size_t first;
  how.look = true;
  uint64_t before = commits(store);
  CHECK(handle(store, &how, cases, 5, NULL) == LC_OK && commits(store) == before);
  CHECK(cases[0].state == LC_OPEN && cases[1].state == LC_OPEN && lacks(&cases[2], LC_LACKS_VERDICT));
  CHECK(cases[3].state == LC_OPEN && cases[4].state == LC_OPEN && category_of(store, "Acme") == LEAD);

  pass(&cases[2], QUALIFIED, false);
  CHECK(lc_store_look(store, &how, cases, 5, &first, NULL) == LC_OK && first == 1 && commits(store) == before);
  CHECK(is_unmatched(&cases[0], LC_RULE_DISABLED) && cases[1].state == LC_OPEN);
  CHECK(lc_store_handle(store, &how, cases, 5, first, NULL) == LC_OK && commits(store) == before + 1);
  CHECK(is_written(&cases[1], LC_ENTRY_UPDATED) && is_written(&cases[2], LC_ENTRY_UPDATED));
  CHECK(is_unmatched(&cases[3], LC_UNKNOWN_CATEGORY) && cases[4].state == LC_DUPLICATE && cases[4].first == cases[1].entry.id);
  CHECK(category_of(store, "Acme") == CUSTOMER && category_of(store, "Bolt") == QUALIFIED);
  lc_store_close(store);
}

/* Where the next event of a company is looked at from, while the one before has no verdict yet. */
static void test_expected_categories(void) {
  const struct {
    lc_case c;
    lc_confirm confirm;
    int32_t from;
  } expected[] = {
    { registered("Acme", ""), LC_CONFIRM_ASK, LEAD },
    { registered("Acme", ""), LC_CONFIRM_SKIP, LEAD },
    { registered("Acme", ""), LC_CONFIRM_ACCEPT, QUALIFIED },
    { chosen(registered("Acme", ""), QUALIFIED), LC_CONFIRM_ASK, QUALIFIED },
    { chosen(registered("Acme", ""), 0), LC_CONFIRM_ACCEPT, LEAD },
    { chosen(registered("Acme", ""), PARTNER), LC_CONFIRM_ASK, 0 }, /* nothing matches there */
    { chosen(won("Acme", ""), 0), LC_CONFIRM_ASK, LEAD },
    { chosen(won("Acme", ""), QUALIFIED), LC_CONFIRM_ASK, 0 }, /* the rule does not ask: the choice does not count */
    { won("Acme", ""), LC_CONFIRM_ASK, 0 },
    { in(won("Acme", ""), QUALIFIED), LC_CONFIRM_ASK, LEAD }, /* it does not stand there: that is going to be a conflict */
  };
  lc_store *store = open_store();
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    lc_handling how = how_for(true);
    lc_case cases[] = { expected[i].c, won("Acme", "") };
    how.look = how.is_guarded = true;
    how.confirm = expected[i].confirm;
    CHECK(handle(store, &how, cases, 2, NULL) == LC_OK && lacks(&cases[0], LC_LACKS_VERDICT));
    bool matches = expected[i].from != 0;
    if (!CHECK(matches ? lacks(&cases[1], LC_LACKS_VERDICT) && cases[1].entry.from == expected[i].from : cases[1].state == LC_OPEN))
      printf("row %zu: state %d, from %d\n", i, cases[1].state, (int)cases[1].entry.from);
  }
  lc_store_close(store);
}

/* While looking, an event that waits for one of its id is taken to come to nothing: those behind it are looked at all the same. */
static void test_looking_past_an_id(void) {
  lc_store *store = open_store();
  lc_handling how = how_for(true);
  lc_case cases[] = { won("Acme", "e1"), won("Bolt", "e1"), registered("Bolt", "") };
  how.look = how.is_guarded = true;
  CHECK(handle(store, &how, cases, 3, NULL) == LC_OK && lacks(&cases[0], LC_LACKS_VERDICT) && lacks(&cases[1], LC_LACKS_TURN));
  CHECK(lacks(&cases[2], LC_LACKS_VERDICT) && cases[2].entry.from == LEAD);
  lc_store_close(store);
}

/* ---- foreseeing ---------------------------------------------------------------------------- */

static bool is_noted(lc_store *store, const char *text) {
  if (lc_store_cursor(store, tenant, text_of("run"), NULL) != LC_OK)
    return text == NULL;
  lc_text found = lc_store_result(store);
  return text != NULL && found.size == strlen(text) && memcmp(found.data, text, found.size) == 0;
}

enum { FORESEEN = 5 };

static void make_foreseen(lc_case *cases) {
  cases[0] = won("Acme", "e1");
  cases[1] = won("Coil", "e2");
  cases[2] = registered("Bolt", "e3");
  cases[3] = won("Acme", "e4");
  cases[4] = won("Dune", "seen");
}

/* All of the events as they were foreseen, and the cursor; or none. */
static void test_foresee(void) {
  lc_store *store = open_store();
  const lc_cursor first_cursor = { text_of("run"), { NULL, 0 }, text_of("{1}"), false }, next_cursor = { text_of("run"), text_of("{1}"), text_of("{2}"), false };
  lc_handling how = how_for(true), looking = how;
  lc_case cases[FORESEEN];
  size_t first;
  uint64_t before = commits(store);
  int entries = count_entries(store);
  make_foreseen(cases);
  looking.look = looking.foresee = true;
  CHECK(lc_store_look(store, &looking, cases, FORESEEN, &first, NULL) == LC_OK && first == FORESEEN && commits(store) == before);
  CHECK(is_written(&cases[0], LC_ENTRY_UPDATED) && cases[0].entry.id == 0 && is_unmatched(&cases[1], LC_NOT_POTENTIAL_CUSTOMER));
  CHECK(is_written(&cases[2], LC_ENTRY_AWAITING) && is_unmatched(&cases[3], LC_NOT_POTENTIAL_CUSTOMER));
  CHECK(cases[4].state == LC_DUPLICATE && cases[4].first == moved);
  how.digest = lc_digest(cases, FORESEEN);
  CHECK(how.digest != 0 && how.digest < UINT64_C(1) << 53);

  how.cursor = &first_cursor;
  static const char *const changed[] = { "Acme", "Coil", "Bolt" };
  for (int i = 0; i < 3; i++) {
    int32_t stood = category_of(store, changed[i]);
    lc_error error = { "" };
    move(store, changed[i], QUALIFIED);
    before = commits(store);
    make_foreseen(cases);
    CHECK(lc_store_handle(store, &how, cases, FORESEEN, 0, &error) == LC_CONFLICT && strstr(error.message, "changed") != NULL);
    CHECK(commits(store) == before && count_entries(store) == entries && is_noted(store, NULL));
    CHECK(category_of(store, changed[i]) == QUALIFIED);
    move(store, changed[i], stood);
  }

  before = commits(store);
  how.cursor = &next_cursor; /* there is no cursor yet */
  make_foreseen(cases);
  CHECK(lc_store_handle(store, &how, cases, FORESEEN, 0, NULL) == LC_CONFLICT && count_entries(store) == entries);
  how.cursor = &first_cursor;
  make_foreseen(cases);
  CHECK(handle(store, &how, cases, FORESEEN, NULL) == LC_OK && commits(store) == before + 1);
  CHECK(count_entries(store) == entries + 2 && is_noted(store, "{1}") && category_of(store, "Acme") == CUSTOMER);

  how.cursor = &next_cursor; /* now all are duplicates, which is something else */
  make_foreseen(cases);
  CHECK(handle(store, &how, cases, FORESEEN, NULL) == LC_CONFLICT && is_noted(store, "{1}"));
  CHECK(lc_store_look(store, &looking, cases, FORESEEN, &first, NULL) == LC_OK);
  how.digest = lc_digest(cases, FORESEEN);
  CHECK(handle(store, &how, cases, FORESEEN, NULL) == LC_OK && is_noted(store, "{2}") && count_entries(store) == entries + 2);
  lc_store_close(store);
}

/* The digest goes by what becomes of events, in front of the first that is not at its end, and by nothing else. */
static void test_digest(void) {
  lc_case is[3] = { { .state = LC_WRITTEN, .reason = LC_MATCHED, .entry = { .status = LC_ENTRY_UPDATED, .from = LEAD, .to = CUSTOMER } },
                    { .state = LC_UNMATCHED, .reason = LC_RULE_DISABLED }, { .state = LC_SKIPPED, .reason = LC_MATCHED } }, other[3];
  uint64_t digest = lc_digest(is, 3);
  CHECK(digest != lc_digest(is, 2) && lc_digest(is, 2) != lc_digest(is, 1) && lc_digest(is, 1) != lc_digest(is, 0));
#define DIFFERS(change, expected) \
  memcpy(other, is, sizeof is); \
  change; \
  CHECK((lc_digest(other, 3) != digest) == (expected))
  DIFFERS(other[0].entry.to = PARTNER, true);
  DIFFERS(other[0].entry.from = QUALIFIED, true);
  DIFFERS(other[0].entry.status = LC_ENTRY_CONFLICT, true);
  DIFFERS(other[1].reason = LC_UNKNOWN_CATEGORY, true);
  DIFFERS(other[1].state = LC_DUPLICATE, true);
  DIFFERS(other[2].entry.to = PARTNER, true);
  DIFFERS(other[0].entry.id = 7, false);
  DIFFERS(other[1].entry.from = PARTNER, false);
  DIFFERS(other[1].entry.status = LC_ENTRY_CONFLICT, false);
#undef DIFFERS
  memcpy(other, is, sizeof is);
  other[2].state = LC_LACKING;
  CHECK(lc_digest(other, 3) == lc_digest(is, 2));
  other[1].state = LC_OPEN;
  CHECK(lc_digest(other, 3) == lc_digest(is, 1));
}

/* ---- previews ------------------------------------------------------------------------------ */

/* Nothing is written; what would be is remembered, over several calls. */
static void test_preview(void) {
  lc_store *store = open_store();
  lc_overlay overlay = { .companies.values = NULL };
  lc_handling how = how_for(true);
  how.overlay = &overlay;
  uint64_t before = commits(store);
  lc_case cases[] = { registered("Acme", "e1"), won("Bolt", "e2"), won("Bolt", ""), won("Acme", "e2"), won("Busy", "seen"),
                      in(won("Acme", ""), QUALIFIED) };
  how.confirm = LC_CONFIRM_ACCEPT;
  cases[3].first = moved; /* whatever it was */
  CHECK(handle(store, &how, cases, 6, NULL) == LC_OK);
  CHECK(is_written(&cases[0], LC_ENTRY_UPDATED) && is_written(&cases[1], LC_ENTRY_UPDATED));
  CHECK(is_unmatched(&cases[2], LC_NOT_POTENTIAL_CUSTOMER) && cases[3].state == LC_DUPLICATE && cases[3].first == 0);
  CHECK(cases[4].state == LC_DUPLICATE && cases[4].first == moved);
  CHECK(is_written(&cases[5], LC_ENTRY_UPDATED) && cases[5].entry.from == QUALIFIED); /* where the first has left it */

  lc_case again[] = { won("Acme", "e3"), won("Dune", "e1"), in(won("Bolt", ""), LEAD), in(won("Busy", ""), LEAD) };
  CHECK(handle(store, &how, again, 4, NULL) == LC_OK);
  CHECK(is_unmatched(&again[0], LC_NOT_POTENTIAL_CUSTOMER) && again[1].state == LC_DUPLICATE);
  CHECK(is_written(&again[2], LC_ENTRY_CONFLICT) && is_written(&again[3], LC_ENTRY_CONFLICT));
  CHECK(commits(store) == before && category_of(store, "Acme") == LEAD && category_of(store, "Bolt") == LEAD);
  lc_overlay_free(&overlay);

  lc_case forgotten = won("Acme", "e1"); /* with the overlay */
  CHECK(handle(store, &how, &forgotten, 1, NULL) == LC_OK && is_written(&forgotten, LC_ENTRY_UPDATED));
  lc_overlay_free(&overlay);
  lc_store_close(store);
}

/* In a preview a host's companies are taken to stand where their changes would leave them, and unfinished ones do not matter. */
static void test_preview_of_a_host(void) {
  lc_store *store = open_store();
  lc_overlay overlay = { .companies.values = NULL };
  lc_handling how = how_for(false);
  how.overlay = &overlay;
  lc_case cases[] = { known(won("Acme", ""), LEAD), won("Acme", ""), in(won("Busy", ""), LEAD), won("Bolt", "") };
  uint64_t before = commits(store);
  CHECK(handle(store, &how, cases, 4, NULL) == LC_OK && commits(store) == before);
  CHECK(is_written(&cases[0], LC_ENTRY_UPDATED) && is_unmatched(&cases[1], LC_NOT_POTENTIAL_CUSTOMER));
  CHECK(is_written(&cases[2], LC_ENTRY_UPDATED) && lacks(&cases[3], LC_LACKS_CATEGORY));
  lc_case later = won("Acme", "");
  CHECK(handle(store, &how, &later, 1, NULL) == LC_OK && is_unmatched(&later, LC_NOT_POTENTIAL_CUSTOMER));
  lc_overlay_free(&overlay);
  lc_store_close(store);
}

static void test_overlay(void) {
  enum { MARKS = 1000 };
  lc_overlay overlay = { .companies.values = NULL };
  lc_marks *marks = &overlay.companies;
  char name[UINT8_MAX + 1] = { 0 };
  int32_t value = 7;
  CHECK(!lc_marks_get(marks, text_of("1"), &value) && value == 7);
  for (int round = 1; round <= 2; round++)
    for (int i = 0; i < MARKS; i++) {
      snprintf(name, sizeof name, "%0*d", i % 255 + 1, i);
      CHECK(lc_marks_set(marks, text_of(name), i * round, NULL) == LC_OK && lc_marks_get(marks, text_of(name), &value));
      CHECK(value == i * round && !lc_marks_get(&overlay.ids, text_of(name), &value));
    }
  snprintf(name, sizeof name, "%0*d", MARKS / 2 % 255 + 1, MARKS / 2);
  CHECK(lc_marks_get(marks, text_of(name), &value) && value == MARKS / 2 * 2);
  CHECK(!lc_marks_get(marks, text_of("none"), &value));
  lc_overlay_free(&overlay);
  CHECK(!lc_marks_get(marks, text_of(name), &value));
  lc_overlay_free(&overlay);
}

/* ---- companies that are not known yet -------------------------------------------------------- */

static bool is_integer(lc_store *store, const char *name) {
  lc_company_record record;
  lc_text list, item;
  size_t size = strlen(name);
  CHECK(lc_store_companies(store, tenant, tenant, 100, NULL) == LC_OK);
  for (list = lc_store_result(store); lc_list_next(&list, &item);)
    if (item.size == sizeof record + size && memcmp(item.data + sizeof record, name, size) == 0) {
      memcpy(&record, item.data, sizeof record);
      return record.is_integer == 1;
    }
  return false;
}

/* They get the category, also where nothing matched; those that are known stay. */
static void test_start(void) {
  for (way w = TOGETHER; w < WAYS; w++) {
    lc_store *store = open_store();
    lc_handling how = how_for(true);
    lc_case cases[] = { won("Dune", ""), lost("Echo", ""), lost("Acme", ""), won("17", ""), won("Dune", ""), registered("Fuse", ""),
                        won("Gale", "seen") };
    how.start = QUALIFIED;
    cases[3].entry.company.is_integer = true;
    CHECK(go(store, how, cases, 7, w) == LC_OK);
    CHECK(is_written(&cases[0], LC_ENTRY_UPDATED) && cases[0].entry.from == QUALIFIED && category_of(store, "Dune") == CUSTOMER);
    CHECK(category_of(store, "Acme") == LEAD && category_of(store, "17") == CUSTOMER);
    CHECK(is_integer(store, "17") && !is_integer(store, "Dune") && is_unmatched(&cases[4], LC_NOT_POTENTIAL_CUSTOMER));
    CHECK(is_unmatched(&cases[5], LC_ALREADY_IN_CATEGORY) && category_of(store, "Fuse") == QUALIFIED);
    CHECK(is_unmatched(&cases[1], LC_RULE_DISABLED) && category_of(store, "Echo") == QUALIFIED);
    CHECK(category_of(store, "Gale") == 0); /* its event was handled long ago */
    lc_store_close(store);
  }
}

/* What is foreseen of them is what is written, wherever the event says that they stand. */
static void test_start_as_foreseen(void) {
  for (int given = 0; given <= QUALIFIED; given++) {
    lc_store *store = open_store();
    lc_handling how = how_for(true), looking;
    lc_case seen = given != 0 ? in(won("Dune", ""), given) : won("Dune", ""), written = seen;
    const lc_cursor cursor = { text_of("run"), { NULL, 0 }, text_of("{}"), false };
    size_t first;
    how.start = LEAD;
    looking = how;
    looking.look = looking.foresee = true;
    CHECK(lc_store_look(store, &looking, &seen, 1, &first, NULL) == LC_OK && category_of(store, "Dune") == 0);
    CHECK(is_written(&seen, given == QUALIFIED ? LC_ENTRY_CONFLICT : LC_ENTRY_UPDATED));
    how.cursor = &cursor;
    how.digest = lc_digest(&seen, 1);
    CHECK(lc_store_handle(store, &how, &written, 1, 0, NULL) == LC_OK && written.entry.status == seen.entry.status);
    CHECK(category_of(store, "Dune") == (given == QUALIFIED ? LEAD : CUSTOMER));
    lc_store_close(store);
  }
}

/* ---- questions ----------------------------------------------------------------------------- */

static bool has_body(lc_store *store, const lc_case *c, const char *body) {
  lc_question question;
  if (!CHECK(c->entry.has_question) || !CHECK(lc_store_question(store, tenant, c->entry.question, NULL) == LC_OK))
    return false;
  lc_text packed = lc_store_result(store);
  CHECK(lc_question_unpack(packed.data, packed.size, &question, NULL) == LC_OK);
  CHECK(question.entry == c->entry.id && question.created_at == now && question.expires_at == now + TTL);
  CHECK(question.user.size == 3 && memcmp(question.user.data, "ann", 3) == 0 && question.state == LC_QUESTION_OPEN);
  CHECK(question.from == LEAD && question.to == QUALIFIED && question.revision == 1);
  return question.body.size == strlen(body) && memcmp(question.body.data, body, question.body.size) == 0;
}

/* A question's text is the categories that are not deleted, in the config's order, and what is kept of the event. */
static void test_bodies(void) {
  static const struct {
    const char *details, *body;
  } bodies[] = {
    { "{\"sale\":{\"id\":1,\"name\":\"A long one, so that the others have room\"}}",
      "{\"options\":[1,2,5,6],\"sale\":{\"id\":1,\"name\":\"A long one, so that the others have room\"}}" },
    { "", "{\"options\":[1,2,5,6]}" },
    { "{}", "{\"options\":[1,2,5,6]}" },
    { "{\"actor\":{},\"contact\":{\"id\":\"c\"}}", "{\"options\":[1,2,5,6],\"actor\":{},\"contact\":{\"id\":\"c\"}}" },
  };
  enum { BODIES = sizeof bodies / sizeof *bodies };
  static const char *const companies[BODIES] = { "A", "B", "C", "D" };
  lc_store *store = open_store();
  lc_case cases[BODIES];
  for (int i = 0; i < BODIES; i++) {
    cases[i] = in(registered(companies[i], ""), LEAD);
    cases[i].user = text_of("ann");
    cases[i].entry.details = text_of(bodies[i].details);
  }
  CHECK(go(store, how_for(true), cases, BODIES, TOGETHER) == LC_OK);
  for (int i = 0; i < BODIES; i++)
    CHECK(is_written(&cases[i], LC_ENTRY_AWAITING) && has_body(store, &cases[i], bodies[i].body));
  for (int i = 1; i < BODIES; i++)
    CHECK(memcmp(cases[i].entry.question, cases[i - 1].entry.question, LC_QUESTION_ID_SIZE) != 0);
  lc_store_close(store);
}

/* The longest ids there are, one after the other. */
static void test_long_options(void) {
  enum { MANY = 20 };
  lc_category categories[MANY] = { { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER }, { .id = QUALIFIED, .group = LC_CUSTOMER } };
  const lc_rule rule = { .trigger = LC_SALE_WON, .to = QUALIFIED, .ask = true };
  char body[64 + MANY * 11] = "{\"options\":[1,2";
  uint64_t memory[256];
  for (int i = 2; i < MANY; i++) {
    categories[i] = (lc_category){ .id = INT32_MAX - i, .group = LC_OTHER };
    sprintf(body + strlen(body), ",%d", (int)categories[i].id);
  }
  strcat(body, "]}");
  const lc_config config = { .revision = 2, .categories = categories, .category_count = MANY, .rules = &rule, .rule_count = 1 };
  lc_text ruleset = { (const char *)memory, lc_ruleset_size(&config) };
  lc_store *store = open_store();
  lc_question question;
  lc_case c = won("Acme", "");
  CHECK(ruleset.size <= sizeof memory && lc_ruleset_build(&config, memory, ruleset.size, NULL) == LC_OK);
  CHECK(lc_store_save(store, tenant, 1, ruleset, text_of("{}"), text_of("{}"), NULL) == LC_OK);
  CHECK(go(store, how_for(true), &c, 1, TOGETHER) == LC_OK && is_written(&c, LC_ENTRY_AWAITING));
  CHECK(lc_store_question(store, tenant, c.entry.question, NULL) == LC_OK);
  lc_text packed = lc_store_result(store);
  CHECK(lc_question_unpack(packed.data, packed.size, &question, NULL) == LC_OK);
  CHECK(question.body.size == strlen(body) && memcmp(question.body.data, body, question.body.size) == 0);
  lc_store_close(store);
}

static bool is_open(lc_store *store, const lc_case *asked) {
  lc_question question = { .state = LC_QUESTION_STATES };
  CHECK(lc_store_question(store, tenant, asked->entry.question, NULL) == LC_OK);
  lc_text packed = lc_store_result(store);
  CHECK(lc_question_unpack(packed.data, packed.size, &question, NULL) == LC_OK);
  return question.state == LC_QUESTION_OPEN;
}

/* What matched closes an open question of its company; what is skipped, lacks something or did not match leaves it. */
static void test_superseding(void) {
  lc_store *store = open_store();
  lc_handling how = how_for(true), skipping = how, guarded = how;
  lc_case asked = registered("Acme", ""), skipped = registered("Acme", ""), lacking = won("Acme", ""), nothing = lost("Acme", "");
  lc_case matched = won("Acme", "");
  skipping.confirm = LC_CONFIRM_SKIP;
  guarded.is_guarded = true;
  CHECK(handle(store, &how, &asked, 1, NULL) == LC_OK && is_open(store, &asked));
  CHECK(handle(store, &skipping, &skipped, 1, NULL) == LC_OK && skipped.state == LC_SKIPPED && is_open(store, &asked));
  CHECK(handle(store, &guarded, &lacking, 1, NULL) == LC_OK && lacks(&lacking, LC_LACKS_VERDICT) && is_open(store, &asked));
  CHECK(handle(store, &how, &nothing, 1, NULL) == LC_OK && nothing.state == LC_UNMATCHED && is_open(store, &asked));
  CHECK(handle(store, &how, &matched, 1, NULL) == LC_OK && is_written(&matched, LC_ENTRY_UPDATED) && !is_open(store, &asked));
  lc_store_close(store);
}

/* ---- commits ------------------------------------------------------------------------------- */

/* A transaction in which nothing is written is not committed; one that only adds companies, or a cursor, is. */
static void test_commits(void) {
  lc_store *store = open_store();
  const lc_cursor cursor = { text_of("run"), { NULL, 0 }, text_of("{1}"), false };
  lc_handling how = how_for(true), noting = how, starting = how;
  lc_case cases[] = { won("Coil", ""), won("Busy", ""), won("Dune", "seen"), lost("Acme", "") }, none = lost("Dune", "");
  uint64_t before = commits(store);
  CHECK(lc_store_handle(store, &how, cases, 4, 0, NULL) == LC_OK && commits(store) == before);
  CHECK(lc_store_handle(store, &how, NULL, 0, 0, NULL) == LC_OK && commits(store) == before);
  noting.cursor = &cursor;
  noting.digest = lc_digest(NULL, 0);
  CHECK(lc_store_handle(store, &noting, NULL, 0, 0, NULL) == LC_OK && commits(store) == before + 1 && is_noted(store, "{1}"));
  starting.start = LEAD;
  CHECK(handle(store, &starting, &none, 1, NULL) == LC_OK && commits(store) == before + 2 && category_of(store, "Dune") == LEAD);
  CHECK(handle(store, &starting, &none, 1, NULL) == LC_OK && commits(store) == before + 2);
  lc_store_close(store);
}

int main(void) {
  alarm(300);
  if (files_make("handle") == NULL)
    return 1;
  TEST(test_names());
  TEST(test_rows());
  TEST(test_overtaken_verdicts());
  TEST(test_overtaken_categories());
  TEST(test_shared_answers());
  TEST(test_waiting());
  TEST(test_waiting_behind_a_look());
  TEST(test_most());
  TEST(test_look());
  TEST(test_expected_categories());
  TEST(test_looking_past_an_id());
  TEST(test_foresee());
  TEST(test_digest());
  TEST(test_preview());
  TEST(test_preview_of_a_host());
  TEST(test_overlay());
  TEST(test_start());
  TEST(test_start_as_foreseen());
  TEST(test_bodies());
  TEST(test_long_options());
  TEST(test_superseding());
  TEST(test_commits());
  TEST(CHECK(files_remove(files_directory) == 0));
  return report();
}
