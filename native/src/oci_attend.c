/* A process in the foreground. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "clock.h"
#include "err.h"
#include "fds.h"
#include "kernel.h"
#include "oci.h"

/* Somebody else may hold the terminal after the process has ended: so long it may be silent, and so long it may talk. */
#define SILENT_MS 50
#define DRAIN_MS 2000

enum { CHILDREN, OTHERS, NOTIFY, TERMINAL, POLLED = TERMINAL + 4 };

/* Everything is blocked, so that no signal comes between: a fault of our own ends us nevertheless. */
int oci_process_prepare (struct oci_process *p, const struct oci_options *o, struct err *e) {
  sigset_t all, children;

  *p = (struct oci_process){ .options = o, .notify = { -1, -1 }, .children = -1, .others = -1 };
  p->container = (struct container){ .pid = -1, .pidfd = -1, .sync_fd = -1, .console_fd = -1 };
  oci_terminal_init (&p->terminal);
  sigfillset (&all);
  sigemptyset (&children);
  sigaddset (&children, SIGCHLD);
  if (sigprocmask (SIG_BLOCK, &all, NULL) < 0)
    return err_set (e, errno, "cannot block signals");
  sigdelset (&all, SIGCHLD);
  p->children = signalfd (-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  p->others = signalfd (-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  return p->children < 0 || p->others < 0 ? err_set (e, errno, "cannot make a signalfd") : 0;
}

/* ---- signals ---- */

static void reap (struct oci_process *p) {
  struct signalfd_siginfo info;
  int status;

  while (read (p->children, &info, sizeof info) == sizeof info)
    ;
  for (pid_t pid; (pid = waitpid (-1, &status, WNOHANG)) > 0;)
    if (container_is (&p->container, pid)) {
      p->ended = true;
      p->status = status;
    }
}

/* What the kernel tells us about ourselves is not for the process: that our output is gone, that we are in the background. */
static bool is_ours (const struct signalfd_siginfo *info) {
  if (info->ssi_signo == SIGURG || info->ssi_signo == SIGCHLD)
    return true;
  return info->ssi_code > 0 && (info->ssi_signo == SIGPIPE || info->ssi_signo == SIGTTIN || info->ssi_signo == SIGTTOU);
}

static void forward (struct oci_process *p) {
  struct signalfd_siginfo info;

  while (read (p->others, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGWINCH && p->terminal.master >= 0)
      oci_terminal_resize (&p->terminal);
    else if (!is_ours (&info) && !p->ended)
      sys_pidfd_send_signal (p->container.pidfd, (int) info.ssi_signo);
}

/* ---- before it is a process ---- */

static int take_console (struct oci_process *p, struct err *e) {
  const struct oci_options *o = p->options;
  int master = p->container.console_fd;

  if (o->console_socket == NULL && (o->detach || o->verb == OCI_CREATE))
    return err_set (e, 0, "a terminal of a process that is left alone needs a console socket");
  p->container.console_fd = -1;
  if (o->console_socket != NULL)
    return oci_terminal_give (master, o->console_socket, e);
  return oci_terminal_take (&p->terminal, master, e);
}

enum sync_event oci_process_await (struct oci_process *p, struct err *e) {
  for (;;) {
    struct pollfd sync = { .fd = p->container.sync_fd, .events = POLLIN };
    poll (&sync, 1, -1);
    enum sync_event event = container_sync (&p->container, e);
    if (event == SYNC_CONSOLE && take_console (p, e) < 0)
      return SYNC_FAILED;
    if (event != SYNC_AGAIN && event != SYNC_CONSOLE)
      return event;
  }
}

void oci_process_abort (struct oci_process *p) {
  if (p->container.pid <= 0)
    return;
  sys_pidfd_send_signal (p->container.pidfd, SIGKILL);
  while (waitpid (p->container.pid, NULL, 0) < 0 && errno == EINTR)
    ;
}

/* ---- its life ---- */

static void turn (struct oci_process *p, int timeout_ms) {
  struct pollfd fds[POLLED] = { [CHILDREN] = { .fd = p->children, .events = POLLIN },
                                [OTHERS] = { .fd = p->others, .events = POLLIN },
                                [NOTIFY] = { .fd = p->notify.inner, .events = POLLIN } };

  oci_terminal_poll (&p->terminal, fds + TERMINAL);
  if (poll (fds, POLLED, timeout_ms) < 0)
    return;
  if (fds[CHILDREN].revents != 0)
    reap (p);
  if (fds[OTHERS].revents != 0)
    forward (p);
  if (fds[NOTIFY].revents != 0)
    oci_notify_turn (&p->notify, p->container.pid);
  oci_terminal_turn (&p->terminal, fds + TERMINAL);
}

void oci_process_await_ready (struct oci_process *p) {
  while (p->notify.inner >= 0) {
    struct pollfd fds[2] = { { .fd = p->container.pidfd, .events = POLLIN },
                             { .fd = p->notify.inner, .events = POLLIN } };
    if (poll (fds, 2, -1) < 0)
      continue;
    if (fds[1].revents != 0)
      oci_notify_turn (&p->notify, p->container.pid);
    else if (fds[0].revents != 0)
      oci_notify_close (&p->notify);
  }
}

/* Output that is still on its way. */
static void drain (struct oci_process *p) {
  int64_t until = clock_monotonic_ms () + DRAIN_MS;

  while (p->terminal.master >= 0 && clock_monotonic_ms () < until) {
    struct pollfd output[4];
    oci_terminal_poll (&p->terminal, output);
    if (poll (output, 2, SILENT_MS) == 0)
      break;
    output[2].revents = output[3].revents = 0;
    oci_terminal_turn (&p->terminal, output);
  }
}

int oci_process_attend (struct oci_process *p) {
  while (!p->ended)
    turn (p, -1);
  drain (p);
  oci_terminal_end (&p->terminal);
  oci_notify_close (&p->notify);
  return WIFEXITED (p->status) ? WEXITSTATUS (p->status) : 128 + WTERMSIG (p->status);
}

void oci_process_close (struct oci_process *p) {
  oci_terminal_end (&p->terminal);
  oci_notify_close (&p->notify);
  fd_close (&p->children);
  fd_close (&p->others);
}
