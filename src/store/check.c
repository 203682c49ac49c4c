/* Looking for damage: reads every page and record, and follows what refers to another. A child process does it and writes
 * lines to its parent: `>` and the name of the table it reads, `!` and a problem, `?` and what it could not check, or the digits of
 * a status, `:`, and why nothing can be read. It writes nothing to the store. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "draft.h"
#include "identity.h"
#include "internal.h"
#include "store.h"

enum { MOST_PROBLEMS = 20 }; /* reported for each table; the rest is counted */

/* ---- the child: one record --------------------------------------------------------------- */

typedef struct checker {
  lc_env *env;
  MDB_txn *txn;
  FILE *out;
  const char *table;
  unsigned problems; /* in this table */
  lc_triggers triggers; /* own ones, as far as they can be read */
  lc_error error;
} checker;

typedef struct record {
  const checker *c;
  lc_key tenant;
  MDB_val rest; /* of the key, behind the tenant */
  MDB_val value;
} record;

static void problem(checker *c, const char *what) {
  if (c->problems++ < MOST_PROBLEMS)
    fprintf(c->out, "!%s: %s\n", c->table, what);
}

/* False: the key is damaged. */
static bool split_key(MDB_val key, record *r) {
  char *bytes = key.mv_data;
  size_t size = key.mv_size != 0 ? (unsigned char)bytes[0] : SIZE_MAX;
  if (size > LC_TENANT_MAX || key.mv_size < 1 + size)
    return false;
  r->tenant = lc_key_of((lc_text){ bytes + 1, size });
  r->rest = (MDB_val){ key.mv_size - 1 - size, bytes + 1 + size };
  return true;
}

static bool exists(const record *r, lc_table table, lc_key key, MDB_val *value) {
  MDB_val k = lc_key_value(&key);
  return !lc_env_lacks(r->c->env, table) && mdb_get(r->c->txn, lc_env_table(r->c->env, table), &k, value) == 0;
}

static bool entry_exists(const record *r, lc_table table, uint64_t id) {
  MDB_val value;
  return exists(r, table, lc_key_of_entry(&r->tenant, id), &value);
}

_Static_assert(offsetof(lc_claim, entry) == 0, "claims and seen-marks begin with the id of their entry");

static bool names_entry(const record *r) {
  uint64_t id;
  memcpy(&id, r->value.mv_data, sizeof id);
  return entry_exists(r, LC_TABLE_JOURNAL, id);
}

/* Whether the value is the id of a question in this state. */
static bool names_question(const record *r, int state) {
  lc_question question;
  MDB_val value;
  return r->value.mv_size == LC_QUESTION_ID_SIZE
      && exists(r, LC_TABLE_CONFIRMATIONS, lc_key_of_question(&r->tenant, r->value.mv_data), &value)
      && lc_question_unpack(value.mv_data, value.mv_size, &question, NULL) == LC_OK && (int)question.state == state;
}

static const char *check_ruleset(const record *r) {
  size_t size = r->value.mv_size;
  void *copy = malloc(size); /* aligned, as LMDB's values are not */
  if (copy == NULL)
    return "a packed ruleset is too large for the memory there is";
  memcpy(copy, r->value.mv_data, size);
  const lc_ruleset *ruleset = copy;
  bool older = size >= 2 * sizeof(uint32_t) && ruleset->magic == LC_RULESET_MAGIC && ruleset->version > 0
            && ruleset->version < LC_RULESET_VERSION; /* it is rebuilt when it is needed */
  bool sound = older || lc_ruleset_check(copy, size, NULL) == LC_OK;
  free(copy);
  return sound ? NULL : "a packed ruleset is damaged (it is made anew from its config when it is needed)";
}

/* Whether all brackets and strings of a JSON text are closed, the last one at its end, and all bytes may occur in JSON. */
static bool is_whole(const unsigned char *json, size_t size) {
  bool in_string = false;
  size_t depth = 0, i = 0;
  for (; i < size && json[i] >= ' ' && json[i] < 0xF8 && (i == 0 || depth > 0); i++) {
    if (json[i] == '"')
      in_string = !in_string;
    else if (in_string)
      i += json[i] == '\\';
    else if (json[i] == '{' || json[i] == '[')
      depth++;
    else if (json[i] == '}' || json[i] == ']')
      depth--;
  }
  return i == size && depth == 0 && !in_string;
}

