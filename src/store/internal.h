/* store/internal.h - what the files of the store share, grouped by the file that defines it. */
#ifndef LC_STORE_INTERNAL_H
#define LC_STORE_INTERNAL_H

#include "clock.h"
#include "daily.h"
#include "delivery.h"
#include "env.h"
#include "handle.h"
#include "owner.h"
#include "pending.h"
#include "store.h"
#include "window.h"

/* Room for the longest keys, those of LC_TABLE_QUESTIONS, and a number to seek by; less than LMDB's 511. */
enum { LC_KEY_SIZE = 1 + LC_TENANT_MAX + 1 + 1 + LC_COMPANY_MAX + 1 + 8 };

typedef struct lc_key {
  unsigned char bytes[LC_KEY_SIZE];
  size_t size;
} lc_key;

typedef struct lc_rules_cache lc_rules_cache;

/* The newest entry of all tenants, or what was done last. */
typedef struct lc_last {
  uint64_t number; /* entries and changes are numbered together */
  double written;  /* when the entry was: seconds since 1970 */
  uint64_t recounts; /* how many tenants' counters by day are being counted anew */
} lc_last;

struct lc_store {
  lc_env *env;
  lc_rules_cache *rules; /* NULL until first used */
  lc_rules_cache *repaired; /* of a store that is only read: what it has in place of what is stored; NULL until needed */
  lc_owner owner;
  uint64_t boot; /* lc_boot */
  bool relaxed;
  double patience;
  bool readonly;
  lc_reader readers[LC_PARTS]; /* idle between calls; each keeps its reader slot */
  char *result;               /* the buffer, its bytes in use, and its size */
  size_t result_size;
  size_t result_capacity;
  uint64_t commits;
  double commit_seconds;
  double commit_slowest;
  lc_pending *pending;   /* marks to be written */
  double pending_at;     /* when the newest of them was made: seconds since 1970 */
  bool puts_marks;       /* the transaction has put them */
  bool shared, moves;    /* as of lc_store_options */
  MDB_txn *scratch;      /* the world in memory that stands for the journal (scratch.h); NULL: there is none */
  lc_key scratch_tenant; /* whose it is */
  size_t scratch_marks;  /* how many marks waited when it began */
};

/* ---- from keys.c ----------------------------------------------------------------------- */

/* A key begins with the tenant and is then extended (env.h has the layouts). The caller has checked the sizes. */
lc_key lc_key_of(lc_text tenant);
void lc_key_add_text(lc_key *key, lc_text text); /* its size in a byte, then its bytes */
void lc_key_add_bytes(lc_key *key, const void *bytes, size_t size);
void lc_key_add_number(lc_key *key, uint64_t number);
uint64_t lc_key_number(MDB_val key); /* the number at its end */
bool lc_key_is_prefix(const lc_key *prefix, MDB_val key);
MDB_val lc_key_value(lc_key *key);
lc_key lc_key_of_company(const lc_key *tenant, const lc_company *company);
lc_key lc_key_of_entry(const lc_key *tenant, uint64_t entry);
lc_key lc_key_of_question(const lc_key *tenant, const uint8_t *id);
lc_key lc_key_of_due(const lc_key *tenant, uint64_t milliseconds, uint64_t entry); /* in LC_TABLE_EXPIRING */

/* A time as milliseconds since 1970: 0 for one before, UINT64_MAX for one that is too late. */
uint64_t lc_milliseconds(double seconds);

/* Whether a key of LC_TABLE_EXPIRING belongs to the tenant, and its time has come. */
bool lc_is_overdue(const lc_key *tenant, MDB_val key, double now);

/* These return LMDB's results. */
int lc_get(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, MDB_val *value);
int lc_put(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, const void *data, size_t size);
int lc_delete(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key);

/* Copies a value of exactly `size` bytes to `record`. MDB_NOTFOUND; MDB_CORRUPTED: it has another size. */
int lc_get_record(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, void *record, size_t size);

/* Puts a value of `size` bytes, which the caller writes to `*memory` at once. */
int lc_reserve(const lc_store *store, MDB_txn *txn, lc_table table, lc_key *key, size_t size, void **memory);

