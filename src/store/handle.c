/* The one way of an event: from its facts to what is written down. Each event takes the steps below, in a transaction that
 * reads, with or without an overlay, or in one that writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "overlay.h"
#include "rules/checksum.h"
#include "store.h"

const char *const lc_lack_names[LC_LACKS] = {
  [LC_LACKS_LICENCE] = "licence",
  [LC_LACKS_CATEGORY] = "category",
  [LC_LACKS_VERDICT] = "verdict",
  [LC_LACKS_DETAILS] = "details",
  [LC_LACKS_END] = "end",
  [LC_LACKS_TURN] = "turn",
  [LC_LACKS_COMMIT] = "commit",
};

const char *const lc_confirm_names[LC_CONFIRMS] = {
  [LC_CONFIRM_ASK] = "ask",
  [LC_CONFIRM_ACCEPT] = "accept",
  [LC_CONFIRM_SKIP] = "skip",
};

/* Events on their way. */
typedef struct walk {
  const lc_handling *how;
  const lc_ruleset *ruleset;
  lc_writer w;         /* its transaction only reads unless `writing` */
  bool writing;
  lc_overlay *overlay; /* where what would be written goes; NULL: nowhere, or to the transaction */
  lc_overlay open;     /* the companies and ids that later events have to wait for */
  lc_case *cases;
  lc_marks asked;      /* companies whose host was asked: in which of the cases its answer is */
  size_t applying;     /* how many changes the host is given */
  bool changed;        /* something was written */
  char *body;          /* room for the text of a question: */
  size_t body_room;
  size_t body_begun;   /* what all begin with is in it, so many bytes; 0: not yet */
  uint8_t random[64][LC_QUESTION_ID_SIZE]; /* ids of questions, asked of the system at once */
  size_t random_left;
} walk;

static lc_status lack(lc_case *c, lc_lack what) {
  c->state = LC_LACKING;
  c->lack = what;
  return LC_OK;
}

/* Whether nothing is remembered of this walk once the preview, or the look, is over. */
static bool is_preview(const walk *k) {
  return k->how->overlay != NULL;
}

/* ---- what stands where --------------------------------------------------------------------- */

static lc_status fail(const walk *k, int rc, lc_error *error) {
  return lc_writer_fail(&k->w, rc, error);
}

/* The category of a company that is kept here; 0 when it is unknown. */
static lc_status stored_category(walk *k, const lc_company *company, int32_t *category, lc_error *error) {
  lc_key key = lc_key_of_company(&k->w.tenant, company);
  lc_company_record record = { .category = k->how->start, .is_integer = company->is_integer };
  int rc = lc_get_company(k->w.store, k->w.txn, &key, &record);
  if (rc == MDB_NOTFOUND && k->how->start != 0 && k->writing) {
    rc = lc_put(k->w.store, k->w.txn, LC_TABLE_COMPANIES, &key, &record, sizeof record);
    k->changed = true;
  }
  *category = record.category;
  return rc == MDB_NOTFOUND ? LC_OK : fail(k, rc, error);
}

static lc_status kept_category(walk *k, const lc_company *company, int32_t *category, lc_error *error) {
  if (k->overlay != NULL && lc_marks_get(&k->overlay->companies, company->text, category))
    return LC_OK;
  return stored_category(k, company, category, error);
}

/* Takes over what the host was asked for an event before it, of the same company. */
static lc_status share_answer(walk *k, lc_case *c, lc_error *error) {
  int32_t other;
  if (c->is_known)
    return lc_marks_set(&k->asked, c->entry.company.text, (int32_t)(c - k->cases), error);
  if (lc_marks_get(&k->asked, c->entry.company.text, &other)) {
    c->is_known = true;
    c->newest = k->cases[other].newest;
    c->category = k->cases[other].category;
  }
  return LC_OK;
}

/* The category as the host said it, as long as nothing has changed since it was asked. */
static lc_status hosts_category(walk *k, lc_case *c, lc_error *error) {
  lc_key key = lc_key_of_company(&k->w.tenant, &c->entry.company);
  uint64_t newest = 0;
  lc_status status = share_answer(k, c, error);
  if (status != LC_OK)
    return status;
  if (k->overlay != NULL && lc_marks_get(&k->overlay->companies, c->entry.company.text, &c->entry.from))
    return LC_OK;
  int rc = lc_get_newest(k->w.store, k->w.txn, &key, &newest);
  if (rc != 0)
    return fail(k, rc, error);
  if (!c->is_known || c->newest != newest) {
    c->is_known = false;
    c->newest = newest;
    return lack(c, LC_LACKS_CATEGORY);
  }
  c->entry.from = c->category;
  return LC_OK;
}

