/* `gantry-shim init --plan-fd N [--join PID]`: performs a plan in the foreground and exits as its process does. For
 * tests and measurements; containers are run by the shim role. A plan with a terminal gets its output copied to
 * standard output and standard input copied to it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "container.h"
#include "err.h"
#include "fds.h"
#include "kernel.h"
#include "plan.h"
#include "roles.h"

static int complain (const struct err *e) {
  if (err_is_complete (e))
    fprintf (stderr, "gantry-shim: %s\n", e->text);
  else
    fprintf (stderr, "gantry-shim: %s: %s\n", e->text, strerror (e->code));
  return e->code == ENOENT ? 127 : 126;
}

static uint8_t *read_plan (int fd, size_t *size, struct err *e) {
  uint8_t *buffer = NULL;
  size_t room = 0;
  ssize_t n = 1;

  for (*size = 0; n != 0; *size += (size_t) n) {
    if (*size == room) {
      room = room == 0 ? 65536 : room * 2;
      uint8_t *larger = room > 2 * PLAN_MAX_BYTES ? NULL : realloc (buffer, room);
      if (larger == NULL) {
        err_set (e, E2BIG, "cannot read the plan");
        break;
      }
      buffer = larger;
    }
    n = read (fd, buffer + *size, room - *size);
    if (n < 0) {
      err_set (e, errno, "cannot read the plan");
      break;
    }
    if (n == 0)
      return buffer;
  }
  free (buffer);
  return NULL;
}

static int watch_signals (void) {
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGQUIT);
  sigprocmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC);
}

/* Copies once; closes `from` at its end. A terminal whose last slave is closed reads as an error: its end, too. */
static void copy (int *from, int to) {
  char bytes[4096];
  ssize_t n = read (*from, bytes, sizeof bytes), done = 0, written;

  while (n > 0 && done < n && (written = write (to, bytes + done, (size_t) (n - done))) > 0)
    done += written;
  if (n <= 0)
    fd_close (from);
}

static bool has_ended (const struct container *c, int *status) {
  for (pid_t pid; (pid = waitpid (-1, status, WNOHANG)) > 0;)
    if (container_is (c, pid))
      return true;
  return false;
}

static bool take_signal (int signals, struct container *c, int *status) {
  struct signalfd_siginfo info;

  if (read (signals, &info, sizeof info) != sizeof info)
    return false;
  if (info.ssi_signo == SIGCHLD)
    return has_ended (c, status);
  sys_pidfd_send_signal (c->pidfd, (int) info.ssi_signo);
  return false;
}

/* Until the process has ended and its terminal is empty. The exit status. */
static int attend (struct container *c, int signals) {
  struct err e;
  bool ended = false, failed = false;
  int status = 0, input = 0, result = 0;

  while (!ended || c->console_fd >= 0 || c->sync_fd >= 0) {
    struct pollfd fds[4] = {
      { .fd = signals, .events = POLLIN },
      { .fd = c->sync_fd, .events = POLLIN },
      { .fd = c->console_fd, .events = POLLIN },
      { .fd = c->console_fd >= 0 ? input : -1, .events = POLLIN },
    };
    if (poll (fds, 4, -1) < 0)
      continue;
    if (fds[0].revents != 0 && take_signal (signals, c, &status))
      ended = true;
    if (fds[1].revents != 0 && container_sync (c, &e) == SYNC_FAILED) {
      failed = true;
      result = complain (&e);
    }
    if (fds[2].revents != 0)
      copy (&c->console_fd, 1);
    if (fds[3].revents != 0 && c->console_fd >= 0)
      copy (&input, c->console_fd);
  }
  if (failed)
    return result;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

static int run (int plan_fd, int join_pid) {
  struct container_stdio io = { 0, 1, 2 };
  struct container c;
  struct plan plan;
  struct err e;
  size_t size;
  uint8_t *buffer = read_plan (plan_fd, &size, &e);

  if (buffer == NULL || plan_decode (buffer, size, &plan, &e) < 0) {
    free (buffer);
    return complain (&e);
  }
  auto_fd signals = watch_signals ();
  auto_fd joined = join_pid > 0 ? sys_pidfd_open (join_pid) : -1;
  int result = container_spawn (&plan, &io, joined, &c, &e);
  plan_release (&plan);
  free (buffer);
  if (result < 0 || container_go (&c, &e) < 0)
    return complain (&e);
  result = attend (&c, signals);
  container_release (&c);
  return result;
}

int init_main (int argc, char **argv) {
  int plan_fd = -1, join_pid = 0;

  for (int i = 1; i + 1 < argc; i += 2)
    if (strcmp (argv[i], "--plan-fd") == 0)
      plan_fd = atoi (argv[i + 1]);
    else if (strcmp (argv[i], "--join") == 0)
      join_pid = atoi (argv[i + 1]);
  if (plan_fd < 0 || argc % 2 == 0) {
    fputs ("usage: gantry-shim init --plan-fd N [--join PID]\n", stderr);
    return 2;
  }
  return run (plan_fd, join_pid);
}
