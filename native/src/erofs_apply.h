/* Makes an EROFS image of a layer archive, in one pass over it. */
#ifndef GANTRY_EROFS_APPLY_H
#define GANTRY_EROFS_APPLY_H

#include "tree_apply.h"

/* As tree_apply with `overlay` into an empty directory: the same archives are refused for the same reasons, and a mount of the
   image shows what that directory would have, but for access times. `image` is an empty file, open for reading and writing;
   on failure it is no image. */
int erofs_apply (int image, struct input *in, struct apply_result *result, struct err *e);

#endif