static const char *check_json(const record *r) {
  const unsigned char *json = r->value.mv_data;
  return r->value.mv_size >= 2 && json[0] == '{' && is_whole(json, r->value.mv_size) ? NULL : "a config is damaged";
}

/* All are JSON but those of callers (lua/leadcat/events/cursor.lua). */
static const char *check_cursor(const record *r) {
  const char *name = r->rest.mv_data;
  bool is_text = r->rest.mv_size > 8 && memcmp(name + 1, "cursor:", 7) == 0;
  return is_text || check_json(r) == NULL ? NULL : "a cursor is damaged";
}

static bool has_trigger(const record *r, uint32_t number) {
  return lc_trigger_name_of(&r->c->triggers, number) != NULL;
}

/* Whether somebody will find the queued entry: its company has an unfinished one. */
static bool has_claim(const record *r, const lc_company *company) {
  MDB_val value;
  return exists(r, LC_TABLE_APPLYING, lc_key_of_company(&r->tenant, company), &value);
}

static const char *check_entry(const record *r) {
  lc_entry entry;
  if (lc_entry_unpack(r->value.mv_data, r->value.mv_size, &entry, NULL) != LC_OK)
    return "an entry is damaged";
  if (!has_trigger(r, entry.trigger))
    return "an entry's trigger is not known";
  if (entry.status == LC_ENTRY_HELD && !entry_exists(r, LC_TABLE_HELD, entry.id))
    return "an entry is held that no list names";
  if (entry.status == LC_ENTRY_QUEUED && !has_claim(r, &entry.company))
    return "an entry is queued behind nothing";
  return r->rest.mv_size == 8 && lc_key_number(r->rest) == entry.id ? NULL : "an entry stands in another one's place";
}

/* Whether it is the company in the key: its size, its text, then an entry's number. */
static bool is_in_key(const lc_company *company, MDB_val rest) {
  const unsigned char *key = rest.mv_data;
  return key[0] == company->text.size && rest.mv_size == 1 + (size_t)key[0] + 8 && memcmp(key + 1, company->text.data, key[0]) == 0;
}

static const char *check_index(const record *r, lc_table table) {
  lc_entry entry;
  MDB_val value;
  if (r->rest.mv_size <= 9 || !exists(r, table, lc_key_of_entry(&r->tenant, lc_key_number(r->rest)), &value))
    return "a company names an entry that is missing";
  if (lc_entry_unpack(value.mv_data, value.mv_size, &entry, NULL) != LC_OK)
    return NULL; /* reported already */
  bool sound = is_in_key(&entry.company, r->rest) || (entry.former.text.size != 0 && lc_entry_is_note(&entry) && is_in_key(&entry.former, r->rest));
  return sound ? NULL : "a company names an entry of another company";
}

static const char *check_by_company(const record *r) {
  return check_index(r, LC_TABLE_JOURNAL);
}

static const char *check_unchanged_by_company(const record *r) {
  return check_index(r, LC_TABLE_UNCHANGED);
}

static const char *check_applying(const record *r) {
  return r->value.mv_size != sizeof(lc_claim) ? "a claim is damaged"
       : names_entry(r) ? NULL : "an unfinished entry is missing";
}

static const char *check_seen(const record *r) {
  lc_mark mark;
  if (r->value.mv_size == sizeof(uint64_t))
    return names_entry(r) ? NULL : "a seen-mark names an entry that is missing";
  return lc_mark_unpack(r->value.mv_data, r->value.mv_size, &mark, NULL) != LC_OK ? "a seen-mark is damaged"
       : has_trigger(r, mark.trigger) ? NULL : "a seen-mark's trigger is not known";
}

static const char *check_batch(const record *r) {
  lc_text ids, id;
  lc_batch batch;
  MDB_val mark;
  bool sound = r->rest.mv_size == 8 && lc_batch_unpack(lc_text_of(r->value), &batch, &ids);
  while (sound && lc_batch_next(&ids, &id)) {
    lc_key key = r->tenant;
    lc_key_add_text(&key, id);
    if (id.size != 0 && !exists(r, LC_TABLE_SEEN, key, &mark))
      return "a batch names a mark that is missing";
  }
  return sound ? NULL : "a batch of marks is damaged";
}

static const char *check_confirmation(const record *r) {
  lc_question question;
  bool sound = lc_question_unpack(r->value.mv_data, r->value.mv_size, &question, NULL) == LC_OK
            && r->rest.mv_size == sizeof question.id && memcmp(r->rest.mv_data, question.id, sizeof question.id) == 0;
  return !sound ? "a confirmation is damaged" : has_trigger(r, question.trigger) ? NULL : "a confirmation's trigger is not known";
}

