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

/* ---- the form of the file (LMDB 0.9, 64 bits) --------------------------------------------- */

enum {
  HEAD = 16,      /* bytes before a page's content */
  NODE = 8,       /* bytes before a node's key */
  DEEPEST = 32,   /* levels of a tree, LMDB's limit */
  MOST_PROBLEMS = 20,
  MOST_WALKS = 5,
  BRANCH = 0x01, LEAF = 0x02, OVERFLOWS = 0x04, META = 0x08, /* kinds of pages */
  BIG = 0x01, TABLE = 0x02 /* a node's value lies on overflow pages; is the record of a table */
};

static const uint32_t magic = 0xBEEFC0DE, version = 1;
static const uint64_t no_page = UINT64_MAX;

typedef struct page_head {
  uint64_t number;
  uint16_t pad, flags;
  uint16_t lower, upper; /* the free room; of overflow pages: their count, in 32 bits */
} page_head;

typedef struct node_head {
  uint16_t low, high; /* a leaf's: the size of the value; a branch's: the child, with `flags` */
  uint16_t flags, key_size;
} node_head;

typedef struct table {
  uint32_t pad; /* of the first one: the size of a page */
  uint16_t flags, depth;
  uint64_t branches, leaves, overflows, entries, root;
} table;

typedef struct meta {
  uint32_t magic, version;
  uint64_t address, map_size;
  table tables[2]; /* the free pages, and the tables by name */
  uint64_t last_page, txn;
} meta;

_Static_assert(sizeof(page_head) == HEAD && sizeof(node_head) == NODE, "LMDB's heads");
_Static_assert(HEAD + offsetof(meta, txn) == LC_META_TXN, "the place of the transaction's number");
_Static_assert(sizeof(table) == 48 && sizeof(meta) == 136, "LMDB's records");

/* ---- the walk ----------------------------------------------------------------------------- */

typedef struct walker {
  const char *name;  /* of the file */
  const char *where; /* the table */
  int file;
  size_t page_size;
  uint64_t pages;      /* how many there are */
  uint64_t last;       /* the highest; one that was free from the beginning may lie behind the end of the file */
  unsigned char *seen; /* a bit for each: it has its place in a tree, or is free */
  unsigned problems;
  char found[MOST_PROBLEMS][400];
} walker;

/* One page, and what the tree below it has. */
typedef struct page {
  page_head head;
  unsigned char *bytes;
} page;

__attribute__((format(printf, 2, 3))) static bool problem(walker *w, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (w->problems < MOST_PROBLEMS)
    snprintf(w->found[w->problems], sizeof w->found[0], "%s, %s: %s", w->name, w->where, text);
  w->problems++;
  return false;
}

static bool take_place(walker *w, uint64_t number, uint64_t count) {
  if (number >= w->pages || count > w->pages - number)
    return problem(w, "page %llu is beyond the end", (unsigned long long)number);
  for (uint64_t i = number; i < number + count; i++) {
    if ((w->seen[i / 8] & 1U << i % 8) != 0)
      return problem(w, "page %llu has two places", (unsigned long long)i);
    w->seen[i / 8] |= (unsigned char)(1U << i % 8);
  }
  return true;
}

/* Reads a page of one of the kinds. */
static bool read_page(walker *w, uint64_t number, unsigned kinds, page *p) {
  if (number >= w->pages)
    return problem(w, "page %llu is beyond the end", (unsigned long long)number);
  if (pread(w->file, p->bytes, w->page_size, (off_t)(number * w->page_size)) != (ssize_t)w->page_size)
    return problem(w, "page %llu cannot be read", (unsigned long long)number);
  memcpy(&p->head, p->bytes, sizeof p->head);
  if (p->head.number != number || p->head.flags == 0 || (p->head.flags & ~kinds) != 0)
    return problem(w, "page %llu is damaged", (unsigned long long)number);
  return true;
}

/* The nodes of a branch or leaf: their count, or -1. */
static int count_nodes(walker *w, const page *p) {
  const page_head *head = &p->head;
  if (head->lower < HEAD || head->lower > head->upper || head->upper > w->page_size || (head->lower - HEAD) % 2 != 0) {
    problem(w, "page %llu is damaged", (unsigned long long)head->number);
    return -1;
  }
  return (head->lower - HEAD) / 2;
}

/* The i-th node, when all of it lies on its page; `value` is the bytes behind the key that must be there. */
static bool get_node(walker *w, const page *p, int i, node_head *node, const unsigned char **key, size_t *value) {
  uint16_t at;
  memcpy(&at, p->bytes + HEAD + 2 * i, sizeof at);
  if (at < p->head.upper || (size_t)at + NODE > w->page_size)
    return problem(w, "page %llu has a node out of place", (unsigned long long)p->head.number);
  memcpy(node, p->bytes + at, sizeof *node);
  *key = p->bytes + at + NODE;
  *value = 0;
  if ((p->head.flags & LEAF) != 0)
    *value = (node->flags & BIG) != 0 ? sizeof(uint64_t) : (size_t)node->low | (size_t)node->high << 16;
  if ((size_t)at + NODE + node->key_size + *value > w->page_size)
    return problem(w, "page %llu has a node that is too long", (unsigned long long)p->head.number);
  return true;
}

