/* The store where more than one works on it: forked children, threads, killed owners of claims, processes that grow the
 * files, and more readers than there are slots. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "handle.h"
#include "rules/decide.h"
#include "store/clock.h"
#include "store/internal.h"
#include "store/store.h"

enum { LEAD = 1, CUSTOMER = 2 };
enum { MIB = 1 << 20, THREADS = 8, BATCH = 4 };

static const lc_text tenant = { "", 0 };
static const double now = 1700000000;

/* ---- stores ------------------------------------------------------------------------------ */

static char directory[] = "/tmp/leadcat_store_test_XXXXXX";
static int made;

/* The name of a new store's directory; valid until the end. */
static const char *new_path(void) {
  static char paths[32][64];
  snprintf(paths[made], sizeof paths[made], "%s/%d", directory, made);
  return paths[made++];
}

static lc_store *open_with(const char *path, const lc_store_options *options) {
  lc_error error = { "" };
  lc_store *store = NULL;
  if (!CHECK(lc_store_open(path, options, &store, &error) == LC_OK)) {
    printf("%s\n", error.message);
    exit(1);
  }
  return store;
}

static lc_store *open_store(const char *path, size_t map_size) {
  return open_with(path, &(lc_store_options){ .map_size = map_size });
}

/* A change that no event asked for, of a company that has no entry yet. */
static lc_write change_of(const char *company) {
  return (lc_write){ .entry = { .at = now, .revision = 1, .status = LC_ENTRY_UPDATED, .trigger = LC_SALE_WON,
                                .action = LC_UPDATE, .from = LEAD, .to = CUSTOMER, .company = company_of(company) } };
}

/* An event that makes a customer of a company, which is a lead. */
static lc_case won(const char *company, const char *id) {
  lc_case c = case_of(LC_SALE_WON, company, id, now);
  c.is_given = true;
  c.given = LEAD;
  return c;
}

static lc_handling how_for(bool keeps_companies) {
  return (lc_handling){ .tenant = tenant, .now = now, .keeps_companies = keeps_companies, .claim = 30 };
}

static lc_status create(lc_store *store, const char *name) {
  size_t created;
  lc_company company = company_of(name);
  return lc_store_create(store, tenant, &company, 1, LEAD, &created, NULL);
}

/* One event, of a company that is kept here where it is to be updated at once. */
static lc_status write_one(lc_store *store, const char *company, const char *id, lc_entry_status status, uint64_t *entry) {
  lc_case c = won(company, id);
  const lc_handling how = how_for(status == LC_ENTRY_UPDATED);
  lc_status result = handle(store, &how, &c, 1, NULL);
  if (entry != NULL)
    *entry = c.entry.id;
  return result == LC_OK && (c.state != LC_WRITTEN || c.entry.status != status) ? LC_CONFLICT : result;
}

static int32_t category_of(lc_store *store, const char *name) {
  int32_t category;
  lc_company company = company_of(name);
  return lc_store_company(store, tenant, &company, &category, NULL) == LC_OK ? category : 0;
}

static lc_status save(lc_store *store, uint64_t expected) {
  const lc_category categories[] = { { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER }, { .id = CUSTOMER, .group = LC_CUSTOMER } };
  const lc_rule rule = { .trigger = LC_SALE_WON, .to = CUSTOMER };
  const lc_config config = { .revision = expected + 1, .categories = categories, .category_count = 2, .rules = &rule, .rule_count = 1 };
  return save_config(store, tenant, &config, NULL);
}

/* A new store that has rules, and is not open. */
static const char *new_path_with_rules(void) {
  const char *path = new_path();
  lc_store *store = open_store(path, MIB);
  CHECK(save(store, 0) == LC_OK);
  lc_store_close(store);
  return path;
}

/* How many entries the journal has; -1 when they are not in order. */
static int count_entries(lc_store *store) {
  int count = 0;
  uint64_t last = 0;
  size_t of_page;
  do {
    of_page = 0;
    if (lc_store_history(store, tenant, NULL, 0, last, 1000, NULL) != LC_OK)
      return -1;
    lc_text list = lc_store_result(store), item;
    for (; lc_list_next(&list, &item); of_page++, count++) {
      lc_entry entry;
      if (lc_entry_unpack(item.data, item.size, &entry, NULL) != LC_OK || (last != 0 && entry.id >= last))
        return -1;
      last = entry.id;
    }
  } while (of_page == 1000);
  return count;
}

