/* Puts inodes of a tree, and what they hold, into an image. */
#ifndef GANTRY_EROFS_INODES_H
#define GANTRY_EROFS_INODES_H

#include "erofs_image.h"
#include "erofs_tree.h"

struct err;
struct tar_reader;

/* Writes what is in the inode to its place, with the first `tail` bytes of `data` behind it. */
int inode_store (struct image *image, const struct inode *i, const void *data, size_t tail, struct err *e);

/* Gives a new inode its place. A file takes its data from the archive's current entry. */
int inode_place (struct image *image, struct inode *i, struct tar_reader *data, struct err *e);

/* Takes changes of an inode that has its place; `had` bytes of attributes are there. */
int inode_change (struct image *image, struct inode *i, size_t had, struct err *e);

/* Directories come last, when all their names and what these name have places: all that can be reached from the root, and
   the image's end. */
int directories_place (struct image *image, struct tree *t, struct err *e);

#endif