/* ---- the steps ----------------------------------------------------------------------------- */

static lc_status find_seen(walk *k, lc_case *c, lc_error *error) {
  lc_text id = c->entry.event_id;
  lc_key key = k->w.tenant;
  MDB_val value;
  int32_t seen;
  if (id.size == 0)
    return LC_OK;
  if (k->overlay != NULL && lc_marks_get(&k->overlay->ids, id, &seen)) {
    c->state = LC_DUPLICATE;
    c->first = 0;
    return LC_OK;
  }
  lc_key_add_text(&key, id);
  int rc = lc_get(k->w.store, k->w.txn, LC_TABLE_SEEN, &key, &value);
  if (rc == 0 && value.mv_size != sizeof c->first)
    rc = MDB_CORRUPTED;
  if (rc == 0) {
    memcpy(&c->first, value.mv_data, sizeof c->first);
    c->state = LC_DUPLICATE;
  }
  return rc == MDB_NOTFOUND ? LC_OK : fail(k, rc, error);
}

static lc_status find_turn(walk *k, lc_case *c, lc_error *error) {
  int32_t open;
  (void)error;
  bool waits = lc_marks_get(&k->open.companies, c->entry.company.text, &open)
            || (c->entry.event_id.size != 0 && lc_marks_get(&k->open.ids, c->entry.event_id, &open));
  return waits ? lack(c, LC_LACKS_TURN) : LC_OK;
}

static lc_status find_licence(walk *k, lc_case *c, lc_error *error) {
  (void)error;
  return k->how->needs_licence ? lack(c, LC_LACKS_LICENCE) : LC_OK;
}

/* While a change is unfinished, nobody knows where its company stands. Without a rule that does not matter. */
static lc_status find_unfinished(walk *k, lc_case *c, lc_error *error) {
  bool unfinished = false;
  if (is_preview(k) || !lc_ruleset_has_rule(k->ruleset, (lc_trigger)c->entry.trigger))
    return LC_OK;
  int rc = lc_find_unfinished(&k->w, &c->entry.company, &unfinished, &c->first);
  return rc == 0 && unfinished ? lack(c, LC_LACKS_END) : fail(k, rc, error);
}

static lc_status find_category(walk *k, lc_case *c, lc_error *error) {
  int32_t stands;
  if (c->is_given) { /* though it may have to be added */
    c->entry.from = c->given;
    bool starts = k->how->keeps_companies && k->how->start != 0;
    return starts ? kept_category(k, &c->entry.company, &stands, error) : LC_OK;
  }
  return k->how->keeps_companies ? kept_category(k, &c->entry.company, &c->entry.from, error) : hosts_category(k, c, error);
}

static lc_status decide(walk *k, lc_case *c, lc_error *error) {
  lc_entry *entry = &c->entry;
  (void)error;
  lc_decision decision = lc_decide(k->ruleset, &(lc_facts){ (lc_trigger)entry->trigger, entry->from, entry->lead_status });
  c->reason = decision.reason;
  entry->action = (uint8_t)decision.action;
  entry->to = decision.to;
  entry->revision = k->ruleset->revision;
  if (decision.action == LC_NONE)
    c->state = LC_UNMATCHED;
  return LC_OK;
}

static uint64_t mix(uint64_t sum, uint64_t number) {
  return lc_checksum(sum, &number, sizeof number);
}

/* Lua's numbers are exact below 2^53, and 0 is none. */
static uint64_t fold(uint64_t sum) {
  return (sum >> 11) | 1;
}

static uint64_t tell_apart(const lc_entry *entry) {
  uint64_t rule = mix(LC_CHECKSUM_START, (uint64_t)entry->trigger << 32 | (uint32_t)entry->lead_status);
  uint64_t change = mix(rule, (uint64_t)(uint32_t)entry->from << 32 | (uint32_t)entry->to);
  return fold(mix(change, entry->revision << 2 | entry->action));
}

/* What guards and the user said counts for the very decision that they were asked about. */
static lc_status find_verdict(walk *k, lc_case *c, lc_error *error) {
  (void)error;
  if (!k->how->is_guarded && !c->has_choice)
    return LC_OK;
  c->about = tell_apart(&c->entry);
  if (c->passed != c->about)
    return lack(c, LC_LACKS_VERDICT);
  c->entry.to = c->target;
  return LC_OK;
}

static lc_status find_question(walk *k, lc_case *c) {
  switch (k->how->confirm) {
    case LC_CONFIRM_SKIP:
      c->state = LC_SKIPPED;
      return LC_OK;
    case LC_CONFIRM_ACCEPT:
      return LC_OK;
    default:
      c->entry.status = LC_ENTRY_AWAITING;
      return LC_OK;
  }
}

