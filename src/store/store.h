/* store/store.h - everything leadcat keeps on disk, one call an operation.
 *
 * Every call runs one transaction and commits or aborts it before it returns. What it reads is copied into the store's result
 * buffer (lc_store_result), which is valid until the next call on that store. A failed call has changed nothing.
 *
 * A store belongs to one thread at a time. Any number of stores, in any threads and processes, may be open on one directory.
 * Everything is keyed by the tenant (0 ... LC_TENANT_MAX bytes). The caller checks the sizes of tenants, companies and event
 * ids. Times are seconds since 1970.
 *
 * Any call may return, besides what it names: LC_FORKED, LC_UNAVAILABLE (no reader slot, no memory), LC_CORRUPT, LC_IO; a
 * writing one also LC_FULL and LC_READONLY.
 */
#ifndef LC_STORE_STORE_H
#define LC_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daily.h"
#include "epoch.h"
#include "pages.h"
#include "record.h"
#include "rules/decide.h"
#include "rules/ruleset.h"
#include "rules/status.h"
#include "rules/triggers.h"
#include "watch.h"

typedef struct lc_store lc_store;

typedef struct lc_store_options {
  size_t map_size;      /* as of lc_env_options (env.h) */
  unsigned max_readers;
  bool relaxed;         /* a power failure may undo the newest commits of the journal */
  double patience;      /* seconds to wait for another process that writes, then calls are LC_LOCKED; 0: some seconds, then
                         * they are LC_UNAVAILABLE */
  bool moves;           /* it is opened to be moved (transfer.h). LC_UNAVAILABLE: others have it open */
  bool shared;          /* the journal is in a database of several machines, and stays empty here (scratch.h) */
  bool readonly;        /* writes nothing and makes nothing: what would is LC_READONLY */
  unsigned mode;        /* of the files that are made, whatever the umask, and with the right to search of the directory; 0: as it was */
} lc_store_options;

/* Opens the store in directory `path`. Close it with lc_store_close.
 *
 * To be read only, it is opened without any lock where it has no owner, since nobody changes it then; a read that finds one is
 * LC_UNAVAILABLE. Where it has one, it is opened as LMDB wants: reading takes writing to its lock files. LC_UNAVAILABLE: they may not
 * be written. LC_READONLY: the store has to be written, as it is of an older form. LC_CONFLICT: it was moved away, or is a node's
 * copy of shared rules. */
lc_status lc_store_open(const char *path, const lc_store_options *options, lc_store **out, lc_error *error);
void lc_store_close(lc_store *store);

/* What the last call copied out: one value, or a list to read with lc_list_next. */
lc_text lc_store_result(const lc_store *store);

/* The same in memory that is the caller's, to free. NULL when it is empty. The store's result is empty afterwards. */
char *lc_store_take_result(lc_store *store, size_t *size);

/* Takes the next item off the front of `list`; false at its end. */
bool lc_list_next(lc_text *list, lc_text *item);

/* ---- configs ----------------------------------------------------------------------------- */

/* A tenant's newest ruleset, cached. Zero at first; freed with lc_rules_free. */
typedef struct lc_rules {
  lc_ruleset *ruleset; /* NULL until the first refresh */
  uint64_t stamp;      /* id of the transaction that read it */
} lc_rules;

/* Tells whether a config has been saved. Valid as long as the store is open. */
const lc_watch *lc_store_watch(const lc_store *store);

/* Whether no tenant has saved a config since `rules` was read. Costs a few memory reads. */
static inline bool lc_rules_fresh(const lc_rules *rules, const lc_watch *watch) {
  return rules->ruleset != NULL && !lc_watch_forked(watch) && lc_watch_newest(watch) == rules->stamp;
}

/* Reads the tenant's newest ruleset if it has changed. A tenant without one gets that of the empty config, revision 0. On
 * failure `rules` stays as it was. LC_CORRUPT: it is damaged, or was built before the triggers of some of its rules were declared:
 * it is to be built again from its config (lc_store_repair). */
