/* Links of the host's that a container gets (config-linux.md of the OCI runtime specification, "Network Devices"). */
#ifndef GANTRY_NETDEV_H
#define GANTRY_NETDEV_H

#include <stdbool.h>

struct err;
struct plan;

bool netdev_is_wanted (const struct plan *p);

/* In the parent: performs the NETDEV ops. `namespace`: the container's network namespace, or a pidfd of a process that is
   in it. This process is in it, too, for a moment, and no longer when this returns, unless the error says so. A link that
   cannot be moved, or cannot be set up there, comes back and so do those before it; once all are there the namespace has
   them: when it ends the kernel gives physical ones to the initial namespace and removes virtual ones. */
int netdev_move (const struct plan *p, int namespace, struct err *e);

#endif
