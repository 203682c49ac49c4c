/* store/env.h - the two LMDB environments of a store directory: opened once per process, shared by all.
 *
 * `path/config.mdb` holds what administrators set and changes rarely; `path/journal.mdb` holds
 * what happens and changes all the time. Because they are apart, the last transaction id of the
 * first one tells, for the cost of a memory read, whether a cached ruleset is still the newest.
 *
 * LMDB forbids to open one file twice in a process, so environments are kept in a registry, keyed
 * by the device and inode of `config.mdb` and counted. An environment is bound to the process that
 * opened it: after a fork the child must not touch it (lc_env_forked).
 *
 * Any thread may use an environment. A transaction belongs to the thread that began it; a thread
 * has at most one open at a time. Keys and values read from a transaction are valid until it ends
 * or, in a write transaction, until the next change.
 */
#ifndef LC_STORE_ENV_H
#define LC_STORE_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/status.h"
#include "watch.h"

typedef enum lc_part {
  LC_PART_CONFIG,  /* config.mdb */
  LC_PART_JOURNAL, /* journal.mdb */
  LC_PARTS
} lc_part;

/* The tables. Every key but those of LC_TABLE_META begins with the tenant: one byte for its size,
 * then its bytes. A company in a key is its decimal text or string, again after its size. Numbers
 * in keys are big-endian, so that they sort. */
typedef enum lc_table {
  LC_TABLE_RULESETS,      /* config: tenant -> lc_ruleset of the newest config */
  LC_TABLE_CONFIGS,       /* config: tenant, revision -> the config as JSON */
  LC_TABLE_REVISIONS,     /* config: tenant, revision -> who saved it and when, as JSON */
  LC_TABLE_META,          /* journal: "format" -> uint32_t; "last_entry" -> uint64_t */
  LC_TABLE_JOURNAL,       /* journal: tenant, entry -> lc_entry, packed */
  LC_TABLE_BY_COMPANY,    /* journal: tenant, company, entry -> nothing */
  LC_TABLE_APPLYING,      /* journal: tenant, company -> lc_claim of its unfinished entry */
  LC_TABLE_SEEN,          /* journal: tenant, event id -> uint64_t entry */
  LC_TABLE_CONFIRMATIONS, /* journal: tenant, id -> lc_question, packed */
  LC_TABLE_QUESTIONS,     /* journal: tenant, lc_scope, its text, state, entry that asked -> id of the question */
  LC_TABLE_EXPIRING,      /* journal: tenant, milliseconds, entry that asked -> id of the open question */
  LC_TABLE_COUNTERS,      /* journal: tenant, name -> uint64_t */
  LC_TABLE_UNCHANGED,     /* journal: tenant, entry -> lc_entry, packed, of an event that came to nothing */
  LC_TABLE_UNCHANGED_BY_COMPANY, /* journal: tenant, company, entry -> nothing */
  LC_TABLE_NOTES,         /* journal: tenant, name -> JSON: how far a run has come */
  LC_TABLE_COMPANIES,     /* journal: tenant, company -> lc_company_record of the embedded host */
  LC_TABLES
} lc_table;

typedef struct lc_env lc_env;

typedef struct lc_env_options {
  size_t map_size;      /* bytes of address space for journal.mdb; 0: 16 GiB. config.mdb takes the
                         * same, but at most 1 GiB. The first to open a store decides for its process. */
  unsigned max_readers; /* reader slots of each file; 0: 1024. The first process to open decides. */
} lc_env_options;

/* Opens the store in directory `path`, which is made when its parent exists, or takes the one that
 * this process has open already. The caller owns one reference, to be given to lc_env_close.
 * LC_IO: the directory or a file cannot be made or read; LC_CORRUPT: a file is not a store's, or
 * was written by a newer leadcat; LC_FULL, LC_UNAVAILABLE. */
lc_status lc_env_open(const char *path, const lc_env_options *options, lc_env **out, lc_error *error);

/* Gives a reference back; the last one closes both files. In a forked child it does nothing. */
void lc_env_close(lc_env *env);

/* Whether this process is a forked child of the one that opened `env`. A memory read. */
bool lc_env_forked(const lc_env *env);

typedef struct lc_env_stats {
  uint64_t used;    /* bytes of the file in use */
  uint64_t size;    /* bytes it may grow to */
  unsigned readers; /* reader slots taken now */
  unsigned max_readers;
} lc_env_stats;

void lc_env_stat(lc_env *env, lc_part part, lc_env_stats *stats);

/* Copies both files, while they are in use, into `directory`, which is made when its parent exists; the journal
 * first. `compact`: without unused pages. What is returned as LC_OK is on disk; what failed is removed.
 * LC_CONFLICT: there is such a file already. */
lc_status lc_env_copy(lc_env *env, const char *directory, bool compact, lc_error *error);

/* Frees reader slots that died with their processes; returns how many. */
int lc_env_reader_check(lc_env *env);

/* Has all see a commit of config.mdb whose process was killed when it was on disk, before it could tell of it. LMDB tells
 * of such a one when the next writer begins, for which configs may wait long. */
void lc_env_tell_commit(lc_env *env);

/* What tells whether config.mdb has changed; it lives as long as the environment. */
const lc_watch *lc_env_watch(const lc_env *env);

MDB_dbi lc_env_table(const lc_env *env, lc_table table);

/* What files and tables are called. Static strings. */
extern const char *const lc_part_files[LC_PARTS];
const char *lc_table_name(lc_table table);

/* Begins a read transaction. `*reader` is NULL at first and is used again, with its reader slot,
 * by later calls; lc_env_read_end makes it idle, mdb_txn_abort gives it back for good.
 * LC_FORKED, LC_UNAVAILABLE (no reader slot is free), LC_IO. */
lc_status lc_env_read(lc_env *env, lc_part part, MDB_txn **reader, lc_error *error);
void lc_env_read_end(lc_env *env, lc_part part, MDB_txn *reader);

/* Begins a write transaction, waiting for other writers. With `relaxed`, its commit may be undone
 * by a power failure (never by the end of a process), and nothing else.
 * It must go to lc_env_commit or lc_env_abort. */
lc_status lc_env_write(lc_env *env, lc_part part, bool relaxed, MDB_txn **txn, lc_error *error);
lc_status lc_env_commit(lc_env *env, lc_part part, MDB_txn *txn, lc_error *error);
void lc_env_abort(lc_env *env, lc_part part, MDB_txn *txn);

/* What LMDB's (or the system's) result `rc` means for a caller; 0 is LC_OK. `doing` says in the
 * message what was tried ("cannot save the config"). */
lc_status lc_env_fail(const lc_env *env, lc_part part, int rc, const char *doing, lc_error *error);

#endif
