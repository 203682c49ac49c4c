/* store/layout.h - what lies in which file of a store. */
#ifndef LC_STORE_LAYOUT_H
#define LC_STORE_LAYOUT_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

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
  LC_TABLE_TRIGGERS,      /* config: name of an own trigger -> its number, sealed, and JSON about it (triggers.c); of all tenants */
  LC_TABLE_IDENTITY,      /* config: "store" -> the id that both files have; "map_size" (room.c) */
  LC_TABLE_META,          /* journal: "last_entry" -> lc_last; identity.c has the others */
  LC_TABLE_JOURNAL,       /* journal: tenant, entry -> lc_entry, packed */
  LC_TABLE_BY_COMPANY,    /* journal: tenant, company, entry -> nothing */
  LC_TABLE_APPLYING,      /* journal: tenant, company -> lc_claim of its unfinished entry */
  LC_TABLE_SEEN,          /* journal: tenant, event id -> uint64_t entry; or lc_mark, packed, of an event that came to nothing */
  LC_TABLE_MARKS,         /* journal: tenant, number of its first mark -> a batch of the ids that have marks (marks.c) */
  LC_TABLE_CONFIRMATIONS, /* journal: tenant, id -> lc_question, packed */
  LC_TABLE_QUESTIONS,     /* journal: tenant, lc_scope, its text, state, entry that asked -> id of the question */
  LC_TABLE_EXPIRING,      /* journal: all that falls due by the clock: tenant, milliseconds, entry -> id of the open question that it
                           * asked; nothing when it is scheduled; one byte when it is a draft */
  LC_TABLE_SCHEDULED,     /* journal: tenant, company -> lc_schedule of its scheduled entry */
  LC_TABLE_DRAFTS,        /* journal: tenant, number -> lc_draft: when it falls due, then its JSON (draft.c) */
  LC_TABLE_HELD,          /* journal: tenant, entry that is held -> nothing */
  LC_TABLE_LIMITS,        /* journal: tenant, trigger, lead status, rule -> lc_window of a rule with a limit */
  LC_TABLE_COUNTERS,      /* journal: tenant, name -> uint64_t */
  LC_TABLE_UNCHANGED,     /* journal: tenant, entry -> lc_entry, packed, of an event that changed nothing */
  LC_TABLE_UNCHANGED_BY_COMPANY, /* journal: tenant, company, entry -> nothing */
  LC_TABLE_NOTES,         /* journal: tenant, name -> JSON of an lc_cursor */
  LC_TABLE_CHANGES,       /* journal: tenant, number -> what was done, and the entry that says more (sequence.c); number 0 -> the
                           * number up to which they were removed */
  LC_TABLE_DAILY,         /* journal: tenant, lc_daily -> uint64_t, how often; day 0 alone -> lc_daily_head */
  LC_TABLE_DELIVERIES,    /* journal: tenant, number -> lc_delivery, packed: what webhooks have left */
  LC_TABLE_DELIVERED,     /* journal: tenant, the key of an lc_delivery -> uint64_t its number */
  LC_TABLE_WAITING,       /* journal: tenant, hook, milliseconds when it is due, number of a delivery that waits -> nothing */
  LC_TABLE_COMPANIES,     /* journal: tenant, company -> lc_company_record of the embedded host */
  LC_TABLES
} lc_table;

typedef struct lc_env lc_env;

typedef struct lc_env_options {
  size_t map_size;      /* bytes that journal.mdb may have in use; config.mdb takes the same, but at most 1 GiB. The first to open a
                         * store in a process sets it for all processes (lc_env_settle); 0: as it was set last, or 16 GiB. */
  unsigned max_readers; /* reader slots of each file; 0: 1024. The first process to open it decides. */
  bool alone;           /* as for lc_writers_open (lock.h) */
  bool readonly;        /* nothing is written, made or brought into today's form */
  bool unlocked;        /* readonly without LMDB's lock file: only where nobody may write */
  mode_t mode;          /* of the files that are made, whatever the umask; 0: 0640 less the umask, and of lock files the data's */
} lc_env_options;

/* A read transaction, idle between uses, with its reader slot. Zeroed at first; it must not move in memory. */
typedef struct lc_reader {
  MDB_txn *txn; /* NULL: it has no slot */
  bool is_listed;
  struct lc_reader *next;
} lc_reader;

/* The names of files and tables: static strings. */
extern const char *const lc_part_files[LC_PARTS];
const char *lc_table_name(lc_table table);
lc_part lc_table_part(lc_table table);

#endif
