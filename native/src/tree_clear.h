/* An opaque mark where there is no overlayfs to mean it. */
#ifndef GANTRY_TREE_CLEAR_H
#define GANTRY_TREE_CLEAR_H

struct err;
struct inode_set;
struct tree_usage;

/* Deletes everything below `directory` that is not in `keep`; directories above something kept stay. */
int tree_clear (int directory, const struct inode_set *keep, struct tree_usage *usage, struct err *e);

#endif
