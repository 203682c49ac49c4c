/* rules/event_json.h - reads events from lines of JSON, for decisions, many times faster than through Lua tables.
 *
 * It reads events that are plainly right, in the plain forms that programs write. Every other line, unusual or wrong,
 * is left to leadcat.util.json and leadcat.events.event. They are the truth: what this reads they read alike.
 */
#ifndef LC_RULES_EVENT_JSON_H
#define LC_RULES_EVENT_JSON_H

#include "event.h"

/* Reads the event in the line that begins here and ends at the first LF, which must be there. False unless it is
 * plainly a right event, whose text may point into the line. `triggers`: the own ones that it may name; NULL: none. */
bool lc_event_read(const char *line, const lc_triggers *triggers, lc_event *event);

#endif
