/* Extended attributes of an image's inodes: checked as the kernel checks them when they are set on a file system that can be
 * written, since it takes those of an image as they are. */
#ifndef GANTRY_EROFS_ATTRIBUTES_H
#define GANTRY_EROFS_ATTRIBUTES_H

#include "erofs_format.h"

#include <stddef.h>

struct err;
struct tree;
struct inode;
struct tar_entry;

/* All of one inode, as they stand behind it. The memory is the tree's. */
struct attributes {
  uint8_t *bytes;
  uint32_t size, room;
};

/* Bytes behind the inode: 0 without attributes. */
size_t attributes_size (const struct attributes *a);

int attributes_set (struct attributes *a, struct tree *t, uint8_t prefix, const char *name, const void *value,
                    size_t size, struct err *e);
void attributes_remove (struct attributes *a, uint8_t prefix, const char *name);

/* Owner, mode and attributes as `t` has them: what an image has a say over (tree_metadata.h), replacing what is there by that
   name. With `everything` false of the attributes the access ACL alone, and the mode stays. */
int inode_set_metadata (struct inode *i, struct tree *tree, const struct tar_entry *t, int everything, struct err *e);

#endif
