#include "convert.h"
#include "store.h"

int l_push_question(lua_State *L, lc_text packed) {
  lc_error error;
  lc_question question;
  lc_status status = lc_question_unpack(packed.data, packed.size, &question, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  lua_createtable(L, 0, 16);
  l_push_question_id(L, question.id);
  lua_setfield(L, -2, "id");
  l_push_company(L, question.company);
  lua_setfield(L, -2, "company");
  l_set_string(L, "state", lc_question_state_names[question.state]);
  status = l_set_trigger(L, l_check_store(L, 1), question.trigger, &error);
  if (status != LC_OK)
    return l_fail(L, status, &error);
  l_set_id(L, "rule_id", question.rule);
  l_set_integer(L, "entry", (int64_t)question.entry);
  l_set_integer(L, "revision", (int64_t)question.revision);
  l_set_integer(L, "from", question.from);
  l_set_integer(L, "to", question.to);
  l_set_number(L, "created_at", question.created_at);
  l_set_number(L, "expires_at", question.expires_at);
  l_set_id(L, "lead_status", question.lead_status);
  if (question.takes_back) {
    l_set_boolean(L, "takes_back", true);
  }
  if (question.on_expiry != LC_EXPIRES)
    l_set_string(L, "on_expiry", lc_on_expiry_names[question.on_expiry]);
  l_set_id(L, "category", question.category);
  if (question.state != LC_QUESTION_OPEN)
    l_set_number(L, "resolved_at", question.resolved_at);
  l_set_text(L, "user", question.user);
  l_set_text(L, "body", question.body);
  l_set_text(L, "answer", question.answer);
  return 1;
}

/* store:confirmation(tenant, id) -> confirmation */
static int l_confirmation(lua_State *L) {
  uint8_t id[LC_QUESTION_ID_SIZE];
  lc_text tenant = l_check_tenant(L, 2);
  bool is_id = l_to_question_id(l_check_text(L, 3, SIZE_MAX), id);
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  if (!is_id)
    return l_fail(L, LC_NOT_FOUND, &(lc_error){ "a confirmation's id has 32 hex digits" });
  lc_status status = lc_store_question(box->store, tenant, id, &box->error);
  return l_push_result(L, box, result, status, l_push_question);
}

/* The table at `index`: {company=, user=, state= (else all), after= (an entry), now=, unswept=, limit=}. It keeps the
 * texts of the query. */
static lc_query check_query(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  bool all = l_text_field(L, index, "state", 64).data == NULL;
  return (lc_query){
    .company = l_text_field(L, index, "company", LC_COMPANY_MAX),
    .user = l_text_field(L, index, "user", LC_USER_MAX),
    .states = all ? (1U << LC_QUESTION_STATES) - 1
                  : 1U << l_name_field(L, index, "state", lc_question_state_names, LC_QUESTION_STATES),
    .after = (uint64_t)l_integer_field(L, index, "after"),
    .now = l_number_field(L, index, "now"),
    .unswept = l_boolean_field(L, index, "unswept"),
    .limit = (size_t)l_integer_field(L, index, "limit"),
  };
}

/* store:confirmations(tenant, query) -> confirmations */
static int l_confirmations(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lua_settop(L, 3);
  l_result *result = l_new_result(L);
  lc_query query = check_query(L, 3);
  l_store *box = l_check_open(L);
  return l_push_results(L, box, result, lc_store_questions(box->store, tenant, &query, &box->error), l_push_question);
}

/* store:count_confirmations(tenant, query) -> how many, up to the limit */
static int l_count_confirmations(lua_State *L) {
  size_t count = 0;
  lc_text tenant = l_check_tenant(L, 2);
  lc_query query = check_query(L, 3);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_count_questions(box->store, tenant, &query, &count, &box->error);
  return l_done_integer(L, box, status, (int64_t)count);
}

/* store:assign(tenant, id, {company=, before=, body=, user=}, now) -> true */
static int l_assign(lua_State *L) {
  uint8_t id[LC_QUESTION_ID_SIZE];
  lc_text tenant = l_check_tenant(L, 2);
  bool is_id = l_to_question_id(l_check_text(L, 3, SIZE_MAX), id);
  luaL_checktype(L, 4, LUA_TTABLE);
  lc_assignment assignment = {
    .company = l_text_field(L, 4, "company", LC_COMPANY_MAX),
    .before = l_text_field(L, 4, "before", UINT32_MAX),
    .body = l_text_field(L, 4, "body", UINT32_MAX),
    .user = l_text_field(L, 4, "user", LC_USER_MAX),
  };
  double now = luaL_checknumber(L, 5);
  luaL_argcheck(L, assignment.body.size != 0 && assignment.user.size != 0, 4, "a body and a user expected");
  l_store *box = l_check_open(L);
  if (!is_id)
    return l_fail(L, LC_NOT_FOUND, &(lc_error){ "a confirmation's id has 32 hex digits" });
  return l_done(L, box, lc_store_assign(box->store, tenant, id, &assignment, now, &box->error));
}

/* store:expire(tenant, now) -> how many were closed, whether there may be more */
static int l_expire(lua_State *L) {
  size_t expired;
  bool more;
  lc_text tenant = l_check_tenant(L, 2);
  double now = luaL_checknumber(L, 3);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_expire(box->store, tenant, now, &expired, &more, &box->error);
  if (status != LC_OK)
    return l_fail(L, status, &box->error);
  lua_pushinteger(L, (lua_Integer)expired);
  lua_pushboolean(L, more);
  return 2;
}

/* store:expiring(tenant, after, entry, until, limit) -> confirmations; `after` in milliseconds, `until` in seconds */
static int l_expiring(lua_State *L) {
  lc_text tenant = l_check_tenant(L, 2);
  lua_Integer after = luaL_checkinteger(L, 3), entry = luaL_checkinteger(L, 4), limit = luaL_checkinteger(L, 6);
  double until = luaL_checknumber(L, 5);
  luaL_argcheck(L, after >= 0, 3, "a time from 0 expected");
  luaL_argcheck(L, entry >= 0, 4, "a number from 0 expected");
  luaL_argcheck(L, limit >= 0, 6, "a number from 0 expected");
  l_result *result = l_new_result(L);
  l_store *box = l_check_open(L);
  lc_status status = lc_store_expiring(box->store, tenant, (uint64_t)after, (uint64_t)entry, until, (size_t)limit, &box->error);
  return l_push_results(L, box, result, status, l_push_question);
}

void l_question_register(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "confirmation", l_confirmation },
    { "confirmations", l_confirmations },
    { "count_confirmations", l_count_confirmations },
    { "assign", l_assign },
    { "expire", l_expire },
    { "expiring", l_expiring },
    { NULL, NULL },
  };
  l_store_methods(L, methods);
}
