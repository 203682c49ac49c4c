/* store.h - everything leadcat keeps on disk, one call an operation.
 *
 * A call begins a transaction, works, and commits or aborts it; none is left open. What it reads is
 * copied out into the store's result buffer (lc_store_result), which is valid until the next call
 * on that store. A failed call has changed nothing.
 *
 * A store belongs to one thread at a time; any number of stores, in any threads and processes, may
 * be open on one directory. Everything is keyed by the tenant (0 ... LC_TENANT_MAX bytes). Sizes of
 * tenants, companies and event ids are the caller's to check; times are seconds since 1970.
 *
 * Any call may return, besides what it names: LC_FORKED, LC_UNAVAILABLE (no reader slot, no
 * memory), LC_CORRUPT, LC_IO; a writing one also LC_FULL.
 */
#ifndef LC_STORE_H
#define LC_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decide.h"
#include "pages.h"
#include "record.h"
#include "ruleset.h"
#include "status.h"
#include "watch.h"

typedef struct lc_store lc_store;

typedef struct lc_store_options {
  size_t map_size;      /* bytes; 0: 16 GiB (env.h) */
  unsigned max_readers; /* 0: 1024 (env.h) */
  bool relaxed;         /* a power failure may undo the newest commits of the journal */
} lc_store_options;

/* Opens the store in directory `path`; the caller gives it to lc_store_close. */
lc_status lc_store_open(const char *path, const lc_store_options *options, lc_store **out, lc_error *error);
void lc_store_close(lc_store *store);

/* What the last call copied out: one value, or a list to be walked with lc_list_next. */
lc_text lc_store_result(const lc_store *store);

/* Takes the next item off the front of `list`; false at its end. */
bool lc_list_next(lc_text *list, lc_text *item);

/* ---- configs ----------------------------------------------------------------------------- */

/* A tenant's newest ruleset, cached. Zero at first; to be given to lc_rules_free. */
typedef struct lc_rules {
  lc_ruleset *ruleset; /* NULL until the first refresh */
  uint64_t stamp;      /* the transaction that read it */
} lc_rules;

/* What tells whether a config has been saved; it lives as long as the store is open. */
const lc_watch *lc_store_watch(const lc_store *store);

/* Whether no config, of any tenant, has been saved since `rules` was read. Some memory reads. */
static inline bool lc_rules_fresh(const lc_rules *rules, const lc_watch *watch) {
  return rules->ruleset != NULL && !lc_watch_forked(watch) && lc_watch_newest(watch) == rules->stamp;
}

/* Reads the tenant's newest ruleset, when it has changed. Without any it is that of the empty
 * config, revision 0. On failure `rules` stays as it was. */
lc_status lc_store_refresh(lc_store *store, lc_text tenant, lc_rules *rules, lc_error *error);
void lc_rules_free(lc_rules *rules);

/* The tenant's newest ruleset, out of those that the store keeps in memory: 64 MiB at most, unless one alone is larger
 * (a tenant with the preset's categories takes some 350 bytes). Valid until the next call on the store. */
lc_status lc_store_ruleset(lc_store *store, lc_text tenant, const lc_ruleset **ruleset, lc_error *error);

/* Saves a config as revision `expected` + 1: the packed `ruleset`, its source `json`, and `about`
 * (JSON: who and when). LC_STALE when `expected` is not the newest revision. */
lc_status lc_store_save(lc_store *store, lc_text tenant, uint64_t expected, lc_text ruleset, lc_text json,
                        lc_text about, lc_error *error);

/* Replaces the packed ruleset of the newest revision, when that is `revision`, by one built anew. */
lc_status lc_store_repair(lc_store *store, lc_text tenant, uint64_t revision, lc_text ruleset, lc_error *error);

/* Copies out the JSON of a revision, 0 for the newest. LC_NOT_FOUND. */
lc_status lc_store_config(lc_store *store, lc_text tenant, uint64_t revision, lc_error *error);

/* Copies out the list of `about`, newest revision first. */
lc_status lc_store_revisions(lc_store *store, lc_text tenant, lc_error *error);

/* ---- journal ----------------------------------------------------------------------------- */

enum { LC_NOTE_MAX = 64 }; /* bytes of a note's name */

typedef enum lc_write_result {
  LC_WRITTEN,   /* the entry is in the journal */
  LC_DUPLICATE, /* nothing written: the event id made the entry `first` */
  LC_BUSY,      /* nothing written: the company's entry `first` is still applying */
  LC_OVERTAKEN, /* nothing written: what the decision was based on has changed since */
  LC_UNMATCHED, /* nothing written: the decision is that nothing is to be done (lc_store_handle) */
  LC_ANSWERED,  /* nothing written: the question is not open any more */
  LC_OVERDUE    /* nothing written: the question's time is over */
} lc_write_result;

