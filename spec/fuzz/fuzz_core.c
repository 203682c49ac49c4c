/* The fuzzer of one function of core.c: TARGET. */
#include "core.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  TARGET(bytes, size);
  return 0;
}
