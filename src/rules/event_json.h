/* rules/event_json.h - reads what a decision needs of an event from a line of JSON, many times faster than by making Lua tables.
 *
 * It reads the events that are plainly right, in the plain forms that programs write. Every other line, be it unusual or
 * wrong, is left to leadcat.util.json and leadcat.events.event: they are the truth, and what this reads they read alike.
 */
#ifndef LC_RULES_EVENT_JSON_H
#define LC_RULES_EVENT_JSON_H

#include <stdbool.h>

#include "event.h"

/* Reads the event in the line that begins here and ends at the first LF, which must be there. False when that is not plainly
 * a right event. Its text may point into the line. */
bool lc_event_read(const char *line, lc_event *event);

#endif
