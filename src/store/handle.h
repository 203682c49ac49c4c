/* store/handle.h - events become entries: looked at, decided and written, many in one transaction.
 *
 * What holds for the calls of store.h holds for these.
 */
#ifndef LC_STORE_HANDLE_H
#define LC_STORE_HANDLE_H

#include "store.h"

/* What an event lacks that only the caller can supply. */
typedef enum lc_lack {
  LC_LACKS_LICENCE,  /* "licence": whether the tenant is licensed */
  LC_LACKS_CATEGORY, /* "category": the company's, from the host that keeps it */
  LC_LACKS_FACTS,    /* "facts": those that the host may know, for the conditions of rules */
  LC_LACKS_VERDICT,  /* "verdict": of the guards, and of a user who has answered already, on the decision */
  LC_LACKS_DETAILS,  /* "details": none at all, since these cannot be stored */
  LC_LACKS_END,      /* "end": the company's entry `first` is still applying and must end first */
  LC_LACKS_TURN,     /* "turn": an earlier event of the same company or id must be handled first */
  LC_LACKS_COMMIT,   /* "commit": nothing, but the call may not write it */
  LC_LACKS           /* how many there are */
} lc_lack;

extern const char *const lc_lack_names[LC_LACKS];

typedef enum lc_case_state {
  LC_OPEN,      /* not reached yet */
  LC_LACKING,   /* reached, but it lacks something */
  LC_WRITTEN,   /* it matched: its entry is in the journal or, with an overlay, would be */
  LC_SKIPPED,   /* it matched and would have asked, but LC_CONFIRM_SKIP says no */
  LC_UNMATCHED, /* it did not match, because of `reason` */
  LC_OVER,      /* what was scheduled has ended, or is looked at later */
  LC_LINED_UP,  /* it waits behind an unfinished change: its entry is in the journal */
  LC_DUPLICATE  /* its id has already made the entry `first`; 0: it came to nothing */
} lc_case_state;

/* The match of a rule with `after`. */
typedef struct lc_later {
  bool is_there;
  int32_t rule, to;
  double due;     /* seconds since 1970 */
  uint64_t entry; /* where it is scheduled; 0: nowhere */
} lc_later;

/* One event, what is known about it, and its outcome. */
typedef struct lc_case {
  /* The event. The caller sets the entry's trigger, lead status, company, event id, details and `at`. The decision sets
   * `action`, `from` (0: unknown), `to`, `revision`, `status` and the question's id. */
  lc_entry entry;
  lc_text user;       /* the id of the actor, who is asked; empty: the program itself */
  lc_text sale;       /* the id of its sale, where rules take back what sales did; else it may be empty */
  bool is_given;      /* the event says which category the company has: */
  int32_t given;      /* this one; 0: one that does not exist */
  bool has_choice;    /* the user answered before the event came: */
  int32_t choice;     /* the category to set, which counts only for a decision that asks; 0: it stays, whatever is decided */
  bool is_unkeepable; /* its details cannot be stored */
  size_t first_fact;  /* as in lc_facts, of the handling's `known` */
  bool misses_facts;  /* some that the host may know were not asked for */
  uint64_t carries_out; /* it is no event, but this scheduled entry, whose time has come: */
  uint64_t queued;    /* likewise, but this queued entry, whose turn has come */
  uint64_t held;      /* likewise, but this held entry, which somebody releases: */
  lc_text released;   /* its details from then on, with who did; empty: as they are */
  int32_t alone;      /* with `carries_out` or `held`: only the rule with this id decides; 0: the one without */
  /* What the caller has found out. It counts only while it still fits. */
  bool is_known;    /* the host was asked for the category when the company's newest entry was `newest`: */
  int32_t category; /* its answer; 0: none */
  uint64_t newest;
  uint64_t passed;  /* the decision (its `about`) that got a verdict; 0: none: */
  int32_t target;   /* the category to set; 0: as decided */
  bool keep;        /* the user declined, so the category stays */
  lc_text stand_in; /* with `passed`: the id of who is asked instead of `user`; empty: nobody is */
  lc_text assigned; /* with `stand_in`: JSON about that, which the question's body has as "assigned" */
  /* The outcome. */
  lc_case_state state;
  lc_lack lack;     /* for LC_LACKING */
  lc_reason reason; /* for LC_UNMATCHED and LC_WRITTEN */
  bool is_answered; /* the choice counts; for LC_LACKS_VERDICT and whatever was decided */
  lc_later later;   /* what it schedules, or would; `entry` is that itself where nothing is decided at once */
  uint64_t about;   /* for LC_LACKS_VERDICT: identifies the decision; below 2^53 */
  uint64_t first;   /* for LC_DUPLICATE and LC_LACKS_END */
  bool has_shadows; /* rules that are shadows would do something, which is to be noted */
  bool is_tried;    /* its trigger has such rules: then it is remembered though no other rule is enabled */
  bool is_late;     /* for LC_UNMATCHED: it matched, but a later event has changed the company already */
  bool closes;      /* for LC_UNMATCHED: there was nothing to take back but its sale's open question, which is superseded */
  bool unschedules; /* likewise of what its sale has scheduled */
  lc_move made;     /* own: what its sale did, as in lc_facts */
} lc_case;