/* How a write finds out that the company has changed since its category was read for deciding. */
typedef enum lc_basis {
  LC_BASIS_GIVEN,   /* not at all: the event said what the category is */
  LC_BASIS_COMPANY, /* the company is kept here: it must still stand in `from` */
  LC_BASIS_NEWEST   /* it is kept by a host: its newest entry must still be `newest` */
} lc_basis;

/* One event, or the answer to a question, to be written down. Its entry's status says how:
 * LC_ENTRY_APPLYING: the change is the host's to make; this store claims it until `deadline`;
 * LC_ENTRY_UPDATED: the company is kept in this store and is changed with it, or the entry becomes
 *   LC_ENTRY_CONFLICT when it does not stand in `from`;
 * LC_ENTRY_AWAITING: `question` is stored too; only its id, times, user and body are the caller's;
 * LC_ENTRY_DECLINED: noted only.
 * For an event the id is marked as seen, and an open question of the company is superseded. An
 * answer closes the question that its entry names: at once, or when its entry is finished. */
typedef struct lc_write {
  lc_entry entry;           /* in; its id and its status are set */
  bool is_answer;           /* in: to the question entry.confirmation */
  lc_confirmation question; /* in, for LC_ENTRY_AWAITING */
  lc_basis basis;           /* in */
  uint64_t newest;          /* in, for LC_BASIS_NEWEST: as lc_store_newest gave it before */
  lc_write_result result;   /* out */
  uint64_t first;           /* out, for LC_DUPLICATE and LC_BUSY */
} lc_write;

/* How far a run of many events has come. */
typedef struct lc_note {
  lc_text name;   /* 1 ... LC_NOTE_MAX bytes */
  lc_text before; /* what is noted by this name now; empty: nothing */
  lc_text text;   /* JSON, to be noted in its place */
} lc_note;

/* Writes all of them in one transaction, in order, at the time `now`. With a note, which goes into the
 * same transaction, it is all or nothing: LC_CONFLICT when one of the results is not LC_WRITTEN, or the
 * note is not what it was. */
lc_status lc_store_write(lc_store *store, lc_text tenant, lc_write *writes, size_t count, const lc_note *note,
                         double now, double deadline, lc_error *error);

/* Copies out what was noted by this name. LC_NOT_FOUND. */
lc_status lc_store_note(lc_store *store, lc_text tenant, lc_text name, lc_error *error);

/* An event of a company that is kept here, to be decided. */
typedef struct lc_decided {
  lc_write write;       /* in: of the entry the trigger, lead status, company, event id, details and `at`, and in `from` the
                         * category that the event says the company has, or 0. Out: the result, and the entry as
                         * far as the event came: `action`, `from` (0: unknown), `to`, `status`, `revision` */
  bool only_decide;     /* in: it is not to be written, now */
  lc_reason reason;     /* out, for LC_WRITTEN and LC_UNMATCHED */
} lc_decided;

/* Decides events, and writes down and makes the changes that come of it: all in one transaction, in order; while nothing
 * is to be written, in none. It ends before the first event that takes more than that, because it is not to be
 * written, the user is to be asked, or the company has an unfinished entry: `done` is how many came before. */
lc_status lc_store_handle(lc_store *store, lc_text tenant, lc_decided *events, size_t count, double now, size_t *done,
                          lc_error *error);

/* The company's newest entry, 0 when it has none. LC_CONFLICT while that entry is applying: its end
 * changes the company without a newer one. */
lc_status lc_store_newest(lc_store *store, lc_text tenant, const lc_company *company, uint64_t *newest,
                          lc_error *error);

/* How the host took a change that this store has claimed. */
typedef struct lc_finish {
  uint64_t entry;
  lc_company company;
  lc_entry_status status; /* LC_ENTRY_APPLYING: it failed, and is to be tried again at `retry_at` */
  lc_text error;          /* why it failed */
  double retry_at;
  bool lost;              /* out: nothing written, the claim has gone to somebody else */
} lc_finish;

lc_status lc_store_finish(lc_store *store, lc_text tenant, lc_finish *finishes, size_t count, lc_error *error);

/* An unfinished entry and who works on it. */
typedef struct lc_claim {
  uint64_t entry;
  uint64_t owner;    /* an lc_owner's token; 0: nobody */
  double deadline;   /* when the claim runs out */
  double retry_at;   /* when recovery is to try again */
  uint32_t attempts; /* that failed */
  uint32_t reserved; /* 0 */
} lc_claim;