lc_status lc_store_refresh(lc_store *store, lc_text tenant, lc_rules *rules, lc_error *error);
void lc_rules_free(lc_rules *rules);

/* The tenant's newest ruleset, from the store's cache of at most 64 MiB (a ruleset with the preset's categories takes about
 * 350 bytes; one that is larger than the cache is kept alone). Valid until the next call on the store. */
lc_status lc_store_ruleset(lc_store *store, lc_text tenant, const lc_ruleset **ruleset, lc_error *error);

/* Saves a config as revision `expected` + 1: the packed `ruleset`, its source `json`, and `about` (JSON: who and when).
 * LC_STALE: `expected` is not the newest revision. */
lc_status lc_store_save(lc_store *store, lc_text tenant, uint64_t expected, lc_text ruleset, lc_text json, lc_text about,
                        lc_error *error);

/* Replaces the packed ruleset, if `revision` is still the newest; of a store that is only read, for this store alone. */
lc_status lc_store_repair(lc_store *store, lc_text tenant, uint64_t revision, lc_text ruleset, lc_error *error);

/* Copies out the JSON of a revision, 0 for the newest. LC_NOT_FOUND. */
lc_status lc_store_config(lc_store *store, lc_text tenant, uint64_t revision, lc_error *error);

/* Copies out the list of `about`, newest revision first. */
lc_status lc_store_revisions(lc_store *store, lc_text tenant, lc_error *error);

/* ---- the integrator's own triggers --------------------------------------------------------- */

/* Whether nobody can have declared one since `triggers` were read. Costs a few memory reads. */
static inline bool lc_triggers_fresh(const lc_triggers *triggers, const lc_watch *watch) {
  return triggers->stamp != 0 && !lc_watch_forked(watch) && lc_watch_newest(watch) == triggers->stamp;
}

/* Reads the store's own triggers, of all tenants. On failure `triggers` stay as they were. */
lc_status lc_store_triggers(lc_store *store, lc_triggers *triggers, lc_error *error);

typedef struct lc_declared {
  lc_text name;  /* lc_trigger_name_fits */
  lc_text about; /* JSON that the store does not read; empty: as it is */
} lc_declared;

/* Adds those that the store does not know yet, in their order, and sets what is about each, in one transaction; in none when
 * nothing is new. LC_INVALID: there would be more than LC_OWN_TRIGGERS. */
lc_status lc_store_declare(lc_store *store, const lc_declared *declared, size_t count, lc_error *error);

/* Copies out a list of them, by number. An item is an lc_trigger_name, then the JSON about it. */
lc_status lc_store_list_triggers(lc_store *store, lc_error *error);

/* ---- cursors ----------------------------------------------------------------------------- */

enum { LC_CURSOR_MAX = 72 }; /* bytes of a cursor's name */

/* Moves the cursor `name`, which says how far a run of many events, or a source of them, has come. */
typedef struct lc_cursor {
  lc_text name;   /* 1 ... LC_CURSOR_MAX bytes */
  lc_text before; /* its value until now; empty: there is none */
  lc_text text;   /* its new value; empty: it is removed */
  bool anyhow;    /* its value until now does not matter */
} lc_cursor;

/* Copies out the value of a cursor. LC_NOT_FOUND. */
lc_status lc_store_cursor(lc_store *store, lc_text tenant, lc_text name, lc_error *error);

/* ---- answers, and changes without an event ------------------------------------------------- */

typedef enum lc_write_result {
  LC_PUT,       /* "written": the entry is in the journal */
  LC_BUSY,      /* "busy": not written: the company's entry `first` is still applying */
  LC_OVERTAKEN, /* "overtaken": not written: the company has a newer entry */
  LC_ANSWERED,  /* "answered": not written: the question is no longer open */
  LC_OVERDUE    /* "overdue": not written: the question's time is over */
} lc_write_result;

