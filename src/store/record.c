#include "record.h"

#include <math.h>
#include <string.h>

#include "rules/checksum.h"
#include "rules/decide.h"

enum { ENTRY_VERSION = 2, CONFIRMATION_VERSION = 1, MARK_VERSION = 1 };

const char *const lc_entry_status_names[LC_ENTRY_STATUSES] = {
  [LC_ENTRY_APPLYING] = "applying", [LC_ENTRY_UPDATED] = "updated", [LC_ENTRY_CONFLICT] = "conflict",
  [LC_ENTRY_FAILED] = "failed", [LC_ENTRY_AWAITING] = "awaiting_confirmation", [LC_ENTRY_DECLINED] = "declined",
  [LC_ENTRY_EXPIRED] = "expired", [LC_ENTRY_SUPERSEDED] = "superseded", [LC_ENTRY_UNCHANGED] = "unchanged",
  [LC_ENTRY_SCHEDULED] = "scheduled", [LC_ENTRY_CARRIED_OUT] = "carried_out", [LC_ENTRY_CANCELLED] = "cancelled",
  [LC_ENTRY_DROPPED] = "dropped", [LC_ENTRY_QUEUED] = "queued",
  [LC_ENTRY_RENAMED] = "renamed", [LC_ENTRY_MERGED] = "merged",
  [LC_ENTRY_DELETED] = "deleted", [LC_ENTRY_SHADOW] = "shadow", [LC_ENTRY_HELD] = "held",
};

const char *const lc_entry_reason_names[LC_ENTRY_REASONS] = {
  [LC_ENTRY_MATCHED] = "matched", [LC_ENTRY_RULE_DISABLED] = "rule_disabled",
  [LC_ENTRY_UNKNOWN_CATEGORY] = "unknown_category",
  [LC_ENTRY_NOT_POTENTIAL_CUSTOMER] = "not_potential_customer",
  [LC_ENTRY_LEAD_STATUS_NOT_ENABLED] = "lead_status_not_enabled",
  [LC_ENTRY_LEAD_STATUS_NOT_MATCHED] = "lead_status_not_matched",
  [LC_ENTRY_ALREADY_IN_CATEGORY] = "already_in_category", [LC_ENTRY_NOT_LICENSED] = "not_licensed",
  [LC_ENTRY_VETOED] = "vetoed", [LC_ENTRY_CONDITIONS_NOT_MET] = "conditions_not_met",
  [LC_ENTRY_LOWER_RANK] = "lower_rank", [LC_ENTRY_NOTHING_TO_TAKE_BACK] = "nothing_to_take_back",
  [LC_ENTRY_LATE] = "late",
};

const char *const lc_link_names[LC_LINKS] = {
  [LC_LINK_NONE] = "", [LC_LINK_DUE] = "due", [LC_LINK_SCHEDULED] = "scheduled", [LC_LINK_CARRIES_OUT] = "carries_out",
  [LC_LINK_FOLLOWS] = "follows", [LC_LINK_BESIDE] = "beside",
};

const char *const lc_question_state_names[LC_QUESTION_STATES] = {
  [LC_QUESTION_OPEN] = "open", [LC_QUESTION_ACCEPTED] = "accepted", [LC_QUESTION_CHANGED] = "changed",
  [LC_QUESTION_DECLINED] = "declined", [LC_QUESTION_EXPIRED] = "expired",
  [LC_QUESTION_SUPERSEDED] = "superseded", [LC_QUESTION_CONFLICT] = "conflict",
};

bool lc_question_may_move(lc_question_state from, lc_question_state to) {
  return from == LC_QUESTION_OPEN && to != LC_QUESTION_OPEN;
}

/* Of an entry; 0 in those of older editions. */
enum { TAKES_BACK = 1, HAS_AT = 2, HAS_FORMER = 4, IS_GONE = 8, ALL_FLAGS = 15 };

