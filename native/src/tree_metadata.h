/* Owner, mode, extended attributes and times of what was made. */
#ifndef GANTRY_TREE_METADATA_H
#define GANTRY_TREE_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct tar_entry;

/* Whether an image has a say over the attribute. */
bool metadata_wants (const char *name);

/* Owner, mode and wanted attributes of an open file or directory; a directory's default ACL is left out. Changes only
   what differs: chown(2) would drop file capabilities, and every change costs a journal entry. */
int set_metadata (int fd, const struct tar_entry *t, struct err *e);

int set_times (int fd, const struct tar_entry *t, struct err *e);

/* Owner and times of a link, device or fifo, which cannot be opened; an ACL for the latter two. */
int set_metadata_by_name (int parent, const char *name, const struct tar_entry *t, struct err *e);

/* What must wait until a directory has all its entries: its times, which every entry changes, and its default ACL,
   which every entry would inherit. */
struct deferred {
  struct deferred_directory *directories;
  size_t count, capacity;
  size_t bytes; /* of memory, against hostile archives */
  int how;      /* flags of tree_open.h for opening them again */
};

int deferred_add (struct deferred *d, const char *path, ino_t inode, const struct tar_entry *t, struct err *e);

/* Sets it all, on those directories that are still what and where they were. */
int deferred_apply (const struct deferred *d, int root, struct err *e);
void deferred_free (struct deferred *d);

#endif