/* The answer to a question, or a change. The status of its entry says how to write it:
 * LC_ENTRY_APPLYING: the host makes the change; this store claims it, unless `claim` is 0.
 * LC_ENTRY_UPDATED: the company is kept here and changes with it. The entry becomes LC_ENTRY_CONFLICT when the company is not
 *   in `from`.
 * LC_ENTRY_DECLINED, LC_ENTRY_EXPIRED: only noted.
 * A change closes an open question of the company. An answer closes the question that its entry names: at once, or when the
 * entry is finished. */
typedef struct lc_write {
  lc_entry entry;         /* in; its id and its status are set */
  bool is_answer;         /* in: to the question entry.question; else a change */
  bool by_expiry;         /* in, for an answer: the one that the question has when its time is over (lc_on_expiry) */
  uint64_t newest;        /* in, for a change: the company's newest entry, from lc_store_newest */
  bool continues;           /* in: not that one, but a change that this call has made */
  lc_write_result result; /* out */
  uint64_t first;         /* out, for LC_BUSY */
} lc_write;

/* Writes all of them in one transaction, in order, at the time `now`; the host may take `claim` seconds for its changes. A
 * `cursor` moves in the same transaction, which then is all or nothing. LC_CONFLICT: a result was not LC_PUT, or the cursor
 * has moved. */
lc_status lc_store_write(lc_store *store, lc_text tenant, lc_write *writes, size_t count, const lc_cursor *cursor, double now,
                         double claim, lc_error *error);

/* The company's newest entry, 0 when it has none. LC_CONFLICT while that entry is applying: when it ends, the company changes
 * without a newer entry. */
lc_status lc_store_newest(lc_store *store, lc_text tenant, const lc_company *company, uint64_t *newest, lc_error *error);

/* The host's result for a change that this store has claimed. */
typedef struct lc_finish {
  uint64_t entry;
  lc_company company;
  lc_entry_status status; /* LC_ENTRY_APPLYING: it failed; try again in `retry_in` */
  lc_text error;          /* why it failed */
  double retry_in;        /* seconds */
  bool made;              /* the host has just made it: a compare-and-set that may not be forgotten */
  bool lost;              /* out: it is another store's to report: that has taken the claim over */
} lc_finish;

/* Writes down how changes have ended. What is `lost` is not written; but if the host `made` it, the entry, which another store
 * has ended otherwise or which newer ones have followed, says so. */
lc_status lc_store_finish(lc_store *store, lc_text tenant, lc_finish *finishes, size_t count, double now, lc_error *error);

/* An unfinished entry and who works on it. Its times are lc_uptime's (clock.h); in another boot they are over. */
typedef struct lc_claim {
  uint64_t entry;
  uint64_t owner;    /* an lc_owner's token; 0: nobody */
  uint64_t boot;     /* lc_boot of its times */
  double deadline;   /* when the claim ends */
  double retry_at;   /* when recovery tries again */
  uint32_t attempts; /* failed ones */
  uint32_t begun;    /* when the entry was written: seconds since 1970; 0: unknown, in an older store */
} lc_claim;

/* Claims the company's unfinished entry for `seconds` and copies it out. `idle`: this store is not working on it, so its own
 * claim, if there is one, was abandoned. LC_NOT_FOUND: there is no such entry. LC_CONFLICT: a live owner works on it. */
lc_status lc_store_claim(lc_store *store, lc_text tenant, const lc_company *company, bool idle, double seconds,
                         lc_claim *claim, lc_error *error);

/* Copies out a list of unfinished entries to retry by now, ordered by company: at most `limit`, of companies behind `after`
 * (a company's text; empty: from the first). */
lc_status lc_store_applying(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_error *error);

/* What a host keeps to recognize the change of an entry, unique for ever (epoch.h). */
const lc_epochs *lc_store_epochs(const lc_store *store);

/* ---- reading the journal ------------------------------------------------------------------- */

/* Copies out the entry that an event id made; where it came to nothing, one with the id 0. LC_NOT_FOUND. */
lc_status lc_store_seen(lc_store *store, lc_text tenant, lc_text event_id, lc_error *error);