/* How the event is to be written. */
static lc_status find_status(walk *k, lc_case *c, lc_error *error) {
  (void)error;
  c->entry.status = c->has_choice && c->keep ? LC_ENTRY_DECLINED
                  : k->how->keeps_companies ? LC_ENTRY_UPDATED : LC_ENTRY_APPLYING;
  if (c->entry.action == LC_CONFIRM && !c->has_choice)
    return find_question(k, c);
  return LC_OK;
}

static lc_status find_room(walk *k, lc_case *c, lc_error *error) {
  (void)error;
  bool full = c->entry.status == LC_ENTRY_APPLYING && k->how->most != 0 && k->applying == k->how->most;
  return full ? lack(c, LC_LACKS_TURN) : LC_OK;
}

static lc_status find_details(walk *k, lc_case *c, lc_error *error) {
  (void)k;
  (void)error;
  return c->is_unkeepable ? lack(c, LC_LACKS_DETAILS) : LC_OK;
}

typedef lc_status step(walk *k, lc_case *c, lc_error *error);

/* In the order of the contract. */
static step *const steps[] = {
  find_seen, find_turn, find_licence, find_unfinished, find_category, decide, find_verdict, find_status, find_details,
  find_room,
};

enum { STEPS = sizeof steps / sizeof *steps };

/* ---- what comes of it ------------------------------------------------------------------------ */

static lc_status make_body_room(walk *k, size_t size, lc_error *error) {
  char *body = size > k->body_room ? realloc(k->body, size) : k->body;
  if (body == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "out of memory");
  k->body_room = size > k->body_room ? size : k->body_room;
  k->body = body;
  return LC_OK;
}

/* What every question begins with: the categories that one may choose. */
static lc_status begin_body(walk *k, lc_error *error) {
  enum { LONGEST_OPTION = 11 };
  static const char begin[] = "{\"options\":[";
  const int32_t *options = lc_ruleset_options(k->ruleset);
  lc_status status = make_body_room(k, sizeof begin + 1 + (size_t)k->ruleset->option_count * LONGEST_OPTION, error);
  if (status != LC_OK)
    return status;
  char *at = k->body + sprintf(k->body, "%s", begin);
  for (uint32_t i = 0; i < k->ruleset->option_count; i++)
    at += sprintf(at, i == 0 ? "%d" : ",%d", (int)options[i]);
  *at++ = ']';
  k->body_begun = (size_t)(at - k->body);
  return LC_OK;
}

/* The text of a question: the options, and what is kept of the event. */
static lc_status write_body(walk *k, lc_question *question, lc_text details, lc_error *error) {
  bool has_fields = details.size > 2; /* they go on behind the options */
  lc_status status = k->body_begun == 0 ? begin_body(k, error) : LC_OK;
  if (status == LC_OK)
    status = make_body_room(k, k->body_begun + details.size + 1, error);
  if (status != LC_OK)
    return status;
  char *at = k->body + k->body_begun;
  if (has_fields)
    memcpy(at + 1, details.data + 1, details.size - 1);
  *at = has_fields ? ',' : '}';
  question->body = (lc_text){ k->body, k->body_begun + (has_fields ? details.size : 1) };
  return LC_OK;
}

static lc_status random_id(walk *k, uint8_t *id, lc_error *error) {
  lc_status status = LC_OK;
  if (k->random_left == 0) {
    status = lc_random(k->random, sizeof k->random, error);
    k->random_left = sizeof k->random / sizeof *k->random;
  }
  if (status == LC_OK)
    memcpy(id, k->random[--k->random_left], LC_QUESTION_ID_SIZE);
  return status;
}

static lc_status new_question(walk *k, lc_case *c, lc_question *question, lc_error *error) {
  *question = (lc_question){
    .created_at = k->how->now,
    .expires_at = k->how->now + k->how->ttl,
    .user = c->user,
  };
  lc_status status = random_id(k, question->id, error);
  if (status != LC_OK)
    return status;
  c->entry.has_question = true;
  memcpy(c->entry.question, question->id, sizeof question->id);
  return write_body(k, question, c->entry.details, error);
}

static lc_status put(walk *k, lc_case *c, lc_error *error) {
  lc_question question;
  lc_status status = lc_supersede(&k->w, &c->entry, error);
  if (status == LC_OK && c->entry.status == LC_ENTRY_AWAITING)
    status = new_question(k, c, &question, error);
  if (status == LC_OK)
    status = fail(k, lc_put_with_effect(&k->w, &c->entry, &question), error);
  k->changed = true;
  return status;
}

