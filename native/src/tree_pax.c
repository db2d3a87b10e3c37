#include "tree_pax.h"

#include "err.h"
#include "tree_number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pax_reset (struct pax *p) {
  struct tar_extent *extents = p->extents;
  size_t capacity = p->extent_capacity;
  p->xattr_count = 0;
  memset (p, 0, offsetof (struct pax, xattrs));
  p->extents = extents;
  p->extent_capacity = capacity;
}

int pax_add_extent (struct pax *p, uint64_t offset, uint64_t bytes, struct err *e) {
  if (p->extent_count == TAR_MAX_EXTENTS)
    return err_set (e, 0, "sparse map has more than %u pieces", TAR_MAX_EXTENTS);
  if (p->extent_count == p->extent_capacity) {
    size_t capacity = p->extent_capacity == 0 ? 64 : 2 * p->extent_capacity;
    struct tar_extent *grown = reallocarray (p->extents, capacity, sizeof *grown);
    if (grown == NULL)
      return err_set (e, ENOMEM, "cannot keep the sparse map");
    p->extents = grown;
    p->extent_capacity = capacity;
  }
  p->extents[p->extent_count++] = (struct tar_extent) { offset, bytes };
  return 0;
}

static int bad_record (const char *key, struct err *e) {
  return err_set (e, 0, "bad value of PAX record \"%.40s\"", key);
}

/* GNU.sparse.map: "offset,bytes,offset,bytes,..." */
static int decode_sparse_map (struct pax *p, const char *value, const char *end, struct err *e) {
  p->sparse = PAX_SPARSE_0;
  while (value < end) {
    uint64_t pair[2];
    for (int i = 0; i < 2; i++) {
      const char *comma = memchr (value, ',', (size_t) (end - value));
      const char *stop = comma == NULL ? end : comma;
      if (!tar_decimal (value, stop, &pair[i]))
        return bad_record ("GNU.sparse.map", e);
      value = stop < end ? stop + 1 : end;
    }
    if (pax_add_extent (p, pair[0], pair[1], e) < 0)
      return -1;
  }
  return 0;
}

/* `key` is what follows "GNU.sparse.". */
static int decode_sparse (struct pax *p, const char *key, const char *value, const char *end, struct err *e) {
  uint64_t number;

  if (strcmp (key, "name") == 0) {
    p->sparse_name = value;
    return 0;
  }
  if (strcmp (key, "map") == 0)
    return decode_sparse_map (p, value, end, e);
  if (!tar_decimal (value, end, &number))
    return bad_record (key, e);

  if (strcmp (key, "major") == 0) {
    if (number > 1)
      return err_set (e, 0, "unknown sparse format %s", value);
    p->sparse = number == 1 ? PAX_SPARSE_1 : PAX_SPARSE_0;
  } else if (strcmp (key, "size") == 0 || strcmp (key, "realsize") == 0) {
    p->has_sparse_size = true;
    p->sparse_size = number;
  } else if (strcmp (key, "numblocks") == 0) {
    if (p->sparse == PAX_NOT_SPARSE)
      p->sparse = PAX_SPARSE_0;
  } else if (strcmp (key, "offset") == 0) {
    if (p->has_open_extent)
      return bad_record (key, e);
    if (pax_add_extent (p, number, 0, e) < 0)
      return -1;
    p->has_open_extent = true;
  } else if (strcmp (key, "numbytes") == 0) {
    if (!p->has_open_extent)
      return bad_record (key, e);
    p->extents[p->extent_count - 1].bytes = number;
    p->has_open_extent = false;
  } else if (strcmp (key, "minor") == 0) {
    if (number > 1)
      return err_set (e, 0, "unknown sparse format with minor number %s", value);
  }
  return 0;
}

static int add_xattr (struct pax *p, const char *name, const char *value, const char *end, struct err *e) {
  struct tar_xattr x = { name, (const uint8_t *) value, (size_t) (end - value) };
  for (size_t i = 0; i < p->xattr_count; i++)
    if (strcmp (p->xattrs[i].name, name) == 0) {
      p->xattrs[i] = x;
      return 0;
    }
  if (p->xattr_count == TAR_MAX_XATTRS)
    return err_set (e, 0, "more than %u extended attributes", TAR_MAX_XATTRS);
  p->xattrs[p->xattr_count++] = x;
  return 0;
}

#define XATTR_PREFIX "SCHILY.xattr."
#define SPARSE_PREFIX "GNU.sparse."

static int decode_record (struct pax *p, const char *key, const char *value, const char *end, struct err *e) {
  if (strncmp (key, XATTR_PREFIX, sizeof XATTR_PREFIX - 1) == 0)
    return add_xattr (p, key + sizeof XATTR_PREFIX - 1, value, end, e);
  if (memchr (value, 0, (size_t) (end - value)) != NULL)
    return bad_record (key, e);
  if (value == end) /* "the record is as if not there", POSIX pax, and what the ustar header says counts again */
    return 0;
  if (strncmp (key, SPARSE_PREFIX, sizeof SPARSE_PREFIX - 1) == 0)
    return decode_sparse (p, key + sizeof SPARSE_PREFIX - 1, value, end, e);

  bool good = true;
  if (strcmp (key, "path") == 0) {
    p->path = value;
  } else if (strcmp (key, "linkpath") == 0) {
    p->link = value;
  } else if (strcmp (key, "size") == 0) {
    good = p->has_size = tar_decimal (value, end, &p->size);
  } else if (strcmp (key, "uid") == 0) {
    good = p->has_uid = tar_decimal (value, end, &p->uid);
  } else if (strcmp (key, "gid") == 0) {
    good = p->has_gid = tar_decimal (value, end, &p->gid);
  } else if (strcmp (key, "mtime") == 0) {
    good = p->has_mtime = tar_time (value, end, &p->mtime);
  } else if (strcmp (key, "atime") == 0) {
    good = p->has_atime = tar_time (value, end, &p->atime);
  }
  return good ? 0 : bad_record (key, e);
}

int pax_decode (struct pax *p, char *records, size_t size, struct err *e) {
  char *at = records, *const end = records + size;
  while (at < end) {
    char *space = memchr (at, ' ', (size_t) (end - at));
    uint64_t length;
    if (space == NULL || !tar_decimal (at, space, &length) || length > (uint64_t) (end - at))
      return err_set (e, 0, "bad length of a PAX record");

    char *key = space + 1, *last = at + length - 1;
    if (last <= key || *last != '\n')
      return err_set (e, 0, "PAX record without its end of line");
    char *equals = memchr (key, '=', (size_t) (last - key));
    if (equals == NULL || equals == key || memchr (key, 0, (size_t) (equals - key)) != NULL)
      return err_set (e, 0, "PAX record without a key");
    *equals = 0;
    *last = 0;
    if (decode_record (p, key, equals + 1, last, e) < 0)
      return -1;
    at += length;
  }
  if (p->has_open_extent)
    return bad_record ("GNU.sparse.offset", e);
  return 0;
}
