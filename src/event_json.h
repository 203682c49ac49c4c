/* event_json.h - reads what a simulation needs of an event from a line of JSON, many times faster than by making Lua tables.
 *
 * It reads the events that are plainly right, in the plain forms that programs write. Every other line, be it unusual or
 * wrong, is left to leadcat.json and leadcat.event: they are the truth, and what this reads they read alike.
 */
#ifndef LC_EVENT_JSON_H
#define LC_EVENT_JSON_H

#include "simulate.h"

typedef struct lc_event {
  int trigger;         /* lc_trigger */
  int32_t category;    /* an id, LC_CATEGORY_ABSENT or LC_CATEGORY_IMPOSSIBLE */
  int32_t lead_status; /* 0: none */
  size_t company_size;
  char company[UINT8_MAX];
} lc_event;

/* Reads the event in the line that begins here and ends at the first LF, which must be there. False when that is not plainly
 * a right event. */
bool lc_event_read(const char *line, lc_event *event);

#endif
