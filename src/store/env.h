/* store/env.h - the two LMDB environments of a store directory: opened once per process, shared by all.
 *
 * `path/config.mdb` holds what administrators set and rarely change; `path/journal.mdb` holds what changes all the time. With
 * two files, the last transaction of the first one tells, for a memory read, whether a cached ruleset is still the newest.
 *
 * LMDB forbids opening a file twice in a process, so a registry counts the environments, keyed by device and inode of
 * `config.mdb`. An environment is bound to the process that opened it: a forked child must not touch it (lc_env_forked).
 *
 * Any thread may use an environment. A transaction belongs to the thread that began it; a thread has at most one open at a
 * time. Keys and values are valid until their transaction ends or, in a write transaction, until the next change.
 */
#ifndef LC_STORE_ENV_H
#define LC_STORE_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "epoch.h"
#include "rules/status.h"
#include "watch.h"

typedef enum lc_part {
  LC_PART_CONFIG,  /* config.mdb */
  LC_PART_JOURNAL, /* journal.mdb */
  LC_PARTS
} lc_part;

/* The tables, with their keys and values. A tenant, company, event id or name in a key is one byte for its size, then its
 * bytes. Numbers in keys are big-endian, so that they sort. */
typedef enum lc_table {
  LC_TABLE_RULESETS,      /* config: tenant -> lc_ruleset of the newest config */
  LC_TABLE_CONFIGS,       /* config: tenant, revision -> the config as JSON */
  LC_TABLE_REVISIONS,     /* config: tenant, revision -> who saved it and when, as JSON */
  LC_TABLE_IDENTITY,      /* config: "store" -> the id that both files have */
  LC_TABLE_META,          /* journal: "last_entry" -> lc_last; identity.c has the others */
  LC_TABLE_JOURNAL,       /* journal: tenant, entry -> lc_entry, packed */
  LC_TABLE_BY_COMPANY,    /* journal: tenant, company, entry -> nothing */
  LC_TABLE_APPLYING,      /* journal: tenant, company -> lc_claim of its unfinished entry */
  LC_TABLE_SEEN,          /* journal: tenant, event id -> uint64_t entry */
  LC_TABLE_CONFIRMATIONS, /* journal: tenant, id -> lc_question, packed */
  LC_TABLE_QUESTIONS,     /* journal: tenant, lc_scope, its text, state, entry that asked -> id of the question */
  LC_TABLE_EXPIRING,      /* journal: tenant, milliseconds, entry that asked -> id of the open question */
  LC_TABLE_COUNTERS,      /* journal: tenant, name -> uint64_t */
  LC_TABLE_UNCHANGED,     /* journal: tenant, entry -> lc_entry, packed, of an event that changed nothing */
  LC_TABLE_UNCHANGED_BY_COMPANY, /* journal: tenant, company, entry -> nothing */
  LC_TABLE_NOTES,         /* journal: tenant, name -> JSON of an lc_cursor */
  LC_TABLE_COMPANIES,     /* journal: tenant, company -> lc_company_record of the embedded host */
  LC_TABLES
} lc_table;

typedef struct lc_env lc_env;

typedef struct lc_env_options {
  size_t map_size;      /* bytes of address space for journal.mdb; 0: 16 GiB. config.mdb takes the same, but at most 1 GiB. The
                         * first to open a store decides for its process. */
  unsigned max_readers; /* reader slots of each file; 0: 1024. The first process to open it decides. */
  bool alone;           /* as for lc_writers_open (lock.h) */
} lc_env_options;

/* Opens the store in the existing directory `path`, or shares the environment that this process has open already. The caller
 * owns one reference, for lc_env_close. LC_IO: a file cannot be made or read; LC_CORRUPT: a file is not a store's, or only one
 * of the two is there; LC_FULL, LC_UNAVAILABLE. */
lc_status lc_env_open(const char *path, const lc_env_options *options, lc_env **out, lc_error *error);

/* Gives a reference back; the last one closes both files. In a forked child it does nothing. */
void lc_env_close(lc_env *env);

/* The store's epochs: none until lc_identify has read them, then the same as long as the environment is open. */
lc_epochs *lc_env_epochs(lc_env *env);

/* Whether the journal had lost commits when it was opened, by LMDB's lock file: an older copy has taken its place, or a power
 * failure has undone relaxed ones. */
bool lc_env_went_back(const lc_env *env);

/* Whether this process is a forked child of the one that opened `env`. Costs a memory read. */
bool lc_env_forked(const lc_env *env);

typedef struct lc_env_stats {
  uint64_t used;    /* bytes of the file in use */
  uint64_t size;    /* bytes it may grow to */
  unsigned readers; /* reader slots taken now */
  unsigned max_readers;
} lc_env_stats;

void lc_env_stat(lc_env *env, lc_part part, lc_env_stats *stats);

/* Copies both files, while they are in use, to `directory`, which is made if its parent exists. The journal comes first, so
 * that no entry names a config that is missing. `compact`: without unused pages. The copies get their names when both are
 * whole and on disk; on failure they are removed. LC_CONFLICT: a file is there already. From copy.c. */
lc_status lc_env_copy(lc_env *env, const char *directory, bool compact, lc_error *error);

/* Frees reader slots of dead processes; returns how many. */
int lc_env_reader_check(lc_env *env);

/* Publishes a commit of config.mdb whose process was killed after it was on disk but before readers could see it. LMDB does so
 * when the next writer begins, which may take long for configs. */
void lc_env_tell_commit(lc_env *env);

/* Tells whether config.mdb has changed. Valid as long as the environment. */
const lc_watch *lc_env_watch(const lc_env *env);

MDB_dbi lc_env_table(const lc_env *env, lc_table table);

/* Keeps a part as it is mapped until lc_env_leave. */
MDB_env *lc_env_enter(lc_env *env, lc_part part);
void lc_env_leave(lc_env *env, lc_part part);

/* The names of files and tables: static strings. */
extern const char *const lc_part_files[LC_PARTS];
const char *lc_table_name(lc_table table);

/* Begins a read transaction. `*reader` is NULL at first; later calls reuse it with its reader slot. lc_env_read_end makes it
 * idle, mdb_txn_abort frees it. LC_FORKED, LC_UNAVAILABLE (no reader slot is free), LC_IO. */
lc_status lc_env_read(lc_env *env, lc_part part, MDB_txn **reader, lc_error *error);
void lc_env_read_end(lc_env *env, lc_part part, MDB_txn *reader);

/* Begins a write transaction, for lc_env_commit or lc_env_abort. Waits for other writers, but only some seconds for each:
 * LC_UNAVAILABLE. With `relaxed`, a power failure may undo the commit, but the end of a process never does. */
lc_status lc_env_write(lc_env *env, lc_part part, bool relaxed, MDB_txn **txn, lc_error *error);
lc_status lc_env_commit(lc_env *env, lc_part part, MDB_txn *txn, lc_error *error);
void lc_env_abort(lc_env *env, lc_part part, MDB_txn *txn);

/* The status for LMDB's (or the system's) result `rc`; 0 is LC_OK. `doing` begins the message ("cannot save the config"). */
lc_status lc_env_fail(const lc_env *env, lc_part part, int rc, const char *doing, lc_error *error);

#endif
