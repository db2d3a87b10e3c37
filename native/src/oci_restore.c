/* Bringing a container back from criu's images: criu(8) is the plan's process, runs in the container's cgroups, and makes the
 * container's first process as its own sibling (`--restore-sibling`), which is our child. What criu needs of the host is
 * made around it:
 *
 *   a mount namespace    criu wants the root to be a mount point. In a namespace of its own that mount is gone with criu,
 *                        whoever is killed; we are back in the caller's before anything else is done
 *   namespaces by path   descriptors from 3 up, where `--inherit-fd` of its command line expects them */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "clock.h"
#include "err.h"
#include "fds.h"
#include "kernel.h"
#include "oci.h"

/* Reading memory from slow disks takes long; criu itself knows no deadline. */
#define CRIU_MS (30 * 60 * 1000)
#define FIRST_INHERITED 3
/* So much of the end of criu's log is looked at. */
#define LOG_TAIL 16384
#define QUOTED_LINES 3

/* ---- before it ---- */

/* Called first of all: then the lowest free number is the one that criu's command line has. */
int oci_restore_open_namespaces (struct oci_options *o, struct err *e) {
  const char *const paths[] = { o->network, o->pids };
  int plan_fd = fcntl (o->plan_fd, F_DUPFD_CLOEXEC, FIRST_INHERITED + 2);

  if (plan_fd < 0)
    return err_set (e, errno, "cannot move the plan's descriptor");
  close (o->plan_fd);
  o->plan_fd = plan_fd;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    if (paths[i] == NULL)
      continue;
    int wanted = FIRST_INHERITED + (int) o->preserved_fds;
    int fd = open (paths[i], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      return err_set (e, errno, "cannot open the namespace \"%.200s\"", paths[i]);
    if (fd != wanted)
      return err_set (e, EBUSY, "cannot use descriptor %d for a namespace", wanted);
    if (fcntl (fd, F_SETFD, 0) < 0)
      return err_set (e, errno, "cannot hand on a namespace");
    o->preserved_fds++;
  }
  return 0;
}

/* Attaches the root below the state directory, in a mount namespace of its own. `back` is where we came from. */
int oci_restore_enter_mounts (const struct oci_options *o, int *back, struct err *e) {
  char target[PATH_MAX];

  if (snprintf (target, sizeof target, "%s/rootfs", o->state) >= (int) sizeof target)
    return err_set (e, ENAMETOOLONG, "cannot use the state directory");
  *back = open ("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (*back < 0 || unshare (CLONE_NEWNS) < 0)
    return err_set (e, errno, "cannot make a mount namespace");
  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return err_set (e, errno, "cannot make mounts private");
  if (mount (o->rootfs, target, NULL, MS_BIND | MS_REC, NULL) < 0)
    return err_set (e, errno, "cannot attach the root \"%.200s\"", o->rootfs);
  return 0;
}

int oci_restore_leave_mounts (int *back, struct err *e) {
  if (*back >= 0 && setns (*back, CLONE_NEWNS) < 0)
    return err_set (e, errno, "cannot return to the own mount namespace");
  fd_close (back);
  return 0;
}

/* ---- its end ---- */

/* The last lines of the log that tell of an error, the cause first. */
static void quote_log (const char *path, char *to, size_t room) {
  char tail[LOG_TAIL + 1], *found[QUOTED_LINES];
  size_t used = 0, count = 0;
  auto_fd log = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  off_t size = log < 0 ? -1 : lseek (log, 0, SEEK_END);
  ssize_t n = size < 0 ? -1 : pread (log, tail, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);

  to[0] = '\0';
  if (n <= 0)
    return;
  tail[n] = '\0';
  for (char *rest = tail, *line; (line = strsep (&rest, "\n")) != NULL;) {
    char *error = strstr (line, "Error (");
    if (error == NULL)
      continue;
    if (count == QUOTED_LINES)
      memmove (found, found + 1, --count * sizeof *found);
    found[count++] = error;
  }
  for (size_t i = 0; i < count && used < room; i++)
    used += (size_t) snprintf (to + used, room - used, "%s%.140s", i == 0 ? ": " : "; ", found[i]);
}

static int explain (const struct oci_options *o, int status, struct err *e) {
  char why[440];

  quote_log (o->criu_log, why, sizeof why);
  if (WIFSIGNALED (status))
    return err_set (e, 0, "criu was killed by signal %d%s", WTERMSIG (status), why);
  return err_set (e, 0, "criu failed with exit status %d%s", WEXITSTATUS (status), why);
}

/* Signals are for criu as long as nobody else is there. Other children, the restored one among them, are left unreaped. */
static int await_criu (struct oci_process *p, int *status, struct err *e) {
  int64_t until = clock_monotonic_ms () + CRIU_MS;

  for (;;) {
    struct pollfd fds[2] = { { .fd = p->container.pidfd, .events = POLLIN }, { .fd = p->others, .events = POLLIN } };
    struct signalfd_siginfo info;
    int64_t left = until - clock_monotonic_ms ();

    if (left <= 0)
      return err_set (e, ETIMEDOUT, "cannot wait for criu any longer");
    poll (fds, 2, (int) left);
    while (read (p->others, &info, sizeof info) == sizeof info)
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGHUP ||
          info.ssi_signo == SIGQUIT)
        sys_pidfd_send_signal (p->container.pidfd, SIGKILL);
    if (waitpid (p->container.pid, status, WNOHANG) == p->container.pid)
      return 0;
  }
}

/* From the file that criu wrote; -1 when there is none, or it names no child of ours. */
static pid_t restored_pid (const struct oci_state *s) {
  char text[16] = "";
  auto_fd file = openat (s->fd, RESTORED_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  siginfo_t info;

  if (file < 0 || read (file, text, sizeof text - 1) <= 0)
    return -1;
  long pid = strtol (text, NULL, 10);
  return pid > 1 && pid <= INT_MAX && waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? (pid_t) pid
                                                                                                          : -1;
}

int oci_restore_adopt (struct oci_process *p, const struct oci_state *s, struct err *e) {
  int status = 0;

  if (await_criu (p, &status, e) < 0)
    return -1;
  fd_close (&p->container.pidfd);
  p->container.pid = -1;
  if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
    return explain (p->options, status, e);
  pid_t pid = restored_pid (s);
  if (pid < 0)
    return err_set (e, 0, "criu has not said which process it restored");
  p->container.pid = pid;
  p->container.pidfd = sys_pidfd_open (pid);
  if (p->container.pidfd < 0)
    return err_set (e, errno, "cannot hold the restored process");
  unlinkat (s->fd, RESTORED_NAME, 0);
  return 0;
}
