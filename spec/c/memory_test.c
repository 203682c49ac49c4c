/* Every allocation of the C core made to fail in turn, those of LMDB too: a script of all operations is run again and again,
 * and each time another allocation fails. The operation that meets it says LC_UNAVAILABLE and has changed nothing: done once
 * more it succeeds, and in the end the store holds what it holds when nothing fails. Nothing leaks. */
#define _GNU_SOURCE
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "failing.h"
#include "files.h"
#include "handle.h"
#include "rules/decide.h"
#include "rules/simulate.h"
#include "store/overlay.h"
#include "store/store.h"

/* ---- the script -------------------------------------------------------------------------- */

enum { LEAD = 1, CUSTOMER = 2, MANY = 24, LARGE = 5000, MARKS = 150 /* more than there is room for at first */ };

static const lc_text tenant = { "", 0 };
static const double now = 1700000000;
static const lc_store_options options = { .map_size = 16 << 20 };

/* What one run of the script has. */
typedef struct run {
  const char *path;
  lc_store *store;
  lc_rules rules;
  uint64_t claimed; /* the entry that is being applied */
  uint64_t queued[2];
  uint8_t asked[LC_QUESTION_ID_SIZE]; /* the last question's id */
  lc_overlay overlay;
  lc_marks marks;
} run;

static lc_status open_store(run *r, lc_error *error) {
  return lc_store_open(r->path, &options, &r->store, error);
}

static lc_status save_as(run *r, uint64_t revision, bool repaired, lc_error *error) {
  static const lc_category categories[] = { { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER, .lead_status = true }, { .id = CUSTOMER, .group = LC_CUSTOMER } };
  static const lc_rule rules[] = { { .trigger = LC_SALE_WON, .to = CUSTOMER }, { .trigger = LC_SALE_REGISTERED, .to = CUSTOMER, .ask = true } };
  static _Alignas(uint64_t) char memory[1024];
  const lc_config config = { .revision = revision, .categories = categories, .category_count = 2, .rules = rules, .rule_count = 2 };
  size_t size = lc_ruleset_size(&config);
  CHECK(size <= sizeof memory && lc_ruleset_build(&config, memory, size, NULL) == LC_OK);
  lc_text packed = { memory, size };
  return repaired ? lc_store_repair(r->store, tenant, revision, packed, error)
                  : lc_store_save(r->store, tenant, revision - 1, packed, text_of("{}"), text_of("{}"), error);
}

static lc_status save(run *r, lc_error *error) {
  return save_as(r, 1, false, error);
}

static lc_status save_again(run *r, lc_error *error) {
  return save_as(r, 2, false, error);
}

static lc_status refresh(run *r, lc_error *error) {
  lc_status status = lc_store_refresh(r->store, tenant, &r->rules, error);
  if (status == LC_OK)
    CHECK(lc_rules_fresh(&r->rules, lc_store_watch(r->store)) && lc_decide(r->rules.ruleset, &(lc_facts){ .trigger = LC_SALE_WON, .category = LEAD }).to == CUSTOMER);
  return status;
}

static lc_status create(run *r, lc_error *error) {
  lc_company companies[] = { company_of("Acme"), company_of("Bolt"), company_of("Cora"), company_of("Dune"), company_of("Echo") };
  size_t created;
  lc_status status = lc_store_create(r->store, tenant, companies, 5, LEAD, &created, error);
  CHECK(status != LC_OK || created == 5);
  return status;
}

static lc_handling how_for(bool keeps_companies) {
  return (lc_handling){ .tenant = tenant, .now = now, .keeps_companies = keeps_companies, .claim = 30, .ttl = 100, .look = true };
}

static lc_case won(const char *company, const char *id) {
  return case_of(LC_SALE_WON, company, id, now);
}

/* The user has declined before the event came; where the company stands, it says itself. */
static lc_case declined(const char *company, const char *id) {
  lc_case c = won(company, id);
  c.has_choice = c.is_given = true;
  c.given = LEAD;
  return c;
}

/* Foresees what becomes of events, twice when some are declined. */
static lc_status foresee(run *r, lc_handling how, lc_case *cases, size_t count, lc_error *error) {
  lc_status status = LC_OK;
  size_t first;
  how.foresee = true;
  for (int round = 0; round < 2 && status == LC_OK; round++) {
    status = lc_store_look(r->store, &how, cases, count, &first, error);
    for (size_t i = 0; i < count; i++)
      if (cases[i].state == LC_LACKING && cases[i].lack == LC_LACKS_VERDICT)
        pass(&cases[i], cases[i].entry.to, true);
  }
  return status;
}

