/* The integrator's own triggers: a name keeps its number for ever, in all tenants. */
#include <string.h>

#include "internal.h"
#include "rules/checksum.h"
#include "store.h"

/* What stands in front of the JSON. A name that is read wrong would give a journal other triggers: so all of it is summed up. */
typedef struct trigger_head {
  uint64_t checksum; /* of the name and of what follows */
  uint64_t number;
} trigger_head;

typedef struct listing {
  lc_triggers *triggers;
  lc_text abouts[LC_OWN_TRIGGERS]; /* valid as long as the transaction */
  uint64_t found;                  /* a bit for each number */
} listing;

static uint64_t checksum_of(lc_text name, uint64_t number, lc_text about) {
  uint64_t sum = lc_checksum(LC_CHECKSUM_START, name.data, name.size);
  sum = lc_checksum(sum, &number, sizeof number);
  return about.size != 0 ? lc_checksum(sum, about.data, about.size) : sum;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Takes a record. False: it is damaged. */
static bool take(listing *list, lc_text name, lc_text value) {
  trigger_head head;
  if (!lc_trigger_name_fits(name) || value.size < sizeof head)
    return false;
  memcpy(&head, value.data, sizeof head);
  lc_text about = { value.data + sizeof head, value.size - sizeof head };
  uint64_t place = head.number - LC_OWN_TRIGGER;
  if (place >= LC_OWN_TRIGGERS || (list->found >> place & 1) != 0 || head.checksum != checksum_of(name, head.number, about))
    return false;
  list->found |= UINT64_C(1) << place;
  list->abouts[place] = about;
  list->triggers->own[place] = (lc_trigger_name){ .size = (uint8_t)name.size };
  memcpy(list->triggers->own[place].text, name.data, name.size);
  list->triggers->count++;
  return true;
}

/* Whether none is missing: they were numbered one after the other. */
static bool is_whole(const listing *list) {
  return (list->found & (list->found + 1)) == 0;
}

static lc_status list_all(const lc_env *env, MDB_txn *txn, listing *list, lc_error *error) {
  MDB_cursor *cursor;
  MDB_val key, value;
  int rc = mdb_cursor_open(txn, lc_env_table(env, LC_TABLE_TRIGGERS), &cursor);
  if (rc != 0)
    return lc_env_fail(env, LC_PART_CONFIG, rc, "cannot read the triggers", error);
  bool sound = true;
  while (sound && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
    sound = take(list, lc_text_of(key), lc_text_of(value));
  mdb_cursor_close(cursor);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return lc_env_fail(env, LC_PART_CONFIG, rc, "cannot read the triggers", error);
  return sound && is_whole(list) ? LC_OK : lc_fail(error, LC_CORRUPT, "the store's list of own triggers is damaged");
}

lc_status lc_read_triggers(const lc_env *env, MDB_txn *txn, lc_triggers *triggers, lc_error *error) {
  lc_triggers read = { .stamp = mdb_txn_id(txn) };
  listing list = { .triggers = &read };
  lc_status status = list_all(env, txn, &list, error);
  if (status == LC_OK)
    *triggers = read;
  return status;
}

lc_status lc_store_triggers(lc_store *store, lc_triggers *triggers, lc_error *error) {
  MDB_txn *txn;
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  status = lc_read_triggers(store->env, txn, triggers, error);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

lc_status lc_store_list_triggers(lc_store *store, lc_error *error) {
  MDB_txn *txn;
  lc_triggers triggers = { .count = 0 };
  listing list = { .triggers = &triggers };
  lc_result_clear(store);
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  status = list_all(store->env, txn, &list, error);
  for (uint32_t i = 0; i < triggers.count && status == LC_OK; i++)
    status = lc_result_add(store, (lc_text){ (const char *)&triggers.own[i], sizeof triggers.own[i] }, list.abouts[i], error);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

int lc_count_triggers(const lc_store *store, MDB_txn *txn, size_t *count) {
  MDB_stat table;
  int rc = mdb_stat(txn, lc_env_table(store->env, LC_TABLE_TRIGGERS), &table);
  *count = rc == 0 ? table.ms_entries : 0;
  return rc;
}

/* ---- declaring ----------------------------------------------------------------------------- */

static int put(const lc_store *store, MDB_txn *txn, const lc_declared *declared, uint64_t number) {
  void *memory;
  trigger_head head = { checksum_of(declared->name, number, declared->about), number };
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, declared->name.data, declared->name.size);
  int rc = lc_reserve(store, txn, LC_TABLE_TRIGGERS, &key, sizeof head + declared->about.size, &memory);
  if (rc != 0)
    return rc;
  memcpy(memory, &head, sizeof head);
  if (declared->about.size != 0)
    memcpy((char *)memory + sizeof head, declared->about.data, declared->about.size);
  return 0;
}

int lc_replace_triggers(const lc_store *store, MDB_txn *txn, const lc_declared *triggers, size_t count) {
  int rc = mdb_drop(txn, lc_env_table(store->env, LC_TABLE_TRIGGERS), 0);
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = put(store, txn, &triggers[i], LC_OWN_TRIGGER + i);
  return rc;
}

static bool is_same(lc_text a, lc_text b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Whether the list has the trigger as it is declared. */
static bool is_listed(const listing *list, const lc_declared *declared) {
  int number = lc_trigger_number(list->triggers, declared->name.data, declared->name.size);
  return number >= 0 && (declared->about.size == 0 || is_same(list->abouts[number - LC_OWN_TRIGGER], declared->about));
}

static bool are_listed(const listing *list, const lc_declared *declared, size_t count) {
  size_t i = 0;
  while (i < count && is_listed(list, &declared[i]))
    i++;
  return i == count;
}

static lc_status write_one(const lc_store *store, MDB_txn *txn, const lc_declared *declared, lc_error *error) {
  lc_triggers triggers = { .count = 0 };
  listing list = { .triggers = &triggers };
  lc_status status = list_all(store->env, txn, &list, error); /* anew: a change may move what was listed before */
  if (status != LC_OK || is_listed(&list, declared))
    return status;
  int number = lc_trigger_number(&triggers, declared->name.data, declared->name.size);
  if (number < 0) {
    number = LC_OWN_TRIGGER + (int)triggers.count;
    status = lc_triggers_add(&triggers, declared->name, error);
  }
  return status != LC_OK ? status
       : lc_store_fail(store, LC_PART_CONFIG, put(store, txn, declared, (uint64_t)number), "cannot write the triggers", error);
}

static lc_status look(lc_store *store, const lc_declared *declared, size_t count, bool *listed, lc_error *error) {
  MDB_txn *txn;
  lc_triggers triggers = { .count = 0 };
  listing list = { .triggers = &triggers };
  lc_status status = lc_begin_read(store, LC_PART_CONFIG, &txn, error);
  if (status != LC_OK)
    return status;
  status = list_all(store->env, txn, &list, error);
  *listed = status == LC_OK && are_listed(&list, declared, count);
  lc_end_read(store, LC_PART_CONFIG);
  return status;
}

lc_status lc_store_declare(lc_store *store, const lc_declared *declared, size_t count, lc_error *error) {
  MDB_txn *txn;
  bool listed;
  lc_status status = look(store, declared, count, &listed, error);
  if (status != LC_OK || listed)
    return status;
  status = lc_check_writable(store, error);
  if (status == LC_OK)
    status = lc_env_write(store->env, LC_PART_CONFIG, false, 0, &txn, error); /* waits its turn, as all that opens a store does */
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = write_one(store, txn, &declared[i], error);
  return lc_end_write(store, LC_PART_CONFIG, txn, status, error);
}
