/* Makes in a tree what the entries of an archive say: what layers and other archives have in common. */
#ifndef GANTRY_TREE_MAKE_H
#define GANTRY_TREE_MAKE_H

#include "tree_directories.h"
#include "tree_metadata.h"
#include "tree_tar.h"
#include "tree_usage.h"

#include <stdbool.h>

struct err;
struct input;
struct place;

struct maker {
  int root; /* borrowed */
  bool overlay;
  struct tar_reader *reader; /* owned */
  struct tree_usage usage;
  struct directories directories;
  struct deferred deferred;
  const char *below; /* what targets of hard links are relative to: a clean path from the root */
  bool keeps_old;    /* a file has another name until it is whole, so that what was there is there until then */
};

/* `in` is borrowed. */
int maker_open (struct maker *m, int root, bool overlay, struct input *in, struct err *e);
void maker_close (struct maker *m);

/* Makes the entry at its place, split, which is not the root. What is in its way goes, but a directory stays for a directory. */
int make_entry (struct maker *m, const struct tar_entry *t, struct place *p, struct err *e);

/* Gives the root itself what the entry says. */
int make_root (struct maker *m, const struct tar_entry *t, struct err *e);

/* Removes `name`, whatever it is. What the directories lent may be closed then. */
int maker_remove (struct maker *m, int parent, const char *name, struct err *e);

#endif
