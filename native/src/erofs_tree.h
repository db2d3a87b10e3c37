/* The names, inodes and directories of an image being made. Everything lives until the tree is freed. */
#ifndef GANTRY_EROFS_TREE_H
#define GANTRY_EROFS_TREE_H

#include "erofs_attributes.h"
#include "siphash.h"
#include "tree_usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct err;

/* Names, inodes, texts of links and attributes of one image. */
#define EROFS_MAX_MEMORY ((size_t) 1 << 30)

struct inode {
  uint64_t size;
  uint64_t at; /* its address in the image; 0 = not there yet */
  uint32_t block; /* of its data; a device's number; doublings of a chunk */
  uint32_t number, uid, gid, links, nanoseconds;
  int64_t seconds;
  uint16_t mode;
  bool lost_a_link; /* since it was put into the image */
  uint8_t layout;     /* EROFS_PLAIN .. */
  uint32_t behind;    /* bytes of data, or of chunks' addresses, behind the attributes */
  struct attributes attributes;
  union {
    const char *link; /* of a symbolic link */
    struct {          /* of a directory */
      struct inode *parent; /* the root's is itself */
      struct name *names;   /* in no order, and some may be gone */
    };
  };
};

struct name {
  struct name *next;    /* of the directory */
  struct name *chained; /* in its bucket */
  struct inode *directory, *inode;
  uint32_t hash;
  uint8_t size;
  bool gone;
  char text[];
};

struct slab;

struct tree {
  struct inode *root;
  struct name **buckets; /* owned; a power of two of them */
  size_t bucket_count, name_count;
  struct siphash_key key;
  uint32_t inodes; /* made so far */
  size_t implied;  /* directories made because a name needed them */
  struct tree_usage usage;
  struct slab *slabs; /* owned */
  size_t memory;
};

int tree_start (struct tree *t, struct err *e);
void tree_end (struct tree *t);

void *tree_memory (struct tree *t, size_t size, struct err *e);

/* A new inode of root's, in no directory yet. Its time is 0 until the archive says another: the same archive always makes the
   same image. NULL when out of memory. */
struct inode *tree_inode (struct tree *t, uint16_t mode, struct err *e);

/* NULL = no such name. */
struct name *tree_name (const struct tree *t, const struct inode *directory, const char *text, size_t size);

/* Gives the inode a name, which must be free. */
int tree_enter (struct tree *t, struct inode *directory, const char *text, struct inode *inode, struct err *e);

/* Takes the name away, and all that is below it. */
void tree_drop (struct tree *t, struct name *name);

/* Where a path leads, links followed, the last one, too, and none out of the root. 0 or -errno. */
int tree_walk (const struct tree *t, const char *path, struct inode **found);

bool inode_is_whiteout (const struct inode *i);

/* The directory at the path, made with whatever is missing above it. NULL with `e` set. */
struct inode *tree_make_directories (struct tree *t, char *path, struct err *e);

/* Marks a directory opaque. */
int tree_make_opaque (struct tree *t, struct inode *directory, struct err *e);

#endif