static const char *check_question(const record *r) {
  size_t size = r->rest.mv_size;
  int state = size > 9 ? ((const char *)r->rest.mv_data)[size - 9] : -1;
  return names_question(r, state) ? NULL : "a list names a confirmation that is missing or in another state";
}

/* Whether the entry is there, and scheduled. */
static bool names_scheduled(const record *r, uint64_t id) {
  lc_entry entry;
  MDB_val value;
  return exists(r, LC_TABLE_JOURNAL, lc_key_of_entry(&r->tenant, id), &value)
      && lc_entry_unpack(value.mv_data, value.mv_size, &entry, NULL) == LC_OK && entry.status == LC_ENTRY_SCHEDULED;
}

static const char *check_scheduled(const record *r) {
  lc_schedule schedule;
  if (r->value.mv_size != sizeof schedule)
    return "a schedule is damaged";
  memcpy(&schedule, r->value.mv_data, sizeof schedule);
  return names_scheduled(r, schedule.entry) ? NULL : "a schedule names an entry that is missing or not scheduled";
}

/* Whether the entry is there, and held. */
static const char *check_held(const record *r) {
  lc_entry entry;
  MDB_val value;
  bool sound = r->rest.mv_size == 8 && exists(r, LC_TABLE_JOURNAL, lc_key_of_entry(&r->tenant, lc_key_number(r->rest)), &value)
            && lc_entry_unpack(value.mv_data, value.mv_size, &entry, NULL) == LC_OK && entry.status == LC_ENTRY_HELD;
  return sound ? NULL : "a list names an entry that is missing or not held";
}

static const char *check_limit(const record *r) {
  lc_window window;
  return lc_window_unpack(r->value.mv_data, r->value.mv_size, &window) ? NULL : "the counts of a rule with a limit are damaged";
}

/* Whether the draft is there, and due at the time of the key. */
static bool names_draft(const record *r) {
  uint64_t id = lc_key_number(r->rest);
  lc_draft draft = { .id = 0 };
  MDB_val value;
  if (r->rest.mv_size != 16 || !exists(r, LC_TABLE_DRAFTS, lc_key_of_entry(&r->tenant, id), &value)
      || lc_draft_unpack(lc_text_of(value), &draft, NULL) != LC_OK)
    return false;
  return lc_key_number((MDB_val){ 8, r->rest.mv_data }) == draft.due;
}

static const char *check_draft(const record *r) {
  lc_draft draft = { .id = 0 };
  MDB_val value;
  if (r->rest.mv_size != 8 || lc_draft_unpack(lc_text_of(r->value), &draft, NULL) != LC_OK
      || !is_whole((const unsigned char *)draft.json.data, draft.json.size))
    return "a draft is damaged";
  return draft.due == 0 || exists(r, LC_TABLE_EXPIRING, lc_key_of_due(&r->tenant, draft.due, lc_key_number(r->rest)), &value)
       ? NULL : "a draft falls due, but not in the list of what does";
}

static const char *check_expiring(const record *r) {
  if (r->value.mv_size == 1)
    return names_draft(r) ? NULL : "a time names a draft that is missing or due at another time";
  if (r->value.mv_size == 0)
    return names_scheduled(r, lc_key_number(r->rest)) ? NULL : "a time names an entry that is missing or not scheduled";
  return names_question(r, LC_QUESTION_OPEN) ? NULL : "a time names a confirmation that is missing or closed";
}

/* Whether the entry can stand among the changes as that. One that has ended may be tried again. */
static bool is_change(const lc_done *change, const lc_entry *entry) {
  if (change->kind == LC_DONE_ASKED || change->kind == LC_DONE_ASSIGNED)
    return entry->status == LC_ENTRY_AWAITING;
  return change->kind == LC_DONE_ENDED || change->kind == LC_DONE_HELD || entry->has_question;
}

