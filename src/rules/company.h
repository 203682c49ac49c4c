/* rules/company.h - texts as they come, and the ids of companies: what rules and store both speak of. */
#ifndef LC_RULES_COMPANY_H
#define LC_RULES_COMPANY_H

#include <stdbool.h>
#include <stddef.h>

enum { LC_COMPANY_MAX = 255 /* bytes of a company id */ };

/* A text: not NUL-terminated, any bytes; {NULL, 0} when absent. */
typedef struct lc_text {
  const char *data;
  size_t size;
} lc_text;

/* A company's id: its text decides what company it is; the host gets back the type it gave. */
typedef struct lc_company {
  lc_text text;
  bool is_integer;
} lc_company;

#endif