/* Copies out one entry. LC_NOT_FOUND. */
lc_status lc_store_entry(lc_store *store, lc_text tenant, uint64_t entry, lc_error *error);

/* Copies out a list of at most `limit` entries, newest first: of one company or (NULL) of all, with `at` >= since, older than
 * the entry `after` (0: from the newest). */
lc_status lc_store_history(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                           size_t limit, lc_error *error);

/* What is searched for. */
typedef struct lc_search {
  bool unchanged;       /* among events that changed nothing, not in the journal */
  double since, before; /* from the one time on to before the other, by `at` */
  int status, trigger;  /* lc_entry_status and lc_trigger; -1: any */
  int64_t revision;     /* of the config that decided; -1: any */
  lc_text words;        /* that the details may have (words.h), or (asked) those of a question; empty: any */
  bool asked;
  lc_text name;         /* that the company, or the former one, may have; empty: any */
  size_t most, limit;   /* how many entries are looked at, and found */
  size_t looked_at;     /* set: how many were */
  uint64_t reached;     /* set: the entry to go on behind; 0: there are no more */
} lc_search;

/* Copies out a list of the entries that may be meant, as lc_store_history does. */
lc_status lc_store_search(lc_store *store, lc_text tenant, const lc_company *company, uint64_t after, lc_search *search,
                          lc_error *error);

/* Notes events that changed nothing, in one transaction. Sets the entries' ids; the caller sets LC_ENTRY_UNCHANGED. They have
 * a log of their own, which only lc_store_unchanged reads: their event ids do not count as seen, nor they as newest entries. What shadows
 * would have done (LC_ENTRY_SHADOW) stands there, too. */
lc_status lc_store_add_unchanged(lc_store *store, lc_text tenant, lc_entry *entries, size_t count, double now, lc_error *error);

/* Copies out a list of these, as lc_store_history does. */
lc_status lc_store_unchanged(lc_store *store, lc_text tenant, const lc_company *company, double since, uint64_t after,
                             size_t limit, lc_error *error);

/* What later events go by. */
typedef struct lc_last_change {
  bool needs_at; /* in: go on to the newest change whose event said when it happened */
  lc_move made;  /* out: the company's newest applied change, if the sale has caused it and it did not take back anything */
  double at;     /* out: when that event happened, at the latest when it was written; NAN: unknown */
} lc_last_change;

/* Finds the company's newest applied change, among its newest 10,000 entries. `sale`: an id; empty: none. */
lc_status lc_store_last_change(lc_store *store, lc_text tenant, const lc_company *company, lc_text sale, lc_last_change *last,
                               lc_error *error);

/* ---- questions --------------------------------------------------------------------------- */

/* Copies out a question. LC_NOT_FOUND. */
lc_status lc_store_question(lc_store *store, lc_text tenant, const uint8_t *id, lc_error *error);

typedef struct lc_query {
  lc_text company; /* only of this company, by its text; empty: of all */
  lc_text user;    /* only asked for this user; empty: for all */
  unsigned states; /* bits 1 << lc_question_state */
  uint64_t after;  /* asked before this entry; 0: from the newest */
  size_t limit;
  bool unswept;    /* lc_store_expire has failed: count open ones that are over by `now` as expired */
  double now;
} lc_query;

/* Copies out a list of questions, newest first. */
lc_status lc_store_questions(lc_store *store, lc_text tenant, const lc_query *query, lc_error *error);

/* Counts the questions of a query, up to its limit. */
lc_status lc_store_count_questions(lc_store *store, lc_text tenant, const lc_query *query, size_t *count, lc_error *error);

/* Expires some of the open questions that are over by `now`, each with an entry, in one transaction; skips those that are
 * being answered, and those with something to be done then (lc_on_expiry). `expired` is how many; `more` is whether there may be others. */
lc_status lc_store_expire(lc_store *store, lc_text tenant, double now, size_t *expired, bool *more, lc_error *error);

