/* The forwarder: takes what is sent to sockets of the host on to a container's address, where the kernel cannot translate it: from
 * IPv6 to IPv4, and from the host's loopback. One process for a container that needs it. Mirrored by src/linux/forwarder.ts.
 *
 * It is started as `gantry-shim forward OWNER` (the container's id) with descriptor 3 connected to the daemon:
 *
 *     daemon                                        forwarder
 *     u32 bytes | plan                       ->     copies the descriptors that the plan names (pidfd_getfd(2)), confines itself
 *                                            <-     FORWARD_READY (nothing), or it ends: FORWARD_REFUSED (u32 errno, str text)
 *     one byte FORWARD_GO                    ->     accepts from now on, and closes descriptor 3
 *
 *     plan    u32 FORWARD_MAGIC, u32 max_connections, u32 max_flows, u32 flow_timeout_ms, u32 keepalive_s (0 = none), u32 drain_ms,
 *             u32 watch, u32 count, count × entry
 *     entry   u32 protocol (IPPROTO_TCP, IPPROTO_UDP), u32 socket, u32 port, blob address (4 or 16 bytes)
 *
 * Little-endian, fields as in plan.h, answers in frames as in shim-protocol.h. `watch` and `socket` are descriptors of the daemon's: one that is readable when the container has
 * ended (its pidfd), and sockets that are bound, and listening for TCP. They stay the daemon's, too.
 *
 * TCP: what one side sends goes to the other by splice(2), through a pipe that is borrowed while something is in it: 64 kB or what
 * 16 packets hold. A side that does not take it keeps the other from being read. Each direction ends by itself. Who is reset, or
 * refused, has the other side reset.
 *
 * UDP: each client of each of the host's addresses has a socket of its own towards the target, until flow_timeout_ms without a
 * datagram or until it is the oldest of max_flows. Answers come from the address that was asked.
 *
 * When `watch` is readable it closes the sockets, takes what is on the way to its end for at most drain_ms, and ends.
 *
 * What a kill -9 leaves behind, and who mends it:
 *
 *   killed                      left                                                mended by
 *   the daemon, before GO       nothing: descriptor 3 is at its end, so the         the next daemon starts another
 *                               forwarder ends
 *   the daemon, after GO        a forwarder that goes on, old connections and new   the next daemon has its pidfd from the shim, where
 *                               ones                                                it was kept before GO, and lets it be
 *   the forwarder               its connections are at their end. Sockets that the  the daemon sees its child's end, its successor that
 *                               daemon holds gather connections meanwhile           of the pidfd, and starts another
 *   the shim                    a forwarder that goes on                            whoever kills the rest of the container: see above
 *   the container's process     nothing: the forwarder ends
 */
#ifndef GANTRY_FORWARD_H
#define GANTRY_FORWARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct err;

#define FORWARD_MAGIC 0x31444647u /* "GFD1" */
#define FORWARD_GO 0x67u
#define FORWARD_READY 1u
#define FORWARD_REFUSED 2u
#define FORWARD_MAX_ENTRIES 4096u
#define FORWARD_MAX_BYTES (256u << 10)

/* An address of either family, as the kernel has it. */
union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static inline socklen_t address_size (const union address *a) {
  return a->any.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
}

struct forward_entry {
  uint32_t protocol, socket;
  union address target;
};

struct forward_plan {
  uint32_t max_connections, max_flows, flow_timeout_ms, keepalive_s, drain_ms;
  uint32_t watch, count;
  struct forward_entry *entries; /* owned */
};

/* All of it is checked. */
int forward_plan_decode (const void *bytes, size_t size, struct forward_plan *plan, struct err *e);
void forward_plan_release (struct forward_plan *plan);

struct forwarder;

/* Takes over `watch` and `sockets`, one for each entry, and makes them ready; a failure leaves them open. The plan may be released
   then. There is one forwarder in a process. */
struct forwarder *forward_prepare (const struct forward_plan *plan, int watch, const int *sockets, struct err *e);

/* Until the watched process has ended and what was on the way is through. */
void forward_run (struct forwarder *f);

/* Gives up everything that forward_run does not need. */
int forward_confine (struct err *e);

#endif
