/* How every event is handled: from its facts to what is written. The steps below run in a transaction that reads, with or
 * without an overlay, or in one that writes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "overlay.h"
#include "rules/later.h"
#include "store.h"

const char *const lc_lack_names[LC_LACKS] = {
  [LC_LACKS_LICENCE] = "licence", [LC_LACKS_CATEGORY] = "category", [LC_LACKS_VERDICT] = "verdict",
  [LC_LACKS_FACTS] = "facts",
  [LC_LACKS_DETAILS] = "details", [LC_LACKS_END] = "end", [LC_LACKS_TURN] = "turn",
  [LC_LACKS_COMMIT] = "commit",
};

const char *const lc_confirm_names[LC_CONFIRMS] = {
  [LC_CONFIRM_ASK] = "ask", [LC_CONFIRM_ACCEPT] = "accept", [LC_CONFIRM_SKIP] = "skip",
};

typedef struct handler {
  const lc_handling *how;
  const lc_ruleset *ruleset;
  lc_error *error;
  lc_writer w;         /* its transaction only reads unless `writing` */
  bool writing;
  lc_overlay *overlay; /* takes what would be written; NULL: the transaction does, or nothing */
  lc_overlay open;     /* companies and ids that later events have to wait for */
  lc_marks nothing;    /* ids of events that came to nothing */
  lc_case *cases;
  lc_marks asked;      /* companies whose host was asked, with the number of the case that has the answer */
  size_t applying;     /* changes for the host */
  bool changed;        /* something was written */
  bool many;           /* there are several events */
  bool notes_changes;  /* later events may go by what earlier ones changed */
  char *body;          /* buffer for the text of a question */
  size_t body_room;
  size_t body_begun;   /* bytes of it that begin every question; 0: not written yet */
  uint8_t random[8][LC_QUESTION_ID_SIZE];  /* ids for questions, so that the system is not asked for each */
  size_t random_left;
  uint16_t shared;         /* what ids of questions begin with; 0: not chosen yet */
} handler;

static lc_status lack(lc_case *c, lc_lack what) {
  c->state = LC_LACKING;
  c->lack = what;
  return LC_OK;
}

static bool is_preview(const handler *h) {
  return h->how->overlay != NULL;
}

/* ---- the company's category ----------------------------------------------------------------- */

static lc_status fail(const handler *h, int rc) {
  return lc_writer_fail(&h->w, rc, h->error);
}

