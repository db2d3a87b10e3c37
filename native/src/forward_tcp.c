/* Connections. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "forwarder.h"

/* Of a turn, so that a fast connection does not hold up the others. */
#define ACCEPTS 64
#define ROUNDS 8
/* A pipe takes 16 pieces, however long each is. */
#define PIECES_BYTES (512u << 10)

struct way {
  struct pipe pipe;
  size_t in_pipe;
  bool has_ended; /* nothing more goes this way */
};

struct connection {
  struct job job; /* first */
  struct endpoint client, target;
  struct way there, back;
  bool is_connected;
  bool is_reset; /* one way has ended badly: whoever is left is not told that all is well */
};

/* ---- the host's sockets ---- */

/* What connections inherit. */
int tcp_prepare (const struct forwarder *f, int socket, struct err *e) {
  int yes = 1, listens = 0, seconds = (int) f->keepalive_s;
  socklen_t size = sizeof listens;
  if (getsockopt (socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
    return err_set (e, EINVAL, "cannot accept from a socket that does not listen");
  setsockopt (socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (seconds > 0 && (setsockopt (socket, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds) < 0 ||
                      setsockopt (socket, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds) < 0 ||
                      setsockopt (socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes) < 0))
    return err_set (e, errno, "cannot watch over connections");
  return 0;
}

/* ---- the end ---- */

static void reset (int fd) {
  const struct linger at_once = { .l_onoff = 1 };
  setsockopt (fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static enum turn release (struct forwarder *f, struct connection *c) {
  pipe_return (f, &c->there.pipe, c->there.in_pipe == 0);
  pipe_return (f, &c->back.pipe, c->back.in_pipe == 0);
  if (c->is_reset) {
    reset (c->client.fd);
    reset (c->target.fd);
  }
  endpoint_close (f, &c->client);
  endpoint_close (f, &c->target);
  free (c);
  f->connections--;
  forward_retry (f);
  return TURN_GONE;
}

/* ---- both ways ---- */

static void end_way (struct forwarder *f, struct way *w) {
  pipe_return (f, &w->pipe, w->in_pipe == 0);
  w->in_pipe = 0;
  w->has_ended = true;
}

/* Who does not take any more may still have something to say: that way goes on. */
static enum turn empty (struct forwarder *f, struct connection *c, struct way *w, struct endpoint *to) {
  while (w->in_pipe > 0) {
    if ((to->ready & WRITABLE) == 0)
      return TURN_IDLE;
    ssize_t n = splice (w->pipe.ends[0], NULL, to->fd, NULL, w->in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0)
      w->in_pipe -= (size_t) n;
    else if (n < 0 && errno == EAGAIN)
      to->ready &= ~WRITABLE;
    else if (n == 0 || errno != EINTR) {
      c->is_reset = true;
      end_way (f, w);
      return TURN_IDLE;
    }
  }
  return TURN_AGAIN;
}

/* Into an empty pipe, so that EAGAIN means the socket. An end of the stream ends the way, a reset both. */
static enum turn fill (struct forwarder *f, struct connection *c, struct way *w, struct endpoint *from,
                       struct endpoint *to) {
  if ((from->ready & READABLE) == 0)
    return TURN_IDLE;
  if (w->pipe.ends[0] < 0 && !pipe_borrow (f, &w->pipe))
    return TURN_LACKS;
  ssize_t n = splice (from->fd, NULL, w->pipe.ends[1], NULL, PIECES_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n > 0)
    w->in_pipe = (size_t) n;
  else if (n == 0) {
    shutdown (to->fd, SHUT_WR);
    end_way (f, w);
  } else if (errno == EAGAIN)
    from->ready &= ~READABLE;
  else if (errno != EINTR) {
    c->is_reset = c->there.has_ended = c->back.has_ended = true;
    return TURN_IDLE;
  }
  return TURN_AGAIN;
}

static enum turn move (struct forwarder *f, struct connection *c, struct way *w, struct endpoint *from,
                       struct endpoint *to) {
  enum turn turn = TURN_AGAIN;
  for (int round = 0; round < ROUNDS && turn == TURN_AGAIN && !w->has_ended; round++) {
    turn = empty (f, c, w, to);
    if (turn == TURN_AGAIN)
      turn = fill (f, c, w, from, to);
  }
  if (w->in_pipe == 0 && turn == TURN_IDLE)
    pipe_return (f, &w->pipe, true);
  return w->has_ended ? TURN_IDLE : turn;
}

/* Who has said everything and is reset then is not read any more, so nothing else tells of it. */
static void notice_reset (struct forwarder *f, struct connection *c, struct way *to_it, const struct way *from_it,
                          const struct endpoint *it) {
  if (from_it->has_ended && !to_it->has_ended && (it->ready & EPOLLERR) != 0) {
    c->is_reset = true;
    end_way (f, to_it);
  }
}

static enum turn carry (struct forwarder *f, struct connection *c) {
  enum turn there = move (f, c, &c->there, &c->client, &c->target);
  enum turn back = move (f, c, &c->back, &c->target, &c->client);
  notice_reset (f, c, &c->there, &c->back, &c->target);
  notice_reset (f, c, &c->back, &c->there, &c->client);
  if (c->there.has_ended && c->back.has_ended)
    return release (f, c);
  return there == TURN_AGAIN || back == TURN_AGAIN   ? TURN_AGAIN
         : there == TURN_LACKS || back == TURN_LACKS ? TURN_LACKS
                                                     : TURN_IDLE;
}

/* ---- the beginning ---- */

/* A target that refuses, or cannot be reached, is to look like a port that nobody listens on. */
static enum turn await_connected (struct forwarder *f, struct connection *c) {
  int failure = 0;
  socklen_t size = sizeof failure;
  bool client_is_gone = (c->client.ready & (EPOLLHUP | EPOLLERR)) != 0;
  if ((c->target.ready & WRITABLE) == 0 && !client_is_gone)
    return TURN_IDLE;
  if (client_is_gone || getsockopt (c->target.fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure != 0) {
    c->is_reset = true;
    return release (f, c);
  }
  c->is_connected = true;
  return carry (f, c);
}

static enum turn connection_turn (struct forwarder *f, struct job *job) {
  struct connection *c = (struct connection *) job;
  return c->is_connected ? carry (f, c) : await_connected (f, c);
}

static int make_target (const struct forwarder *f, const struct listener *l) {
  int yes = 1, seconds = (int) f->keepalive_s;
  int fd = socket (l->target.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0)
    return -1;
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (seconds > 0) {
    setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
    setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  }
  return fd;
}

/* Owns the descriptors, whatever becomes of them. */
static void begin (struct forwarder *f, const struct listener *l, int client, int target) {
  static const struct way unused = { .pipe.ends = { -1, -1 } };
  struct connection *c = calloc (1, sizeof *c);
  if (c == NULL) {
    reset (client);
    close (client);
    close (target);
    return;
  }
  *c = (struct connection){ .job.turn = connection_turn, .there = unused, .back = unused };
  c->client.fd = client;
  c->target.fd = target;
  f->connections++;
  bool is_under_way = connect (target, &l->target.any, address_size (&l->target)) == 0 || errno == EINPROGRESS;
  if (!is_under_way || endpoint_watch (f, &c->client, &c->job, client) < 0 ||
      endpoint_watch (f, &c->target, &c->job, target) < 0) {
    c->is_reset = true;
    release (f, c);
  }
}

/* The target's socket comes first: who was accepted is not turned away for want of a descriptor. */
static enum turn accept_one (struct forwarder *f, struct listener *l) {
  if (f->connections >= f->max_connections)
    return TURN_LACKS;
  int target = make_target (f, l);
  if (target < 0)
    return TURN_LACKS;
  int client = accept4 (l->host.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client >= 0) {
    begin (f, l, client, target);
    return TURN_AGAIN;
  }
  int failure = errno;
  close (target);
  if (failure == EMFILE || failure == ENFILE || failure == ENOBUFS || failure == ENOMEM)
    return TURN_LACKS;
  return failure == EAGAIN ? TURN_IDLE : TURN_AGAIN; /* others are of a connection that ended before it was accepted */
}

enum turn tcp_accept (struct forwarder *f, struct job *job) {
  struct listener *l = (struct listener *) job;
  enum turn turn = TURN_AGAIN;
  for (int i = 0; i < ACCEPTS && turn == TURN_AGAIN; i++)
    turn = l->host.fd < 0 ? TURN_IDLE : accept_one (f, l);
  return turn;
}
