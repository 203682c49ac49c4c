/* store/store.h - everything leadcat keeps on disk, one call an operation.
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
#ifndef LC_STORE_STORE_H
#define LC_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"
#include "record.h"
#include "rules/decide.h"
#include "rules/ruleset.h"
#include "rules/status.h"
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
lc_status lc_store_save(lc_store *store, lc_text tenant, uint64_t expected, lc_text ruleset, lc_text json, lc_text about,
                        lc_error *error);

/* Replaces the packed ruleset of the newest revision, when that is `revision`, by one built anew. */
lc_status lc_store_repair(lc_store *store, lc_text tenant, uint64_t revision, lc_text ruleset, lc_error *error);

/* Copies out the JSON of a revision, 0 for the newest. LC_NOT_FOUND. */
lc_status lc_store_config(lc_store *store, lc_text tenant, uint64_t revision, lc_error *error);

/* Copies out the list of `about`, newest revision first. */
lc_status lc_store_revisions(lc_store *store, lc_text tenant, lc_error *error);

/* ---- journal ----------------------------------------------------------------------------- */

enum { LC_CURSOR_MAX = 64 }; /* bytes of a cursor's name */

/* How far a run of many events has come. */
typedef struct lc_cursor {
  lc_text name;   /* 1 ... LC_CURSOR_MAX bytes */
  lc_text before; /* how far it is now, of this name; empty: there is none */
  lc_text text;   /* JSON, to be put in its place */
} lc_cursor;

/* Copies out the cursor of this name. LC_NOT_FOUND. */
lc_status lc_store_cursor(lc_store *store, lc_text tenant, lc_text name, lc_error *error);

/* ---- handling events --------------------------------------------------------------------- */

/* What an event needs that only the caller's side can give. */
typedef enum lc_lack {
  LC_LACKS_LICENCE,  /* "licence": whether the tenant is licensed */
  LC_LACKS_CATEGORY, /* "category": the company's, of the host that keeps it */
  LC_LACKS_VERDICT,  /* "verdict": what the guards, and the user who has answered already, say to the decision */
  LC_LACKS_DETAILS,  /* "details": none, as they cannot be kept */
  LC_LACKS_END,      /* "end": the company's entry `first` is still applying, and has to reach its end */
  LC_LACKS_TURN,     /* "turn": an event before it, of the same company or id, has to be handled */
  LC_LACKS_COMMIT,   /* "commit": nothing, but it was not to be written now */
  LC_LACKS           /* how many there are */
} lc_lack;

extern const char *const lc_lack_names[LC_LACKS];

/* What has become of an event. */
typedef enum lc_case_state {
  LC_OPEN,      /* nothing yet: it was not reached */
  LC_LACKING,   /* nothing yet: it lacks something */
  LC_WRITTEN,   /* it matched: its entry is in the journal, or, in an overlay, would be */
  LC_SKIPPED,   /* it matched, and would have asked: nothing is done (LC_CONFIRM_SKIP) */
  LC_UNMATCHED, /* nothing is to be done, because of `reason` */
  LC_DUPLICATE  /* its id made the entry `first` before */
} lc_case_state;

/* One event, what is known of it, and what has become of it. */
typedef struct lc_case {
  /* The event. Of its entry the caller sets the trigger, lead status, company, event id, details and `at`; the rest is the
   * decision: `action`, `from` (0: unknown), `to`, `revision`, `status` and the question's id. */
  lc_entry entry;
  lc_text user;     /* the id of the actor, who is asked; empty: the program itself */
  bool is_given;    /* the event says what category the company has: */
  int32_t given;    /* that one; 0: one that cannot be */
  bool has_choice;  /* the user has answered before the event came: */
  int32_t choice;   /* the category to set; 0: it stays */
  bool is_unkeepable; /* it has details that cannot be kept */
  /* What the caller has found out. Each counts only as long as what it was asked for still holds. */
  bool is_known;    /* the host was asked for the category when the company's newest entry was `newest`: */
  int32_t category; /* this is it; 0: none */
  uint64_t newest;
  uint64_t passed;  /* the decision (`about`) that got a verdict; 0: none: */
  int32_t target;   /* the category to set */
  bool keep;        /* or it stays: the user has declined */
  /* What has become of it. */
  lc_case_state state;
  lc_lack lack;     /* for LC_LACKING */
  lc_reason reason; /* for LC_UNMATCHED and LC_WRITTEN */
  uint64_t about;   /* for LC_LACKS_VERDICT: tells this decision from others; below 2^53 */
  uint64_t first;   /* for LC_DUPLICATE and LC_LACKS_END; 0: of an event just before it */
} lc_case;

