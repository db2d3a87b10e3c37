#include "tree_links.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct linked {
  dev_t device;
  ino_t inode;
  char path[];
};

static int compare (const void *a, const void *b) {
  const struct linked *x = a, *y = b;
  if (x->inode != y->inode)
    return x->inode < y->inode ? -1 : 1;
  return x->device < y->device ? -1 : x->device > y->device;
}

const char *links_first (struct links *l, dev_t device, ino_t inode, const char *path) {
  size_t room = strlen (path) + 1;
  struct linked *wanted = malloc (sizeof *wanted + room);
  if (wanted == NULL)
    return NULL;
  wanted->device = device;
  wanted->inode = inode;
  memcpy (wanted->path, path, room);
  struct linked *const *found = tsearch (wanted, &l->root, compare);
  if (found == NULL || *found != wanted)
    free (wanted);
  return found == NULL ? NULL : (*found)->path;
}

void links_free (struct links *l) {
  tdestroy (l->root, free);
  l->root = NULL;
}
