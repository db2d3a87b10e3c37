/* The forwarder's loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "forwarder.h"

/* When nothing became free meanwhile. */
#define RETRY_MS 100

int endpoint_watch (struct forwarder *f, struct endpoint *p, struct job *job, int fd) {
  struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = p };
  p->job = job;
  p->fd = fd;
  return epoll_ctl (f->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void endpoint_close (struct forwarder *f, struct endpoint *p) {
  if (p->fd >= 0) {
    /* Closing is not enough: the daemon may have the descriptor, too, and epoll would go on reporting it. */
    epoll_ctl (f->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    close (p->fd);
  }
  p->fd = -1;
}

void job_queue (struct forwarder *f, struct job *job) {
  if (job->is_queued)
    return;
  job->is_queued = true;
  job->next = NULL;
  *f->last = job;
  f->last = &job->next;
}

static void set_aside (struct forwarder *f, struct job *job) {
  if (f->lacking == NULL)
    f->retry_at_ms = f->now_ms + RETRY_MS;
  job->is_queued = true;
  job->next = f->lacking;
  f->lacking = job;
}

void forward_retry (struct forwarder *f) {
  while (f->lacking != NULL) {
    struct job *job = f->lacking;
    f->lacking = job->next;
    job->is_queued = false;
    job_queue (f, job);
  }
}

/* ---- the end ---- */

static enum turn begin_to_end (struct forwarder *f, struct job *job) {
  (void) job;
  if (f->ending || (f->watch.ready & READABLE) == 0)
    return TURN_IDLE;
  f->ending = true;
  f->end_at_ms = f->now_ms + f->drain_ms;
  for (uint32_t i = 0; i < f->listener_count; i++)
    endpoint_close (f, &f->listeners[i].host);
  udp_end_all (f);
  return TURN_IDLE;
}

static bool has_ended (const struct forwarder *f) {
  return f->ending && (f->connections == 0 || f->now_ms >= f->end_at_ms);
}

/* ---- the beginning ---- */

static int prepare_listener (struct forwarder *f, struct listener *l, const struct forward_entry *entry, int fd,
                             struct err *e) {
  int protocol = 0, flags = fcntl (fd, F_GETFL);
  socklen_t size = sizeof protocol;
  if (getsockopt (fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 || (uint32_t) protocol != entry->protocol)
    return err_set (e, EPROTOTYPE, "cannot use a socket of another protocol");
  if (flags < 0 || fcntl (fd, F_SETFL, flags | O_NONBLOCK) < 0)
    return err_set (e, errno, "cannot use a socket");
  if ((protocol == IPPROTO_TCP ? tcp_prepare (f, fd, e) : udp_prepare (fd, e)) < 0)
    return -1;
  l->job.turn = protocol == IPPROTO_TCP ? tcp_accept : udp_receive;
  l->target = entry->target;
  if (endpoint_watch (f, &l->host, &l->job, fd) < 0)
    return err_set (e, errno, "cannot watch a socket");
  return 0;
}

struct forwarder *forward_prepare (const struct forward_plan *plan, int watch, const int *sockets, struct err *e) {
  static struct forwarder only;
  struct forwarder *f = &only;
  *f = (struct forwarder){ .max_connections = plan->max_connections,
                           .max_flows = plan->max_flows,
                           .flow_timeout_ms = plan->flow_timeout_ms,
                           .keepalive_s = plan->keepalive_s,
                           .drain_ms = plan->drain_ms,
                           .last = &f->first,
                           .ender.turn = begin_to_end };
  f->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  f->listeners = calloc (plan->count, sizeof *f->listeners);
  if (f->epoll_fd < 0 || f->listeners == NULL) {
    err_set (e, errno, "cannot make an epoll instance");
    return NULL;
  }
  if (endpoint_watch (f, &f->watch, &f->ender, watch) < 0) {
    err_set (e, errno, "cannot watch the container");
    return NULL;
  }
  if (pipes_prepare (f, e) < 0 || udp_make_flows (f, e) < 0)
    return NULL;
  for (uint32_t i = 0; i < plan->count; i++) {
    f->listeners[i].number = i;
    if (prepare_listener (f, &f->listeners[i], &plan->entries[i], sockets[i], e) < 0)
      return NULL;
    f->listener_count++;
  }
  return f;
}

/* ---- the loop ---- */

static void sooner (int64_t *when, int64_t candidate) {
  if (candidate != 0 && (*when == 0 || candidate < *when))
    *when = candidate;
}

static int sleep_ms (struct forwarder *f) {
  int64_t when = udp_expire (f);
  if (f->first != NULL)
    return 0;
  sooner (&when, f->lacking != NULL ? f->retry_at_ms : 0);
  sooner (&when, f->ending ? f->end_at_ms : 0);
  return when == 0 ? -1 : when <= f->now_ms ? 0 : (int) (when - f->now_ms);
}

static void wait_for_events (struct forwarder *f) {
  struct epoll_event events[64];
  int n = epoll_wait (f->epoll_fd, events, sizeof events / sizeof *events, sleep_ms (f));
  f->now_ms = clock_monotonic_ms ();
  for (int i = 0; i < n; i++) {
    struct endpoint *p = events[i].data.ptr;
    p->ready |= events[i].events;
    job_queue (f, p->job);
  }
  if (f->lacking != NULL && f->now_ms >= f->retry_at_ms)
    forward_retry (f);
}

/* Everybody who is queued now, once. */
static void take_turns (struct forwarder *f) {
  struct job *job = f->first;
  f->first = NULL;
  f->last = &f->first;
  while (job != NULL) {
    struct job *next = job->next;
    job->is_queued = false;
    enum turn turn = job->turn (f, job);
    if (turn == TURN_AGAIN)
      job_queue (f, job);
    else if (turn == TURN_LACKS)
      set_aside (f, job);
    job = next;
  }
}

void forward_run (struct forwarder *f) {
  f->now_ms = clock_monotonic_ms ();
  while (!has_ended (f)) {
    wait_for_events (f);
    take_turns (f);
  }
}
