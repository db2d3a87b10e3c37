/* `gantry-shim forward OWNER`: how a forwarder begins. forward.h tells what it is. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "err.h"
#include "fds.h"
#include "fields.h"
#include "forward.h"
#include "kernel.h"
#include "peer.h"
#include "roles.h"
#include "wire.h"

#define DAEMON_FD 3

/* ---- the daemon's words ---- */

static int read_all (void *buffer, size_t size, struct err *e) {
  for (size_t done = 0; done < size;) {
    ssize_t n = read (DAEMON_FD, (uint8_t *) buffer + done, size - done);
    if (n > 0)
      done += (size_t) n;
    else if (n == 0 || errno != EINTR)
      return err_set (e, n == 0 ? ECONNRESET : errno, "cannot read the plan");
  }
  return 0;
}

static int read_plan (struct forward_plan *plan, struct err *e) {
  uint8_t header[sizeof (uint32_t)];
  if (read_all (header, sizeof header, e) < 0)
    return -1;
  struct fields f = fields_of (header, sizeof header);
  uint32_t size = take_u32 (&f);
  uint8_t *bytes = size > FORWARD_MAX_BYTES ? NULL : malloc (size != 0 ? size : 1);
  if (bytes == NULL)
    return err_set (e, E2BIG, "cannot read a plan of %u bytes", size);
  int result = read_all (bytes, size, e) < 0 ? -1 : forward_plan_decode (bytes, size, plan, e);
  free (bytes);
  return result;
}

/* A daemon that is gone is noticed by whoever waits for GO. */
static bool say (struct wire_frame *f) {
  wire_end (f);
  return write (DAEMON_FD, f->bytes, f->size) == (ssize_t) f->size;
}

static void say_why_not (const struct err *e) {
  struct wire_frame f;
  wire_begin (&f, FORWARD_REFUSED, 0);
  wire_put_u32 (&f, (uint32_t) e->code);
  wire_put_str (&f, e->text);
  say (&f);
}

static bool say_ready_and_await_go (void) {
  uint8_t word = 0;
  struct wire_frame f;
  struct err e;
  wire_begin (&f, FORWARD_READY, 0);
  return say (&f) && read_all (&word, sizeof word, &e) == 0 && word == FORWARD_GO;
}

/* ---- descriptors ---- */

/* Everything that is not the daemon's socket. */
static int forget_descriptors (struct err *e) {
  auto_fd null = -1;
  if (sys_close_range (DAEMON_FD + 1, ~0u, 0) < 0)
    return err_set (e, errno, "cannot close descriptors");
  null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return err_set (e, errno, "cannot open \"/dev/null\"");
  for (int fd = 0; fd < DAEMON_FD; fd++)
    if (dup2 (null, fd) < 0)
      return err_set (e, errno, "cannot use \"/dev/null\"");
  if (fcntl (DAEMON_FD, F_SETFD, FD_CLOEXEC) < 0 ||
      fcntl (DAEMON_FD, F_SETFL, fcntl (DAEMON_FD, F_GETFL) & ~O_NONBLOCK) < 0)
    return err_set (e, ENOTSOCK, "cannot find the daemon's socket at descriptor 3");
  return chdir ("/") < 0 ? err_set (e, errno, "cannot change to \"/\"") : 0;
}

/* As many as are needed at worst, two and two pipes for a connection; where the kernel does not allow that (fs.nr_open), fewer
   connections. */
static int allow_descriptors (struct forward_plan *plan, struct err *e) {
  rlim_t others = 64 + plan->count + plan->max_flows, each = 6;
  struct rlimit limit = { others + each * plan->max_connections, others + each * plan->max_connections };
  if (setrlimit (RLIMIT_NOFILE, &limit) == 0)
    return 0;
  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return err_set (e, errno, "cannot see how many descriptors are allowed");
  if (limit.rlim_max < others + each)
    return err_set (e, EMFILE, "cannot forward with %llu descriptors", (unsigned long long) limit.rlim_max);
  if (plan->max_connections > (limit.rlim_max - others) / each)
    plan->max_connections = (uint32_t) ((limit.rlim_max - others) / each);
  limit.rlim_cur = limit.rlim_max;
  return setrlimit (RLIMIT_NOFILE, &limit) < 0 ? err_set (e, errno, "cannot allow descriptors") : 0;
}

static int copy_descriptors (const struct forward_plan *plan, int *watch, int *sockets, struct err *e) {
  auto_fd daemon = peer_open (DAEMON_FD, e);
  if (daemon < 0)
    return -1;
  *watch = peer_descriptor (daemon, plan->watch, e);
  if (*watch < 0)
    return -1;
  for (uint32_t i = 0; i < plan->count; i++) {
    sockets[i] = peer_descriptor (daemon, plan->entries[i].socket, e);
    if (sockets[i] < 0)
      return -1;
  }
  return 0;
}

/* ---- rights ---- */

/* Nothing here opens a file, makes a process, or speaks to anybody by another way than IP. */
/* clang-format off */
static const uint32_t ALLOWED[] = {
#ifdef SYS_epoll_wait
  SYS_epoll_wait,
#endif
  SYS_epoll_pwait, SYS_epoll_ctl, SYS_accept4, SYS_connect, SYS_shutdown, SYS_getsockopt, SYS_setsockopt, SYS_close,
  SYS_splice, SYS_pipe2, SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_read, SYS_write, SYS_clock_gettime,
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
  SYS_rt_sigreturn, SYS_restart_syscall, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_exit, SYS_exit_group,
};
/* clang-format on */

int forward_confine (struct err *e) {
  if (confine_capabilities (0, e) < 0)
    return -1;
  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot hide from other processes");
  return confine_calls (ALLOWED, sizeof ALLOWED / sizeof *ALLOWED, 1, e);
}

/* Ignored ones are not inherited by anybody; SIGTERM and SIGKILL end it. */
static void hold_signals (void) {
  sigset_t held;
  for (int n = 1; n < NSIG; n++)
    signal (n, SIG_DFL);
  sigfillset (&held);
  sigdelset (&held, SIGTERM);
  sigprocmask (SIG_SETMASK, &held, NULL);
}

/* "fw-" and the beginning of the container's id: what fits. */
static void take_name (const char *owner) {
  char name[16];
  snprintf (name, sizeof name, "fw-%.12s", owner);
  prctl (PR_SET_NAME, name, 0, 0, 0);
}

/* ---- the role ---- */

static struct forwarder *begin (struct err *e) {
  struct forward_plan plan = { 0 };
  int watch = -1;
  struct forwarder *f = NULL;
  if (forget_descriptors (e) < 0 || read_plan (&plan, e) < 0)
    return NULL;
  int *sockets = calloc (plan.count, sizeof *sockets);
  if (sockets == NULL)
    err_set (e, ENOMEM, "cannot read the plan");
  else if (allow_descriptors (&plan, e) == 0 && copy_descriptors (&plan, &watch, sockets, e) == 0)
    f = forward_prepare (&plan, watch, sockets, e);
  free (sockets);
  forward_plan_release (&plan);
  return f != NULL && forward_confine (e) < 0 ? NULL : f;
}

int forward_main (int argc, char **argv) {
  struct err e;
  if (argc != 2) {
    dprintf (STDERR_FILENO, "usage: gantry-shim %s OWNER\n", argv[0]);
    return 2;
  }
  hold_signals ();
  take_name (argv[1]);
  struct forwarder *f = begin (&e);
  if (f == NULL) {
    say_why_not (&e);
    return 1;
  }
  if (!say_ready_and_await_go ())
    return 1;
  close (DAEMON_FD);
  forward_run (f);
  return 0;
}
