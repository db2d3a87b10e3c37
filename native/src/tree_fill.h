/* What an image has at a path, copied into the new volume that will cover it. */
#ifndef GANTRY_TREE_FILL_H
#define GANTRY_TREE_FILL_H

#include "tree_ids.h"
#include "tree_usage.h"

struct err;

enum fill_found {
  FILL_NOTHING,   /* the image has nothing there */
  FILL_DIRECTORY, /* copied, with the directory's own owner, mode and attributes */
  FILL_OTHER,     /* something that is no directory */
  FILL_FULL,      /* the volume is not empty: left as it is */
};

/* `tree` says in `count` words where the image is: "plain DIR" or "overlay LAYER...", topmost first. `path` is looked up as a
   process of the image would, links and all; `to` is a directory of the host's. Once both are open this process can do nothing
   else any more (tree_sandbox_copier). `maps`: from the image's ids to those on the disk, or NULL. `name` takes the entry that
   an error is about: room for TREE_NAME_BYTES. */
int tree_fill (const char *path, const char *to, char **tree, int count, const struct shift_maps *maps,
               enum fill_found *found, struct tree_usage *u, char *name, struct err *e);

#endif
