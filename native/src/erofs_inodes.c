#include "erofs_inodes.h"

#include "err.h"
#include "tree_tar.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t blocks_of (uint64_t size) {
  return (size + EROFS_BLOCK - 1) >> EROFS_BLOCK_BITS;
}

/* Some bytes of attributes of one inode, so more than a block in the worst case. */
static int store_attributes (struct image *image, const struct inode *i, struct err *e) {
  static const struct erofs_attributes header;
  uint64_t at = i->at + sizeof (struct erofs_inode);
  if (i->attributes.size == 0)
    return 0;
  if (image_write (image, at, &header, sizeof header, e) < 0)
    return -1;
  return image_write (image, at + sizeof header, i->attributes.bytes, i->attributes.size, e);
}

int inode_store (struct image *image, const struct inode *i, const void *data, size_t tail, struct err *e) {
  size_t attributes = attributes_size (&i->attributes);
  size_t units = attributes == 0 ? 0 : i->attributes.size / 4 + 1;
  struct erofs_inode stored = {
    .format = htole16 (i->layout),
    .attributes = htole16 ((uint16_t) units),
    .mode = htole16 (i->mode),
    .size = htole64 (i->size),
    .place = htole32 (i->block),
    .number = htole32 (i->number),
    .uid = htole32 (i->uid),
    .gid = htole32 (i->gid),
    .mtime = (int64_t) htole64 ((uint64_t) i->seconds),
    .nanoseconds = htole32 (i->nanoseconds),
    .links = htole32 (i->links),
  };
  if (image_write (image, i->at, &stored, sizeof stored, e) < 0 || store_attributes (image, i, e) < 0)
    return -1;
  return tail == 0 ? 0 : image_write (image, i->at + sizeof stored + attributes, data, tail, e);
}

static size_t head_of (const struct inode *i) {
  return sizeof (struct erofs_inode) + attributes_size (&i->attributes);
}

/* The inode's place, with `tail` bytes of data behind it if they fit there. */
static int reserve (struct image *image, struct inode *i, size_t tail, struct err *e) {
  bool is_inline;
  if (image_inode (image, head_of (i), tail, &i->at, &is_inline, e) < 0)
    return -1;
  i->layout = is_inline ? EROFS_INLINE : EROFS_PLAIN;
  i->behind = is_inline ? (uint32_t) tail : 0;
  return 0;
}

static int place_file (struct image *image, struct inode *i, struct tar_reader *data, struct err *e) {
  uint8_t tail[EROFS_BLOCK];
  uint64_t first = 0;

  if (reserve (image, i, i->size & (EROFS_BLOCK - 1), e) < 0)
    return -1;
  uint64_t before = i->size - i->behind;
  if (before > 0) {
    if (image_blocks (image, blocks_of (before), &first, e) < 0)
      return -1;
    i->block = (uint32_t) first;
    if (lseek (image->fd, (off_t) (first << EROFS_BLOCK_BITS), SEEK_SET) < 0)
      return err_set (e, errno, "cannot seek in the image");
    if (tar_copy_bytes (data, before, image->fd, e) < 0)
      return -1;
  }
  if (i->behind > 0 && tar_read_bytes (data, tail, i->behind, e) < 0)
    return -1;
  return inode_store (image, i, tail, i->behind, e);
}

/* ---- sparse files ---- */

/* Chunks that hold nothing have no blocks. */
struct chunks {
  uint32_t *first; /* owned; of every chunk its block, as it is stored */
  uint64_t count, bytes;
};

enum { MAX_CHUNKS = 1 << 14, MAX_DOUBLINGS = 31 };

static int take_chunk (struct image *image, const struct inode *i, struct chunks *c, uint64_t n, struct err *e) {
  uint64_t first = 0, rest = i->size - n * c->bytes;
  if (c->first[n] != htole32 (EROFS_HOLE))
    return 0;
  if (image_blocks (image, blocks_of (rest < c->bytes ? rest : c->bytes), &first, e) < 0)
    return -1;
  c->first[n] = htole32 ((uint32_t) first);
  return 0;
}

