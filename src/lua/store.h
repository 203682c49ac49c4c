/* lua/store.h - the store as a Lua object, its methods, and deciders: the hot path, without I/O. */
#ifndef LC_LUA_STORE_H
#define LC_LUA_STORE_H

#include "compat.h"
#include "store/delivery.h"
#include "store/draft.h"
#include "store/scratch.h"
#include "store/store.h"

/* The userdata. It is made closed, before anything is acquired. */
typedef struct l_store {
  lc_store *store;       /* NULL when closed */
  const lc_watch *watch; /* of the store, while it is open */
  lc_epochs epochs;      /* a copy, until the box is collected */
  lc_triggers triggers;  /* the store's own ones; l_own_triggers reads them again when that is needed */
  lc_error error;        /* of the last method that failed */
} l_store;

/* core.open{path=, map_size=, max_readers=, relaxed=, patience=, readonly=, mode=} -> store; nil, message, code */
int l_store_open(lua_State *L);

/* core.check_store(path) -> array of sentences: at most 200 problems and how many more, empty when it is sound; the same of what could
 * not be checked; nil, message, code when it cannot be read */
int l_store_check(lua_State *L);

/* core.find_owner(text) -> user, group (numbers); core.give_store(path, user, group) -> true: as lc_find_owner and lc_give_store */
int l_find_owner(lua_State *L);
int l_give_store(lua_State *L);

/* core.decider(config, triggers) -> decide, rules; as store:decider, of a fixed config that has no errors; `triggers` as for
 * core.ruleset */
int l_config_decider(lua_State *L);

/* core.explainer(config, triggers) -> explain; of a fixed config that has no errors: a function of trigger, category, lead_status
 * that returns what store:explain does, with 0 for the revision */
int l_config_explainer(lua_State *L);

/* Pushes what LuaJIT's FFI needs to decide without leaving compiled code (rules/decider.lua): {answer, decide,
 * fields, triggers, reasons}: a declaration in C, a function's address, a function that tells the fields of rules, numbers by
 * trigger, reasons by numbers. */
void l_push_ffi(lua_State *L);

/* Makes the metatable, with the methods of store.c. */
void l_store_register(lua_State *L);

/* Add the methods of the other files, after l_store_register. */
void l_decide_register(lua_State *L);
void l_explain_register(lua_State *L);
void l_journal_register(lua_State *L);
void l_question_register(lua_State *L);
void l_handle_register(lua_State *L);
void l_handling_register(lua_State *L);
void l_company_register(lua_State *L);
void l_forget_register(lua_State *L);
void l_triggers_register(lua_State *L);
void l_shared_register(lua_State *L);
void l_walk_register(lua_State *L);
void l_transfer_register(lua_State *L);
void l_delivery_register(lua_State *L);
void l_draft_register(lua_State *L);
void l_daily_register(lua_State *L);

/* Sets what a delivery was and how it went, but for its id and state, in the table at the top of the stack. */
void l_set_delivery(lua_State *L, const lc_delivery *delivery);

/* Read a draft's fields at `table`, and set them, but for its id, in the table at the top of the stack. */
lc_draft l_to_draft(lua_State *L, int table);
void l_set_draft(lua_State *L, const lc_draft *draft);

/* Adds methods to the metatable. */
void l_store_methods(lua_State *L, const luaL_Reg *methods);

/* The store at `index`, open or closed; raises when it is none. */
l_store *l_check_store(lua_State *L, int index);

/* The same box; raises when its store is closed. */
l_store *l_open_box(lua_State *L, l_store *box);

/* The box that is argument 1; raises when its store is closed. Call it after everything that allocates in Lua, and
 * after all arguments are read: both may run a finalizer that closes the store. */
l_store *l_check_open(lua_State *L);

/* As lua_pcall of the function below its `count` arguments at the top, for all its results. No finalizer runs meanwhile, which might
 * use the store or close it. */
int l_call_alone(lua_State *L, int count);

/* The own triggers of the box's store: what is known of them when it is closed, or they are damaged. */
const lc_triggers *l_own_triggers(l_store *box);

/* The trigger that the argument names: a built-in one, or one of `box` or else of `own`, which may be NULL. Raises when there is none. */
lc_trigger l_check_trigger(lua_State *L, int argument, l_store *box, const lc_triggers *own);

/* The trigger that the field `trigger` of the table at `table` names. */
uint8_t l_trigger_field(lua_State *L, int table, l_store *box);

/* Sets `trigger` to the name in the table at the top of the stack. LC_CORRUPT: there is none of that number. */
lc_status l_set_trigger(lua_State *L, l_store *box, uint8_t trigger, lc_error *error);

/* Sets `entry`, and `key` with what identifies it for ever, in the table at the top of the stack. */
void l_set_entry(lua_State *L, const l_store *box, uint64_t entry);

/* Owns what a call copied out while it is pushed: a finalizer may run then, and use the store or close it. */
typedef struct l_result {
  char *bytes;
} l_result;

/* Pushes an empty one, which the stack keeps. Call it before l_check_open. */
l_result *l_new_result(lua_State *L);

/* Takes what the last call copied out. l_free_result gives the memory back; after an error the collector does. */
lc_text l_take_result(l_result *result, const l_store *box);
void l_free_result(l_result *result);

/* Push what a method returns when its store gave `status`: true; an integer; what `push` makes of the result, which
 * they take and free; an array of what it makes of each item. Or nil, message, code, also when `push` fails. They
 * return how many values. */
int l_done(lua_State *L, const l_store *box, lc_status status);
int l_done_integer(lua_State *L, const l_store *box, lc_status status, int64_t integer);
int l_push_result(lua_State *L, const l_store *box, l_result *result, lc_status status,
                  int push(lua_State *L, lc_text item));
int l_push_results(lua_State *L, const l_store *box, l_result *result, lc_status status,
                   int push(lua_State *L, lc_text item));

/* Reads the lc_declared at `table`, {trigger=, about=}, as l_check_items wants it. */
void l_to_declared(lua_State *L, int table, void *item);

/* Push one record of a result, as a table. */
int l_push_entry(lua_State *L, lc_text packed);
int l_push_question(lua_State *L, lc_text packed);

/* The company at `table`, with what it has under way, as store:walk takes it. */
void l_to_scratch_company(lua_State *L, int table, lc_scratch_company *company);

/* Set what a shared store has in columns of an entry or a question, in the table at the top. `is_seen`: the id of its event stands for it. */
void l_set_entry_columns(lua_State *L, const lc_entry *entry, bool is_seen);
void l_set_question_columns(lua_State *L, const lc_question *question);

/* The epochs {first=, name=} of the list at the stack index, which keeps their memory. */
lc_epochs l_check_epochs(lua_State *L, int index);

/* The cursor at the stack index, {name=, before=, text=} (JSON), if there is one. */
bool l_to_cursor(lua_State *L, int index, lc_cursor *cursor);

#endif