/* The heads have no padding: every byte that reaches the disk is set. */
typedef struct entry_head {
  uint8_t version, status, trigger, action;
  uint8_t has_question, company_is_integer, company_size, event_id_size;
  uint64_t id;
  double at;
  uint64_t revision;
  int32_t lead_status, from, to;
  uint32_t details_size;
  uint32_t error_size;
  uint8_t question[LC_QUESTION_ID_SIZE];
  uint8_t reason; /* 0 in entries older than reasons */
  uint8_t has_rule; /* the rule's id comes before the texts */
  uint8_t flags;    /* 0 in entries older than these */
  uint8_t link;     /* lc_link, whose number comes behind that; 0 in entries older than links */
  double written; /* not in version 1 */
} entry_head;

static const size_t entry_head_1 = offsetof(entry_head, written); /* the size of version 1 */

typedef struct question_head {
  uint8_t version, state, trigger, company_is_integer;
  uint8_t company_size, user_size, has_rule;
  uint8_t flags; /* 1: takes back; 2 times lc_on_expiry, which is 0 in questions of older editions */
  uint64_t entry;
  double created_at, expires_at, resolved_at;
  uint64_t revision;
  int32_t lead_status, from, to, category;
  uint32_t body_size, answer_size;
  uint8_t id[LC_QUESTION_ID_SIZE];
} question_head;

typedef struct mark_head {
  uint8_t version, trigger, reason, company_is_integer;
  uint8_t company_size, spare[3];
  uint64_t revision;
  int32_t lead_status, rule, from;
  uint32_t error_size;
} mark_head;

_Static_assert(sizeof(mark_head) == 32, "mark_head has padding");
_Static_assert(sizeof(entry_head) == 80, "entry_head has padding");
_Static_assert(sizeof(question_head) == 88, "question_head has padding");

static char *put(char *at, lc_text text) {
  if (text.size != 0)
    memcpy(at, text.data, text.size);
  return at + text.size;
}

static lc_text take(const char **at, size_t size) {
  lc_text text = { size != 0 ? *at : NULL, size };
  *at += size;
  return text;
}

/* The id of a rule, where there is one. */
static size_t rule_size(int32_t rule) {
  return rule != 0 ? sizeof rule : 0;
}

static char *put_rule(char *at, int32_t rule) {
  return put(at, (lc_text){ (const char *)&rule, rule_size(rule) });
}

/* False when it cannot be the id of a rule. */
static bool take_rule(const char **at, bool has_rule, int32_t *rule) {
  *rule = 0;
  if (!has_rule)
    return true;
  memcpy(rule, *at, sizeof *rule);
  *at += sizeof *rule;
  return *rule > 0;
}

/* The number of a link, where there is one. */
static size_t link_size(uint8_t link) {
  return link != LC_LINK_NONE ? sizeof(uint64_t) : 0;
}

/* A former company: a byte for its size, one for its type, and its text. */
enum { FORMER_HEAD = 2 };

static size_t former_size(const lc_company *former) {
  return former->text.size != 0 ? FORMER_HEAD + former->text.size : 0;
}

static char *put_former(char *at, const lc_company *former) {
  if (former->text.size == 0)
    return at;
  *at++ = (char)former->text.size;
  *at++ = former->is_integer;
  return put(at, former->text);
}

static void take_former(const char **at, bool has_former, lc_company *former) {
  if (!has_former)
    return;
  size_t size = (unsigned char)(*at)[0];
  former->is_integer = (*at)[1] != 0;
  *at += FORMER_HEAD;
  former->text = take(at, size);
}

size_t lc_entry_size(const lc_entry *entry) {
  return sizeof(entry_head) + rule_size(entry->rule) + link_size(entry->link) + former_size(&entry->former) + entry->company.text.size + entry->event_id.size + entry->details.size + entry->error.size;
}