/* The category of a company kept here, which may be added; 0 when it is unknown. */
static lc_status stored_category(handler *h, const lc_company *company, int32_t *category) {
  lc_key key = lc_key_of_company(&h->w.tenant, company);
  lc_company_record record = { .category = h->how->start, .is_integer = company->is_integer };
  int rc = lc_get_record(h->w.store, h->w.txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
  if (rc == MDB_NOTFOUND && h->how->start != 0 && h->writing) {
    rc = lc_put(h->w.store, h->w.txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
    h->changed = true;
  }
  *category = record.category;
  return rc == MDB_NOTFOUND ? LC_OK : fail(h, rc);
}

static lc_status kept_category(handler *h, const lc_company *company, int32_t *category) {
  if (h->overlay != NULL && lc_marks_get(&h->overlay->companies, company->text, category))
    return LC_OK;
  return stored_category(h, company, category);
}

/* The host is asked once for all events of a company: its answer is in one of the cases. */
static lc_status share_answer(handler *h, lc_case *c) {
  int32_t other;
  if (c->is_known)
    return lc_marks_set(&h->asked, c->entry.company.text, (int32_t)(c - h->cases), h->error);
  if (lc_marks_get(&h->asked, c->entry.company.text, &other)) {
    c->is_known = true;
    c->newest = h->cases[other].newest;
    c->category = h->cases[other].category;
  }
  return LC_OK;
}

/* The host's answer counts only if the company has no newer entry since. */
static lc_status hosts_category(handler *h, lc_case *c) {
  lc_key key = lc_key_of_company(&h->w.tenant, &c->entry.company);
  uint64_t newest = 0;
  lc_status status = share_answer(h, c);
  if (status != LC_OK)
    return status;
  if (h->overlay != NULL && lc_marks_get(&h->overlay->companies, c->entry.company.text, &c->entry.from))
    return LC_OK;
  int rc = lc_get_newest(h->w.store, h->w.txn, &key, &newest);
  if (rc != 0)
    return fail(h, rc);
  if (!c->is_known || c->newest != newest) {
    c->is_known = false;
    c->newest = newest;
    return lack(c, LC_LACKS_CATEGORY);
  }
  c->entry.from = c->category;
  return LC_OK;
}

/* ---- the steps ----------------------------------------------------------------------------- */

/* What was scheduled or queued is carried out once, though several processes may find that its turn has come. */
static lc_status find_own_turn(handler *h, lc_case *c) {
  const lc_company *company = &c->entry.company;
  bool has_turn = false;
  int rc = c->queued != 0 ? lc_has_turn(&h->w, company, c->queued, &has_turn) : lc_is_due(&h->w, company, c->carries_out, &has_turn);
  if (rc == 0 && !has_turn)
    c->state = LC_OVER;
  return fail(h, rc);
}

static lc_status find_seen(handler *h, lc_case *c) {
  lc_text id = c->entry.event_id;
  lc_key key = h->w.tenant;
  int32_t seen;
  if (c->carries_out != 0 || c->queued != 0)
    return find_own_turn(h, c);
  if (id.size == 0)
    return LC_OK;
  if (lc_marks_get(&h->nothing, id, &seen) || (h->overlay != NULL && lc_marks_get(&h->overlay->ids, id, &seen))) {
    c->state = LC_DUPLICATE;
    c->first = 0;
    return LC_OK;
  }
  lc_key_add_text(&key, id);
  int rc = lc_find_seen(h->w.store, h->w.txn, &key, &c->first);
  if (rc == 0)
    c->state = LC_DUPLICATE;
  return rc == MDB_NOTFOUND ? LC_OK : fail(h, rc);
}

static lc_status find_turn(handler *h, lc_case *c) {
  int32_t open;
  bool waits = lc_marks_get(&h->open.companies, c->entry.company.text, &open)
            || (c->entry.event_id.size != 0 && lc_marks_get(&h->open.ids, c->entry.event_id, &open));
  return waits ? lack(c, LC_LACKS_TURN) : LC_OK;
}

static lc_status find_licence(handler *h, lc_case *c) {
  return h->how->needs_licence ? lack(c, LC_LACKS_LICENCE) : LC_OK;
}

/* Behind an unfinished change, where nobody waits for its end. */
static lc_status line_up(lc_case *c) {
  if (c->is_unkeepable)
    return lack(c, LC_LACKS_DETAILS);
  c->state = LC_LINED_UP;
  return LC_OK;
}

static bool may_line_up(const handler *h, const lc_case *c) {
  return h->how->queues && !h->how->foresee && h->how->cursor == NULL && c->carries_out == 0;
}

/* While a change is unfinished, the company's category is unknown. Without a rule for the event that does not matter. */
static lc_status find_unfinished(handler *h, lc_case *c) {
  bool unfinished = false;
  lc_trigger trigger = (lc_trigger)c->entry.trigger;
  if (is_preview(h) || !(lc_ruleset_has_rule(h->ruleset, trigger) || lc_has_later_for(h->ruleset, trigger)))
    return LC_OK;
  int rc = lc_find_unfinished(&h->w, &c->entry.company, &unfinished, &c->first);
  if (rc != 0 || !unfinished || (c->queued != 0 && c->first == c->queued))
    return fail(h, rc);
  return may_line_up(h, c) ? line_up(c) : lack(c, LC_LACKS_END);
}

static lc_status find_category(handler *h, lc_case *c) {
  int32_t stored;
  if (c->is_given) { /* the company may still have to be added */
    c->entry.from = c->given;
    bool starts = h->how->keeps_companies && h->how->start != 0;
    return starts ? kept_category(h, &c->entry.company, &stored) : LC_OK;
  }
  return h->how->keeps_companies ? kept_category(h, &c->entry.company, &c->entry.from) : hosts_category(h, c);
}

/* Whether the user's choice counts. Keeping the category always does. Another category does only where the rule asks: else
 * whoever may report events could set any. */
static bool is_answered(const lc_case *c) {
  bool keeps = c->choice == 0 || c->choice == c->entry.from;
  return c->has_choice && (keeps || c->entry.action == LC_CONFIRM);
}

/* What later events go by: in the overlay, else in the journal. */
static lc_status last_change(handler *h, const lc_case *c, lc_last_change *last) {
  const lc_newest_change *change = h->overlay != NULL ? lc_overlay_change(h->overlay, c->entry.company.text) : NULL;
  bool needs_journal = change == NULL || (last->needs_at && isnan(change->at));
  int rc = needs_journal ? lc_find_last_change(h->w.store, h->w.txn, &h->w.tenant, &c->entry.company, c->sale, last) : 0;
  if (change != NULL)
    last->made = lc_overlay_is_of(h->overlay, change, c->sale) ? change->move : (lc_move){ 0, 0 };
  if (!needs_journal)
    last->at = change->at;
  return fail(h, rc);
}

/* What the event's sale did, where rules may take it back. */
static lc_status find_made(handler *h, lc_case *c) {
  lc_last_change last = { .needs_at = false };
  c->made = (lc_move){ 0, 0 };
  if (lc_ruleset_trigger(h->ruleset, (lc_trigger)c->entry.trigger)->takes_back == 0 || c->sale.size == 0)
    return LC_OK;
  lc_status status = last_change(h, c, &last);
  c->made = last.made;
  return status;
}

static lc_facts facts_of(const handler *h, const lc_case *c) {
  return (lc_facts){ (lc_trigger)c->entry.trigger, c->entry.from, c->entry.lead_status, h->how->known, c->first_fact,
                     c->made };
}

static lc_decision decision_of(const handler *h, const lc_case *c) {
  const lc_facts facts = facts_of(h, c);
  return c->carries_out == 0 ? lc_decide(h->ruleset, &facts) : lc_decide_alone(h->ruleset, &facts, c->alone);
}

static bool may_find_later(const handler *h, const lc_case *c) {
  const lc_facts facts = facts_of(h, c);
  return c->carries_out == 0 && lc_has_later(h->ruleset) && lc_may_find_later(h->ruleset, &facts);
}

/* The host is asked only when the decision comes to conditions. */
static lc_status find_facts(handler *h, lc_case *c) {
  bool needs = c->misses_facts && (decision_of(h, c).reason >= LC_CONDITIONS_NOT_MET || may_find_later(h, c));
  return needs ? lack(c, LC_LACKS_FACTS) : LC_OK;
}

/* Whether nothing is decided at once, and so at most scheduled. */
static bool is_put_off(const lc_case *c) {
  return c->entry.action == LC_NONE;
}

/* Makes the entry that of what the event schedules. */
static void put_off(lc_case *c, lc_entry *entry) {
  entry->status = LC_ENTRY_SCHEDULED;
  entry->action = LC_NONE;
  entry->rule = c->later.rule;
  entry->to = c->later.to;
  entry->link = LC_LINK_DUE;
  entry->linked = lc_milliseconds(c->later.due);
  if (c->kept.size != 0)
    entry->details = c->kept;
}

/* Looks for a rule with `after` that matches. */
static void find_later(const handler *h, lc_case *c) {
  const lc_facts facts = facts_of(h, c);
  const lc_later_rule *later = c->carries_out == 0 && lc_has_later(h->ruleset) ? lc_find_later(h->ruleset, &facts) : NULL;
  if (later == NULL)
    return;
  c->later = (lc_later){ .is_there = true, .rule = later->rule.id, .to = later->rule.to, .due = c->entry.at + later->after };
  if (is_put_off(c) && !h->how->schedules_nothing) {
    c->reason = LC_MATCHED;
    put_off(c, &c->entry);
  }
}

/* What the sale has led to and has not ended yet, its question or what it has scheduled, ends also when there is nothing to take
 * back. */
static lc_status find_rest(handler *h, lc_case *c) {
  if (c->sale.size == 0 || is_preview(h))
    return LC_OK;
  lc_status status = lc_find_sales_question(&h->w, c->entry.company.text, c->sale, &c->closes, h->error);
  return status == LC_OK ? lc_find_sales_schedule(&h->w, &c->entry.company, c->sale, &c->unschedules, h->error) : status;
}

static lc_status decide(handler *h, lc_case *c) {
  lc_entry *entry = &c->entry;
  lc_decision decision = decision_of(h, c);
  c->reason = decision.reason;
  entry->action = (uint8_t)decision.action;
  entry->to = decision.to;
  entry->rule = decision.rule;
  entry->revision = h->ruleset->revision;
  entry->takes_back = decision.action != LC_NONE
                   && lc_ruleset_takes_back(h->ruleset, (lc_trigger)entry->trigger, decision.rule);
  c->is_answered = is_answered(c);
  find_later(h, c);
  if (c->reason != LC_MATCHED)
    c->state = LC_UNMATCHED;
  return decision.reason == LC_NOTHING_TO_TAKE_BACK ? find_rest(h, c) : LC_OK;
}

/* An event that says when it happened must not undo what came after it. */
static lc_status find_late(handler *h, lc_case *c) {
  lc_last_change last = { .needs_at = true };
  if (!h->how->skips_late || !c->entry.has_at || c->carries_out != 0)
    return LC_OK;
  lc_status status = last_change(h, c, &last);
  c->is_late = status == LC_OK && last.at - c->entry.at > LC_LATE_SECONDS; /* not of NAN */
  if (c->is_late) {
    c->state = LC_UNMATCHED;
    c->entry.action = LC_NONE;
    c->entry.to = 0;
    c->entry.takes_back = false;
    c->later.is_there = false; /* nor is anything scheduled */
    c->entry.link = LC_LINK_NONE;
    c->entry.linked = 0;
  }
  return status;
}

/* A verdict counts only for the decision that it was given on. */
static lc_status find_verdict(handler *h, lc_case *c) {
  if ((!h->how->is_guarded && !c->is_answered) || is_put_off(c))
    return LC_OK;
  c->about = lc_tell_apart(&c->entry);
  if (c->passed != c->about)
    return lack(c, LC_LACKS_VERDICT);
  if (c->target != 0 && c->target != c->entry.to) {
    c->entry.to = c->target;
    c->entry.takes_back = false; /* somebody wants another category than the one from before */
  }
  return LC_OK;
}

/* How the event is written. */
static lc_status find_status(handler *h, lc_case *c) {
  if (is_put_off(c))
    return LC_OK;
  bool asks = c->entry.action == LC_CONFIRM && !c->is_answered;
  c->entry.status = c->is_answered && c->keep ? LC_ENTRY_DECLINED
                  : h->how->keeps_companies ? LC_ENTRY_UPDATED : LC_ENTRY_APPLYING;
  if (asks && h->how->confirm == LC_CONFIRM_SKIP)
    c->state = LC_SKIPPED;
  else if (asks && h->how->confirm == LC_CONFIRM_ASK)
    c->entry.status = LC_ENTRY_AWAITING;
  return LC_OK;
}

static lc_status find_room(handler *h, lc_case *c) {
  bool full = c->entry.status == LC_ENTRY_APPLYING && h->how->most != 0 && h->applying == h->how->most;
  return full ? lack(c, LC_LACKS_TURN) : LC_OK;
}

static lc_status find_details(handler *h, lc_case *c) {
  (void)h;
  return c->is_unkeepable ? lack(c, LC_LACKS_DETAILS) : LC_OK;
}

typedef lc_status step(handler *h, lc_case *c);

static step *const steps[] = {
  find_seen, find_turn, find_licence, find_unfinished, find_category,
  find_made, find_facts, decide, find_late, find_verdict, find_status, find_details, find_room,
};

enum { STEPS = sizeof steps / sizeof *steps };

/* ---- the text of a question ------------------------------------------------------------------ */

static lc_status make_body_room(handler *h, size_t size) {
  if (size <= h->body_room)
    return LC_OK;
  char *body = realloc(h->body, size);
  if (body == NULL)
    return lc_fail(h->error, LC_UNAVAILABLE, "out of memory");
  h->body_room = size;
  h->body = body;
  return LC_OK;
}

/* Every question begins with the categories to choose from. */
static lc_status begin_body(handler *h) {
  enum { LONGEST_OPTION = 11 };
  static const char begin[] = "{\"options\":[";
  const int32_t *options = lc_ruleset_block(h->ruleset, LC_BLOCK_OPTIONS);
  lc_status status = make_body_room(h, sizeof begin + 1 + (size_t)lc_ruleset_option_count(h->ruleset) * LONGEST_OPTION);
  if (status != LC_OK)
    return status;
  char *at = h->body + sprintf(h->body, "%s", begin);
  for (uint32_t i = 0; i < lc_ruleset_option_count(h->ruleset); i++)
    at += sprintf(at, i == 0 ? "%d" : ",%d", (int)options[i]);
  *at++ = ']';
  h->body_begun = (size_t)(at - h->body);
  return LC_OK;
}

/* The options, then the fields of the event's details. */
static lc_status write_body(handler *h, lc_question *question, lc_text details) {
  bool has_fields = details.size > 2;
  lc_status status = h->body_begun == 0 ? begin_body(h) : LC_OK;
  if (status == LC_OK)
    status = make_body_room(h, h->body_begun + details.size + 1);
  if (status != LC_OK)
    return status;
  char *at = h->body + h->body_begun;
  if (has_fields)
    memcpy(at + 1, details.data + 1, details.size - 1);
  *at = has_fields ? ',' : '}';
  question->body = (lc_text){ h->body, h->body_begun + (has_fields ? details.size : 1) };
  return LC_OK;
}

/* The questions of one transaction share the first bytes, so that they lie on few pages. The rest cannot be guessed. */
static lc_status random_id(handler *h, uint8_t *id) {
  lc_status status = LC_OK;
  if (h->random_left == 0) {
    status = lc_random(h->random, sizeof h->random, h->error);
    h->random_left = sizeof h->random / sizeof *h->random;
  }
  if (status != LC_OK)
    return status;
  if (h->shared == 0)
    memcpy(&h->shared, h->random, sizeof h->shared);
  memcpy(id, h->random[--h->random_left], LC_QUESTION_ID_SIZE);
  memcpy(id, &h->shared, sizeof h->shared);
  return LC_OK;
}

static lc_status new_question(handler *h, lc_case *c, lc_question *question) {
  *question = (lc_question){
    .created_at = h->how->now,
    .expires_at = h->how->now + h->how->ttl,
    .user = c->user,
  };
  lc_status status = random_id(h, question->id);
  if (status != LC_OK)
    return status;
  c->entry.has_question = true;
  memcpy(c->entry.question, question->id, sizeof question->id);
  return write_body(h, question, c->entry.details);
}

/* ---- writing, and imagining to have written -------------------------------------------------- */

/* A match ends what its company had scheduled; when that is due, this is what comes of it. */
static lc_status end_schedule(handler *h, lc_case *c) {
  lc_entry_status ended = c->carries_out != 0 ? LC_ENTRY_CARRIED_OUT : LC_ENTRY_SUPERSEDED;
  if (c->carries_out != 0) {
    c->entry.link = LC_LINK_CARRIES_OUT;
    c->entry.linked = c->carries_out;
  }
  return lc_end_schedule(&h->w, &c->entry.company, ended, h->error);
}

/* Schedules what the event puts off, beside what it does at once. */
static lc_status put_beside(handler *h, lc_case *c) {
  lc_entry beside = c->entry;
  put_off(c, &beside);
  int rc = lc_put_with_effect(&h->w, &beside, NULL);
  c->later.entry = c->entry.linked = beside.id;
  c->entry.link = LC_LINK_SCHEDULED;
  return fail(h, rc);
}

static lc_status put(handler *h, lc_case *c) {
  lc_question question;
  bool waits = is_put_off(c);
  lc_status status = end_schedule(h, c);
  if (status == LC_OK && c->later.is_there && !waits && !h->how->schedules_nothing)
    status = put_beside(h, c);
  if (status == LC_OK && !waits)
    status = lc_supersede(&h->w, &c->entry, h->error);
  if (status == LC_OK && c->entry.status == LC_ENTRY_AWAITING)
    status = new_question(h, c, &question);
  if (status == LC_OK && c->queued != 0)
    status = lc_follow(&h->w, &c->entry, c->queued, h->error);
  if (status == LC_OK)
    status = fail(h, lc_put_with_effect(&h->w, &c->entry, &question));
  if (waits)
    c->later.entry = c->entry.id;
  h->changed = true;
  return status;
}

static lc_status mark(handler *h, lc_marks *marks, lc_text text, int32_t value) {
  return text.size == 0 ? LC_OK : lc_marks_set(marks, text, value, h->error);
}

static lc_status note_change(handler *h, const lc_case *c, int32_t to) {
  const lc_entry *entry = &c->entry;
  lc_text sale = entry->takes_back ? (lc_text){ NULL, 0 } : c->sale;
  double at = !entry->has_at ? NAN : entry->at < h->how->now ? entry->at : h->how->now;
  if (!h->notes_changes || entry->from == to)
    return LC_OK;
  return lc_overlay_note(h->overlay, entry->company.text, (lc_move){ entry->from, to }, sale, at, h->error);
}

/* Marks the company with its new category, unless its event gives a category in which it is not kept here. */
static lc_status imagine_category(handler *h, lc_case *c, int32_t to, bool *fits) {
  int32_t category = c->entry.from;
  lc_status status = h->how->keeps_companies && c->is_given ? kept_category(h, &c->entry.company, &category) : LC_OK;
  *fits = category == c->entry.from;
  if (status == LC_OK && *fits)
    status = mark(h, &h->overlay->companies, c->entry.company.text, to);
  return status == LC_OK && *fits ? note_change(h, c, to) : status;
}

/* Until the host has made a change, the company's category is unknown. */
static lc_status imagine_change(handler *h, lc_case *c) {
  bool fits;
  if (c->entry.status == LC_ENTRY_APPLYING && !is_preview(h))
    return mark(h, &h->open.companies, c->entry.company.text, 1);
  lc_status status = imagine_category(h, c, c->entry.to, &fits);
  if (!fits || is_preview(h))
    c->entry.status = fits ? LC_ENTRY_UPDATED : LC_ENTRY_CONFLICT;
  return status;
}

static lc_status imagine(handler *h, lc_case *c) {
  bool is_change = c->entry.status == LC_ENTRY_UPDATED || c->entry.status == LC_ENTRY_APPLYING;
  lc_status status = is_change ? imagine_change(h, c) : LC_OK;
  return status == LC_OK ? mark(h, &h->overlay->ids, c->entry.event_id, 1) : status;
}

/* The company's likely category once the event has its verdict. */
static int32_t expected_category(const handler *h, const lc_case *c) {
  if (c->is_answered)
    return c->choice > 0 ? c->choice : c->entry.from;
  return c->entry.action == LC_UPDATE || h->how->confirm == LC_CONFIRM_ACCEPT ? c->entry.to : c->entry.from;
}

/* Makes later events wait for one that lacks something. When only looking at companies kept here, assumes that it will get its
 * verdict, and that one waiting for its turn changes nothing. */
static lc_status leave_open(handler *h, lc_case *c) {
  bool fits, looking = h->overlay != NULL && !is_preview(h) && h->how->keeps_companies;
  lc_status status = mark(h, &h->open.ids, c->entry.event_id, 1);
  if (status != LC_OK || (looking && c->lack == LC_LACKS_TURN))
    return status;
  return looking && c->lack == LC_LACKS_VERDICT
       ? imagine_category(h, c, expected_category(h, c), &fits) : mark(h, &h->open.companies, c->entry.company.text, 1);
}

/* ---- one event after another ------------------------------------------------------------------ */

static lc_status take_steps(handler *h, lc_case *c) {
  lc_status status = LC_OK;
  c->state = LC_OPEN;
  c->is_late = c->closes = c->unschedules = false;
  for (int i = 0; i < STEPS && c->state == LC_OPEN && status == LC_OK; i++)
    status = steps[i](h, c);
  return status;
}

static bool ends_rest(const lc_case *c) {
  return c->closes || c->unschedules;
}

static lc_status end_rest(handler *h, const lc_case *c) {
  lc_status status = c->closes ? lc_supersede(&h->w, &c->entry, h->error) : LC_OK;
  h->changed = true;
  return status == LC_OK && c->unschedules ? lc_end_schedule(&h->w, &c->entry.company, LC_ENTRY_SUPERSEDED, h->error) : status;
}

static lc_status settle_queued(handler *h, lc_case *c) {
  c->entry.status = LC_ENTRY_QUEUED;
  c->entry.revision = h->ruleset->revision;
  if (c->kept.size != 0)
    c->entry.details = c->kept;
  h->changed = true;
  return h->writing ? fail(h, lc_put_with_effect(&h->w, &c->entry, NULL)) : imagine(h, c);
}

/* Once the call has ended well, an event that came to nothing is remembered: later ones with its id are duplicates. */
static lc_status note_nothing(handler *h, const lc_case *c) {
  return h->many && lc_is_remembered(h->how, c) ? mark(h, &h->nothing, c->entry.event_id, 1) : LC_OK;
}

static lc_status settle(handler *h, lc_case *c) {
  if (c->state == LC_LACKING)
    return leave_open(h, c);
  if (ends_rest(c) && h->writing) {
    lc_status status = end_rest(h, c);
    if (status != LC_OK)
      return status;
  }
  if (c->state == LC_LINED_UP)
    return settle_queued(h, c);
  if (c->state != LC_OPEN)
    return note_nothing(h, c);
  c->state = LC_WRITTEN;
  h->applying += c->entry.status == LC_ENTRY_APPLYING;
  return h->writing ? put(h, c) : imagine(h, c);
}

/* This event is to be written, or what its sale has led to ended, but the transaction only reads. */
static bool ends_before(const handler *h, lc_case *c) {
  bool ends = (c->state == LC_OPEN || c->state == LC_LINED_UP || ends_rest(c)) && !h->writing && h->overlay == NULL;
  if (ends)
    c->state = LC_OPEN;
  return ends;
}

static lc_status go_through(handler *h, lc_case *cases, size_t count, size_t *at) {
  lc_status status = LC_OK;
  h->cases = cases;
  for (; *at < count && status == LC_OK; ++*at) {
    lc_case *c = &cases[*at];
    status = take_steps(h, c);
    if (status != LC_OK || ends_before(h, c))
      break;
    status = settle(h, c);
  }
  return status;
}

/* Makes the events to handle wait for those before them, as they were looked at. */
static lc_status go_behind(handler *h, lc_case *cases, size_t first) {
  lc_status status = LC_OK;
  for (size_t i = 0; i < first && status == LC_OK; i++)
    status = cases[i].state == LC_LACKING ? leave_open(h, &cases[i]) : note_nothing(h, &cases[i]);
  return status;
}

static bool lacks_answers(const lc_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (cases[i].state == LC_LACKING && cases[i].lack < LC_LACKS_END)
      return true;
  return false;
}

static size_t first_written(const lc_case *cases, size_t count) {
  size_t i = 0;
  while (i < count && cases[i].state != LC_WRITTEN && cases[i].state != LC_LINED_UP && !ends_rest(&cases[i]))
    i++;
  return i;
}

static void forget_imagined(lc_case *cases, size_t count, size_t first) {
  for (size_t i = first; i < count; i++)
    if (cases[i].state != LC_LACKING)
      cases[i].state = LC_OPEN;
}

static lc_status look_at_all(handler *h, lc_overlay *overlay, lc_case *cases, size_t count, size_t *first) {
  size_t seen = 0;
  h->overlay = overlay;
  *first = count;
  lc_status status = go_through(h, cases, count, &seen);
  if (status != LC_OK || is_preview(h) || h->how->foresee)
    return status;
  bool asks = lacks_answers(cases, count);
  if (!asks)
    *first = first_written(cases, count);
  forget_imagined(cases, count, asks ? 0 : *first);
  return LC_OK;
}

static handler handler_of(lc_store *store, const lc_handling *how, size_t count, lc_error *error) {
  handler h = { .how = how, .error = error, .many = count > 1 };
  h.w.store = store;
  h.w.tenant = lc_key_of(how->tenant);
  h.w.now = how->now;
  h.w.claim = how->claim;
  return h;
}

/* The rules that decide. Facts are of use only for those for which they were read. */
static lc_status find_rules(handler *h) {
  lc_status status = lc_store_ruleset(h->w.store, h->how->tenant, &h->ruleset, h->error);
  if (status == LC_OK && lc_ruleset_field_count(h->ruleset) != 0 && h->ruleset->checksum != h->how->facts_of)
    return lc_fail(h->error, LC_STALE, "the rules have changed meanwhile");
  return status;
}

static lc_status begin(handler *h) {
  lc_status status = find_rules(h);
  h->notes_changes = status == LC_OK && (h->how->skips_late || lc_ruleset_ever_takes_back(h->ruleset));
  return status;
}

static void end(handler *h) {
  lc_overlay_free(&h->open);
  lc_marks_free(&h->nothing);
  lc_marks_free(&h->asked);
  free(h->body);
}

lc_status lc_store_look(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t *first, lc_error *error) {
  handler h = handler_of(store, how, count, error);
  lc_overlay imagined = { .companies.values = NULL };
  *first = 0;
  lc_status status = begin(&h);
  if (status == LC_OK)
    status = lc_begin_read(store, LC_PART_JOURNAL, &h.w.txn, error);
  if (status != LC_OK)
    return status;
  if (is_preview(&h) || how->look)
    status = look_at_all(&h, is_preview(&h) ? how->overlay : &imagined, cases, count, first);
  else if (how->start == 0) /* else companies may have to be added */
    status = go_through(&h, cases, count, first);
  lc_end_read(store, LC_PART_JOURNAL);
  lc_overlay_free(&imagined);
  end(&h);
  return status;
}

/* A cursor moves when all is done; where the outcomes were foreseen, only if they are the same. */
static lc_status move_cursor(handler *h, const lc_case *cases, size_t count) {
  const lc_handling *how = h->how;
  if (how->cursor == NULL || (how->digest == 0 && !lc_are_all_done(cases, count)))
    return LC_OK;
  if (how->digest != 0 && lc_digest(cases, count) != how->digest)
    return lc_fail(h->error, LC_CONFLICT, "a company has been changed meanwhile");
  h->changed = true;
  return lc_put_cursor(&h->w, how->cursor, h->error);
}

/* Writes nothing when nothing has changed. */
static lc_status commit(handler *h, lc_status status) {
  lc_store *store = h->w.store;
  if (status != LC_OK || h->changed || store->puts_marks)
    return lc_writer_end(&h->w, status, h->error);
  lc_env_abort(store->env, LC_PART_JOURNAL, h->w.txn);
  return LC_OK;
}

lc_status lc_store_handle(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t first,
                          lc_error *error) {
  handler h = handler_of(store, how, count, error);
  size_t waiting = lc_pending_count(store->pending);
  h.writing = true;
  lc_status status = begin(&h);
  if (status == LC_OK)
    status = lc_writer_begin(&h.w, error);
  if (status != LC_OK)
    return status;
  status = go_behind(&h, cases, first);
  if (status == LC_OK)
    status = go_through(&h, cases, count, &first);
  if (status == LC_OK)
    status = move_cursor(&h, cases, count);
  if (status == LC_OK)
    status = lc_remember_in(store, h.w.txn, how, cases, count, &waiting, error);
  end(&h);
  status = commit(&h, status);
  if (status != LC_OK)
    lc_pending_cut(store->pending, waiting);
  return status;
}
