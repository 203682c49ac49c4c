/* store/transfer.h - a store of one machine that moves into a database of several, or comes back from there
 * (lua/leadcat/store/moving.lua): its records are read table by table, and put as they were.
 *
 * Both need a store that was opened with `moves` of lc_store_options: nobody else has it open then, or can open it meanwhile.
 */
#ifndef LC_STORE_TRANSFER_H
#define LC_STORE_TRANSFER_H

#include "delivery.h"
#include "draft.h"
#include "scratch.h"

/* The table with that name. LC_NOT_FOUND. */
lc_status lc_transfer_table(lc_text name, int *table, lc_error *error);

/* Copies out a list of some records of the table behind the key `after` (empty: from the first): each is two items, its key and its
 * value. Empty at the end. */
lc_status lc_transfer_page(lc_store *store, int table, lc_text after, lc_error *error);

/* How many records the table has. */
lc_status lc_transfer_count(lc_store *store, int table, uint64_t *count, lc_error *error);

/* Takes the tenant off the front of a key. False: it is damaged. */
bool lc_transfer_tenant(lc_text *key, lc_text *tenant);

/* Reads a change, but for its number, which is in its key. False: it is damaged. */
bool lc_transfer_change(lc_text value, lc_done *change);

/* Whether the entry is what the id of its event stands for. */
bool lc_transfer_is_seen(lc_store *store, lc_text tenant, const lc_entry *entry);

/* What remains of the times of a claim whose owner is gone, in seconds from now. */
void lc_transfer_free_claim(const lc_store *store, lc_claim *claim);

/* Begin and end a transaction that puts records of a tenant, also with lc_scratch_put_company, _question and _cursor; marks
 * (lc_scratch_keep_mark) count as written at the time `written`. It is committed when `status` is LC_OK. */
lc_status lc_transfer_begin(lc_store *store, lc_text tenant, lc_error *error);
lc_status lc_transfer_end(lc_store *store, double written, lc_status status, lc_error *error);

/* Puts a packed entry. `is_seen`: the id of its event stands for it. */
lc_status lc_transfer_put_entry(lc_store *store, bool unchanged, lc_text record, bool is_seen, lc_error *error);

/* Put a change with its number (0: its entry is the number up to which changes were removed), a delivery and a draft with their ids. */
lc_status lc_transfer_put_change(lc_store *store, const lc_done *change, lc_error *error);
lc_status lc_transfer_put_delivery(lc_store *store, const lc_delivery *delivery, lc_error *error);
lc_status lc_transfer_put_draft(lc_store *store, const lc_draft *draft, lc_error *error);

/* Puts a counter by day; empty: what is known of the tenant's counters. */
lc_status lc_transfer_put_daily(lc_store *store, lc_text counted, uint64_t count, const lc_daily_head *head, lc_error *error);

/* Ends what was put: the store goes on in these epochs, with numbers behind `last`, whose time is `written`. It has to be opened anew
 * afterwards. */
lc_status lc_transfer_finish(lc_store *store, const lc_epochs *epochs, uint64_t last, double written, lc_error *error);

/* A text that says why the store may be opened only to move it: one line that only its mover reads, and one that everybody is told. A
 * store that is whole (its first letter is not `f`) may still be read. Empty: it may be used. */
lc_status lc_transfer_mark(lc_store *store, lc_text mark, lc_error *error);
lc_status lc_transfer_get_mark(lc_store *store, lc_error *error); /* copies it out */

/* LC_CONFLICT where the mark says so. */
lc_status lc_transfer_check(lc_store *store, lc_error *error);

#endif