void lc_entry_pack(const lc_entry *entry, void *memory) {
  entry_head head = {
    .version = ENTRY_VERSION, .status = (uint8_t)entry->status, .trigger = entry->trigger, .action = entry->action,
    .has_question = entry->has_question, .company_is_integer = entry->company.is_integer,
    .company_size = (uint8_t)entry->company.text.size, .event_id_size = (uint8_t)entry->event_id.size,
    .id = entry->id, .at = entry->at, .revision = entry->revision,
    .lead_status = entry->lead_status, .from = entry->from, .to = entry->to,
    .details_size = (uint32_t)entry->details.size, .error_size = (uint32_t)entry->error.size,
    .reason = entry->reason, .written = entry->written, .has_rule = entry->rule != 0,
    .flags = (uint8_t)((entry->takes_back ? TAKES_BACK : 0) | (entry->has_at ? HAS_AT : 0)
                       | (entry->former.text.size != 0 ? HAS_FORMER : 0) | (entry->is_gone ? IS_GONE : 0)),
    .link = entry->link,
  };
  memcpy(head.question, entry->question, sizeof head.question);
  memcpy(memory, &head, sizeof head);
  char *at = put_rule((char *)memory + sizeof head, entry->rule);
  at = put(at, (lc_text){ (const char *)&entry->linked, link_size(entry->link) });
  at = put_former(at, &entry->former);
  at = put(at, entry->company.text);
  at = put(at, entry->event_id);
  at = put(at, entry->details);
  put(at, entry->error);
}

/* Reads the head; the size of it, or 0 when the bytes are too few. In version 1 the id told when the entry was written. */
static size_t read_entry_head(const void *bytes, size_t size, entry_head *head) {
  const char *version = bytes;
  size_t head_size = size > 0 && *version == 1 ? entry_head_1 : sizeof *head;
  if (size < head_size)
    return 0;
  memcpy(head, bytes, head_size);
  if (head_size == entry_head_1)
    head->written = (double)head->id / 1000;
  return head_size;
}

/* The size of the former company, which says it itself; SIZE_MAX when the bytes are too few, or it has none. */
static size_t read_former_size(const entry_head *head, const char *bytes, size_t head_size, size_t size) {
  size_t at = head_size + rule_size(head->has_rule) + link_size(head->link);
  if ((head->flags & HAS_FORMER) == 0)
    return 0;
  return size >= at + FORMER_HEAD && bytes[at] != 0 ? FORMER_HEAD + (size_t)(unsigned char)bytes[at] : SIZE_MAX;
}

static bool entry_head_fits(const entry_head *head, const char *bytes, size_t head_size, size_t size) {
  size_t former = read_former_size(head, bytes, head_size, size);
  return head->version >= 1 && head->version <= ENTRY_VERSION && head->status < LC_ENTRY_STATUSES
      && lc_is_trigger(head->trigger) && head->action < LC_ACTIONS && head->reason < LC_ENTRY_REASONS && head->has_rule <= 1
      && head->flags <= ALL_FLAGS && head->link < LC_LINKS
      && former <= size
      && size == head_size + rule_size(head->has_rule) + link_size(head->link) + former + head->company_size + head->event_id_size + (size_t)head->details_size + (size_t)head->error_size;
}

lc_status lc_entry_unpack(const void *bytes, size_t size, lc_entry *entry, lc_error *error) {
  entry_head head;
  size_t head_size = read_entry_head(bytes, size, &head);
  if (head_size == 0)
    return lc_fail(error, LC_CORRUPT, "a journal entry of %zu bytes is too short", size);
  if (!entry_head_fits(&head, bytes, head_size, size))
    return lc_fail(error, LC_CORRUPT, "a journal entry is damaged");
  const char *at = (const char *)bytes + head_size;
  *entry = (lc_entry){
    .id = head.id, .at = head.at, .written = head.written, .revision = head.revision,
    .status = (lc_entry_status)head.status, .trigger = head.trigger, .action = head.action, .reason = head.reason,
    .lead_status = head.lead_status, .from = head.from, .to = head.to,
    .takes_back = (head.flags & TAKES_BACK) != 0, .has_at = (head.flags & HAS_AT) != 0,
    .is_gone = (head.flags & IS_GONE) != 0,
    .has_question = head.has_question != 0, .company.is_integer = head.company_is_integer != 0,
  };
  memcpy(entry->question, head.question, sizeof entry->question);
  if (!take_rule(&at, head.has_rule, &entry->rule))
    return lc_fail(error, LC_CORRUPT, "a journal entry is damaged");
  entry->link = head.link;
  lc_text linked = take(&at, link_size(head.link));
  if (linked.size != 0)
    memcpy(&entry->linked, linked.data, linked.size);
  take_former(&at, (head.flags & HAS_FORMER) != 0, &entry->former);
  entry->company.text = take(&at, head.company_size);
  entry->event_id = take(&at, head.event_id_size);
  entry->details = take(&at, head.details_size);
  entry->error = take(&at, head.error_size);
  return LC_OK;
}

