/* Deleting what may be hostile: any depth, links, devices, and changing while it goes. */
#ifndef GANTRY_TREE_REMOVE_H
#define GANTRY_TREE_REMOVE_H

struct err;
struct tree_usage;

/* Deletes `name` in the directory `parent` with everything below it; a missing one is fine. No link is followed and no
   mount point entered or removed (EBUSY). Subtracts what went from `usage` unless that is NULL. On failure `e` names the
   file, and says when it is immutable. */
int tree_remove (int parent, const char *name, struct tree_usage *usage, struct err *e);

/* The same for a path that the caller vouches for up to its last component. */
int tree_remove_path (const char *path, struct err *e);

#endif
