/* Mounts by descriptor, for all who make some: masks.c, procfs.c, root.c, sources.c. */
#ifndef GANTRY_MOUNTS_H
#define GANTRY_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "fields.h"

struct err;
struct init;
struct plan_op_view;

/* Sets `e` from errno `code` and the kernel's own words about a filesystem context, if there are any. -1. */
int filesystem_error (int fs, int code, const char *action, const char *fstype, const char *target, struct err *e);

/* An option "k=v" or "k". */
int filesystem_set (int fs, const char *option, const char *fstype, const char *target, struct err *e);

/* fsconfig CREATE and fsmount of a filled filesystem context: a detached mount, or -1. */
int filesystem_finish (int fs, uint64_t attrs, const char *fstype, const char *target, struct err *e);

/* Attaches a detached mount to a held directory or file. `path` is for the error. */
int mount_attach (int mount, int target, const char *path, struct err *e);

int mount_set_propagation (int mount, uint64_t propagation, const char *path, struct err *e);

/* Shows a detached mount's files with the ids of the map that the plan calls `idmap`; nothing for IDMAP_NONE. `tree`:
   the mounts below, too. */
int mount_map_ids (struct init *in, int mount, uint32_t idmap, bool tree, const char *path, struct err *e);

/* What a BIND, or a MOUNT with an idmap, attaches: detached and complete. It needs no more than the op and the rights of
   the host, so it can be done before the container's namespaces are entered. -1 on failure. */
int bind_open (struct init *in, const struct plan_op_view *op, struct err *e);
int mount_open (struct init *in, const struct plan_op_view *op, struct err *e);

/* A detached copy of what is mounted at `path` in the mount namespace `space`, "/proc/PID/ns/mnt" (elsewhere.c). The calling
   process is in its own one, root and working directory, too, when it returns; on failure it may be lost to its own. */
int mount_clone_elsewhere (const char *space, const char *path, unsigned recursive, struct err *e);

/* The same for ROOT_OVERLAY and ROOT_BIND (root.c). Overlayfs takes its layers by path: what has to be attached for that
   is attached to the plan's staging directory in a mount namespace of this process's own. */
int root_open (struct init *in, const struct plan_op_view *op, struct err *e);

/* Of a ROOT_OVERLAY's fields and flags (overlay.c). */
int overlay_open (struct init *in, struct fields f, uint16_t flags, struct err *e);

/* Makes sure that nothing which is attached from now on is seen by the host: a process that is not in the container's
   mount namespace gets one of its own (overlay.c). */
int own_mounts (struct init *in, struct err *e);

#endif
