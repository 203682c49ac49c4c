/* rules/checksum.h - FNV-1a, to detect bytes that are damaged or different; no protection against malice. */
#ifndef LC_RULES_CHECKSUM_H
#define LC_RULES_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define LC_CHECKSUM_START UINT64_C(14695981039346656037)

/* The checksum of bytes that follow those whose checksum is `before`. */
static inline uint64_t lc_checksum(uint64_t before, const void *data, size_t size) {
  const unsigned char *bytes = data;
  for (size_t i = 0; i < size; i++)
    before = (before ^ bytes[i]) * UINT64_C(1099511628211);
  return before;
}

#endif
