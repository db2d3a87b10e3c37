/* Extended attributes of what is packed: the image's own, and what overlayfs keeps in them. */
#ifndef GANTRY_TREE_ATTRIBUTES_H
#define GANTRY_TREE_ATTRIBUTES_H

#include "tree_tar.h"

#include <sys/stat.h>

struct shift_maps;

/* Overlayfs's own, as trusted.overlay.*: nobody in a container can set those. */
enum overlay_mark {
  MARK_OPAQUE = 1,     /* a directory: what lower layers have in it is hidden */
  MARK_XWHITEOUTS = 2, /* a directory: empty files with MARK_WHITEOUT in it are whiteouts */
  MARK_WHITEOUT = 4,
  MARK_REDIRECT = 8,   /* a directory: its lower part has another name */
  MARK_METACOPY = 16,  /* a file: its content is still in a lower layer */
};

struct attributes {
  struct tar_xattr xattrs[TAR_MAX_XATTRS]; /* by name */
  size_t count;
  unsigned marks;
  char *list;      /* owned, like the values; made when first needed */
  uint8_t *values;
};

/* Of an open file or directory, or with -1 of `name` in `directory`. With `maps` ids in them are translated. */
int attributes_read (struct attributes *a, int fd, int directory, const char *name, const struct shift_maps *maps,
                     struct err *e);
bool attributes_equal (const struct attributes *a, const struct attributes *b);
void attributes_free (struct attributes *a);

#endif
