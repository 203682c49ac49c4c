/* store/pages.h - the pages of an LMDB file, read without LMDB, which trusts what it maps.
 *
 * The check reads every page that the newest transaction can reach, measures it before following it, and sees that it has one
 * place or is free. So it finds damage that would end a process in LMDB. It reads files of this machine's byte order and word
 * size. When another process writes meanwhile, the check is repeated, and given up without a result when that goes on.
 */
#ifndef LC_STORE_PAGES_H
#define LC_STORE_PAGES_H

#include <stdint.h>

/* The offset in a meta page (the first two of a file) of the number of the transaction that wrote it (64 bits). */
enum { LC_META_TXN = 144 };

/* Receives a problem as a sentence. */
typedef void lc_report(void *context, const char *problem);

/* The number of the file's newest transaction; 0: none can be read. */
uint64_t lc_pages_newest(const char *file);

/* Reports the first problems of the file, which the sentences call `name`. */
void lc_pages_check(const char *file, const char *name, lc_report *report, void *context);

#endif