/* What becomes of a decision that asks, when nobody has answered yet. */
typedef enum lc_confirm {
  LC_CONFIRM_ASK,    /* "ask": a question waits in the inbox */
  LC_CONFIRM_ACCEPT, /* "accept": it counts as accepted */
  LC_CONFIRM_SKIP,   /* "skip": nothing */
  LC_CONFIRMS        /* how many there are */
} lc_confirm;

extern const char *const lc_confirm_names[LC_CONFIRMS];

typedef struct lc_overlay lc_overlay;

/* How events are handled. Zeroed: by a host, with no guards. */
typedef struct lc_handling {
  lc_text tenant;
  double now;
  bool keeps_companies;      /* companies are kept in this store; else a host keeps them, and changes are written as applying: */
  double claim;              /* seconds that the host may take for them */
  size_t most;               /* at most so many; 0: any number */
  int32_t start;             /* companies that are to be kept here and are not known begin in this category; 0: none */
  bool needs_licence;        /* it is not known yet whether the tenant is licensed */
  bool is_guarded;           /* guards have a say about what matched */
  lc_confirm confirm;
  double ttl;                /* seconds until a question expires */
  bool look;                 /* look at all events before any is written, as if those in front of them were: what they lack is found
                              * out at once. Else what is complete is written, and what comes behind it seen from there. */
  bool foresee;              /* only look, and leave in the events what is going to become of them */
  lc_overlay *overlay;       /* where what would be written goes instead (overlay.h); NULL: to the store */
  const lc_cursor *cursor;   /* goes into the same transaction, which is for all events or none: LC_CONFLICT ... */
  uint64_t digest;           /* ... unless this is what becomes of them */
} lc_handling;

/* Looks at events, in order; writes nothing. `*first` is the first one that is to be written, with all before it done or
 * lacking; `count` when there is none, or some are to be asked about first. */
lc_status lc_store_look(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t *first, lc_error *error);

/* Decides the events from `first` on and writes down and makes the changes that come of it, all in one transaction, in order.
 * Each is decided as things stand in it: an answer that was given for something else is asked for again. An event that lacks
 * something is left, and so are later ones of its company and id. */
lc_status lc_store_handle(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t first, lc_error *error);

/* What became of the events in front of the first one that is not at its end, in a number below 2^53: the same for the same. */
uint64_t lc_digest(const lc_case *cases, size_t count);

/* ---- answers, and changes that no event asked for ------------------------------------------ */

typedef enum lc_write_result {
  LC_PUT,       /* "written": the entry is in the journal */
  LC_BUSY,      /* "busy": nothing written: the company's entry `first` is still applying */
  LC_OVERTAKEN, /* "overtaken": nothing written: the company has a newer entry */
  LC_ANSWERED,  /* "answered": nothing written: the question is not open any more */
  LC_OVERDUE    /* "overdue": nothing written: the question's time is over */
} lc_write_result;

/* The answer to a question, or a change, to be written down. Its entry's status says how:
 * LC_ENTRY_APPLYING: the change is the host's to make; this store claims it;
 * LC_ENTRY_UPDATED: the company is kept in this store and is changed with it, or the entry becomes
 *   LC_ENTRY_CONFLICT when it does not stand in `from`;
 * LC_ENTRY_DECLINED: noted only.
 * A change closes an open question of the company. An answer closes the one that its entry names: at once, or when its
 * entry is finished. */
typedef struct lc_write {
  lc_entry entry;         /* in; its id and its status are set */
  bool is_answer;         /* in: to the question entry.question; else a change */
  uint64_t newest;        /* in, for a change: the company's newest entry, as lc_store_newest gave it */
  lc_write_result result; /* out */
  uint64_t first;         /* out, for LC_BUSY */
} lc_write;

/* Writes all of them in one transaction, in order, at the time `now`; the host may take `claim` seconds for its changes. With a
 * cursor, which goes into the same transaction, it is all or nothing: LC_CONFLICT when one of the results is not LC_PUT, or
 * the cursor is not where it was. */
lc_status lc_store_write(lc_store *store, lc_text tenant, lc_write *writes, size_t count, const lc_cursor *cursor, double now,
                         double claim, lc_error *error);

/* The company's newest entry, 0 when it has none. LC_CONFLICT while that entry is applying: its end
 * changes the company without a newer one. */