/* ---- children ---------------------------------------------------------------------------- */

typedef struct child {
  pid_t pid;
  int result; /* what it says in one byte, once its work is done */
} child;

/* A forked child that does its work, says how many checks failed, and lives on until it is killed:
 * nothing of it ends in order. */
static child start(void (*work)(void *), void *argument) {
  int ends[2];
  if (pipe(ends) != 0)
    exit(1);
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    int before = checks_failed;
    work(argument);
    fflush(stdout);
    char failed = (char)(checks_failed - before);
    if (write(ends[1], &failed, 1) == 1)
      pause();
    _exit(1);
  }
  close(ends[1]);
  return (child){ pid, ends[0] };
}

/* Waits until the child has done its work; whether without a failure. */
static bool succeeds(const child *c) {
  char failed;
  return read(c->result, &failed, 1) == 1 && failed == 0;
}

static void end(const child *c) {
  kill(c->pid, SIGKILL);
  waitpid(c->pid, NULL, 0);
  close(c->result);
}

/* ---- a forked child ---------------------------------------------------------------------- */

typedef struct inherited {
  const char *path;
  lc_store *store;
  lc_rules *rules;
} inherited;

/* Every call says so, and touches nothing. */
static void use_inherited(const inherited *from) {
  lc_store *store = from->store;
  lc_error error = { "" };
  lc_store_stats stats;
  lc_company company = company_of("Acme");
  lc_write change = change_of("Acme");
  lc_case event = won("Acme", "e");
  const lc_handling how = how_for(true);
  lc_finish finish = { .entry = 1, .company = company, .status = LC_ENTRY_UPDATED };
  lc_claim claim;
  lc_place place = { .size = 0 };
  const lc_retention keep = { 0 };
  size_t created;
  int32_t category;
  uint64_t newest;
  size_t first;
  uint8_t id[LC_QUESTION_ID_SIZE] = { 0 };
  CHECK(!lc_rules_fresh(from->rules, lc_store_watch(store)));
  CHECK(lc_store_refresh(store, tenant, from->rules, &error) == LC_FORKED);
  CHECK(strstr(error.message, "fork") != NULL);
  CHECK(save(store, 1) == LC_FORKED);
  CHECK(lc_store_config(store, tenant, 0, NULL) == LC_FORKED);
  CHECK(lc_store_revisions(store, tenant, NULL) == LC_FORKED);
  CHECK(lc_store_write(store, tenant, &change, 1, NULL, now, 30, NULL) == LC_FORKED);
  CHECK(lc_store_look(store, &how, &event, 1, &first, NULL) == LC_FORKED);
  CHECK(lc_store_handle(store, &how, &event, 1, 0, NULL) == LC_FORKED);
  CHECK(lc_store_finish(store, tenant, &finish, 1, 0, NULL) == LC_FORKED);
  CHECK(lc_store_claim(store, tenant, &company, false, 30, &claim, NULL) == LC_FORKED);
  CHECK(lc_store_newest(store, tenant, &company, &newest, NULL) == LC_FORKED);
  CHECK(lc_store_applying(store, tenant, tenant, 10, NULL) == LC_FORKED);
  CHECK(lc_store_seen(store, tenant, text_of("e"), NULL) == LC_FORKED);
  CHECK(lc_store_entry(store, tenant, 1, NULL) == LC_FORKED);
  CHECK(lc_store_history(store, tenant, NULL, 0, 0, 10, NULL) == LC_FORKED);
  CHECK(lc_store_question(store, tenant, id, NULL) == LC_FORKED);
  CHECK(lc_store_company(store, tenant, &company, &category, NULL) == LC_FORKED);
  CHECK(lc_store_create(store, tenant, &company, 1, LEAD, &created, NULL) == LC_FORKED);
  CHECK(lc_store_set_category(store, tenant, &company, CUSTOMER, LEAD, NULL) == LC_FORKED);
  CHECK(lc_store_companies(store, tenant, tenant, 10, NULL) == LC_FORKED);
  CHECK(lc_store_due(store, LC_WORK_CHANGES, &keep, now, &place, NULL) == LC_FORKED);
  CHECK(lc_store_stat(store, &stats, NULL) == LC_FORKED);
  lc_store_close(store);
}

