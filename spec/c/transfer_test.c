/* What a shared store needs of the core, while every allocation fails in turn: a store of one machine is read table by table and put
 * into an empty one, there and back; a node's rules are mirrored; and a world in memory is decided in. Whatever meets the failure says
 * LC_UNAVAILABLE and has changed nothing: done once more it succeeds. In the end every record is what it was, and nothing leaks. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "failing.h"
#include "files.h"
#include "handle.h"
#include "rules/decide.h"
#include "store/layout.h"
#include "store/mirror.h"
#include "store/scratch.h"
#include "store/transfer.h"

enum { LEAD = 1, CUSTOMER = 2, ROWS = 160, KEY = 512, VALUE = 1024 };

static const lc_text tenant = { "crm", 3 };
static const double now = 1700000000;
static const lc_store_options plain = { .map_size = 16 << 20 };
static const lc_store_options moves = { .map_size = 16 << 20, .moves = true };
static const lc_store_options mirrors = { .map_size = 16 << 20, .shared = true };
static const lc_category categories[] = { { .id = LEAD, .group = LC_POTENTIAL_CUSTOMER }, { .id = CUSTOMER, .group = LC_CUSTOMER } };
static const lc_rule rules[] = { { .trigger = LC_SALE_WON, .to = CUSTOMER }, { .trigger = LC_SALE_REGISTERED, .to = CUSTOMER, .ask = true } };
static const lc_config config = { .revision = 1, .categories = categories, .category_count = 2, .rules = rules, .rule_count = 2 };

/* ---- records ----------------------------------------------------------------------------- */

/* The tables whose records are put; the others follow from them. */
static const lc_table moved[] = {
  LC_TABLE_JOURNAL, LC_TABLE_CONFIRMATIONS, LC_TABLE_APPLYING, LC_TABLE_COMPANIES, LC_TABLE_UNCHANGED, LC_TABLE_NOTES, LC_TABLE_CHANGES,
  LC_TABLE_DAILY, LC_TABLE_DELIVERIES,
};
static const lc_table derived[] = {
  LC_TABLE_BY_COMPANY, LC_TABLE_SEEN, LC_TABLE_QUESTIONS, LC_TABLE_EXPIRING, LC_TABLE_DELIVERED, LC_TABLE_WAITING,
};

typedef struct row {
  lc_table table;
  size_t key_size, value_size;
  char key[KEY], value[VALUE];
} row;

typedef struct rows {
  size_t count;
  row list[ROWS];
} rows;

static lc_text key_of(const row *r) { return (lc_text){ r->key, r->key_size }; }
static lc_text value_of(const row *r) { return (lc_text){ r->value, r->value_size }; }

static bool keep(rows *all, lc_table table, lc_text key, lc_text value) {
  if (!CHECK(all->count < ROWS && key.size <= KEY && value.size <= VALUE))
    return false;
  row *r = &all->list[all->count++];
  *r = (row){ .table = table, .key_size = key.size, .value_size = value.size };
  memcpy(r->key, key.data, key.size);
  memcpy(r->value, value.data, value.size);
  return true;
}

static lc_status read_table(lc_store *store, lc_table table, rows *all, lc_error *error) {
  lc_text after = { NULL, 0 }, list, key, value;
  uint64_t count = 0;
  size_t before = all->count;
  for (;;) {
    lc_status status = lc_transfer_page(store, (int)table, after, error);
    if (status != LC_OK)
      return status;
    list = lc_store_result(store);
    if (list.size == 0)
      break;
    while (lc_list_next(&list, &key) && lc_list_next(&list, &value))
      if (!keep(all, table, key, value))
        return LC_OK;
    after = key_of(&all->list[all->count - 1]);
  }
  lc_status status = lc_transfer_count(store, (int)table, &count, error);
  CHECK(status != LC_OK || count == all->count - before);
  return status;
}

