/* A hook is somebody's program: it gets a clean process, is waited for, and what it says ends up in the error. Killed
 * half-way, its parent takes the hook along; what a hook did to the host is its operator's to undo. */
#include "hooks.h"

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
#include "fields.h"
#include "kernel.h"
#include "plan.h"

/* So much of the end of what a hook wrote stands in the error. */
#define TAIL_BYTES 160

struct hook {
  const char *path, *head, *tail;
  struct strings argv, env;
  uint32_t timeout_s;
};

struct tail {
  int fd;
  size_t size;
  char bytes[TAIL_BYTES + 1];
};

/* A hook that runs. */
struct running {
  pid_t pid;
  int pidfd, input, failure; /* `failure`: an errno comes here when it cannot be executed */
  struct tail out, err;
  char *document;
  size_t document_bytes, written;
};

/* Field by field: the order in which arguments of a call are taken is nobody's promise. */
static struct hook take_hook (const struct plan_op_view *op, uint32_t *stage) {
  struct fields f = fields_of (op->payload, op->size);
  struct hook h;

  *stage = take_u32 (&f);
  h.path = take_str (&f);
  h.argv = take_strv (&f);
  h.env = take_strv (&f);
  h.timeout_s = take_u32 (&f);
  h.head = take_str (&f);
  h.tail = take_str (&f);
  return h;
}

static bool is_hook_of (const struct plan_op_view *op, uint32_t stage) {
  struct fields f = fields_of (op->payload, op->size);

  return op->kind == OP_HOOK && take_u32 (&f) == stage;
}

/* ---- copies ---- */

int hooks_copy (const struct plan *p, uint32_t stage, struct plan **out, struct err *e) {
  size_t bytes = 0, at = 0;
  uint32_t count = 0;

  *out = NULL;
  for (uint32_t i = 0; i < p->op_count; i++)
    if (is_hook_of (&p->ops[i], stage)) {
      count++;
      bytes += p->ops[i].size;
    }
  if (count == 0)
    return 0;
  /* One block: the plan, its index, the payloads. */
  size_t index = sizeof (struct plan) + count * sizeof (struct plan_op_view);
  struct plan *copy = malloc (index + bytes);
  if (copy == NULL)
    return err_set (e, ENOMEM, "cannot keep the hooks");
  uint8_t *payloads = (uint8_t *) copy + index;
  *copy = (struct plan){ .ops = (struct plan_op_view *) (copy + 1), .buffer = payloads };
  for (uint32_t i = 0; i < p->op_count; i++)
    if (is_hook_of (&p->ops[i], stage)) {
      const struct plan_op_view *op = &p->ops[i];
      memcpy (payloads + at, op->payload, op->size);
      copy->ops[copy->op_count] = *op;
      copy->ops[copy->op_count++].payload = payloads + at;
      at += op->size;
    }
  *out = copy;
  return 0;
}

void hooks_free (struct plan *copy) {
  free (copy);
}