/* The last key of `table` that is `prefix` and a number, with its value; MDB_NOTFOUND. */
int lc_get_last(const lc_store *store, MDB_txn *txn, lc_table table, const lc_key *prefix, MDB_val *key, MDB_val *value);

/* The first key of `table` that begins with `prefix`, with its value; MDB_NOTFOUND. */
int lc_get_first(const lc_store *store, MDB_txn *txn, lc_table table, const lc_key *prefix, MDB_val *key, MDB_val *value);

/* Moves the cursor to the last key that is `prefix` and a number below `bound`; MDB_NOTFOUND. */
int lc_seek_before(MDB_cursor *cursor, const lc_key *prefix, uint64_t bound, MDB_val *key, MDB_val *value);

/* Moves to the previous key; MDB_NOTFOUND: it lacks the prefix. */
int lc_seek_previous(MDB_cursor *cursor, const lc_key *prefix, MDB_val *key, MDB_val *value);

/* Moves to the first key behind the company or name `after` (empty: to the tenant's first). */
int lc_seek_company(MDB_cursor *cursor, const lc_key *tenant, lc_text after, MDB_val *key, MDB_val *value);

/* ---- from store.c ---------------------------------------------------------------------- */

/* The options to read the store in `path`: without locks where it has no owner. LC_UNAVAILABLE: it has one, and the lock files of
 * LMDB, in which readers are listed, may not be written. */
lc_status lc_how_to_read(const char *path, lc_env_options *options, lc_error *error);

/* ---- from transaction.c ---------------------------------------------------------------- */

lc_status lc_begin_read(lc_store *store, lc_part part, MDB_txn **txn, lc_error *error);
void lc_end_read(lc_store *store, lc_part part);
/* LC_READONLY: it was opened to be read only. */
lc_status lc_check_writable(const lc_store *store, lc_error *error);

lc_status lc_begin_write(lc_store *store, lc_part part, MDB_txn **txn, lc_error *error);

/* Commits when `status` is LC_OK, else aborts and returns `status`. */
lc_status lc_end_write(lc_store *store, lc_part part, MDB_txn *txn, lc_status status, lc_error *error);

/* Aborts a transaction in which nothing was changed. */
void lc_drop_write(lc_store *store, lc_part part, MDB_txn *txn);

/* Whether it is no damage that a listed entry is not there: of a world in memory (scratch.h). */
static inline bool lc_may_be_missing(const lc_store *store, int rc) {
  return rc == MDB_NOTFOUND && store->scratch != NULL;
}

lc_status lc_store_fail(const lc_store *store, lc_part part, int rc, const char *doing, lc_error *error);

void lc_result_clear(lc_store *store);
lc_status lc_result_set(lc_store *store, const void *data, size_t size, lc_error *error);

/* Appends an item of a list, given in two pieces. */
lc_status lc_result_add(lc_store *store, lc_text first, lc_text second, lc_error *error);

/* Copies out a value of journal.mdb. LC_NOT_FOUND. */
lc_status lc_copy_out(lc_store *store, MDB_txn *txn, lc_table table, lc_key key, lc_error *error);

/* Appends it to what was copied out before; the result may move in memory. */
lc_status lc_copy_more(lc_store *store, MDB_txn *txn, lc_table table, lc_key key, lc_error *error);

/* Copies it out in a read transaction of its own. */
lc_status lc_read_one(lc_store *store, lc_table table, lc_key key, lc_error *error);

/* Copies out what the table of identities has, none of an older leadcat. Whoever opens a store asks, and most never read that file
 * again: so the slot of a reader is given back. */
lc_status lc_read_identity(lc_store *store, lc_key key, lc_error *error);

/* Turns LC_NOT_FOUND into LC_CORRUPT, for what another record names. */
lc_status lc_must_be_there(lc_status status, const char *what, lc_error *error);

/* Clears the result and runs `scanner` with a cursor inside a read transaction. */
typedef lc_status lc_scanner(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error);
lc_status lc_scan(lc_store *store, lc_part part, lc_table table, lc_scanner *scanner, void *request, lc_error *error);

/* The status for the last cursor call of a scan: LC_OK for MDB_NOTFOUND (the end) and for 0 (a limit). */
lc_status lc_end_of_scan(const lc_store *store, lc_part part, int rc, lc_error *error);

