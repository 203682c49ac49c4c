/* store/move.h - companies that are renamed, merged or deleted.
 *
 * What holds for the calls of store.h holds for these.
 */
#ifndef LC_STORE_MOVE_H
#define LC_STORE_MOVE_H

#include "store.h"

typedef enum lc_fate {
  LC_FATE_RENAMED,   /* "renamed": it is called `to` now */
  LC_FATE_MERGED,    /* "merged": it has become part of `to`, which keeps its category */
  LC_FATE_DELETED,   /* "deleted": there is no such company any more */
  LC_FATE_FORGOTTEN, /* "forgotten": deleted, and nothing may have its id: `to` is put in the place of it */
  LC_FATES           /* how many there are */
} lc_fate;

extern const char *const lc_fate_names[LC_FATES];

typedef enum lc_move_result {
  LC_MOVED,        /* "moved" */
  LC_MOVE_BUSY,    /* "busy": not written: `company` has an unfinished change that stands in the way */
  LC_MOVE_UNKNOWN, /* "unknown": not written: `company` is not kept here */
  LC_MOVE_TAKEN    /* "taken": not written: a company `to` is kept here already */
} lc_move_result;

/* What has become of a company. */
typedef struct lc_move_company {
  lc_fate fate;
  lc_company from, to;   /* `to` is another one; not for LC_FATE_DELETED */
  bool keeps_companies;  /* this store keeps them: its record moves, too, or is removed */
  int32_t category;      /* LC_FATE_MERGED: that of `to`, where a host keeps it and said so; 0: unknown */
  lc_text details;       /* JSON of the note: the actor */
  lc_text why;           /* why something was called off, as the error of its entry */
  bool idle;             /* as for lc_store_claim, of `from` */
  lc_move_result result; /* out */
  const lc_company *company; /* out, for LC_MOVE_BUSY and LC_MOVE_UNKNOWN: `from` or `to` */
  bool was_kept;         /* out: this store kept it */
  uint64_t entry;        /* out: the note; 0: nothing was known of the company, so nothing was written */
  uint64_t moved;        /* out: how many entries, of both logs */
  uint64_t closed;       /* out: how many open questions, scheduled and unfinished entries ended */
} lc_move_company;

/* Writes it down, at the time `now`, in one transaction: an entry says so (a note), and what was kept of `from` is kept of `to`.
 *
 * Entries, questions, what is scheduled: they are those of `to`. Entries of a merged company have it as their `former`; those of
 * a deleted one `is_gone`; neither counts as a change of the company any more. An entry that is_gone already stays.
 * An unfinished change of a renamed company stays unfinished, under its new name. Where `from` is no more, it is LC_ENTRY_CANCELLED,
 * like what was scheduled for a deleted one; the open question of a deleted one is closed, and so is that of a merged one
 * which was asked in another category than that of `to`. Of two open questions, or scheduled entries, the newer stays.
 * It takes time that grows with the number of entries of `from`. */
lc_status lc_store_move(lc_store *store, lc_text tenant, lc_move_company *move, double now, lc_error *error);

#endif
