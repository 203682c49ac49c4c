#include "delivery.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { VERSION = 1, TAKEN_MAX = 4 << 20 /* bytes of deliveries that one call takes, about */ };

const char *const lc_delivery_state_names[LC_DELIVERY_STATES] = {
  [LC_DELIVERY_WAITING] = "waiting", [LC_DELIVERY_DONE] = "done", [LC_DELIVERY_FAILED] = "failed",
  [LC_DELIVERY_DROPPED] = "dropped",
};

/* ---- records ----------------------------------------------------------------------------- */

/* It has no padding: every byte that reaches the disk is set. */
typedef struct delivery_head {
  uint8_t version, state, hook_size, sender_id_size;
  uint32_t attempts;
  uint64_t id;
  double received, due;
  uint8_t key[LC_DELIVERY_KEY_SIZE];
  uint32_t about_size, problem_size, body_size, spare;
} delivery_head;

_Static_assert(sizeof(delivery_head) == 64, "delivery_head has padding");

size_t lc_delivery_size(const lc_delivery *d) {
  return sizeof(delivery_head) + d->hook.size + d->sender_id.size + d->about.size + d->problem.size + d->body.size;
}

static char *put_text(char *at, lc_text text) {
  if (text.size != 0)
    memcpy(at, text.data, text.size);
  return at + text.size;
}

static void pack_head(const lc_delivery *d, void *memory) {
  delivery_head head = {
    .version = VERSION, .state = (uint8_t)d->state, .hook_size = (uint8_t)d->hook.size,
    .sender_id_size = (uint8_t)d->sender_id.size, .attempts = d->attempts, .id = d->id, .received = d->received, .due = d->due,
    .about_size = (uint32_t)d->about.size, .problem_size = (uint32_t)d->problem.size, .body_size = (uint32_t)d->body.size,
  };
  memcpy(head.key, d->key, sizeof head.key);
  memcpy(memory, &head, sizeof head);
}

void lc_delivery_pack(const lc_delivery *d, void *memory) {
  pack_head(d, memory);
  char *at = put_text((char *)memory + sizeof(delivery_head), d->hook);
  at = put_text(at, d->sender_id);
  at = put_text(at, d->about);
  at = put_text(at, d->problem);
  put_text(at, d->body);
}

static lc_text take_text(const char **at, size_t size) {
  lc_text text = { size != 0 ? *at : NULL, size };
  *at += size;
  return text;
}

static bool is_sound(const delivery_head *head, size_t size) {
  uint64_t texts = (uint64_t)head->hook_size + head->sender_id_size + head->about_size + head->problem_size + head->body_size;
  return head->version == VERSION && head->state < LC_DELIVERY_STATES && head->hook_size != 0 && head->hook_size <= LC_HOOK_MAX
      && size == sizeof *head + texts;
}

lc_status lc_delivery_unpack(const void *bytes, size_t size, lc_delivery *d, lc_error *error) {
  delivery_head head = { .version = 0 };
  if (size >= sizeof head)
    memcpy(&head, bytes, sizeof head);
  if (size < sizeof head || !is_sound(&head, size))
    return lc_fail(error, LC_CORRUPT, "a delivery is damaged");
  const char *at = (const char *)bytes + sizeof head;
  *d = (lc_delivery){ .id = head.id, .received = head.received, .due = head.due, .attempts = head.attempts,
                      .state = (lc_delivery_state)head.state };
  memcpy(d->key, head.key, sizeof d->key);
  d->hook = take_text(&at, head.hook_size);
  d->sender_id = take_text(&at, head.sender_id_size);
  d->about = take_text(&at, head.about_size);
  d->problem = take_text(&at, head.problem_size);
  d->body = take_text(&at, head.body_size);
  return LC_OK;
}

/* ---- keys -------------------------------------------------------------------------------- */

static lc_key known_key(const lc_writer *w, const lc_delivery *d) {
  lc_key key = w->tenant;
  lc_key_add_bytes(&key, d->key, sizeof d->key);
  return key;
}

static lc_key hook_key(const lc_key *tenant, lc_text hook) {
  lc_key key = *tenant;
  lc_key_add_text(&key, hook);
  return key;
}

lc_key lc_key_of_waiting(const lc_key *tenant, const lc_delivery *d) {
  lc_key key = hook_key(tenant, d->hook);
  lc_key_add_number(&key, lc_milliseconds(d->due));
  lc_key_add_number(&key, d->id);
  return key;
}

