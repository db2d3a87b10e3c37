/* What the parts of the forwarder share. A single thread; nothing in it waits except epoll_wait.
 *
 *     forward_role.c   the daemon's words, descriptors, rights
 *     forward.c        the loop, and the end
 *     forward_tcp.c    connections      forward_udp.c   flows      forward_pipes.c   pipes that are borrowed
 *
 * Readiness. Every descriptor is in epoll once, edge-triggered, as an `endpoint` of a `job`. The loop adds what epoll reports to `ready`
 * and gives the job a turn; the job takes bits away when the kernel said EAGAIN. A turn is bounded: a job that could go on comes
 * again behind the others, and one that lacks something (a descriptor, memory, a free place) when a place became free, or a
 * moment later.
 */
#ifndef GANTRY_FORWARDER_H
#define GANTRY_FORWARDER_H

#include <stdbool.h>
#include <sys/epoll.h>

#include "forward.h"

#define READABLE ((uint32_t) (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
#define WRITABLE ((uint32_t) (EPOLLOUT | EPOLLHUP | EPOLLERR))

enum turn {
  TURN_IDLE,
  TURN_AGAIN,
  TURN_LACKS,
  TURN_GONE, /* the job has released itself */
};

struct job {
  enum turn (*turn) (struct forwarder *f, struct job *job);
  struct job *next; /* while queued: in the queue of those whose turn it is, or of those that lack something */
  bool is_queued;
};

struct endpoint {
  struct job *job;
  int fd; /* -1 = closed */
  uint32_t ready;
};

struct pipe {
  int ends[2]; /* to read, to write; -1 = none */
};

#define PIPES_AT_FIRST 4
#define PIPES_KEPT 16

struct flows; /* forward_udp.c */

struct listener {
  struct job job; /* first */
  struct endpoint host;
  union address target;
  uint32_t number;
};

struct forwarder {
  uint32_t max_connections, max_flows, flow_timeout_ms, keepalive_s, drain_ms;
  int epoll_fd;
  struct job *first, **last; /* whose turn it is */
  struct job *lacking;
  int64_t now_ms, retry_at_ms;
  struct job ender;
  struct endpoint watch;
  bool ending;
  int64_t end_at_ms;
  uint32_t listener_count, connections;
  struct listener *listeners;
  struct pipe pipes[PIPES_KEPT];
  unsigned pipe_count;
  struct flows *flows;
};

/* ---- forward.c ---- */
/* From now on the endpoint's events are turns of the job. -1 and errno when that cannot be; `fd` stays open. */
int endpoint_watch (struct forwarder *f, struct endpoint *p, struct job *job, int fd);
void endpoint_close (struct forwarder *f, struct endpoint *p);
void job_queue (struct forwarder *f, struct job *job);
/* A place became free: those that lack something try again. */
void forward_retry (struct forwarder *f);

/* ---- forward_pipes.c ---- */
int pipes_prepare (struct forwarder *f, struct err *e);
bool pipe_borrow (struct forwarder *f, struct pipe *p);
/* Empty ones are used again. */
void pipe_return (struct forwarder *f, struct pipe *p, bool is_empty);

/* ---- forward_tcp.c ---- */
int tcp_prepare (const struct forwarder *f, int socket, struct err *e);
enum turn tcp_accept (struct forwarder *f, struct job *job);

/* ---- forward_udp.c ---- */
int udp_prepare (int socket, struct err *e);
int udp_make_flows (struct forwarder *f, struct err *e);
enum turn udp_receive (struct forwarder *f, struct job *job);
/* Ends flows that are over. When the next one is, 0 = there is none. */
int64_t udp_expire (struct forwarder *f);
void udp_end_all (struct forwarder *f);

#endif
