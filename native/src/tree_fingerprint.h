/* A digest of a whole tree, to compare it with another. */
#ifndef GANTRY_TREE_FINGERPRINT_H
#define GANTRY_TREE_FINGERPRINT_H

#include <stdint.h>

struct err;

enum { FINGERPRINT_BYTES = 32 };

/* Of two trees it is the same only when they are: names, kinds, modes, owners, times (not of directories and whiteouts), numbers of hard
   links and of devices, texts of symbolic links, extended attributes and bytes. The root itself does not count. The order of
   directories does not matter: the digests of the entries, each with its path, are added up. Good against what disks and
   people do by accident, not against somebody who makes two trees with the same sum.
   Stops with ECANCELED soon after *cancelled becomes nonzero. */
int tree_fingerprint (const char *path, const volatile int32_t *cancelled, uint8_t fingerprint[FINGERPRINT_BYTES],
                      struct err *e);

#endif
