/* How much a directory tree holds. */
#ifndef GANTRY_TREE_USAGE_H
#define GANTRY_TREE_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct err;

/* As Docker counts: the lengths of everything but directories (a symbolic link's is that of its text), hard links once;
   the root itself is not counted. */
struct tree_usage {
  int64_t bytes, inodes;
};

/* One name more, or less, of an inode. Only the last name of several takes it out. */
void usage_add (struct tree_usage *u, const struct stat *st);
void usage_subtract (struct tree_usage *u, const struct stat *st);

/* Counts below `path` without following links or entering mounts. Stops with ECANCELED soon after *cancelled becomes
   nonzero. Names that vanish meanwhile are not counted. */
int tree_measure (const char *path, const volatile int32_t *cancelled, struct tree_usage *u, struct err *e);

#endif
