/* Looking for damage: every page and every record is read, and what refers to another is followed. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "store.h"

enum { MOST_PROBLEMS = 20 }; /* told of each table; the rest is counted */

/* ---- the child: what is wrong with each record ------------------------------------------- */

typedef struct checker {
  lc_env *env;
  MDB_txn *txn;
  FILE *out;
  const char *table;
  unsigned problems; /* in this table */
  lc_error error;
} checker;

/* The parts of a record's key. */
typedef struct parts {
  lc_key tenant;
  lc_text rest;
} parts;

static void problem(checker *c, const char *what) {
  if (c->problems++ < MOST_PROBLEMS)
    fprintf(c->out, "!%s: %s\n", c->table, what);
}

static bool split(MDB_val key, parts *p) {
  const char *bytes = key.mv_data;
  size_t size = key.mv_size != 0 ? (unsigned char)bytes[0] : SIZE_MAX;
  if (size > LC_TENANT_MAX || key.mv_size < 1 + size)
    return false;
  p->tenant = lc_key_of((lc_text){ bytes + 1, size });
  p->rest = (lc_text){ bytes + 1 + size, key.mv_size - 1 - size };
  return true;
}

static bool exists(const checker *c, lc_table table, lc_key *key, MDB_val *value) {
  MDB_val k = lc_key_value(key);
  return mdb_get(c->txn, lc_env_table(c->env, table), &k, value) == 0;
}

static bool exists_in(const checker *c, lc_table table, const parts *p, uint64_t id) {
  lc_key key = lc_key_of_entry(&p->tenant, id);
  MDB_val value;
  return exists(c, table, &key, &value);
}

static bool entry_exists(const checker *c, const parts *p, uint64_t id) {
  return exists_in(c, LC_TABLE_JOURNAL, p, id);
}

/* The question whose id a record has as its value, in the state that it should have. */
static bool question_is(const checker *c, const parts *p, MDB_val id, int state) {
  lc_question question;
  MDB_val value;
  if (id.mv_size != LC_QUESTION_ID_SIZE)
    return false;
  lc_key key = lc_key_of_question(&p->tenant, id.mv_data);
  return exists(c, LC_TABLE_CONFIRMATIONS, &key, &value)
      && lc_question_unpack(value.mv_data, value.mv_size, &question, NULL) == LC_OK && (int)question.state == state;
}

static const char *check_ruleset(const checker *c, const parts *p, MDB_val value) {
  void *copy = malloc(value.mv_size); /* aligned, as LMDB's values are not */
  (void)c;
  (void)p;
  if (copy == NULL)
    return "a packed ruleset is too large for the memory there is";
  memcpy(copy, value.mv_data, value.mv_size);
  bool sound = lc_ruleset_check(copy, value.mv_size, NULL) == LC_OK;
  free(copy);
  return sound ? NULL : "a packed ruleset is damaged (it is made anew from its config when it is needed)";
}

/* Whether all that is opened in a JSON text is closed, at its very end, and no byte is in it that JSON has not. */
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

static const char *check_json(const checker *c, const parts *p, MDB_val value) {
  const unsigned char *json = value.mv_data;
  (void)c;
  (void)p;
  return value.mv_size >= 2 && json[0] == '{' && is_whole(json, value.mv_size) ? NULL : "a config is damaged";
}

static const char *check_cursor(const checker *c, const parts *p, MDB_val value) {
  return check_json(c, p, value) == NULL ? NULL : "a cursor is damaged";
}

static const char *check_entry(const checker *c, const parts *p, MDB_val value) {
  lc_entry entry;
  (void)c;
  if (lc_entry_unpack(value.mv_data, value.mv_size, &entry, NULL) != LC_OK)
    return "an entry is damaged";
  MDB_val key = { p->rest.size, (void *)(uintptr_t)p->rest.data };
  return p->rest.size == 8 && lc_key_number(key) == entry.id ? NULL : "an entry stands in another one's place";
}

static const char *check_index(const checker *c, lc_table table, const parts *p) {
  MDB_val key = { p->rest.size, (void *)(uintptr_t)p->rest.data };
  return p->rest.size > 9 && exists_in(c, table, p, lc_key_number(key)) ? NULL : "a company names an entry that is missing";
}

static const char *check_by_company(const checker *c, const parts *p, MDB_val value) {
  (void)value;
  return check_index(c, LC_TABLE_JOURNAL, p);
}

static const char *check_unchanged_by_company(const checker *c, const parts *p, MDB_val value) {
  (void)value;
  return check_index(c, LC_TABLE_UNCHANGED, p);
}

static const char *check_applying(const checker *c, const parts *p, MDB_val value) {
  lc_claim claim;
  if (value.mv_size != sizeof claim)
    return "a claim is damaged";
  memcpy(&claim, value.mv_data, sizeof claim);
  return entry_exists(c, p, claim.entry) ? NULL : "an unfinished entry is missing";
}

static const char *check_seen(const checker *c, const parts *p, MDB_val value) {
  uint64_t entry;
  if (value.mv_size != sizeof entry)
    return "a seen-mark is damaged";
  memcpy(&entry, value.mv_data, sizeof entry);
  return entry_exists(c, p, entry) ? NULL : "a seen-mark names an entry that is missing";
}

static const char *check_confirmation(const checker *c, const parts *p, MDB_val value) {
  lc_question question;
  (void)c;
  return lc_question_unpack(value.mv_data, value.mv_size, &question, NULL) == LC_OK
             && p->rest.size == sizeof question.id && memcmp(p->rest.data, question.id, p->rest.size) == 0
           ? NULL : "a confirmation is damaged";
}