static int put_record(const lc_writer *w, const lc_delivery *d) {
  lc_key key = lc_key_of_entry(&w->tenant, d->id);
  void *memory;
  int rc = lc_reserve(w->store, w->txn, LC_TABLE_DELIVERIES, &key, lc_delivery_size(d), &memory);
  if (rc == 0)
    lc_delivery_pack(d, memory);
  return rc;
}

static int put_waiting(const lc_writer *w, const lc_delivery *d) {
  lc_key key = lc_key_of_waiting(&w->tenant, d);
  return d->state == LC_DELIVERY_WAITING ? lc_put(w->store, w->txn, LC_TABLE_WAITING, &key, NULL, 0) : 0;
}

static int remove_waiting(const lc_writer *w, const lc_delivery *d) {
  lc_key key = lc_key_of_waiting(&w->tenant, d);
  return d->state == LC_DELIVERY_WAITING ? lc_delete(w->store, w->txn, LC_TABLE_WAITING, &key) : 0;
}

static lc_writer writer_of(lc_store *store, lc_text tenant, double now) {
  return (lc_writer){ .store = store, .tenant = lc_key_of(tenant), .now = now, .log = LC_LOG_DELIVERIES };
}

/* ---- receiving --------------------------------------------------------------------------- */

static int is_room(const lc_writer *w, size_t most, bool *room) {
  MDB_cursor *cursor;
  lc_key from = w->tenant;
  MDB_val key = lc_key_value(&from), value;
  size_t count = 0;
  int rc = mdb_cursor_open(w->txn, lc_env_table(w->store->env, LC_TABLE_WAITING), &cursor);
  if (rc != 0)
    return rc;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  for (; rc == 0 && count < most && lc_key_is_prefix(&w->tenant, key); count++)
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  mdb_cursor_close(cursor);
  *room = count < most;
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int lc_put_delivery(lc_writer *w, const lc_delivery *d) {
  lc_key known = known_key(w, d);
  w->added++;
  int rc = put_record(w, d);
  if (rc == 0)
    rc = put_waiting(w, d);
  return rc != 0 ? rc : lc_put(w->store, w->txn, LC_TABLE_DELIVERED, &known, &d->id, sizeof d->id);
}

static int put_new(lc_writer *w, lc_delivery *d) {
  lc_entry numbered = { .id = 0 };
  lc_number_entry(w, &numbered);
  d->id = numbered.id;
  d->received = d->due = w->now;
  d->attempts = 0;
  d->state = LC_DELIVERY_WAITING;
  return lc_put_delivery(w, d);
}

static lc_status put_if_new(lc_writer *w, lc_delivery *d, size_t most, bool *is_new, lc_error *error) {
  lc_key known = known_key(w, d);
  bool room = true;
  int rc = lc_get_record(w->store, w->txn, LC_TABLE_DELIVERED, &known, &d->id, sizeof d->id);
  *is_new = rc == MDB_NOTFOUND;
  if (*is_new)
    rc = is_room(w, most, &room);
  if (!room)
    return lc_fail(error, LC_UNAVAILABLE, "%zu deliveries wait already: is there nobody who handles them?", most);
  return lc_writer_fail(w, rc == 0 && *is_new ? put_new(w, d) : rc, error);
}

lc_status lc_store_put_delivery(lc_store *store, lc_text tenant, lc_delivery *d, double now, size_t most, bool *is_new,
                                lc_error *error) {
  lc_writer w = writer_of(store, tenant, now);
  lc_status status = lc_writer_begin(&w, error);
  if (status != LC_OK)
    return status;
  status = put_if_new(&w, d, most, is_new, error);
  if (status == LC_OK && !*is_new) { /* nothing to commit */
    lc_env_abort(store->env, LC_PART_JOURNAL, w.txn);
    return LC_OK;
  }
  return lc_writer_end(&w, status, error);
}

/* ---- taking ------------------------------------------------------------------------------ */

/* The first of the hook's that is due: its key; MDB_NOTFOUND. */
static int find_due(const lc_writer *w, lc_text hook, lc_key *found) {
  const lc_key prefix = hook_key(&w->tenant, hook);
  MDB_val key, value;
  int rc = lc_get_first(w->store, w->txn, LC_TABLE_WAITING, &prefix, &key, &value);
  if (rc != 0)
    return rc;
  if (!lc_is_overdue(&prefix, key, w->now))
    return MDB_NOTFOUND;
  found->size = 0;
  lc_key_add_bytes(found, key.mv_data, key.mv_size);
  return 0;
}

/* What is left of one that is damaged or missing: it has failed, with the bytes as its body, so that it holds up no other and somebody
 * sees it. */
static lc_delivery remains_of(lc_text bytes, uint64_t id, lc_text hook, double now) {
  static const char problem[] = "its record was damaged: the body is what is left of it";
  lc_delivery d = { .id = id, .received = now, .state = LC_DELIVERY_FAILED, .hook = hook, .body = bytes,
                    .problem = { problem, sizeof problem - 1 } };
  if (bytes.size >= sizeof(delivery_head)) /* so that its mark goes when it does */
    memcpy(d.key, bytes.data + offsetof(delivery_head, key), sizeof d.key);
  return d;
}

/* What the bytes are that the list of those that wait names. */
static lc_delivery taken_of(lc_text bytes, uint64_t id, lc_text hook, double now, double seconds) {
  lc_delivery d = { .id = 0 };
  if (lc_delivery_unpack(bytes.data, bytes.size, &d, NULL) != LC_OK || d.id != id || d.state != LC_DELIVERY_WAITING)
    return remains_of(bytes, id, hook, now);
  d.attempts++;
  d.due = now + seconds;
  return d;
}

/* Puts it, and copies it out. Its texts may be in the record that it replaces. */
static lc_status put_taken(const lc_writer *w, const lc_delivery *d, lc_error *error) {
  lc_key key = lc_key_of_entry(&w->tenant, d->id);
  size_t size = lc_delivery_size(d);
  void *packed = malloc(size);
  if (packed == NULL)
    return lc_no_memory(error);
  lc_delivery_pack(d, packed);
  lc_status status = lc_result_add(w->store, (lc_text){ packed, size }, (lc_text){ NULL, 0 }, error);
  int rc = status == LC_OK ? lc_put(w->store, w->txn, LC_TABLE_DELIVERIES, &key, packed, size) : 0;
  free(packed);
  return status != LC_OK ? status : lc_writer_fail(w, rc, error);
}

static lc_status take(const lc_writer *w, lc_text hook, lc_key *waiting, double seconds, lc_error *error) {
  uint64_t id = lc_key_number(lc_key_value(waiting));
  lc_key key = lc_key_of_entry(&w->tenant, id);
  MDB_val value = { 0, NULL };
  int rc = lc_delete(w->store, w->txn, LC_TABLE_WAITING, waiting);
  if (rc == 0)
    rc = lc_get(w->store, w->txn, LC_TABLE_DELIVERIES, &key, &value);
  if (rc != 0 && rc != MDB_NOTFOUND)
    return lc_writer_fail(w, rc, error);
  lc_delivery d = taken_of(lc_text_of(value), id, hook, w->now, seconds);
  lc_status status = put_taken(w, &d, error);
  return status != LC_OK ? status : lc_writer_fail(w, put_waiting(w, &d), error);
}

static lc_status take_some(const lc_writer *w, lc_text hook, double seconds, size_t limit, lc_error *error) {
  lc_status status = LC_OK;
  lc_key found;
  int rc = 0;
  for (size_t i = 0; i < limit && status == LC_OK && rc == 0 && w->store->result_size < TAKEN_MAX; i++) {
    rc = find_due(w, hook, &found);
    if (rc == 0)
      status = take(w, hook, &found, seconds, error);
  }
  return status != LC_OK || rc == MDB_NOTFOUND ? status : lc_writer_fail(w, rc, error);
}

/* Asks in a read transaction whether there is anything to take. */
static lc_status is_any_due(lc_writer *w, lc_text hook, bool *due, lc_error *error) {
  lc_key found;
  lc_status status = lc_begin_read(w->store, LC_PART_JOURNAL, &w->txn, error);
  if (status != LC_OK)
    return status;
  int rc = find_due(w, hook, &found);
  lc_end_read(w->store, LC_PART_JOURNAL);
  *due = rc == 0;
  return rc == MDB_NOTFOUND ? LC_OK : lc_store_fail(w->store, LC_PART_JOURNAL, rc, "cannot read the deliveries", error);
}

lc_status lc_store_take_deliveries(lc_store *store, lc_text tenant, lc_text hook, double now, double seconds, size_t limit,
                                   lc_error *error) {
  lc_writer w = writer_of(store, tenant, now);
  bool due = false;
  lc_result_clear(store);
  lc_status status = is_any_due(&w, hook, &due, error);
  if (status != LC_OK || !due)
    return status;
  status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  status = take_some(&w, hook, seconds, limit, error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}

/* ---- ending ------------------------------------------------------------------------------ */

static bool is_as_expected(const lc_delivery *d, const lc_delivery_end *end) {
  if (end->attempts != 0)
    return d->state == LC_DELIVERY_WAITING && d->attempts == end->attempts;
  return d->state == LC_DELIVERY_FAILED || (d->state == LC_DELIVERY_WAITING && !end->of_failed);
}

/* What the delivery is now; its texts may be those of `end`. */
static void change(lc_delivery *d, const lc_delivery_end *end) {
  if (end->state == LC_DELIVERY_WAITING && d->state == LC_DELIVERY_FAILED)
    d->attempts = 0;
  if (end->erases || end->state == LC_DELIVERY_DONE || end->state == LC_DELIVERY_DROPPED)
    d->about.size = d->body.size = 0;
  if (end->erases)
    d->sender_id.size = 0;
  d->state = end->state;
  d->due = end->state == LC_DELIVERY_WAITING ? end->due : 0;
  d->problem = end->problem;
}

static lc_status end_one(const lc_writer *w, lc_delivery_end *end, lc_error *error) {
  lc_delivery d;
  lc_status status = lc_copy_out(w->store, w->txn, LC_TABLE_DELIVERIES, lc_key_of_entry(&w->tenant, end->id), error);
  end->lost = status == LC_NOT_FOUND;
  if (status != LC_OK)
    return end->lost ? LC_OK : status;
  status = lc_delivery_unpack(w->store->result, w->store->result_size, &d, error);
  end->lost = status == LC_OK && !is_as_expected(&d, end);
  if (status != LC_OK || end->lost)
    return status;
  int rc = remove_waiting(w, &d);
  change(&d, end);
  if (rc == 0)
    rc = put_record(w, &d);
  return lc_writer_fail(w, rc != 0 ? rc : put_waiting(w, &d), error);
}

lc_status lc_store_end_deliveries(lc_store *store, lc_text tenant, lc_delivery_end *ends, size_t count, lc_error *error) {
  lc_writer w = writer_of(store, tenant, 0);
  lc_status status = lc_begin_write(store, LC_PART_JOURNAL, &w.txn, error);
  if (status != LC_OK)
    return status;
  for (size_t i = 0; i < count && status == LC_OK; i++)
    status = end_one(&w, &ends[i], error);
  return lc_end_write(store, LC_PART_JOURNAL, w.txn, status, error);
}

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct page {
  lc_key tenant;
  const lc_delivery_query *query;
} page;

static bool is_asked_for(const lc_delivery *d, const lc_delivery_query *query) {
  lc_text hook = query->hook;
  return (query->states >> d->state & 1) != 0
      && (hook.size == 0 || (hook.size == d->hook.size && memcmp(hook.data, d->hook.data, hook.size) == 0));
}

/* Adds it without its body, which comes last in the record. */
static lc_status add(lc_store *store, lc_delivery *d, MDB_val value, lc_error *error) {
  char head[sizeof(delivery_head)];
  size_t texts = value.mv_size - sizeof head - d->body.size;
  d->body.size = 0;
  pack_head(d, head);
  return lc_result_add(store, (lc_text){ head, sizeof head }, (lc_text){ (char *)value.mv_data + sizeof head, texts }, error);
}

static lc_status list(lc_store *store, MDB_cursor *cursor, void *request, lc_error *error) {
  const page *p = request;
  MDB_val key, value;
  lc_delivery d;
  lc_status status = LC_OK;
  size_t left = p->query->limit;
  int rc = lc_seek_before(cursor, &p->tenant, p->query->after != 0 ? p->query->after : UINT64_MAX, &key, &value);
  while (rc == 0 && status == LC_OK && left > 0) {
    status = lc_delivery_unpack(value.mv_data, value.mv_size, &d, error);
    if (status == LC_OK && is_asked_for(&d, p->query)) {
      status = add(store, &d, value, error);
      left--;
    }
    rc = lc_seek_previous(cursor, &p->tenant, &key, &value);
  }
  return status != LC_OK ? status : lc_end_of_scan(store, LC_PART_JOURNAL, rc, error);
}

lc_status lc_store_deliveries(lc_store *store, lc_text tenant, const lc_delivery_query *query, lc_error *error) {
  page p = { lc_key_of(tenant), query };
  return lc_scan(store, LC_PART_JOURNAL, LC_TABLE_DELIVERIES, list, &p, error);
}

lc_status lc_store_delivery(lc_store *store, lc_text tenant, uint64_t id, lc_error *error) {
  const lc_key key = lc_key_of(tenant);
  return lc_read_one(store, LC_TABLE_DELIVERIES, lc_key_of_entry(&key, id), error);
}