lc_status lc_store_newest(lc_store *store, lc_text tenant, const lc_company *company, uint64_t *newest, lc_error *error);

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
  uint32_t begun;    /* when the entry was written: seconds since 1970; 0: before that was kept */
} lc_claim;

/* Claims the company's unfinished entry for `seconds`, and copies it out. `idle`: this store is not
 * working on it; if the claim is its own, it was abandoned.
 * LC_NOT_FOUND: it has none. LC_CONFLICT: a live owner works on it. */
lc_status lc_store_claim(lc_store *store, lc_text tenant, const lc_company *company, bool idle, double now, double seconds,
                         lc_claim *claim, lc_error *error);

/* Copies out the list of unfinished entries whose `retry_at` has come, by company: at most `limit`
 * of those behind the company `after` (its text; empty for the first). */
lc_status lc_store_applying(lc_store *store, lc_text tenant, double now, lc_text after, size_t limit, lc_error *error);

/* Copies out the entry that an event id made. LC_NOT_FOUND. */
lc_status lc_store_seen(lc_store *store, lc_text tenant, lc_text event_id, lc_error *error);

/* Copies out one entry. LC_NOT_FOUND. */
lc_status lc_store_entry(lc_store *store, lc_text tenant, uint64_t entry, lc_error *error);

/* Copies out a list of entries, newest first: of one company or (NULL) of all, with `at` >= since,
 * older than the entry `after` (0: from the newest), at most `limit`. */
lc_status lc_store_history(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                           size_t limit, lc_error *error);

/* ---- what came to nothing ---------------------------------------------------------------- */

/* Notes events that came to nothing, in one transaction. Of each entry the id is set; its status is
 * LC_ENTRY_UNCHANGED. They are read by lc_store_unchanged only: no event is seen because of them, and no entry is
 * older or newer to anybody. */
lc_status lc_store_add_unchanged(lc_store *store, lc_text tenant, lc_entry *entries, size_t count, double now, lc_error *error);

/* Copies out a list of them, as lc_store_history. */
lc_status lc_store_unchanged(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                             size_t limit, lc_error *error);

/* ---- questions --------------------------------------------------------------------------- */

/* Copies out a question. LC_NOT_FOUND. */
lc_status lc_store_question(lc_store *store, lc_text tenant, const uint8_t *id, lc_error *error);

/* Which questions. */
typedef struct lc_query {
  lc_text company; /* of this company, by its text; empty: of all */
  lc_text user;    /* asked on behalf of this user; empty: of all */
  unsigned states; /* in these: bits 1 << lc_question_state */
  uint64_t after;  /* asked before this entry; 0: from the newest */
  size_t limit;
  bool unswept;    /* lc_store_expire has failed: open ones whose time is over by `now` count as expired */
  double now;
} lc_query;

/* Copies out a list of questions, newest first. */
lc_status lc_store_questions(lc_store *store, lc_text tenant, const lc_query *query, lc_error *error);

/* How many questions a query has, up to its limit. */
lc_status lc_store_count_questions(lc_store *store, lc_text tenant, const lc_query *query, size_t *count, lc_error *error);

/* Closes open questions whose time is over by `now`, each with an entry, some in one transaction.
 * `expired` is how many; `more` is whether there may be others. One that is being answered is left. */
lc_status lc_store_expire(lc_store *store, lc_text tenant, double now, size_t *expired, bool *more, lc_error *error);

/* ---- companies of the embedded host ------------------------------------------------------ */

typedef struct lc_company_record {
  uint64_t entry;      /* the journal entry that changed it last; 0: none */
  int32_t category;
  uint32_t is_integer; /* the type of id that the host gave: 0 or 1 */
} lc_company_record;

/* The company's category. LC_NOT_FOUND. */
lc_status lc_store_company(lc_store *store, lc_text tenant, const lc_company *company, int32_t *category, lc_error *error);

/* Adds companies, all in `category`, in one transaction; those that exist are left alone.
 * `created` is how many were new. */
lc_status lc_store_create(lc_store *store, lc_text tenant, const lc_company *companies, size_t count, int32_t category,
                          size_t *created, lc_error *error);

/* Sets the company's category when it is `from`. LC_CONFLICT when it is another, LC_NOT_FOUND. */
lc_status lc_store_set_category(lc_store *store, lc_text tenant, const lc_company *company, int32_t to, int32_t from,
                                lc_error *error);

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
lc_status lc_store_trim(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from, size_t *removed,
                        lc_error *error);

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
lc_status lc_store_due(lc_store *store, lc_work work, const lc_retention *keep, double now, lc_place *place, lc_error *error);

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