/* Foresees and writes events, all of them, and a cursor. */
static lc_status write_all(run *r, lc_handling how, lc_case *cases, size_t count, lc_error *error) {
  const lc_cursor cursor = { cases[0].entry.event_id, { NULL, 0 }, text_of("{}"), false };
  lc_status status = foresee(r, how, cases, count, error);
  how.cursor = &cursor;
  how.digest = lc_digest(cases, count);
  if (status == LC_OK)
    status = handle(r->store, &how, cases, count, error);
  for (size_t i = 0; i < count && status == LC_OK; i++)
    CHECK(cases[i].state == LC_WRITTEN);
  return status;
}

static lc_status write_updated(run *r, lc_error *error) {
  lc_case cases[] = { won("Acme", "e1"), won("Bolt", "e2"), declined("Bolt", "e3") };
  return write_all(r, how_for(true), cases, 3, error);
}

/* Many pages, so that LMDB's own lists grow. */
static lc_status write_large(run *r, lc_error *error) {
  static char details[LARGE], names[MANY][32];
  lc_case cases[MANY];
  for (int i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "large %d", i);
    cases[i] = declined(names[i], names[i]);
    cases[i].entry.details = (lc_text){ details, sizeof details };
  }
  return write_all(r, how_for(true), cases, MANY, error);
}

/* The host has said where the company stands. */
static lc_status write_applying(run *r, lc_error *error) {
  lc_case c = won("Cora", "e4");
  c.is_known = true;
  c.category = LEAD;
  lc_status status = write_all(r, how_for(false), &c, 1, error);
  r->claimed = c.entry.id;
  return status;
}

/* Companies that are not known are added, whatever becomes of their events. */
static lc_status start(run *r, lc_error *error) {
  lc_handling how = how_for(true);
  lc_case c = case_of(LC_SALE_LOST, "Fuse", "e8", now);
  how.look = false;
  how.start = LEAD;
  lc_status status = handle(r->store, &how, &c, 1, error);
  CHECK(status != LC_OK || c.state == LC_UNMATCHED);
  return status;
}

/* Events behind one that lacks something, of its company and of its id. */
static lc_status wait_behind(run *r, lc_error *error) {
  lc_case cases[] = { won("Acme", "e9"), won("Acme", ""), won("Echo", "e9"), won("Gale", "") };
  lc_handling how = how_for(false);
  how.look = false;
  cases[3].is_known = true;
  cases[3].category = CUSTOMER;
  lc_status status = handle(r->store, &how, cases, 4, error);
  for (int i = 0; i < 3; i++)
    CHECK(status != LC_OK || (cases[i].state == LC_LACKING && cases[i].lack == (i == 0 ? LC_LACKS_CATEGORY : LC_LACKS_TURN)));
  CHECK(status != LC_OK || cases[3].state == LC_UNMATCHED);
  return status;
}

/* More than there is room for at first, looked at twice. The overlay keeps the newest changes and their sales, too. */
static lc_status preview(run *r, lc_error *error) {
  static char names[MARKS][32];
  static lc_case cases[MARKS];
  lc_handling how = how_for(true);
  lc_status status = LC_OK;
  lc_overlay_free(&r->overlay);
  how.overlay = &r->overlay;
  how.start = LEAD;
  how.skips_late = true;
  for (int twice = 0; twice < 2 && status == LC_OK; twice++) {
    for (int i = 0; i < MARKS; i++) {
      snprintf(names[i], sizeof names[i], "preview %d", i);
      cases[i] = won(names[i], names[i]);
      cases[i].sale = text_of(names[i]);
      cases[i].entry.has_at = true;
    }
    status = handle(r->store, &how, cases, MARKS, error);
    for (int i = 0; i < MARKS; i++)
      CHECK(status != LC_OK || cases[i].state == (twice ? LC_DUPLICATE : LC_WRITTEN));
  }
  return status;
}

