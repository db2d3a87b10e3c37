/* EROFS images mounted from their files. */
#ifndef GANTRY_EROFS_MOUNT_H
#define GANTRY_EROFS_MOUNT_H

struct err;

/* A detached read-only mount of the image, or -1. No loop device is used: a kernel before 6.12 cannot do it. */
int erofs_mount (const char *path, struct err *e);

#endif
