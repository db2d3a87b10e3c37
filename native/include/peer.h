/* Descriptors of who is at the other end of a unix socket, copied by their numbers with pidfd_getfd(2). */
#ifndef GANTRY_PEER_H
#define GANTRY_PEER_H

#include <stdint.h>

struct err;

/* A pidfd of whoever made the socket at the other end. */
int peer_open (int peer, struct err *e);

/* A copy of its descriptor `number`, close-on-exec. */
int peer_descriptor (int owner, uint32_t number, struct err *e);

#endif