static void in_the_child(void *argument) {
  inherited *from = argument;
  use_inherited(from);
  lc_store *store = open_store(from->path, 16 * MIB);
  CHECK(lc_store_refresh(store, tenant, from->rules, NULL) == LC_OK);
  CHECK(from->rules->ruleset->revision == 1);
  CHECK(category_of(store, "Acme") == LEAD);
  CHECK(write_one(store, "Acme", "child", LC_ENTRY_UPDATED, NULL) == LC_OK);
  CHECK(save(store, 1) == LC_OK);
  lc_store_close(store);
}

/* What a forked child has opened is not its own child's. */
static void in_the_grandchild(void *argument) {
  use_inherited(argument);
}

static void in_between(void *argument) {
  inherited *from = argument;
  lc_store *store = open_store(from->path, 16 * MIB);
  CHECK(lc_store_refresh(store, tenant, from->rules, NULL) == LC_OK);
  child grandchild = start(in_the_grandchild, &(inherited){ from->path, store, from->rules });
  CHECK(succeeds(&grandchild));
  end(&grandchild);
  CHECK(category_of(store, "Acme") == CUSTOMER);
  lc_store_close(store);
}

static void test_fork(void) {
  lc_rules rules = { NULL, 0 };
  inherited from = { new_path(), NULL, &rules };
  from.store = open_store(from.path, 16 * MIB);
  CHECK(save(from.store, 0) == LC_OK);
  CHECK(create(from.store, "Acme") == LC_OK && create(from.store, "Bolt") == LC_OK);
  CHECK(lc_store_refresh(from.store, tenant, &rules, NULL) == LC_OK);
  CHECK(lc_rules_fresh(&rules, lc_store_watch(from.store)));

  child c = start(in_the_child, &from);
  CHECK(succeeds(&c));
  CHECK(!lc_rules_fresh(&rules, lc_store_watch(from.store)));
  CHECK(lc_store_refresh(from.store, tenant, &rules, NULL) == LC_OK && rules.ruleset->revision == 2);
  CHECK(category_of(from.store, "Acme") == CUSTOMER);
  CHECK(write_one(from.store, "Bolt", "parent", LC_ENTRY_UPDATED, NULL) == LC_OK);
  CHECK(write_one(from.store, "Acme", "child", LC_ENTRY_UPDATED, NULL) == LC_CONFLICT); /* seen */
  end(&c);
  CHECK(count_entries(from.store) == 2);

  c = start(in_between, &from);
  CHECK(succeeds(&c));
  end(&c);
  CHECK(category_of(from.store, "Bolt") == CUSTOMER);
  lc_rules_free(&rules);
  lc_store_close(from.store);
}

/* ---- a saver that is killed -------------------------------------------------------------- */

static bool dies; /* at the end of its next commit */

/* In the place of the system's: with the head of the file, which is smaller than a page, a commit of LMDB ends. */
__attribute__((visibility("default"))) ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
  ssize_t written = syscall(SYS_pwrite64, file, data, size, at);
  if (dies && size < 512)
    raise(SIGKILL);
  return written;
}

static void save_and_die(void *path) {
  lc_store *store = open_store(path, 16 * MIB);
  dies = true;
  save(store, 1);
}

/* What it has saved is on disk, and is seen by the others once they have looked for the dead. */
static void test_killed_saver(void) {
  const char *path = new_path();
  lc_store *store = open_store(path, 16 * MIB);
  const lc_watch *watch = lc_store_watch(store);
  lc_rules rules = { NULL, 0 };
  unsigned freed;
  CHECK(save(store, 0) == LC_OK && lc_store_refresh(store, tenant, &rules, NULL) == LC_OK);
  child c = start(save_and_die, (void *)(uintptr_t)path);
  CHECK(!succeeds(&c));
  end(&c);
  CHECK(lc_store_refresh(store, tenant, &rules, NULL) == LC_OK && !lc_rules_fresh(&rules, watch));
  CHECK(lc_store_check_readers(store, &freed, NULL) == LC_OK);
  CHECK(lc_store_refresh(store, tenant, &rules, NULL) == LC_OK && lc_rules_fresh(&rules, watch));
  CHECK(rules.ruleset->revision == 2);
  lc_rules_free(&rules);
  lc_store_close(store);
}

