/* Applies a layer archive to a directory tree. */
#ifndef GANTRY_TREE_APPLY_H
#define GANTRY_TREE_APPLY_H

#include "tree_tar.h"
#include "tree_usage.h"

#include <stdbool.h>

struct err;
struct input;

struct apply_result {
  struct tree_usage usage; /* what was added, less what was replaced */
  bool in_entry;           /* on failure: it concerns the entry `name`; else the header at `position` */
  char name[TAR_MAX_PATH];
  uint64_t position;
};

/* Reads the archive to its end and whatever follows that to the end of the input. `root` is the tree's directory, open
   for reading. With `overlay` whiteouts and opaque marks become those of overlayfs, else they delete what is there. Expects
   umask 0. On failure the tree is left half-done. */
int tree_apply (int root, bool overlay, struct input *in, struct apply_result *result, struct err *e);

#endif
