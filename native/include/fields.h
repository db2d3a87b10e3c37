/* Reading of the wire fields that plan.h and shim-protocol.h are made of. Nothing is copied: results point into the
 * buffer. After a field that does not fit or is malformed `bad` stays set and every further result is zero or empty, so
 * a reader may take all its fields first and test once with fields_complete().
 */
#ifndef GANTRY_FIELDS_H
#define GANTRY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fields {
  const uint8_t *at;
  size_t left;
  bool bad;
};

struct blob {
  const uint8_t *data;
  uint32_t size;
};

struct strings {
  uint32_t count;
  struct fields rest; /* the entries, taken one by one with take_str */
};

static inline struct fields fields_of (const void *data, size_t size) {
  return (struct fields){ .at = data, .left = size };
}

/* True when everything was well-formed and nothing is left over. */
static inline bool fields_complete (const struct fields *f) {
  return !f->bad && f->left == 0;
}

uint16_t take_u16 (struct fields *f);
uint32_t take_u32 (struct fields *f);
uint64_t take_u64 (struct fields *f);
const char *take_str (struct fields *f); /* NUL-terminated; "" when bad */
struct blob take_blob (struct fields *f);
struct strings take_strv (struct fields *f); /* every entry has been checked */

#endif