/* ---- cursors ----------------------------------------------------------------------------- */

static bool is_noted(lc_store *store, const char *text) {
  if (lc_store_cursor(store, tenant, text_of("run"), NULL) != LC_OK)
    return text == NULL;
  lc_text found = lc_store_result(store);
  return text != NULL && found.size == strlen(text) && memcmp(found.data, text, found.size) == 0;
}

static lc_status write_noted(lc_store *store, lc_write *writes, size_t count, const char *before, const char *text) {
  const lc_cursor cursor = { text_of("run"), text_of(before), text_of(text), false };
  return lc_store_write(store, tenant, writes, count, &cursor, now, 30, NULL);
}

/* A cursor goes in with what is written, all of it or nothing, and only behind the cursor that was there. */
static void test_notes(void) {
  lc_store *store = open_store(new_path(), 64 * MIB);
  lc_write writes[] = { change_of("Acme"), change_of("Bolt") };
  CHECK(create(store, "Acme") == LC_OK && create(store, "Bolt") == LC_OK);
  CHECK(is_noted(store, NULL));
  CHECK(write_noted(store, NULL, 0, "", "{1}") == LC_OK && is_noted(store, "{1}"));
  CHECK(write_noted(store, NULL, 0, "", "{2}") == LC_CONFLICT && is_noted(store, "{1}"));
  CHECK(write_noted(store, writes, 1, "{0}", "{2}") == LC_CONFLICT && count_entries(store) == 0);
  CHECK(write_noted(store, writes, 1, "{1}", "{2}") == LC_OK && count_entries(store) == 1 && is_noted(store, "{2}"));

  CHECK(write_noted(store, writes, 2, "{2}", "{3}") == LC_CONFLICT); /* the first is overtaken by itself */
  CHECK(count_entries(store) == 1 && is_noted(store, "{2}") && category_of(store, "Bolt") == LEAD);
  CHECK(write_noted(store, writes + 1, 1, "{2}", "{3}") == LC_OK && category_of(store, "Bolt") == CUSTOMER);
  CHECK(lc_store_cursor(store, text_of("north"), text_of("run"), NULL) == LC_NOT_FOUND);
  lc_store_close(store);
}

/* ---- threads ----------------------------------------------------------------------------- */

typedef struct worker {
  pthread_t thread;
  const char *path;
  int number, events;
} worker;

static void write_batch(lc_store *store, int number, int first) {
  char companies[BATCH][32], ids[BATCH][32];
  lc_company created[BATCH];
  lc_case cases[BATCH];
  const lc_handling how = how_for(true);
  size_t count;
  for (int i = 0; i < BATCH; i++) {
    snprintf(companies[i], sizeof companies[i], "company %d.%d", number, first + i);
    snprintf(ids[i], sizeof ids[i], "event %d.%d", number, first + i);
    created[i] = company_of(companies[i]);
    cases[i] = won(companies[i], ids[i]);
  }
  CHECK(lc_store_create(store, tenant, created, BATCH, LEAD, &count, NULL) == LC_OK && count == BATCH);
  CHECK(handle(store, &how, cases, BATCH, NULL) == LC_OK);
  for (int i = 0; i < BATCH; i++) {
    lc_entry entry;
    CHECK(cases[i].state == LC_WRITTEN && cases[i].entry.status == LC_ENTRY_UPDATED);
    CHECK(category_of(store, companies[i]) == CUSTOMER);
    CHECK(lc_store_seen(store, tenant, text_of(ids[i]), NULL) == LC_OK);
    lc_text packed = lc_store_result(store);
    CHECK(lc_entry_unpack(packed.data, packed.size, &entry, NULL) == LC_OK && entry.id == cases[i].entry.id);
  }
}

