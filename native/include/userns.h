/* User namespaces as the host sees them: made, opened, and their ids translated. */
#ifndef GANTRY_USERNS_H
#define GANTRY_USERNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* 340 lines of three numbers are what a namespace can have; /proc shows each in 33 bytes (user_namespaces(7)). */
#define ID_MAP_BYTES (340 * 33 + 1)

/* Lines of "inside outside count". */
struct id_maps {
  char uid[ID_MAP_BYTES], gid[ID_MAP_BYTES];
};

/* A new namespace with these maps, in which nobody lives. A descriptor, or -1. */
int userns_make (const char *uid_map, const char *gid_map, struct err *e);

/* The one at `path`, which it must be. A descriptor, or -1. */
int userns_open (const char *path, struct err *e);

/* Its maps, as numbers of the caller's own namespace. */
int userns_read_maps (int userns, struct id_maps *maps, struct err *e);

/* Those of the process that a pidfd stands for. */
int userns_read_maps_of (int pidfd, struct id_maps *maps, struct err *e);

/* What `inside` is outside. False when it is not mapped. */
bool userns_host_id (const char *map, uint32_t inside, uint32_t *outside);

/* Who a process is that has just come in: user 0 where there is one, else the first there is. False of an empty map. */
bool userns_first_id (const char *map, uint32_t *inside, uint32_t *outside);

#endif