double lc_entry_written(lc_text packed) {
  entry_head head;
  return read_entry_head(packed.data, packed.size, &head) != 0 ? head.written : -HUGE_VAL;
}

size_t lc_question_size(const lc_question *question) {
  return sizeof(question_head) + rule_size(question->rule) + question->company.text.size + question->user.size
       + question->body.size + question->answer.size;
}

void lc_question_pack(const lc_question *question, void *memory) {
  question_head head = {
    .version = CONFIRMATION_VERSION, .state = (uint8_t)question->state, .trigger = question->trigger,
    .company_is_integer = question->company.is_integer, .company_size = (uint8_t)question->company.text.size,
    .user_size = (uint8_t)question->user.size, .entry = question->entry, .revision = question->revision,
    .created_at = question->created_at, .expires_at = question->expires_at, .resolved_at = question->resolved_at,
    .lead_status = question->lead_status, .from = question->from, .to = question->to, .category = question->category,
    .body_size = (uint32_t)question->body.size, .answer_size = (uint32_t)question->answer.size,
    .has_rule = question->rule != 0, .flags = (uint8_t)(question->takes_back | question->on_expiry << 1),
  };
  memcpy(head.id, question->id, sizeof head.id);
  memcpy(memory, &head, sizeof head);
  char *at = put_rule((char *)memory + sizeof head, question->rule);
  at = put(at, question->company.text);
  at = put(at, question->user);
  at = put(at, question->body);
  put(at, question->answer);
}

static bool question_head_fits(const question_head *head, size_t size) {
  return head->version == CONFIRMATION_VERSION && head->state < LC_QUESTION_STATES && lc_is_trigger(head->trigger)
      && head->has_rule <= 1 && head->flags < 2 * LC_ON_EXPIRIES && size == sizeof *head + rule_size(head->has_rule) + head->company_size + head->user_size + (size_t)head->body_size + (size_t)head->answer_size;
}

lc_status lc_question_unpack(const void *bytes, size_t size, lc_question *question, lc_error *error) {
  question_head head;
  if (size < sizeof head)
    return lc_fail(error, LC_CORRUPT, "a confirmation of %zu bytes is too short", size);
  memcpy(&head, bytes, sizeof head);
  if (!question_head_fits(&head, size))
    return lc_fail(error, LC_CORRUPT, "a confirmation is damaged");
  const char *at = (const char *)bytes + sizeof head;
  *question = (lc_question){
    .state = (lc_question_state)head.state, .trigger = head.trigger, .entry = head.entry, .revision = head.revision,
    .created_at = head.created_at, .expires_at = head.expires_at, .resolved_at = head.resolved_at,
    .lead_status = head.lead_status, .from = head.from, .to = head.to, .category = head.category,
    .takes_back = (head.flags & 1) != 0, .on_expiry = head.flags >> 1,
    .company.is_integer = head.company_is_integer != 0,
  };
  memcpy(question->id, head.id, sizeof question->id);
  if (!take_rule(&at, head.has_rule, &question->rule))
    return lc_fail(error, LC_CORRUPT, "a confirmation is damaged");
  question->company.text = take(&at, head.company_size);
  question->user = take(&at, head.user_size);
  question->body = take(&at, head.body_size);
  question->answer = take(&at, head.answer_size);
  return LC_OK;
}

