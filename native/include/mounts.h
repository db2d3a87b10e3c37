/* What masks.c and procfs.c need of mounts.c, and what a test calls on kernels that would not take that way. */
#ifndef GANTRY_MOUNTS_H
#define GANTRY_MOUNTS_H

#include <stdint.h>

#include "fields.h"

struct err;

/* fsconfig CREATE and fsmount of a filled filesystem context: a detached mount, or -1. */
int filesystem_finish (int fs, uint64_t attrs, const char *fstype, const char *target, struct err *e);

/* Attaches a detached mount to a held directory or file. `path` is for the error. */
int mount_attach (int mount, int target, const char *path, struct err *e);

/* The overlay root by mount(2), for kernels whose fsconfig cannot say it. An O_PATH descriptor of the root, or -1. */
int overlay_mount2 (struct strings lowers, const char *upper, const char *work, struct strings options,
                    const char *staging, struct err *e);

#endif