/* A scanner for keys of a tenant and a name, with values of one size. An item is the value, then the name. */
typedef struct lc_name_list {
  lc_key tenant;
  lc_text after; /* the names behind this one; empty: all */
  size_t limit, size;
  const char *damaged; /* the message for LC_CORRUPT */
} lc_name_list;
lc_scanner lc_list_names;

static inline lc_text lc_text_of(MDB_val value) {
  return (lc_text){ value.mv_data, value.mv_size };
}

/* ---- from writer.c --------------------------------------------------------------------- */

/* A tenant's logs of entries. */
typedef enum lc_log {
  LC_LOG_JOURNAL,   /* what was done */
  LC_LOG_UNCHANGED, /* events that changed nothing */
  LC_LOG_DELIVERIES, /* what webhooks have left: only counted as a log */
  LC_LOGS
} lc_log;

typedef struct lc_log_parts {
  lc_table entries, by_company;
  const char *counter; /* the name of the counter that has their number */
} lc_log_parts;

extern const lc_log_parts lc_logs[LC_LOGS];

/* What is to be added to a counter of a day. */
typedef struct lc_counted {
  unsigned char packed[LC_DAILY_SIZE]; /* lc_daily */
  int more;
} lc_counted;

enum { LC_GATHERED = 16 }; /* counters that a transaction puts together */

/* One transaction that writes a log. */
typedef struct lc_writer {
  lc_store *store;
  MDB_txn *txn;
  lc_key tenant;
  double now;
  double claim;  /* seconds that the host may take for a change */
  bool idle;     /* as for lc_store_claim */
  MDB_cursor *claims, *entries; /* of lc_store_finish: each stays where it has found a key, to change it there */
  lc_last last;  /* the newest entry */
  lc_log log;
  int64_t added; /* entries added to the log, less those removed */
  uint32_t days_noted; /* days up to this one are known to have lost entries, and there is nothing more to note of them */
  size_t counted;
  lc_counted counts[LC_GATHERED]; /* to be put at the end */
} lc_writer;

/* Begins the transaction; lc_writer_end commits it when `status` is LC_OK, else aborts it. */
lc_status lc_writer_begin(lc_writer *w, lc_error *error);

/* Reads the newest entry, as lc_writer_begin does. */
int lc_read_last(lc_writer *w);
lc_status lc_writer_end(lc_writer *w, lc_status status, lc_error *error);
lc_status lc_writer_fail(const lc_writer *w, int rc, lc_error *error);

/* The next number, of an entry or a change: milliseconds since 1970, but more than the last one. */
uint64_t lc_next_number(lc_writer *w);

/* Gives an entry, to be put with lc_put_new_entry, the next id and the time. */
void lc_number_entry(lc_writer *w, lc_entry *entry);
int lc_put_new_entry(lc_writer *w, const lc_entry *entry);

/* The same without what is added to the tenant's changes. */
int lc_put_moved_entry(lc_writer *w, const lc_entry *entry);

/* Puts a change with its number; number 0: the entry is the number up to which changes were removed. */
int lc_put_change(const lc_writer *w, const lc_done *change);

/* Adds to the tenant's changes, and to the counters of its day, that the entry has reached its end, or has asked; nothing when it is
 * still to be done. */
int lc_add_change(lc_writer *w, const lc_entry *entry);

/* Adds that with this entry, which is held, its rule has come to a stop. */
int lc_add_stop(lc_writer *w, const lc_entry *entry);

/* Adds that the entry has closed its question. */
int lc_add_closed(lc_writer *w, const lc_entry *entry);

/* Adds that the question, which the entry has asked, was given to another user. */
int lc_add_assigned(lc_writer *w, uint64_t entry);

/* Replaces an entry. */
int lc_put_entry(const lc_writer *w, const lc_entry *entry);

/* The same of one that has reached its end with that. */
int lc_put_ended(lc_writer *w, const lc_entry *entry);

/* Removes an entry, at which the cursor is. */
int lc_remove_entry(lc_writer *w, MDB_cursor *entries, const lc_entry *entry);

