/* The commands of the role `tree` that copy files in and out: look, take, put, match, send, receive. */
#ifndef GANTRY_TREE_COPY_H
#define GANTRY_TREE_COPY_H

struct err;
struct apply_result;

/* argv[0] is the command's name. 1 = wrong usage, 0 = done, -1 = failed; then `name` (TREE_PATH_BYTES of tree_diff.h) or, for what was
   read, `result` says where. */
int tree_copy (int argc, char **argv, char *name, struct apply_result *result, struct err *e);

#endif
