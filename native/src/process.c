/* The main process and the execs: spawned, synchronised, reaped. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "fds.h"
#include "plan.h"
#include "shim.h"

#define PIPE_BYTES (1 << 20)
/* How long the output of somebody else who holds an ended process's pipes is waited for: Docker's time, observed with
   `docker exec c sh -c 'sleep 4 &'`. */
#define DRAIN_MS 2000

static void close_fd (int *fd) {
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

void process_init (struct process *p) {
  *p = (struct process){ .sync.fd = -1,
                         .outputs = { { .watch.fd = -1, .stream = 1 }, { .watch.fd = -1, .stream = 2 } },
                         .input.pipe.fd = -1,
                         .container = { .pid = -1, .pidfd = -1, .sync_fd = -1, .console_fd = -1 } };
}

/* ---- stdio ---- */

/* Another runtime may give the process's streams to the container's user, the host's null device with them: runsc makes "nobody"
   its owner, who could close it to everybody else. It gets one of its own, on a filesystem that goes with the last descriptor. */
static int open_own_null (int mode) {
  auto_fd fs = fsopen ("tmpfs", FSOPEN_CLOEXEC);
  if (fs < 0 || fsconfig (fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return -1;
  auto_fd mount = fsmount (fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  if (mount < 0 || mknodat (mount, "null", S_IFCHR | 0666, makedev (1, 3)) < 0 || fchmodat (mount, "null", 0666, 0) < 0)
    return -1;
  return openat (mount, "null", mode | O_CLOEXEC | O_NOFOLLOW);
}

static int open_null (bool is_own, int *fd, int mode, struct err *e) {
  *fd = is_own ? open_own_null (mode) : open ("/dev/null", mode | O_CLOEXEC);
  return *fd >= 0 ? 0 : err_set (e, errno, "cannot open \"/dev/null\"");
}

/* `ours` does not block; `theirs` is an ordinary pipe end. */
static int open_pipe (int *ours, int *theirs, bool we_read, struct err *e) {
  int ends[2];
  if (pipe2 (ends, O_CLOEXEC) < 0)
    return err_set (e, errno, "cannot make a pipe");
  *ours = ends[we_read ? 0 : 1];
  *theirs = ends[we_read ? 1 : 0];
  fcntl (*ours, F_SETFL, (we_read ? O_RDONLY : O_WRONLY) | O_NONBLOCK);
  if (we_read)
    fcntl (*ours, F_SETPIPE_SZ, PIPE_BYTES); /* fewer writes that wait; the default size will do, too */
  return 0;
}

static int open_stdio (struct shim *s, struct process *p, uint32_t flags, bool is_foreign,
                       struct container_stdio *theirs, struct err *e) {
  if (p->terminal)
    return 0; /* comes with SYNC_CONSOLE */
  p->input.is_decided = true;
  int ours;
  if ((flags & SHIM_STDIN) == 0) {
    if (open_null (is_foreign, &theirs->in, O_RDONLY, e) < 0)
      return -1;
  } else {
    if (open_pipe (&ours, &theirs->in, false, e) < 0)
      return -1;
    shim_watch (s, &p->input.pipe, ours);
    p->input.watch = &p->input.pipe;
  }
  bool is_main = p == &s->main;
  int *ends[2] = { &theirs->out, &theirs->err };
  uint32_t wanted[2] = { SHIM_STDOUT, SHIM_STDERR };
  for (size_t i = 0; i < 2; i++) {
    if (!is_main && ((flags & SHIM_STREAM) == 0 || (flags & wanted[i]) == 0)) {
      if (open_null (is_foreign, ends[i], O_WRONLY, e) < 0)
        return -1;
      continue;
    }
    if (open_pipe (&ours, ends[i], true, e) < 0)
      return -1;
    shim_watch (s, &p->outputs[i].watch, ours);
  }
  return 0;
}

/* ---- birth ---- */

int process_spawn (struct shim *s, struct process *p, const struct spawn_options *options, struct err *e) {
  struct plan plan = { 0 };
  if (plan_decode (options->plan, options->plan_bytes, &plan, e) < 0)
    return -1;
  p->terminal = (options->flags & SHIM_TERMINAL) != 0;
  p->stdin_once = (options->flags & SHIM_STDIN_ONCE) != 0;
  p->host_pid = (plan.flags & PLAN_HOST_PID) != 0;
  p->rows = options->rows;
  p->cols = options->cols;
  struct container_stdio theirs = { -1, -1, -1 };
  int result = -1;
  if (((plan.flags & PLAN_TERMINAL) != 0) != p->terminal)
    err_set (e, EINVAL, "cannot use a plan and flags that disagree about the terminal");
  else if (((plan.flags & PLAN_JOIN) != 0) != (p != &s->main) && (plan.flags & PLAN_FOREIGN) == 0)
    err_set (e, EINVAL, "cannot use a plan of the other kind, container or exec");
  else if (open_stdio (s, p, options->flags, (plan.flags & PLAN_FOREIGN) != 0, &theirs, e) == 0)
    result = container_spawn (&plan, &theirs, (plan.flags & PLAN_JOIN) == 0 ? -1 : s->main.container.pidfd,
                              &p->container, e);
  close_fd (&theirs.in);
  close_fd (&theirs.out);
  close_fd (&theirs.err);
  plan_release (&plan);
  if (result < 0)
    return -1;
  p->state = PROCESS_SETTING_UP;
  p->start_ticks = record_start_ticks (p->container.pid);
  /* A descriptor of its own, because container_sync closes the other one without telling epoll. */
  int sync = fcntl (p->container.sync_fd, F_DUPFD_CLOEXEC, 0);
  if (sync < 0) {
    err_set (&p->failure, errno, "cannot watch the process");
    process_fail (p);
    return 0;
  }
  shim_watch (s, &p->sync, sync);
  shim_rest_later (s);
  return 0;
}

int process_go (struct process *p, struct err *e) {
  p->go = true;
  return container_go (&p->container, e);
}

static void take_console (struct shim *s, struct process *p) {
  int fd = p->container.console_fd;
  if (fd < 0 || !p->terminal)
    return;
  p->container.console_fd = -1;
  fcntl (fd, F_SETFL, O_RDWR | O_NONBLOCK);
  fcntl (fd, F_SETFD, FD_CLOEXEC);
  shim_watch (s, &p->outputs[0].watch, fd);
  p->input.watch = &p->outputs[0].watch;
  p->input.is_decided = true;
  struct err ignored; /* the terminal has the size its plan gave it */
  if (p->rows != 0 && p->cols != 0)
    process_resize (p, p->rows, p->cols, &ignored);
}

void process_fail (struct process *p) {
  p->failed = true;
  pidfd_send_signal (p->container.pidfd, SIGKILL, NULL, 0);
}

/* Until now there was another process, which has set this one up. */
static void take_process (struct shim *s, struct process *p, pid_t before) {
  if (p->container.pid == before)
    return;
  p->start_ticks = record_start_ticks (p->container.pid);
  if (p->failed) /* the other one was killed for it */
    pidfd_send_signal (p->container.pidfd, SIGKILL, NULL, 0);
  else if (p == &s->main && record_pid (p->container.pid, p->start_ticks, &p->failure) < 0)
    process_fail (p);
}

/* One message of the child, or with `is_over` its last state. False when there is no more for now. */
static bool take_sync (struct shim *s, struct process *p, bool is_over) {
  struct err e;
  pid_t before = p->container.pid;
  enum sync_event event = is_over ? container_end (&p->container, &e) : container_sync (&p->container, &e);
  take_process (s, p, before);
  switch (event) {
  case SYNC_AGAIN:
    p->sync.ready &= ~(uint32_t) EPOLLIN;
    return false;
  case SYNC_CONSOLE:
    take_console (s, p);
    return true;
  case SYNC_CREATED:
    if (!p->go && !p->failed) {
      p->state = PROCESS_CREATED;
      control_reply_started (p);
    }
    return true;
  case SYNC_STARTED:
    if (p->go && !p->failed) {
      p->state = PROCESS_RUNNING;
      control_reply_started (p);
      if (p == &s->main)
        shim_watch_oom (s);
    } else if (p->state == PROCESS_SETTING_UP && !p->failed) {
      err_set (&p->failure, 0, "cannot set up the process: it was killed");
      process_fail (p);
    }
    break;
  case SYNC_FAILED:
    /* A process that was killed while it waited for "go" has lived: its exit is told like any other. */
    if (!p->failed && (p->go || p->state == PROCESS_SETTING_UP)) {
      p->failure = e;
      process_fail (p);
    }
    break;
  }
  shim_unwatch (s, &p->sync);
  return false;
}

void process_turn (struct shim *s, struct process *p) {
  while (p->sync.fd >= 0 && (p->sync.ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
    if (!take_sync (s, p, false))
      break;
}

/* ---- death ---- */

/* Everything the child said before it died is in the socket, and its end of file; unless who set it up has not ended yet and
   holds the other end, too. */
static void take_last_words (struct shim *s, struct process *p) {
  while (p->sync.fd >= 0 && take_sync (s, p, false))
    ;
  if (p->sync.fd >= 0)
    take_sync (s, p, true);
}

static void take_exit (struct shim *s, struct process *p, int status) {
  take_last_words (s, p);
  p->exit.exited_at_ns = clock_realtime_ns ();
  p->exit.signal = WIFSIGNALED (status) ? (uint32_t) WTERMSIG (status) : 0;
  p->exit.exit_code = WIFSIGNALED (status) ? 128 + p->exit.signal : (uint32_t) WEXITSTATUS (status);
  p->state = PROCESS_ENDED;
  p->drain_until_ms = clock_monotonic_ms () + DRAIN_MS;
  relay_close_input (s, p);
  for (size_t i = 0; i < 2; i++)
    p->outputs[i].watch.ready |= EPOLLIN;
  s->again = true;
}

void process_reap_all (struct shim *s) {
  int status;
  pid_t pid;
  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    for (struct process *p = &s->main; p != NULL; p = p->next)
      if (container_is (&p->container, pid) && p->state != PROCESS_NONE && p->state < PROCESS_ENDED)
        take_exit (s, p, status);
}

bool process_is_drained (const struct process *p) {
  return p->outputs[0].watch.fd < 0 && p->outputs[1].watch.fd < 0;
}

void process_release (struct shim *s, struct process *p) {
  relay_close_input (s, p);
  for (size_t i = 0; i < 2; i++) {
    shim_unwatch (s, &p->outputs[i].watch);
    free (p->outputs[i].carry);
    p->outputs[i].carry = NULL;
  }
  shim_unwatch (s, &p->sync);
  if (p->container.pid > 0 && !p->container_released)
    container_release (&p->container);
  p->container_released = true;
}

/* ---- life ---- */

struct process *process_find (struct shim *s, const char *exec_id) {
  for (struct process *p = &s->main; p != NULL; p = p->next)
    if (strcmp (p->exec_id, exec_id) == 0 && p->state != PROCESS_REPORTED)
      return p;
  return NULL;
}

static bool is_alive (const struct process *p) {
  return p != NULL && p->state != PROCESS_NONE && p->state < PROCESS_ENDED;
}

int process_signal (struct process *p, uint32_t signal, struct err *e) {
  if (!is_alive (p))
    return err_set (e, ESRCH, "cannot signal a process that is not running");
  if (pidfd_send_signal (p->container.pidfd, (int) signal, NULL, 0) < 0)
    return err_set (e, errno, "cannot send signal %u", signal);
  return 0;
}

int process_resize (struct process *p, uint32_t rows, uint32_t cols, struct err *e) {
  if (!is_alive (p))
    return err_set (e, ESRCH, "cannot resize the terminal of a process that is not running");
  if (!p->terminal)
    return err_set (e, ENOTTY, "cannot resize: the process has no terminal");
  p->rows = rows;
  p->cols = cols;
  struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) cols };
  if (p->outputs[0].watch.fd >= 0 && ioctl (p->outputs[0].watch.fd, TIOCSWINSZ, &size) < 0)
    return err_set (e, errno, "cannot resize the terminal");
  return 0;
}
