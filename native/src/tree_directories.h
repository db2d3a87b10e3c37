/* The directories of the tree that an archive is applied to, as descriptors. */
#ifndef GANTRY_TREE_DIRECTORIES_H
#define GANTRY_TREE_DIRECTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct tree_usage;

enum { DIRECTORY_SLOTS = 64 };

/* Archives name the files of one directory one after the other, so the last used directories are kept open. Whoever
   removes or replaces a directory or link below the root calls directories_forget. */
struct directories {
  int root;     /* borrowed */
  bool overlay; /* a character device 0:0 in the way is a whiteout */
  struct tree_usage *usage;
  int how;       /* flags of tree_open.h for everything that is opened */
  uid_t uid;     /* of directories nobody named */
  gid_t gid;
  uint64_t made; /* their number, for the cap */
  struct {
    char *path; /* clean; NULL = free */
    int fd;
  } slots[DIRECTORY_SLOTS];
};

void directories_init (struct directories *d, int root, bool overlay, struct tree_usage *usage);
void directories_forget (struct directories *d);

/* Says why a directory could not be opened (-errno). */
int directories_refuse (const struct directories *d, int result, struct err *e);

/* A borrowed descriptor of the directory `path` (clean, "" = the root), good until the next call here. Links on the way
   are followed as inside the root. What is missing is made, 0755, with `uid` and `gid`; a whiteout in the way becomes an
   opaque directory. */
int directories_make (struct directories *d, const char *path, struct err *e);

/* The same without making anything: -2 when it does not exist. */
int directories_find (struct directories *d, const char *path, struct err *e);

/* Remembers `fd`, which it owns from now on, as what `path` resolves to. Returns `fd`. */
int directories_keep (struct directories *d, const char *path, int fd, struct err *e);

/* mkdir `name` over a whiteout, hiding what lower layers have of that name. */
int make_opaque_directory (int parent, const char *name, struct err *e);

/* Whether `name` in `parent` is an overlayfs whiteout. */
bool is_whiteout (int parent, const char *name);

/* Sets trusted.overlay.opaque on the directory. */
int mark_opaque (int directory, struct err *e);

#endif
