/* rules/company.h - texts and the ids of companies, for rules and store. */
#ifndef LC_RULES_COMPANY_H
#define LC_RULES_COMPANY_H

#include <stdbool.h>
#include <stddef.h>

enum { LC_COMPANY_MAX = 255 /* bytes of a company id */ };

/* A text of any bytes, not NUL-terminated; {NULL, 0} when absent. */
typedef struct lc_text {
  const char *data;
  size_t size;
} lc_text;

/* A company's id. Its text identifies the company; the type is what the host gave and gets back. */
typedef struct lc_company {
  lc_text text;
  bool is_integer;
} lc_company;

#endif