/* Gives an open question to another user, in one transaction: its user and its body. LC_CONFLICT: it is not open any more, or its company or
 * its body is another one by now. LC_NOT_FOUND. */
typedef struct lc_assignment {
  lc_text company;
  lc_text before; /* the body that it has */
  lc_text body;
  lc_text user;   /* 1 to LC_USER_MAX bytes */
} lc_assignment;

lc_status lc_store_assign(lc_store *store, lc_text tenant, const uint8_t *id, const lc_assignment *assignment, double now, lc_error *error);

/* Open questions whose time is over by `until`, the earliest first, into the result: those behind the time `after` (in milliseconds)
 * and, of those whose time it is, behind the entry that asked. */
lc_status lc_store_expiring(lc_store *store, lc_text tenant, uint64_t after, uint64_t entry, double until, size_t limit,
                            lc_error *error);

/* ---- what is held --------------------------------------------------------------------------- */

/* Copies out a list of at most `limit` held entries behind the entry `after`, the oldest first. */
lc_status lc_store_held(lc_store *store, lc_text tenant, uint64_t after, size_t limit, lc_error *error);

/* ---- what is scheduled ------------------------------------------------------------------- */

/* Copies out a list of at most `limit` scheduled entries that are to be looked at by `now`, the earliest first. */
lc_status lc_store_scheduled(lc_store *store, lc_text tenant, double now, size_t limit, lc_error *error);

/* Copies out the company's scheduled entry. LC_NOT_FOUND: it has none. */
lc_status lc_store_schedule_of(lc_store *store, lc_text tenant, const lc_company *company, lc_error *error);

/* How a scheduled entry ends without an event (lc_handling writes down what comes of one). */
typedef struct lc_ending {
  uint64_t entry;
  lc_company company;
  lc_entry_status status; /* LC_ENTRY_CANCELLED, LC_ENTRY_DROPPED; or LC_ENTRY_SCHEDULED: it is looked at again at `again`;
                           * of a queued one that this store has claimed LC_ENTRY_DROPPED, or LC_ENTRY_QUEUED: in `again` seconds */
  uint8_t reason;         /* lc_entry_reason, for LC_ENTRY_DROPPED */
  uint64_t revision;      /* of the config that decided so; 0: none did */
  int32_t from;           /* the company's category then */
  lc_text error;
  lc_text details;        /* empty: they stay as they are */
  double again;           /* seconds since 1970, or of a queued one from now */
  bool lost;              /* out: it had ended before */
} lc_ending;

/* Ends scheduled and queued entries, in one transaction. */
lc_status lc_store_end_scheduled(lc_store *store, lc_text tenant, lc_ending *endings, size_t count, double now, lc_error *error);

/* ---- all that was done, in order ----------------------------------------------------------- */

/* As what an entry stands among the changes. */
typedef enum lc_done_kind {
  LC_DONE_ENDED,  /* "ended": it has reached its end */
  LC_DONE_ASKED,  /* "asked": it has asked a question */
  LC_DONE_CLOSED, /* "closed": it has closed its question; that it has ended is the change before */
  LC_DONE_HELD,   /* "held": with it, which is held, its rule has come to a stop */
  LC_DONE_ASSIGNED, /* "assigned": its open question was given to another user */
  LC_DONE_KINDS   /* how many there are */
} lc_done_kind;

extern const char *const lc_done_names[LC_DONE_KINDS];

typedef struct lc_done {
  uint64_t number; /* grows from one change to the next, by more than 1 */
  uint64_t entry;
  lc_done_kind kind;
} lc_done;

/* Copies out a list of at most `limit` changes behind the number `after`, oldest first. An item is an lc_done, then its entry as it is
 * now, packed. A change whose entry retention has removed is left out. `newest`: the number of the last one looked at, else `after`;
 * `removed`: up to which number they were removed. An entry that has ended stands there once, but once more when it was tried again,
 * and when the host has made the change of a failed one late. */
lc_status lc_store_changes(lc_store *store, lc_text tenant, uint64_t after, size_t limit, uint64_t *newest, uint64_t *removed,
                           lc_error *error);

