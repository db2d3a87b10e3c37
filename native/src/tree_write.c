#include "tree_write.h"

#include "err.h"
#include "tree_output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 100, PREFIX_BYTES = 155 };

/* What seven and eleven octal digits hold. */
#define MAX_ID ((1u << 21) - 1)
#define MAX_SIZE ((UINT64_C (1) << 33) - 1)

struct header {
  char name[NAME_BYTES], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[NAME_BYTES];
  char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[PREFIX_BYTES], rest[12];
};
_Static_assert (sizeof (struct header) == TAR_BLOCK, "a tar header is one block");

static void octal (char *field, size_t size, uint64_t value) {
  field[--size] = 0;
  while (size > 0) {
    field[--size] = (char) ('0' + (value & 7));
    value >>= 3;
  }
}

static void checksum (struct header *h) {
  const uint8_t *bytes = (const uint8_t *) h;
  uint64_t sum = 0;
  memset (h->checksum, ' ', sizeof h->checksum);
  for (size_t i = 0; i < sizeof *h; i++)
    sum += bytes[i];
  octal (h->checksum, sizeof h->checksum - 1, sum);
}

static struct header blank_header (char type) {
  struct header h = { .type = type };
  memcpy (h.magic, "ustar", 6);
  memcpy (h.version, "00", 2);
  return h;
}

static char type_letter (enum tar_type type) {
  switch (type) {
  case TAR_FILE:
    return '0';
  case TAR_LINK:
    return '1';
  case TAR_SYMLINK:
    return '2';
  case TAR_CHAR:
    return '3';
  case TAR_BLOCKDEV:
    return '4';
  case TAR_DIRECTORY:
    return '5';
  case TAR_FIFO:
    return '6';
  }
  return '0';
}

static bool is_ascii (const char *text) {
  for (; *text != 0; text++)
    if ((unsigned char) *text >= 0x80)
      return false;
  return true;
}

/* Fills name and prefix; false when the name does not fit there and needs a record. */
static bool put_name (struct header *h, const char *name, size_t length) {
  if (!is_ascii (name))
    return false;
  if (length <= NAME_BYTES) {
    memcpy (h->name, name, length);
    return true;
  }
  /* The first slash that leaves at most 100 bytes behind it; the last byte may be a directory's own slash. */
  if (length > PREFIX_BYTES + 1 + NAME_BYTES)
    return false;
  const char *slash = memchr (name + length - NAME_BYTES - 1, '/', NAME_BYTES);
  size_t before = slash == NULL ? 0 : (size_t) (slash - name);
  if (before == 0 || before > PREFIX_BYTES)
    return false;
  memcpy (h->prefix, name, before);
  memcpy (h->name, slash + 1, length - before - 1);
  return true;
}

/* For readers that know no records: what there is room for. */
static void put_stand_in (char *field, const char *text) {
  for (size_t used = 0; *text != 0 && used < NAME_BYTES; text++)
    if ((unsigned char) *text < 0x80)
      field[used++] = *text;
}

/* ---- records ---- */

struct records {
  char *bytes; /* TAR_MAX_RECORDS of them, made when the first record comes */
  size_t used;
};

static size_t digits_of (size_t number) {
  size_t digits = 1;
  while (number >= 10) {
    number /= 10;
    digits++;
  }
  return digits;
}

/* "LENGTH PREFIXKEY=VALUE\n", where LENGTH counts its own digits. */
static int add_record (struct records *r, const char *prefix, const char *key, const void *value, size_t size,
                       struct err *e) {
  size_t body = 1 + strlen (prefix) + strlen (key) + 1 + size + 1;
  size_t length = body + digits_of (body);
  length = body + digits_of (length);
  if (length > TAR_MAX_RECORDS - r->used)
    return err_set (e, 0, "its attributes and names are more than an archive can hold");
  if (r->bytes == NULL && (r->bytes = malloc (TAR_MAX_RECORDS + 1)) == NULL)
    return err_set (e, ENOMEM, "cannot write an extended header");
  char *at = r->bytes + r->used;
  at += sprintf (at, "%zu %s%s=", length, prefix, key);
  memcpy (at, value, size);
  at[size] = '\n';
  r->used += length;
  return 0;
}

static int add_text (struct records *r, const char *key, const char *text, struct err *e) {
  return add_record (r, "", key, text, strlen (text), e);
}

static int add_number (struct records *r, const char *key, uint64_t value, struct err *e) {
  char text[24];
  snprintf (text, sizeof text, "%llu", (unsigned long long) value);
  return add_text (r, key, text, e);
}

