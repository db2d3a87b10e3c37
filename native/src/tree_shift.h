/* Copies of trees whose files belong to others. */
#ifndef GANTRY_TREE_SHIFT_H
#define GANTRY_TREE_SHIFT_H

#include "tree_ids.h"
#include "tree_usage.h"

struct err;

/* Copies what is in `from`, and the metadata of `from` itself, into the empty directory `to` of the same file system.
   Everything is kept, hard links, holes, set-id bits, capabilities and overlayfs's own marks, but the ids: of owners
   and of ACLs. An id that the maps do not have is an error: nobody would be its owner. The tree must not be changed
   meanwhile. `name` takes the entry that an error is about: room for TREE_NAME_BYTES. */
enum { TREE_NAME_BYTES = 4096 };
int tree_shift (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e);

#endif
