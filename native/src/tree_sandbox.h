/* Takes away what applying an archive does not need, before the first byte of it is read. */
#ifndef GANTRY_TREE_SANDBOX_H
#define GANTRY_TREE_SANDBOX_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

/* What making files needs. DAC_READ_SEARCH: linkat with an empty path. */
#define TREE_FILE_CAPABILITIES                                                                                                 \
  ((uint64_t) (1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | 1u << CAP_FSETID |    \
               1u << CAP_MKNOD | 1u << CAP_SETFCAP))

/* SYS_ADMIN: attributes of trusted.overlay. */
#define TREE_OVERLAY_CAPABILITIES (TREE_FILE_CAPABILITIES | (uint64_t) 1 << CAP_SYS_ADMIN)

/* Makes `root` this process's root and working directory, drops every capability but these and every system call that is not
   about files. Cannot be undone. */
int tree_sandbox (int root, uint64_t capabilities, struct err *e);

/* The same for a process of an ordinary user, who cannot have a root directory of his own. */
int tree_sandbox_user (bool reads, struct err *e);

/* The same for a process that reads the tree, and others by the descriptors that it has. With `upper` it may see overlayfs's
   marks (trusted.overlay.*). */
int tree_sandbox_reader (int root, bool upper, struct err *e);

/* The same for a process that copies between trees by the descriptors that it has; its root is `root`. */
int tree_sandbox_copier (int root, struct err *e);

#endif
