/* store/record.h - the journal's records, and their packed form: a fixed head, then the texts.
 *
 * The texts of an unpacked record point into the packed bytes and live as long as these do. Packed records have the machine's
 * own byte order, as LMDB's files have.
 */
#ifndef LC_STORE_RECORD_H
#define LC_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/company.h"
#include "rules/status.h"

enum {
  LC_TENANT_MAX = 64,       /* bytes of a tenant's name */
  LC_EVENT_ID_MAX = 255,    /* bytes of an event's id */
  LC_USER_MAX = 255,        /* bytes of an actor's id */
  LC_QUESTION_ID_SIZE = 16  /* bytes of a question's id */
};

typedef enum lc_entry_status {
  LC_ENTRY_APPLYING,   /* "applying": the host has not confirmed the change yet */
  LC_ENTRY_UPDATED,    /* "updated" */
  LC_ENTRY_CONFLICT,   /* "conflict": the company was no longer in `from` */
  LC_ENTRY_FAILED,     /* "failed": the host could not make the change */
  LC_ENTRY_AWAITING,   /* "awaiting_confirmation" */
  LC_ENTRY_DECLINED,   /* "declined" */
  LC_ENTRY_EXPIRED,    /* "expired" */
  LC_ENTRY_SUPERSEDED, /* "superseded": a newer event closed the question */
  LC_ENTRY_UNCHANGED,  /* "unchanged": the event changed nothing, for the entry's reason */
  LC_ENTRY_SCHEDULED,  /* "scheduled": the match of a rule with `after`, to be decided anew when it is due */
  LC_ENTRY_CARRIED_OUT, /* "carried_out": it was, and another entry says what came of it; superseded also is of scheduled ones */
  LC_ENTRY_CANCELLED,  /* "cancelled": somebody has called off what was scheduled */
  LC_ENTRY_DROPPED,    /* "dropped": when it was due it came to nothing, for the entry's reason */
  LC_ENTRY_QUEUED,     /* "queued": an event behind an unfinished change of its company; then carried_out or dropped */
  LC_ENTRY_RENAMED,    /* "renamed": a note (lc_entry_is_note): the company was called `former` until then */
  LC_ENTRY_MERGED,     /* "merged": a note: the company `former` has become part of this one */
  LC_ENTRY_DELETED,    /* "deleted": a note: there is no such company any more */
  LC_ENTRY_SHADOW,     /* "shadow": what a rule that is a shadow would have done. Not in the journal, but beside LC_ENTRY_UNCHANGED */
  LC_ENTRY_HELD,       /* "held": the match of a rule that was at its limit; then carried_out or dropped */
  LC_ENTRY_STATUSES    /* how many there are */
} lc_entry_status;

extern const char *const lc_entry_status_names[LC_ENTRY_STATUSES];

/* Why an event changed nothing. */
typedef enum lc_entry_reason {
  LC_ENTRY_MATCHED,                 /* "matched": the reason of all other entries */
  LC_ENTRY_RULE_DISABLED,           /* "rule_disabled": this and the next five are those of a decision (rules/decide.h) */
  LC_ENTRY_UNKNOWN_CATEGORY,        /* "unknown_category" */
  LC_ENTRY_NOT_POTENTIAL_CUSTOMER,  /* "not_potential_customer" */
  LC_ENTRY_LEAD_STATUS_NOT_ENABLED, /* "lead_status_not_enabled" */
  LC_ENTRY_LEAD_STATUS_NOT_MATCHED, /* "lead_status_not_matched" */
  LC_ENTRY_ALREADY_IN_CATEGORY,     /* "already_in_category" */
  LC_ENTRY_NOT_LICENSED,            /* "not_licensed" */
  LC_ENTRY_VETOED,                  /* "vetoed": by a guard; its message is the entry's error */
  LC_ENTRY_CONDITIONS_NOT_MET,      /* "conditions_not_met": a decision's, too, as is the next */
  LC_ENTRY_LOWER_RANK,              /* "lower_rank" */
  LC_ENTRY_NOTHING_TO_TAKE_BACK,    /* "nothing_to_take_back": a decision's, too */
  LC_ENTRY_LATE,                    /* "late": a later event has changed the company already */
  LC_ENTRY_REASONS                  /* how many there are */
} lc_entry_reason;

extern const char *const lc_entry_reason_names[LC_ENTRY_REASONS];

/* What the number `linked` of an entry is. */
typedef enum lc_link {
  LC_LINK_NONE,
  LC_LINK_DUE,         /* of what is or was scheduled: when it is due, in milliseconds since 1970 */
  LC_LINK_SCHEDULED,   /* the entry of what its event has scheduled as well */
  LC_LINK_CARRIES_OUT, /* the entry that was scheduled, and that this one has carried out */
  LC_LINK_FOLLOWS,     /* the entry that was queued, and that this one has carried out */
  LC_LINK_BESIDE,      /* of a shadow: the entry that its event has made besides */
  LC_LINKS             /* how many there are */
} lc_link;

extern const char *const lc_link_names[LC_LINKS]; /* "due", "scheduled", "carries_out", "follows", "beside" */