/* Have the log's entry found by the company, or no longer. */
int lc_list_entry(const lc_writer *w, const lc_company *company, uint64_t entry);
int lc_unlist_entry(const lc_writer *w, const lc_company *company, uint64_t entry);
/* Reads an entry into the result. LC_NOT_FOUND. */
lc_status lc_read_entry(const lc_writer *w, uint64_t id, lc_entry *entry, lc_error *error);

/* The number of entries in the tenant's log: counted when the counter is absent or damaged. */
int lc_get_count(const lc_writer *w, uint64_t *count);
int lc_count_entries(const lc_writer *w, uint64_t *count);

/* Writes that the log has `w->added` more. What is absent, damaged or too low is counted anew. */
int lc_put_count(const lc_writer *w);

/* ---- from counts.c --------------------------------------------------------------------- */

/* Where the counters of a day begin. */
lc_key lc_key_of_day(const lc_key *tenant, uint32_t day);

/* What is known of the tenant's counters. */
int lc_read_daily_head(const lc_writer *w, lc_daily_head *head);
int lc_put_daily_head(const lc_writer *w, const lc_daily_head *head);

/* Has the transaction add to a counter at its end. */
int lc_gather(lc_writer *w, const lc_daily *daily, int more);

/* Removes counters of the days from one on to before another (UINT32_MAX: all), up to `most`. */
int lc_remove_days(const lc_writer *w, uint32_t from, uint32_t before, int most, int *removed);

/* Whether a key of LC_TABLE_DAILY is one of the tenant's counters; else it may be its head. */
bool lc_is_daily(const lc_key *tenant, MDB_val key);

/* As what an entry of the tenant is counted, if it is. */
int lc_count_as(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_entry *entry, lc_daily *daily, bool *counts);

/* Counts an entry that has asked or reached its end, or (-1) no longer counts it as what it was. Others are not counted. */
int lc_count(lc_writer *w, const lc_entry *entry, int more);

/* Puts what was gathered: lc_writer_end does. */
int lc_put_counts(lc_writer *w);

/* Notes that retention is about to remove an entry: its counter stays. */
int lc_count_removed(lc_writer *w, const lc_entry *entry);

/* Removes some counters that are older than three years. */
int lc_remove_old_counts(const lc_writer *w, double now);

/* Notes in a store of an older leadcat, for each tenant that has entries, that days are counted whole from behind `last` on, its newest
 * entry. */
int lc_begin_counting(lc_env *env, MDB_txn *txn, uint64_t last);

/* ---- from daily_check.c ----------------------------------------------------------------- */

/* Reports counters that are not the sum over the journal. Those of days that are not counted whole, or of which entries were removed,
 * cannot be checked. */
void lc_check_counts(lc_env *env, MDB_txn *txn, lc_report *report, void *context);

/* ---- from sequence.c ------------------------------------------------------------------- */

/* Removes the changes up to the number of an entry, the last of those that retention removes. */
int lc_remove_changes(const lc_writer *w, uint64_t entry);

/* Whether it is the value of a change, or with the number 0 of where they begin; the entry it names, and as what. */
bool lc_unpack_change(lc_text packed, lc_done *change);

/* A change's value: the number of its entry above two bits of its kind, whose third bit is the highest one. */
static inline uint64_t lc_pack_change(uint64_t entry, lc_done_kind kind) {
  return (uint64_t)kind >> 2 << 63 | entry << 2 | ((uint64_t)kind & 3);
}

/* The number up to which changes, and entries of the journal, were removed; 0: none. */
int lc_get_removed(const lc_store *store, MDB_txn *txn, const lc_key *tenant, uint64_t *removed);

/* ---- from cursor.c --------------------------------------------------------------------- */

/* Moves the cursor. LC_CONFLICT: it is not where `cursor->before` says. */
lc_status lc_put_cursor(const lc_writer *w, const lc_cursor *cursor, lc_error *error);

/* ---- from effect.c --------------------------------------------------------------------- */

/* Writes a new entry with the effect of its status, and sets its id. `question` is for LC_ENTRY_AWAITING; the caller sets its
 * id, times, user and body. */
int lc_put_with_effect(lc_writer *w, lc_entry *entry, lc_question *question);

/* Whether the company has an unfinished entry, and which. */
int lc_find_unfinished(const lc_writer *w, const lc_company *company, bool *unfinished, uint64_t *entry);

