/* Files with several names, by the first of them that was met. */
#ifndef GANTRY_TREE_LINKS_H
#define GANTRY_TREE_LINKS_H

#include <sys/types.h>

/* All zero is empty. */
struct links {
  void *root; /* tsearch(3) */
};

/* The path under which the inode was met first: a copy of `path` itself when that is now. NULL when out of memory. */
const char *links_first (struct links *l, dev_t device, ino_t inode, const char *path);
void links_free (struct links *l);

#endif
