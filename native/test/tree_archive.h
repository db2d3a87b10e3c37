/* Makes an archive of any bytes: they choose among entry types, names, links, records and lies. Headers get right
   checksums, since random ones would stop every run at the first block. */
#ifndef GANTRY_TREE_ARCHIVE_H
#define GANTRY_TREE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct tape {
  const uint8_t *at, *end;
};

static unsigned next_byte (struct tape *t) {
  return t->at < t->end ? *t->at++ : 0;
}

static unsigned choose (struct tape *t, unsigned count) {
  return next_byte (t) % count;
}

struct archive {
  uint8_t *bytes;
  size_t used, room;
};

static void put (struct archive *a, const void *bytes, size_t size) {
  if (size > a->room - a->used)
    size = a->room - a->used;
  memcpy (a->bytes + a->used, bytes, size);
  a->used += size;
}

static void pad (struct archive *a) {
  static const uint8_t zero[512];
  put (a, zero, -a->used & 511);
}

/* Short names, so that entries meet; ways up, so that some try to leave. */
static size_t make_name (struct tape *t, char *name, size_t room) {
  static const char *const parts[] = { "a",  "b",     "c",         "d",     "..",     ".",       "",    "victim", "/",
                                       "f1", ".wh.a", ".wh..wh..opq", ".wh.b", ".wh...", ".wh..wh.plnk", "\n\x1b", "a", "b" };
  size_t used = 0;
  for (unsigned count = 1 + choose (t, 5); count > 0 && used + 24 < room; count--)
    used += (size_t) snprintf (name + used, room - used, "%s%s", parts[choose (t, sizeof parts / sizeof *parts)],
                               count > 1 ? "/" : "");
  if (choose (t, 60) == 0)
    for (unsigned length = 8 * next_byte (t); length > 0 && used + 1 < room; length--)
      name[used++] = (char) ('a' + length % 7);
  name[used] = 0;
  return used;
}

static size_t make_number (struct tape *t, char *text, size_t room) {
  static const char *const odd[] = { "-1", "4294967295", "18446744073709551616", "9223372036854775807", "1e3", "",
                                     "0x10", " 7", "1.5", "-1.000000001", "1700000000.123456789123", "512" };
  if (choose (t, 3) == 0)
    return (size_t) snprintf (text, room, "%s", odd[choose (t, sizeof odd / sizeof *odd)]);
  return (size_t) snprintf (text, room, "%u", next_byte (t));
}

static void number_field (struct tape *t, uint8_t *field, size_t size, uint64_t value) {
  unsigned way = choose (t, 40);
  if (way == 0) {
    for (size_t i = 0; i < size; i++)
      field[i] = (uint8_t) next_byte (t);
  } else if (way == 1) {
    memset (field, 0, size);
    for (size_t i = 0; i < 8 && i < size; i++)
      field[size - 1 - i] = (uint8_t) (value >> (8 * i));
    field[0] |= 0x80;
  } else {
    snprintf ((char *) field, size, "%0*llo", (int) size - 1, (unsigned long long) value);
  }
}

static void put_header (struct archive *a, struct tape *t, uint8_t type, const char *name, const char *link, uint64_t size) {
  uint8_t h[512] = { 0 };
  memcpy (h, name, strnlen (name, 100));
  number_field (t, h + 100, 8, next_byte (t) * 17u & 07777);
  number_field (t, h + 108, 8, next_byte (t));
  number_field (t, h + 116, 8, next_byte (t));
  number_field (t, h + 124, 12, size);
  number_field (t, h + 136, 12, next_byte (t));
  h[156] = type;
  memcpy (h + 157, link, strnlen (link, 100));
  static const char *const magics[] = { "ustar\0" "00", "ustar  \0", "\0\0\0\0\0\0\0\0", "ustar\0" "00" };
  unsigned magic = choose (t, 4);
  memcpy (h + 257, magics[magic], 8);
  if (magic == 3)
    memcpy (h + 508, "tar", 4);
  if (magic != 2) {
    number_field (t, h + 329, 8, next_byte (t) & 3);
    number_field (t, h + 337, 8, next_byte (t) & 3);
  }
  if (type == 'S') {
    for (unsigned i = 0; i < 4; i++) {
      number_field (t, h + 386 + 24 * i, 12, 600u * i + (next_byte (t) & 15));
      number_field (t, h + 398 + 24 * i, 12, i == 0 ? size : 0);
    }
    h[482] = choose (t, 6) == 0;
    number_field (t, h + 483, 12, 4000);
  } else if (choose (t, 30) == 0) {
    h[choose (t, 250) + 250] = (uint8_t) next_byte (t);
  }
  memset (h + 148, ' ', 8);
  unsigned sum = 0;
  for (size_t i = 0; i < sizeof h; i++)
    sum += h[i];
  snprintf ((char *) h + 148, 8, "%06o", choose (t, 100) == 0 ? sum + 1 : sum);
  put (a, h, sizeof h);
}

