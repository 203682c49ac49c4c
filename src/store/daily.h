/* store/daily.h - what the rules have done, counted by day, so that nobody has to read a journal of millions to know it.
 *
 * Each entry that has asked or reached its end adds one to one counter, in the transaction that writes it: the counters are the sum over
 * the journal. Those of days whose entries retention has removed stay as they are.
 */
#ifndef LC_STORE_DAILY_H
#define LC_STORE_DAILY_H

#include "record.h"

/* What is counted. The numbers are stored: new ones are added at the end. */
typedef enum lc_daily_kind {
  LC_DAILY_AUTOMATIC,       /* "automatic": a rule has changed the category, and nobody was asked */
  LC_DAILY_CHOSEN,          /* "chosen": a rule that asks, whose answer came with the event */
  LC_DAILY_KEPT,            /* "kept": the same, and the user kept the category */
  LC_DAILY_ASKED,           /* "asked": a question was asked; the next six are how it ended */
  LC_DAILY_ACCEPTED,        /* "accepted" */
  LC_DAILY_CHANGED,         /* "changed": another category was chosen */
  LC_DAILY_DECLINED,        /* "declined" */
  LC_DAILY_EXPIRED,         /* "expired" */
  LC_DAILY_SUPERSEDED,      /* "superseded" */
  LC_DAILY_ANSWER_CONFLICT, /* "answer_conflict": the company had moved when it was answered */
  LC_DAILY_ANSWER_FAILED,   /* "answer_failed": the host has not made the change; the question is open again */
  LC_DAILY_CONFLICT,        /* "conflict": the company was no longer where the event found it */
  LC_DAILY_FAILED,          /* "failed": the host has not made the change */
  LC_DAILY_DROPPED,         /* "dropped": what a rule has scheduled came to nothing when it was due */
  LC_DAILY_UNDONE,          /* "undone": what the rule has changed was taken back; from and to are those of that */
  LC_DAILY_KINDS            /* how many there are */
} lc_daily_kind;

extern const char *const lc_daily_kind_names[LC_DAILY_KINDS];

/* What a counter counts. */
typedef struct lc_daily {
  uint32_t day; /* when the entry was written: days since 1970, UTC; never 0 */
  uint8_t kind; /* lc_daily_kind */
  uint8_t trigger;
  int32_t lead_status, rule, from, to; /* as in an entry */
} lc_daily;

enum { LC_DAILY_SIZE = 4 + 1 + 1 + 4 * 4 }; /* bytes of its key behind the tenant; in the order of days */

/* The day of a time in seconds since 1970, UTC; at least 1. */
uint32_t lc_day_of(double seconds);

void lc_daily_pack(const lc_daily *daily, unsigned char packed[LC_DAILY_SIZE]);
lc_daily lc_daily_unpack(const unsigned char packed[LC_DAILY_SIZE]);

/* As what the entry is counted; false: it is not. `proposed`: the category that the question it has answered proposed, 0: unknown. */
bool lc_daily_of(const lc_entry *entry, int32_t proposed, lc_daily *daily);

/* What is known of a tenant's counters, in the place of day 0. */
typedef struct lc_daily_head {
  uint32_t since;    /* the first day that is counted whole; 0: all are */
  uint32_t removed;  /* the last day of which retention has removed entries; 0: none */
  uint32_t counting; /* lc_daily_step: what is being done to count anew */
  uint32_t behind;   /* only days behind this one are counted anew */
  uint64_t place;    /* the entries up to this number are counted already */
} lc_daily_head;

typedef enum lc_daily_step {
  LC_DAILY_DONE,     /* "done" */
  LC_DAILY_CLEARING, /* "clearing": the old counters are removed */
  LC_DAILY_COUNTING, /* "counting": the journal is read */
  LC_DAILY_STEPS     /* how many there are */
} lc_daily_step;

extern const char *const lc_daily_step_names[LC_DAILY_STEPS];

#endif
