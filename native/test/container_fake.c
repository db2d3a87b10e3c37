/* container.h for tests of the shim alone: fork and execve, without namespaces, cgroups or root. It performs CONSOLE
 * (a pty of the host), SYNC, CWD and EXEC, and passes over every other op. Everything the header promises about order,
 * messages and descriptors holds. Some environment variables make a failure:
 *     FAKE_SPAWN_ERRNO=n    container_spawn fails with errno n
 *     FAKE_SETUP_ERRNO=n    the child reports a failed step before SYNC
 *     FAKE_OOM=1            container_was_oom_killed says yes
 *     FAKE_OOM_BELL=1       memory has run out once, when somebody begins to watch
 */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "err.h"
#include "plan.h"

enum { MESSAGE_CONSOLE = 'c', MESSAGE_CREATED = 'r', MESSAGE_FAILED = 'f' };

static int environment_number (const char *name) {
  const char *text = getenv (name);
  return text != NULL ? atoi (text) : 0;
}

static void say (int sync, char kind, const struct err *e, int fd) {
  char control[CMSG_SPACE (sizeof fd)] = { 0 };
  struct iovec parts[2] = { { &kind, 1 }, { (void *) (uintptr_t) e, e != NULL ? sizeof *e : 0 } };
  struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR (&message);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN (sizeof fd) };
    memcpy (CMSG_DATA (c), &fd, sizeof fd);
  }
  sendmsg (sync, &message, MSG_NOSIGNAL);
}

__attribute__ ((noreturn)) static void fail (int sync, uint32_t op, int code, const char *text) {
  struct err e;
  err_set (&e, code, "%s", text);
  e.op = op;
  say (sync, MESSAGE_FAILED, &e, -1);
  _exit (127);
}