static void *work(void *argument) {
  const worker *w = argument;
  lc_store *store = open_store(w->path, 64 * MIB);
  for (int i = 0; i < w->events; i += BATCH) {
    write_batch(store, w->number, i);
    if (i % 64 == 0) { /* the last one to close a path closes its files; the next one opens them anew */
      lc_store_close(store);
      store = open_store(w->path, 64 * MIB);
    }
  }
  lc_store_close(store);
  return NULL;
}

static void test_threads(void) {
  worker workers[THREADS];
  const char *path = new_path_with_rules();
  int events = times(2000);
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){ .path = path, .number = i, .events = events };
    CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++)
    pthread_join(workers[i].thread, NULL);
  lc_store *store = open_store(path, 64 * MIB);
  CHECK(count_entries(store) == THREADS * events);
  lc_store_close(store);
}

/* ---- claims ------------------------------------------------------------------------------ */

static const double claim_seconds = 30;

static void claim_acme(void *argument) {
  lc_store *store = open_store(argument, 16 * MIB);
  CHECK(write_one(store, "Acme", "e1", LC_ENTRY_APPLYING, NULL) == LC_OK);
}

/* What claiming gives, and the entry that it is. */
static lc_status claim(lc_store *store, uint64_t *entry) {
  lc_company company = company_of("Acme");
  lc_claim taken = { 0 };
  lc_status status = lc_store_claim(store, tenant, &company, false, claim_seconds, &taken, NULL);
  *entry = taken.entry;
  return status;
}

static bool finish(lc_store *store, uint64_t entry, lc_entry_status status, bool by_host) {
  lc_finish end_of = { .entry = entry, .company = company_of("Acme"), .status = status, .made = by_host };
  CHECK(lc_store_finish(store, tenant, &end_of, 1, 0, NULL) == LC_OK);
  return !end_of.lost;
}

static void test_claims(void) {
  const char *path = new_path_with_rules();
  uint64_t entry, same;
  lc_store *store = open_store(path, 16 * MIB), *other = open_store(path, 16 * MIB);
  CHECK(claim(store, &entry) == LC_NOT_FOUND);

  /* Its owner lives: it is his, until his time is over. */
  child c = start(claim_acme, (void *)(uintptr_t)path);
  CHECK(succeeds(&c));
  CHECK(claim(store, &entry) == LC_CONFLICT && entry != 0);
  CHECK(write_one(store, "Acme", "e2", LC_ENTRY_APPLYING, NULL) == LC_CONFLICT); /* busy */
  CHECK(!finish(store, entry, LC_ENTRY_UPDATED, false));

  /* He is killed: it may be taken at once, and then it is the taker's. */
  end(&c);
  CHECK(claim(store, &same) == LC_OK && same == entry);
  CHECK(claim(store, &same) == LC_CONFLICT); /* alive, we ourselves too */
  CHECK(claim(other, &same) == LC_CONFLICT); /* another owner in this process */
  CHECK(!finish(other, entry, LC_ENTRY_UPDATED, false));

  /* His time is over, by a clock that nobody sets. */
  lc_uptime_forward(claim_seconds + 1);
  CHECK(claim(other, &same) == LC_OK && same == entry);
  CHECK(!finish(store, entry, LC_ENTRY_UPDATED, false));
  CHECK(finish(other, entry, LC_ENTRY_UPDATED, false));
  CHECK(claim(store, &same) == LC_NOT_FOUND);
  CHECK(!finish(other, entry, LC_ENTRY_FAILED, false));

  /* An owner that closes its store gives up its claims. */
  CHECK(write_one(other, "Acme", "e3", LC_ENTRY_APPLYING, &entry) == LC_OK);
  CHECK(claim(store, &same) == LC_CONFLICT);
  lc_store_close(other);
  CHECK(claim(store, &same) == LC_OK && same == entry);
  CHECK(finish(store, entry, LC_ENTRY_CONFLICT, false));
  CHECK(count_entries(store) == 2);
  lc_store_close(store);
}

