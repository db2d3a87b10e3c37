#include "erofs_inodes.h"

#include "err.h"
#include "tree_tar.h"

#include <endian.h>
#include <errno.h>
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
    .format = htole16 (i->is_inline ? EROFS_INLINE : EROFS_PLAIN),
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

static int place_file (struct image *image, struct inode *i, struct tar_reader *data, struct err *e) {
  uint8_t tail[EROFS_BLOCK];
  uint64_t first = 0;
  bool is_sparse = tar_is_sparse (data);
  size_t rest = is_sparse ? 0 : i->size & (EROFS_BLOCK - 1);

  if (image_inode (image, head_of (i), rest, &i->at, &i->is_inline, e) < 0)
    return -1;
  size_t behind = i->is_inline ? rest : 0;
  uint64_t count = blocks_of (i->size - behind);
  if (count > 0) {
    if (image_blocks (image, count, &first, e) < 0)
      return -1;
    i->block = (uint32_t) first;
    uint64_t base = first << EROFS_BLOCK_BITS;
    if (is_sparse ? tar_copy_extents (data, image->fd, base, e) < 0
                  : lseek (image->fd, (off_t) base, SEEK_SET) < 0 ||
                        tar_copy_bytes (data, i->size - behind, image->fd, e) < 0)
      return e->text[0] == '\0' ? err_set (e, errno, "cannot seek in the image") : -1;
  }
  if (behind > 0 && tar_read_bytes (data, tail, behind, e) < 0)
    return -1;
  return inode_store (image, i, tail, behind, e);
}

static int place_link (struct image *image, struct inode *i, struct err *e) {
  if (image_inode (image, head_of (i), i->size, &i->at, &i->is_inline, e) < 0)
    return -1;
  if (i->is_inline)
    return inode_store (image, i, i->link, i->size, e);
  uint64_t block = 0;
  if (image_blocks (image, 1, &block, e) < 0)
    return -1;
  i->block = (uint32_t) block;
  return image_write (image, block << EROFS_BLOCK_BITS, i->link, i->size, e) < 0 ? -1 : inode_store (image, i, NULL, 0, e);
}

int inode_place (struct image *image, struct inode *i, struct tar_reader *data, struct err *e) {
  if (S_ISREG (i->mode))
    return place_file (image, i, data, e);
  if (S_ISLNK (i->mode))
    return place_link (image, i, e);
  if (image_inode (image, head_of (i), 0, &i->at, &i->is_inline, e) < 0)
    return -1;
  return inode_store (image, i, NULL, 0, e);
}

/* What stands behind the attributes moves with them; blocks stay where they are. */
int inode_change (struct image *image, struct inode *i, size_t had, struct err *e) {
  uint8_t tail[EROFS_BLOCK];
  size_t behind = i->is_inline ? i->size & (EROFS_BLOCK - 1) : 0;
  if (attributes_size (&i->attributes) == had)
    return inode_store (image, i, NULL, 0, e);
  if (behind > 0 && image_read (image, i->at + sizeof (struct erofs_inode) + had, tail, behind, e) < 0)
    return -1;
  if (image_inode_inline (image, head_of (i), behind, &i->at, e) < 0)
    return -1;
  return inode_store (image, i, tail, behind, e);
}
