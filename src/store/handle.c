/* How events are handled, one after the other: looked at, then written. `steps.c` has what each is asked, `settle.c` what
 * becomes of it. */
#include <stdlib.h>

#include "handler.h"

const char *const lc_lack_names[LC_LACKS] = {
  [LC_LACKS_LICENCE] = "licence", [LC_LACKS_CATEGORY] = "category", [LC_LACKS_VERDICT] = "verdict",
  [LC_LACKS_FACTS] = "facts",
  [LC_LACKS_DETAILS] = "details", [LC_LACKS_END] = "end", [LC_LACKS_TURN] = "turn",
  [LC_LACKS_COMMIT] = "commit",
};

const char *const lc_confirm_names[LC_CONFIRMS] = {
  [LC_CONFIRM_ASK] = "ask", [LC_CONFIRM_ACCEPT] = "accept", [LC_CONFIRM_SKIP] = "skip",
};

/* ---- one event after another ------------------------------------------------------------------ */

/* Something of this event is to be written, but the transaction only reads. */
static bool ends_before(const lc_handler *h, lc_case *c) {
  bool ends = (c->state == LC_OPEN || c->state == LC_LINED_UP || lc_writes_anyway(c)) && !h->writing && h->overlay == NULL;
  if (ends)
    c->state = LC_OPEN;
  return ends;
}

static lc_status go_through(lc_handler *h, lc_case *cases, size_t count, size_t *at) {
  lc_status status = LC_OK;
  h->cases = cases;
  for (; *at < count && status == LC_OK; ++*at) {
    lc_case *c = &cases[*at];
    status = lc_take_steps(h, c);
    if (status != LC_OK || ends_before(h, c))
      break;
    status = lc_settle(h, c);
  }
  return status;
}

/* Makes the events to handle wait for those before them, as they were looked at. */
static lc_status go_behind(lc_handler *h, lc_case *cases, size_t first) {
  lc_status status = LC_OK;
  for (size_t i = 0; i < first && status == LC_OK; i++)
    status = cases[i].state == LC_LACKING ? lc_leave_open(h, &cases[i]) : lc_note_nothing(h, &cases[i]);
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
  while (i < count && cases[i].state != LC_WRITTEN && cases[i].state != LC_LINED_UP && !lc_writes_anyway(&cases[i]))
    i++;
  return i;
}

static void forget_imagined(lc_case *cases, size_t count, size_t first) {
  for (size_t i = first; i < count; i++)
    if (cases[i].state != LC_LACKING)
      cases[i].state = LC_OPEN;
}

static lc_status look_at_all(lc_handler *h, lc_overlay *overlay, lc_case *cases, size_t count, size_t *first) {
  size_t seen = 0;
  h->overlay = overlay;
  *first = count;
  lc_status status = go_through(h, cases, count, &seen);
  if (status != LC_OK || lc_is_preview(h) || h->how->foresee)
    return status;
  bool asks = lacks_answers(cases, count);
  if (!asks)
    *first = first_written(cases, count);
  forget_imagined(cases, count, asks ? 0 : *first);
  return LC_OK;
}

/* In place: it is large, and each event has one. */
static void make_handler(lc_handler *h, lc_store *store, const lc_handling *how, size_t count, lc_error *error) {
  *h = (lc_handler){ .how = how, .error = error, .many = count > 1 };
  h->w.store = store;
  lc_key_add_text(&h->w.tenant, how->tenant);
  h->w.now = how->now;
  h->w.claim = how->claim;
}

/* The rules that decide. Facts are of use only for those for which they were read. */
static lc_status find_rules(lc_handler *h) {
  lc_status status = lc_store_ruleset(h->w.store, h->how->tenant, &h->ruleset, h->error);
  if (status == LC_OK && lc_ruleset_field_count(h->ruleset) != 0 && h->ruleset->checksum != h->how->facts_of)
    return lc_fail(h->error, LC_STALE, "the rules have changed meanwhile");
  return status;
}

static lc_status begin(lc_handler *h) {
  lc_status status = find_rules(h);
  h->notes_changes = status == LC_OK && (h->how->skips_late || lc_ruleset_ever_takes_back(h->ruleset));
  return status;
}

static void end(lc_handler *h) {
  lc_overlay_free(&h->open);
  lc_marks_free(&h->nothing);
  lc_marks_free(&h->asked);
  free(h->body);
}

lc_status lc_store_look(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t *first, lc_error *error) {
  lc_handler h;
  lc_overlay imagined = { .companies.values = NULL };
  make_handler(&h, store, how, count, error);
  *first = 0;
  lc_status status = begin(&h);
  if (status == LC_OK)
    status = lc_begin_read(store, LC_PART_JOURNAL, &h.w.txn, error);
  if (status != LC_OK)
    return status;
  if (lc_is_preview(&h) || how->look)
    status = look_at_all(&h, lc_is_preview(&h) ? how->overlay : &imagined, cases, count, first);
  else if (how->start == 0) /* else companies may have to be added */
    status = go_through(&h, cases, count, first);
  lc_end_read(store, LC_PART_JOURNAL);
  lc_overlay_free(&imagined);
  end(&h);
  return status;
}

/* A cursor moves when all is done; where the outcomes were foreseen, only if they are the same. */
static lc_status move_cursor(lc_handler *h, const lc_case *cases, size_t count) {
  const lc_handling *how = h->how;
  if (how->cursor == NULL || (how->digest == 0 && !lc_are_all_done(cases, count)))
    return LC_OK;
  if (how->digest != 0 && lc_digest(cases, count) != how->digest)
    return lc_fail(h->error, LC_CONFLICT, "a company has been changed meanwhile");
  h->changed = true;
  return lc_put_cursor(&h->w, how->cursor, h->error);
}

/* Writes nothing when nothing has changed. */
static lc_status commit(lc_handler *h, lc_status status) {
  lc_store *store = h->w.store;
  if (status != LC_OK || h->changed || store->puts_marks)
    return lc_writer_end(&h->w, status, h->error);
  lc_drop_write(store, LC_PART_JOURNAL, h->w.txn);
  return LC_OK;
}

lc_status lc_store_handle(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t first,
                          lc_error *error) {
  lc_handler h;
  size_t waiting = lc_pending_count(store->pending);
  make_handler(&h, store, how, count, error);
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
