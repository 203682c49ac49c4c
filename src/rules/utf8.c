#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static size_t following(uint8_t lead) {
  return lead < 0xC2 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : 0;
}

/* The size of the sequence that starts with a byte from 0x80, and whether it is well-formed. Only the second byte of
 * some has a narrower range: others would be overlong, surrogates, or beyond U+10FFFF. */
static size_t sequence(const char *text, size_t size, bool *well_formed) {
  uint8_t lead = (uint8_t)*text;
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  size_t most = 1 + following(lead), read = 1;
  for (; read < most && read < size; read++, low = 0x80, high = 0xBF)
    if ((uint8_t)text[read] < low || (uint8_t)text[read] > high)
      break;
  *well_formed = most > 1 && read == most;
  return read;
}

static size_t ascii(const char *text, size_t size) {
  uint64_t bytes;
  size_t i = 0;
  for (; size - i >= sizeof bytes; i += sizeof bytes) {
    memcpy(&bytes, text + i, sizeof bytes);
    if ((bytes & UINT64_C(0x8080808080808080)) != 0)
      break;
  }
  while (i < size && (uint8_t)text[i] < 0x80)
    i++;
  return i;
}

size_t lc_utf8_valid(const char *text, size_t size) {
  bool well_formed;
  size_t valid = 0;
  while ((valid += ascii(text + valid, size - valid)) < size) {
    size_t read = sequence(text + valid, size - valid, &well_formed);
    if (!well_formed)
      break;
    valid += read;
  }
  return valid;
}

size_t lc_utf8_broken(const char *text, size_t size) {
  bool well_formed;
  return sequence(text, size, &well_formed);
}