/* One that fails has changed nothing: it is set once more, and all are what they were set to. */
static lc_status set_marks(run *r, lc_error *error) {
  char name[32];
  int32_t value = 0;
  lc_status status = LC_OK;
  for (int i = 0; i < MARKS && status == LC_OK; i++) {
    snprintf(name, sizeof name, "mark %d", i);
    status = lc_marks_set(&r->marks, text_of(name), i, error);
  }
  for (int i = 0; i < MARKS && status == LC_OK; i++) {
    snprintf(name, sizeof name, "mark %d", i);
    CHECK(lc_marks_get(&r->marks, text_of(name), &value) && value == i);
  }
  return status;
}

static lc_status finish_with(run *r, lc_entry_status end, lc_error *error) {
  lc_finish finish = { .entry = r->claimed, .company = company_of("Cora"), .status = end, .error = text_of("why"), .retry_in = 0 };
  lc_status status = lc_store_finish(r->store, tenant, &finish, 1, 0, error);
  CHECK(status != LC_OK || !finish.lost);
  return status;
}

static lc_status put_off(run *r, lc_error *error) {
  return finish_with(r, LC_ENTRY_APPLYING, error);
}

static lc_status applying(run *r, lc_error *error) {
  return lc_store_applying(r->store, tenant, tenant, 10, error);
}

static lc_status claim(run *r, lc_error *error) {
  lc_company company = company_of("Cora");
  lc_claim taken;
  lc_status status = lc_store_claim(r->store, tenant, &company, true, 30, &taken, error);
  CHECK(status != LC_OK || (taken.entry == r->claimed && taken.attempts == 1));
  return status;
}

static lc_status finish(run *r, lc_error *error) {
  return finish_with(r, LC_ENTRY_UPDATED, error);
}

/* Two events behind the change. */
static lc_status queue(run *r, lc_error *error) {
  lc_case cases[] = { won("Cora", "e10"), won("Cora", "e11") };
  lc_handling how = how_for(false);
  how.queues = true;
  lc_status status = handle(r->store, &how, cases, 2, error);
  for (int i = 0; i < 2; i++) {
    CHECK(status != LC_OK || cases[i].state == LC_LINED_UP);
    r->queued[i] = cases[i].entry.id;
  }
  return status;
}

static lc_status claim_queued(run *r, uint64_t queued, lc_error *error) {
  lc_company company = company_of("Cora");
  lc_claim taken;
  lc_status status = lc_store_claim(r->store, tenant, &company, true, 30, &taken, error);
  CHECK(status != LC_OK || taken.entry == queued);
  return status;
}

static lc_status claim_first(run *r, lc_error *error) {
  return claim_queued(r, r->queued[0], error);
}

static lc_status claim_second(run *r, lc_error *error) {
  return claim_queued(r, r->queued[1], error);
}

static lc_status follow(run *r, lc_error *error) {
  lc_case c = won("Cora", "");
  lc_handling how = how_for(false);
  c.queued = r->queued[0];
  c.is_given = true;
  c.given = LEAD;
  lc_status status = handle(r->store, &how, &c, 1, error);
  CHECK(status != LC_OK || (c.state == LC_WRITTEN && c.entry.linked == r->queued[0]));
  r->claimed = c.entry.id;
  return status;
}

static lc_status end_queued(run *r, lc_error *error) {
  lc_ending ending = { .entry = r->queued[1], .company = company_of("Cora"), .status = LC_ENTRY_DROPPED };
  lc_status status = lc_store_end_scheduled(r->store, tenant, &ending, 1, 0, error);
  CHECK(status != LC_OK || !ending.lost);
  return status;
}

static lc_status ask_in(run *r, const char *event, lc_error *error) {
  lc_case c = case_of(LC_SALE_REGISTERED, "Dune", event, now);
  c.user = text_of("ann");
  c.entry.details = text_of("{\"actor\":{}}");
  lc_status status = write_all(r, how_for(true), &c, 1, error);
  memcpy(r->asked, c.entry.question, sizeof r->asked);
  return status;
}

static lc_status ask(run *r, lc_error *error) {
  return ask_in(r, "e5", error);
}

static lc_status ask_again(run *r, lc_error *error) {
  return ask_in(r, "e6", error);
}

static lc_status ask_for_nothing(run *r, lc_error *error) {
  return ask_in(r, "e7", error);
}