static const char *check_change(const record *r) {
  lc_store store = { .env = r->c->env };
  lc_done change;
  lc_entry entry;
  MDB_val value;
  uint64_t removed;
  if (r->rest.mv_size != 8 || !lc_unpack_change(lc_text_of(r->value), &change) || lc_get_removed(&store, r->c->txn, &r->tenant, &removed) != 0)
    return "a change is damaged";
  if (lc_key_number(r->rest) == 0)
    return NULL; /* where they begin */
  if (change.entry >= lc_key_number(r->rest) || lc_key_number(r->rest) <= removed)
    return "a change has a wrong number";
  if (!exists(r, LC_TABLE_JOURNAL, lc_key_of_entry(&r->tenant, change.entry), &value))
    return change.entry <= removed ? NULL : "a change names an entry that is missing";
  bool sound = lc_entry_unpack(value.mv_data, value.mv_size, &entry, NULL) != LC_OK || is_change(&change, &entry);
  return sound ? NULL : "a change names an entry that did not do that";
}

/* Whether the delivery is there. */
static bool find_delivery(const record *r, uint64_t id, lc_delivery *delivery) {
  MDB_val value;
  return exists(r, LC_TABLE_DELIVERIES, lc_key_of_entry(&r->tenant, id), &value)
      && lc_delivery_unpack(value.mv_data, value.mv_size, delivery, NULL) == LC_OK;
}

static const char *check_delivery(const record *r) {
  lc_delivery d;
  MDB_val value;
  if (lc_delivery_unpack(r->value.mv_data, r->value.mv_size, &d, NULL) != LC_OK)
    return "a delivery is damaged";
  if (r->rest.mv_size != 8 || lc_key_number(r->rest) != d.id)
    return "a delivery stands in another one's place";
  return d.state != LC_DELIVERY_WAITING || exists(r, LC_TABLE_WAITING, lc_key_of_waiting(&r->tenant, &d), &value) ? NULL
       : "a delivery waits, but is not in the list of those that do";
}

static const char *check_delivered(const record *r) {
  lc_delivery d;
  uint64_t id;
  if (r->value.mv_size != sizeof id || r->rest.mv_size != sizeof d.key)
    return "the mark of a delivery is damaged";
  memcpy(&id, r->value.mv_data, sizeof id);
  return find_delivery(r, id, &d) && memcmp(d.key, r->rest.mv_data, sizeof d.key) == 0 ? NULL
       : "the mark of a delivery names one that is missing, or another one";
}

/* Whether the delivery stands there in the list of those that wait. */
static bool waits_at(const record *r, const lc_delivery *d) {
  const lc_key key = lc_key_of_waiting(&r->tenant, d);
  size_t skip = r->tenant.size;
  return d->state == LC_DELIVERY_WAITING && key.size == skip + r->rest.mv_size
      && memcmp(key.bytes + skip, r->rest.mv_data, r->rest.mv_size) == 0;
}

static const char *check_waiting(const record *r) {
  lc_delivery d;
  return r->rest.mv_size > 8 && find_delivery(r, lc_key_number(r->rest), &d) && waits_at(r, &d) ? NULL
       : "the list of deliveries that wait names one that is missing or does not wait";
}

static const char *check_daily(const record *r) {
  lc_daily_head head;
  lc_daily daily;
  uint64_t count = 0;
  if (r->rest.mv_size != LC_DAILY_SIZE) {
    memcpy(&head, r->value.mv_data, r->value.mv_size == sizeof head ? sizeof head : 0);
    return r->rest.mv_size == 4 && r->value.mv_size == sizeof head && head.counting < LC_DAILY_STEPS ? NULL
         : "what is known of the counters by day is damaged";
  }
  daily = lc_daily_unpack(r->rest.mv_data);
  memcpy(&count, r->value.mv_data, r->value.mv_size == sizeof count ? sizeof count : 0);
  return daily.day == 0 || daily.kind >= LC_DAILY_KINDS || count == 0 ? "a counter of a day is damaged"
       : has_trigger(r, daily.trigger) ? NULL : "the trigger of a counter is not known";
}

static const char *check_company(const record *r) {
  return r->value.mv_size == sizeof(lc_company_record) ? NULL : "a company is damaged";
}

static const char *check_count(const record *r, lc_log log) {
  lc_store store = { .env = r->c->env };
  const lc_writer reader = { .store = &store, .txn = r->c->txn, .tenant = r->tenant, .log = log };
  uint64_t count, sealed;
  if (lc_count_entries(&reader, &count) != 0)
    return "the entries cannot be counted";
  memcpy(&sealed, r->value.mv_data, sizeof sealed);
  return sealed == lc_seal_count(count) || sealed == count /* of the first edition */ ? NULL : "the number of entries is wrong";
}

