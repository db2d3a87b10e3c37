#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "fds.h"
#include "resident.h"
#include "resident_socket.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

enum { FIRST_OTHER_FD = 3, MAX_FDS = 2, GONE = -1, SILENT = -2 };

struct message {
  uint32_t size;
  uint8_t bytes[RESIDENT_MAX_BYTES];
  int fds[MAX_FDS]; /* the executable, the plan; -1 = none */
};

/* ---- the connection ---- */

static bool say (int fd, const uint32_t *words, size_t bytes) {
  return send (fd, words, bytes, MSG_NOSIGNAL) == (ssize_t) bytes;
}

static void keep_descriptors (struct message *m, struct msghdr *header) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR (header); c != NULL; c = CMSG_NXTHDR (header, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= CMSG_LEN (sizeof m->fds))
      memcpy (m->fds, CMSG_DATA (c), c->cmsg_len - CMSG_LEN (0));
}

/* As recv: what there is now. */
static ssize_t take (int fd, void *into, size_t room, struct message *m) {
  alignas (struct cmsghdr) char control[CMSG_SPACE (sizeof m->fds)];
  struct iovec part = { .iov_base = into, .iov_len = room };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  ssize_t n = recvmsg (fd, &header, MSG_CMSG_CLOEXEC);

  if (n > 0)
    keep_descriptors (m, &header);
  return n;
}

/* Exactly `size` bytes. */
static int take_all (int fd, void *into, size_t size, struct message *m, int64_t deadline) {
  for (size_t done = 0; done < size;) {
    ssize_t n = take (fd, (char *) into + done, size - done, m);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
      return GONE;
    if (n > 0) {
      done += (size_t) n;
      continue;
    }
    int64_t left = deadline - clock_monotonic_ms ();
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    if (left <= 0 || poll (&ready, 1, (int) left) == 0)
      return SILENT;
  }
  return 0;
}

static int receive (int fd, struct message *m, int timeout_ms) {
  int64_t deadline = clock_monotonic_ms () + timeout_ms;
  uint8_t size[4];

  m->fds[0] = m->fds[1] = -1;
  int taken = take_all (fd, size, sizeof size, m, deadline);
  if (taken < 0)
    return taken;
  struct fields f = fields_of (size, sizeof size);
  m->size = take_u32 (&f);
  return m->size > sizeof m->bytes ? GONE : take_all (fd, m->bytes, m->size, m, deadline);
}

static bool is_ready (const struct message *m) {
  struct fields f = fields_of (m->bytes, m->size);

  return take_u32 (&f) == RESIDENT_READY && fields_complete (&f);
}

/* ---- what it wants ---- */

static int write_all (int fd, struct blob rest) {
  while (rest.size > 0) {
    ssize_t n = write (fd, rest.data, rest.size);
    if (n < 0 && errno == EAGAIN) {
      struct pollfd slow = { .fd = fd, .events = POLLOUT };
      poll (&slow, 1, -1);
      continue;
    }
    if (n < 0 && errno != EINTR)
      return -1;
    rest.data += n > 0 ? n : 0;
    rest.size -= n > 0 ? (uint32_t) n : 0;
  }
  return 0;
}

/* A log that cannot be written must not hide what happened. */
static void append (const struct answer_write *w) {
  auto_fd fd = open (w->file, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0666);

  if (fd < 0 || write_all (fd, w->bytes) < 0)
    fprintf (stderr, "gantry-runc: cannot write the log \"%s\": %s\n", w->file, strerror (errno));
}

/* -1: whoever reads our output has left, or it cannot be written. */
static int perform_writes (struct answer *a) {
  signal (SIGPIPE, SIG_IGN);
  for (uint32_t i = 0; i < a->write_count; i++) {
    struct answer_write w = answer_next_write (a);
    if (w.target == RESIDENT_FILE)
      append (&w);
    else if (write_all ((int) w.target, w.bytes) < 0) {
      if (errno != EPIPE)
        fprintf (stderr, "gantry-runc: cannot write: %s\n", strerror (errno));
      return -1;
    }
  }
  return 0;
}

/* As src/linux/native.ts promises of replaceProcess: no signal blocked or ignored. */
static void reset_signals (void) {
  sigset_t none;

  for (int n = 1; n < NSIG; n++) {
    struct sigaction now;
    if (sigaction (n, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
      signal (n, SIG_DFL);
  }
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* Nothing but the standard streams, `preserved` descriptors from 3 up and behind them the plan stays open. */
static int arrange (const struct message *m, uint32_t preserved, int *executable) {
  int plan = FIRST_OTHER_FD + (int) preserved;

  *executable = m->fds[0];
  if (*executable == plan && (*executable = fcntl (*executable, F_DUPFD_CLOEXEC, plan + 1)) < 0)
    return -1;
  if (syscall (SYS_close_range, FIRST_OTHER_FD, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
    return -1;
  for (int fd = FIRST_OTHER_FD; fd < plan; fd++)
    if (fcntl (fd, F_SETFD, 0) < 0)
      return -1;
  if (m->fds[1] < 0)
    return 0;
  return m->fds[1] == plan ? fcntl (plan, F_SETFD, 0) : dup2 (m->fds[1], plan);
}

static void become (const struct message *m, struct answer *a) {
  static char *none[] = { NULL };
  int executable;
  char **argv = calloc ((size_t) a->argv.count + 1, sizeof *argv);

  if (argv == NULL || m->fds[0] < 0)
    return;
  for (uint32_t i = 0; i < a->argv.count; i++)
    argv[i] = (char *) take_str (&a->argv.rest);
  if (arrange (m, a->value, &executable) < 0)
    return;
  reset_signals ();
  syscall (SYS_execveat, executable, "", argv, none, AT_EMPTY_PATH);
}

static int obey (const struct message *m) {
  struct answer a;

  if (!answer_decode (m->bytes, m->size, &a) || a.end == RESIDENT_YOURSELF)
    return -1;
  if (perform_writes (&a) < 0)
    return 1;
  if (a.end == RESIDENT_EXIT)
    return (int) a.value;
  become (m, &a);
  return -1;
}

int resident_perform (void) {
  static struct message m;
  const char *path = getenv (RESIDENT_VARIABLE);

  if (geteuid () != 0 || (path != NULL && *path == '\0'))
    return -1;
  auto_fd fd = resident_connect (path == NULL ? RESIDENT_SOCKET : path, 0);
  uint32_t hello[] = { RESIDENT_HELLO, (uint32_t) fd }, go = RESIDENT_GO;
  if (fd < 0 || !say (fd, hello, sizeof hello) || receive (fd, &m, RESIDENT_ANSWER_MS) < 0)
    return -1;
  if (!is_ready (&m))
    return obey (&m);
  if (!say (fd, &go, sizeof go))
    return -1;
  switch (receive (fd, &m, RESIDENT_WORK_MS)) {
  case 0:
    return obey (&m);
  case SILENT:
    fputs ("gantry-runc: the resident compiler does not answer\n", stderr);
    return 1;
  default:
    return -1;
  }
}
