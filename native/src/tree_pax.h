/* The records of a PAX extended header: "LENGTH KEY=VALUE\n", LENGTH counting all of it. */
#ifndef GANTRY_TREE_PAX_H
#define GANTRY_TREE_PAX_H

#include "tree_tar.h"

enum pax_sparse { PAX_NOT_SPARSE, PAX_SPARSE_0, PAX_SPARSE_1 };

/* What one header says. Strings point into the records; NULL and has_* = false mean "not said". */
struct pax {
  const char *path, *link, *sparse_name;
  bool has_size, has_uid, has_gid, has_mtime, has_atime, has_sparse_size;
  uint64_t size, uid, gid, sparse_size;
  struct timespec mtime, atime;
  enum pax_sparse sparse;
  bool has_open_extent;      /* GNU.sparse.offset came, its numbytes not yet */
  struct tar_extent *extents; /* owned by the reader; grows */
  size_t extent_count, extent_capacity;
  struct tar_xattr xattrs[TAR_MAX_XATTRS];
  size_t xattr_count;
};

/* Forgets everything said; keeps the memory. */
void pax_reset (struct pax *p);

/* Decodes in place (separators become NULs). `records` has room for one byte more than `size`. */
int pax_decode (struct pax *p, char *records, size_t size, struct err *e);

/* Appends to the sparse map, checking nothing but its length. */
int pax_add_extent (struct pax *p, uint64_t offset, uint64_t bytes, struct err *e);

#endif