/* ---- the hook's process ---- */

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
static _Noreturn void become_hook (const struct hook *h, const int ends[4]) {
  char **argv = array_of (h->argv), **env = array_of (h->env);
  int code = ENOMEM;

  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  reset_signals ();
  if (argv != NULL && env != NULL) {
    bool placed = true;
    for (int to = 0; to < 3; to++)
      placed = dup2 (ends[to], to) == to && placed;
    /* Marked, not closed: the way to say why it failed is among them. */
    if (placed && sys_close_range (3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
      execve (h->path, argv, env);
    code = errno;
  }
  if (write (ends[3], &code, sizeof code) != sizeof code)
    _exit (126);
  _exit (127);
}

static int make_document (const struct hook *h, pid_t pid, struct running *r, struct err *e) {
  size_t room = strlen (h->head) + strlen (h->tail) + 16;

  r->document = malloc (room);
  if (r->document == NULL)
    return err_set (e, ENOMEM, "cannot write the state for a hook");
  r->document_bytes = (size_t) snprintf (r->document, room, "%s%d%s", h->head, pid, h->tail);
  return 0;
}

static int launch (const struct hook *h, struct running *r, struct err *e) {
  int pipes[4][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
  bool made = true;

  for (int i = 0; i < 4; i++)
    made = made && pipe2 (pipes[i], O_CLOEXEC) == 0;
  if (made) {
    r->pid = fork ();
    if (r->pid == 0)
      become_hook (h, (int[4]){ pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][1] });
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
    return err_set (e, code, "cannot start the hook \"%.200s\"", h->path);
  setpgid (r->pid, r->pid); /* whoever of the two comes first */
  r->pidfd = sys_pidfd_open (r->pid);
  if (r->pidfd < 0)
    return err_set (e, errno, "cannot watch the hook \"%.200s\"", h->path);
  for (int i = 0; i < 3; i++) {
    int fd = i == 0 ? r->input : i == 1 ? r->out.fd : r->err.fd;
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  }
  return 0;
}

/* ---- waiting for it ---- */

static void feed (struct running *r) {
  ssize_t n = write (r->input, r->document + r->written, r->document_bytes - r->written);

  if (n > 0)
    r->written += (size_t) n;
  /* A hook need not read; EPIPE then. */
  if (r->written == r->document_bytes || (n < 0 && errno != EAGAIN && errno != EINTR))
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
  size_t more = (size_t) n > TAIL_BYTES ? TAIL_BYTES : (size_t) n;
  size_t kept = t->size + more > TAIL_BYTES ? TAIL_BYTES - more : t->size;
  memmove (t->bytes, t->bytes + t->size - kept, kept);
  memcpy (t->bytes + kept, piece + n - (ssize_t) more, more);
  t->size = kept + more;
  return true;
}

/* False when time ran out. */
static bool attend (struct running *r, uint32_t timeout_s) {
  int64_t until = clock_monotonic_ms () + (int64_t) timeout_s * 1000;

  for (;;) {
    struct pollfd fds[4] = { { .fd = r->pidfd, .events = POLLIN },
                             { .fd = r->input, .events = POLLOUT },
                             { .fd = r->out.fd, .events = POLLIN },
                             { .fd = r->err.fd, .events = POLLIN } };
    int64_t left = until - clock_monotonic_ms ();
    if (timeout_s != 0 && left <= 0)
      return false;
    poll (fds, 4, timeout_s == 0 ? -1 : left > INT32_MAX ? INT32_MAX : (int) left);
    if (fds[1].revents != 0)
      feed (r);
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
static const char *words (struct tail *t) {
  while (t->size > 0 && isspace ((unsigned char) t->bytes[t->size - 1]))
    t->size--;
  for (size_t i = 0; i < t->size; i++)
    if (iscntrl ((unsigned char) t->bytes[i]))
      t->bytes[i] = ' ';
  t->bytes[t->size] = '\0';
  return t->bytes;
}

static int judge (struct running *r, const struct hook *h, uint32_t index, bool in_time, struct err *e) {
  char how[64];
  int status = 0, code = 0;

  if (!in_time)
    kill (-r->pid, SIGKILL);
  while (waitpid (r->pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (read (r->failure, &code, sizeof code) == sizeof code)
    return err_set (e, code, "error running hook #%u: cannot execute \"%.200s\"", index, h->path);
  if (in_time && WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return 0;
  if (!in_time)
    snprintf (how, sizeof how, "not done after %u s", h->timeout_s);
  else if (WIFEXITED (status))
    snprintf (how, sizeof how, "exit status %d", WEXITSTATUS (status));
  else
    snprintf (how, sizeof how, "signal: %s", sigabbrev_np (WTERMSIG (status)));
  return err_set (e, 0, "error running hook #%u: %s, stdout: %s, stderr: %s", index, how, words (&r->out),
                  words (&r->err));
}

static int run (const struct hook *h, uint32_t index, pid_t pid, struct err *e) {
  struct running r = { .pid = -1, .pidfd = -1, .input = -1, .failure = -1, .out.fd = -1, .err.fd = -1 };
  int result = -1;

  if (make_document (h, pid, &r, e) == 0 && launch (h, &r, e) == 0)
    result = judge (&r, h, index, attend (&r, h->timeout_s), e);
  else if (r.pid > 0) {
    kill (-r.pid, SIGKILL);
    waitpid (r.pid, NULL, 0);
  }
  fd_close (&r.pidfd);
  fd_close (&r.input);
  fd_close (&r.failure);
  fd_close (&r.out.fd);
  fd_close (&r.err.fd);
  free (r.document);
  return result;
}

int hooks_run (const struct plan *p, uint32_t stage, pid_t pid, struct err *e) {
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  uint32_t index = 0, of_stage;
  int result = 0;

  sigaction (SIGPIPE, &ignore, &before);
  for (uint32_t i = 0; result == 0 && i < p->op_count; i++) {
    if (!is_hook_of (&p->ops[i], stage))
      continue;
    struct hook h = take_hook (&p->ops[i], &of_stage);
    result = run (&h, index++, pid, e);
  }
  sigaction (SIGPIPE, &before, NULL);
  return result;
}