static uint32_t number_at (const uint8_t **at) {
  uint32_t value;
  memcpy (&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

static char *text_at (const uint8_t **at) {
  uint32_t length = number_at (at);
  char *text = (char *) (uintptr_t) *at;
  *at += length + 1;
  return text;
}

static char **texts_at (const uint8_t **at) {
  uint32_t count = number_at (at);
  char **texts = calloc (count + 1, sizeof *texts);
  for (uint32_t i = 0; i < count; i++)
    texts[i] = text_at (at);
  return texts;
}

static void make_console (int sync, const uint8_t *payload) {
  struct winsize size = { 0 };
  size.ws_row = (unsigned short) number_at (&payload);
  size.ws_col = (unsigned short) number_at (&payload);
  int master = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || unlockpt (master) < 0)
    fail (sync, 0, errno, "cannot open a pty");
  int slave = ioctl (master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  ioctl (slave, TIOCSWINSZ, &size);
  setsid ();
  ioctl (slave, TIOCSCTTY, 0);
  for (int fd = 0; fd < 3; fd++)
    dup2 (slave, fd);
  say (sync, MESSAGE_CONSOLE, NULL, master);
  close (master);
  close (slave);
}

static void wait_for_go (int sync) {
  char go;
  say (sync, MESSAGE_CREATED, NULL, -1);
  if (recv (sync, &go, 1, 0) != 1)
    _exit (127);
}

static void child (const struct plan *p, int sync) {
  sigset_t none;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  if (environment_number ("FAKE_SETUP_ERRNO") != 0)
    fail (sync, 1, environment_number ("FAKE_SETUP_ERRNO"), "cannot set up");
  for (uint32_t i = 0; i < p->op_count; i++) {
    const struct plan_op_view *op = &p->ops[i];
    const uint8_t *at = op->payload;
    if (op->kind == OP_CONSOLE)
      make_console (sync, at);
    else if (op->kind == OP_SYNC)
      wait_for_go (sync);
    else if (op->kind == OP_CWD && chdir (text_at (&at)) < 0)
      fail (sync, i + 1, errno, "cannot change directory");
    else if (op->kind == OP_EXEC) {
      char **argv = texts_at (&at), **environment = texts_at (&at);
      execve (argv[0], argv, environment);
      fail (sync, i + 1, errno, "cannot execute");
    }
  }
  _exit (127);
}

int container_spawn (const struct plan *p, const struct container_stdio *io, int init_pidfd, struct container *c,
                     struct err *e) {
  int sync[2];
  (void) init_pidfd;
  *c = (struct container){ .pid = -1, .pidfd = -1, .sync_fd = -1, .console_fd = -1 };
  if (environment_number ("FAKE_SPAWN_ERRNO") != 0)
    return err_set (e, environment_number ("FAKE_SPAWN_ERRNO"), "cannot spawn");
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
    return err_set (e, errno, "cannot make a socket pair");
  pid_t pid = fork ();
  if (pid == 0) {
    if ((p->flags & PLAN_TERMINAL) == 0) {
      int ends[3] = { io->in, io->out, io->err };
      for (int fd = 0; fd < 3; fd++)
        dup2 (ends[fd], fd);
    }
    child (p, sync[1]);
  }
  close (sync[1]);
  if (pid < 0) {
    close (sync[0]);
    return err_set (e, errno, "cannot fork");
  }
  fcntl (sync[0], F_SETFL, O_NONBLOCK);
  c->pid = pid;
  c->pidfd = pidfd_open (pid, 0);
  c->sync_fd = sync[0];
  return 0;
}

enum sync_event container_sync (struct container *c, struct err *e) {
  char kind = 0, control[CMSG_SPACE (sizeof (int))];
  struct iovec parts[2] = { { &kind, 1 }, { e, sizeof *e } };
  struct msghdr message = {
    .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control
  };
  ssize_t n = recvmsg (c->sync_fd, &message, MSG_CMSG_CLOEXEC);
  if (n < 0 && errno == ECONNRESET) /* it has not read "go"; the next word is the end of file */
    n = recvmsg (c->sync_fd, &message, MSG_CMSG_CLOEXEC);
  if (n < 0)
    return SYNC_AGAIN;
  if (n > 0 && kind == MESSAGE_CREATED)
    return SYNC_CREATED;
  if (n > 0 && kind == MESSAGE_CONSOLE) {
    memcpy (&c->console_fd, CMSG_DATA (CMSG_FIRSTHDR (&message)), sizeof c->console_fd);
    return SYNC_CONSOLE;
  }
  close (c->sync_fd);
  c->sync_fd = -1;
  return n == 0 ? SYNC_STARTED : SYNC_FAILED;
}

enum sync_event container_end (struct container *c, struct err *e) {
  close (c->sync_fd);
  c->sync_fd = -1;
  err_set (e, 0, "the process has ended before it said anything");
  return SYNC_FAILED;
}

bool container_is (const struct container *c, pid_t pid) {
  return pid == c->pid;
}

int container_go (struct container *c, struct err *e) {
  if (send (c->sync_fd, "g", 1, MSG_NOSIGNAL) != 1 && errno != EPIPE && errno != ECONNRESET)
    return err_set (e, errno, "cannot tell the process to go");
  return 0;
}

bool container_was_oom_killed (const struct container *c) {
  (void) c;
  return environment_number ("FAKE_OOM") != 0;
}

int container_watch_oom (struct container *c) {
  (void) c;
  return environment_number ("FAKE_OOM_BELL") != 0 ? eventfd (1, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
}

bool container_ran_out_of_memory (struct container *c, int watched) {
  eventfd_t rings;
  (void) c;
  return eventfd_read (watched, &rings) == 0;
}

void container_release (struct container *c) {
  int *fds[] = { &c->pidfd, &c->sync_fd, &c->console_fd };
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    if (*fds[i] >= 0)
      close (*fds[i]);
    *fds[i] = -1;
  }
}

/* ---- what only a runtime of its own needs ---- */

int container_spawn_with (const struct plan *p, const struct container_stdio *io, int init_pidfd,
                          const struct container_more *more, struct container *c, struct err *e) {
  (void) more;
  return container_spawn (p, io, init_pidfd, c, e);
}

int container_let_go (struct container *c, struct err *e) {
  (void) c;
  return err_set (e, ENOSYS, "the fake does not let go");
}

int container_meet (int connection, struct container *c, struct err *e) {
  (void) connection;
  (void) c;
  return err_set (e, ENOSYS, "the fake meets nobody");
}

void container_leave (struct container *c) {
  container_release (c);
}
