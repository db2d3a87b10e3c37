#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "clock.h"
#include "err.h"
#include "fds.h"
#include "kernel.h"

struct tail {
  int fd;
  size_t size;
  char *bytes; /* room for PROGRAM_TAIL_BYTES and a NUL */
};

/* A program that runs. */
struct running {
  pid_t pid;
  int pidfd, input, failure; /* `failure`: an errno comes here when it cannot be executed */
  struct tail out, err;
  size_t written;
};

/* ---- its process ---- */

static char **array_of (struct strings s) {
  char **array = calloc ((size_t) s.count + 1, sizeof *array);

  for (uint32_t i = 0; array != NULL && i < s.count; i++)
    array[i] = (char *) (uintptr_t) take_str (&s.rest);
  return array;
}

static void reset_signals (void) {
  sigset_t none;

  for (int n = 1; n <= 64; n++)
    signal (n, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* `ends`: for descriptors 0 to 2, and where to say why it could not be executed. */
static _Noreturn void become_program (const struct program *p, const int ends[4]) {
  char **argv = array_of (p->argv), **env = array_of (p->env);
  int code = ENOMEM;

  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  reset_signals ();
  if (argv != NULL && env != NULL) {
    bool placed = true;
    for (int to = 0; to < 3 && !p->has_our_streams; to++)
      placed = dup2 (ends[to], to) == to && placed;
    /* Marked, not closed: the way to say why it failed is among them. */
    if (placed && sys_close_range (3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
      execve (p->path, argv, env);
    code = errno;
  }
  if (write (ends[3], &code, sizeof code) != sizeof code)
    _exit (126);
  _exit (127);
}

static int launch (const struct program *p, struct running *r, struct err *e) {
  int pipes[4][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
  bool made = true;

  for (int i = 0; i < 4; i++)
    made = made && pipe2 (pipes[i], O_CLOEXEC) == 0;
  if (made) {
    r->pid = fork ();
    if (r->pid == 0)
      become_program (p, (int[4]){ pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][1] });
  }
  int code = errno;
  fd_close (&pipes[0][0]);
  for (int i = 1; i < 4; i++)
    fd_close (&pipes[i][1]);
  r->input = pipes[0][1];
  r->out.fd = pipes[1][0];
  r->err.fd = pipes[2][0];
  r->failure = pipes[3][0];
  if (r->pid < 0)
    return err_set (e, code, "cannot start \"%.200s\"", p->path);
  setpgid (r->pid, r->pid); /* whoever of the two comes first */
  r->pidfd = sys_pidfd_open (r->pid);
  if (r->pidfd < 0)
    return err_set (e, errno, "cannot watch \"%.200s\"", p->path);
  for (int i = 0; i < 3; i++) {
    int fd = i == 0 ? r->input : i == 1 ? r->out.fd : r->err.fd;
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  }
  return 0;
}

/* ---- waiting for it ---- */

static void feed (struct running *r, const struct program *p) {
  ssize_t n = write (r->input, p->input + r->written, p->input_bytes - r->written);

  if (n > 0)
    r->written += (size_t) n;
  /* It need not read; EPIPE then. */
  if (r->written == p->input_bytes || (n < 0 && errno != EAGAIN && errno != EINTR))
    fd_close (&r->input);
}

/* One piece; false when there is none now. */
static bool listen_to (struct tail *t) {
  char piece[4096];
  ssize_t n = t->fd < 0 ? -1 : read (t->fd, piece, sizeof piece);

  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    fd_close (&t->fd);
  if (n <= 0)
    return false;
  size_t more = (size_t) n > PROGRAM_TAIL_BYTES ? PROGRAM_TAIL_BYTES : (size_t) n;
  size_t kept = t->size + more > PROGRAM_TAIL_BYTES ? PROGRAM_TAIL_BYTES - more : t->size;
  memmove (t->bytes, t->bytes + t->size - kept, kept);
  memcpy (t->bytes + kept, piece + n - (ssize_t) more, more);
  t->size = kept + more;
  return true;
}

/* False when time ran out. */
static bool attend (struct running *r, const struct program *p) {
  int64_t until = clock_monotonic_ms () + (int64_t) p->timeout_s * 1000;

  for (;;) {
    struct pollfd fds[4] = { { .fd = r->pidfd, .events = POLLIN },
                             { .fd = r->input, .events = POLLOUT },
                             { .fd = r->out.fd, .events = POLLIN },
                             { .fd = r->err.fd, .events = POLLIN } };
    int64_t left = until - clock_monotonic_ms ();
    if (p->timeout_s != 0 && left <= 0)
      return false;
    poll (fds, 4, p->timeout_s == 0 ? -1 : left > INT32_MAX ? INT32_MAX : (int) left);
    if (fds[1].revents != 0)
      feed (r, p);
    if (fds[2].revents != 0)
      listen_to (&r->out);
    if (fds[3].revents != 0)
      listen_to (&r->err);
    if (fds[0].revents == 0)
      continue;
    /* What it leaves behind may hold its output: only what is there already counts. At most a pipe full. */
    for (int i = 0; i < 64 && listen_to (&r->out); i++)
      ;
    for (int i = 0; i < 64 && listen_to (&r->err); i++)
      ;
    return true;
  }
}

/* One line of printable text. */
static void make_line (struct tail *t) {
  while (t->size > 0 && isspace ((unsigned char) t->bytes[t->size - 1]))
    t->size--;
  for (size_t i = 0; i < t->size; i++)
    if (iscntrl ((unsigned char) t->bytes[i]))
      t->bytes[i] = ' ';
  t->bytes[t->size] = '\0';
}

static void conclude (struct running *r, struct program_end *end) {
  int code = 0;

  if (!end->in_time)
    kill (-r->pid, SIGKILL);
  while (waitpid (r->pid, &end->status, 0) < 0 && errno == EINTR)
    ;
  if (read (r->failure, &code, sizeof code) == sizeof code)
    end->failure = code;
  make_line (&r->out);
  make_line (&r->err);
}

int program_run (const struct program *p, struct program_end *end, struct err *e) {
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  *end = (struct program_end){ 0 };
  struct running r = { .pid = -1, .pidfd = -1, .input = -1, .failure = -1 };
  int result = -1;

  r.out = (struct tail){ .fd = -1, .bytes = end->out };
  r.err = (struct tail){ .fd = -1, .bytes = end->err };
  sigaction (SIGPIPE, &ignore, &before);
  if (launch (p, &r, e) == 0) {
    end->in_time = attend (&r, p);
    conclude (&r, end);
    result = 0;
  } else if (r.pid > 0) {
    kill (-r.pid, SIGKILL);
    waitpid (r.pid, NULL, 0);
  }
  sigaction (SIGPIPE, &before, NULL);
  fd_close (&r.pidfd);
  fd_close (&r.input);
  fd_close (&r.failure);
  fd_close (&r.out.fd);
  fd_close (&r.err.fd);
  return result;
}

bool program_ended_well (const struct program *p, const struct program_end *end, char how[64]) {
  if (!end->in_time)
    snprintf (how, 64, "not done after %u s", p->timeout_s);
  else if (WIFEXITED (end->status))
    snprintf (how, 64, "exit status %d", WEXITSTATUS (end->status));
  else
    snprintf (how, 64, "signal: %s", sigabbrev_np (WTERMSIG (end->status)));
  return end->in_time && WIFEXITED (end->status) && WEXITSTATUS (end->status) == 0;
}
