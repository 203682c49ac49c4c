/* What becomes of an event that has taken its steps: it is written, or imagined to be, or later ones wait for it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handler.h"
#include "rules/later.h"

/* ---- the text of a question ------------------------------------------------------------------ */

static lc_status make_body_room(lc_handler *h, size_t size) {
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
static lc_status begin_body(lc_handler *h) {
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

static char *add(char *at, const char *bytes, size_t size) {
  memcpy(at, bytes, size);
  return at + size;
}

/* The options, who is asked instead of the event's user, then the fields of the event's details. */
static lc_status write_body(lc_handler *h, lc_question *question, const lc_case *c) {
  static const char assigned[] = ",\"assigned\":";
  lc_text details = c->entry.details;
  lc_status status = h->body_begun == 0 ? begin_body(h) : LC_OK;
  if (status == LC_OK)
    status = make_body_room(h, h->body_begun + sizeof assigned + c->assigned.size + details.size + 1);
  if (status != LC_OK)
    return status;
  char *at = h->body + h->body_begun;
  if (c->stand_in.size != 0) {
    at = add(at, assigned, sizeof assigned - 1);
    at = add(at, c->assigned.data, c->assigned.size);
  }
  bool has_fields = details.size > 2;
  *at++ = has_fields ? ',' : '}';
  if (has_fields)
    at = add(at, details.data + 1, details.size - 1);
  question->body = (lc_text){ h->body, (size_t)(at - h->body) };
  return LC_OK;
}

/* The questions of one transaction share the first bytes, so that they lie on few pages. The rest cannot be guessed. */
static lc_status random_id(lc_handler *h, uint8_t *id) {
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

static lc_status new_question(lc_handler *h, lc_case *c, lc_question *question) {
  *question = (lc_question){
    .created_at = h->how->now,
    .expires_at = h->how->now + h->how->ttl,
    .user = c->stand_in.size != 0 ? c->stand_in : c->user,
    .on_expiry = (uint8_t)lc_ruleset_on_expiry(h->ruleset, (lc_trigger)c->entry.trigger, c->entry.lead_status, c->entry.rule),
  };
  lc_status status = random_id(h, question->id);
  if (status != LC_OK)
    return status;
  c->entry.has_question = true;
  memcpy(c->entry.question, question->id, sizeof question->id);
  return write_body(h, question, c);
}

/* ---- writing, and imagining to have written -------------------------------------------------- */

/* A match ends what its company had scheduled; when that is due, this is what comes of it. One that is held only ends what it comes of. */
static lc_status end_schedule(lc_handler *h, lc_case *c) {
  lc_entry_status ended = c->carries_out != 0 ? LC_ENTRY_CARRIED_OUT : LC_ENTRY_SUPERSEDED;
  if (c->carries_out != 0) {
    c->entry.link = LC_LINK_CARRIES_OUT;
    c->entry.linked = c->carries_out;
  } else if (c->entry.status == LC_ENTRY_HELD && !c->later.is_there) {
    return LC_OK;
  }
  return lc_end_schedule(&h->w, &c->entry.company, ended, h->error);
}

/* Schedules what the event puts off, beside what it does at once. */
static lc_status put_beside(lc_handler *h, lc_case *c) {
  lc_entry beside = c->entry;
  lc_put_off(c, &beside);
  int rc = lc_put_with_effect(&h->w, &beside, NULL);
  c->later.entry = c->entry.linked = beside.id;
  c->entry.link = LC_LINK_SCHEDULED;
  return lc_handler_fail(h, rc);
}

/* What was released ends with what comes of it. */
static lc_status end_held(lc_handler *h, lc_case *c) {
  if (c->held == 0)
    return LC_OK;
  c->entry.link = LC_LINK_CARRIES_OUT;
  c->entry.linked = c->held;
  return lc_release(&h->w, c->held, c->released, h->error);
}

/* Holds a match that is beyond its rule's limit. What somebody has decided is not: an answer, or what was released. */
static lc_status hold_back(lc_handler *h, lc_case *c, bool *stops) {
  const lc_entry *entry = &c->entry;
  *stops = false;
  if (!lc_has_limits(h->ruleset) || !h->how->remembers || c->is_answered || c->held != 0 || lc_is_put_off(c))
    return LC_OK;
  const lc_limit *limit = lc_ruleset_limit(h->ruleset, (lc_trigger)entry->trigger, entry->lead_status, entry->rule);
  return limit == NULL ? LC_OK : lc_handler_fail(h, lc_count_match(&h->w, limit, &c->entry, stops));
}

static lc_status put(lc_handler *h, lc_case *c) {
  lc_question question;
  bool waits = lc_is_put_off(c), stops;
  lc_status status = hold_back(h, c, &stops);
  h->applying += c->entry.status == LC_ENTRY_APPLYING;
  if (status == LC_OK)
    status = end_held(h, c);
  if (status == LC_OK)
    status = end_schedule(h, c);
  if (status == LC_OK && c->later.is_there && !waits && !h->how->schedules_nothing)
    status = put_beside(h, c);
  if (status == LC_OK && !waits && c->entry.status != LC_ENTRY_HELD)
    status = lc_supersede(&h->w, &c->entry, h->error);
  if (status == LC_OK && c->entry.status == LC_ENTRY_AWAITING)
    status = new_question(h, c, &question);
  if (status == LC_OK && c->queued != 0)
    status = lc_follow(&h->w, &c->entry, c->queued, h->error);
  if (status == LC_OK)
    status = lc_handler_fail(h, lc_put_with_effect(&h->w, &c->entry, &question));
  if (status == LC_OK && stops)
    status = lc_handler_fail(h, lc_add_stop(&h->w, &c->entry));
  if (waits)
    c->later.entry = c->entry.id;
  h->changed = true;
  return status;
}

static lc_status mark(lc_handler *h, lc_marks *marks, lc_text text, int32_t value) {
  return text.size == 0 ? LC_OK : lc_marks_set(marks, text, value, h->error);
}

static lc_status note_change(lc_handler *h, const lc_case *c, int32_t to) {
  const lc_entry *entry = &c->entry;
  lc_text sale = entry->takes_back ? (lc_text){ NULL, 0 } : c->sale;
  double at = !entry->has_at ? NAN : entry->at < h->how->now ? entry->at : h->how->now;
  if (!h->notes_changes || entry->from == to)
    return LC_OK;
  return lc_overlay_note(h->overlay, entry->company.text, (lc_move){ entry->from, to }, sale, at, h->error);
}

/* Marks the company with its new category, unless its event gives a category in which it is not kept here. */
static lc_status imagine_category(lc_handler *h, lc_case *c, int32_t to, bool *fits) {
  int32_t category = c->entry.from;
  lc_status status = h->how->keeps_companies && c->is_given ? lc_kept_category(h, &c->entry.company, &category) : LC_OK;
  *fits = category == c->entry.from;
  if (status == LC_OK && *fits)
    status = mark(h, &h->overlay->companies, c->entry.company.text, to);
  return status == LC_OK && *fits ? note_change(h, c, to) : status;
}

/* Until the host has made a change, the company's category is unknown. */
static lc_status imagine_change(lc_handler *h, lc_case *c) {
  bool fits;
  if (c->entry.status == LC_ENTRY_APPLYING && !lc_is_preview(h))
    return mark(h, &h->open.companies, c->entry.company.text, 1);
  lc_status status = imagine_category(h, c, c->entry.to, &fits);
  if (!fits || lc_is_preview(h))
    c->entry.status = fits ? LC_ENTRY_UPDATED : LC_ENTRY_CONFLICT;
  return status;
}

static lc_status imagine(lc_handler *h, lc_case *c) {
  bool is_change = c->entry.status == LC_ENTRY_UPDATED || c->entry.status == LC_ENTRY_APPLYING;
  lc_status status = is_change ? imagine_change(h, c) : LC_OK;
  return status == LC_OK ? mark(h, &h->overlay->ids, c->entry.event_id, 1) : status;
}

/* The company's likely category once the event has its verdict. */
static int32_t expected_category(const lc_handler *h, const lc_case *c) {
  if (c->is_answered)
    return c->choice > 0 ? c->choice : c->entry.from;
  return c->entry.action == LC_UPDATE || h->how->confirm == LC_CONFIRM_ACCEPT ? c->entry.to : c->entry.from;
}

lc_status lc_leave_open(lc_handler *h, lc_case *c) {
  bool fits, looking = h->overlay != NULL && !lc_is_preview(h) && h->how->keeps_companies;
  lc_status status = mark(h, &h->open.ids, c->entry.event_id, 1);
  if (status != LC_OK || (looking && c->lack == LC_LACKS_TURN))
    return status;
  return looking && c->lack == LC_LACKS_VERDICT
       ? imagine_category(h, c, expected_category(h, c), &fits) : mark(h, &h->open.companies, c->entry.company.text, 1);
}

/* ---- one event ------------------------------------------------------------------------------- */

bool lc_writes_anyway(const lc_case *c) {
  return c->closes || c->unschedules || c->has_shadows;
}

static lc_status end_rest(lc_handler *h, const lc_case *c) {
  lc_status status = c->closes ? lc_supersede(&h->w, &c->entry, h->error) : LC_OK;
  h->changed |= c->closes || c->unschedules;
  return status == LC_OK && c->unschedules ? lc_end_schedule(&h->w, &c->entry.company, LC_ENTRY_SUPERSEDED, h->error) : status;
}

static lc_status settle_queued(lc_handler *h, lc_case *c) {
  c->entry.status = LC_ENTRY_QUEUED;
  c->entry.revision = h->ruleset->revision;
  h->changed = true;
  return h->writing ? lc_handler_fail(h, lc_put_with_effect(&h->w, &c->entry, NULL)) : imagine(h, c);
}

/* What a shadow would have done. It names the entry that the event has made, or else the queued one that it was. */
static lc_entry shadow_of(const lc_case *c, const lc_decision *decision) {
  const lc_entry *entry = &c->entry;
  return (lc_entry){
    .status = LC_ENTRY_SHADOW, .at = entry->at, .has_at = entry->has_at, .revision = entry->revision, .trigger = entry->trigger,
    .lead_status = entry->lead_status, .company = entry->company, .event_id = entry->event_id, .details = entry->details,
    .from = entry->from, .to = decision->to, .rule = decision->rule, .action = (uint8_t)decision->action,
    .link = entry->id != 0 ? LC_LINK_BESIDE : c->queued != 0 ? LC_LINK_FOLLOWS : LC_LINK_NONE,
    .linked = entry->id != 0 ? entry->id : c->queued,
  };
}

/* Whether it is noted already what shadows would have done with this queued event: whoever had its turn before was killed then. */
static lc_status is_noted(lc_handler *h, const lc_case *c, bool *noted) {
  lc_key prefix = lc_key_of_company(&h->w.tenant, &c->entry.company);
  MDB_val key, value;
  lc_entry last = { .link = LC_LINK_NONE };
  *noted = false;
  if (c->queued == 0 || c->entry.id != 0)
    return LC_OK;
  int rc = lc_get_last(h->w.store, h->w.txn, LC_TABLE_UNCHANGED_BY_COMPANY, &prefix, &key, &value);
  if (rc == MDB_NOTFOUND)
    return LC_OK;
  if (rc == 0) {
    lc_key entry = lc_key_of_entry(&h->w.tenant, lc_key_number(key));
    rc = lc_get(h->w.store, h->w.txn, LC_TABLE_UNCHANGED, &entry, &value);
  }
  lc_status status = rc == 0 ? lc_entry_unpack(value.mv_data, value.mv_size, &last, h->error) : lc_handler_fail(h, rc);
  *noted = status == LC_OK && last.link == LC_LINK_FOLLOWS && last.linked == c->queued;
  return status;
}

/* Notes what all shadows would have done, in the log of events that changed nothing. */
static int put_shadows(lc_handler *h, const lc_case *c) {
  const lc_facts facts = lc_facts_of(h, c);
  const lc_later_rule *rule = NULL;
  lc_decision decision;
  lc_writer w = h->w;
  w.log = LC_LOG_UNCHANGED;
  w.added = 0;
  int rc = 0;
  while (rc == 0 && (rule = lc_next_shadow(h->ruleset, &facts, rule, &decision)) != NULL) {
    lc_entry shadow = shadow_of(c, &decision);
    shadow.takes_back = lc_rule_takes_back(&rule->rule);
    lc_number_entry(&w, &shadow);
    rc = lc_put_new_entry(&w, &shadow);
  }
  h->w.last = w.last;
  h->changed = true;
  return rc != 0 ? rc : lc_put_count(&w);
}

static lc_status note_shadows(lc_handler *h, const lc_case *c) {
  bool noted;
  if (!c->has_shadows || !h->writing)
    return LC_OK;
  lc_status status = is_noted(h, c, &noted);
  return status != LC_OK || noted ? status : lc_handler_fail(h, put_shadows(h, c));
}

lc_status lc_note_nothing(lc_handler *h, const lc_case *c) {
  return h->many && lc_is_remembered(h->how, c) ? mark(h, &h->nothing, c->entry.event_id, 1) : LC_OK;
}

lc_status lc_settle(lc_handler *h, lc_case *c) {
  if (c->state == LC_LACKING)
    return lc_leave_open(h, c);
  lc_status status = h->writing ? end_rest(h, c) : LC_OK;
  if (status != LC_OK)
    return status;
  if (c->state == LC_LINED_UP)
    return settle_queued(h, c);
  if (c->state != LC_OPEN) {
    status = note_shadows(h, c);
    return status == LC_OK ? lc_note_nothing(h, c) : status;
  }
  c->state = LC_WRITTEN;
  h->applying += !h->writing && c->entry.status == LC_ENTRY_APPLYING;
  status = h->writing ? put(h, c) : imagine(h, c);
  return status == LC_OK ? note_shadows(h, c) : status;
}
