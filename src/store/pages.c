#define _GNU_SOURCE
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page_format.h"

/* ---- the format of the file ---------------------------------------------------------------- */

enum {
  DEEPEST = 32, /* the levels that LMDB allows for a tree */
  MOST_PROBLEMS = 20,
  MOST_TRIES = 5
};

static const uint32_t magic = 0xBEEFC0DE, version = 1;
static const uint64_t no_page = UINT64_MAX;

_Static_assert(sizeof(page_head) == HEAD && sizeof(node_head) == NODE, "LMDB's heads");
_Static_assert(HEAD + offsetof(meta, txn) == LC_META_TXN, "the place of the transaction's number");
_Static_assert(sizeof(table) == 48 && sizeof(meta) == 136, "LMDB's records");

/* ---- pages and nodes ---------------------------------------------------------------------- */

typedef struct checker {
  const char *name;  /* of the file */
  const char *where; /* the table */
  int file;
  size_t page_size;
  uint64_t pages;      /* their number in the file */
  uint64_t last;       /* the highest page; one that was never written may be behind the end of the file */
  unsigned char *seen; /* a bit for each page: it is in a tree, or free */
  unsigned problems;
  char found[MOST_PROBLEMS][400];
} checker;

typedef struct page {
  page_head head;
  unsigned char *bytes;
} page;

__attribute__((format(printf, 2, 3))) static bool problem(checker *c, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (c->problems < MOST_PROBLEMS)
    snprintf(c->found[c->problems], sizeof c->found[0], "%s, %s: %s", c->name, c->where, text);
  c->problems++;
  return false;
}

static bool take_place(checker *c, uint64_t number, uint64_t count) {
  if (number >= c->pages || count > c->pages - number)
    return problem(c, "page %llu is beyond the end", (unsigned long long)number);
  for (uint64_t i = number; i < number + count; i++) {
    if ((c->seen[i / 8] & 1U << i % 8) != 0)
      return problem(c, "page %llu has two places", (unsigned long long)i);
    c->seen[i / 8] |= (unsigned char)(1U << i % 8);
  }
  return true;
}

static bool read_page(checker *c, uint64_t number, unsigned kinds, page *p) {
  if (number >= c->pages)
    return problem(c, "page %llu is beyond the end", (unsigned long long)number);
  if (pread(c->file, p->bytes, c->page_size, (off_t)(number * c->page_size)) != (ssize_t)c->page_size)
    return problem(c, "page %llu cannot be read", (unsigned long long)number);
  memcpy(&p->head, p->bytes, sizeof p->head);
  if (p->head.number != number || p->head.flags == 0 || (p->head.flags & ~kinds) != 0)
    return problem(c, "page %llu is damaged", (unsigned long long)number);
  return true;
}

/* The number of nodes of a branch or leaf, or -1. */
static int count_nodes(checker *c, const page *p) {
  const page_head *head = &p->head;
  if (head->lower < HEAD || head->lower > head->upper || head->upper > c->page_size || (head->lower - HEAD) % 2 != 0) {
    problem(c, "page %llu is damaged", (unsigned long long)head->number);
    return -1;
  }
  return (head->lower - HEAD) / 2;
}

/* Gets the i-th node, if all of it is on its page. `value` is the number of bytes it has there behind the key. */
static bool get_node(checker *c, const page *p, int i, node_head *node, const unsigned char **key, size_t *value) {
  uint16_t at;
  memcpy(&at, p->bytes + HEAD + 2 * i, sizeof at);
  if (at < p->head.upper || (size_t)at + NODE > c->page_size)
    return problem(c, "page %llu has a node out of place", (unsigned long long)p->head.number);
  memcpy(node, p->bytes + at, sizeof *node);
  *key = p->bytes + at + NODE;
  *value = 0;
  if ((p->head.flags & LEAF) != 0)
    *value = (node->flags & BIG) != 0 ? sizeof(uint64_t) : (size_t)node->low | (size_t)node->high << 16;
  if ((size_t)at + NODE + node->key_size + *value > c->page_size)
    return problem(c, "page %llu has a node that is too long", (unsigned long long)p->head.number);
  return true;
}

