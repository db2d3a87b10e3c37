/* The only ways in which the tree code opens what lies in a container's tree. All descriptors are close-on-exec. */
#ifndef GANTRY_TREE_OPEN_H
#define GANTRY_TREE_OPEN_H

/* Opens `path` as a process whose root is `root` would: absolute links start there, ".." stops there; no mount is
   crossed and no magic link followed. Returns the descriptor or -errno. */
int open_in_root (int root, const char *path, int flags);

/* Opens the directory entry `name` of `directory` itself: fails with ELOOP for a link, EXDEV for a mount point. Returns the
   descriptor or -errno. */
int open_entry (int directory, const char *name, int flags);

#endif