static size_t make_record (struct tape *t, char *record, size_t room) {
  static const char *const keys[] = {
    "path", "linkpath", "size", "uid", "gid", "mtime", "atime", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name",
    "GNU.sparse.realsize", "GNU.sparse.size", "GNU.sparse.map", "GNU.sparse.offset", "GNU.sparse.numbytes",
    "GNU.sparse.numblocks", "SCHILY.xattr.user.x", "SCHILY.xattr.trusted.overlay.opaque", "SCHILY.xattr.", "comment",
  };
  char body[600], value[300];
  unsigned key = choose (t, sizeof keys / sizeof *keys);
  if (key < 2 || key == 9)
    make_name (t, value, sizeof value);
  else if (key == 12)
    snprintf (value, sizeof value, "%u,%u,%u,%u", next_byte (t), next_byte (t), 256 + next_byte (t), next_byte (t));
  else
    make_number (t, value, sizeof value);
  int length = snprintf (body, sizeof body, " %s=%s\n", keys[key], value);
  int total = length + 1 + (length + 1 > 9) + (length + 2 > 99);
  if (choose (t, 40) == 0)
    total += (int) choose (t, 5) - 2;
  return (size_t) snprintf (record, room, "%d%s", total, body);
}

static void put_extended (struct archive *a, struct tape *t) {
  char payload[2000];
  size_t used = 0;
  static const uint8_t types[] = { 'x', 'x', 'x', 'g', 'L', 'K' };
  uint8_t type = types[choose (t, sizeof types)];
  if (type == 'L' || type == 'K')
    used = make_name (t, payload, sizeof payload) + 1;
  else
    for (unsigned count = 1 + choose (t, 4); count > 0; count--)
      used += make_record (t, payload + used, sizeof payload - used);
  put_header (a, t, type, "extended", "", used);
  put (a, payload, used);
  pad (a);
}

static void put_entry (struct archive *a, struct tape *t) {
  static const uint8_t types[] = { '0', '0', '1', '2', '5', '5', '3', '4', '6', '7', 'S', 0, 'V' };
  char name[200], link[200];
  uint8_t type = types[choose (t, sizeof types - (choose (t, 20) != 0))];
  bool has_body = type == '0' || type == '7' || type == 'S' || type == 0;
  uint64_t size = has_body ? next_byte (t) * 5u : 0;
  make_name (t, name, sizeof name);
  make_name (t, link, sizeof link);
  put_header (a, t, type, name, link, size);
  uint8_t body[1280];
  memset (body, 'x', sizeof body);
  if (choose (t, 4) == 0)
    snprintf ((char *) body, sizeof body, "%u\n%u\n%u\n%u\n", choose (t, 3), next_byte (t), next_byte (t), next_byte (t));
  put (a, body, size);
  if (choose (t, 60) != 0)
    pad (a);
}

/* Returns the archive's size, at most `room`. */
static size_t make_archive (const uint8_t *choices, size_t count, uint8_t *bytes, size_t room) {
  struct tape t = { choices, choices + count };
  struct archive a = { bytes, 0, room };
  while (t.at < t.end && a.used + 4096 < room) {
    unsigned what = choose (&t, 24);
    if (what < 7)
      put_extended (&a, &t);
    else if (what < 23)
      put_entry (&a, &t);
    else
      put (&a, t.at, (size_t) (t.end - t.at) < 700 ? (size_t) (t.end - t.at) : 700);
  }
  return a.used;
}

#endif