static int compare(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size) {
  int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
  return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* ---- the free pages ------------------------------------------------------------------------ */

/* A record of the free list: how many pages it names, then they, highest first. LMDB writes over them: a page that has
 * a place, too, would be the next damage. */
static bool take_free(walker *w, const unsigned char *list, size_t size) {
  uint64_t count = 0, number, above = no_page;
  if (size >= sizeof count)
    memcpy(&count, list, sizeof count);
  if (size < sizeof count || count > size / sizeof number - 1)
    return problem(w, "a list of them is damaged");
  for (uint64_t i = 1; i <= count; i++, above = number) {
    memcpy(&number, list + i * sizeof number, sizeof number);
    if (number >= above)
      return problem(w, "a list of them is out of order");
    if (number > w->last)
      return problem(w, "page %llu is beyond the end", (unsigned long long)number);
    if (number < w->pages && !take_place(w, number, 1))
      return false;
  }
  return true;
}

/* The same for a list on overflow pages that have been walked; `value` is the number of the first. */
static bool take_long_free(walker *w, const unsigned char *value, size_t size) {
  unsigned char *list = malloc(size);
  uint64_t number;
  memcpy(&number, value, sizeof number);
  bool sound = list != NULL && pread(w->file, list, size, (off_t)(number * w->page_size) + HEAD) == (ssize_t)size;
  sound = sound ? take_free(w, list, size) : problem(w, "page %llu cannot be read", (unsigned long long)number);
  free(list);
  return sound;
}

/* ---- the trees ----------------------------------------------------------------------------- */

/* Counts what the walk finds, to be held against what the table's record says. */
static bool walk_tree(walker *w, const table *t, uint64_t number, int level, table *found);

static bool walk_overflow(walker *w, const unsigned char *value, size_t size, table *found) {
  page first = { .bytes = malloc(w->page_size) };
  uint64_t number, need = (HEAD + size - 1) / w->page_size + 1;
  uint32_t count;
  memcpy(&number, value, sizeof number);
  bool sound = first.bytes != NULL && read_page(w, number, OVERFLOWS, &first);
  if (sound) {
    memcpy(&count, first.bytes + offsetof(page_head, lower), sizeof count);
    sound = (count >= need || problem(w, "overflow page %llu has the wrong size", (unsigned long long)number))
         && take_place(w, number, count);
    found->overflows += count;
  }
  free(first.bytes);
  return sound;
}

static void walk_table(walker *w, const table *t) {
  table found = { 0 };
  if (t->root == no_page && t->entries == 0)
    return;
  if (t->depth == 0 || t->depth > DEEPEST) {
    problem(w, "its record is damaged");
    return;
  }
  if (walk_tree(w, t, t->root, 1, &found)
      && (found.entries != t->entries || found.branches != t->branches || found.leaves != t->leaves
          || found.overflows != t->overflows))
    problem(w, "it does not have as many entries and pages as its record says");
}

/* A table below the main one: its name is the key, its record the value. */
static void walk_named(walker *w, const unsigned char *key, size_t key_size, const unsigned char *value, size_t size) {
  char name[64];
  const char *where = w->where;
  table t;
  snprintf(name, sizeof name, "table %.*s", (int)(key_size < 40 ? key_size : 40), (const char *)key);
  w->where = name;
  if (size != sizeof t) {
    problem(w, "its record is damaged");
  } else {
    memcpy(&t, value, sizeof t);
    if (t.flags != 0 || t.pad != 0) /* leadcat's tables have none */
      problem(w, "its record is damaged");
    else
      walk_table(w, &t);
  }
  w->where = where;
}

/* What a leaf's node holds besides its page: overflow pages, free pages, a table. */
static bool walk_node(walker *w, bool is_free, const node_head *node, const unsigned char *key, size_t value, table *found) {
  const unsigned char *content = key + node->key_size;
  size_t size = (size_t)node->low | (size_t)node->high << 16;
  if ((node->flags & BIG) != 0)
    return walk_overflow(w, content, size, found) && (!is_free || take_long_free(w, content, size));
  if (is_free)
    return take_free(w, content, value);
  if ((node->flags & TABLE) != 0)
    walk_named(w, key, node->key_size, content, value);
  return true;
}

static bool walk_leaf(walker *w, const table *t, const page *p, int count, table *found) {
  const unsigned char *key, *last = NULL;
  size_t value, last_size = 0;
  node_head node;
  bool sound = true, is_free = t->pad != 0; /* only the first table's record has the size of a page */
  for (int i = 0; i < count; i++) {
    if (!get_node(w, p, i, &node, &key, &value))
      return false;
    if (!is_free && last != NULL && compare(last, last_size, key, node.key_size) >= 0)
      return problem(w, "page %llu is out of order", (unsigned long long)p->head.number);
    last = key;
    last_size = node.key_size;
    sound = walk_node(w, is_free, &node, key, value, found) && sound;
  }
  found->leaves++;
  found->entries += (uint64_t)count;
  return sound;
}

static bool walk_branch(walker *w, const table *t, const page *p, int count, int level, table *found) {
  const unsigned char *key;
  size_t value;
  node_head node;
  bool sound = count >= 2 || problem(w, "page %llu is damaged", (unsigned long long)p->head.number);
  for (int i = 0; i < count && sound; i++) {
    sound = get_node(w, p, i, &node, &key, &value);
    uint64_t child = (uint64_t)node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
    sound = sound && walk_tree(w, t, child, level + 1, found);
  }
  found->branches++;
  return sound;
}

static bool walk_tree(walker *w, const table *t, uint64_t number, int level, table *found) {
  page p = { .bytes = malloc(w->page_size) };
  bool leaf = level == t->depth, sound = p.bytes != NULL && read_page(w, number, leaf ? LEAF : BRANCH, &p);
  if (sound && (sound = take_place(w, number, 1))) {
    int count = count_nodes(w, &p);
    sound = count >= 0 && (leaf ? walk_leaf(w, t, &p, count, found) : walk_branch(w, t, &p, count, level, found));
  }
  free(p.bytes);
  return sound;
}

/* ---- the file ----------------------------------------------------------------------------- */

static bool read_meta(walker *w, off_t at, meta *m) {
  page_head head;
  unsigned char bytes[HEAD + sizeof *m];
  if (pread(w->file, bytes, sizeof bytes, at) != (ssize_t)sizeof bytes)
    return false;
  memcpy(&head, bytes, sizeof head);
  memcpy(m, bytes + HEAD, sizeof *m);
  return (head.flags & META) != 0 && m->magic == magic && m->version == version;
}

/* The newer of the two that are sound; where the second one is depends on what the first says. */
static bool find_meta(walker *w, meta *newest) {
  meta other;
  bool first = read_meta(w, 0, newest);
  w->page_size = first ? newest->tables[0].pad : (size_t)sysconf(_SC_PAGESIZE);
  if (w->page_size < 512 || w->page_size > 65536 || (w->page_size & (w->page_size - 1)) != 0)
    return problem(w, "the first page is damaged");
  bool second = read_meta(w, (off_t)w->page_size, &other);
  if (!first)
    problem(w, "the first page is damaged");
  if (!second)
    problem(w, "the second page is damaged");
  if (second && (!first || other.txn > newest->txn))
    *newest = other;
  return (first || second) && newest->tables[0].pad == w->page_size;
}

/* Walks the newest transaction's trees. Gives its number; 0 when there is none. */
static uint64_t walk_file(walker *w) {
  struct stat data;
  meta m;
  if (!find_meta(w, &m))
    return 0;
  if (fstat(w->file, &data) != 0) { /* after the head was read: the file grows before a head says so */
    problem(w, "%s", strerror(errno));
    return 0;
  }
  w->pages = (uint64_t)data.st_size / w->page_size;
  if (m.last_page < w->pages)
    w->pages = m.last_page + 1;
  w->last = m.last_page;
  w->seen = calloc((size_t)(w->pages / 8) + 1, 1);
  if (w->seen == NULL) {
    problem(w, "there is no memory to check it");
    return 0;
  }
  w->seen[0] = 3; /* the metas */
  w->where = "free pages";
  walk_table(w, &m.tables[0]);
  w->where = "tables";
  walk_table(w, &m.tables[1]);
  free(w->seen);
  return m.txn;
}

/* Whether the file still is what has just been walked. */
static bool is_unchanged(const walker *w, uint64_t txn) {
  walker again = { .name = w->name, .where = "file", .file = w->file };
  meta m;
  return txn == 0 || (find_meta(&again, &m) && m.txn == txn);
}

static void walk_until_unchanged(walker *w) {
  for (int i = 0; i < MOST_WALKS; i++) {
    w->problems = 0;
    w->where = "file";
    uint64_t txn = walk_file(w);
    if (w->problems == 0 || is_unchanged(w, txn))
      return;
  }
  w->problems = 0; /* a writer is always faster than the walk */
}

void lc_pages_check(const char *file, const char *name, lc_report *report, void *context) {
  walker *w = calloc(1, sizeof *w);
  if (w == NULL)
    return;
  w->name = name;
  w->where = "file";
  w->file = open(file, O_RDONLY | O_CLOEXEC);
  if (w->file < 0)
    problem(w, "%s", strerror(errno));
  else
    walk_until_unchanged(w);
  if (w->file >= 0)
    close(w->file);
  for (unsigned i = 0; i < w->problems && i < MOST_PROBLEMS; i++)
    report(context, w->found[i]);
  free(w);
}
