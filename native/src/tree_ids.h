/* Ids of owners and in ACLs, translated. */
#ifndef GANTRY_TREE_IDS_H
#define GANTRY_TREE_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* Lines of "from to count", userns.h. */
struct shift_maps {
  const char *uid, *gid;
};

/* All fail with EINVAL for an id that the maps do not have. */
int ids_shift_owner (const struct shift_maps *maps, uid_t *uid, gid_t *gid, struct err *e);

/* In place, in the value of system.posix_acl_access or _default. */
int ids_shift_acl (const struct shift_maps *maps, uint8_t *value, size_t size, struct err *e);

#endif