static lc_status read_tables(lc_store *store, const lc_table *tables, size_t count, rows *all, lc_error *error) {
  lc_status status = LC_OK;
  all->count = 0;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = read_table(store, tables[i], all, error);
  return status;
}

/* All rows of both, with what may differ taken off: whose a claim is, and when it is over. */
static bool same(rows *a, rows *b) {
  if (a->count != b->count)
    return false;
  for (size_t i = 0; i < a->count; i++) {
    row *x = &a->list[i], *y = &b->list[i];
    if (x->table != y->table || x->key_size != y->key_size || memcmp(x->key, y->key, x->key_size) != 0)
      return false;
    if (x->table != LC_TABLE_APPLYING && (x->value_size != y->value_size || memcmp(x->value, y->value, x->value_size) != 0))
      return false;
  }
  return true;
}

/* ---- putting ----------------------------------------------------------------------------- */

/* The name behind its size. */
static lc_text name_in(lc_text rest) {
  return (lc_text){ rest.data + 1, rest.size - 1 };
}

static uint64_t number_in(lc_text rest) {
  uint64_t number = 0;
  for (size_t i = 0; i < rest.size; i++)
    number = number << 8 | (unsigned char)rest.data[i];
  return number;
}

static lc_status put_company(lc_store *from, lc_store *to, const row *r, lc_text rest, lc_error *error) {
  lc_scratch_company company = { .company = { name_in(rest), false } };
  if (r->table == LC_TABLE_COMPANIES) {
    company.is_kept = true;
    memcpy(&company.kept, r->value, sizeof company.kept);
  } else {
    memcpy(&company.claim, r->value, sizeof company.claim);
    lc_transfer_free_claim(from, &company.claim);
  }
  return lc_scratch_put_company(to, &company, error);
}

static lc_status put_daily(lc_store *to, const row *r, lc_text rest, lc_error *error) {
  const lc_text none = { NULL, 0 };
  lc_daily_head head;
  uint64_t count = 0;
  if (r->value_size == sizeof head) {
    memcpy(&head, r->value, sizeof head);
    return lc_transfer_put_daily(to, none, 0, &head, error);
  }
  memcpy(&count, r->value, sizeof count);
  return lc_transfer_put_daily(to, rest, count, NULL, error);
}

static lc_status put_row(lc_store *from, lc_store *to, const row *r, lc_error *error) {
  lc_text rest = key_of(r), of;
  lc_entry entry;
  lc_done change;
  lc_delivery delivery;
  CHECK(lc_transfer_tenant(&rest, &of) && of.size == tenant.size);
  switch (r->table) {
    case LC_TABLE_JOURNAL: case LC_TABLE_UNCHANGED:
      CHECK(lc_entry_unpack(r->value, r->value_size, &entry, NULL) == LC_OK);
      return lc_transfer_put_entry(to, r->table == LC_TABLE_UNCHANGED, value_of(r), lc_transfer_is_seen(from, tenant, &entry), error);
    case LC_TABLE_CONFIRMATIONS:
      return lc_scratch_put_question(to, value_of(r), error);
    case LC_TABLE_APPLYING: case LC_TABLE_COMPANIES:
      return put_company(from, to, r, rest, error);
    case LC_TABLE_NOTES:
      return lc_scratch_put_cursor(to, name_in(rest), value_of(r), error);
    case LC_TABLE_CHANGES:
      CHECK(lc_transfer_change(value_of(r), &change));
      change.number = number_in(rest);
      return lc_transfer_put_change(to, &change, error);
    case LC_TABLE_DELIVERIES:
      CHECK(lc_delivery_unpack(r->value, r->value_size, &delivery, NULL) == LC_OK);
      return lc_transfer_put_delivery(to, &delivery, error);
    default:
      return put_daily(to, r, rest, error);
  }
}

/* ---- the script -------------------------------------------------------------------------- */

typedef struct run {
  const char *path[4]; /* of the store, two that it moves into, and a node's */
  lc_store *from, *to, *node;
  rows before, behind;
  const char *mark;
} run;

