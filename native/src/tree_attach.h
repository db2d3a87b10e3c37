/* File systems of the host's own, for volumes that are not directories of ours. */
#ifndef GANTRY_TREE_ATTACH_H
#define GANTRY_TREE_ATTACH_H

#include <stddef.h>
#include <stdint.h>

struct err;

struct attach_wish {
  const char *fstype; /* "bind" and "rbind": what is at `source` already */
  const char *source, *target;
  uint64_t attr_set, attr_clr; /* MOUNT_ATTR_* */
  uint64_t propagation;        /* MS_*, 0: as it is */
  const char *const *options;  /* "k=v" or "k", of a new file system */
  size_t option_count;
};

/* Mounts on the directory `target` in this process's own mount namespace. */
int tree_attach (const struct attach_wish *w, struct err *e);

#endif