static lc_entry entry_of(lc_store *store, uint64_t id) {
  lc_entry entry = { .id = 0 };
  CHECK(lc_store_entry(store, tenant, id, NULL) == LC_OK);
  lc_text packed = lc_store_result(store);
  CHECK(lc_entry_unpack(packed.data, packed.size, &entry, NULL) == LC_OK);
  return entry;
}

/* What the host has made counts, also when another store has taken the change over and ended it otherwise. */
static void test_late_ends(void) {
  const char *path = new_path_with_rules();
  uint64_t entry, same, newer;
  lc_store *store = open_store(path, 16 * MIB), *other = open_store(path, 16 * MIB);

  CHECK(write_one(store, "Acme", "e1", LC_ENTRY_APPLYING, &entry) == LC_OK);
  lc_uptime_forward(claim_seconds + 1);
  CHECK(claim(other, &same) == LC_OK && same == entry);
  CHECK(finish(store, entry, LC_ENTRY_UPDATED, true)); /* the other one has not ended it yet */
  CHECK(!finish(other, entry, LC_ENTRY_CONFLICT, false));
  CHECK(entry_of(store, entry).status == LC_ENTRY_UPDATED && entry_of(store, entry).error.size == 0);

  CHECK(write_one(store, "Acme", "e2", LC_ENTRY_APPLYING, &entry) == LC_OK);
  lc_uptime_forward(claim_seconds + 1);
  CHECK(claim(other, &same) == LC_OK && finish(other, entry, LC_ENTRY_CONFLICT, false));
  CHECK(!finish(store, entry, LC_ENTRY_UPDATED, true));
  CHECK(entry_of(store, entry).status == LC_ENTRY_UPDATED && entry_of(store, entry).error.size != 0);

  CHECK(write_one(store, "Acme", "e3", LC_ENTRY_APPLYING, &entry) == LC_OK);
  lc_uptime_forward(claim_seconds + 1);
  CHECK(claim(other, &same) == LC_OK && finish(other, entry, LC_ENTRY_UPDATED, false));
  CHECK(!finish(store, entry, LC_ENTRY_UPDATED, true));
  CHECK(entry_of(store, entry).error.size == 0); /* it found what this one had made */
  CHECK(write_one(other, "Acme", "e4", LC_ENTRY_APPLYING, &newer) == LC_OK);
  CHECK(!finish(store, entry, LC_ENTRY_UPDATED, true));
  CHECK(entry_of(store, entry).error.size != 0); /* the newer one may have been overwritten */
  lc_store_close(other);
  lc_store_close(store);
}

/* ---- a process with a larger map --------------------------------------------------------- */

enum { LARGE = 300, DETAILS = 20000 };

static void grow(void *argument) {
  static char details[DETAILS];
  const lc_handling how = how_for(false);
  lc_store *store = open_store(argument, 32 * MIB);
  for (int i = 0; i < LARGE; i++) {
    char company[32];
    snprintf(company, sizeof company, "grown %d", i);
    lc_case c = won(company, company);
    c.entry.details = (lc_text){ details, sizeof details };
    CHECK(handle(store, &how, &c, 1, NULL) == LC_OK && c.state == LC_WRITTEN);
  }
  lc_store_close(store);
}

static atomic_bool grown;

/* Reads and writes while the file outgrows this process's map. */
static void *go_on(void *argument) {
  const worker *w = argument;
  lc_store *store = open_store(w->path, MIB);
  int written = 0;
  for (bool last = false; !last; written++) {
    char company[32];
    last = grown;
    snprintf(company, sizeof company, "small %d.%d", w->number, written);
    lc_status status;
    while ((status = create(store, company)) == LC_FULL) /* at the end of its own map, until the file is larger */
      ;
    CHECK(status == LC_OK);
    while ((status = write_one(store, company, company, LC_ENTRY_UPDATED, NULL)) == LC_FULL)
      ;
    CHECK(status == LC_OK);
    CHECK(category_of(store, company) == CUSTOMER);
  }
  lc_store_close(store);
  return (void *)(intptr_t)written;
}