static lc_status answer_as(run *r, lc_entry_status end, lc_error *error) {
  const lc_cursor cursor = { text_of("answer"), { NULL, 0 }, text_of("{}"), false };
  lc_write write = { .is_answer = true,
                     .entry = { .at = now, .revision = 1, .status = end, .trigger = LC_SALE_REGISTERED, .action = LC_CONFIRM,
                                .from = LEAD, .to = CUSTOMER, .has_question = true, .company = company_of("Dune") } };
  memcpy(write.entry.question, r->asked, sizeof r->asked);
  lc_status status = lc_store_write(r->store, tenant, &write, 1, &cursor, now, 30, error);
  CHECK(status != LC_OK || write.result == LC_PUT);
  r->claimed = write.entry.id;
  return status;
}

/* The host applies the answer: the question ends with it. */
static lc_status answer(run *r, lc_error *error) {
  return answer_as(r, LC_ENTRY_APPLYING, error);
}

static lc_status finish_answer(run *r, lc_error *error) {
  lc_finish finish_it = { .entry = r->claimed, .company = company_of("Dune"), .status = LC_ENTRY_UPDATED };
  lc_status status = lc_store_finish(r->store, tenant, &finish_it, 1, 0, error);
  CHECK(status != LC_OK || !finish_it.lost);
  return status;
}

static lc_status expire(run *r, lc_error *error) {
  size_t expired;
  bool more;
  lc_status status = lc_store_expire(r->store, tenant, now + 200, &expired, &more, error);
  CHECK(status != LC_OK || (expired == 1 && !more));
  return status;
}

static lc_status add(run *r, lc_error *error) {
  const lc_counter counters[] = { { tenant, text_of("handled"), 3 }, { tenant, text_of("failed"), 1 } };
  return lc_store_add(r->store, counters, 2, error);
}

static lc_status set_category(run *r, lc_error *error) {
  lc_company company = company_of("Echo");
  return lc_store_set_category(r->store, tenant, &company, CUSTOMER, LEAD, error);
}

/* A change that no event asked for. */
static lc_status write_change(run *r, lc_error *error) {
  lc_write write = { .entry = { .at = now, .revision = 1, .status = LC_ENTRY_UPDATED, .trigger = LC_SALE_WON, .action = LC_UPDATE,
                                .from = CUSTOMER, .to = LEAD, .company = company_of("Echo") } };
  lc_status status = lc_store_write(r->store, tenant, &write, 1, NULL, now, 30, error);
  CHECK(status != LC_OK || (write.result == LC_PUT && write.entry.status == LC_ENTRY_UPDATED));
  return status;
}

static lc_status repair(run *r, lc_error *error) {
  return save_as(r, 2, true, error);
}

/* Keeps all but the oldest entries. */
static lc_status trim(run *r, lc_error *error) {
  const lc_retention keep = { .count = 10 };
  uint64_t from = 0;
  size_t removed;
  lc_status status = lc_store_trim(r->store, tenant, &keep, now + 1000, &from, &removed, error);
  CHECK(status != LC_OK || removed > 10);
  return status;
}

/* Finds the tenant, by whatever it has due. */
static lc_status due(run *r, lc_error *error) {
  const lc_retention keep = { .count = 10 };
  lc_status status = LC_OK;
  for (int work = 0; work < LC_WORKS && status == LC_OK; work++) {
    lc_place place = { .size = 0 };
    status = lc_store_due(r->store, (lc_work)work, &keep, now + 1000, &place, error);
    CHECK(status != LC_OK || (place.size == 0 && (lc_store_result(r->store).size != 0) == (work == LC_WORK_JOURNAL)));
  }
  return status;
}

/* Notes what came to nothing, reads it, and removes it again. */
static lc_status note_unchanged(run *r, lc_error *error) {
  lc_entry entry = { .at = now, .revision = 1, .status = LC_ENTRY_UNCHANGED, .reason = LC_ENTRY_VETOED, .from = LEAD,
                     .company = company_of("Acme"), .event_id = text_of("nothing"), .error = text_of("frozen") };
  lc_entry entries[] = { entry, entry };
  return lc_store_add_unchanged(r->store, tenant, entries, 2, now, error);
}

static lc_status unchanged(run *r, lc_error *error) {
  lc_company company = company_of("Acme");
  return lc_store_unchanged(r->store, tenant, &company, -HUGE_VAL, 0, 10, error);
}

