/* How much a directory tree holds. */
#ifndef GANTRY_TREE_USAGE_H
#define GANTRY_TREE_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct err;

enum { TREE_KEY_BYTES = 32 };

/* As Docker counts: the lengths of everything but directories (a symbolic link's is that of its text), hard links once;
   the root itself is not counted. */
struct tree_usage {
  int64_t bytes, inodes;
};

/* One name more, or less, of an inode. Only the last name of several takes it out. */
void usage_add (struct tree_usage *u, const struct stat *st);
void usage_subtract (struct tree_usage *u, const struct stat *st);

/* What a walk does with each name besides counting. */
struct tree_visitor {
  /* `parent` is the key of the directory that the name is in, 32 zeros for the root; `key` becomes the entry's own. */
  int (*visit) (struct tree_visitor *self, int directory, const char *name, const struct stat *st,
                const uint8_t parent[TREE_KEY_BYTES], uint8_t key[TREE_KEY_BYTES], struct err *e);
};

/* tree_measure, with a visitor that sees every name; the names that vanish meanwhile it may see or not. */
int tree_visit_all (const char *path, const volatile int32_t *cancelled, struct tree_visitor *visitor, struct tree_usage *u,
               struct err *e);

/* Counts below `path` without following links or entering mounts. Stops with ECANCELED soon after *cancelled becomes
   nonzero. Names that vanish meanwhile are not counted. */
int tree_measure (const char *path, const volatile int32_t *cancelled, struct tree_usage *u, struct err *e);

#endif