static int copy_extent (struct image *image, const struct inode *i, struct chunks *c, const struct tar_extent *x,
                        struct tar_reader *data, struct err *e) {
  for (uint64_t at = x->offset, end = x->offset + x->bytes; at < end;) {
    uint64_t n = at / c->bytes, inside = at % c->bytes, most = c->bytes - inside;
    uint64_t part = end - at < most ? end - at : most;
    if (take_chunk (image, i, c, n, e) < 0)
      return -1;
    uint64_t to = ((uint64_t) le32toh (c->first[n]) << EROFS_BLOCK_BITS) + inside;
    if (lseek (image->fd, (off_t) to, SEEK_SET) < 0)
      return err_set (e, errno, "cannot seek in the image");
    if (tar_copy_bytes (data, part, image->fd, e) < 0)
      return -1;
    at += part;
  }
  return 0;
}

static int copy_extents (struct image *image, const struct inode *i, struct chunks *c, struct tar_reader *data,
                         struct err *e) {
  size_t count;
  const struct tar_extent *extents = tar_extents (data, &count);
  for (size_t n = 0; n < count; n++)
    if (copy_extent (image, i, c, &extents[n], data, e) < 0)
      return -1;
  return 0;
}

static int place_sparse (struct image *image, struct inode *i, struct tar_reader *data, struct err *e) {
  struct chunks c = { .bytes = EROFS_BLOCK };
  bool is_inline;

  for (i->block = 0; (c.count = (i->size + c.bytes - 1) / c.bytes) > MAX_CHUNKS; c.bytes *= 2)
    if (++i->block > MAX_DOUBLINGS)
      return err_set (e, EFBIG, "cannot hold so large a file in an image");
  i->layout = EROFS_CHUNKS;
  i->behind = (uint32_t) (c.count * sizeof *c.first);
  image->has_chunks = true;
  if (image_inode (image, head_of (i) + i->behind, 0, &i->at, &is_inline, e) < 0)
    return -1;
  c.first = malloc (i->behind + 1);
  if (c.first == NULL)
    return err_set (e, ENOMEM, "cannot map a sparse file");
  memset (c.first, 0xff, i->behind);
  int result = copy_extents (image, i, &c, data, e);
  if (result == 0)
    result = inode_store (image, i, c.first, i->behind, e);
  free (c.first);
  return result;
}

/* ---- all of them ---- */

static int place_link (struct image *image, struct inode *i, struct err *e) {
  uint64_t block = 0;
  if (reserve (image, i, i->size, e) < 0)
    return -1;
  if (i->behind == 0) {
    if (image_blocks (image, 1, &block, e) < 0)
      return -1;
    i->block = (uint32_t) block;
    if (image_write (image, block << EROFS_BLOCK_BITS, i->link, i->size, e) < 0)
      return -1;
  }
  return inode_store (image, i, i->link, i->behind, e);
}

int inode_place (struct image *image, struct inode *i, struct tar_reader *data, struct err *e) {
  if (S_ISREG (i->mode))
    return tar_is_sparse (data) && i->size > 0 ? place_sparse (image, i, data, e) : place_file (image, i, data, e);
  if (S_ISLNK (i->mode))
    return place_link (image, i, e);
  return reserve (image, i, 0, e) < 0 ? -1 : inode_store (image, i, NULL, 0, e);
}

/* What stands behind the attributes moves with them; blocks stay where they are. */
int inode_change (struct image *image, struct inode *i, size_t had, struct err *e) {
  uint8_t behind[EROFS_BLOCK];
  if (attributes_size (&i->attributes) == had)
    return inode_store (image, i, NULL, 0, e);
  if (head_of (i) + i->behind > EROFS_BLOCK)
    return err_set (e, E2BIG, "cannot give it so many attributes afterwards");
  if (i->behind > 0 && image_read (image, i->at + sizeof (struct erofs_inode) + had, behind, i->behind, e) < 0)
    return -1;
  if (image_inode_inline (image, head_of (i), i->behind, &i->at, e) < 0)
    return -1;
  return inode_store (image, i, behind, i->behind, e);
}
