#include "erofs_image.h"

#include "err.h"
#include "writeback.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Addresses of blocks have 32 bits, and the last value means none. */
#define MAX_BLOCKS 0xfffffffeu

void image_start (struct image *i, int fd) {
  *i = (struct image) { .fd = fd, .blocks = 1 };
}

/* Blocks are filled more or less in order; the few that are written later go twice. */
static void send (struct image *i) {
  uint64_t end = i->blocks << EROFS_BLOCK_BITS;
  if (end - i->sent < WRITEBACK_BYTES)
    return;
  writeback_start (i->fd, i->sent, end - i->sent);
  i->sent = end;
}

int image_blocks (struct image *i, uint64_t count, uint64_t *first, struct err *e) {
  if (count > MAX_BLOCKS - i->blocks)
    return err_set (e, EFBIG, "cannot hold so much data in one image");
  send (i);
  *first = i->blocks;
  i->blocks += count;
  return 0;
}

static int write_at (int fd, uint64_t at, const uint8_t *bytes, size_t size, struct err *e) {
  while (size > 0) {
    ssize_t n = pwrite (fd, bytes, size, (off_t) at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_set (e, errno, "cannot write the image");
    bytes += n;
    at += (uint64_t) n;
    size -= (size_t) n;
  }
  return 0;
}

/* ---- inodes ---- */

static int close_pack (struct image *i, struct err *e) {
  if (i->packing == 0)
    return 0;
  uint64_t at = i->packing << EROFS_BLOCK_BITS;
  i->packing = 0;
  return write_at (i->fd, at, i->pack, sizeof i->pack, e);
}

/* Starts one in the last of `count` new blocks, of which `used` bytes altogether are taken. */
static int open_pack (struct image *i, uint64_t count, size_t used, uint64_t *at, struct err *e) {
  uint64_t first = 0;
  if (close_pack (i, e) < 0 || image_blocks (i, count, &first, e) < 0)
    return -1;
  memset (i->pack, 0, sizeof i->pack);
  i->packing = first + count - 1;
  i->used = used - (count - 1) * EROFS_BLOCK;
  *at = first << EROFS_BLOCK_BITS;
  return 0;
}

static size_t room_left (const struct image *i) {
  size_t start = (i->used + EROFS_SLOT - 1) & ~(size_t) (EROFS_SLOT - 1);
  return i->packing == 0 || start > EROFS_BLOCK ? 0 : EROFS_BLOCK - start;
}

static uint64_t take_room (struct image *i, size_t size) {
  size_t start = EROFS_BLOCK - room_left (i);
  i->used = start + size;
  return (i->packing << EROFS_BLOCK_BITS) + start;
}

int image_inode (struct image *i, size_t head, size_t tail, uint64_t *at, bool *is_inline, struct err *e) {
  size_t room = room_left (i);
  /* What a new block would leave empty of this one, against what a block of its own for the tail would leave empty of that. */
  bool rather_apart = head <= room && EROFS_BLOCK - tail < room;
  *is_inline = tail > 0 && (head + tail <= room || (head + tail <= EROFS_BLOCK && !rather_apart));
  size_t size = head + (*is_inline ? tail : 0);
  if (size <= room) {
    *at = take_room (i, size);
    return 0;
  }
  return open_pack (i, (size + EROFS_BLOCK - 1) / EROFS_BLOCK, size, at, e);
}

int image_inode_inline (struct image *i, size_t head, size_t tail, uint64_t *at, struct err *e) {
  if (head + tail > EROFS_BLOCK)
    return err_set (e, E2BIG, "cannot give it so many attributes afterwards");
  if (head + tail <= room_left (i)) {
    *at = take_room (i, head + tail);
    return 0;
  }
  return open_pack (i, 1, head + tail, at, e);
}

/* The part of [at, at + size) that is in the block not full yet, as a range of it. */
static bool packed_part (const struct image *i, uint64_t at, size_t size, uint64_t *from, uint64_t *to) {
  uint64_t start = i->packing << EROFS_BLOCK_BITS, end = start + EROFS_BLOCK;
  *from = at > start ? at : start;
  *to = at + size < end ? at + size : end;
  return i->packing != 0 && *from < *to;
}

int image_write (struct image *i, uint64_t at, const void *bytes, size_t size, struct err *e) {
  uint64_t from, to;
  if (!packed_part (i, at, size, &from, &to))
    return write_at (i->fd, at, bytes, size, e);
  memcpy (i->pack + (from & (EROFS_BLOCK - 1)), (const uint8_t *) bytes + (from - at), to - from);
  return write_at (i->fd, at, bytes, from - at, e) < 0 ||
                 write_at (i->fd, to, (const uint8_t *) bytes + (to - at), at + size - to, e) < 0
             ? -1
             : 0;
}

int image_read (struct image *i, uint64_t at, void *bytes, size_t size, struct err *e) {
  uint64_t from, to;
  if (packed_part (i, at, size, &from, &to)) {
    memcpy (bytes, i->pack + (from & (EROFS_BLOCK - 1)), size);
    return 0;
  }
  ssize_t n = pread (i->fd, bytes, size, (off_t) at);
  return n == (ssize_t) size ? 0 : err_set (e, n < 0 ? errno : EIO, "cannot read the image");
}

/* ---- the end ---- */

/* CRC-32C, without the inversion at the end. */
static uint32_t checksum (const uint8_t *bytes, size_t size) {
  uint32_t crc = ~0u;
  for (; size > 0; size--) {
    crc ^= *bytes++;
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1));
  }
  return crc;
}

int image_finish (struct image *i, uint64_t inodes, uint8_t first[EROFS_BLOCK], struct err *e) {
  struct erofs_super super = {
    .magic = htole32 (EROFS_MAGIC),
    .compat = htole32 (EROFS_COMPAT_CHECKSUM | EROFS_COMPAT_MTIME),
    .block_bits = EROFS_BLOCK_BITS,
    .root_nid = htole16 (EROFS_ROOT_AT / EROFS_SLOT),
    .inodes = htole64 (inodes),
    .blocks = htole32 ((uint32_t) i->blocks),
    .incompat = htole32 (i->has_chunks ? EROFS_INCOMPAT_CHUNKS : 0),
  };
  if (close_pack (i, e) < 0)
    return -1;
  if (ftruncate (i->fd, (off_t) (i->blocks << EROFS_BLOCK_BITS)) < 0)
    return err_set (e, errno, "cannot set the size of the image");
  memcpy (first + EROFS_SUPER_AT, &super, sizeof super);
  super.checksum = htole32 (checksum (first + EROFS_SUPER_AT, EROFS_BLOCK - EROFS_SUPER_AT));
  memcpy (first + EROFS_SUPER_AT, &super, sizeof super);
  return write_at (i->fd, 0, first, EROFS_BLOCK, e);
}
