/* Transactions, and the buffer that they copy results to. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "store.h"

lc_status lc_store_fail(const lc_store *store, lc_part part, int rc, const char *doing, lc_error *error) {
  return lc_env_fail(store->env, part, rc, doing, error);
}

/* The world in memory stands for the journal. */
static bool is_scratch(const lc_store *store, lc_part part) {
  return part == LC_PART_JOURNAL && store->scratch != NULL;
}

lc_status lc_begin_read(lc_store *store, lc_part part, MDB_txn **txn, lc_error *error) {
  if (is_scratch(store, part)) {
    *txn = store->scratch;
    return LC_OK;
  }
  lc_status status = lc_env_read(store->env, part, &store->readers[part], error);
  *txn = store->readers[part].txn;
  return status;
}

void lc_end_read(lc_store *store, lc_part part) {
  if (!is_scratch(store, part))
    lc_env_read_end(store->env, part, &store->readers[part]);
}

lc_status lc_check_writable(const lc_store *store, lc_error *error) {
  return !store->readonly ? LC_OK : lc_fail(error, LC_READONLY, "the store was opened to be read only");
}

/* Configs are always saved durably: they are few, and kept nowhere else. */
lc_status lc_begin_write(lc_store *store, lc_part part, MDB_txn **txn, lc_error *error) {
  store->puts_marks = false;
  if (is_scratch(store, part)) {
    *txn = store->scratch;
    return LC_OK;
  }
  lc_status status = lc_check_writable(store, error);
  return status != LC_OK ? status
       : lc_env_write(store->env, part, store->relaxed && part == LC_PART_JOURNAL, store->patience, txn, error);
}

static lc_status commit(lc_store *store, lc_part part, MDB_txn *txn, lc_error *error) {
  double begun = lc_uptime();
  lc_status status = lc_env_commit(store->env, part, txn, error);
  double taken = lc_uptime() - begun;
  store->commits++;
  store->commit_seconds += taken;
  if (taken > store->commit_slowest)
    store->commit_slowest = taken;
  return status;
}

void lc_drop_write(lc_store *store, lc_part part, MDB_txn *txn) {
  if (!is_scratch(store, part))
    lc_env_abort(store->env, part, txn);
}

/* What fails in a world in memory leaves it as it is: it is of no use then. */
lc_status lc_end_write(lc_store *store, lc_part part, MDB_txn *txn, lc_status status, lc_error *error) {
  if (is_scratch(store, part))
    return status;
  if (status == LC_OK && part == LC_PART_JOURNAL)
    status = lc_put_marks(store, txn, error);
  if (status == LC_OK)
    status = lc_env_check_room(store->env, part, txn, error);
  if (status == LC_OK)
    status = commit(store, part, txn, error);
  else
    lc_env_abort(store->env, part, txn);
  if (store->puts_marks && (status == LC_OK || status == LC_FULL)) /* they are not to be in the way again */
    lc_pending_cut(store->pending, 0);
  return status;
}

void lc_result_clear(lc_store *store) {
  store->result_size = 0;
}

static lc_status grow(lc_store *store, size_t more, lc_error *error) {
  size_t need = store->result_size + more;
  if (need <= store->result_capacity)
    return LC_OK;
  size_t capacity = need < 4096 ? 4096 : need * 2;
  char *bytes = realloc(store->result, capacity);
  if (bytes == NULL)
    return lc_fail(error, LC_UNAVAILABLE, "out of memory");
  store->result = bytes;
  store->result_capacity = capacity;
  return LC_OK;
}

static void append(lc_store *store, const void *data, size_t size) {
  if (size != 0)
    memcpy(store->result + store->result_size, data, size);
  store->result_size += size;
}

lc_status lc_result_set(lc_store *store, const void *data, size_t size, lc_error *error) {
  lc_result_clear(store);
  lc_status status = grow(store, size, error);
  if (status == LC_OK)
    append(store, data, size);
  return status;
}

lc_status lc_must_be_there(lc_status status, const char *what, lc_error *error) {
  return status == LC_NOT_FOUND ? lc_fail(error, LC_CORRUPT, "%s is missing that another record names", what) : status;
}

lc_status lc_copy_out(lc_store *store, MDB_txn *txn, lc_table table, lc_key key, lc_error *error) {
  lc_result_clear(store);
  return lc_copy_more(store, txn, table, key, error);
}

