/* The files of a container as its processes see them, or would see them if it ran.
 *
 *     process PID                   a running one's, with all that is mounted in it
 *     overlay UPPER LAYER...        one that does not run, to be read
 *     writable UPPER WORK LAYER...  the same, to be written to: nobody else may use UPPER meanwhile
 *     plain DIR                     the same of a single directory
 *
 * In front of the latter three, as often as need be: "--bind SOURCE TARGET ro|rw" mounts a directory or file of the host's,
 * "--bind-part SOURCE PART TARGET ro|rw" only what of the directory is at the relative path PART, and
 * "--read-only" makes the root so. All of it is a mount namespace of this process's own: nothing stays when it ends, and what the
 * container mounts meanwhile is not seen.
 */
#ifndef GANTRY_TREE_CONTAINER_H
#define GANTRY_TREE_CONTAINER_H

#include <stdbool.h>

struct err;

/* Takes a view off the front of argv and opens its root for reading; `used` is the number of words. Without `writes` nothing in it can
   be written to. No devices, no set-id bits and no programs work in it. -1; or -2 for words that are no view. */
int container_open (int argc, char **argv, bool writes, int *used, struct err *e);

#endif