static run r;

/* A store in which something of each table is. */
static void make_source(const char *path) {
  lc_store *store = NULL;
  const lc_handling how = { .tenant = tenant, .now = now, .keeps_companies = true, .claim = 30, .ttl = 100, .look = true };
  lc_company companies[] = { company_of("Acme"), company_of("Bolt"), company_of("Cora") };
  lc_case cases[] = {
    case_of(LC_SALE_WON, "Acme", "e1", now), case_of(LC_SALE_REGISTERED, "Bolt", "e2", now), case_of(LC_SALE_LOST, "Cora", "e3", now),
  };
  const lc_cursor cursor = { text_of("feed"), { NULL, 0 }, text_of("{}"), false };
  lc_handling elsewhere = how, with_cursor = how;
  lc_delivery delivery = { .hook = text_of("hook"), .sender_id = text_of("d1"), .about = text_of("{}"), .body = text_of("body") };
  size_t created, first;
  bool is_new;
  CHECK(lc_store_open(path, &plain, &store, NULL) == LC_OK && save_config(store, tenant, &config, NULL) == LC_OK);
  CHECK(lc_store_create(store, tenant, companies, 3, LEAD, &created, NULL) == LC_OK);
  CHECK(handle(store, &how, cases, 3, NULL) == LC_OK && cases[0].state == LC_WRITTEN);
  if (cases[1].state == LC_LACKING) { /* guards let it pass */
    pass(&cases[1], cases[1].entry.to, false);
    CHECK(handle(store, &how, cases, 3, NULL) == LC_OK);
  }
  lc_case applying = case_of(LC_SALE_WON, "Dune", "e4", now), last = case_of(LC_SALE_WON, "Cora", "e5", now);
  elsewhere.keeps_companies = false;
  applying.is_known = true;
  applying.category = LEAD;
  CHECK(handle(store, &elsewhere, &applying, 1, NULL) == LC_OK && applying.state == LC_WRITTEN);
  with_cursor.foresee = true;
  CHECK(lc_store_look(store, &with_cursor, &last, 1, &first, NULL) == LC_OK);
  with_cursor.foresee = false;
  with_cursor.cursor = &cursor;
  with_cursor.digest = lc_digest(&last, 1);
  CHECK(handle(store, &with_cursor, &last, 1, NULL) == LC_OK && last.state == LC_WRITTEN);
  CHECK(lc_store_put_delivery(store, tenant, &delivery, now, 10, &is_new, NULL) == LC_OK && is_new);
  lc_store_close(store);
}

static lc_status open_from(lc_error *error) { return lc_store_open(r.path[0], &moves, &r.from, error); }
static lc_status open_to(lc_error *error) { return lc_store_open(r.path[1], &moves, &r.to, error); }

static lc_status read_all(lc_error *error) {
  return read_tables(r.from, moved, sizeof moved / sizeof *moved, &r.before, error);
}

/* All in one transaction, or nothing. */
static lc_status put_all(lc_error *error) {
  lc_status status = lc_transfer_begin(r.to, tenant, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < r.before.count && status == LC_OK; i++)
    status = put_row(r.from, r.to, &r.before.list[i], error);
  return lc_transfer_end(r.to, now, status, error);
}

static lc_status finish(lc_error *error) {
  lc_epoch epoch = { 0, "abcdefghij" };
  const lc_epochs epochs = { &epoch, 1 };
  return lc_transfer_finish(r.to, &epochs, (uint64_t)1 << 51, now, error);
}

/* Everybody but who moves it is refused. */
static lc_status mark_away(lc_error *error) {
  lc_error why;
  lc_status status = lc_transfer_mark(r.from, text_of("fled\nthe store has gone"), error);
  if (status == LC_OK)
    status = lc_transfer_get_mark(r.from, error);
  if (status == LC_OK)
    CHECK(lc_store_result(r.from).size == strlen("fled\nthe store has gone"));
  if (status != LC_OK)
    return status;
  status = lc_transfer_check(r.from, &why);
  CHECK(status == LC_CONFLICT || status == LC_UNAVAILABLE);
  if (status == LC_CONFLICT)
    CHECK(strcmp(why.message, "the store has gone") == 0);
  else
    *error = why;
  return status == LC_CONFLICT ? LC_OK : status;
}