static lc_status trim_unchanged(run *r, lc_error *error) {
  const lc_retention keep = { .count = 1 };
  uint64_t from = 0;
  size_t removed;
  lc_status status = lc_store_trim_unchanged(r->store, tenant, &keep, now + 1000, &from, &removed, error);
  CHECK(status != LC_OK || removed == 1);
  return status;
}

/* Removes a store's files, without the cost of another process. */
static void remove_store(const char *path) {
  static const char *const names[] = { "config.mdb", "config.mdb-lock", "journal.mdb", "journal.mdb-lock", "owners.lock",
                                       "writers.lock", "reserve" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s/%s", path, names[i]);
    unlink(name);
  }
  rmdir(path);
}

static lc_status copy_as(run *r, bool compact, lc_error *error) {
  char path[128];
  snprintf(path, sizeof path, "%s.copy", r->path);
  lc_status status = lc_store_copy(r->store, path, compact, error);
  CHECK(status == LC_OK || rmdir(path) == 0 || access(path, F_OK) != 0); /* nothing is left in it */
  remove_store(path);
  return status;
}

static lc_status copy(run *r, lc_error *error) {
  return copy_as(r, false, error);
}

static lc_status copy_compact(run *r, lc_error *error) {
  return copy_as(r, true, error);
}

/* The same files through another handle, which is closed again. */
static lc_status use_another(run *r, lc_error *error) {
  run other = { .path = r->path };
  const lc_counter counter = { tenant, text_of("other"), 1 };
  lc_status status = open_store(&other, error);
  if (status != LC_OK)
    return status;
  status = lc_store_refresh(other.store, tenant, &other.rules, error);
  if (status == LC_OK)
    status = lc_store_add(other.store, &counter, 1, error);
  lc_rules_free(&other.rules);
  lc_store_close(other.store);
  return status;
}

static lc_status newest(run *r, lc_error *error) {
  lc_company company = company_of("Acme");
  uint64_t entry;
  return lc_store_newest(r->store, tenant, &company, &entry, error);
}

static lc_status category(run *r, lc_error *error) {
  lc_company company = company_of("Acme");
  int32_t is;
  return lc_store_company(r->store, tenant, &company, &is, error);
}

static lc_status history(run *r, lc_error *error) {
  return lc_store_history(r->store, tenant, NULL, -HUGE_VAL, 0, 1000, error);
}

static lc_status history_of_one(run *r, lc_error *error) {
  lc_company company = company_of("Bolt");
  return lc_store_history(r->store, tenant, &company, now, 0, 10, error);
}

static lc_status seen(run *r, lc_error *error) {
  return lc_store_seen(r->store, tenant, text_of("e1"), error);
}

static lc_status entry_of(run *r, lc_error *error) {
  return lc_store_entry(r->store, tenant, r->claimed, error);
}

static const lc_query everything = { .states = (1U << LC_QUESTION_STATES) - 1, .limit = 100 };

static lc_status confirmations(run *r, lc_error *error) {
  return lc_store_questions(r->store, tenant, &everything, error);
}

static lc_status count_confirmations(run *r, lc_error *error) {
  size_t count;
  lc_status status = lc_store_count_questions(r->store, tenant, &everything, &count, error);
  CHECK(status != LC_OK || count == 3);
  return status;
}

static lc_status confirmation(run *r, lc_error *error) {
  return lc_store_question(r->store, tenant, r->asked, error);
}

static lc_status companies(run *r, lc_error *error) {
  return lc_store_companies(r->store, tenant, tenant, 100, error);
}

static lc_status counters(run *r, lc_error *error) {
  return lc_store_counters(r->store, tenant, error);
}

static lc_status config(run *r, lc_error *error) {
  return lc_store_config(r->store, tenant, 0, error);
}

static lc_status revisions(run *r, lc_error *error) {
  return lc_store_revisions(r->store, tenant, error);
}

static lc_status stat_store(run *r, lc_error *error) {
  lc_store_stats stats;
  return lc_store_stat(r->store, &stats, error);
}

static lc_status check_readers(run *r, lc_error *error) {
  unsigned freed;
  return lc_store_check_readers(r->store, &freed, error);
}

static void add_companies(lc_columns *columns) {
  columns->count = columns->texts_used = 0;
  for (int i = 0; i < 300; i++) {
    char name[UINT8_MAX];
    int size = snprintf(name, sizeof name, "%0200d", i % 150);
    lc_columns_add(columns, &(lc_facts){ .trigger = LC_SALE_WON, .category = LC_CATEGORY_ABSENT }, (lc_company){ { name, (size_t)size }, false });
  }
}

