/* Copies of trees, perhaps with files that belong to others. */
#ifndef GANTRY_TREE_SHIFT_H
#define GANTRY_TREE_SHIFT_H

#include "tree_ids.h"
#include "tree_usage.h"

struct err;

/* Copies what is in `from`, and the metadata of `from` itself, into the empty directory `to` of the same file system.
   Everything is kept, hard links, holes, set-id bits, capabilities and overlayfs's own marks, but the ids: of owners
   and of ACLs. An id that the maps do not have is an error: nobody would be its owner. The tree must not be changed
   meanwhile. Without `maps` all ids stay what they are. `name` takes the entry that an error is about: room for TREE_NAME_BYTES. */
enum { TREE_NAME_BYTES = 4096 };
int tree_shift (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e);

/* Puts the overlayfs layer `from` into the tree `to`, which then holds what overlayfs would show of both: files replace what is
   there, whiteouts and opaque directories delete. Files of the same file system are moved out of the layer. `maps` is not looked
   at; all the rest is as above. */
int tree_merge (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e);

/* Copies what is in `from`, a directory that an image shows, and the metadata of `from` itself, into the empty directory `to`,
   perhaps of another file system: what that has no place for and nobody relies on (user attributes, labels) is lost. All the rest
   is as with tree_shift. */
int tree_copy_out (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e);

#endif
