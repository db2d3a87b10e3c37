#include "tree_tar.h"

#include "err.h"
#include "tree_input.h"
#include "tree_number.h"
#include "tree_pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* POSIX ustar; GNU and star put other things into `prefix`. */
struct header {
  uint8_t name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
  uint8_t magic[8], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert (sizeof (struct header) == TAR_BLOCK, "a tar header is one block");

enum format { FORMAT_V7, FORMAT_USTAR, FORMAT_STAR, FORMAT_GNU };

struct tar_reader {
  struct input *in;
  uint64_t header_at;
  uint64_t headers;         /* read so far, extended ones too */
  uint64_t body_left;       /* unread bytes of the current entry's body */
  uint32_t padding;         /* after the body */
  bool is_sparse;
  uint64_t file_size;       /* of the current entry, holes included */
  bool has_long_name, has_long_link;
  char name[TAR_MAX_PATH], link[TAR_MAX_PATH];
  char *records;            /* TAR_MAX_RECORDS + 1 bytes, made when first needed */
  struct pax pax;
};

struct tar_reader *tar_reader_new (struct input *in) {
  struct tar_reader *r = calloc (1, sizeof *r);
  if (r != NULL)
    r->in = in;
  return r;
}

void tar_reader_free (struct tar_reader *r) {
  if (r == NULL)
    return;
  free (r->records);
  free (r->pax.extents);
  free (r);
}

uint64_t tar_header_position (const struct tar_reader *r) {
  return r->header_at;
}

static uint32_t padding_of (uint64_t size) {
  return (uint32_t) (-size & (TAR_BLOCK - 1));
}

/* ---- blocks ---- */

static bool is_zero_block (const uint8_t *block) {
  static const uint8_t zero[TAR_BLOCK];
  return memcmp (block, zero, TAR_BLOCK) == 0;
}

/* Old writers summed signed bytes. */
static bool checksum_matches (const struct header *h) {
  const uint8_t *bytes = (const uint8_t *) h;
  int64_t stated, plain = 0, with_sign = 0;
  for (size_t i = 0; i < TAR_BLOCK; i++) {
    bool blank = i >= offsetof (struct header, checksum) && i < offsetof (struct header, type);
    plain += blank ? ' ' : bytes[i];
    with_sign += blank ? ' ' : (int8_t) bytes[i];
  }
  return tar_field (h->checksum, sizeof h->checksum, &stated) && (stated == plain || stated == with_sign);
}

/* 1 with a copy of the next header block, 0 at the end of the archive. */
static int next_header (struct tar_reader *r, struct header *h, struct err *e) {
  for (int zeros = 0;; zeros++) {
    const uint8_t *block;
    r->header_at = r->in->position;
    ssize_t n = input_peek (r->in, TAR_BLOCK, &block, e);
    if (n < 0)
      return -1;
    if (n == 0)
      return 0;
    if (n < (ssize_t) TAR_BLOCK)
      return err_set (e, 0, "archive is truncated");
    if (!is_zero_block (block)) {
      if (zeros > 0)
        return err_set (e, 0, "a single zero block inside the archive");
      memcpy (h, block, TAR_BLOCK);
      input_take (r->in, TAR_BLOCK);
      break;
    }
    input_take (r->in, TAR_BLOCK);
    if (zeros == 1)
      return 0;
  }
  if (!checksum_matches (h))
    return err_set (e, 0, "wrong header checksum");
  if (++r->headers > TAR_MAX_ENTRIES)
    return err_set (e, 0, "more than %u entries", TAR_MAX_ENTRIES);
  return 1;
}

static enum format format_of (const struct header *h) {
  if (memcmp (h->magic, "ustar  ", 8) == 0)
    return FORMAT_GNU;
  if (memcmp (h->magic, "ustar", 6) != 0)
    return FORMAT_V7;
  return memcmp (h->rest + 8, "tar", 4) == 0 ? FORMAT_STAR : FORMAT_USTAR;
}

/* ---- extended headers ---- */

static int header_size (const struct header *h, uint64_t *size, struct err *e) {
  int64_t value;
  if (!tar_field (h->size, sizeof h->size, &value) || value < 0)
    return err_set (e, 0, "bad size in the header");
  *size = (uint64_t) value;
  return 0;
}

/* The payload of an extended header, in r->records, with a NUL behind it. */
static int read_records (struct tar_reader *r, const struct header *h, size_t *size, struct err *e) {
  uint64_t bytes = 0;
  if (header_size (h, &bytes, e) < 0)
    return -1;
  if (bytes > TAR_MAX_RECORDS)
    return err_set (e, 0, "extended header of %llu bytes is too large", (unsigned long long) bytes);
  if (r->records == NULL && (r->records = malloc (TAR_MAX_RECORDS + 1)) == NULL)
    return err_set (e, ENOMEM, "cannot keep an extended header");
  if (input_read (r->in, (uint8_t *) r->records, bytes, e) < 0 || input_skip (r->in, padding_of (bytes), e) < 0)
    return -1;
  r->records[bytes] = 0;
  *size = bytes;
  return 0;
}

static int skip_records (struct tar_reader *r, const struct header *h, struct err *e) {
  uint64_t bytes = 0;
  if (header_size (h, &bytes, e) < 0)
    return -1;
  if (bytes > TAR_MAX_RECORDS)
    return err_set (e, 0, "global header of %llu bytes is too large", (unsigned long long) bytes);
  return input_skip (r->in, bytes + padding_of (bytes), e);
}

static int keep_path (char *to, const char *from, size_t length, struct err *e) {
  if (length >= TAR_MAX_PATH)
    return err_set (e, 0, "path of %zu bytes is too long", length);
  memcpy (to, from, length);
  to[length] = 0;
  return 0;
}

static int read_long_path (struct tar_reader *r, const struct header *h, char *to, struct err *e) {
  uint64_t stated = 0;
  size_t size;
  if (header_size (h, &stated, e) < 0)
    return -1;
  if (stated > 2 * TAR_MAX_PATH)
    return err_set (e, 0, "path of %llu bytes is too long", (unsigned long long) stated);

  /* The records of a PAX header read before must survive, so the path does not pass through them. */
  char path[2 * TAR_MAX_PATH + 1];
  size = (size_t) stated;
  if (input_read (r->in, (uint8_t *) path, size, e) < 0 || input_skip (r->in, padding_of (size), e) < 0)
    return -1;
  path[size] = 0;
  size_t length = strlen (path);
  for (size_t i = length; i < size; i++)
    if (path[i] != 0)
      return err_set (e, 0, "NUL inside a path");
  return keep_path (to, path, length, e);
}

/* ---- the entry's own header ---- */

static int decode_type (const struct header *h, const char *name, struct tar_entry *entry, struct err *e) {
  size_t length = strlen (name);
  switch (h->type) {
  case 0: /* v7 knew only files; its directories end in a slash */
    entry->type = length > 0 && name[length - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
    return 0;
  case '0':
  case '7':
  case 'S':
    entry->type = TAR_FILE;
    return 0;
  case '1':
    entry->type = TAR_LINK;
    return 0;
  case '2':
    entry->type = TAR_SYMLINK;
    return 0;
  case '3':
    entry->type = TAR_CHAR;
    return 0;
  case '4':
    entry->type = TAR_BLOCKDEV;
    return 0;
  case '5':
    entry->type = TAR_DIRECTORY;
    return 0;
  case '6':
    entry->type = TAR_FIFO;
    return 0;
  default:
    return err_set (e, 0, "unknown entry type %d", h->type);
  }
}

/* A name field is ended by NUL only when it is shorter than the field. */
static size_t field_text (char *to, const uint8_t *field, size_t size) {
  size_t length = strnlen ((const char *) field, size);
  memcpy (to, field, length);
  to[length] = 0;
  return length;
}

static int decode_paths (struct tar_reader *r, const struct header *h, enum format format, struct err *e) {
  const struct pax *p = &r->pax;

  /* The sparse file's real name beats its stand-in "path"; a GNU long name beats both. */
  const char *path = p->sparse_name != NULL ? p->sparse_name : p->path;
  if (!r->has_long_name && path != NULL) {
    if (keep_path (r->name, path, strlen (path), e) < 0)
      return -1;
  } else if (!r->has_long_name) {
    size_t prefix_size = format == FORMAT_USTAR ? 155 : format == FORMAT_STAR ? 131 : 0;
    size_t used = field_text (r->name, h->prefix, prefix_size);
    if (used > 0)
      r->name[used++] = '/';
    field_text (r->name + used, h->name, sizeof h->name);
  }

  if (!r->has_long_link && p->link != NULL)
    return keep_path (r->link, p->link, strlen (p->link), e);
  if (!r->has_long_link)
    field_text (r->link, h->link, sizeof h->link);
  return 0;
}

/* -1 as an id means "leave it" to chown(2), so it is no id. */
static int decode_id (bool stated, uint64_t value, const uint8_t *field, const char *what, uint32_t *id, struct err *e) {
  int64_t number = (int64_t) value;
  if (!stated && !tar_field (field, 8, &number))
    return err_set (e, 0, "bad %s in the header", what);
  if ((stated && value >= UINT32_MAX) || number < 0 || number >= (int64_t) UINT32_MAX)
    return err_set (e, 0, "%s is out of range", what);
  *id = (uint32_t) number;
  return 0;
}

static int decode_owner (const struct pax *p, const struct header *h, struct tar_entry *entry, struct err *e) {
  int64_t mode;
  if (!tar_field (h->mode, sizeof h->mode, &mode) || mode < 0)
    return err_set (e, 0, "bad mode in the header");
  entry->mode = (uint32_t) mode & 07777;
  if (decode_id (p->has_uid, p->uid, h->uid, "user id", &entry->uid, e) < 0)
    return -1;
  return decode_id (p->has_gid, p->gid, h->gid, "group id", &entry->gid, e);
}

/* As Docker: an access time is believed only when it is not before the modification time. */
static int decode_times (const struct pax *p, const struct header *h, struct tar_entry *entry, struct err *e) {
  int64_t seconds;
  if (!tar_field (h->mtime, sizeof h->mtime, &seconds))
    return err_set (e, 0, "bad modification time in the header");
  entry->mtime = p->has_mtime ? p->mtime : (struct timespec) { .tv_sec = seconds };
  entry->atime = entry->mtime;
  if (p->has_atime && (p->atime.tv_sec > entry->mtime.tv_sec ||
                       (p->atime.tv_sec == entry->mtime.tv_sec && p->atime.tv_nsec > entry->mtime.tv_nsec)))
    entry->atime = p->atime;
  return 0;
}

static int decode_device (const struct header *h, enum format format, struct tar_entry *entry, struct err *e) {
  int64_t major = 0, minor = 0;
  entry->major = entry->minor = 0;
  if (format == FORMAT_V7 || (entry->type != TAR_CHAR && entry->type != TAR_BLOCKDEV))
    return 0;
  if (!tar_field (h->major, sizeof h->major, &major) || !tar_field (h->minor, sizeof h->minor, &minor))
    return err_set (e, 0, "bad device number in the header");
  if (major < 0 || major >= 1 << 12 || minor < 0 || minor >= 1 << 20)
    return err_set (e, 0, "device number is out of range");
  entry->major = (uint32_t) major;
  entry->minor = (uint32_t) minor;
  return 0;
}

/* ---- sparse files ---- */

/* `count` old GNU pairs of 12-byte fields; an empty one ends the map. */
static int add_gnu_extents (struct pax *p, const uint8_t *pairs, int count, struct err *e) {
  for (int i = 0; i < count && pairs[24 * i] != 0; i++) {
    int64_t offset, bytes;
    if (!tar_field (pairs + 24 * i, 12, &offset) || !tar_field (pairs + 24 * i + 12, 12, &bytes) || offset < 0 ||
        bytes < 0)
      return err_set (e, 0, "bad sparse map");
    if (pax_add_extent (p, (uint64_t) offset, (uint64_t) bytes, e) < 0)
      return -1;
  }
  return 0;
}

/* Old GNU: four pairs at 386 in the header, "more follows" at 482, the size with holes at 483; then blocks of 21 pairs. */
static int read_gnu_sparse (struct tar_reader *r, const struct header *h, enum format format, struct err *e) {
  const uint8_t *bytes = (const uint8_t *) h;
  int64_t size;
  if (format != FORMAT_GNU || !tar_field (bytes + 483, 12, &size) || size < 0)
    return err_set (e, 0, "bad sparse header");
  r->file_size = (uint64_t) size;
  if (add_gnu_extents (&r->pax, bytes + 386, 4, e) < 0)
    return -1;

  for (bool more = bytes[482] != 0; more;) {
    uint8_t block[TAR_BLOCK];
    size_t before = r->pax.extent_count;
    if (input_read (r->in, block, TAR_BLOCK, e) < 0 || add_gnu_extents (&r->pax, block, 21, e) < 0)
      return -1;
    more = block[504] != 0;
    if (more && r->pax.extent_count == before)
      return err_set (e, 0, "bad sparse map");
  }
  return 0;
}

/* One line of the sparse 1.0 map at the front of the body. */
static int read_map_number (struct tar_reader *r, uint64_t *value, struct err *e) {
  char digits[24];
  for (size_t i = 0; i < sizeof digits && r->body_left > 0; i++) {
    if (input_read (r->in, (uint8_t *) &digits[i], 1, e) < 0)
      return -1;
    r->body_left--;
    if (digits[i] == '\n')
      return tar_decimal (digits, digits + i, value) ? 0 : err_set (e, 0, "bad sparse map");
  }
  return err_set (e, 0, "bad sparse map");
}

/* PAX sparse 1.0: COUNT, then OFFSET and BYTES of each piece, all on lines of their own, padded to a block. */
static int read_map_from_body (struct tar_reader *r, struct err *e) {
  uint64_t before = r->body_left, count;
  r->pax.extent_count = 0;
  if (read_map_number (r, &count, e) < 0)
    return -1;
  if (count > TAR_MAX_EXTENTS)
    return err_set (e, 0, "sparse map has more than %u pieces", TAR_MAX_EXTENTS);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t offset, bytes;
    if (read_map_number (r, &offset, e) < 0 || read_map_number (r, &bytes, e) < 0 ||
        pax_add_extent (&r->pax, offset, bytes, e) < 0)
      return -1;
  }
  uint32_t padding = padding_of (before - r->body_left);
  if (padding > r->body_left)
    return err_set (e, 0, "bad sparse map");
  r->body_left -= padding;
  return input_skip (r->in, padding, e);
}

/* In order, without overlap, inside the file, and using up the body exactly. */
static int check_extents (const struct tar_reader *r, struct err *e) {
  uint64_t reached = 0, data = 0;
  for (size_t i = 0; i < r->pax.extent_count; i++) {
    const struct tar_extent *x = &r->pax.extents[i];
    if (x->offset < reached || x->offset > r->file_size || x->bytes > r->file_size - x->offset)
      return err_set (e, 0, "sparse map does not fit its file");
    reached = x->offset + x->bytes;
    data += x->bytes;
  }
  if (data != r->body_left)
    return err_set (e, 0, "sparse map does not fit its data");
  return 0;
}

static int read_sparse_map (struct tar_reader *r, const struct header *h, enum format format, struct err *e) {
  const struct pax *p = &r->pax;
  r->is_sparse = h->type == 'S' || p->sparse != PAX_NOT_SPARSE;
  if (!r->is_sparse)
    return 0;
  if (h->type == 'S') {
    r->pax.extent_count = 0;
    if (read_gnu_sparse (r, h, format, e) < 0)
      return -1;
  } else {
    if (!p->has_sparse_size)
      return err_set (e, 0, "sparse file without its size");
    r->file_size = p->sparse_size;
    if (p->sparse == PAX_SPARSE_1 && read_map_from_body (r, e) < 0)
      return -1;
  }
  if (r->file_size > INT64_MAX)
    return err_set (e, 0, "sparse file is too large");
  return check_extents (r, e);
}

/* ---- entries ---- */

/* Links, directories and devices have no body, whatever their size field says (it is the target's in old archives). */
static int decode_body (struct tar_reader *r, const struct header *h, enum format format, const struct tar_entry *entry,
                        struct err *e) {
  uint64_t size = 0;
  if (header_size (h, &size, e) < 0)
    return -1;
  if (r->pax.has_size)
    size = r->pax.size;
  if (size > INT64_MAX - TAR_BLOCK)
    return err_set (e, 0, "size is out of range");
  if (entry->type != TAR_FILE) {
    if (r->pax.sparse != PAX_NOT_SPARSE)
      return err_set (e, 0, "only a file can be sparse");
    return 0;
  }
  r->body_left = r->file_size = size;
  r->padding = padding_of (size);
  return read_sparse_map (r, h, format, e);
}

static int decode_entry (struct tar_reader *r, const struct header *h, struct tar_entry *entry, struct err *e) {
  enum format format = format_of (h);
  entry->name = r->name;
  entry->link = r->link;
  if (decode_paths (r, h, format, e) < 0 || decode_type (h, r->name, entry, e) < 0 ||
      decode_owner (&r->pax, h, entry, e) < 0 || decode_times (&r->pax, h, entry, e) < 0 ||
      decode_device (h, format, entry, e) < 0 || decode_body (r, h, format, entry, e) < 0)
    return -1;
  entry->size = r->file_size;
  entry->xattrs = r->pax.xattrs;
  entry->xattr_count = r->pax.xattr_count;
  return 1;
}

static int skip_body (struct tar_reader *r, struct err *e) {
  uint64_t rest = r->body_left + r->padding;
  r->body_left = 0;
  r->padding = 0;
  return input_skip (r->in, rest, e);
}

int tar_next (struct tar_reader *r, struct tar_entry *entry, struct err *e) {
  struct header h;
  bool extended = false;

  *entry = (struct tar_entry) { 0 };
  if (skip_body (r, e) < 0)
    return -1;
  pax_reset (&r->pax);
  r->has_long_name = r->has_long_link = r->is_sparse = false;
  r->file_size = 0;

  for (;;) {
    int found = next_header (r, &h, e);
    if (found == 0 && extended)
      return err_set (e, 0, "extended header without its entry");
    if (found <= 0)
      return found;

    int done = 0;
    size_t size = 0;
    switch (h.type) {
    case 'g':
      done = skip_records (r, &h, e);
      break;
    case 'x':
      pax_reset (&r->pax);
      done = read_records (r, &h, &size, e) < 0 ? -1 : pax_decode (&r->pax, r->records, size, e);
      break;
    case 'L':
      done = read_long_path (r, &h, r->name, e);
      r->has_long_name = true;
      break;
    case 'K':
      done = read_long_path (r, &h, r->link, e);
      r->has_long_link = true;
      break;
    default:
      return decode_entry (r, &h, entry, e);
    }
    if (done < 0)
      return -1;
    extended = extended || h.type != 'g';
  }
}

bool tar_is_sparse (const struct tar_reader *r) {
  return r->is_sparse;
}

int tar_copy_bytes (struct tar_reader *r, uint64_t bytes, int out, struct err *e) {
  r->body_left -= bytes;
  return input_copy (r->in, bytes, out, e);
}

int tar_read_bytes (struct tar_reader *r, uint8_t *to, size_t bytes, struct err *e) {
  r->body_left -= bytes;
  return input_read (r->in, to, bytes, e);
}

const struct tar_extent *tar_extents (const struct tar_reader *r, size_t *count) {
  *count = r->pax.extent_count;
  return r->pax.extents;
}

int tar_copy_body (struct tar_reader *r, int out, struct err *e) {
  if (!r->is_sparse)
    return tar_copy_bytes (r, r->body_left, out, e);
  for (size_t i = 0; i < r->pax.extent_count; i++) {
    const struct tar_extent *x = &r->pax.extents[i];
    if (lseek (out, (off_t) x->offset, SEEK_SET) < 0)
      return err_set (e, errno, "cannot seek in the sparse file");
    if (tar_copy_bytes (r, x->bytes, out, e) < 0)
      return -1;
  }
  if (ftruncate (out, (off_t) r->file_size) < 0)
    return err_set (e, errno, "cannot set the size of the sparse file");
  return 0;
}
