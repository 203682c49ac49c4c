/* store/page_format.h - how the files look that LMDB 0.9 writes on machines of 64 bits; for pages.c and gaps.c. */
#ifndef LC_STORE_PAGE_FORMAT_H
#define LC_STORE_PAGE_FORMAT_H

#include <stdint.h>

enum {
  HEAD = 16,      /* bytes before a page's content */
  NODE = 8,       /* bytes before a node's key */
  BRANCH = 0x01, LEAF = 0x02, OVERFLOWS = 0x04, META = 0x08, /* kinds of pages */
  BIG = 0x01, TABLE = 0x02 /* a node's value is on overflow pages; is the record of a table */
};

typedef struct page_head {
  uint64_t number;
  uint16_t pad, flags;
  uint16_t lower, upper; /* the bounds of the free space; of overflow pages: their count, in 32 bits */
} page_head;

typedef struct node_head {
  uint16_t low, high; /* a leaf's: the size of the value; a branch's: the child, with `flags` */
  uint16_t flags, key_size;
} node_head;

typedef struct table {
  uint32_t pad; /* of the first table: the size of a page; else 0 */
  uint16_t flags, depth;
  uint64_t branches, leaves, overflows, entries, root;
} table;

typedef struct meta {
  uint32_t magic, version;
  uint64_t address, map_size;
  table tables[2]; /* the free pages; the named tables */
  uint64_t last_page, txn;
} meta;

#endif
