/* The commands of the role `tree` that leave a mount: mount, unmount. */
#ifndef GANTRY_TREE_MOUNT_H
#define GANTRY_TREE_MOUNT_H

#include <stddef.h>

struct err;

/* Attaches a read-only overlay of the layers, topmost first, to the directory `target`; mountinfo will call its source
   `source`. Nothing is attached when it fails. */
int tree_mount (const char *source, const char *target, const char *const *layers, size_t count, struct err *e);

/* Detaches what is mounted on `target`: fails with EBUSY when somebody uses it. */
int tree_unmount (const char *target, struct err *e);

#endif
