/* A set of inodes. */
#ifndef GANTRY_TREE_INODES_H
#define GANTRY_TREE_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct inode_key {
  dev_t device;
  ino_t inode; /* 0 = free slot: no file system has an inode 0 */
};

/* All zero is the empty set. */
struct inode_set {
  struct inode_key *slots; /* owned; a power of two of them */
  size_t capacity, count;
};

/* 1 when it is new, 0 when it was there, -1 with errno when out of memory. */
int inode_set_add (struct inode_set *s, dev_t device, ino_t inode);
bool inode_set_has (const struct inode_set *s, dev_t device, ino_t inode);
void inode_set_free (struct inode_set *s);

#endif