/* Whether a side has moved each company once. */
static bool moved_all(const lc_side *side) {
  return side->counts[LC_SALE_WON][LC_MATCHED] == 150 && side->counts[LC_SALE_WON][LC_NOT_POTENTIAL_CUSTOMER] == 150;
}

/* More companies than there is room for at first: all tables grow. */
static lc_status simulate_sides(run *r, const lc_ruleset *other, lc_error *error) {
  static lc_simulation simulation;
  static lc_columns columns;
  const lc_ruleset *const rulesets[] = { r->rules.ruleset, other };
  lc_status status = lc_simulation_init(&simulation, rulesets, other == NULL ? 1 : 2, LEAD, 0, error);
  add_companies(&columns);
  if (status == LC_OK)
    status = lc_simulation_companies(&simulation, &columns, error);
  if (status == LC_UNAVAILABLE && simulation.companies.count > 0)
    status = lc_simulation_companies(&simulation, &columns, error); /* once more, in the middle */
  if (status == LC_OK)
    status = lc_simulation_run(&simulation, &columns, error);
  if (status == LC_OK)
    status = lc_simulation_finish(&simulation, error);
  CHECK(status != LC_OK || (simulation.companies.count == 150 && moved_all(&simulation.sides[0])));
  CHECK(status != LC_OK || simulation.changes.kinds.count == (other == NULL ? 0 : 2));
  CHECK(status != LC_OK || simulation.example_count == (other == NULL ? 0 : 2 * LC_EXAMPLES));
  lc_simulation_free(&simulation);
  return status;
}

static lc_status simulate(run *r, lc_error *error) {
  return simulate_sides(r, NULL, error);
}

/* Beside a config without rules. */
static lc_status compare(run *r, lc_error *error) {
  static _Alignas(uint64_t) char memory[1024];
  const lc_config empty = { 0 };
  lc_status status = lc_ruleset_build(&empty, memory, lc_ruleset_size(&empty), error);
  return status == LC_OK ? simulate_sides(r, (const void *)memory, error) : status;
}

/* Closing cannot fail. What it frees must have been in use, and the store is opened anew. */
static lc_status reopen(run *r, lc_error *error) {
  if (r->store != NULL)
    lc_store_close(r->store);
  r->store = NULL;
  return open_store(r, error);
}

static const struct {
  const char *name;
  lc_status (*call)(run *r, lc_error *error);
} script[] = {
  { "open", open_store }, { "save", save }, { "refresh", refresh }, { "simulate", simulate }, { "compare", compare },
  { "create", create }, { "write", write_updated },
  { "write large", write_large }, { "write applying", write_applying }, { "put off", put_off }, { "applying", applying },
  { "claim", claim }, { "queue", queue }, { "finish", finish }, { "claim the first", claim_first }, { "follow", follow },
  { "finish it", finish }, { "claim the second", claim_second }, { "drop", end_queued }, { "ask", ask }, { "supersede", ask_again }, { "answer", answer },
  { "finish the answer", finish_answer }, { "wait", wait_behind }, { "start", start }, { "preview", preview },
  { "marks", set_marks }, { "ask in vain", ask_for_nothing }, { "expire", expire }, { "add", add },
  { "set category", set_category }, { "change", write_change }, { "another handle", use_another }, { "newest", newest }, { "company", category },
  { "reopen", reopen }, { "history", history }, { "history of one", history_of_one }, { "seen", seen }, { "entry", entry_of },
  { "confirmations", confirmations }, { "count", count_confirmations }, { "confirmation", confirmation },
  { "companies", companies }, { "counters", counters }, { "config", config }, { "revisions", revisions },
  { "stat", stat_store }, { "check readers", check_readers }, { "save again", save_again }, { "repair", repair },
  { "refresh again", refresh }, { "copy", copy }, { "copy compact", copy_compact }, { "due", due }, { "trim", trim },
  { "note", note_unchanged }, { "unchanged", unchanged }, { "trim unchanged", trim_unchanged },
};

/* ---- what a store holds ------------------------------------------------------------------ */

static char holds[2][1 << 16]; /* of the run in which nothing fails; of this one */

