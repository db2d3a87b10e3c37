#include "wire.h"

#include <endian.h>

static const uint8_t *take (struct wire_reader *r, size_t size) {
  if (r->bad || (size_t) (r->end - r->at) < size) {
    r->bad = true;
    return NULL;
  }
  const uint8_t *field = r->at;
  r->at += size;
  return field;
}

uint32_t wire_get_u32 (struct wire_reader *r) {
  uint32_t value = 0;
  const uint8_t *field = take (r, sizeof value);
  if (field != NULL)
    memcpy (&value, field, sizeof value);
  return le32toh (value);
}

uint64_t wire_get_u64 (struct wire_reader *r) {
  uint64_t value = 0;
  const uint8_t *field = take (r, sizeof value);
  if (field != NULL)
    memcpy (&value, field, sizeof value);
  return le64toh (value);
}

const char *wire_get_str (struct wire_reader *r) {
  uint32_t length = wire_get_u32 (r);
  const uint8_t *text = take (r, (size_t) length + 1);
  if (text == NULL || memchr (text, 0, (size_t) length + 1) != text + length) {
    r->bad = true;
    return "";
  }
  return (const char *) text;
}

const uint8_t *wire_get_blob (struct wire_reader *r, uint32_t *size) {
  *size = wire_get_u32 (r);
  return take (r, *size);
}

static void put (struct wire_frame *f, const void *data, size_t size) {
  memcpy (f->bytes + f->size, data, size);
  f->size += size;
}

void wire_begin (struct wire_frame *f, uint16_t kind, uint16_t tag) {
  uint16_t kind_le = htole16 (kind), tag_le = htole16 (tag);
  f->size = sizeof (uint32_t);
  put (f, &kind_le, sizeof kind_le);
  put (f, &tag_le, sizeof tag_le);
}

void wire_put_u32 (struct wire_frame *f, uint32_t value) {
  value = htole32 (value);
  put (f, &value, sizeof value);
}

void wire_put_u64 (struct wire_frame *f, uint64_t value) {
  value = htole64 (value);
  put (f, &value, sizeof value);
}

void wire_put_str (struct wire_frame *f, const char *text) {
  size_t length = strlen (text), most = sizeof f->bytes / 2;
  if (length > most)
    length = most;
  wire_put_u32 (f, (uint32_t) length);
  put (f, text, length);
  put (f, "", 1);
}

void wire_end (struct wire_frame *f) {
  uint32_t payload = htole32 ((uint32_t) (f->size - WIRE_FRAME_HEADER));
  memcpy (f->bytes, &payload, sizeof payload);
}
