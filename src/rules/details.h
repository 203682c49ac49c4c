/* rules/details.h - what rules ask of the JSON that is kept of an event for display. */
#ifndef LC_RULES_DETAILS_H
#define LC_RULES_DETAILS_H

#include <stdbool.h>

#include "company.h"

/* The id of the event's sale, which is the field `id` of its object `sale`, as a text: 42 and "42" are one. It points into the JSON
 * or into `room`. False: it has none of 1 to LC_COMPANY_MAX bytes, or this is no such JSON. */
bool lc_details_sale(lc_text json, char room[LC_COMPANY_MAX], lc_text *sale);

/* Whether it is that of an undo: the JSON has a field `undoes`. */
bool lc_details_undoes(lc_text json);

#endif