/* What to do with a decision that asks when there is no answer yet. */
typedef enum lc_confirm {
  LC_CONFIRM_ASK,    /* "ask": put a question into the inbox */
  LC_CONFIRM_ACCEPT, /* "accept": act as if the user had accepted */
  LC_CONFIRM_SKIP,   /* "skip": do nothing */
  LC_CONFIRMS        /* how many there are */
} lc_confirm;

extern const char *const lc_confirm_names[LC_CONFIRMS];

typedef struct lc_overlay lc_overlay;

enum { LC_LATE_SECONDS = 60 }; /* by how much the clocks of several sources may differ */

/* How to handle events. Zeroed: a host keeps the companies, and there are no guards. */
typedef struct lc_handling {
  lc_text tenant;
  double now;
  bool keeps_companies;    /* this store keeps the companies; else a host does, and changes are written as applying: */
  double claim;            /* seconds that the host may take for them; 0: whoever claims them makes them */
  bool queues;             /* events of companies with an unfinished change are queued; else they lack its end */
  size_t most;             /* how many the host takes at once; 0: any number */
  int32_t start;           /* unknown companies are added in this category, if they are kept here; 0: they are not */
  bool needs_licence;      /* nobody has looked yet whether the tenant is licensed */
  bool is_guarded;         /* guards judge what matched */
  bool has_stand_ins;      /* what asks needs a verdict, too: somebody else may be asked */
  bool schedules_nothing;  /* what would be scheduled is only told */
  uint64_t facts_of;       /* the checksum of the ruleset for whose fields the facts were read: */
  const lc_known *known;   /* these, of all events */
  lc_confirm confirm;
  double ttl;              /* seconds until a question expires */
  bool skips_late;         /* an event that says it happened over LC_LATE_SECONDS before the event of the company's newest applied
                            * change is not applied. Changes whose events did not say when they happened do not count. */
  bool remembers;          /* they are live events: ids of those that come to nothing are remembered (lc_store_remember), what shadows would do
                            * is noted, and limits hold */
  bool look;               /* look at all events, as if earlier ones were written, before writing any: so all that they lack is
                            * known at once. Else write what is complete and decide what follows from there. */
  bool foresee;            /* only look, and leave the foreseen outcome in the events */
  lc_overlay *overlay;     /* takes what would be written (overlay.h); NULL: the store does */
  const lc_cursor *cursor; /* moves in the same transaction, if that leaves no event open */
  uint64_t digest;         /* all events and the cursor are written, or none: LC_CONFLICT unless the outcomes have this digest;
                            * 0: as above */
} lc_handling;

/* Looks at events, in order, without writing. LC_STALE: the rules are no longer those for which facts were read. `*first` is the first one to write; all before it are done or lack something.
 * It is `count` when there is none, or when the caller must supply something first. */
lc_status lc_store_look(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t *first, lc_error *error);

/* Decides the events from `first` on, in order, and writes them and their changes, in one transaction. LC_STALE as above. An answer that was
 * given about another state of things is asked for again. An event that lacks something is left out, and so are later ones
 * of its company and id. */
lc_status lc_store_handle(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t first, lc_error *error);

/* Remembers the ids of those of the events that came to nothing, for a reason other than LC_RULE_DISABLED (unless is_tried) and LC_UNKNOWN_CATEGORY:
 * for after lc_store_look, when lc_store_handle, which does it too, is not called. They wait in memory for the next commit of this store,
 * or for lc_store_settle, at most about 4,000; after three seconds the next call of one of these three writes them. Where there is no room to, the oldest
 * knowledge counts: new ones are not remembered. */
void lc_store_remember(lc_store *store, const lc_handling *how, const lc_case *cases, size_t count);

/* The same for one event, which came to nothing for a reason that the caller has found. */
void lc_store_remember_one(lc_store *store, lc_text tenant, lc_text event_id, const lc_mark *mark, double now);

/* Writes what is waiting. */
lc_status lc_store_settle(lc_store *store, lc_error *error);

/* Whether no event is open any more, so that a cursor has moved. */
bool lc_are_all_done(const lc_case *cases, size_t count);

/* A digest, below 2^53, of the outcomes of the events up to the first one without an outcome. */
uint64_t lc_digest(const lc_case *cases, size_t count);

#endif