static lc_status mark(lc_marks *marks, lc_text text, int32_t value, lc_error *error) {
  return text.size == 0 ? LC_OK : lc_marks_set(marks, text, value, error);
}

/* Marks where a change would leave a company that is kept here, unless it does not stand where it is to be changed. */
static lc_status imagine_category(walk *k, lc_case *c, int32_t to, bool *stands, lc_error *error) {
  int32_t category = c->entry.from;
  lc_status status = k->how->keeps_companies ? kept_category(k, &c->entry.company, &category, error) : LC_OK;
  *stands = category == c->entry.from;
  return status == LC_OK && *stands ? mark(&k->overlay->companies, c->entry.company.text, to, error) : status;
}

/* While its host has not made a change, nobody knows where the company stands. */
static lc_status imagine_change(walk *k, lc_case *c, lc_error *error) {
  bool stands;
  if (c->entry.status == LC_ENTRY_APPLYING && !is_preview(k))
    return mark(&k->open.companies, c->entry.company.text, 1, error);
  lc_status status = imagine_category(k, c, c->entry.to, &stands, error);
  if (!stands || is_preview(k))
    c->entry.status = stands ? LC_ENTRY_UPDATED : LC_ENTRY_CONFLICT;
  return status;
}

static bool is_change(const lc_case *c) {
  return c->entry.status == LC_ENTRY_UPDATED || c->entry.status == LC_ENTRY_APPLYING;
}

static lc_status imagine(walk *k, lc_case *c, lc_error *error) {
  lc_status status = is_change(c) ? imagine_change(k, c, error) : LC_OK;
  return status == LC_OK ? mark(&k->overlay->ids, c->entry.event_id, 1, error) : status;
}

/* Where a company is likely to stand once its event has got its verdict. */
static int32_t expected_category(const walk *k, const lc_case *c) {
  if (c->has_choice)
    return c->choice > 0 ? c->choice : c->entry.from;
  return c->entry.action == LC_UPDATE || k->how->confirm == LC_CONFIRM_ACCEPT ? c->entry.to : c->entry.from;
}

/* Has later events wait for one that lacks something. While only looking, it is taken to get its verdict, and to come to
 * nothing where it waits for one of its id. */
static lc_status leave_open(walk *k, lc_case *c, lc_error *error) {
  bool stands, looking = k->overlay != NULL && !is_preview(k) && k->how->keeps_companies;
  lc_status status = mark(&k->open.ids, c->entry.event_id, 1, error);
  if (status != LC_OK || (looking && c->lack == LC_LACKS_TURN))
    return status;
  return looking && c->lack == LC_LACKS_VERDICT
       ? imagine_category(k, c, expected_category(k, c), &stands, error)
       : mark(&k->open.companies, c->entry.company.text, 1, error);
}

/* ---- one event after the other ---------------------------------------------------------------- */

static lc_status take_steps(walk *k, lc_case *c, lc_error *error) {
  lc_status status = LC_OK;
  c->state = LC_OPEN;
  for (int i = 0; i < STEPS && c->state == LC_OPEN && status == LC_OK; i++)
    status = steps[i](k, c, error);
  return status;
}

static lc_status settle(walk *k, lc_case *c, lc_error *error) {
  if (c->state == LC_LACKING)
    return leave_open(k, c, error);
  if (c->state != LC_OPEN)
    return LC_OK;
  c->state = LC_WRITTEN;
  k->applying += c->entry.status == LC_ENTRY_APPLYING;
  return k->writing ? put(k, c, error) : imagine(k, c, error);
}

/* Whether the walk ends before this event: it is to be written, and that is not to be imagined. */
static bool ends_before(const walk *k, const lc_case *c) {
  return c->state == LC_OPEN && !k->writing && k->overlay == NULL;
}

/* Goes through the events from `*at` on. */
static lc_status go_through(walk *k, lc_case *cases, size_t count, size_t *at, lc_error *error) {
  lc_status status = LC_OK;
  k->cases = cases;
  for (; *at < count && status == LC_OK; ++*at) {
    lc_case *c = &cases[*at];
    status = take_steps(k, c, error);
    if (status != LC_OK || ends_before(k, c))
      break;
    status = settle(k, c, error);
  }
  return status;
}

/* Has later events wait for those that were left lacking something when they were looked at. */
static lc_status go_behind(walk *k, lc_case *cases, size_t first, lc_error *error) {
  lc_status status = LC_OK;
  for (size_t i = 0; i < first && status == LC_OK; i++)
    if (cases[i].state == LC_LACKING)
      status = leave_open(k, &cases[i], error);
  return status;
}