static lc_status unmark(lc_error *error) {
  return lc_transfer_mark(r.from, (lc_text){ NULL, 0 }, error);
}

/* Once it has moved, it moves again: from where it is now into the next directory. */
static lc_status turn_round(lc_error *error) {
  lc_store_close(r.from);
  lc_store_close(r.to);
  r.from = r.to = NULL;
  r.path[0] = r.path[1];
  r.path[1] = r.path[2];
  return open_from(error);
}

static lc_status reopen_from(lc_error *error) { return r.from != NULL ? LC_OK : open_from(error); }

static lc_status open_node(lc_error *error) { return lc_store_open(r.path[3], &mirrors, &r.node, error); }

static lc_status mirror(lc_error *error) {
  static _Alignas(uint64_t) char memory[1024];
  size_t size = lc_ruleset_size(&config);
  bool holds = false;
  CHECK(size <= sizeof memory && lc_ruleset_build(&config, memory, size, NULL) == LC_OK);
  const lc_mirrored of = { tenant, 1, { memory, size }, text_of("{}"), text_of("{}") }, gone = { text_of("other"), 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
  const lc_mirrored configs[] = { of, gone };
  const lc_declared trigger = { text_of("contract_expired"), text_of("{}") };
  lc_status status = lc_store_mirror(r.node, configs, 2, true, &trigger, 1, text_of("1 2 a"), error);
  if (status == LC_OK)
    status = lc_store_mirror_state(r.node, error);
  if (status == LC_OK && CHECK(lc_store_result(r.node).size == 5))
    status = lc_store_holds(r.node, &holds, error);
  CHECK(status != LC_OK || holds);
  return status;
}

static lc_status count_record(void *context, lc_text record, lc_error *error) {
  (void)error;
  *(size_t *)context += record.size != 0;
  return LC_OK;
}

typedef lc_status each(lc_store *store, lc_scratch_take *take, void *context, lc_error *error);

/* How many records are there of a kind. */
static size_t count(each *of, lc_status *status, lc_error *error) {
  size_t found = 0;
  if (*status == LC_OK)
    *status = of(r.node, count_record, &found, error);
  return found;
}

static lc_status put_world(lc_error *error) {
  lc_scratch_company acme = { .company = company_of("Acme"), .is_kept = true, .kept = { .category = LEAD } };
  lc_scratch_company dune = { .company = company_of("Dune"), .claim = { .entry = 7, .deadline = 5, .owner = 9 }, .scheduled = 8, .scheduled_at = 99 };
  lc_status status = lc_scratch_put_company(r.node, &acme, error);
  if (status == LC_OK)
    status = lc_scratch_put_company(r.node, &dune, error);
  for (size_t i = 0; i < r.before.count && status == LC_OK; i++) {
    const row *of = &r.before.list[i];
    if (of->table == LC_TABLE_JOURNAL)
      status = lc_scratch_put_entry(r.node, value_of(of), error);
    else if (of->table == LC_TABLE_CONFIRMATIONS)
      status = lc_scratch_put_question(r.node, value_of(of), error);
  }
  if (status == LC_OK)
    status = lc_scratch_put_seen(r.node, text_of("known"), 5, error);
  return status != LC_OK ? status : lc_scratch_put_cursor(r.node, text_of("feed"), text_of("{}"), error);
}

static lc_status decide_there(lc_error *error) {
  const lc_handling how = { .tenant = tenant, .now = now, .keeps_companies = true, .claim = 30, .ttl = 100, .look = true };
  const lc_company of = company_of("Acme"), claimed = company_of("Dune");
  lc_case cases[] = { case_of(LC_SALE_WON, "Acme", "new", now), case_of(LC_SALE_WON, "Acme", "known", now), case_of(LC_SALE_LOST, "Acme", "nothing", now) };
  lc_scratch_company company;
  lc_text mark;
  size_t entries = 0, questions = 0;
  for (size_t i = 0; i < r.before.count; i++) {
    entries += r.before.list[i].table == LC_TABLE_JOURNAL;
    questions += r.before.list[i].table == LC_TABLE_CONFIRMATIONS;
  }
  lc_status status = handle(r.node, &how, cases, 3, error);
  if (status != LC_OK)
    return status;
  CHECK(cases[0].state == LC_WRITTEN && cases[1].state == LC_DUPLICATE && cases[0].entry.id > (uint64_t)1 << 51);
  status = lc_scratch_get_company(r.node, &of, &company, error);
  if (status != LC_OK)
    return status;
  CHECK(company.is_kept && company.kept.category == CUSTOMER && company.newest == cases[0].entry.id);
  status = lc_scratch_get_company(r.node, &claimed, &company, error);
  if (status != LC_OK)
    return status;
  CHECK(company.claim.entry == 7 && !company.is_mine && company.claim.deadline > 0 && company.scheduled == 8 && company.scheduled_at == 99);
  CHECK(lc_scratch_is_seen_as(r.node, &cases[0].entry));
  size_t found = count(lc_scratch_entries, &status, error);
  CHECK(status != LC_OK || found == entries + 1);
  found = count(lc_scratch_questions, &status, error);
  CHECK(status != LC_OK || found == questions);
  found = count(lc_scratch_daily, &status, error);
  CHECK(status != LC_OK || found >= 1);
  CHECK(count(lc_scratch_unchanged, &status, error) == 0 && count(lc_scratch_limits, &status, error) == 0);
  if (status == LC_OK)
    status = lc_scratch_keep_mark(r.node, tenant, text_of("kept"), text_of("mark"), error);
  CHECK(status != LC_OK || (lc_scratch_find_mark(r.node, tenant, text_of("kept"), &mark) && mark.size == 4 && lc_scratch_marks_age(r.node) >= 0));
  return status;
}

/* Nothing of it is there afterwards; marks are dropped, or taken. */
static lc_status world(lc_error *error) {
  lc_text mark;
  lc_status status = lc_scratch_begin(r.node, tenant, (uint64_t)1 << 51, error);
  if (status == LC_OK)
    status = put_world(error);
  if (status == LC_OK)
    status = decide_there(error);
  lc_scratch_drop_marks(r.node);
  lc_scratch_end(r.node);
  CHECK(!lc_scratch_find_mark(r.node, tenant, text_of("kept"), &mark) && lc_scratch_marks_age(r.node) < 0);
  return status;
}

static lc_status take_marks(lc_error *error) {
  lc_status status = lc_scratch_keep_mark(r.node, tenant, text_of("kept"), text_of("mark"), error);
  size_t found = count(lc_scratch_marks, &status, error);
  CHECK(status != LC_OK || (found == 1 && lc_scratch_marks_age(r.node) < 0));
  return status;
}

static const struct {
  const char *name;
  lc_status (*call)(lc_error *error);
} script[] = {
  { "open", open_from }, { "mark", mark_away }, { "unmark", unmark }, { "read", read_all }, { "open the other", open_to },
  { "put", put_all }, { "finish", finish }, { "turn round", turn_round }, { "open it", reopen_from }, { "read it", read_all },
  { "open the next", open_to }, { "put again", put_all }, { "finish again", finish }, { "open a node", open_node }, { "mirror", mirror },
  { "a world", world }, { "marks", take_marks },
};

/* ---- running it -------------------------------------------------------------------------- */

/* Does one thing; once more when memory was short. */
static void step(size_t i, long nth) {
  lc_error error = { "" };
  bool met = has_failed;
  lc_status status = script[i].call(&error);
  met = has_failed && !met;
  if (met)
    left = -1;
  if (status == LC_OK)
    return;
  if (!CHECK(met && status == LC_UNAVAILABLE && strstr(error.message, "memory") != NULL))
    printf("allocation %ld, %s: %s: %s\n", nth, script[i].name, lc_status_code(status), error.message);
  if (script[i].call == turn_round)
    return; /* the next step opens it */
  status = script[i].call(&error);
  if (!CHECK(status == LC_OK))
    printf("allocation %ld, %s once more: %s\n", nth, script[i].name, error.message);
}

static void close_all(void) {
  lc_store *const stores[] = { r.from, r.to, r.node };
  for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
    if (stores[i] != NULL)
      lc_store_close(stores[i]);
  r.from = r.to = r.node = NULL;
}

/* What the first store and the last one have. */
static void compare(const char *first, const char *last, const lc_table *tables, size_t count_of, long nth) {
  lc_store *a = NULL, *b = NULL;
  CHECK(lc_store_open(first, &moves, &a, NULL) == LC_OK && lc_store_open(last, &moves, &b, NULL) == LC_OK);
  CHECK(read_tables(a, tables, count_of, &r.before, NULL) == LC_OK && read_tables(b, tables, count_of, &r.behind, NULL) == LC_OK);
  if (!CHECK(r.before.count > 0 && same(&r.before, &r.behind)))
    printf("allocation %ld: %zu records, and then %zu\n", nth, r.before.count, r.behind.count);
  lc_store_close(a);
  lc_store_close(b);
}

/* Runs the script while the allocation `nth` fails (0: none); whether there was one. */
static bool run_script(const char *source, long nth) {
  static char names[4][128];
  long used = in_use;
  int failed_before = checks_failed;
  r = (run){ .path = { source } };
  for (int i = 1; i < 4; i++) {
    snprintf(names[i], sizeof names[i], "%s/%ld.%d", files_directory, nth, i);
    r.path[i] = names[i];
  }
  left = nth > 0 ? nth : -1;
  has_failed = false;
  for (size_t i = 0; i < sizeof script / sizeof *script && checks_failed == failed_before; i++)
    step(i, nth);
  left = -1;
  close_all();
  CHECK(in_use == used);
  CHECK(files_open("config.mdb-lock") == 0 && files_open("journal.mdb-lock") == 0 && files_open("owners.lock") == 0);
  if (checks_failed == failed_before) {
    compare(source, names[2], moved, sizeof moved / sizeof *moved, nth);
    compare(source, names[2], derived, sizeof derived / sizeof *derived, nth);
  }
  for (int i = 1; i < 4; i++)
    files_remove(names[i]);
  return has_failed;
}

static long allocations;

/* Each allocation in turn; where everything is slow, some. */
static void test_failing(const char *source, bool all_that_follow) {
  int failed_before = checks_failed, stride = times(40) < 40 ? 37 : 1;
  long nth = 1;
  lasting = all_that_follow;
  while (run_script(source, nth) && checks_failed == failed_before)
    nth += stride;
  allocations = nth - 1;
}

/* What is damaged is told. */
static void test_damaged(void) {
  lc_text key = { "\3cr", 3 }, none = { NULL, 0 }, of;
  lc_done change;
  CHECK(!lc_transfer_tenant(&key, &of) && !lc_transfer_tenant(&none, &of) && !lc_transfer_change(text_of("short"), &change));
}

int main(void) {
  static char source[128];
  alarm(300);
  if (files_make("transfer") == NULL)
    return 1;
  snprintf(source, sizeof source, "%s/source", files_directory);
  TEST(make_source(source));
  TEST(CHECK(!run_script(source, 0)));
  TEST(test_failing(source, false));
  TEST(test_failing(source, true));
  TEST(test_damaged());
  printf("%ld allocations\n", allocations);
  TEST(CHECK(files_remove(files_directory) == 0));
  return report();
}
