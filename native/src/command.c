/* Plans of another runtime's: the child runs its commands, which make the container's process, and goes. Whatever becomes an
 * orphan meanwhile is this process's child, and the shim's when this one is gone: so no exit status is lost, however short
 * the process lives (prctl(2), PR_SET_CHILD_SUBREAPER; a zombie moves, too). Docs: docs/decisions/0007.
 *
 *   killed                            left, besides the run directory          mended by
 *   the shim                          the command dies with this process,      the daemon: `delete --force`, cgroups
 *                                     which dies with the shim
 *   this process, the command         what the command had made                FINALLY, by the shim
 *   the container's process           nothing: its status comes to the shim */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "accounts.h"
#include "fds.h"
#include "finally.h"
#include "init.h"
#include "kernel.h"
#include "plan_copy.h"
#include "program.h"

static struct program take_program (struct fields *f) {
  struct program p = { .input = "" };

  p.argv = take_strv (f);
  p.env = take_strv (f);
  p.timeout_s = take_u32 (f);
  struct strings words = p.argv;
  p.path = take_str (&words.rest);
  return p;
}

static int run (const struct program *p, struct err *e) {
  struct program_end end;
  char how[64];

  if (program_run (p, &end, e) < 0)
    return -1;
  if (end.failure != 0)
    return err_set (e, end.failure, "cannot execute \"%.200s\"", p->path);
  if (program_ended_well (p, &end, how))
    return 0;
  return err_set (e, 0, "\"%.100s\" failed: %s%s%s", p->path, how, end.err[0] == '\0' ? "" : ": ", end.err);
}

/* ---- its terminal ---- */

static int console_listen (const char *path, struct err *e) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  memcpy (address.sun_path, path, strlen (path)); /* fits: plan.c */
  unlink (path);                                  /* of a start that was killed */
  auto_fd listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  mode_t before = umask (0177);
  int result = listener < 0 ? -1 : bind (listener, (struct sockaddr *) &address, sizeof address);
  int code = errno;
  umask (before);
  if (result < 0 || listen (listener, 1) < 0)
    return err_set (e, result < 0 ? code : errno, "cannot listen on \"%s\"", path);
  return fd_release (&listener);
}

/* The program has ended: what it sent is there already. */
static int console_receive (int listener, struct err *e) {
  char name[4096];
  struct iovec data = { name, sizeof name };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };
  int master;

  auto_fd connection = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  ssize_t n = connection < 0 ? -1 : recvmsg (connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR (&message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN (sizeof master))
    return err_set (e, n < 0 ? errno : 0, "the runtime has sent no terminal");
  memcpy (&master, CMSG_DATA (header), sizeof master);
  if (!isatty (master)) {
    close (master);
    return err_set (e, 0, "the runtime has sent something else than a terminal");
  }
  return master;
}

static int hand_console_on (struct init *in, int listener, const char *path, struct err *e) {
  auto_fd master = console_receive (listener, e);

  unlink (path);
  return master < 0 ? -1 : console_send (in->sync_fd, master, e);
}

/* ---- its process ---- */

static int read_pid (const char *path, uint32_t *pid, struct err *e) {
  char text[16] = { 0 };
  auto_fd file = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  ssize_t n = file < 0 ? -1 : read (file, text, sizeof text - 1);

  if (n < 0)
    return err_set (e, errno, "cannot read the pid file \"%s\"", path);
  text[strcspn (text, "\n")] = '\0';
  if (!account_number (text, pid) || *pid < 2 || *pid > INT32_MAX)
    return err_set (e, 0, "the pid file \"%s\" does not hold a pid", path);
  return 0;
}

/* Whoever is not our child will not be the shim's either, which could not tell how it ended. */
static int publish (struct init *in, const char *pid_file, struct err *e) {
  siginfo_t unused;
  uint32_t pid;

  if (read_pid (pid_file, &pid, e) < 0)
    return -1;
  if (waitid (P_PID, pid, &unused, WEXITED | WNOHANG | WNOWAIT) < 0)
    return err_set (e, errno, "the runtime has made process %u somewhere else", pid);
  __atomic_store_n (&in->progress->pid, (pid_t) pid, __ATOMIC_RELEASE);
  return 0;
}

/* ---- the steps ---- */

static int tie_to_parent (struct init *in, struct err *e) {
  struct pollfd parent = { .fd = in->sync_fd };

  if (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot tie the process to its parent");
  if (poll (&parent, 1, 0) == 1 && (parent.revents & POLLHUP) != 0) /* it ended before that */
    _exit (127);
  return 0;
}

int step_command (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct program p = take_program (f);
  const char *pid_file = take_str (f), *console = take_str (f);
  auto_fd listener = -1;

  /* What makes the container's process hands its own streams down to it. */
  p.has_our_streams = pid_file[0] != '\0';
  if (tie_to_parent (in, e) < 0)
    return -1;
  if (console[0] != '\0' && (listener = console_listen (console, e)) < 0)
    return -1;
  umask (in->umask);
  int result = run (&p, e);
  umask (0);
  if (result < 0)
    return -1;
  if (listener >= 0 && hand_console_on (in, listener, console, e) < 0)
    return -1;
  return pid_file[0] == '\0' ? 0 : publish (in, pid_file, e);
}

int step_leave (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) f;
  (void) flags;
  (void) e;
  __atomic_store_n (&in->progress->stage, PROGRESS_EXECUTING, __ATOMIC_RELEASE);
  _exit (0);
}

/* ---- the end ---- */

static bool is_finally (const struct plan_op_view *op, uint32_t unused) {
  (void) unused;
  return op->kind == OP_FINALLY;
}

int finally_copy (const struct plan *p, struct plan **out, struct err *e) {
  return plan_copy_ops (p, is_finally, 0, out, e);
}

void finally_run (const struct plan *p) {
  for (uint32_t i = 0; p != NULL && i < p->op_count; i++) {
    struct fields f = fields_of (p->ops[i].payload, p->ops[i].size);
    struct program program = take_program (&f);
    struct err e;
    if (run (&program, &e) < 0)
      dprintf (STDERR_FILENO, "gantry-shim: %s%s%s\n", e.text, e.code == 0 ? "" : ": ",
               e.code == 0 ? "" : strerrordesc_np (e.code));
  }
}
