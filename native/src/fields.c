#include "fields.h"

#include <string.h>

#include "plan.h"

static const uint8_t *take (struct fields *f, size_t size) {
  const uint8_t *start = f->at;

  if (f->bad || size > f->left) {
    f->bad = true;
    return NULL;
  }
  f->at += size;
  f->left -= size;
  return start;
}

uint16_t take_u16 (struct fields *f) {
  const uint8_t *b = take (f, 2);
  return b == NULL ? 0 : (uint16_t) (b[0] | b[1] << 8);
}

uint32_t take_u32 (struct fields *f) {
  const uint8_t *b = take (f, 4);
  return b == NULL ? 0 : (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
}

uint64_t take_u64 (struct fields *f) {
  uint64_t low = take_u32 (f);
  return low | (uint64_t) take_u32 (f) << 32;
}

const char *take_str (struct fields *f) {
  uint32_t length = take_u32 (f);
  const uint8_t *text = length > PLAN_MAX_STR ? NULL : take (f, (size_t) length + 1);

  if (text == NULL || memchr (text, '\0', (size_t) length + 1) != text + length) {
    f->bad = true;
    return "";
  }
  return (const char *) text;
}

struct blob take_blob (struct fields *f) {
  uint32_t size = take_u32 (f);
  const uint8_t *data = take (f, size);

  return data == NULL ? (struct blob){ 0 } : (struct blob){ data, size };
}

struct strings take_strv (struct fields *f) {
  struct strings s = { .count = take_u32 (f) };

  if (s.count > PLAN_MAX_STRV)
    f->bad = true;
  s.rest = *f;
  for (uint32_t i = 0; i < s.count && !f->bad; i++)
    take_str (f);
  return f->bad ? (struct strings){ 0 } : s;
}
