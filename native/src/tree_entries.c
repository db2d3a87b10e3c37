#include "tree_entries.h"

#include "err.h"
#include "tree_path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

void place_split (struct place *p) {
  p->name = path_base (p->path);
  if (p->name > p->path)
    p->name[-1] = 0;
}

const char *place_parent (const struct place *p) {
  return p->name > p->path ? p->path : "";
}

const char *place_whole (struct place *p) {
  if (p->name > p->path)
    p->name[-1] = '/';
  return p->path;
}

/* What aufs kept for itself, in layers older than overlayfs: ".wh..wh.plnk/", ".wh..wh.aufs", ".wh..wh.orph/". */
static bool is_aufs_metadata (const char *path) {
  for (const char *name = path; name != NULL;) {
    bool marks = strncmp (name, WHITEOUT_META, strlen (WHITEOUT_META)) == 0;
    if (marks && strcmp (name, WHITEOUT_OPAQUE) != 0)
      return true;
    const char *slash = strchr (name, '/');
    name = slash == NULL ? NULL : slash + 1;
  }
  return false;
}

int place_of (struct place *p, const struct tar_entry *t, struct err *e) {
  memcpy (p->path, t->name, strlen (t->name) + 1);
  p->name = p->path;
  struct clean_path clean = path_clean (p->path);
  if (clean.escaped)
    return err_set (e, 0, "name leads out of the root");
  if (clean.depth > TREE_MAX_DEPTH)
    return err_set (e, 0, "name has more than %d components", TREE_MAX_DEPTH);
  if (clean.depth == 0 && t->type != TAR_DIRECTORY)
    return err_set (e, 0, "only a directory can be the root");
  return is_aufs_metadata (p->path) ? 0 : 1;
}

int place_below (struct place *p, const char *below, struct err *e) {
  size_t front = strlen (below), length = strlen (p->path);
  if (front == 0)
    return 0;
  if (front + 1 + length >= sizeof p->path)
    return err_set (e, ENAMETOOLONG, "its path has more than %zu bytes", sizeof p->path - 1);
  memmove (p->path + front + (length > 0), p->path, length + 1);
  memcpy (p->path, below, front);
  if (length > 0)
    p->path[front] = '/';
  p->name = p->path;
  return 0;
}

int whiteout_hides (const char *name, const char **hidden, struct err *e) {
  *hidden = NULL;
  if (strcmp (name, WHITEOUT_OPAQUE) == 0)
    return 0;
  const char *rest = name + strlen (WHITEOUT);
  if (rest[0] == 0 || strcmp (rest, ".") == 0 || strcmp (rest, "..") == 0)
    return err_set (e, 0, "whiteout of nothing");
  *hidden = rest;
  return 0;
}

int entries_apply (struct tar_reader *reader, int (*apply) (void *context, const struct tar_entry *t, struct err *e),
                   void *context, struct apply_result *result, struct err *e) {
  struct tar_entry entry;
  for (;;) {
    int found = tar_next (reader, &entry, e);
    if (found > 0)
      found = apply (context, &entry, e) < 0 ? -1 : 1;
    if (found < 0) {
      result->position = tar_header_position (reader);
      result->in_entry = entry.name != NULL;
      strcpy (result->name, entry.name == NULL ? "" : entry.name);
    }
    if (found <= 0)
      return found;
  }
}
