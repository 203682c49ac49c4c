/* failing.h - allocations of the C core that fail when a test says so, those of LMDB too. The linker catches them (--wrap), so LMDB is
 * linked statically where it can be. Of one test: include it once. */
#ifndef LC_FAILING_H
#define LC_FAILING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static long left = -1;   /* allocations until one fails; -1: none does */
static bool lasting;     /* after it all others fail too, until the operation has ended */
static bool has_failed;
static long in_use;      /* allocations not freed yet */

static bool fails(void) {
  if (left < 0)
    return false;
  if (left > 0 && --left > 0)
    return false;
  has_failed = true;
  if (!lasting)
    left = -1;
  return true;
}

static void *counted(void *memory) {
  in_use += memory != NULL;
  return memory;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size) {
  if (fails())
    return NULL;
  return memory == NULL ? counted(__real_realloc(NULL, size)) : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text) {
  return fails() ? NULL : counted(__real_strdup(text));
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
  if (fails())
    return ENOMEM;
  int failure = __real_posix_memalign(memory, alignment, size);
  in_use += failure == 0;
  return failure;
}

void __wrap_free(void *memory) {
  in_use -= memory != NULL;
  __real_free(memory);
}

#endif
