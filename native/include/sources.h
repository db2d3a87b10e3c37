/* What is opened with the rights of the host for a process that will live in a user namespace and have none. */
#ifndef GANTRY_SOURCES_H
#define GANTRY_SOURCES_H

struct err;
struct init;

/* Opens the sources of the root, of binds, devices and id-mapped mounts. The container's process inherits them. */
int sources_open (struct init *in, struct err *e);

/* The detached mount that was opened for the op at work, which is the caller's from now on; -1 when there is none. */
int source_take (struct init *in);

/* In the container's process: attaches the stage to "/" of the mount namespace. It is a tmpfs of the host's user
   namespace with the directory STAGE_ROOT, the node STAGE_NULL and a node for every device. */
int stage_attach (struct init *in, struct err *e);

#define STAGE_ROOT "root"
#define STAGE_NULL "null"

/* A mount of the node that stands on the stage for the DEVICE op at work. */
int stage_device (struct init *in, const char *path, struct err *e);

#endif
