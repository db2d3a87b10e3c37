/* Names by pattern. */
#ifndef GANTRY_TREE_MATCH_H
#define GANTRY_TREE_MATCH_H

struct err;
struct output;

/* Writes the paths that match an absolute pattern, each with a NUL, in the order of their bytes, component by component: "*", "?" and
   "[...]" of a component match names that do not begin with a dot, unless the pattern does. Links are followed inside of `root`,
   none in what is matched last. At most MATCH_MAX of them. */
int tree_match (int root, int how, const char *pattern, struct output *o, struct err *e);

enum { MATCH_MAX = 65536 };

#endif