lc_status lc_copy_more(lc_store *store, MDB_txn *txn, lc_table table, lc_key key, lc_error *error) {
  MDB_val value;
  int rc = lc_get(store, txn, table, &key, &value);
  lc_status status = lc_store_fail(store, LC_PART_JOURNAL, rc, "cannot read the journal", error);
  if (status == LC_OK && (status = grow(store, value.mv_size, error)) == LC_OK)
    append(store, value.mv_data, value.mv_size);
  return status;
}

lc_status lc_read_one(lc_store *store, lc_table table, lc_key key, lc_error *error) {
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_JOURNAL, &txn, error);
  if (status != LC_OK)
    return status;
  status = lc_copy_out(store, txn, table, key, error);
  lc_end_read(store, LC_PART_JOURNAL);
  return status;
}

lc_status lc_read_identity(lc_store *store, lc_key key, lc_error *error) {
  lc_reader reader = { .txn = NULL };
  MDB_val value;
  lc_result_clear(store);
  if (lc_env_lacks(store->env, LC_TABLE_IDENTITY))
    return lc_fail(error, LC_NOT_FOUND, "an older leadcat wrote no identity");
  lc_status status = lc_env_read(store->env, LC_PART_CONFIG, &reader, error);
  if (status != LC_OK)
    return status;
  int rc = lc_get(store, reader.txn, LC_TABLE_IDENTITY, &key, &value);
  status = rc == 0 ? lc_result_set(store, value.mv_data, value.mv_size, error)
                   : lc_store_fail(store, LC_PART_CONFIG, rc, "cannot read the store's identity", error);
  lc_env_read_end(store->env, LC_PART_CONFIG, &reader);
  lc_env_read_close(store->env, LC_PART_CONFIG, &reader);
  return status;
}

lc_status lc_result_add(lc_store *store, lc_text first, lc_text second, lc_error *error) {
  size_t size = first.size + second.size;
  lc_status status = grow(store, sizeof size + size, error);
  if (status == LC_OK) {
    append(store, &size, sizeof size);
    append(store, first.data, first.size);
    append(store, second.data, second.size);
  }
  return status;
}

lc_text lc_store_result(const lc_store *store) {
  return (lc_text){ store->result, store->result_size };
}

char *lc_store_take_result(lc_store *store, size_t *size) {
  char *bytes = store->result;
  *size = store->result_size;
  store->result = NULL;
  store->result_size = store->result_capacity = 0;
  return bytes;
}

bool lc_list_next(lc_text *list, lc_text *item) {
  if (list->size == 0)
    return false;
  memcpy(&item->size, list->data, sizeof item->size);
  item->data = list->data + sizeof item->size;
  list->data += sizeof item->size + item->size;
  list->size -= sizeof item->size + item->size;
  return true;
}

lc_status lc_scan(lc_store *store, lc_part part, lc_table table, lc_scanner *scanner, void *request, lc_error *error) {
  MDB_txn *txn;
  MDB_cursor *cursor;
  lc_result_clear(store);
  lc_status status = lc_begin_read(store, part, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = mdb_cursor_open(txn, lc_env_table(store->env, table), &cursor);
  if (rc == 0) {
    status = scanner(store, cursor, request, error);
    mdb_cursor_close(cursor);
  } else {
    status = lc_store_fail(store, part, rc, "cannot read the store", error);
  }
  lc_end_read(store, part);
  return status;
}

lc_status lc_end_of_scan(const lc_store *store, lc_part part, int rc, lc_error *error) {
  return rc == MDB_NOTFOUND ? LC_OK : lc_store_fail(store, part, rc, "cannot read the store", error);
}

lc_status lc_list_names(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  lc_name_list *list = request;
  MDB_val key, value;
  lc_status status = LC_OK;
  int rc = lc_seek_company(cursor, &list->tenant, list->after, &key, &value);
  for (; rc == 0 && status == LC_OK && list->limit-- > 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    if (!lc_key_is_prefix(&list->tenant, key))
      break;
    size_t skip = list->tenant.size + 1; /* the tenant, and the size of the name */
    if (value.mv_size != list->size || key.mv_size < skip)
      return lc_fail(error, LC_CORRUPT, "%s", list->damaged);
    lc_text name = { (const char *)key.mv_data + skip, key.mv_size - skip };
    status = lc_result_add(store, lc_text_of(value), name, error);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}
