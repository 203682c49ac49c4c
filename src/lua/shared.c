/* What a node of a shared store keeps beside the database: marks that wait to be written, the rules; and how it shows records. */
#include <string.h>

#include "convert.h"
#include "store.h"
#include "store/mirror.h"
#include "store/scratch.h"

/* ---- marks ---------------------------------------------------------------------------------- */

static lc_text take_text(lc_text *from) {
  lc_text text = { from->data + 1, (unsigned char)from->data[0] };
  *from = (lc_text){ text.data + text.size, from->size - 1 - text.size };
  return text;
}

/* Adds the mark, behind its tenant and its event id, to the list at the top of the stack. */
static lc_status push_mark(void *context, lc_text record, lc_error *error) {
  lua_State *L = context;
  lc_mark mark;
  lua_createtable(L, 0, 4);
  l_push_text(L, take_text(&record));
  lua_setfield(L, -2, "tenant");
  l_push_text(L, take_text(&record));
  lua_setfield(L, -2, "event_id");
  l_push_text(L, record);
  lua_setfield(L, -2, "record");
  lc_status status = lc_mark_unpack(record.data, record.size, &mark, error);
  if (status == LC_OK)
    l_set_text(L, "company", mark.company.text);
  lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  return status;
}

static int take_marks(lua_State *L) {
  l_store *box = l_check_open(L);
  lua_newtable(L);
  lc_status status = lc_scratch_marks(box->store, push_mark, L, &box->error);
  return status == LC_OK ? 1 : l_fail(L, status, &box->error);
}

/* store:take_marks() -> {tenant, event_id, record, company}: those that wait, which do not any more */
static int l_take_marks(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcfunction(L, take_marks);
  lua_pushvalue(L, 1);
  return l_call_alone(L, 1) == 0 ? lua_gettop(L) - 1 : lua_error(L);
}

/* store:marks_age() -> seconds that the oldest has been waiting; nil when none is */
static int l_marks_age(lua_State *L) {
  double age = lc_scratch_marks_age(l_check_open(L)->store);
  if (age < 0)
    lua_pushnil(L);
  else
    lua_pushnumber(L, age);
  return 1;
}

/* store:waiting_mark(tenant, event_id) -> the packed mark; nil when none waits */
static int l_waiting_mark(lua_State *L) {
  char copy[LC_MARK_SIZE_MAX]; /* a finalizer that runs while it is pushed may free the mark */
  lc_text mark, tenant = l_check_tenant(L, 2), event_id = l_check_text(L, 3, LC_EVENT_ID_MAX);
  if (!lc_scratch_find_mark(l_check_open(L)->store, tenant, event_id, &mark))
    return 0;
  memcpy(copy, mark.data, mark.size);
  return l_push_text(L, (lc_text){ copy, mark.size });
}

static void to_mark(lua_State *L, int table, void *item) {
  lc_text *texts = item;
  texts[0] = l_text_field(L, table, "tenant", LC_TENANT_MAX);
  texts[1] = l_text_field(L, table, "event_id", LC_EVENT_ID_MAX);
  texts[2] = l_text_field(L, table, "record", LC_MARK_SIZE_MAX);
}

/* store:keep_marks(marks): they wait again, as far as there is room */
static int l_keep_marks(lua_State *L) {
  size_t count;
  lc_text(*marks)[3] = l_check_items(L, 2, sizeof *marks, &count, to_mark);
  l_store *box = l_check_open(L);
  lc_status status = LC_OK;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = lc_scratch_keep_mark(box->store, marks[i][0], marks[i][1], marks[i][2], &box->error);
  return 0;
}

/* ---- showing -------------------------------------------------------------------------------- */

/* store:show_entry(record), store:show_question(record) -> as the store's methods give them; nil, message, "corrupt" */
static int l_show_entry(lua_State *L) {
  return l_push_entry(L, l_check_text(L, 2, UINT32_MAX));
}

static int l_show_question(lua_State *L) {
  return l_push_question(L, l_check_text(L, 2, UINT32_MAX));
}