/* One line of the journal. */
typedef struct lc_entry {
  uint64_t id;       /* milliseconds since 1970 when it was written, but more than the last id */
  double at;         /* when it happened: seconds since 1970 */
  double written;    /* when it was written */
  uint64_t revision; /* of the config that decided */
  lc_entry_status status;
  uint8_t trigger;   /* lc_trigger */
  uint8_t action;    /* lc_action */
  uint8_t reason;    /* lc_entry_reason */
  int32_t lead_status;
  int32_t rule;      /* the id of the rule that decided; 0: it has none */
  int32_t from, to;  /* categories; 0: unknown */
  bool takes_back;   /* by a rule that takes back what the event's sale did */
  bool has_at;       /* its event said when it happened; not of older entries */
  bool is_gone;      /* the company was deleted since; another one may have its id now */
  uint8_t link;      /* lc_link */
  uint64_t linked;
  bool has_question;
  uint8_t question[LC_QUESTION_ID_SIZE];
  lc_company company;
  lc_company former; /* of a note: see its status; else the company that it was about, which was merged into this one since */
  lc_text event_id;
  lc_text details;   /* JSON: the actor, sale and contact, and the facts that rules look at */
  lc_text error;     /* why it failed */
} lc_entry;

/* Whether it tells of the company itself. Notes have no trigger, and no rule has made them. */
static inline bool lc_entry_is_note(const lc_entry *entry) {
  return entry->status >= LC_ENTRY_RENAMED && entry->status <= LC_ENTRY_DELETED;
}

/* The state of a question to a user. */
typedef enum lc_question_state {
  LC_QUESTION_OPEN,       /* "open": waits for an answer */
  LC_QUESTION_ACCEPTED,   /* "accepted": the proposal was applied */
  LC_QUESTION_CHANGED,    /* "changed": another category was chosen and applied */
  LC_QUESTION_DECLINED,   /* "declined": the user kept the category */
  LC_QUESTION_EXPIRED,    /* "expired": nobody answered in time */
  LC_QUESTION_SUPERSEDED, /* "superseded": a newer event of the company closed it */
  LC_QUESTION_CONFLICT,   /* "conflict": the company had moved when the user answered */
  LC_QUESTION_STATES      /* how many there are */
} lc_question_state;

extern const char *const lc_question_state_names[LC_QUESTION_STATES];

/* Whether a question in state `from` may move to state `to`. Every state but LC_QUESTION_OPEN is final. */
bool lc_question_may_move(lc_question_state from, lc_question_state to);

/* A durable question to a user: change the company's category? */
typedef struct lc_question {
  uint8_t id[LC_QUESTION_ID_SIZE]; /* random, so that it cannot be guessed; one call's questions share two bytes */
  lc_question_state state;
  uint64_t entry;      /* the journal entry that asked */
  double created_at;   /* seconds since 1970, as are the next two */
  double expires_at;
  double resolved_at;  /* 0 while open */
  uint64_t revision;   /* of the config that asked */
  uint8_t trigger;     /* lc_trigger */
  int32_t rule;        /* the id of the rule that asked; 0: it has none */
  int32_t lead_status;
  int32_t from, to;    /* the category when it was asked, and the proposal */
  int32_t category;    /* the applied answer; 0: none */
  bool takes_back;     /* asked by a rule that takes back what the event's sale did */
  uint8_t on_expiry;   /* lc_on_expiry; unless LC_EXPIRES, it stays open until that is done */
  lc_company company;
  lc_text user;        /* the id of the actor whose event asked */
  lc_text body;        /* JSON: the options, sale, contact and actor */
  lc_text answer;      /* JSON: the details of the entry that closed it */
} lc_question;

/* What is kept of an event that came to nothing, so that its id is not handled again. */
typedef struct lc_mark {
  uint64_t revision; /* of the config that decided */
  uint8_t trigger;   /* lc_trigger */
  uint8_t reason;    /* lc_entry_reason */
  int32_t lead_status;
  int32_t rule;      /* the id of the rule; 0: it has none */
  int32_t from;      /* the category; 0: unknown */
  lc_company company;
  lc_text error;     /* a guard's words, at most LC_MARK_ERROR_MAX bytes */
} lc_mark;

enum { LC_MARK_ERROR_MAX = 1024, LC_MARK_SIZE_MAX = 32 + LC_COMPANY_MAX + LC_MARK_ERROR_MAX };

/* The same as an entry without a number, for whoever asks what became of the event. Its texts are those of the mark. */
lc_entry lc_entry_of_mark(const lc_mark *mark, lc_text event_id);

/* What begins a batch: the ids of events that were marked together. Behind it comes each id, its size in a byte before it; that is 0
 * where the mark has been erased. */
typedef struct lc_batch {
  double written; /* seconds since 1970 */
  uint64_t count;
} lc_batch;

/* The size of the packed record in bytes. */
size_t lc_entry_size(const lc_entry *entry);
size_t lc_question_size(const lc_question *question);
size_t lc_mark_size(const lc_mark *mark); /* at most LC_MARK_SIZE_MAX, and more than that of the number of an entry */

/* Packs a record into `memory`, which has that size. */
void lc_entry_pack(const lc_entry *entry, void *memory);
void lc_question_pack(const lc_question *question, void *memory);
void lc_mark_pack(const lc_mark *mark, void *memory);

/* LC_CORRUPT: the bytes are no such record. */
lc_status lc_entry_unpack(const void *bytes, size_t size, lc_entry *entry, lc_error *error);
lc_status lc_question_unpack(const void *bytes, size_t size, lc_question *question, lc_error *error);
lc_status lc_mark_unpack(const void *bytes, size_t size, lc_mark *mark, lc_error *error);

/* False: the bytes are no batch. */
bool lc_batch_unpack(lc_text packed, lc_batch *batch, lc_text *ids);

/* Takes the next id off the front, which is empty where it was erased; false at the end. */
bool lc_batch_next(lc_text *ids, lc_text *id);

/* When a packed entry was written; -HUGE_VAL when the bytes are too few. */
double lc_entry_written(lc_text packed);

/* The form in which a count (below 2^48) is stored. False: it is damaged. */
uint64_t lc_seal_count(uint64_t count);
bool lc_unseal_count(uint64_t sealed, uint64_t *count);

#endif