/* The number behind which all changes to come are. */
lc_status lc_store_newest_change(lc_store *store, uint64_t *newest, lc_error *error);

/* ---- companies of the embedded host ------------------------------------------------------ */

typedef struct lc_company_record {
  uint64_t entry;      /* the journal entry that changed it last; 0: none */
  int32_t category;
  uint32_t is_integer; /* the type of id that the host gave: 0 or 1 */
} lc_company_record;

/* The company's category. LC_NOT_FOUND. */
lc_status lc_store_company(lc_store *store, lc_text tenant, const lc_company *company, int32_t *category, lc_error *error);

/* Adds companies in `category`, in one transaction, and leaves existing ones alone. `created` is how many were new. */
lc_status lc_store_create(lc_store *store, lc_text tenant, const lc_company *companies, size_t count, int32_t category,
                          size_t *created, lc_error *error);

/* Changes the company's category from `from` to `to`. LC_CONFLICT: it has another one. LC_NOT_FOUND. */
lc_status lc_store_set_category(lc_store *store, lc_text tenant, const lc_company *company, int32_t to, int32_t from,
                                lc_error *error);

/* Copies out a list of at most `limit` companies behind `after` (a company's text; empty: from the first), ordered by the size
 * of their ids, then by bytes. An item is an lc_company_record, then the company's text. */
lc_status lc_store_companies(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_error *error);

enum { LC_TALLY_MAX = 256 };

/* How many companies are in each category, of those that were looked at. */
typedef struct lc_company_tally {
  size_t used;
  struct { int32_t category; uint64_t count; } counts[LC_TALLY_MAX];
  size_t last_size; /* of `last`, the company behind which to go on; 0: there are no more */
  char last[LC_COMPANY_MAX];
} lc_company_tally;

/* Counts the companies behind `after`, in the order of lc_store_companies: at most `limit` of them (at least one), in at most
 * LC_TALLY_MAX categories. */
lc_status lc_store_tally(lc_store *store, lc_text tenant, lc_text after, size_t limit, lc_company_tally *tally, lc_error *error);

/* ---- retention --------------------------------------------------------------------------- */

/* How much of a tenant's journal to keep; 0: no limit. */
typedef struct lc_retention {
  double age;     /* only entries written at most this many seconds before now, or before the newest entry if that is less ... */
  uint64_t count; /* ... and at most this many */
} lc_retention;

/* Removes some of the oldest entries beyond that, with their seen-marks and closed questions, in one short transaction.
 * Applying and scheduled entries and open questions stay. `from` is 0 at first, then where the next call goes on, 0 again at the end. Where the
 * store or the disk is full it may use a reserve. LC_FULL: a reader is in the way, or the reserve is gone, too. */
lc_status lc_store_trim(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from, size_t *removed,
                        lc_error *error);

/* The same for the log of lc_store_add_unchanged, where nothing has to stay. */
lc_status lc_store_trim_unchanged(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                                  size_t *removed, lc_error *error);

/* The same for the marks of events that came to nothing, but `from` is only a count of the calls. */
lc_status lc_store_trim_marks(lc_store *store, lc_text tenant, const lc_retention *keep, double now, uint64_t *from,
                              size_t *removed, lc_error *error);

/* ---- tenants ----------------------------------------------------------------------------- */

/* Work to do from time to time. */
typedef enum lc_work {
  LC_WORK_CHANGES,   /* retry an unfinished change: lc_store_applying */
  LC_WORK_TIMED,     /* expire a question, or carry out what is scheduled: lc_store_expire, lc_store_scheduled */
  LC_WORK_JOURNAL,   /* remove entries: lc_store_trim */
  LC_WORK_UNCHANGED, /* the same for the other log: lc_store_trim_unchanged */
  LC_WORK_MARKS,     /* the same for marks: lc_store_trim_marks */
  LC_WORK_DELIVERIES, /* the same for deliveries: lc_store_trim_deliveries */
  LC_WORKS           /* how many there are */
} lc_work;

