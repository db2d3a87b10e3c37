/* The seccomp notification descriptor on its way to an agent: from the child, whose filter may notify about nearly any
 * system call already, through the parent, to a socket (config-linux.md of the OCI runtime specification, "seccomp" and
 * "The Container Process State").
 *
 *   child: seccomp(NEW_LISTENER), number into `progress`, write(2) SYNC_LISTENER ──▶ parent: pidfd_getfd, connect,
 *   child waits for `listener_taken` in `progress`             ◀── word and wake ──  sendmsg with the descriptor, close
 *
 * So a filter must not notify about write(2), nor refuse it: nobody could answer yet.
 */
#ifndef GANTRY_NOTIFY_H
#define GANTRY_NOTIFY_H

#include <sys/types.h>

struct err;
struct init;
struct notify;
struct plan;

/* What is needed of the plan when the child has a descriptor: NULL when no SECCOMP has a listener. `init_pidfd`: the
   container that a joining plan is for, else -1. The result is owned by the caller, free() is enough. */
int notify_prepare (const struct plan *p, int init_pidfd, struct notify **out, struct err *e);

/* In the parent: takes descriptor `number` out of the child and sends it to the agent. Waits for the agent for some
   seconds at most. `pid` is what the agent is told of a new container. */
int notify_hand_over (const struct notify *n, int pidfd, pid_t pid, int number, struct err *e);

/* In the child, with its filter loaded: gives `listener` away and closes it. */
int notify_offer (struct init *in, int listener, struct err *e);

#endif