__attribute__((format(printf, 2, 3))) static void note(char *text, const char *format, ...) {
  va_list arguments;
  size_t size = strlen(text);
  va_start(arguments, format);
  vsnprintf(text + size, sizeof holds[0] - size, format, arguments);
  va_end(arguments);
}

static void note_entries(lc_store *store, char *text) {
  CHECK(lc_store_history(store, tenant, NULL, -HUGE_VAL, 0, 1000, NULL) == LC_OK);
  lc_text list = lc_store_result(store), item;
  while (lc_list_next(&list, &item)) {
    lc_entry entry;
    CHECK(lc_entry_unpack(item.data, item.size, &entry, NULL) == LC_OK);
    note(text, "entry %llu %d %.*s %.*s %zu %.*s\n", (unsigned long long)entry.id, (int)entry.status, (int)entry.company.text.size,
         entry.company.text.data, (int)entry.event_id.size, entry.event_id.data, entry.details.size, (int)entry.error.size,
         entry.error.data);
  }
}

static void note_lists(lc_store *store, char *text) {
  lc_text list, item;
  CHECK(lc_store_companies(store, tenant, tenant, 1000, NULL) == LC_OK);
  for (list = lc_store_result(store); lc_list_next(&list, &item);) {
    lc_company_record record;
    memcpy(&record, item.data, sizeof record);
    note(text, "company %.*s %d %llu\n", (int)(item.size - sizeof record), item.data + sizeof record, (int)record.category,
         (unsigned long long)record.entry);
  }
  CHECK(lc_store_counters(store, tenant, NULL) == LC_OK);
  for (list = lc_store_result(store); lc_list_next(&list, &item);) {
    uint64_t value;
    memcpy(&value, item.data, sizeof value);
    note(text, "counter %.*s %llu\n", (int)(item.size - sizeof value), item.data + sizeof value, (unsigned long long)value);
  }
  CHECK(lc_store_questions(store, tenant, &everything, NULL) == LC_OK);
  for (list = lc_store_result(store); lc_list_next(&list, &item);) {
    lc_question question;
    CHECK(lc_question_unpack(item.data, item.size, &question, NULL) == LC_OK);
    note(text, "question %d %llu %.*s\n", (int)question.state, (unsigned long long)question.entry, (int)question.body.size,
         question.body.data);
  }
}

static void note_rest(lc_store *store, char *text) {
  lc_rules rules = { NULL, 0 };
  CHECK(lc_store_refresh(store, tenant, &rules, NULL) == LC_OK);
  note(text, "revision %llu\n", (unsigned long long)rules.ruleset->revision);
  lc_rules_free(&rules);
  CHECK(lc_store_revisions(store, tenant, NULL) == LC_OK);
  note(text, "revisions of %zu bytes\n", lc_store_result(store).size);
  CHECK(lc_store_applying(store, tenant, tenant, 10, NULL) == LC_OK);
  note(text, "applying of %zu bytes\n", lc_store_result(store).size);
}

/* ---- running it -------------------------------------------------------------------------- */

/* Does one operation; once more when memory was short. */
static void step(run *r, size_t i, long nth) {
  lc_error error = { "" };
  bool met = has_failed;
  lc_status status = script[i].call(r, &error);
  met = has_failed && !met;
  if (met)
    left = -1;
  if (status == LC_OK)
    return;
  if (!CHECK(met && status == LC_UNAVAILABLE && strstr(error.message, "memory") != NULL))
    printf("allocation %ld, %s: %s: %s\n", nth, script[i].name, lc_status_code(status), error.message);
  status = script[i].call(r, &error);
  if (!CHECK(status == LC_OK))
    printf("allocation %ld, %s once more: %s\n", nth, script[i].name, error.message);
}

/* Runs the script while the allocation `nth` fails (0: none); whether there was one. */
static bool run_script(long nth, char *text) {
  static int runs;
  char path[128];
  snprintf(path, sizeof path, "%s/%d", files_directory, runs++);
  int failed_before = checks_failed;
  long used = in_use;
  run r = { .path = path };
  left = nth > 0 ? nth : -1;
  has_failed = false;
  for (size_t i = 0; i < sizeof script / sizeof script[0] && checks_failed == failed_before; i++)
    step(&r, i, nth);
  left = -1;
  if (r.store != NULL)
    lc_store_close(r.store);
  lc_rules_free(&r.rules);
  lc_overlay_free(&r.overlay);
  lc_marks_free(&r.marks);
  CHECK(in_use == used);
  CHECK(files_open("config.mdb-lock") == 0 && files_open("journal.mdb-lock") == 0 && files_open("owners.lock") == 0);
  text[0] = '\0';
  run again = { .path = path };
  if (CHECK(open_store(&again, NULL) == LC_OK)) {
    note_entries(again.store, text);
    note_lists(again.store, text);
    note_rest(again.store, text);
    lc_store_close(again.store);
  }
  remove_store(path);
  return has_failed;
}

