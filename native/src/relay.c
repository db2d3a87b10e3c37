/* Output of a process to log and peers, input of peers to the process.
 *
 * Nothing is lost on the way: while one peer's queue is full the process's pipe is not read, so the process waits for
 * its slowest reader, as with a pipe. Once it has ended, what its pipes still hold is bounded and read in any case.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

#define PEER_QUEUE_BYTES (1u << 20)
#define PEER_QUEUE_AT_END_BYTES (8u << 20)
#define INPUT_BYTES (64u << 10)

/* ---- output ---- */

static bool takes (const struct conn *c, const struct process *p, const struct output *o) {
  uint32_t wanted = o->stream == 1 ? SHIM_STDOUT : SHIM_STDERR;
  return c->mode == CONN_STREAM && c->process == p && !c->output_gone && (c->streams & wanted) != 0;
}

/* Another runtime hands the process's streams down, and may complain there itself: a start that fails has no output. And an
   exec's peer takes nothing before it was told that there is a process. */
static bool is_held_back (const struct shim *s, const struct process *p, const struct output *o) {
  if (p->failed || p->state < PROCESS_RUNNING)
    return true;
  size_t limit = p->state < PROCESS_ENDED ? PEER_QUEUE_BYTES : PEER_QUEUE_AT_END_BYTES;
  for (const struct conn *c = s->conns; c != NULL; c = c->next)
    if (takes (c, p, o) && c->out.bytes >= limit)
      return true;
  return false;
}

static void fan_out (struct shim *s, const struct process *p, const struct output *o, const uint8_t *data,
                     size_t size) {
  uint8_t header[8] = {
    o->stream, 0, 0, 0, (uint8_t) (size >> 24), (uint8_t) (size >> 16), (uint8_t) (size >> 8), (uint8_t) (size & 255)
  };
  for (struct conn *c = s->conns; c != NULL; c = c->next)
    if (takes (c, p, o))
      conn_send (c, header, p->terminal ? 0 : sizeof header, data, size);
}

/* `data` begins with the carry of the last time. */
static void log_output (struct shim *s, struct output *o, const uint8_t *data, size_t size, bool at_end) {
  size_t used = log_write (&s->log, o->stream - 1, data, size, at_end);
  size_t left = size - used;
  if (left != o->carry_bytes) {
    uint8_t *carry = realloc (o->carry, left != 0 ? left : 1);
    if (carry != NULL)
      o->carry = carry;
    else if (left > o->carry_bytes) { /* no memory: the line is cut here */
      log_write (&s->log, o->stream - 1, data + used, left, true);
      left = 0;
    }
  }
  if (left != 0)
    memcpy (o->carry, data + used, left);
  o->carry_bytes = left;
}

static bool is_logged (const struct shim *s, const struct process *p) {
  return p == &s->main && s->has_log;
}

void relay_end_output (struct shim *s, struct process *p, struct output *o) {
  if (o->watch.fd < 0)
    return;
  uint8_t *scratch = is_logged (s, p) ? shim_scratch (s) : NULL;
  if (scratch != NULL && o->carry_bytes != 0) {
    memcpy (scratch, o->carry, o->carry_bytes);
    log_output (s, o, scratch, o->carry_bytes, true);
  }
  free (o->carry);
  o->carry = NULL;
  if (p->input.watch == &o->watch)
    relay_close_input (s, p);
  shim_unwatch (s, &o->watch);
}

static void take_output (struct shim *s, struct process *p, struct output *o, uint8_t *scratch, size_t size) {
  fan_out (s, p, o, scratch + o->carry_bytes, size);
  if (is_logged (s, p))
    log_output (s, o, scratch, o->carry_bytes + size, false);
}