/* store:show_mark(event_id, record) -> as store:seen gives it */
static int l_show_mark(lua_State *L) {
  lc_error error;
  lc_mark mark;
  lc_text event_id = l_check_text(L, 2, UINT32_MAX), record = l_check_text(L, 3, UINT32_MAX);
  lc_status status = lc_mark_unpack(record.data, record.size, &mark, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  const lc_entry entry = lc_entry_of_mark(&mark, event_id);
  void *packed = lua_newuserdata(L, lc_entry_size(&entry));
  lc_entry_pack(&entry, packed);
  return l_push_entry(L, (lc_text){ packed, lc_entry_size(&entry) });
}

static void to_epoch(lua_State *L, int table, void *item) {
  lc_epoch *epoch = item;
  lc_text name = l_text_field(L, table, "name", LC_EPOCH_SIZE);
  if (name.size != LC_EPOCH_SIZE)
    luaL_error(L, "field 'name': ten bytes expected");
  epoch->first = (uint64_t)l_integer_field(L, table, "first");
  memcpy(epoch->name, name.data, LC_EPOCH_SIZE);
}

lc_epochs l_check_epochs(lua_State *L, int index) {
  lc_epochs epochs;
  epochs.list = l_check_items(L, index, sizeof *epochs.list, &epochs.count, to_epoch);
  luaL_argcheck(L, epochs.count != 0 && epochs.list[0].first == 0, index, "the first epoch begins at 0");
  return epochs;
}

/* store:identify(epochs): outcomes have keys of these {first=, name=} from now on, oldest first; names have 10 bytes */
static int l_identify(lua_State *L) {
  lc_error error;
  lc_epochs copy, epochs = l_check_epochs(L, 2);
  l_store *box = l_check_open(L);
  lc_status status = lc_epochs_copy(&epochs, &copy, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lc_epochs_free(&box->epochs);
  box->epochs = copy;
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static void to_mirrored(lua_State *L, int table, void *item) {
  *(lc_mirrored *)item = (lc_mirrored){
    .tenant = l_text_field(L, table, "tenant", LC_TENANT_MAX), .revision = (uint64_t)l_integer_field(L, table, "revision"),
    .ruleset = l_text_field(L, table, "ruleset", UINT32_MAX), .json = l_text_field(L, table, "json", UINT32_MAX),
    .about = l_text_field(L, table, "about", UINT32_MAX),
  };
}

/* store:mirror(state, configs, all, triggers or nil) -> true; as lc_store_mirror. Items {tenant=, revision=, ruleset=, json=, about=} and
 * {trigger=, about=} */
static int l_mirror(lua_State *L) {
  size_t count, trigger_count = 0;
  lua_settop(L, 5);
  lc_text state = l_check_text(L, 2, UINT32_MAX);
  const lc_mirrored *configs = l_check_items(L, 3, sizeof *configs, &count, to_mirrored);
  bool all = lua_toboolean(L, 4);
  const lc_declared *triggers = lua_isnil(L, 5) ? NULL : l_check_items(L, 5, sizeof *triggers, &trigger_count, l_to_declared);
  l_store *box = l_check_open(L);
  return l_done(L, box, lc_store_mirror(box->store, configs, count, all, triggers, trigger_count, state, &box->error));
}

/* store:mirror_state() -> the text; nil, message, "not_found" */
static int l_mirror_state(lua_State *L) {
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  return l_push_result(L, box, result, lc_store_mirror_state(box->store, &box->error), l_push_text);
}

/* store:holds() -> whether it has anything of a store of one machine */
static int l_holds(lua_State *L) {
  bool holds;
  l_store *box = l_check_open(L);
  lc_status status = lc_store_holds(box->store, &holds, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushboolean(L, holds);
  return 1;
}

void l_shared_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "holds", l_holds },
    { "mirror", l_mirror },
    { "mirror_state", l_mirror_state },
    { "take_marks", l_take_marks },
    { "keep_marks", l_keep_marks },
    { "marks_age", l_marks_age },
    { "waiting_mark", l_waiting_mark },
    { "show_entry", l_show_entry },
    { "show_question", l_show_question },
    { "show_mark", l_show_mark },
    { "identify", l_identify },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