/* Makes this store the claim's owner, for `w->claim` seconds; nobody for 0. */
void lc_hold(const lc_writer *w, lc_claim *claim);

/* ---- from digest.c --------------------------------------------------------------------- */

/* Identifies a decision; below 2^53. */
uint64_t lc_tell_apart(const lc_entry *entry);

/* ---- from queue.c ---------------------------------------------------------------------- */

/* The claim, nobody's yet, of the company's first queued entry behind the entry `behind`; its entry is 0 when there is none. */
int lc_find_queued(const lc_writer *w, const lc_company *company, uint64_t behind, lc_claim *next);

/* Whether the queued entry is the company's unfinished one, and claimed by this store. */
int lc_has_turn(const lc_writer *w, const lc_company *company, uint64_t queued, bool *has_turn);

/* Ends the queued entry: `newer`, which is about to be written, has come of it. Unless that is applying, the next one has its turn. */
lc_status lc_follow(lc_writer *w, lc_entry *newer, uint64_t queued, lc_error *error);

/* Sets in an entry how it has ended. */
void lc_set_ending(lc_entry *entry, const lc_ending *ending);

/* What lc_store_end_scheduled does for a queued entry. */
lc_status lc_end_queued(lc_writer *w, lc_ending *ending, lc_error *error);

/* ---- from question.c ------------------------------------------------------------------- */

/* Stores a question, and lists it. */
int lc_add_question(const lc_writer *w, const lc_question *question);

/* Stores the new, open question that `entry` asks. */
int lc_put_question(const lc_writer *w, lc_question *question, const lc_entry *entry);

/* Appends a question to the result and unpacks it there. LC_NOT_FOUND. */
lc_status lc_read_question(const lc_writer *w, const uint8_t *id, lc_question *question, lc_error *error);

/* Whether the question's time is over. */
bool lc_question_is_due(const lc_question *question, double now);

/* Whether it expires by that, without effect. */
bool lc_question_expires(const lc_question *question, double now);

/* Closes a question at the time `at` as the status of `entry` says, if it does. */
lc_status lc_close_question(lc_writer *w, lc_question *question, const lc_entry *entry, double at, lc_error *error);

/* Removes a closed question. */
lc_status lc_remove_question(const lc_writer *w, const lc_question *question, lc_error *error);

/* Reads the company's open question, if there is one, after it has cleared the result. */
lc_status lc_find_open_question(const lc_writer *w, lc_text company, bool *found, lc_question *question, lc_error *error);

/* Closes an open question that was read, without an answer: with an entry that happened at the time `at` and has these details, and
 * `why` as its error. Its time may be over: then it expires. */
lc_status lc_withdraw_question(lc_writer *w, lc_question *question, double at, lc_text details, lc_text why, lc_error *error);

/* Puts a question in the place of what it was. */
int lc_replace_question(const lc_writer *w, const lc_question *before, const lc_question *question);

/* Makes the company's questions those of another one. */
lc_status lc_move_questions(const lc_writer *w, const lc_company *from, const lc_company *to, lc_error *error);

/* Whether the open question of the company, if there is one, was asked by an event of that sale. Clears the result. */
lc_status lc_find_sales_question(const lc_writer *w, lc_text company, lc_text sale, bool *found, lc_error *error);

/* Closes the open question, if there is one, of the company of `newer`, an event that matched or takes back. */
lc_status lc_supersede(lc_writer *w, const lc_entry *newer, lc_error *error);

/* ---- from schedule.c ------------------------------------------------------------------- */

/* What a company has scheduled. */
typedef struct lc_schedule {
  uint64_t entry;
  uint64_t at; /* milliseconds since 1970: when it is looked at next. The entry says when it was due */
} lc_schedule;

/* Notes that the new entry is scheduled, for the time that it is linked to. The company has nothing scheduled. */
int lc_put_schedule(const lc_writer *w, const lc_entry *entry);

/* What the company has scheduled; its entry is 0 when that is nothing. */
int lc_get_schedule(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_company *company, lc_schedule *schedule);

/* Whether the entry is what the company has scheduled, and is to be looked at by now. */
int lc_is_due(const lc_writer *w, const lc_company *company, uint64_t entry, bool *due);

