#include "conversation.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "fds.h"
#include "fields.h"
#include "resident_socket.h"

enum { LOST_STATUS = 125, UNREADABLE_STATUS = 1, GOING_ON = -3 };
/* What a pipe that can be written to takes without waiting: PIPE_BUF. */
enum { UNBLOCKED_BYTES = 4096 };

struct conversation {
  int fd;
  int signals; /* a signalfd; -1: none is passed on */
  bool has_written;
  sigset_t mask_before;
  struct sigaction pipe_before;
};

struct message {
  uint32_t kind, size;
  uint8_t bytes[CLIENT_MAX_BYTES];
};

/* ---- the connection ---- */

static int open_connection (const char *path) {
  int fd = resident_connect (path, geteuid ());

  if (fd < 0)
    return errno == ENOENT || errno == ECONNREFUSED ? CLIENT_NOBODY : CLIENT_ALONE;
  return fd;
}

/* Signals that nobody takes off the socket are not worth waiting for. */
static bool say (int fd, uint32_t word) {
  return send (fd, &word, sizeof word, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t) sizeof word;
}

/* ---- signals ---- */

static int set_signals (struct conversation *c, uint64_t wanted) {
  sigset_t all;

  sigemptyset (&all);
  for (int n = 1; n <= 64; n++)
    if ((wanted >> (n - 1)) & 1)
      sigaddset (&all, n);
  if (wanted == 0) {
    fd_close (&c->signals);
    return sigprocmask (SIG_SETMASK, &c->mask_before, NULL);
  }
  if (sigprocmask (SIG_SETMASK, &c->mask_before, NULL) < 0 || sigprocmask (SIG_BLOCK, &all, NULL) < 0)
    return -1;
  int fd = signalfd (c->signals, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0)
    return -1;
  c->signals = fd;
  return 0;
}

static void pass_on (const struct conversation *c) {
  struct signalfd_siginfo info;

  while (read (c->signals, &info, sizeof info) == (ssize_t) sizeof info)
    say (c->fd, info.ssi_signo);
}

/* Until `fd` is ready, passing signals on meanwhile. -1: not in time. */
static int await (const struct conversation *c, int fd, short events, int64_t deadline) {
  for (;;) {
    struct pollfd ready[] = { { .fd = fd, .events = events }, { .fd = c->signals, .events = POLLIN } };
    int64_t left = deadline < 0 ? -1 : deadline - clock_monotonic_ms ();
    if (deadline >= 0 && left <= 0)
      return -1;
    if (poll (ready, c->signals < 0 ? 1 : 2, (int) left) < 0 && errno != EINTR)
      return -1;
    if (c->signals >= 0 && ready[1].revents != 0)
      pass_on (c);
    if (ready[0].revents != 0)
      return 0;
  }
}

/* ---- messages ---- */

/* -1: the other side has left, or does not go on in time. */
static int take_all (const struct conversation *c, void *into, size_t size, int64_t deadline) {
  for (size_t done = 0; done < size;) {
    ssize_t n = recv (c->fd, (char *) into + done, size - done, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
      return -1;
    if (n < 0 && errno == EAGAIN && await (c, c->fd, POLLIN, deadline) < 0)
      return -1;
    done += n > 0 ? (size_t) n : 0;
  }
  return 0;
}

static int receive (const struct conversation *c, struct message *m, int64_t deadline) {
  uint8_t head[8];

  if (take_all (c, head, sizeof head, deadline) < 0)
    return -1;
  struct fields f = fields_of (head, sizeof head);
  m->kind = take_u32 (&f);
  m->size = take_u32 (&f);
  return m->size > sizeof m->bytes ? -1 : take_all (c, m->bytes, m->size, deadline);
}

/* -1 with errno: whoever reads it has left, or it cannot be written. */
static int write_all (const struct conversation *c, int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    if (c->signals >= 0)
      await (c, fd, POLLOUT, -1);
    ssize_t n = write (fd, bytes, c->signals >= 0 && size > UNBLOCKED_BYTES ? UNBLOCKED_BYTES : size);
    if (n < 0 && errno == EAGAIN)
      await (c, fd, POLLOUT, -1);
    else if (n < 0 && errno != EINTR)
      return -1;
    bytes += n > 0 ? n : 0;
    size -= n > 0 ? (size_t) n : 0;
  }
  return 0;
}

static int print (struct conversation *c, int fd, const struct message *m) {
  c->has_written |= m->size > 0;
  if (write_all (c, fd, m->bytes, m->size) == 0)
    return GOING_ON;
  if (errno != EPIPE)
    fprintf (stderr, "gantry: cannot write: %s\n", strerror (errno));
  return UNREADABLE_STATUS;
}

static int lost (void) {
  fputs ("gantry: the resident client has ended; what was asked for may be done or not\n", stderr);
  return LOST_STATUS;
}

static int yourself (struct conversation *c) {
  set_signals (c, 0);
  sigaction (SIGPIPE, &c->pipe_before, NULL);
  return c->has_written ? lost () : CLIENT_ALONE;
}

static int obey (struct conversation *c, const struct message *m) {
  struct fields f = fields_of (m->bytes, m->size);

  switch (m->kind) {
  case CLIENT_OUTPUT:
    return print (c, STDOUT_FILENO, m);
  case CLIENT_ERRORS:
    return print (c, STDERR_FILENO, m);
  case CLIENT_SIGNALS: {
    uint64_t wanted = take_u64 (&f);
    return fields_complete (&f) && set_signals (c, wanted) == 0 ? GOING_ON : lost ();
  }
  case CLIENT_EXIT: {
    uint32_t status = take_u32 (&f);
    return fields_complete (&f) && status <= 255 ? (int) status : lost ();
  }
  case CLIENT_YOURSELF:
    return yourself (c);
  default:
    return lost ();
  }
}

int client_converse (const char *path) {
  static struct message m;
  struct conversation c = { .signals = -1 };
  struct sigaction ignored = { .sa_handler = SIG_IGN };

  c.fd = open_connection (path);
  if (c.fd < 0)
    return c.fd;
  auto_fd fd = c.fd;
  if (!say (fd, CLIENT_HELLO) || receive (&c, &m, clock_monotonic_ms () + CLIENT_READY_MS) < 0 || m.kind != CLIENT_READY)
    return CLIENT_ALONE;
  if (!say (fd, CLIENT_GO))
    return CLIENT_ALONE;
  /* Whoever reads our output may leave: that is an exit status here. */
  if (sigaction (SIGPIPE, &ignored, &c.pipe_before) < 0 || sigprocmask (SIG_BLOCK, NULL, &c.mask_before) < 0)
    return lost ();
  for (;;) {
    int end = receive (&c, &m, -1) < 0 ? lost () : obey (&c, &m);
    if (end != GOING_ON)
      return end;
  }
}