/* Claims the company's unfinished entry until `deadline`, and copies it out. `idle`: this store is not
 * working on it; if the claim is its own, it was abandoned.
 * LC_NOT_FOUND: it has none. LC_CONFLICT: a live owner works on it. */
lc_status lc_store_claim(lc_store *store, lc_text tenant, const lc_company *company, bool idle, double now,
                         double deadline, lc_claim *claim, lc_error *error);

/* Copies out the list of unfinished entries whose `retry_at` has come, by company: at most `limit`
 * of those behind the company `after` (its text; empty for the first). */
lc_status lc_store_applying(lc_store *store, lc_text tenant, double now, lc_text after, size_t limit,
                            lc_error *error);

/* Copies out the entry that an event id made. LC_NOT_FOUND. */
lc_status lc_store_seen(lc_store *store, lc_text tenant, lc_text event_id, lc_error *error);

/* Copies out one entry. LC_NOT_FOUND. */
lc_status lc_store_entry(lc_store *store, lc_text tenant, uint64_t entry, lc_error *error);

/* Copies out a list of entries, newest first: of one company or (NULL) of all, with `at` >= since,
 * older than the entry `after` (0: from the newest), at most `limit`. */
lc_status lc_store_history(lc_store *store, lc_text tenant, const lc_company *company, double since,
                           uint64_t after, size_t limit, lc_error *error);

/* ---- what came to nothing ---------------------------------------------------------------- */

/* Notes events that came to nothing, in one transaction. Of each entry the id is set; its status is
 * LC_ENTRY_UNCHANGED. They are read by lc_store_unchanged only: no event is seen because of them, and no entry is
 * older or newer to anybody. */
lc_status lc_store_add_unchanged(lc_store *store, lc_text tenant, lc_entry *entries, size_t count, double now,
                                 lc_error *error);

/* Copies out a list of them, as lc_store_history. */
lc_status lc_store_unchanged(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                             size_t limit, lc_error *error);

/* ---- questions --------------------------------------------------------------------------- */

/* Copies out a confirmation. LC_NOT_FOUND. */
lc_status lc_store_confirmation(lc_store *store, lc_text tenant, const uint8_t *id, lc_error *error);

/* Which confirmations. */
typedef struct lc_query {
  lc_text company; /* of this company, by its text; empty: of all */
  lc_text user;    /* asked on behalf of this user; empty: of all */
  unsigned states; /* in these: bits 1 << lc_question_state */
  uint64_t after;  /* asked before this entry; 0: from the newest */
  size_t limit;
  bool unswept;    /* lc_store_expire has failed: open ones whose time is over by `now` count as expired */
  double now;
} lc_query;

/* Copies out a list of confirmations, newest first. */
lc_status lc_store_confirmations(lc_store *store, lc_text tenant, const lc_query *query, lc_error *error);

/* How many confirmations a query has, up to its limit. */
lc_status lc_store_count_confirmations(lc_store *store, lc_text tenant, const lc_query *query, size_t *count,
                                       lc_error *error);

/* Closes open questions whose time is over by `now`, each with an entry, some in one transaction.
 * `expired` is how many; `more` is whether there may be others. One that is being answered is left. */
lc_status lc_store_expire(lc_store *store, lc_text tenant, double now, size_t *expired, bool *more,
                          lc_error *error);

/* ---- companies of the embedded host ------------------------------------------------------ */

typedef struct lc_company_record {
  uint64_t entry;      /* the journal entry that changed it last; 0: none */
  int32_t category;
  uint32_t is_integer; /* the type of id that the host gave: 0 or 1 */
} lc_company_record;

/* The company's category. LC_NOT_FOUND. */
lc_status lc_store_company(lc_store *store, lc_text tenant, const lc_company *company, int32_t *category,
                           lc_error *error);

/* Adds companies, all in `category`, in one transaction; those that exist are left alone.
 * `created` is how many were new. */
lc_status lc_store_create(lc_store *store, lc_text tenant, const lc_company *companies, size_t count,
                          int32_t category, size_t *created, lc_error *error);

/* Sets the company's category when it is `from`. LC_CONFLICT when it is another, LC_NOT_FOUND. */
lc_status lc_store_set_category(lc_store *store, lc_text tenant, const lc_company *company, int32_t to,
                                int32_t from, lc_error *error);

/* Copies out a list of companies behind `after` (a company's text; empty for the first), at most
 * `limit`, in the order of their ids' sizes and bytes. An item is an lc_company_record, then the
 * company's text. */
