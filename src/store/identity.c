#define _GNU_SOURCE
#include "identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"
#include "rules/checksum.h"

enum { FORMAT = 5, ID_SIZE = 16, PREFIX_SIZE = 6, PATH_SIZE = 4096 };

/* In LC_TABLE_IDENTITY and LC_TABLE_META: "store" -> the id. In LC_TABLE_META: "format" -> uint32_t; "home" -> uint64_t; "probe" -> double;
 * "epoch:", its first entry -> its name; "last_entry" -> lc_last. */
static const char prefix[PREFIX_SIZE] = "epoch:";

typedef struct identity {
  lc_env *env;
  const char *path;
  uint8_t ids[LC_PARTS][ID_SIZE];
  bool has_id[LC_PARTS];
  uint32_t format; /* 0: none yet */
  uint64_t home;
  uint64_t last;   /* the newest entry */
} identity;

/* ---- reading --------------------------------------------------------------------------------- */

static MDB_val text(const char *name) {
  return (MDB_val){ strlen(name), (void *)(uintptr_t)name };
}

/* Copies up to `size` bytes of a value to `value`, which stays as it is when there is none. */
static int get(const identity *id, MDB_txn *txn, lc_table table, const char *name, void *value, size_t size, bool *found) {
  MDB_val key = text(name), stored;
  int rc = lc_env_lacks(id->env, table) ? MDB_NOTFOUND : mdb_get(txn, lc_env_table(id->env, table), &key, &stored);
  *found = rc == 0;
  if (rc == 0)
    memcpy(value, stored.mv_data, stored.mv_size < size ? stored.mv_size : size);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put(const identity *id, MDB_txn *txn, lc_table table, MDB_val key, const void *value, size_t size) {
  MDB_val stored = { size, (void *)(uintptr_t)value };
  return mdb_put(txn, lc_env_table(id->env, table), &key, &stored, 0);
}

/* What names the file, whatever was done to its contents. */
static uint64_t file_identity(const char *path, const char *file, uint64_t before) {
  char name[PATH_SIZE];
  struct statx data = { 0 };
  snprintf(name, sizeof name, "%s/%s", path, file);
  if (statx(AT_FDCWD, name, 0, STATX_INO | STATX_BTIME, &data) != 0)
    return before;
  const uint64_t parts[] = { data.stx_ino, (uint64_t)data.stx_btime.tv_sec, data.stx_btime.tv_nsec };
  return lc_checksum(before, parts, sizeof parts);
}

static uint64_t home_of(const char *path) {
  return file_identity(path, "owners.lock", file_identity(path, lc_part_files[LC_PART_JOURNAL], LC_CHECKSUM_START));
}

static int read_config(identity *id, MDB_txn *txn) {
  return get(id, txn, LC_TABLE_IDENTITY, "store", id->ids[LC_PART_CONFIG], ID_SIZE, &id->has_id[LC_PART_CONFIG]);
}

static int read_journal(identity *id, MDB_txn *txn) {
  bool found;
  int rc = get(id, txn, LC_TABLE_META, "format", &id->format, sizeof id->format, &found);
  if (rc == 0)
    rc = get(id, txn, LC_TABLE_META, "store", id->ids[LC_PART_JOURNAL], ID_SIZE, &id->has_id[LC_PART_JOURNAL]);
  if (rc == 0)
    rc = get(id, txn, LC_TABLE_META, "home", &id->home, sizeof id->home, &found);
  return rc != 0 ? rc : get(id, txn, LC_TABLE_META, "last_entry", &id->last, sizeof id->last, &found);
}

static lc_status read_part(identity *id, lc_part part, int read(identity *, MDB_txn *), lc_error *error) {
  lc_reader reader = { .txn = NULL };
  lc_status status = lc_env_read(id->env, part, &reader, error);
  if (status != LC_OK)
    return status;
  int rc = read(id, reader.txn);
  lc_env_read_end(id->env, part, &reader);
  lc_env_read_close(id->env, part, &reader);
  return lc_env_fail(id->env, part, rc, "cannot read whose store this is", error);
}

/* The config gets its id first, so a journal with an id has one beside it. */
static lc_status check(const identity *id, lc_error *error) {
  if (id->format > FORMAT)
    return lc_fail(error, LC_CORRUPT, "the store has format %u and this leadcat knows up to %d: use a newer leadcat",
                   (unsigned)id->format, FORMAT);
  bool same = memcmp(id->ids[LC_PART_CONFIG], id->ids[LC_PART_JOURNAL], ID_SIZE) == 0;
  if (id->has_id[LC_PART_JOURNAL] && !(id->has_id[LC_PART_CONFIG] && same))
    return lc_fail(error, LC_CORRUPT, "config.mdb and journal.mdb in %s belong to different stores: put both files of one "
                   "backup there", id->path);
  return LC_OK;
}

/* ---- what an older leadcat wrote ------------------------------------------------------------- */

/* A claim of format 1: its times were times of day. */
typedef struct claim_1 {
  uint64_t entry, owner;
  double deadline, retry_at;
  uint32_t attempts, begun;
} claim_1;

static int renew_claim(MDB_cursor *cursor, MDB_val key, MDB_val value) {
  claim_1 old;
  if (value.mv_size != sizeof old)
    return 0; /* damaged: it stays, to be reported */
  memcpy(&old, value.mv_data, sizeof old);
  lc_claim claim = { .entry = old.entry, .attempts = old.attempts, .begun = old.begun };
  MDB_val renewed = { sizeof claim, &claim };
  return mdb_cursor_put(cursor, &key, &renewed, MDB_CURRENT);
}

static int renew_claims(const identity *id, MDB_txn *txn) {
  MDB_cursor *cursor;
  MDB_val key, value;
  int rc = mdb_cursor_open(txn, lc_env_table(id->env, LC_TABLE_APPLYING), &cursor);
  if (rc != 0)
    return rc;
  while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0 && (rc = renew_claim(cursor, key, value)) == 0)
    ;
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Formats before 2 had only the number, and those before 5 had nothing behind the time. */
static int renew_last(const identity *id, MDB_txn *txn) {
  lc_last last = { .written = (double)id->last / 1000 };
  bool found;
  int rc = get(id, txn, LC_TABLE_META, "last_entry", &last, sizeof last, &found);
  return rc != 0 || !found ? rc : put(id, txn, LC_TABLE_META, text("last_entry"), &last, sizeof last);
}

static int upgrade(const identity *id, MDB_txn *txn) {
  const uint32_t format = FORMAT;
  int rc = id->format == 1 ? renew_claims(id, txn) : 0;
  if (rc == 0 && id->format < 5)
    rc = renew_last(id, txn);
  if (rc == 0 && id->format < 5)
    rc = lc_begin_counting(id->env, txn, id->last);
  return rc != 0 ? rc : put(id, txn, LC_TABLE_META, text("format"), &format, sizeof format);
}

/* ---- writing --------------------------------------------------------------------------------- */

static lc_status random_name(char name[LC_EPOCH_SIZE], lc_error *error) {
  static const char digits[32] = "0123456789abcdefghjkmnpqrstvwxyz";
  uint8_t bytes[LC_EPOCH_SIZE];
  lc_status status = lc_random(bytes, sizeof bytes, error);
  for (int i = 0; i < LC_EPOCH_SIZE && status == LC_OK; i++)
    name[i] = digits[bytes[i] % sizeof digits];
  return status;
}

static int put_epoch(const identity *id, MDB_txn *txn, uint64_t first, const char *name) {
  lc_key key = { .size = 0 };
  lc_key_add_bytes(&key, prefix, sizeof prefix);
  lc_key_add_number(&key, first);
  return put(id, txn, LC_TABLE_META, lc_key_value(&key), name, LC_EPOCH_SIZE);
}

static int write_journal(const identity *id, MDB_txn *txn, const char *epoch) {
  uint64_t home = home_of(id->path);
  int rc = id->format < FORMAT ? upgrade(id, txn) : 0;
  if (rc == 0)
    rc = put_epoch(id, txn, id->has_id[LC_PART_JOURNAL] ? id->last + 1 : 0, epoch);
  if (rc == 0)
    rc = put(id, txn, LC_TABLE_META, text("store"), id->ids[LC_PART_CONFIG], ID_SIZE);
  return rc != 0 ? rc : put(id, txn, LC_TABLE_META, text("home"), &home, sizeof home);
}

/* Writes in a transaction of its own. */
static lc_status write_in(const identity *id, int write(const identity *, MDB_txn *, const char *), const char *epoch, lc_error *error) {
  MDB_txn *txn;
  lc_status status = lc_env_write(id->env, LC_PART_JOURNAL, false, 0, &txn, error);
  if (status != LC_OK)
    return status;
  status = lc_env_fail(id->env, LC_PART_JOURNAL, write(id, txn, epoch), "cannot write whose store this is", error);
  if (status == LC_OK)
    return lc_env_commit(id->env, LC_PART_JOURNAL, txn, error);
  lc_env_abort(id->env, LC_PART_JOURNAL, txn);
  return status;
}

static lc_status begin_epoch(const identity *id, lc_error *error) {
  char name[LC_EPOCH_SIZE];
  lc_status status = random_name(name, error);
  if (status == LC_OK)
    status = write_in(id, write_journal, name, error);
  if (status == LC_OK)
    lc_env_begun_anew(id->env);
  return status;
}

static int raise_format(const identity *id, MDB_txn *txn, const char *epoch) {
  (void)epoch; /* it stays */
  return upgrade(id, txn);
}

static lc_status name_config(identity *id, lc_error *error) {
  MDB_txn *txn;
  uint8_t *own = id->ids[LC_PART_CONFIG];
  lc_status status = lc_random(own, ID_SIZE, error);
  if (status == LC_OK)
    status = lc_env_write(id->env, LC_PART_CONFIG, false, 0, &txn, error);
  if (status != LC_OK)
    return status;
  int rc = put(id, txn, LC_TABLE_IDENTITY, text("store"), own, ID_SIZE);
  status = lc_env_fail(id->env, LC_PART_CONFIG, rc, "cannot write whose store this is", error);
  if (status == LC_OK)
    return lc_env_commit(id->env, LC_PART_CONFIG, txn, error);
  lc_env_abort(id->env, LC_PART_CONFIG, txn);
  return status;
}

bool lc_has_old_form(lc_env *env, MDB_txn *txn) {
  identity id = { .env = env };
  return read_journal(&id, txn) == 0 && id.format != 0 && id.format < FORMAT;
}

static bool is_at_home(const identity *id) {
  return id->has_id[LC_PART_JOURNAL] && id->home == home_of(id->path) && !lc_env_went_back(id->env);
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static lc_status add_epoch(lc_epochs *epochs, MDB_val key, MDB_val value, lc_error *error) {
  if (key.mv_size != PREFIX_SIZE + 8 || value.mv_size != LC_EPOCH_SIZE)
    return lc_fail(error, LC_CORRUPT, "the store's epochs are damaged");
  lc_epoch epoch = { .first = lc_key_number(key) };
  memcpy(epoch.name, value.mv_data, LC_EPOCH_SIZE);
  return lc_epochs_add(epochs, epoch, error);
}

static lc_status list_epochs(const identity *id, MDB_txn *txn, lc_epochs *epochs, lc_error *error) {
  MDB_cursor *cursor;
  MDB_val key = { PREFIX_SIZE, (void *)(uintptr_t)prefix }, value;
  lc_status status = LC_OK;
  int rc = mdb_cursor_open(txn, lc_env_table(id->env, LC_TABLE_META), &cursor);
  if (rc != 0)
    return lc_env_fail(id->env, LC_PART_JOURNAL, rc, "cannot read the store's epochs", error);
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (rc == 0 && status == LC_OK && key.mv_size >= PREFIX_SIZE && memcmp(key.mv_data, prefix, PREFIX_SIZE) == 0) {
    status = add_epoch(epochs, key, value, error);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (status == LC_OK && (epochs->count == 0 || epochs->list[0].first != 0))
    return lc_fail(error, LC_CORRUPT, "the store's epochs are damaged");
  return status;
}

static lc_status read_epochs(const identity *id, lc_epochs *epochs, lc_error *error) {
  lc_reader reader = { .txn = NULL };
  lc_status status = lc_env_read(id->env, LC_PART_JOURNAL, &reader, error);
  if (status != LC_OK)
    return status;
  status = list_epochs(id, reader.txn, epochs, error);
  lc_env_read_end(id->env, LC_PART_JOURNAL, &reader);
  lc_env_read_close(id->env, LC_PART_JOURNAL, &reader);
  if (status != LC_OK)
    lc_epochs_free(epochs);
  return status;
}

/* A store that is only read: it keeps its epochs, also where it is a copy. */
static lc_status check_and_read(const identity *id, lc_error *error) {
  bool current = id->format == FORMAT;
  for (int table = 0; table < LC_TABLES; table++)
    current = current && !lc_env_lacks(id->env, (lc_table)table);
  return current ? read_epochs(id, lc_env_epochs(id->env), error)
       : lc_fail(error, LC_READONLY, "%s has the form of an older leadcat. It is brought into today's when it is opened to be "
                 "written: let it be, or a copy of it", id->path);
}

static lc_status identify(lc_env *env, const char *path, lc_error *error) {
  identity id = { .env = env, .path = path };
  lc_status status = read_part(&id, LC_PART_CONFIG, read_config, error);
  if (status == LC_OK)
    status = read_part(&id, LC_PART_JOURNAL, read_journal, error);
  if (status == LC_OK)
    status = check(&id, error);
  if (lc_env_check_writable(env, NULL) != LC_OK)
    return status == LC_OK ? check_and_read(&id, error) : status;
  if (status == LC_OK)
    status = lc_env_settle(env, error);
  if (status == LC_OK && !id.has_id[LC_PART_CONFIG])
    status = name_config(&id, error);
  if (status == LC_OK && !is_at_home(&id))
    status = begin_epoch(&id, error);
  else if (status == LC_OK && id.format < FORMAT)
    status = write_in(&id, raise_format, NULL, error);
  return status == LC_OK ? read_epochs(&id, lc_env_epochs(env), error) : status;
}

lc_status lc_identify(lc_env *env, const char *path, lc_error *error) {
  lc_env_lock(env);
  lc_status status = lc_env_epochs(env)->count == 0 ? identify(env, path, error) : LC_OK;
  lc_env_unlock(env);
  return status;
}
