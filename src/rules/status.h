/* rules/status.h - how the core reports failures.
 *
 * Every function of the core that can fail at run time returns an lc_status. The message for people goes into the
 * caller's lc_error, which is written only when the result is not LC_OK, and may be NULL. Nothing here allocates.
 */
#ifndef LC_RULES_STATUS_H
#define LC_RULES_STATUS_H

typedef enum lc_status {
  LC_OK = 0,           /* done */
  LC_INVALID,          /* the input breaks a rule of its form */
  LC_STALE,            /* a newer revision has been saved meanwhile */
  LC_FORBIDDEN,        /* the actor may not do this */
  LC_NOT_FOUND,        /* there is no such thing */
  LC_EXPIRED,          /* the question's time is over */
  LC_ALREADY_RESOLVED, /* the question has been answered before */
  LC_CONFLICT,         /* what is stored is not what the caller assumed */
  LC_UNAVAILABLE,      /* it cannot be done now and may succeed later: busy, out of memory, out of reader slots */
  LC_LOCKED,           /* another process writes for longer than this store waits: try again */
  LC_FULL,             /* the map, the disk or a file limit leaves no room; nothing was half-written */
  LC_CORRUPT,          /* what was read from disk is not what leadcat wrote */
  LC_READONLY,         /* it takes writing to a store that may only be read */
  LC_FORKED,           /* the handle was opened by a parent process */
  LC_IO                /* the operating system refused */
} lc_status;

enum { LC_ERROR_SIZE = 512 };

typedef struct lc_error {
  char message[LC_ERROR_SIZE]; /* one sentence, NUL-terminated, cut when longer */
} lc_error;

/* The public code of a status ("full", "corrupt", ...); "ok" for LC_OK. A static string. */
const char *lc_status_code(lc_status status);

/* Writes the message (printf's format) unless `error` is NULL, and returns `status`. */
lc_status lc_fail(lc_error *error, lc_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fails with LC_UNAVAILABLE. */
lc_status lc_no_memory(lc_error *error);

#endif
