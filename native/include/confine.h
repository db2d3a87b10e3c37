/* What a process gives up before it looks at anything that others wrote. */
#ifndef GANTRY_CONFINE_H
#define GANTRY_CONFINE_H

#include <stdint.h>

struct err;

#define CONFINE_MAX_CALLS 96u

/* No new privileges, and of the capabilities those in `keep` (1 << CAP_X) that it has. */
int confine_capabilities (uint64_t keep, struct err *e);

/* Any system call that is not listed kills the process. `inet_only`: socket(2) is for IPv4 and IPv6, whatever else is listed. A
 * kernel built without filters is passed over. */
int confine_calls (const uint32_t *allowed, unsigned count, int inet_only, struct err *e);

#endif