size_t lc_mark_size(const lc_mark *mark) {
  return sizeof(mark_head) + mark->company.text.size + mark->error.size;
}

void lc_mark_pack(const lc_mark *mark, void *memory) {
  const mark_head head = {
    .version = MARK_VERSION, .trigger = mark->trigger, .reason = mark->reason,
    .company_is_integer = mark->company.is_integer, .company_size = (uint8_t)mark->company.text.size,
    .revision = mark->revision, .lead_status = mark->lead_status, .rule = mark->rule, .from = mark->from,
    .error_size = (uint32_t)mark->error.size,
  };
  memcpy(memory, &head, sizeof head);
  put(put((char *)memory + sizeof head, mark->company.text), mark->error);
}

static bool mark_head_fits(const mark_head *head, size_t size) {
  return head->version == MARK_VERSION && lc_is_trigger(head->trigger) && head->reason < LC_ENTRY_REASONS
      && head->rule >= 0 && head->company_is_integer <= 1 && head->error_size <= LC_MARK_ERROR_MAX
      && head->spare[0] == 0 && head->spare[1] == 0 && head->spare[2] == 0
      && size == sizeof *head + head->company_size + head->error_size;
}

lc_status lc_mark_unpack(const void *bytes, size_t size, lc_mark *mark, lc_error *error) {
  mark_head head;
  if (size < sizeof head)
    return lc_fail(error, LC_CORRUPT, "a mark of %zu bytes is too short", size);
  memcpy(&head, bytes, sizeof head);
  if (!mark_head_fits(&head, size))
    return lc_fail(error, LC_CORRUPT, "a mark is damaged");
  const char *at = (const char *)bytes + sizeof head;
  *mark = (lc_mark){
    .revision = head.revision, .trigger = head.trigger, .reason = head.reason, .lead_status = head.lead_status,
    .rule = head.rule, .from = head.from, .company.is_integer = head.company_is_integer != 0,
  };
  mark->company.text = take(&at, head.company_size);
  mark->error = take(&at, head.error_size);
  return LC_OK;
}

lc_entry lc_entry_of_mark(const lc_mark *mark, lc_text event_id) {
  return (lc_entry){
    .status = LC_ENTRY_UNCHANGED, .action = LC_NONE, .trigger = mark->trigger, .reason = mark->reason,
    .revision = mark->revision, .lead_status = mark->lead_status, .rule = mark->rule, .from = mark->from,
    .company = mark->company, .event_id = event_id, .error = mark->error,
  };
}

bool lc_batch_next(lc_text *ids, lc_text *id) {
  size_t size = ids->size != 0 ? (unsigned char)*ids->data : 0;
  if (ids->size <= size)
    return false;
  *id = (lc_text){ size != 0 ? ids->data + 1 : NULL, size };
  *ids = (lc_text){ ids->data + 1 + size, ids->size - 1 - size };
  return true;
}

bool lc_batch_unpack(lc_text packed, lc_batch *batch, lc_text *ids) {
  lc_text rest, id;
  uint64_t count = 0;
  if (packed.size < sizeof *batch)
    return false;
  memcpy(batch, packed.data, sizeof *batch);
  *ids = rest = (lc_text){ packed.data + sizeof *batch, packed.size - sizeof *batch };
  while (lc_batch_next(&rest, &id))
    count++;
  return rest.size == 0 && count != 0 && count == batch->count;
}

/* Sixteen bits of a count tell whether the others are damaged: retention goes by it. A plain number, as the first edition wrote
 * it, has none. */
enum { COUNT_BITS = 48 };

uint64_t lc_seal_count(uint64_t count) {
  return count | ((lc_checksum(LC_CHECKSUM_START, &count, sizeof count) | 1) << COUNT_BITS);
}

bool lc_unseal_count(uint64_t sealed, uint64_t *count) {
  *count = sealed & ((UINT64_C(1) << COUNT_BITS) - 1);
  return lc_seal_count(*count) == sealed;
}
