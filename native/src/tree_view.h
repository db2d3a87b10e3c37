/* Trees as they are to be read, in a mount namespace of this process's own. */
#ifndef GANTRY_TREE_VIEW_H
#define GANTRY_TREE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Private, so that nothing that is mounted here is seen by others, or outlives this process. */
int view_unshare (struct err *e);

/* These give a readable directory, or -1; what they hold is given back when the process ends. Nothing can be written through
   it, no device opened and no program started, and reading leaves no access times. */

/* The directory `path` as it is. */
int view_plain (const char *path, struct err *e);

/* An empty directory. */
int view_nothing (struct err *e);

/* The layers `paths`, directories and files of EROFS images, topmost first and at least one, seen as overlayfs shows them. One of them may be the upper directory of
   a mounted overlay: this one has no upper directory and writes nothing. */
int view_overlay (const char *const *paths, size_t count, struct err *e);

/* The same as a mount that is attached nowhere. `source` is what mountinfo will call it. */
int view_overlay_mount (const char *source, const char *const *paths, size_t count, struct err *e);

/* A path from the root where something shall be mounted. */
struct view_place {
  const char *path;
  bool is_directory;
};

/* What the layers of a container are in all: with `upper` and `work`, which lie in one directory, a mount to write through, attached
   nowhere; else one to read, which also shows the places that no layer has. */
struct view_stack {
  const char *upper, *work; /* NULL = only to read */
  const char *const *paths;
  size_t count;
  const struct view_place *places;
  size_t place_count;
};
int view_stack_mount (const struct view_stack *s, struct err *e);

#endif
