/* rules/utf8.h - text of unknown origin: which bytes of it are well-formed UTF-8 (The Unicode Standard, table 3-7). */
#ifndef LC_RULES_UTF8_H
#define LC_RULES_UTF8_H

#include <stddef.h>

/* How many bytes from the start are well-formed. */
size_t lc_utf8_valid(const char *text, size_t size);

/* How many bytes at the start, where `text` is ill-formed, one U+FFFD stands for: the longest beginning that a
 * well-formed sequence could have, and at least one. */
size_t lc_utf8_broken(const char *text, size_t size);

#endif
