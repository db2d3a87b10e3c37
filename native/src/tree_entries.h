/* What all ways of applying a layer archive share: the walk over its entries, and what their names mean. */
#ifndef GANTRY_TREE_ENTRIES_H
#define GANTRY_TREE_ENTRIES_H

#include "tree_apply.h"

#define WHITEOUT ".wh."

/* Where an entry goes: split in place so that `path` is the directory and `name` the last component. */
struct place {
  char path[TAR_MAX_PATH];
  char *name;
};

void place_split (struct place *p);
const char *place_parent (const struct place *p);

/* The path in one piece, until it is split again. */
const char *place_whole (struct place *p);

/* Checks the name and cleans it: 1, with `p` not split yet and an empty path for the root; 0 for an entry that is no concern of
   anybody's; -1. */
int place_of (struct place *p, const struct tar_entry *t, struct err *e);

/* Puts `below`, a clean path or "", in front of a place that is not split. */
int place_below (struct place *p, const char *below, struct err *e);

/* What a name that begins with WHITEOUT hides; NULL: whatever its directory has in lower layers. -1 for an impossible name. */
int whiteout_hides (const char *name, const char **hidden, struct err *e);

/* Gives every entry to `apply`. On failure `result` says which one it was. */
int entries_apply (struct tar_reader *reader, int (*apply) (void *context, const struct tar_entry *t, struct err *e),
                   void *context, struct apply_result *result, struct err *e);

#endif
