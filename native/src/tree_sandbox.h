/* Takes away what applying an archive does not need, before the first byte of it is read. */
#ifndef GANTRY_TREE_SANDBOX_H
#define GANTRY_TREE_SANDBOX_H

#include <stdbool.h>

struct err;

/* Makes `root` this process's root and working directory, drops every capability that files do not need and every
   system call that is not about files. `overlay` keeps CAP_SYS_ADMIN, for trusted.overlay attributes. Cannot be undone. */
int tree_sandbox (int root, bool overlay, struct err *e);

/* The same for a process that reads the tree, and others by the descriptors that it has. With `upper` it may see overlayfs's
   marks (trusted.overlay.*). */
int tree_sandbox_reader (int root, bool upper, struct err *e);

#endif