/* Without zeros at the end; before 1970 the fraction counts away from zero, too: -1.25 is 1.25 seconds before. */
static int add_time (struct records *r, const char *key, struct timespec t, struct err *e) {
  char text[40];
  bool negative = t.tv_sec < 0;
  uint64_t seconds = negative ? -(uint64_t) t.tv_sec : (uint64_t) t.tv_sec;
  long nanoseconds = t.tv_nsec;
  if (negative && nanoseconds > 0) {
    seconds--;
    nanoseconds = 1000000000 - nanoseconds;
  }
  int used = snprintf (text, sizeof text, "%s%llu", negative ? "-" : "", (unsigned long long) seconds);
  if (nanoseconds > 0) {
    used += snprintf (text + used, sizeof text - (size_t) used, ".%09ld", nanoseconds);
    while (text[used - 1] == '0')
      text[--used] = 0;
  }
  return add_text (r, key, text, e);
}

static int add_xattrs (struct records *r, const struct tar_entry *t, struct err *e) {
  for (size_t i = 0; i < t->xattr_count; i++) {
    const struct tar_xattr *x = &t->xattrs[i];
    if (strchr (x->name, '=') != NULL)
      return err_set (e, 0, "an archive cannot hold an attribute whose name has a \"=\" in it");
    if (add_record (r, "SCHILY.xattr.", x->name, x->value, x->size, e) < 0)
      return -1;
  }
  return 0;
}

/* ---- the header ---- */

/* Fills `h` and collects what it cannot hold, sorted by key. */
static int describe (const struct tar_entry *t, const char *name, struct header *h, struct records *r, struct err *e) {
  bool has_link = t->type == TAR_LINK || t->type == TAR_SYMLINK;
  bool fits_link = has_link && strlen (t->link) <= NAME_BYTES && is_ascii (t->link);
  bool fits_name = put_name (h, name, strlen (name));
  bool fits_time = t->mtime.tv_sec >= 0 && (uint64_t) t->mtime.tv_sec <= MAX_SIZE;

  if (add_xattrs (r, t, e) < 0)
    return -1;
  if (t->gid > MAX_ID && add_number (r, "gid", t->gid, e) < 0)
    return -1;
  if (has_link && !fits_link && add_text (r, "linkpath", t->link, e) < 0)
    return -1;
  if ((t->mtime.tv_nsec != 0 || !fits_time) && add_time (r, "mtime", t->mtime, e) < 0)
    return -1;
  if (!fits_name && add_text (r, "path", name, e) < 0)
    return -1;
  if (t->size > MAX_SIZE && add_number (r, "size", t->size, e) < 0)
    return -1;
  if (t->uid > MAX_ID && add_number (r, "uid", t->uid, e) < 0)
    return -1;

  if (!fits_name)
    put_stand_in (h->name, name);
  if (has_link)
    put_stand_in (h->link, t->link);
  octal (h->mode, sizeof h->mode, t->mode);
  octal (h->uid, sizeof h->uid, t->uid > MAX_ID ? 0 : t->uid);
  octal (h->gid, sizeof h->gid, t->gid > MAX_ID ? 0 : t->gid);
  octal (h->size, sizeof h->size, t->size > MAX_SIZE ? 0 : t->size);
  octal (h->mtime, sizeof h->mtime, fits_time ? (uint64_t) t->mtime.tv_sec : 0);
  octal (h->major, sizeof h->major, t->major);
  octal (h->minor, sizeof h->minor, t->minor);
  return 0;
}

static int write_records (struct output *o, const struct records *r, struct err *e) {
  struct header h = blank_header ('x');
  memcpy (h.name, "PaxHeaders.0/entry", sizeof "PaxHeaders.0/entry");
  octal (h.mode, sizeof h.mode, 0644);
  octal (h.uid, sizeof h.uid, 0);
  octal (h.gid, sizeof h.gid, 0);
  octal (h.size, sizeof h.size, r->used);
  octal (h.mtime, sizeof h.mtime, 0);
  octal (h.major, sizeof h.major, 0);
  octal (h.minor, sizeof h.minor, 0);
  checksum (&h);
  if (output_write (o, &h, sizeof h, e) < 0 || output_write (o, r->bytes, r->used, e) < 0)
    return -1;
  return tar_write_padding (o, r->used, e);
}

int tar_write_header (struct output *o, const struct tar_entry *t, struct err *e) {
  char name[TAR_MAX_PATH + 1];
  struct header h = blank_header (type_letter (t->type));
  struct records r = { 0 };

  snprintf (name, sizeof name, "%s%s", t->name, t->type == TAR_DIRECTORY ? "/" : "");
  int result = describe (t, name, &h, &r, e);
  if (result == 0 && r.used > 0)
    result = write_records (o, &r, e);
  free (r.bytes);
  if (result < 0)
    return -1;
  checksum (&h);
  return output_write (o, &h, sizeof h, e);
}

int tar_write_padding (struct output *o, uint64_t size, struct err *e) {
  return output_zeros (o, (size_t) (-size & (TAR_BLOCK - 1)), e);
}

int tar_write_end (struct output *o, struct err *e) {
  return output_zeros (o, (size_t) (2 * TAR_BLOCK), e);
}