/* Ends what the company has scheduled, if anything, with that status: LC_ENTRY_SUPERSEDED or LC_ENTRY_CARRIED_OUT. */
lc_status lc_end_schedule(lc_writer *w, const lc_company *company, lc_entry_status status, lc_error *error);

/* The same, and why; the status may also be LC_ENTRY_CANCELLED. */
lc_status lc_call_off(lc_writer *w, const lc_company *company, lc_entry_status status, lc_text why, lc_error *error);

/* Makes what the company has scheduled that of another one, which has nothing scheduled. */
int lc_move_schedule(const lc_writer *w, const lc_company *from, const lc_company *to);

/* Whether what the company has scheduled is of an event of that sale. */
lc_status lc_find_sales_schedule(const lc_writer *w, const lc_company *company, lc_text sale, bool *found, lc_error *error);

/* ---- from limit.c ---------------------------------------------------------------------- */

/* Counts a match of a rule with a limit, which is about to be written, or makes its entry LC_ENTRY_HELD. `*stops`: with that the rule
 * comes to a stop. */
int lc_count_match(const lc_writer *w, const lc_limit *limit, lc_entry *entry, bool *stops);

/* Stores the window of a rule. */
int lc_put_window(const lc_writer *w, const lc_window *window);

/* Have a held entry no longer found, as it ends: then the rule may go on. */
int lc_unlist_held(const lc_writer *w, const lc_entry *entry);

/* Whether the entry is held. */
int lc_find_held(const lc_writer *w, uint64_t id, bool *held);

/* Ends a held entry, since another one has come of it. `details`: in the place of its own; empty: as they are. */
lc_status lc_release(lc_writer *w, uint64_t id, lc_text details, lc_error *error);

/* What lc_store_end_scheduled does for a held entry, where it is one. */
lc_status lc_end_held(lc_writer *w, lc_ending *ending, bool *found, lc_error *error);

/* ---- from journal.c -------------------------------------------------------------------- */

/* Whether a live owner works on it. */
bool lc_is_claimed(const lc_writer *w, const lc_claim *claim);

/* ---- from history.c -------------------------------------------------------------------- */

/* Whether it is time to retry an unfinished change. */
bool lc_claim_is_due(const lc_store *store, const lc_claim *claim);

/* Unpacks the entry `id`. LC_CORRUPT: the bytes are no entry, or another one. */
lc_status lc_unpack_entry(lc_text packed, uint64_t id, lc_entry *entry, lc_error *error);

/* The newest entry of the company with the key `company`; 0 when it has none. */
int lc_get_newest(const lc_store *store, MDB_txn *txn, const lc_key *company, uint64_t *newest);

/* ---- from change.c --------------------------------------------------------------------- */

/* Whether this JSON, which is kept of an event, has that sale's id. No sale: false. */
bool lc_is_of_sale(lc_text details, lc_text sale);

/* As lc_store_last_change, in a transaction. One of LMDB's results. */
int lc_find_last_change(const lc_store *store, MDB_txn *txn, const lc_key *tenant, const lc_company *company, lc_text sale,
                        lc_last_change *last);

/* ---- from retention.c ------------------------------------------------------------------ */

/* Whether to remove `oldest`, the first entry of the tenant's log. `reader` knows the newest entry. */
int lc_is_beyond(const lc_writer *reader, const lc_retention *keep, lc_text oldest, bool *beyond);

/* Removes the mark that the entry's event was seen, if it is this entry's. */
int lc_remove_seen(const lc_writer *w, const lc_entry *entry);

/* ---- from digest.c --------------------------------------------------------------------- */

/* Identifies a decision; below 2^53, and not 0. */
uint64_t lc_tell_apart(const lc_entry *entry);

/* ---- from marks.c ---------------------------------------------------------------------- */

/* What an event id, which the key of LC_TABLE_SEEN has, stands for: an entry; 0: a mark. MDB_NOTFOUND. */
int lc_find_seen(const lc_store *store, MDB_txn *txn, lc_key *key, uint64_t *entry);

/* The same of a value of LC_TABLE_SEEN. MDB_CORRUPTED. */
int lc_unpack_seen(MDB_val value, uint64_t *entry);