static const char *check_question(const checker *c, const parts *p, MDB_val value) {
  int state = p->rest.size > 9 ? p->rest.data[p->rest.size - 9] : -1;
  return question_is(c, p, value, state) ? NULL : "a list names a confirmation that is missing or in another state";
}

static const char *check_expiring(const checker *c, const parts *p, MDB_val value) {
  return question_is(c, p, value, LC_QUESTION_OPEN) ? NULL : "a time names a confirmation that is missing or closed";
}

static const char *check_company(const checker *c, const parts *p, MDB_val value) {
  (void)c;
  (void)p;
  return value.mv_size == sizeof(lc_company_record) ? NULL : "a company is damaged";
}

static const char *check_counter(const checker *c, const parts *p, MDB_val value) {
  (void)c;
  (void)p;
  return value.mv_size == sizeof(uint64_t) ? NULL : "a counter is damaged";
}

/* ---- the child: all tables --------------------------------------------------------------- */

typedef const char *checks(const checker *c, const parts *p, MDB_val value);

/* By table; NULL: its keys have no tenant. */
static checks *const record_checks[LC_TABLES] = {
  [LC_TABLE_RULESETS] = check_ruleset,
  [LC_TABLE_CONFIGS] = check_json,
  [LC_TABLE_REVISIONS] = check_json,
  [LC_TABLE_JOURNAL] = check_entry,
  [LC_TABLE_BY_COMPANY] = check_by_company,
  [LC_TABLE_APPLYING] = check_applying,
  [LC_TABLE_SEEN] = check_seen,
  [LC_TABLE_CONFIRMATIONS] = check_confirmation,
  [LC_TABLE_QUESTIONS] = check_question,
  [LC_TABLE_EXPIRING] = check_expiring,
  [LC_TABLE_COMPANIES] = check_company,
  [LC_TABLE_COUNTERS] = check_counter,
  [LC_TABLE_UNCHANGED] = check_entry,
  [LC_TABLE_UNCHANGED_BY_COMPANY] = check_unchanged_by_company,
  [LC_TABLE_NOTES] = check_cursor,
};

static void check_record(checker *c, checks *check, MDB_val key, MDB_val value) {
  parts p;
  if (check == NULL)
    return;
  const char *wrong = split(key, &p) ? check(c, &p, value) : "a key is damaged";
  if (wrong != NULL)
    problem(c, wrong);
}

static void check_table(checker *c, lc_table table) {
  MDB_cursor *cursor;
  MDB_val key, value;
  c->table = lc_table_name(table);
  c->problems = 0;
  fprintf(c->out, ">%s\n", c->table);
  fflush(c->out); /* should reading end this process, the parent knows where */
  int rc = mdb_cursor_open(c->txn, lc_env_table(c->env, table), &cursor);
  if (rc == 0) {
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
      check_record(c, record_checks[table], key, value);
    mdb_cursor_close(cursor);
  }
  if (rc != MDB_NOTFOUND)
    problem(c, mdb_strerror(rc));
  if (c->problems > MOST_PROBLEMS)
    fprintf(c->out, "!%s: %u problems more\n", c->table, c->problems - MOST_PROBLEMS);
}

static void check_part(checker *c, lc_part part, lc_table first, lc_table last) {
  c->txn = NULL;
  if (lc_env_read(c->env, part, &c->txn, &c->error) != LC_OK) {
    fprintf(c->out, "!%s\n", c->error.message);
    return;
  }
  for (int table = (int)first; table <= (int)last; table++)
    check_table(c, (lc_table)table);
  lc_env_read_end(c->env, part, c->txn);
  mdb_txn_abort(c->txn);
}

static void note(void *context, const char *wrong) {
  checker *c = context;
  c->problems++;
  fprintf(c->out, "!%s\n", wrong);
}

/* What LMDB would follow is measured first: once a page is damaged it is not to be trusted with the file. */
static void check_pages(checker *c, const char *path) {
  char file[4096];
  for (int i = 0; i < LC_PARTS; i++) {
    snprintf(file, sizeof file, "%s/%s", path, lc_part_files[i]);
    lc_pages_check(file, lc_part_files[i], note, c);
  }
}

static void check_all(const char *path, FILE *out) {
  checker c = { .out = out };
  const lc_env_options options = { 0 };
  check_pages(&c, path);
  if (c.problems > 0)
    return;
  if (lc_env_open(path, &options, &c.env, &c.error) != LC_OK) {
    fprintf(out, "!%s\n", c.error.message);
    return;
  }
  check_part(&c, LC_PART_CONFIG, LC_TABLE_RULESETS, LC_TABLE_REVISIONS);
  check_part(&c, LC_PART_JOURNAL, LC_TABLE_META, LC_TABLE_COMPANIES);
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

/* Lines that begin with `>` say what is being read, with `!` what is wrong. */
static void read_child(int file, char *table, size_t size, lc_report *report, void *context) {
  char line[LC_ERROR_SIZE + 64];
  FILE *in = fdopen(file, "r");
  if (in == NULL) {
    close(file);
    return;
  }
  while (fgets(line, sizeof line, in) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '>')
      snprintf(table, size, "%.*s", (int)size - 1, line + 1);
    else if (line[0] == '!')
      report(context, line + 1);
  }
  fclose(in);
}

static void report_end(int ended, const char *table, lc_report *report, void *context) {
  char message[256];
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0)
    return;
  snprintf(message, sizeof message, "%s: reading it ends a process (%s): its pages are damaged", table,
           WIFSIGNALED(ended) ? strsignal(WTERMSIG(ended)) : "it gave up");
  report(context, message);
}

lc_status lc_store_check(const char *path, lc_report *report, void *context, lc_error *error) {
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
  read_child(ends[0], table, sizeof table, report, context);
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR)
    ;
  report_end(ended, table, report, context);
  return LC_OK;
}
