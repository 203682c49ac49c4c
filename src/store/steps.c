/* The steps that each event takes, from its facts to what is to be written: in a transaction that reads, with or without an
 * overlay, or in one that writes. */
#include <math.h>

#include "handler.h"
#include "rules/later.h"

static lc_status lack(lc_case *c, lc_lack what) {
  c->state = LC_LACKING;
  c->lack = what;
  return LC_OK;
}

/* ---- the company's category ----------------------------------------------------------------- */

/* The category of a company kept here, which may be added; 0 when it is unknown. */
static lc_status stored_category(lc_handler *h, const lc_company *company, int32_t *category) {
  lc_key key = lc_key_of_company(&h->w.tenant, company);
  lc_company_record record = { .category = h->how->start, .is_integer = company->is_integer };
  int rc = lc_get_record(h->w.store, h->w.txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
  if (rc == MDB_NOTFOUND && h->how->start != 0 && h->writing) {
    rc = lc_put(h->w.store, h->w.txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
    h->changed = true;
  }
  *category = record.category;
  return rc == MDB_NOTFOUND ? LC_OK : lc_handler_fail(h, rc);
}

lc_status lc_kept_category(lc_handler *h, const lc_company *company, int32_t *category) {
  if (h->overlay != NULL && lc_marks_get(&h->overlay->companies, company->text, category))
    return LC_OK;
  return stored_category(h, company, category);
}

/* The host is asked once for all events of a company: its answer is in one of the cases. */
static lc_status share_answer(lc_handler *h, lc_case *c) {
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
static lc_status hosts_category(lc_handler *h, lc_case *c) {
  lc_key key = lc_key_of_company(&h->w.tenant, &c->entry.company);
  uint64_t newest = 0;
  lc_status status = share_answer(h, c);
  if (status != LC_OK)
    return status;
  if (h->overlay != NULL && lc_marks_get(&h->overlay->companies, c->entry.company.text, &c->entry.from))
    return LC_OK;
  int rc = lc_get_newest(h->w.store, h->w.txn, &key, &newest);
  if (rc != 0)
    return lc_handler_fail(h, rc);
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
static lc_status find_own_turn(lc_handler *h, lc_case *c) {
  const lc_company *company = &c->entry.company;
  bool has_turn = false;
  int rc = c->queued != 0 ? lc_has_turn(&h->w, company, c->queued, &has_turn)
         : c->held != 0 ? lc_find_held(&h->w, c->held, &has_turn) : lc_is_due(&h->w, company, c->carries_out, &has_turn);
  if (rc == 0 && !has_turn)
    c->state = LC_OVER;
  return lc_handler_fail(h, rc);
}

static lc_status find_seen(lc_handler *h, lc_case *c) {
  lc_text id = c->entry.event_id;
  lc_key key = h->w.tenant;
  int32_t seen;
  if (lc_is_alone(c) || c->queued != 0)
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
  return rc == MDB_NOTFOUND ? LC_OK : lc_handler_fail(h, rc);
}

static lc_status find_turn(lc_handler *h, lc_case *c) {
  int32_t open;
  bool waits = lc_marks_get(&h->open.companies, c->entry.company.text, &open)
            || (c->entry.event_id.size != 0 && lc_marks_get(&h->open.ids, c->entry.event_id, &open));
  return waits ? lack(c, LC_LACKS_TURN) : LC_OK;
}

static lc_status find_licence(lc_handler *h, lc_case *c) {
  return h->how->needs_licence ? lack(c, LC_LACKS_LICENCE) : LC_OK;
}

/* Behind an unfinished change, where nobody waits for its end. */
static lc_status line_up(lc_case *c) {
  if (c->is_unkeepable)
    return lack(c, LC_LACKS_DETAILS);
  c->state = LC_LINED_UP;
  return LC_OK;
}

static bool may_line_up(const lc_handler *h, const lc_case *c) {
  return h->how->queues && !h->how->foresee && h->how->cursor == NULL && !lc_is_alone(c);
}

/* While a change is unfinished, the company's category is unknown. Without a rule for the event that does not matter. */
static lc_status find_unfinished(lc_handler *h, lc_case *c) {
  bool unfinished = false;
  lc_trigger trigger = (lc_trigger)c->entry.trigger;
  if (lc_is_preview(h) || !(lc_ruleset_has_rule(h->ruleset, trigger) || lc_has_later_for(h->ruleset, trigger)
                            || lc_has_shadow_for(h->ruleset, trigger)))
    return LC_OK;
  int rc = lc_find_unfinished(&h->w, &c->entry.company, &unfinished, &c->first);
  if (rc != 0 || !unfinished || (c->queued != 0 && c->first == c->queued))
    return lc_handler_fail(h, rc);
  return may_line_up(h, c) ? line_up(c) : lack(c, LC_LACKS_END);
}

static lc_status find_category(lc_handler *h, lc_case *c) {
  int32_t stored;
  if (c->is_given) { /* the company may still have to be added */
    c->entry.from = c->given;
    bool starts = h->how->keeps_companies && h->how->start != 0;
    return starts ? lc_kept_category(h, &c->entry.company, &stored) : LC_OK;
  }
  return h->how->keeps_companies ? lc_kept_category(h, &c->entry.company, &c->entry.from) : hosts_category(h, c);
}

/* Whether the user's choice counts. Keeping the category always does. Another category does only where the rule asks: else
 * whoever may report events could set any. */
static bool is_answered(const lc_case *c) {
  bool keeps = c->choice == 0 || c->choice == c->entry.from;
  return c->has_choice && (keeps || c->entry.action == LC_CONFIRM);
}

/* What later events go by: in the overlay, else in the journal. */
static lc_status last_change(lc_handler *h, const lc_case *c, lc_last_change *last) {
  const lc_newest_change *change = h->overlay != NULL ? lc_overlay_change(h->overlay, c->entry.company.text) : NULL;
  bool needs_journal = change == NULL || (last->needs_at && isnan(change->at));
  int rc = needs_journal ? lc_find_last_change(h->w.store, h->w.txn, &h->w.tenant, &c->entry.company, c->sale, last) : 0;
  if (change != NULL)
    last->made = lc_overlay_is_of(h->overlay, change, c->sale) ? change->move : (lc_move){ 0, 0 };
  if (!needs_journal)
    last->at = change->at;
  return lc_handler_fail(h, rc);
}

/* What the event's sale did, where rules may take it back. */
static lc_status find_made(lc_handler *h, lc_case *c) {
  lc_last_change last = { .needs_at = false };
  c->made = (lc_move){ 0, 0 };
  if (lc_ruleset_trigger(h->ruleset, (lc_trigger)c->entry.trigger)->takes_back == 0 || c->sale.size == 0)
    return LC_OK;
  lc_status status = last_change(h, c, &last);
  c->made = last.made;
  return status;
}

lc_facts lc_facts_of(const lc_handler *h, const lc_case *c) {
  return (lc_facts){ (lc_trigger)c->entry.trigger, c->entry.from, c->entry.lead_status, h->how->known, c->first_fact,
                     c->made };
}

static lc_decision decision_of(const lc_handler *h, const lc_case *c) {
  const lc_facts facts = lc_facts_of(h, c);
  if (!lc_is_alone(c))
    return lc_decide(h->ruleset, &facts);
  bool takes_back = lc_ruleset_takes_back(h->ruleset, facts.trigger, c->alone); /* by now: what was scheduled was not about that */
  return c->carries_out != 0 && takes_back ? (lc_decision){ LC_NONE, LC_RULE_DISABLED, 0, c->alone }
       : lc_decide_alone(h->ruleset, &facts, c->alone);
}

/* Only of live events, and as the event comes. */
static bool notes_shadows(const lc_handler *h, const lc_case *c) {
  return lc_has_shadow(h->ruleset) && h->how->remembers && !lc_is_alone(c);
}

/* Whether a rule that does not decide at once may be found. */
static bool may_find_others(const lc_handler *h, const lc_case *c) {
  const lc_facts facts = lc_facts_of(h, c);
  return (!lc_is_alone(c) && lc_has_later(h->ruleset) && lc_may_find_later(h->ruleset, &facts))
      || (notes_shadows(h, c) && lc_may_find_shadow(h->ruleset, &facts));
}

/* The host is asked only when the decision comes to conditions. */
static lc_status find_facts(lc_handler *h, lc_case *c) {
  bool needs = c->misses_facts && (decision_of(h, c).reason >= LC_CONDITIONS_NOT_MET || may_find_others(h, c));
  return needs ? lack(c, LC_LACKS_FACTS) : LC_OK;
}

bool lc_is_put_off(const lc_case *c) {
  return c->entry.action == LC_NONE;
}

void lc_put_off(lc_case *c, lc_entry *entry) {
  entry->status = LC_ENTRY_SCHEDULED;
  entry->action = LC_NONE;
  entry->rule = c->later.rule;
  entry->to = c->later.to;
  entry->link = LC_LINK_DUE;
  entry->linked = lc_milliseconds(c->later.due);
}

/* Looks for a rule with `after` that matches. */
static void find_later(const lc_handler *h, lc_case *c) {
  const lc_facts facts = lc_facts_of(h, c);
  const lc_later_rule *later = !lc_is_alone(c) && lc_has_later(h->ruleset) ? lc_find_later(h->ruleset, &facts) : NULL;
  if (later == NULL)
    return;
  c->later = (lc_later){ .is_there = true, .rule = later->rule.id, .to = later->rule.to, .due = c->entry.at + later->after };
  if (lc_is_put_off(c) && !h->how->schedules_nothing) {
    c->reason = LC_MATCHED;
    lc_put_off(c, &c->entry);
  }
}

/* What the sale has led to and has not ended yet, its question or what it has scheduled, ends also when there is nothing to take
 * back. */
static lc_status find_rest(lc_handler *h, lc_case *c) {
  if (c->sale.size == 0 || lc_is_preview(h))
    return LC_OK;
  lc_status status = lc_find_sales_question(&h->w, c->entry.company.text, c->sale, &c->closes, h->error);
  return status == LC_OK ? lc_find_sales_schedule(&h->w, &c->entry.company, c->sale, &c->unschedules, h->error) : status;
}

/* Whether a later event has changed the company already. */
static lc_status is_late(lc_handler *h, const lc_case *c, bool *late) {
  lc_last_change last = { .needs_at = true };
  *late = false;
  if (!h->how->skips_late || !c->entry.has_at || lc_is_alone(c))
    return LC_OK;
  lc_status status = last_change(h, c, &last);
  *late = status == LC_OK && last.at - c->entry.at > LC_LATE_SECONDS; /* not of NAN */
  return status;
}

/* Looks for shadows that would do something. An event that is late does nothing there either. */
static lc_status find_shadows(lc_handler *h, lc_case *c) {
  const lc_facts facts = lc_facts_of(h, c);
  lc_decision decision;
  bool late;
  c->is_tried = notes_shadows(h, c) && lc_has_shadow_for(h->ruleset, facts.trigger);
  if (!c->is_tried || lc_next_shadow(h->ruleset, &facts, NULL, &decision) == NULL)
    return LC_OK;
  lc_status status = is_late(h, c, &late);
  c->has_shadows = status == LC_OK && !late;
  return status;
}

static lc_status decide(lc_handler *h, lc_case *c) {
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
  lc_status status = find_shadows(h, c);
  return status == LC_OK && decision.reason == LC_NOTHING_TO_TAKE_BACK ? find_rest(h, c) : status;
}

/* An event that says when it happened must not undo what came after it. */
static lc_status find_late(lc_handler *h, lc_case *c) {
  lc_status status = is_late(h, c, &c->is_late);
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
static lc_status find_verdict(lc_handler *h, lc_case *c) {
  bool asks = c->entry.action == LC_CONFIRM && h->how->confirm == LC_CONFIRM_ASK;
  if ((!h->how->is_guarded && !c->is_answered && !(h->how->has_stand_ins && asks)) || lc_is_put_off(c))
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
static lc_status find_status(lc_handler *h, lc_case *c) {
  if (lc_is_put_off(c))
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

static lc_status find_room(lc_handler *h, lc_case *c) {
  bool full = c->entry.status == LC_ENTRY_APPLYING && h->how->most != 0 && h->applying == h->how->most;
  return full ? lack(c, LC_LACKS_TURN) : LC_OK;
}

static lc_status find_details(lc_handler *h, lc_case *c) {
  (void)h;
  return c->is_unkeepable ? lack(c, LC_LACKS_DETAILS) : LC_OK;
}

typedef lc_status step(lc_handler *h, lc_case *c);

static step *const steps[] = {
  find_seen, find_turn, find_licence, find_unfinished, find_category,
  find_made, find_facts, decide, find_late, find_verdict, find_status, find_details, find_room,
};

enum { STEPS = sizeof steps / sizeof *steps };

lc_status lc_take_steps(lc_handler *h, lc_case *c) {
  lc_status status = LC_OK;
  c->state = LC_OPEN;
  c->is_late = c->closes = c->unschedules = c->has_shadows = c->is_tried = false;
  for (int i = 0; i < STEPS && c->state == LC_OPEN && status == LC_OK; i++)
    status = steps[i](h, c);
  return status;
}
