/* An EROFS image being written front to back. Inodes with what stands behind them are packed into blocks of their own among the
 * blocks of data; what has been written already can be written again in its place. */
#ifndef GANTRY_EROFS_IMAGE_H
#define GANTRY_EROFS_IMAGE_H

#include "erofs_format.h"

#include <stdbool.h>
#include <stddef.h>

struct err;

/* The root's inode stands behind the superblock. */
enum { EROFS_ROOT_AT = EROFS_SUPER_AT + sizeof (struct erofs_super) };

struct image {
  int fd; /* a file that was empty; borrowed */
  uint64_t blocks;
  uint64_t sent;    /* bytes from the start of the file that are on their way to the disk */
  bool has_chunks;  /* some file is in chunks */
  uint64_t packing; /* the block of inodes that is not full yet; 0 = none */
  size_t used;      /* of it */
  uint8_t pack[EROFS_BLOCK];
};

void image_start (struct image *i, int fd);

/* Reserves blocks one after the other. */
int image_blocks (struct image *i, uint64_t count, uint64_t *first, struct err *e);

/* Reserves the place of an inode with its attributes, `head` bytes of both, and if it fits there of `tail` bytes of data:
   `*is_inline` says so. */
int image_inode (struct image *i, size_t head, size_t tail, uint64_t *at, bool *is_inline, struct err *e);

/* The same, and `tail` must be there. */
int image_inode_inline (struct image *i, size_t head, size_t tail, uint64_t *at, struct err *e);

int image_write (struct image *i, uint64_t at, const void *bytes, size_t size, struct err *e);

/* Of what was written, and within one block. */
int image_read (struct image *i, uint64_t at, void *bytes, size_t size, struct err *e);

/* Writes what is left, and last of all the superblock: without it nobody takes the file for an image. `first` is the rest of its
   block, the root's inode in front. */
int image_finish (struct image *i, uint64_t inodes, uint8_t first[EROFS_BLOCK], struct err *e);

#endif