lc_status lc_store_companies(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_error *error);

/* ---- retention --------------------------------------------------------------------------- */

/* What of a tenant's journal is kept; 0: without limit. */
typedef struct lc_retention {
  double age;     /* entries written at most so many seconds ago ... */
  uint64_t count; /* ... and at most so many of them */
} lc_retention;

/* Removes some of the oldest entries beyond that, in one short transaction, with their seen-marks and
 * closed questions. What is unfinished stays: an applying entry, an open question with its entry.
 * `from` is 0 at first, then where the next call goes on; 0 again when nothing is left to do. */
lc_status lc_store_trim(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                        size_t *removed, lc_error *error);

/* The same for what came to nothing; all of it may go. */
lc_status lc_store_trim_unchanged(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                                  size_t *removed, lc_error *error);

/* ---- tenants ----------------------------------------------------------------------------- */

/* What is to be done from time to time, for those tenants that have it due. */
typedef enum lc_work {
  LC_WORK_CHANGES,   /* a change is unfinished, and the time to take it up has come: lc_store_applying */
  LC_WORK_QUESTIONS, /* an open question's time is over: lc_store_expire */
  LC_WORK_JOURNAL,   /* entries are too old or too many: lc_store_trim */
  LC_WORK_UNCHANGED, /* the same of what came to nothing: lc_store_trim_unchanged */
  LC_WORKS           /* how many there are */
} lc_work;

enum { LC_PLACE_MAX = 1 + LC_TENANT_MAX + 1 + LC_COMPANY_MAX + 1 };

/* How far a walk over the tenants has come. */
typedef struct lc_place {
  unsigned char key[LC_PLACE_MAX];
  size_t size; /* 0: before the first; 0 again: behind the last */
} lc_place;

/* Copies out a list of the next tenants' names that have such work due at the time `now`: as many as are found among some
 * keys, perhaps none. It costs a seek in the table for each tenant that is there, and for each unfinished change whose time
 * has not come. `place` is where it begins, then where the next call goes on. */
lc_status lc_store_due(lc_store *store, lc_work work, const lc_retention *keep, double now, lc_place *place,
                       lc_error *error);

/* ---- counters ---------------------------------------------------------------------------- */

enum { LC_COUNTER_MAX = 255 }; /* bytes of a counter's name */

/* A number that only grows; in it the counts of all processes meet. */
typedef struct lc_counter {
  lc_text name;
  uint64_t value;
} lc_counter;

/* Adds to counters, in one transaction; those that do not exist begin at 0. */
lc_status lc_store_add(lc_store *store, lc_text tenant, const lc_counter *counters, size_t count, lc_error *error);

/* Copies out a list of all counters of the tenant. An item is a uint64_t, then the name. */
lc_status lc_store_counters(lc_store *store, lc_text tenant, lc_error *error);

/* ---- copies ------------------------------------------------------------------------------ */

/* Copies the store, while it is in use, into the directory `path`, which is made and must not have a
 * store yet: the journal first, so that no entry names a config that is not there. `compact`: without
 * unused pages. LC_CONFLICT: there is a store already. What was begun is removed on failure. */
lc_status lc_store_copy(lc_store *store, const char *path, bool compact, lc_error *error);

/* ---- checking ---------------------------------------------------------------------------- */

/* Walks all pages and records of the store in `path`, in a child process, which a damaged file may end, and
 * reports each problem in a sentence. The calling process should not have the store open.
 * LC_UNAVAILABLE, LC_IO: no child could be started. */
lc_status lc_store_check(const char *path, lc_report *report, void *context, lc_error *error);

/* ---- upkeep ------------------------------------------------------------------------------ */

typedef struct lc_store_stats {
  uint64_t commits;      /* of this store handle */
  double commit_seconds; /* in total */
  double commit_slowest; /* seconds */
  uint64_t map_used[2];  /* bytes of config.mdb and of journal.mdb in use */
  uint64_t map_size[2];  /* bytes they may grow to */
  unsigned readers[2];   /* reader slots taken now */
  unsigned max_readers;
  uint64_t unfinished;   /* entries that are applying, of all tenants */
} lc_store_stats;

lc_status lc_store_stat(lc_store *store, lc_store_stats *stats, lc_error *error);

/* Frees reader slots that died with their processes; `freed` is how many. A config that one of these has saved, but could not
 * tell of, is seen by all then. */
lc_status lc_store_check_readers(lc_store *store, unsigned *freed, lc_error *error);

#endif
