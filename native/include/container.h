/* Performs a plan: the seam between the shim's event loop (shim.c) and the init sequence (init.c).
 *
 *   shim                               child
 *   container_spawn() ── clone3 ─────▶ joins cgroups, mounts, pivots ...
 *        ◀── SYNC_CONSOLE + pty fd ──  OP_CONSOLE
 *        ◀── SYNC_CREATED ───────────  OP_SYNC
 *   container_go() ── one byte ──────▶
 *        ◀── SYNC_HOOKS ─────────────  OP_HOOKS of stage RUNTIME: container_sync runs them and answers
 *        ◀── SYNC_LISTENER ──────────  OP_SECCOMP with a listener, see notify.h
 *        ◀── end of file ────────────  the socket is close-on-exec: execve succeeded, or the child is gone. Which, and why,
 *                                      stands in `progress`, a page that both share until then
 *
 * A child that shall outlive its parent before it was told to go is let go instead: it closes the socket, whose end would
 * have been its own, and waits for a connection to `start_listener`, over which the same is spoken from there on:
 *
 *   `create`                           child                                 `start`
 *   container_let_go() ── one byte ──▶ accept()  ◀─────────────── connect ── container_meet()
 *                                      ── SYNC_CREATED + the page's fd ────▶
 *                                      ◀───────────────────────── one byte ─ container_go()
 *                                      ── end of file ─────────────────────▶ container_sync()
 *
 * A child whose step failed _exit(127)s; the caller reaps it, as it does after a success.
 * Nothing here blocks the shim's loop, except hooks, agents and FINALLY: container_spawn returns right after clone3, sync_fd is
 * polled. Into a user namespace the way is longer: what the host's rights are needed for has been done, mounts included,
 * when it returns.
 */
#ifndef GANTRY_CONTAINER_H
#define GANTRY_CONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct plan;
struct progress;

struct container_stdio {
  int in, out, err; /* the child's ends, dup2()ed to 0-2; ignored when the plan has PLAN_TERMINAL */
};

/* What a runtime's caller can ask for besides. */
struct container_more {
  int start_listener;     /* a listening SOCK_SEQPACKET socket for container_let_go, or -1. Borrowed */
  unsigned preserved_fds; /* so many from descriptor 3 up, all of them open, go through to the process */
};

struct container {
  pid_t
      pid; /* in the shim's pid namespace. For a joining plan, until SYNC_STARTED, and for that of another runtime, until
                SYNC_CREATED or else SYNC_STARTED, of who sets it up */
  int pidfd;
  int sync_fd;                  /* poll for input; -1 once closed */
  int console_fd;               /* pty master after SYNC_CONSOLE, else -1; the shim takes it */
  struct cgroup_trail *cgroups; /* what OP_CGROUP_CREATE made and OP_OOM_FILE opened; NULL for an exec */
  struct notify *notify;        /* where a seccomp notification descriptor goes, else NULL */
  struct plan *hooks;           /* those that container_sync runs; NULL when there are none */
  struct plan *finally;         /* what container_release runs; NULL when there is nothing */
  struct progress *progress;    /* own business of container.c; NULL once SYNC_STARTED or SYNC_FAILED was returned */
};

enum sync_event { SYNC_AGAIN, SYNC_CONSOLE, SYNC_CREATED, SYNC_STARTED, SYNC_FAILED };

/* Performs the P ops, then clones. The plan and its buffer are not needed afterwards. `init_pidfd` is the container to
   join for PLAN_JOIN plans, else -1. On failure everything the P ops made is undone. */
int container_spawn (const struct plan *p, const struct container_stdio *io, int init_pidfd, struct container *c,
                     struct err *e);

int container_spawn_with (const struct plan *p, const struct container_stdio *io, int init_pidfd,
                          const struct container_more *more, struct container *c, struct err *e);

/* Call when sync_fd is readable. Blocks while hooks run, and some seconds when a seccomp agent does not answer.
   SYNC_STARTED and SYNC_FAILED are final and close sync_fd. */
enum sync_event container_sync (struct container *c, struct err *e);

/* As container_sync at the end of file, for a process that has been reaped: how far it came will not change any more, whoever
   else still holds the other end of the socket. */
enum sync_event container_end (struct container *c, struct err *e);

/* Whether the child `pid`, just reaped, was the process or its failed set-up. A joining plan is set up outside of the
   container's pid namespace by a child that ends, with 0 and to be reaped like any other, when it has forked the
   process into it. */
bool container_is (const struct container *c, pid_t pid);

/* Lets a created child go on. Allowed before SYNC_CREATED arrived: then it does not stop at OP_SYNC at all, and
   SYNC_CREATED may be left out. */
int container_go (struct container *c, struct err *e);

/* Lets a created child wait for container_meet without us: it needs no parent from now on, and sync_fd is closed. */
int container_let_go (struct container *c, struct err *e);

/* `connection`: to the start_listener of a child that was let go, owned by `c` from now on. Waits for its greeting, some
   seconds at most; afterwards container_go and container_sync do as for a child of one's own, except that it is not to
   be reaped. ECONNRESET: nobody waits there any more. */
int container_meet (int connection, struct container *c, struct err *e);

/* After the child was reaped: whether the kernel's OOM killer struck in its cgroup. */
bool container_was_oom_killed (const struct container *c);

/* See cgroup_watch_oom and cgroup_ran_out_of_memory. Of a container that was released: -1, false. */
int container_watch_oom (struct container *c);
bool container_ran_out_of_memory (struct container *c, int watched);

/* Runs the FINALLY ops, kills what is left in the task's cgroups (needed when it had no pid namespace of its own) and removes the
   directories that container_spawn made, retrying while the kernel still counts zombies. Closes all descriptors. */
void container_release (struct container *c);

/* Closes all descriptors and leaves the container as it is, cgroups and processes: somebody else will end it. */
void container_leave (struct container *c);

#endif
