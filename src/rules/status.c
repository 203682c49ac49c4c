#include "status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const char *const codes[] = {
  [LC_OK] = "ok",
  [LC_INVALID] = "invalid",
  [LC_STALE] = "stale",
  [LC_FORBIDDEN] = "forbidden",
  [LC_NOT_FOUND] = "not_found",
  [LC_EXPIRED] = "expired",
  [LC_ALREADY_RESOLVED] = "already_resolved",
  [LC_CONFLICT] = "conflict",
  [LC_UNAVAILABLE] = "unavailable",
  [LC_LOCKED] = "locked",
  [LC_FULL] = "full",
  [LC_CORRUPT] = "corrupt",
  [LC_READONLY] = "readonly",
  [LC_FORKED] = "forked",
  [LC_IO] = "io",
};

const char *lc_status_code(lc_status status) {
  return codes[status];
}

lc_status lc_fail(lc_error *error, lc_status status, const char *format, ...) {
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
  }
  return status;
}

lc_status lc_no_memory(lc_error *error) {
  return lc_fail(error, LC_UNAVAILABLE, "out of memory");
}
