/* Unpacks archives that are no layers: what `docker cp` sends, into a container or out of it. Every name is just a name, and what is
 * there stays unless an entry takes its place.
 */
#ifndef GANTRY_TREE_UNPACK_H
#define GANTRY_TREE_UNPACK_H

#include "tree_apply.h"

struct err;
struct input;
struct shift_maps;

struct unpack {
  const char *below;            /* where names begin: a clean path from the root; "" = the root */
  const char *shown;            /* what the user calls that place */
  int how;                      /* flags of tree_open.h for everything that is opened */
  bool keeps_kinds;             /* no directory gives way to something else, and nothing else to a directory */
  const struct shift_maps *ids; /* the archive's ids → those on the disk; NULL = as they are */
  /* All that is made is its maker's own. Files of others lose their set-id bits, devices are for him alone, and a file takes the place
     of another only when it is whole. */
  bool is_own;
  bool keeps_owners; /* but owners are those of the archive */
  uid_t uid;         /* his ids */
  gid_t gid;
  const char *from, *to;        /* names that begin with `from` begin with `to` instead; NULL = names as they are */
};

/* As tree_apply. */
int tree_unpack (int root, const struct unpack *u, struct input *in, struct apply_result *result, struct err *e);

#endif
