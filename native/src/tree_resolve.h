/* Where a link leads, as a path. */
#ifndef GANTRY_TREE_RESOLVE_H
#define GANTRY_TREE_RESOLVE_H

struct err;

/* All links of the absolute `path` followed inside of `root`, as far as there is anything; what is left stays as it is. `to` has
   TREE_PATH_BYTES (tree_diff.h). For telling somebody: whoever opens it looks for himself. */
int resolve_link (int root, int how, const char *path, char *to, struct err *e);

#endif