static void test_growth(void) {
  const char *path = new_path_with_rules();
  worker workers[4];
  void *written;
  int expected = LARGE;
  lc_store_stats before, after;
  lc_store *store = open_store(path, MIB);
  CHECK(create(store, "Acme") == LC_OK && category_of(store, "Acme") == LEAD);
  CHECK(lc_store_stat(store, &before, NULL) == LC_OK);
  child c = start(grow, (void *)(uintptr_t)path);
  for (int i = 0; i < 4; i++) {
    workers[i] = (worker){ .path = path, .number = i };
    CHECK(pthread_create(&workers[i].thread, NULL, go_on, &workers[i]) == 0);
  }
  CHECK(succeeds(&c));
  grown = true;
  for (int i = 0; i < 4; i++) {
    pthread_join(workers[i].thread, &written);
    expected += (int)(intptr_t)written;
  }
  CHECK(category_of(store, "Acme") == LEAD);
  CHECK(write_one(store, "Acme", "e1", LC_ENTRY_UPDATED, NULL) == LC_OK);
  CHECK(count_entries(store) == expected + 1);
  CHECK(lc_store_stat(store, &after, NULL) == LC_OK);
  CHECK(before.map_size[0] == MIB && before.map_size[1] == MIB && after.map_used[1] > LARGE * DETAILS);
  CHECK(after.map_size[0] == 32 * MIB && after.map_size[1] == 32 * MIB); /* the last to ask decides */
  end(&c);
  lc_store_close(store);
}

/* ---- a full store ------------------------------------------------------------------------ */

static const lc_retention keep_ten = { .count = 10 };

static lc_status note(lc_store *store, const char *company) {
  lc_entry entry = change_of(company).entry;
  entry.status = LC_ENTRY_UNCHANGED;
  return lc_store_add_unchanged(store, tenant, &entry, 1, now, NULL);
}

static uint64_t fill(lc_store *store) {
  uint64_t noted = 0;
  lc_status status;
  for (char company[32];; noted++) {
    snprintf(company, sizeof company, "%llu", (unsigned long long)noted * 7919 % 10007);
    if ((status = note(store, company)) != LC_OK)
      break;
  }
  CHECK(status == LC_FULL);
  return noted;
}

/* Fills the store, then removes from it until nothing is left to remove, or there is no room to. */
static lc_status fill_and_trim(lc_store *store) {
  uint64_t from = 0;
  size_t removed;
  lc_status status;
  fill(store);
  do
    status = lc_store_trim_unchanged(store, tenant, &keep_ten, now, &from, &removed, NULL);
  while (status == LC_OK && from != 0);
  return status;
}

static void read_for_ever(void *argument) {
  lc_store *store = open_store(argument, MIB);
  CHECK(lc_env_read(store->env, LC_PART_JOURNAL, &store->readers[LC_PART_JOURNAL], NULL) == LC_OK);
}

/* Sets the limit without asking whether it fits. */
static void force_limit(lc_store *store, uint64_t limit) {
  MDB_txn *txn;
  lc_key key = { .size = 0 };
  uint64_t sealed = lc_seal_count(limit);
  lc_key_add_bytes(&key, "map_size", 8);
  CHECK(lc_begin_write(store, LC_PART_JOURNAL, &txn, NULL) == LC_OK);
  CHECK(lc_put(store, txn, LC_TABLE_META, &key, &sealed, sizeof sealed) == 0);
  CHECK(lc_env_commit(store->env, LC_PART_JOURNAL, txn, NULL) == LC_OK);
}

/* The list of free pages is in use, too, so there may be more in use than the limit. Then removing a little, which gives no whole
 * page, must do all the same. */
static void test_beyond_the_limit(void) {
  lc_store *store = open_store(new_path_with_rules(), MIB);
  CHECK(fill_and_trim(store) == LC_OK);
  uint64_t filled = fill(store) + keep_ten.count;
  force_limit(store, MIB - 64 * 1024);
  for (uint64_t count = filled - 1, last = count - 20; count > last; count--) {
    uint64_t from = 0;
    size_t removed = 0;
    lc_retention keep = { .count = count };
    CHECK(lc_store_trim_unchanged(store, tenant, &keep, now, &from, &removed, NULL) == LC_OK && removed == 1);
  }
  CHECK(note(store, "more") == LC_FULL);
  lc_store_close(store);
}

