#include "daily.h"

#include <string.h>

#include "rules/decide.h"
#include "rules/details.h"

const char *const lc_daily_kind_names[LC_DAILY_KINDS] = {
  [LC_DAILY_AUTOMATIC] = "automatic", [LC_DAILY_CHOSEN] = "chosen", [LC_DAILY_KEPT] = "kept", [LC_DAILY_ASKED] = "asked",
  [LC_DAILY_ACCEPTED] = "accepted", [LC_DAILY_CHANGED] = "changed", [LC_DAILY_DECLINED] = "declined",
  [LC_DAILY_EXPIRED] = "expired", [LC_DAILY_SUPERSEDED] = "superseded", [LC_DAILY_ANSWER_CONFLICT] = "answer_conflict",
  [LC_DAILY_ANSWER_FAILED] = "answer_failed", [LC_DAILY_CONFLICT] = "conflict", [LC_DAILY_FAILED] = "failed",
  [LC_DAILY_DROPPED] = "dropped", [LC_DAILY_UNDONE] = "undone",
};

const char *const lc_daily_step_names[LC_DAILY_STEPS] = {
  [LC_DAILY_DONE] = "done", [LC_DAILY_CLEARING] = "clearing", [LC_DAILY_COUNTING] = "counting",
};

/* ---- keys ------------------------------------------------------------------------------------ */

static unsigned char *add(unsigned char *at, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8)
    *at++ = (unsigned char)(number >> shift);
  return at;
}

static const unsigned char *take(const unsigned char *at, uint32_t *number) {
  *number = 0;
  for (int i = 0; i < 4; i++)
    *number = *number << 8 | *at++;
  return at;
}

void lc_daily_pack(const lc_daily *daily, unsigned char packed[LC_DAILY_SIZE]) {
  unsigned char *at = add(packed, daily->day);
  *at++ = daily->kind;
  *at++ = daily->trigger;
  at = add(at, (uint32_t)daily->lead_status);
  at = add(at, (uint32_t)daily->rule);
  at = add(at, (uint32_t)daily->from);
  add(at, (uint32_t)daily->to);
}

lc_daily lc_daily_unpack(const unsigned char packed[LC_DAILY_SIZE]) {
  lc_daily daily;
  uint32_t numbers[4];
  const unsigned char *at = take(packed, &daily.day);
  daily.kind = *at++;
  daily.trigger = *at++;
  for (int i = 0; i < 4; i++)
    at = take(at, &numbers[i]);
  daily.lead_status = (int32_t)numbers[0];
  daily.rule = (int32_t)numbers[1];
  daily.from = (int32_t)numbers[2];
  daily.to = (int32_t)numbers[3];
  return daily;
}

/* ---- what an entry counts as ----------------------------------------------------------------- */

/* A clock that is wrong gives the first or the last day. */
uint32_t lc_day_of(double seconds) {
  double days = seconds / 86400;
  return !(days >= 1) ? 1 : days < UINT32_MAX ? (uint32_t)days : UINT32_MAX;
}

static int kind_of_answer(const lc_entry *entry, int32_t proposed) {
  switch (entry->status) {
    case LC_ENTRY_UPDATED:
      return proposed == 0 || entry->to == proposed ? LC_DAILY_ACCEPTED : LC_DAILY_CHANGED;
    case LC_ENTRY_DECLINED:
      return LC_DAILY_DECLINED;
    case LC_ENTRY_EXPIRED:
      return LC_DAILY_EXPIRED;
    case LC_ENTRY_SUPERSEDED:
      return LC_DAILY_SUPERSEDED;
    case LC_ENTRY_CONFLICT:
      return LC_DAILY_ANSWER_CONFLICT;
    case LC_ENTRY_FAILED:
      return LC_DAILY_ANSWER_FAILED;
    default:
      return -1;
  }
}

/* An undo that has changed nothing says nothing about its rule. */
static int kind_of_change(const lc_entry *entry) {
  bool undoes = entry->event_id.size == 0 && lc_details_undoes(entry->details), updated = entry->status == LC_ENTRY_UPDATED;
  if (undoes)
    return updated ? LC_DAILY_UNDONE : -1;
  if (!updated)
    return entry->status == LC_ENTRY_CONFLICT ? LC_DAILY_CONFLICT : LC_DAILY_FAILED;
  return entry->action == LC_CONFIRM ? LC_DAILY_CHOSEN : LC_DAILY_AUTOMATIC;
}

static int kind_of(const lc_entry *entry, int32_t proposed) {
  if (entry->status == LC_ENTRY_AWAITING)
    return LC_DAILY_ASKED;
  if (entry->has_question)
    return kind_of_answer(entry, proposed);
  switch (entry->status) {
    case LC_ENTRY_UPDATED: case LC_ENTRY_CONFLICT: case LC_ENTRY_FAILED:
      return kind_of_change(entry);
    case LC_ENTRY_DECLINED:
      return LC_DAILY_KEPT;
    case LC_ENTRY_DROPPED:
      return entry->link == LC_LINK_DUE ? LC_DAILY_DROPPED : -1;
    default:
      return -1;
  }
}

bool lc_daily_of(const lc_entry *entry, int32_t proposed, lc_daily *daily) {
  int kind = kind_of(entry, proposed);
  *daily = (lc_daily){
    .day = lc_day_of(entry->written), .kind = (uint8_t)kind, .trigger = entry->trigger, .lead_status = entry->lead_status,
    .rule = entry->rule, .from = entry->from, .to = entry->to,
  };
  return kind >= 0;
}
