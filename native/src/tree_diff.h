/* What a tree holds, or how it differs from another: as an archive, or as a list.
 *
 * Names come in the order of a walk: a directory before what is in it, the names of one directory by their bytes. The same
 * trees always give the same bytes, on any file system.
 *
 * A container may be writing into the tree meanwhile. What vanishes is left out, what changes its kind is left out, and
 * nothing outside of the trees is ever looked at: each name is opened below its directory's descriptor, no link is followed,
 * no mount crossed unless the caller wants that. A directory that may not be entered is said without what is in it.
 */
#ifndef GANTRY_TREE_DIFF_H
#define GANTRY_TREE_DIFF_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct output;
struct shift_maps;

enum { TREE_PATH_BYTES = 4096 };

struct tree_pair {
  int now;    /* a directory, open for reading */
  int before; /* the same, or -1: nothing */
  bool upper; /* `now` is an overlayfs upper directory that lies over `before`: what it does not mention is unchanged */
  /* The ids on the disk → those to say; NULL = as they are. */
  const struct shift_maps *ids;
  /* Relative paths where a runtime makes empty files and directories to mount on. They are left out where there was
     nothing before, and where nothing is in them. */
  const char *const *mountpoints;
  size_t mountpoint_count;
  /* Flags of tree_open.h for everything that is opened in `now`. */
  int how;
  /* What every name begins with, and the name of `now` itself, which is said then; NULL = names are relative to it. "/" is a
     beginning, too. */
  const char *base;
};

/* All of these leave in `name` (TREE_PATH_BYTES) the path that an error is about, and flush the output. An error with
   code 0 is the tree's own: something in it cannot be said in an archive. */

/* The whole tree `now`: for export. */
int tree_pack (const struct tree_pair *p, struct output *o, char *name, struct err *e);

/* `now` is the directory that holds `entry`, which is no directory itself: that alone, under the name `base`. */
int tree_pack_entry (const struct tree_pair *p, const char *entry, struct output *o, char *name, struct err *e);

/* The difference as an OCI layer, with whiteouts and opaque marks. Of an upper directory everything in it is taken, also
   what is like before; of a complete tree what has other metadata. */
int tree_pack_layer (const struct tree_pair *p, struct output *o, char *name, struct err *e);

/* The difference as records "A/path\0", "C/path\0" and "D/path\0", added, changed, deleted, by what `docker diff` calls a
   change: mode, owner, size, modification time or an attribute; of a directory neither size nor time, but a change below. */
int tree_changes (const struct tree_pair *p, struct output *o, char *name, struct err *e);

#endif