static void read_output (struct shim *s, struct process *p, struct output *o) {
  uint8_t *scratch = shim_scratch (s);
  if (scratch == NULL)
    return;
  if (o->carry_bytes != 0)
    memcpy (scratch, o->carry, o->carry_bytes);
  ssize_t n = read (o->watch.fd, scratch + o->carry_bytes, SHIM_READ_BYTES);
  bool others_may_write = (o->watch.ready & (EPOLLHUP | EPOLLERR)) == 0 && p->state < PROCESS_ENDED;
  if (n > 0) {
    s->turn_bytes += (size_t) n;
    take_output (s, p, o, scratch, (size_t) n);
    /* A pipe that gave less than asked was empty; what comes now is a new edge. */
    if ((size_t) n < SHIM_READ_BYTES && others_may_write && !p->terminal)
      o->watch.ready &= ~(uint32_t) EPOLLIN;
    else
      s->again = true;
  } else if (n < 0 && errno == EINTR)
    s->again = true;
  else if (n < 0 && errno == EAGAIN)
    o->watch.ready &= ~(uint32_t) EPOLLIN;
  else if (n < 0 && p->terminal && p->state < PROCESS_ENDED)
    /* EIO: nobody has the terminal open. A process that lives may open it again, and that is a new edge. */
    o->watch.ready &= ~(uint32_t) (EPOLLIN | EPOLLHUP);
  else
    relay_end_output (s, p, o);
}

void relay_output (struct shim *s, struct process *p) {
  for (size_t i = 0; i < 2; i++) {
    struct output *o = &p->outputs[i];
    if (o->watch.fd >= 0 && (o->watch.ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !is_held_back (s, p, o))
      read_output (s, p, o);
  }
}

/* ---- input ---- */

void relay_close_input (struct shim *s, struct process *p) {
  if (p->input.watch == &p->input.pipe)
    shim_unwatch (s, &p->input.pipe);
  p->input.watch = NULL;
  queue_clear (&p->input.pending);
}

static void write_pending (struct shim *s, struct process *p) {
  struct input *in = &p->input;
  while (in->watch != NULL && in->pending.bytes > 0 && (in->watch->ready & (EPOLLOUT | EPOLLERR)) != 0) {
    ssize_t n = write (in->watch->fd, queue_front (&in->pending), in->pending.bytes);
    if (n >= 0)
      queue_drop (&in->pending, (size_t) n);
    else if (errno == EAGAIN)
      in->watch->ready &= ~(uint32_t) EPOLLOUT;
    else if (errno != EINTR)
      relay_close_input (s, p); /* EPIPE: the process has closed its end */
  }
  if (in->closing && in->watch != NULL && in->pending.bytes == 0)
    relay_close_input (s, p);
}

static void end_of_peer_input (struct process *p, struct conn *c) {
  c->input_ended = true;
  bool is_exec = p->exec_id[0] != 0;
  /* A terminal has no end of file of its own; the peer is detached then, as Docker does it. */
  if (!p->terminal && (is_exec || p->stdin_once))
    p->input.closing = true;
  else
    conn_finish (c);
}

static void read_peer (struct shim *s, struct process *p, struct conn *c) {
  uint8_t *scratch = shim_scratch (s);
  if (scratch == NULL)
    return;
  ssize_t n = recv (c->watch.fd, scratch, INPUT_BYTES, MSG_DONTWAIT);
  if (n > 0) {
    s->again = true;
    if (p->input.watch != NULL && !p->input.closing && queue_put (&p->input.pending, scratch, (size_t) n))
      write_pending (s, p);
  } else if (n < 0 && errno == EAGAIN)
    c->watch.ready &= ~(uint32_t) EPOLLIN;
  else if (n == 0 || errno != EINTR)
    end_of_peer_input (p, c);
}

void relay_input (struct shim *s, struct process *p) {
  if (!p->input.is_decided)
    return; /* peers may be there before the process and its terminal: what they sent waits */
  write_pending (s, p);
  for (struct conn *c = s->conns; c != NULL && p->input.pending.bytes == 0; c = c->next)
    if (c->mode == CONN_STREAM && c->process == p && (c->streams & SHIM_STDIN) != 0 && !c->input_ended &&
        (c->watch.ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
      read_peer (s, p, c);
  write_pending (s, p);
}