/* A reader keeps all that is removed from being used again: then the file does not grow beyond the reserve. */
static void test_full_with_a_reader(void) {
  const char *path = new_path_with_rules();
  lc_store_stats stats;
  lc_store *store = open_store(path, MIB);
  CHECK(fill_and_trim(store) == LC_OK);
  CHECK(fill_and_trim(store) == LC_OK);
  child c = start(read_for_ever, (void *)(uintptr_t)path);
  CHECK(succeeds(&c));
  lc_status status = LC_OK;
  for (int i = 0; i < 10; i++)
    status = fill_and_trim(store);
  CHECK(status == LC_FULL);
  CHECK(lc_store_stat(store, &stats, NULL) == LC_OK);
  CHECK(stats.map_size[1] == MIB && stats.map_used[1] <= 3 * MIB && stats.behind[1] > 0);
  end(&c);
  CHECK(fill_and_trim(store) == LC_OK);
  CHECK(note(store, "last") == LC_OK);
  lc_store_close(store);
}

/* ---- reader slots ------------------------------------------------------------------------ */

static void take_slots(void *argument) {
  lc_store *store = open_with(argument, &(lc_store_options){ .map_size = MIB, .max_readers = 3 });
  CHECK(category_of(store, "Acme") == LEAD);
}

static void test_readers(void) {
  const char *path = new_path();
  const lc_store_options three = { .map_size = MIB, .max_readers = 3 };
  lc_error error = { "" };
  int32_t category;
  lc_company company = company_of("Acme");
  lc_store *stores[4];
  for (int i = 0; i < 4; i++)
    stores[i] = open_with(path, &three);
  CHECK(create(stores[0], "Acme") == LC_OK && category_of(stores[0], "Acme") == LEAD);
  child c = start(take_slots, (void *)(uintptr_t)path);
  CHECK(succeeds(&c));
  CHECK(category_of(stores[1], "Acme") == LEAD); /* the third slot */
  CHECK(lc_store_company(stores[2], tenant, &company, &category, &error) == LC_UNAVAILABLE);
  CHECK(error.message[0] != '\0');
  end(&c);
  CHECK(category_of(stores[2], "Acme") == LEAD); /* the slot of the dead is found */
  CHECK(lc_store_company(stores[3], tenant, &company, &category, NULL) == LC_UNAVAILABLE);
  lc_store_close(stores[0]);
  CHECK(category_of(stores[3], "Acme") == LEAD);
  for (int i = 1; i < 4; i++)
    lc_store_close(stores[i]);
}

/* The byte of the reason was 0 before there were reasons. */
static void test_reasons(void) {
  enum { REASON_AT = 68 };
  unsigned char bytes[128] = { 0 };
  lc_entry entry = change_of("Acme").entry, read;
  size_t size = lc_entry_size(&entry);
  lc_entry_pack(&entry, bytes);
  CHECK(bytes[REASON_AT] == 0 && lc_entry_unpack(bytes, size, &read, NULL) == LC_OK && read.reason == LC_ENTRY_MATCHED);
  entry.reason = LC_ENTRY_VETOED;
  lc_entry_pack(&entry, bytes);
  CHECK(bytes[REASON_AT] != 0 && lc_entry_unpack(bytes, size, &read, NULL) == LC_OK && read.reason == LC_ENTRY_VETOED);
  bytes[REASON_AT] = LC_ENTRY_REASONS;
  CHECK(lc_entry_unpack(bytes, size, &read, NULL) == LC_CORRUPT);
}

int main(void) {
  char command[128];
  alarm(300);
  if (mkdtemp(directory) == NULL)
    return 1;
  TEST(test_fork());
  TEST(test_killed_saver());
  TEST(test_notes());
  TEST(test_threads());
  TEST(test_claims());
  TEST(test_late_ends());
  TEST(test_growth());
  TEST(test_beyond_the_limit());
  TEST(test_full_with_a_reader());
  TEST(test_readers());
  TEST(test_reasons());
  snprintf(command, sizeof command, "rm -rf %s", directory);
  TEST(CHECK(system(command) == 0));
  return report();
}
