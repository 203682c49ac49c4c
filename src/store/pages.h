/* store/pages.h - the pages of an LMDB file, read without LMDB, which trusts what it maps.
 *
 * Every page that the newest transaction can reach is read and measured before it is followed, and has
 * one place or is free, so a file that would end a process in LMDB is told apart from a sound one. For
 * files of this machine's byte order and word size. Somebody may write meanwhile: a walk during which
 * the file has changed is made again, and counts for nothing when that goes on.
 */
#ifndef LC_STORE_PAGES_H
#define LC_STORE_PAGES_H

/* Where a meta page, the first two of a file, keeps the number of the transaction that wrote it (64 bits). */
enum { LC_META_TXN = 144 };

/* Takes what is wrong, in a sentence. */
typedef void lc_report(void *context, const char *problem);

/* Walks the file and reports each problem, some of each kind; `name` is what the sentences call it. */
void lc_pages_check(const char *file, const char *name, lc_report *report, void *context);

#endif