static void end_walk(walk *k) {
  lc_overlay_free(&k->open);
  lc_marks_free(&k->asked);
  free(k->body);
}

static bool lacks_answers(const lc_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (cases[i].state == LC_LACKING && cases[i].lack < LC_LACKS_END)
      return true;
  return false;
}

static size_t first_written(const lc_case *cases, size_t count) {
  size_t i = 0;
  while (i < count && cases[i].state != LC_WRITTEN)
    i++;
  return i;
}

/* Forgets what was only imagined of the events from `first` on. */
static void forget_imagined(lc_case *cases, size_t count, size_t first) {
  for (size_t i = first; i < count; i++)
    if (cases[i].state != LC_LACKING)
      cases[i].state = LC_OPEN;
}

/* Looks at all events; `overlay` is where what would be written goes. */
static lc_status look_at_all(walk *k, lc_overlay *overlay, lc_case *cases, size_t count, size_t *first, lc_error *error) {
  size_t seen = 0;
  k->overlay = overlay;
  *first = count;
  lc_status status = go_through(k, cases, count, &seen, error);
  if (status != LC_OK || is_preview(k) || k->how->foresee)
    return status;
  bool asks = lacks_answers(cases, count);
  if (!asks)
    *first = first_written(cases, count);
  forget_imagined(cases, count, asks ? 0 : *first);
  return LC_OK;
}

static walk walk_of(lc_store *store, const lc_handling *how) {
  walk k = { .how = how };
  k.w.store = store;
  k.w.tenant = lc_key_of(how->tenant);
  k.w.now = how->now;
  k.w.deadline = how->now + how->claim;
  return k;
}

lc_status lc_store_look(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t *first, lc_error *error) {
  walk k = walk_of(store, how);
  lc_overlay imagined = { .companies.values = NULL };
  *first = 0;
  lc_status status = lc_store_ruleset(store, how->tenant, &k.ruleset, error);
  if (status == LC_OK)
    status = lc_begin_read(store, LC_PART_JOURNAL, &k.w.txn, error);
  if (status != LC_OK)
    return status;
  if (is_preview(&k) || how->look)
    status = look_at_all(&k, is_preview(&k) ? how->overlay : &imagined, cases, count, first, error);
  else if (how->start == 0) /* else companies may have to be added */
    status = go_through(&k, cases, count, first, error);
  lc_end_read(store, LC_PART_JOURNAL);
  lc_overlay_free(&imagined);
  end_walk(&k);
  return status;
}

/* All of the events as they were looked at, and the cursor; or none. */
static lc_status check_all(const walk *k, const lc_case *cases, size_t count, lc_error *error) {
  if (k->how->cursor == NULL)
    return LC_OK;
  if (lc_digest(cases, count) != k->how->digest)
    return lc_fail(error, LC_CONFLICT, "a company has been changed meanwhile");
  return lc_put_cursor(&k->w, k->how->cursor, error);
}

lc_status lc_store_handle(lc_store *store, const lc_handling *how, lc_case *cases, size_t count, size_t first,
                          lc_error *error) {
  walk k = walk_of(store, how);
  k.writing = true;
  lc_status status = lc_store_ruleset(store, how->tenant, &k.ruleset, error);
  if (status == LC_OK)
    status = lc_writer_begin(&k.w, error);
  if (status != LC_OK)
    return status;
  status = go_behind(&k, cases, first, error);
  if (status == LC_OK)
    status = go_through(&k, cases, count, &first, error);
  if (status == LC_OK)
    status = check_all(&k, cases, count, error);
  end_walk(&k);
  if (status == LC_OK && !k.changed && how->cursor == NULL) {
    lc_env_abort(store->env, LC_PART_JOURNAL, k.w.txn);
    return LC_OK;
  }
  return lc_writer_end(&k.w, status, error);
}

uint64_t lc_digest(const lc_case *cases, size_t count) {
  uint64_t sum = LC_CHECKSUM_START;
  for (size_t i = 0; i < count && cases[i].state > LC_LACKING; i++) {
    const lc_case *c = &cases[i];
    uint64_t status = c->state == LC_WRITTEN ? c->entry.status : 0, reason = c->state == LC_DUPLICATE ? 0 : c->reason;
    sum = mix(sum, (uint64_t)c->state << 16 | status << 8 | reason);
    if (c->state == LC_WRITTEN || c->state == LC_SKIPPED)
      sum = mix(sum, (uint64_t)(uint32_t)c->entry.from << 32 | (uint32_t)c->entry.to);
  }
  return fold(sum);
}
