/* Fields of the shim protocol's payloads, see shim-protocol.h. Readers borrow from the payload; the first field that is
   not there makes everything after it fail, so a decoder checks once, at the end. */
#ifndef GANTRY_WIRE_H
#define GANTRY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
  const uint8_t *at, *end;
  bool bad;
};

uint32_t wire_get_u32 (struct wire_reader *r);
uint64_t wire_get_u64 (struct wire_reader *r);
/* NUL-terminated, without a NUL inside; "" when bad. */
const char *wire_get_str (struct wire_reader *r);
const uint8_t *wire_get_blob (struct wire_reader *r, uint32_t *size);

/* All fields were there and nothing is left over. */
static inline bool wire_is_complete (const struct wire_reader *r) {
  return !r->bad && r->at == r->end;
}

/* A frame is put together in place; `overflow` instead of a write beyond the end. */
#define WIRE_FRAME_HEADER 8u

struct wire_frame {
  uint8_t bytes[1024];
  size_t size;
};

void wire_begin (struct wire_frame *f, uint16_t kind, uint16_t tag);
void wire_put_u32 (struct wire_frame *f, uint32_t value);
void wire_put_u64 (struct wire_frame *f, uint64_t value);
/* Cut to what has room. */
void wire_put_str (struct wire_frame *f, const char *text);
void wire_end (struct wire_frame *f);

#endif