static long allocations;

/* Each allocation in turn; where everything is slow, some. */
static void test_failing(bool all_that_follow) {
  int failed_before = checks_failed, stride = times(40) < 40 ? 37 : 1;
  long nth = 1;
  lasting = all_that_follow;
  for (; run_script(nth, holds[1]) && checks_failed == failed_before; nth += stride)
    if (!CHECK(strcmp(holds[0], holds[1]) == 0))
      printf("after allocation %ld failed:\n%sand not\n%s", nth, holds[1], holds[0]);
  allocations = nth - 1;
}

/* ---- rulesets that are remembered -------------------------------------------------------- */

enum { CATEGORIES = 50000, TENANTS = 70, CACHE = 64 << 20 };

/* Saves large rules for every tenant; their size. */
static size_t save_large(lc_store *store) {
  static lc_category categories[CATEGORIES];
  for (int i = 0; i < CATEGORIES; i++)
    categories[i].id = i + 1;
  const lc_config config = { .revision = 1, .categories = categories, .category_count = CATEGORIES };
  size_t size = lc_ruleset_size(&config);
  void *memory = malloc(size);
  CHECK(lc_ruleset_build(&config, memory, size, NULL) == LC_OK);
  for (char name = 1; name <= TENANTS; name++)
    CHECK(lc_store_save(store, (lc_text){ &name, 1 }, 0, (lc_text){ memory, size }, text_of("{}"), text_of("{}"), NULL) == LC_OK);
  free(memory);
  return size;
}

/* Uses the rules of every `step`th tenant from `first` to `last`; how many were read, as they were not remembered. */
static int use_rules(lc_store *store, int first, int last, int step_by) {
  int read = 0;
  for (int i = first; i <= last; i += step_by) {
    const char name = (char)i;
    const lc_ruleset *ruleset = NULL;
    left = 1000; /* reading one takes memory */
    CHECK(lc_store_ruleset(store, (lc_text){ &name, 1 }, &ruleset, NULL) == LC_OK && lc_ruleset_option_count(ruleset) == CATEGORIES);
    read += left < 1000;
    left = -1;
  }
  return read;
}

/* When there are too many, those go first that were not used for the longest time. */
static void test_rules_cache(void) {
  lc_store *store = NULL;
  char path[128];
  snprintf(path, sizeof path, "%s/rules", files_directory);
  CHECK(lc_store_open(path, &(lc_store_options){ .map_size = 512 << 20 }, &store, NULL) == LC_OK);
  int most = (int)(CACHE / (save_large(store) + 100));
  if (!CHECK(most > 30 && most + most / 4 < TENANTS))
    return;
  CHECK(use_rules(store, 1, most, 1) == most && use_rules(store, 1, most, 1) == 0);
  CHECK(use_rules(store, most + 1, most + 1, 1) == 1);
  CHECK(use_rules(store, 1, most, 2) <= 2 && use_rules(store, 1, most, 2) == 0);
  CHECK(use_rules(store, most + 2, most + most / 4, 1) == most / 4 - 1); /* each takes the place of one */
  CHECK(use_rules(store, 1, most, 2) == 0 && use_rules(store, most + 1, most + most / 4, 1) == 0);
  CHECK(use_rules(store, 2, most, 2) >= most / 4);
  lc_store_close(store);
  remove_store(path);
}

int main(void) {
  alarm(300);
  if (files_make("memory") == NULL)
    return 1;
  TEST(CHECK(!run_script(0, holds[0]) && strlen(holds[0]) > 500 && strlen(holds[0]) + 1 < sizeof holds[0]));
  TEST(test_failing(false));
  TEST(test_failing(true));
  TEST(test_rules_cache());
  printf("%ld allocations\n", allocations);
  TEST(CHECK(files_remove(files_directory) == 0));
  return report();
}