static int compare(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size) {
  int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
  return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* ---- the free pages ------------------------------------------------------------------------ */

/* A record of the free list: a count, then that many page numbers, highest first. LMDB will overwrite these pages, so none may
 * be in use. */
static bool take_free(checker *c, const unsigned char *list, size_t size) {
  uint64_t count = 0, number, above = no_page;
  if (size >= sizeof count)
    memcpy(&count, list, sizeof count);
  if (size < sizeof count || count > size / sizeof number - 1)
    return problem(c, "a list of them is damaged");
  for (uint64_t i = 1; i <= count; i++, above = number) {
    memcpy(&number, list + i * sizeof number, sizeof number);
    if (number >= above)
      return problem(c, "a list of them is out of order");
    if (number > c->last)
      return problem(c, "page %llu is beyond the end", (unsigned long long)number);
    if (number < c->pages && !take_place(c, number, 1))
      return false;
  }
  return true;
}

/* The same for a record on overflow pages that have been checked; `value` is the number of the first. */
static bool take_long_free(checker *c, const unsigned char *value, size_t size) {
  unsigned char *list = malloc(size);
  uint64_t number;
  memcpy(&number, value, sizeof number);
  bool sound = list != NULL && pread(c->file, list, size, (off_t)(number * c->page_size) + HEAD) == (ssize_t)size;
  sound = sound ? take_free(c, list, size) : problem(c, "page %llu cannot be read", (unsigned long long)number);
  free(list);
  return sound;
}

/* ---- the trees ----------------------------------------------------------------------------- */

/* Counts in `found` what is in the tree, to compare with the table's record. */
static bool check_tree(checker *c, const table *t, uint64_t number, int level, table *found);

static bool check_overflow(checker *c, const unsigned char *value, size_t size, table *found) {
  page first = { .bytes = malloc(c->page_size) };
  uint64_t number, need = (HEAD + size - 1) / c->page_size + 1;
  uint32_t count;
  memcpy(&number, value, sizeof number);
  bool sound = first.bytes != NULL && read_page(c, number, OVERFLOWS, &first);
  if (sound) {
    memcpy(&count, first.bytes + offsetof(page_head, lower), sizeof count);
    sound = (count >= need || problem(c, "overflow page %llu has the wrong size", (unsigned long long)number))
         && take_place(c, number, count);
    found->overflows += count;
  }
  free(first.bytes);
  return sound;
}

static void check_table(checker *c, const table *t) {
  table found = { 0 };
  if (t->root == no_page && t->entries == 0)
    return;
  if (t->depth == 0 || t->depth > DEEPEST) {
    problem(c, "its record is damaged");
    return;
  }
  if (check_tree(c, t, t->root, 1, &found)
      && (found.entries != t->entries || found.branches != t->branches || found.leaves != t->leaves
          || found.overflows != t->overflows))
    problem(c, "it does not have as many entries and pages as its record says");
}

/* A named table: its name is the key, its record the value. */
static void check_named(checker *c, const unsigned char *key, size_t key_size, const unsigned char *value, size_t size) {
  char name[64];
  const char *where = c->where;
  table t = { .flags = UINT16_MAX }; /* leadcat's tables have no flags */
  snprintf(name, sizeof name, "table %.*s", (int)(key_size < 40 ? key_size : 40), (const char *)key);
  c->where = name;
  if (size == sizeof t)
    memcpy(&t, value, sizeof t);
  if (t.flags != 0 || t.pad != 0)
    problem(c, "its record is damaged");
  else
    check_table(c, &t);
  c->where = where;
}

/* What a node of a leaf refers to: overflow pages, free pages, a table. */
static bool check_node(checker *c, bool is_free, const node_head *node, const unsigned char *key, size_t value, table *found) {
  const unsigned char *content = key + node->key_size;
  size_t size = (size_t)node->low | (size_t)node->high << 16;
  if ((node->flags & BIG) != 0)
    return check_overflow(c, content, size, found) && (!is_free || take_long_free(c, content, size));
  if (is_free)
    return take_free(c, content, value);
  if ((node->flags & TABLE) != 0)
    check_named(c, key, node->key_size, content, value);
  return true;
}

static bool check_leaf(checker *c, const table *t, const page *p, int count, table *found) {
  const unsigned char *key, *last = NULL;
  size_t value, last_size = 0;
  node_head node;
  bool sound = true, is_free = t->pad != 0; /* the size of a page */
  for (int i = 0; i < count; i++) {
    if (!get_node(c, p, i, &node, &key, &value))
      return false;
    if (!is_free && last != NULL && compare(last, last_size, key, node.key_size) >= 0)
      return problem(c, "page %llu is out of order", (unsigned long long)p->head.number);
    last = key;
    last_size = node.key_size;
    sound = check_node(c, is_free, &node, key, value, found) && sound;
  }
  found->leaves++;
  found->entries += (uint64_t)count;
  return sound;
}

static bool check_branch(checker *c, const table *t, const page *p, int count, int level, table *found) {
  const unsigned char *key;
  size_t value;
  node_head node;
  bool sound = count >= 2 || problem(c, "page %llu is damaged", (unsigned long long)p->head.number);
  for (int i = 0; i < count && sound; i++) {
    sound = get_node(c, p, i, &node, &key, &value);
    uint64_t child = (uint64_t)node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
    sound = sound && check_tree(c, t, child, level + 1, found);
  }
  found->branches++;
  return sound;
}

static bool check_tree(checker *c, const table *t, uint64_t number, int level, table *found) {
  page p = { .bytes = malloc(c->page_size) };
  bool leaf = level == t->depth, sound = p.bytes != NULL && read_page(c, number, leaf ? LEAF : BRANCH, &p);
  if (sound && (sound = take_place(c, number, 1))) {
    int count = count_nodes(c, &p);
    sound = count >= 0 && (leaf ? check_leaf(c, t, &p, count, found) : check_branch(c, t, &p, count, level, found));
  }
  free(p.bytes);
  return sound;
}

/* ---- the file ----------------------------------------------------------------------------- */

static bool read_meta(checker *c, off_t at, meta *m) {
  page_head head;
  unsigned char bytes[HEAD + sizeof *m];
  if (pread(c->file, bytes, sizeof bytes, at) != (ssize_t)sizeof bytes)
    return false;
  memcpy(&head, bytes, sizeof head);
  memcpy(m, bytes + HEAD, sizeof *m);
  return (head.flags & META) != 0 && m->magic == magic && m->version == version;
}

/* Finds the newer of the sound ones. The first one says where the second is. */
static bool find_meta(checker *c, meta *newest) {
  meta other;
  bool first = read_meta(c, 0, newest);
  c->page_size = first ? newest->tables[0].pad : (size_t)sysconf(_SC_PAGESIZE);
  if (c->page_size < 512 || c->page_size > 65536 || (c->page_size & (c->page_size - 1)) != 0)
    return problem(c, "the first page is damaged");
  bool second = read_meta(c, (off_t)c->page_size, &other);
  if (!first)
    problem(c, "the first page is damaged");
  if (!second)
    problem(c, "the second page is damaged");
  if (second && (!first || other.txn > newest->txn))
    *newest = other;
  return (first || second) && newest->tables[0].pad == c->page_size;
}

/* Checks the trees of the newest transaction and returns its number, 0 when there is none. */
static uint64_t check_file(checker *c) {
  struct stat data;
  meta m;
  if (!find_meta(c, &m))
    return 0;
  if (fstat(c->file, &data) != 0) { /* after reading the meta: the file grows first */
    problem(c, "%s", strerror(errno));
    return 0;
  }
  c->pages = (uint64_t)data.st_size / c->page_size;
  if (m.last_page < c->pages)
    c->pages = m.last_page + 1;
  c->last = m.last_page;
  c->seen = calloc((size_t)(c->pages / 8) + 1, 1);
  if (c->seen == NULL) {
    problem(c, "there is no memory to check it");
    return 0;
  }
  c->seen[0] = 3; /* the metas */
  c->where = "free pages";
  check_table(c, &m.tables[0]);
  c->where = "tables";
  check_table(c, &m.tables[1]);
  free(c->seen);
  return m.txn;
}

/* Whether no transaction has changed the file during the check. */
static bool is_unchanged(const checker *c, uint64_t txn) {
  checker again = { .name = c->name, .where = "file", .file = c->file };
  meta m;
  return txn == 0 || (find_meta(&again, &m) && m.txn == txn);
}

static void check_until_unchanged(checker *c) {
  for (int i = 0; i < MOST_TRIES; i++) {
    c->problems = 0;
    c->where = "file";
    uint64_t txn = check_file(c);
    if (c->problems == 0 || is_unchanged(c, txn))
      return;
  }
  c->problems = 0; /* writers are always faster */
}

void lc_pages_check(const char *file, const char *name, lc_report *report, void *context) {
  checker *c = calloc(1, sizeof *c);
  if (c == NULL)
    return;
  c->name = name;
  c->where = "file";
  c->file = open(file, O_RDONLY | O_CLOEXEC);
  if (c->file < 0)
    problem(c, "%s", strerror(errno));
  else
    check_until_unchanged(c);
  if (c->file >= 0)
    close(c->file);
  for (unsigned i = 0; i < c->problems && i < MOST_PROBLEMS; i++)
    report(context, c->found[i]);
  free(c);
}

uint64_t lc_pages_newest(const char *file) {
  checker c = { .name = file, .where = "file", .file = open(file, O_RDONLY | O_CLOEXEC) };
  meta newest;
  if (c.file < 0)
    return 0;
  bool found = find_meta(&c, &newest);
  close(c.file);
  return found ? newest.txn : 0;
}
