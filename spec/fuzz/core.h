/* core.h - what hostile bytes may not do to the C core. Each function takes any bytes, as a file that was tampered with might
 * hold them, and ends the process when a promise is broken. */
#ifndef LC_FUZZ_CORE_H
#define LC_FUZZ_CORE_H

#include <stddef.h>
#include <stdint.h>

/* A packed ruleset: what lc_ruleset_check lets pass is walked by lc_decide to its end, and decides something sensible. The
 * bytes are tried as they are, and with magic, version, size and checksum put right. */
void fuzz_ruleset(const uint8_t *bytes, size_t size);

/* The bytes as a config: what lc_ruleset_build takes, lc_ruleset_check lets pass, and it has what was put in. */
void fuzz_build(const uint8_t *bytes, size_t size);

/* A line of JSON: it is read to its LF and no farther, and what is taken for an event is one. */
void fuzz_event(const uint8_t *bytes, size_t size);

/* Packed records: what is unpacked lies within the bytes, and packs to what unpacks to the same. */
void fuzz_records(const uint8_t *bytes, size_t size);

#endif