enum { LC_PLACE_MAX = 1 + LC_TENANT_MAX + 1 + LC_COMPANY_MAX + 1 };

/* How far a search through the tenants has come. */
typedef struct lc_place {
  unsigned char key[LC_PLACE_MAX];
  size_t size; /* 0: before the first; 0 again: behind the last */
} lc_place;

/* Copies out a list of the next tenants that have such work due at `now`. A call looks at a limited number of keys, so the
 * list may be empty. It costs one seek for each tenant, and one for each unfinished change that is not due. `place` is where
 * it begins, then where the next call goes on. */
lc_status lc_store_due(lc_store *store, lc_work work, const lc_retention *keep, double now, lc_place *place, lc_error *error);

/* ---- counters ---------------------------------------------------------------------------- */

enum { LC_COUNTER_MAX = 255 }; /* bytes of a counter's name */

/* A number that only grows, shared by all processes. */
typedef struct lc_counter {
  lc_text tenant;
  lc_text name;
  uint64_t value;
} lc_counter;

/* Adds to counters of any tenants, in one transaction. New ones begin at 0. */
lc_status lc_store_add(lc_store *store, const lc_counter *counters, size_t count, lc_error *error);

/* Copies out a list of the tenant's counters. An item is a uint64_t, then the name. */
lc_status lc_store_counters(lc_store *store, lc_text tenant, lc_error *error);

/* ---- counters by day --------------------------------------------------------------------- */

/* Copies out a list of at most `limit` counters of the days from `since` on, behind the counter `after` (packed; empty: from the first), in
 * the order of days. An item is an lc_daily, packed, then a uint64_t. */
lc_status lc_store_daily(lc_store *store, lc_text tenant, uint32_t since, lc_text after, size_t limit, lc_daily_head *head,
                         lc_error *error);

/* Takes a step of counting the tenant's journal anew, in one short transaction: `head` says how far that is. Begins with it when it is
 * not under way. Days of which retention has removed entries keep their counters. */
lc_status lc_store_recount(lc_store *store, lc_text tenant, lc_daily_head *head, lc_error *error);

/* ---- upkeep ------------------------------------------------------------------------------ */

/* Copies the store, while it is in use, to the directory `path`, as lc_env_copy does. */
lc_status lc_store_copy(lc_store *store, const char *path, bool compact, lc_error *error);

/* Reads all pages and records of the store in `path`, and writes nothing. Reports each problem in a sentence, with the context
 * `problems`, and what could not be checked, with `unchecked`. A child process does it, since a damaged file may end it. The caller
 * should not have the store open. LC_UNAVAILABLE, LC_IO: no child could be started, it was told to end, or
 * it may not read the store. */
lc_status lc_store_check(const char *path, lc_report *report, void *problems, void *unchecked, lc_error *error);

typedef struct lc_store_stats {
  uint64_t commits;      /* of this store handle */
  double commit_seconds; /* in total */
  double commit_slowest; /* seconds */
  uint64_t map_used[2];  /* bytes of config.mdb and of journal.mdb, beyond map_size where a reserve was needed */
  uint64_t map_free[2];  /* bytes among them that are free again */
  uint64_t behind[2];    /* commits since the oldest open read transaction */
  uint64_t map_size[2];  /* bytes that may be in use, without free ones */
  unsigned readers[2];   /* reader slots taken now */
  unsigned max_readers;
  uint64_t unfinished;   /* entries that are applying, of all tenants */
} lc_store_stats;

lc_status lc_store_stat(lc_store *store, lc_store_stats *stats, lc_error *error);

/* Whether the disk still does its work: reads both files and, if this process has not committed for `age` seconds, writes. */
lc_status lc_store_probe(lc_store *store, double age, lc_error *error);

/* Frees reader slots of dead processes; `freed` is how many. Also does lc_env_tell_commit (env.h). */
lc_status lc_store_check_readers(lc_store *store, unsigned *freed, lc_error *error);

#endif
