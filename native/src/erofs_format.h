/* The part of EROFS's on-disk format that our images use: uncompressed files in one piece of 4096-byte blocks with the last,
 * partial one behind the inode where it fits there, sparse files in chunks, 64-byte inodes, attributes behind the inode. All numbers are little-endian,
 * and addresses count from the start of the image. */
#ifndef GANTRY_EROFS_FORMAT_H
#define GANTRY_EROFS_FORMAT_H

#include <stdint.h>

enum { EROFS_BLOCK = 4096, EROFS_BLOCK_BITS = 12, EROFS_SUPER_AT = 1024 };

#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_COMPAT_CHECKSUM 1u
#define EROFS_COMPAT_MTIME 2u
#define EROFS_INCOMPAT_CHUNKS 4u

struct erofs_super {
  uint32_t magic, checksum, compat;
  uint8_t block_bits, extra_slots;
  uint16_t root_nid; /* so the root's inode is within the first 2 MiB */
  uint64_t inodes, epoch;
  uint32_t nanoseconds, blocks, meta_block, attribute_block;
  uint8_t uuid[16], name[16];
  uint32_t incompat;
  uint8_t unused[44];
};
_Static_assert (sizeof (struct erofs_super) == 128, "as the kernel reads it");

/* An inode is named by its address in units of 32 bytes. */
enum { EROFS_SLOT = 32 };

/* `format`: bit 0 says that it has 64 bytes, the rest where the data is. */
enum { EROFS_PLAIN = 0 << 1 | 1, EROFS_INLINE = 2 << 1 | 1, EROFS_CHUNKS = 4 << 1 | 1 };

/* Of EROFS_CHUNKS: behind the attributes there is the first block of every chunk; this one has none, it is a hole. */
#define EROFS_HOLE 0xffffffffu

struct erofs_inode {
  uint16_t format, attributes, mode, unused;
  uint64_t size;
  uint32_t place; /* the first block, of a device its number, of EROFS_CHUNKS how often a block is doubled for a chunk */
  uint32_t number, uid, gid;
  int64_t mtime;
  uint32_t nanoseconds, links;
  uint8_t unused2[16];
};
_Static_assert (sizeof (struct erofs_inode) == 64, "as the kernel reads it");

/* `attributes` of an inode is 0, or the length of what follows it in units of 4 bytes, this header as one. */
struct erofs_attributes {
  uint8_t unused[12];
};

struct erofs_attribute {
  uint8_t name_size, prefix;
  uint16_t value_size; /* the name without its prefix follows, then the value, then zeros up to 4 bytes */
};

enum { EROFS_USER = 1, EROFS_ACL_ACCESS = 2, EROFS_ACL_DEFAULT = 3, EROFS_TRUSTED = 4, EROFS_SECURITY = 6 };

/* A block of a directory: entries, sorted by name over the whole directory, then their names without a NUL between them. */
struct erofs_entry {
  uint64_t nid;
  uint16_t name_at;
  uint8_t type, unused;
} __attribute__ ((packed));

enum erofs_type { EROFS_FILE = 1, EROFS_DIRECTORY, EROFS_CHAR, EROFS_BLOCKDEV, EROFS_FIFO, EROFS_SOCKET, EROFS_SYMLINK };

#endif
