/* The commands of the role `tree` that read trees: export, layer, changes. */
#ifndef GANTRY_TREE_READING_H
#define GANTRY_TREE_READING_H

#include <stddef.h>

struct err;

/* argv[0] is the command's name. Writes to stdout; `name` (TREE_PATH_BYTES of tree_diff.h) takes the path that an error is
   about. 1 = wrong usage, 0 = done, -1 = failed. */
int tree_read (int argc, char **argv, char *name, struct err *e);

#endif