static const char *check_counter(const record *r) {
  lc_text name = { (const char *)r->rest.mv_data + 1, r->rest.mv_size - 1 };
  lc_log log;
  if (r->value.mv_size != sizeof(uint64_t) || r->rest.mv_size < 1)
    return "a counter is damaged";
  return lc_is_count(name, &log) ? check_count(r, log) : NULL;
}

/* ---- the child: all tables --------------------------------------------------------------- */

typedef const char *checks(const record *r);

/* By table; NULL: its keys have no tenant. */
static checks *const record_checks[LC_TABLES] = {
  [LC_TABLE_RULESETS] = check_ruleset,
  [LC_TABLE_CONFIGS] = check_json,
  [LC_TABLE_REVISIONS] = check_json,
  [LC_TABLE_JOURNAL] = check_entry,
  [LC_TABLE_BY_COMPANY] = check_by_company,
  [LC_TABLE_APPLYING] = check_applying,
  [LC_TABLE_SEEN] = check_seen,
  [LC_TABLE_MARKS] = check_batch,
  [LC_TABLE_CONFIRMATIONS] = check_confirmation,
  [LC_TABLE_QUESTIONS] = check_question,
  [LC_TABLE_EXPIRING] = check_expiring,
  [LC_TABLE_SCHEDULED] = check_scheduled,
  [LC_TABLE_CHANGES] = check_change,
  [LC_TABLE_DAILY] = check_daily,
  [LC_TABLE_DELIVERIES] = check_delivery,
  [LC_TABLE_DELIVERED] = check_delivered,
  [LC_TABLE_WAITING] = check_waiting,
  [LC_TABLE_COMPANIES] = check_company,
  [LC_TABLE_COUNTERS] = check_counter,
  [LC_TABLE_DRAFTS] = check_draft,
  [LC_TABLE_HELD] = check_held,
  [LC_TABLE_LIMITS] = check_limit,
  [LC_TABLE_UNCHANGED] = check_entry,
  [LC_TABLE_UNCHANGED_BY_COMPANY] = check_unchanged_by_company,
  [LC_TABLE_NOTES] = check_cursor,
};

static void check_record(checker *c, checks *check, MDB_val key, MDB_val value) {
  record r = { .c = c, .value = value };
  const char *wrong = check == NULL ? NULL : split_key(key, &r) ? check(&r) : "a key is damaged";
  if (wrong != NULL)
    problem(c, wrong);
}

/* All of it: what its records say must go together. */
static void check_triggers(checker *c) {
  if (lc_read_triggers(c->env, c->txn, &c->triggers, &c->error) != LC_OK)
    problem(c, c->error.message);
}

/* Why a table cannot be checked; NULL: it can. */
static const char *why_unchecked(const checker *c, lc_table table) {
  if (lc_env_lacks(c->env, table))
    return "it is not there yet";
  return table == LC_TABLE_APPLYING && lc_has_old_form(c->env, c->txn) ? "it has the form of an older leadcat" : NULL;
}

static void report_count(void *context, const char *wrong) {
  problem(context, wrong);
}

static void check_table(checker *c, lc_table table) {
  MDB_cursor *cursor;
  MDB_val key, value;
  c->table = lc_table_name(table);
  c->problems = 0;
  fprintf(c->out, ">%s\n", c->table);
  fflush(c->out); /* so that the parent knows where reading ended this process */
  const char *why = why_unchecked(c, table);
  if (why != NULL) {
    fprintf(c->out, "?%s was not checked: %s (the store is upgraded when it is opened to be written)\n", c->table, why);
    return;
  }
  int rc = mdb_cursor_open(c->txn, lc_env_table(c->env, table), &cursor);
  if (rc == 0) {
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
      check_record(c, record_checks[table], key, value);
    mdb_cursor_close(cursor);
  }
  if (rc != MDB_NOTFOUND)
    problem(c, mdb_strerror(rc));
  if (table == LC_TABLE_TRIGGERS)
    check_triggers(c);
  if (table == LC_TABLE_DAILY && c->problems == 0)
    lc_check_counts(c->env, c->txn, report_count, c);
  if (c->problems > MOST_PROBLEMS)
    fprintf(c->out, "!%s: %u problems more\n", c->table, c->problems - MOST_PROBLEMS);
}

static void check_part(checker *c, lc_part part, lc_table first, lc_table last) {
  lc_reader reader = { .txn = NULL };
  if (lc_env_read(c->env, part, &reader, &c->error) != LC_OK) {
    fprintf(c->out, "!%s\n", c->error.message);
    return;
  }
  c->txn = reader.txn;
  for (int table = (int)first; table <= (int)last; table++)
    check_table(c, (lc_table)table);
  lc_env_read_end(c->env, part, &reader);
  lc_env_read_close(c->env, part, &reader);
}

