/* Reads tar archives: v7, ustar, star, GNU (long names, base-256 numbers, old sparse) and PAX (paths, sizes, owners,
 * nanosecond times, SCHILY.xattr, sparse 0.0, 0.1 and 1.0). Nothing here touches the file system.
 *
 * Where formats leave room, Go's archive/tar decides, since that is what every Docker layer was written and read with:
 * a GNU long name wins over a PAX path, global PAX headers are ignored, a missing end-of-archive mark is fine.
 * Archives are hostile: every length is capped, every number range-checked, and what is unknown is refused by name.
 */
#ifndef GANTRY_TREE_TAR_H
#define GANTRY_TREE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct err;
struct input;

#define TAR_BLOCK 512u
#define TAR_MAX_PATH 4096u           /* with the NUL, as PATH_MAX */
#define TAR_MAX_RECORDS (1u << 20)   /* payload of one PAX or long-name header */
#define TAR_MAX_XATTRS 256u          /* of one entry */
#define TAR_MAX_EXTENTS (1u << 17)   /* of one sparse file */
#define TAR_MAX_ENTRIES 5000000u

enum tar_type { TAR_FILE, TAR_LINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCKDEV, TAR_DIRECTORY, TAR_FIFO };

struct tar_xattr {
  const char *name;
  const uint8_t *value;
  size_t size;
};

/* One piece of data in a sparse file; the rest of the file is a hole. */
struct tar_extent {
  uint64_t offset, bytes;
};

/* Everything is valid until the next tar_next. */
struct tar_entry {
  enum tar_type type;
  const char *name; /* as in the archive, not cleaned; at most TAR_MAX_PATH - 1 bytes */
  const char *link;
  uint32_t mode;    /* permission bits with setuid, setgid, sticky */
  uint32_t uid, gid;
  uint32_t major, minor;
  struct timespec atime, mtime;
  uint64_t size;    /* of the file as it will be, holes included; 0 for all other types */
  const struct tar_xattr *xattrs;
  size_t xattr_count;
};

struct tar_reader;

/* `in` is borrowed. NULL when out of memory. */
struct tar_reader *tar_reader_new (struct input *in);
void tar_reader_free (struct tar_reader *r);

/* 1 with the next entry, 0 at the end of the archive, -1 when it is damaged. What is left of the entry before is skipped. */
int tar_next (struct tar_reader *r, struct tar_entry *entry, struct err *e);

/* Writes the body of the current TAR_FILE entry to the empty file `out`, holes as holes. At most once an entry. */
int tar_copy_body (struct tar_reader *r, int out, struct err *e);

/* The same in pieces: the next bytes of a body, no more than it has. */
bool tar_is_sparse (const struct tar_reader *r);
int tar_copy_bytes (struct tar_reader *r, uint64_t bytes, int out, struct err *e);
int tar_read_bytes (struct tar_reader *r, uint8_t *to, size_t bytes, struct err *e);

/* Where the pieces of a sparse body go, in order; the body has nothing else. */
const struct tar_extent *tar_extents (const struct tar_reader *r, size_t *count);

/* Where the header began that tar_next read last, in bytes from the start of the archive. */
uint64_t tar_header_position (const struct tar_reader *r);

#endif
