/* Paths below a container's root, resolved by the kernel: symbolic links end inside, magic links do not work, and what
 * is found is held as a descriptor so that nobody can exchange it afterwards. */
#ifndef GANTRY_INROOT_H
#define GANTRY_INROOT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum inroot_make { MAKE_NOTHING, MAKE_DIRECTORY, MAKE_FILE };

/* openat2 below `root`; -1 with errno. ELOOP for any symbolic link when the path lies below /proc, /sys or /dev. */
int inroot_open (int root, const char *path, uint64_t flags);

/* Whether the first component is proc, sys or dev. */
bool inroot_is_kernel_tree (const char *path);

/* An O_PATH descriptor of `path`, which exists, without following any symbolic link. -1 with errno. */
int inroot_open_plain (int root, const char *path);

/* An O_PATH descriptor of `path` below `directory`: EXDEV for whatever leads out of it, links, too. -1 with errno. */
int inroot_open_beneath (int directory, const char *path);

/* An O_PATH descriptor of `path`. What is missing is made: directories above 0755, the last component as asked with
   `mode`. `made` tells whether the last one is new. A dangling link is followed, its target made. -1 with errno. */
int inroot_reach (int root, const char *path, enum inroot_make make, mode_t mode, bool *made);

/* The directory that `path`'s last component is or shall be in, made if missing; `name` points into `path`. -1 with
   errno. */
int inroot_reach_parent (int root, const char *path, const char **name);

#endif