static void report_page(void *context, const char *wrong) {
  checker *c = context;
  c->problems++;
  fprintf(c->out, "!%s\n", wrong);
}

/* Runs before LMDB opens the files, since a damaged page may end the process there. */
static void check_pages(checker *c, const char *path) {
  char file[4096];
  for (int i = 0; i < LC_PARTS; i++) {
    snprintf(file, sizeof file, "%s/%s", path, lc_part_files[i]);
    lc_pages_check(file, lc_part_files[i], report_page, c);
  }
}

/* Why nothing can be read. */
static void tell_end(const checker *c, lc_status status) {
  if (status == LC_CORRUPT)
    fprintf(c->out, "!%s\n", c->error.message);
  else
    fprintf(c->out, "%d:%s\n", (int)status, c->error.message);
}

static void check_all(const char *path, FILE *out) {
  checker c = { .out = out };
  lc_env_options options;
  lc_status status = lc_how_to_read(path, &options, &c.error);
  if (status == LC_OK)
    check_pages(&c, path);
  if (c.problems > 0)
    return;
  if (status == LC_OK)
    status = lc_env_open(path, &options, &c.env, &c.error);
  if (status != LC_OK) {
    tell_end(&c, status);
    return;
  }
  check_part(&c, LC_PART_CONFIG, LC_TABLE_RULESETS, LC_TABLE_IDENTITY);
  check_part(&c, LC_PART_JOURNAL, LC_TABLE_META, LC_TABLE_COMPANIES);
  if (lc_env_check_still(c.env, &c.error) != LC_OK)
    tell_end(&c, LC_UNAVAILABLE);
  lc_env_close(c.env);
}

static void run_child(const char *path, int file) {
  FILE *out = fdopen(file, "w");
  if (out == NULL)
    _exit(1);
  check_all(path, out);
  fclose(out);
  _exit(0);
}

/* ---- the parent -------------------------------------------------------------------------- */

static lc_status read_child(int file, char *table, size_t size, lc_report *report, void *problems, void *unchecked, lc_error *error) {
  char line[LC_ERROR_SIZE + 64], *message;
  lc_status status = LC_OK;
  FILE *in = fdopen(file, "r");
  if (in == NULL) {
    close(file);
    return LC_OK;
  }
  while (fgets(line, sizeof line, in) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '>')
      snprintf(table, size, "%.*s", (int)size - 1, line + 1);
    else if (line[0] == '!' || line[0] == '?')
      report(line[0] == '!' ? problems : unchecked, line + 1);
    else if ((status = (lc_status)strtol(line, &message, 10)) != LC_OK)
      lc_fail(error, status, "%s", message + 1);
  }
  fclose(in);
  return status;
}

/* A damaged page makes LMDB read where nothing is, or give up. Who was told to end says nothing about the store. */
static lc_status report_end(int ended, const char *table, lc_report *report, void *context, lc_error *error) {
  char message[256];
  int sign = WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
  const char *why = sign != 0 ? strsignal(sign) : "it gave up";
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0)
    return LC_OK;
  if (sign == SIGKILL || sign == SIGTERM || sign == SIGINT || sign == SIGHUP)
    return lc_fail(error, LC_UNAVAILABLE, "%s: the process that reads it was ended (%s)", table, why);
  snprintf(message, sizeof message, "%s: reading it ends a process (%s): its pages are damaged", table, why);
  report(context, message);
  return LC_OK;
}

lc_status lc_store_check(const char *path, lc_report *report, void *problems, void *unchecked, lc_error *error) {
  int ends[2], ended = 0;
  char table[64] = "the store";
  if (pipe(ends) != 0)
    return lc_fail(error, LC_IO, "cannot make a pipe: %s", strerror(errno));
  pid_t child = fork();
  if (child < 0) {
    close(ends[0]);
    close(ends[1]);
    return lc_fail(error, LC_UNAVAILABLE, "cannot start a process: %s", strerror(errno));
  }
  if (child == 0) {
    close(ends[0]);
    run_child(path, ends[1]);
  }
  close(ends[1]);
  lc_status status = read_child(ends[0], table, sizeof table, report, problems, unchecked, error);
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
    ;
  return status == LC_OK ? report_end(ended, table, report, problems, error) : status;
}
