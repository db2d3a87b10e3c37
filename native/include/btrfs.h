/* Subvolumes of btrfs, in directories that nobody else writes in. 0, or -1. */
#ifndef GANTRY_BTRFS_H
#define GANTRY_BTRFS_H

struct err;

/* An empty one, with the mode 0755. */
int btrfs_create (const char *path, struct err *e);

/* `to` is a new one with all that is in `from`, but for subvolumes below that. */
int btrfs_snapshot (const char *from, const char *to, struct err *e);

/* With all that is in it. */
int btrfs_delete (const char *path, struct err *e);

#endif