/* The same in a read transaction. A mark is copied out as an entry with the id 0. LC_NOT_FOUND. */
lc_status lc_read_seen(lc_store *store, lc_text tenant, lc_text event_id, uint64_t *entry, lc_error *error);

/* Whether it comes to nothing, and its id gets a mark. */
bool lc_is_remembered(const lc_handling *how, const lc_case *c);

/* As lc_store_remember, in a write transaction, whose commit puts the marks. `*before` is how many older ones are waiting: when it
 * fails, the newer ones are to be cut off. */
lc_status lc_remember_in(lc_store *store, MDB_txn *txn, const lc_handling *how, const lc_case *cases, size_t count,
                         size_t *before, lc_error *error);

/* ---- from batches.c -------------------------------------------------------------------- */

enum {
  LC_BATCH_FULL = 1900, /* bytes of a batch that takes no more ids: if it were larger, it would have pages of its own */
  LC_BATCH_MAX = LC_BATCH_FULL + 1 + LC_EVENT_ID_MAX
};

/* Puts the marks that are waiting, if there is room for more than them. lc_end_write does. */
lc_status lc_put_marks(lc_store *store, MDB_txn *txn, lc_error *error);

/* The number behind that of the tenant's last mark, and when that was written. MDB_NOTFOUND: it has none. `batches`: a cursor in
 * LC_TABLE_MARKS. */
int lc_find_last_batch(MDB_cursor *batches, const lc_key *tenant, uint64_t *behind, double *written);

/* ---- from old_marks.c ------------------------------------------------------------------ */

/* Whether there are marks of `reader->tenant` to remove. `batches`: a cursor in LC_TABLE_MARKS. MDB_NOTFOUND: it has none. */
int lc_are_marks_due(const lc_writer *reader, MDB_cursor *batches, const lc_retention *keep, bool *due);

/* How many the tenant has. */
int lc_count_marks(const lc_store *store, MDB_txn *txn, const lc_key *tenant, uint64_t *count);

/* ---- from delivery.c -------------------------------------------------------------------- */

/* Where a delivery stands in LC_TABLE_WAITING while it waits. */
lc_key lc_key_of_waiting(const lc_key *tenant, const lc_delivery *delivery);

/* Puts a delivery with its id, and what else finds it. */
int lc_put_delivery(lc_writer *w, const lc_delivery *delivery);

/* ---- from draft.c ----------------------------------------------------------------------- */

/* Puts a draft (draft.h) with its id, which has no other one. */
struct lc_draft;
int lc_put_draft(const lc_writer *w, const struct lc_draft *draft);

/* ---- from old_deliveries.c -------------------------------------------------------------- */

/* Whether there are deliveries to remove, by the tenant's oldest. MDB_CORRUPTED. */
int lc_are_deliveries_due(const lc_writer *reader, const lc_retention *keep, lc_text oldest, bool *due);

/* ---- from counter.c -------------------------------------------------------------------- */

/* Whether it is the name of a counter of entries, and of which log. */
bool lc_is_count(lc_text name, lc_log *log);

/* ---- from config.c --------------------------------------------------------------------- */

/* Puts a revision of the tenant with that key, as the newest. Returns LMDB's result. */
int lc_put_config(const lc_store *store, MDB_txn *txn, lc_key tenant, uint64_t revision, lc_text ruleset, lc_text json,
                  lc_text about);

/* ---- from triggers.c ------------------------------------------------------------------- */

/* Reads the own triggers in a transaction on config.mdb. On failure they stay as they were. LC_CORRUPT. */
lc_status lc_read_triggers(const lc_env *env, MDB_txn *txn, lc_triggers *triggers, lc_error *error);

/* Puts these in the place of those that there are, numbered in their order. Returns LMDB's result. */
int lc_replace_triggers(const lc_store *store, MDB_txn *txn, const lc_declared *triggers, size_t count);

/* How many there are. Returns LMDB's result. */
int lc_count_triggers(const lc_store *store, MDB_txn *txn, size_t *count);

/* ---- from rulesets.c ------------------------------------------------------------------- */

/* Uses this ruleset in place of the stored one, until a config is saved. */
lc_status lc_keep_ruleset(lc_store *store, lc_text tenant, lc_text ruleset, lc_error *error);

void lc_rules_cache_free(lc_rules_cache *cache);

#endif
