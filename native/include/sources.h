/* What is opened with the rights of the host for a process that will live in a user namespace and have none.
 *
 * Everything is attached to a stage, a tmpfs on the plan's staging directory in a mount namespace between the host's and
 * the container's. The container's process is born with its working directory on its own copy of it: no path leads
 * there, no permission is asked for. Copies that cross into a user namespace are locked (mount_namespaces(7)), and what
 * is cloned from them stays so: the container can neither write to what was given to it read-only, nor lift a mount of
 * a tree to look at what the host has below. */
#ifndef GANTRY_SOURCES_H
#define GANTRY_SOURCES_H

#include <stdbool.h>

struct err;
struct init;

/* Makes the stage, if the plan has a root, and puts the sources of the root, of binds, devices and id-mapped mounts on
   it. Makes it the working directory. */
int sources_open (struct init *in, struct err *e);

/* In the container's process, first of all: takes the working directory for the stage, if there is one. */
int stage_find (struct init *in, struct err *e);

/* Whether the op at work has its source on the stage. */
bool source_is_staged (const struct init *in);

/* A detached mount of that. */
int source_take (struct init *in, struct err *e);

/* Where on the stage the root goes before it becomes "/". */
#define STAGE_ROOT "root"

#endif
