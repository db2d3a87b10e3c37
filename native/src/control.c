/* Connections: frames in, requests, replies and events out; see shim-protocol.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "shim.h"
#include "wire.h"

#define SMALL_REQUEST_MAX 4096u /* of every request that carries no plan */
#define UNREAD_REPLIES_MAX (64u << 10)
#define REQUESTS_PER_TURN 16

/* ---- connections ---- */

void control_add (struct shim *s, int fd, bool is_daemon) {
  struct conn *c = calloc (1, sizeof *c);
  if (c == NULL) {
    close (fd);
    return;
  }
  c->is_daemon = c->subscribed = is_daemon;
  shim_watch (s, &c->watch, fd);
  c->watch.ready = EPOLLIN | EPOLLOUT;
  c->next = s->conns;
  s->conns = c;
  s->again = true;
}

static bool is_trusted (int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid ());
}

void control_accept (struct shim *s) {
  while (s->listener.fd >= 0 && (s->listener.ready & EPOLLIN) != 0) {
    int fd = accept4 (s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && is_trusted (fd))
      control_add (s, fd, false);
    else if (fd >= 0)
      close (fd);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
      return; /* stays ready: tried again in every turn of the loop */
    else if (errno != EINTR && errno != ECONNABORTED)
      s->listener.ready &= ~(uint32_t) EPOLLIN;
  }
}

/* Only marks: the loop frees it, because callers are walking the list. */
void conn_close (struct shim *s, struct conn *c) {
  for (struct process *p = &s->main; p != NULL; p = p->next)
    if (p->requester == c)
      p->requester = NULL;
  /* Closing a unix socket with unread bytes in it would give the peer ECONNRESET in place of end of file. */
  uint8_t rest[512];
  shutdown (c->watch.fd, SHUT_RDWR);
  while (recv (c->watch.fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
    ;
  shim_unwatch (s, &c->watch);
  queue_clear (&c->out);
  free (c->payload);
  c->payload = NULL;
  c->process = NULL;
  c->subscribed = false;
}

static void lose_output (struct conn *c) {
  c->output_gone = true;
  queue_clear (&c->out);
}

void conn_send (struct conn *c, const void *head, size_t head_bytes, const void *data, size_t bytes) {
  if (c->watch.fd < 0 || c->output_gone)
    return;
  size_t sent = 0;
  if (c->out.bytes == 0) {
    struct iovec parts[2] = { { (void *) (uintptr_t) head, head_bytes }, { (void *) (uintptr_t) data, bytes } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n = sendmsg (c->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      lose_output (c);
      return;
    }
    sent = n > 0 ? (size_t) n : 0;
  }
  size_t head_sent = sent < head_bytes ? sent : head_bytes;
  if (!queue_put (&c->out, (const uint8_t *) head + head_sent, head_bytes - head_sent) ||
      !queue_put (&c->out, (const uint8_t *) data + (sent - head_sent), bytes - (sent - head_sent)))
    lose_output (c); /* a stream with a hole in it is worse than one that ends */
}

/* True when the peer has taken something: whoever waited for room in the queue may go on. */
static bool flush (struct conn *c) {
  size_t before = c->out.bytes;
  while (c->out.bytes > 0 && (c->watch.ready & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    ssize_t n = send (c->watch.fd, queue_front (&c->out), c->out.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      queue_drop (&c->out, (size_t) n);
      c->progress_ms = clock_monotonic_ms ();
    } else if (n < 0 && errno == EAGAIN)
      c->watch.ready &= ~(uint32_t) EPOLLOUT;
    else if (n < 0 && errno != EINTR)
      lose_output (c);
  }
  return c->out.bytes < before;
}

/* What is left goes into the kernel's keeping if it may: the peer can read it after this process is gone. */
void conn_finish (struct conn *c) {
  if (c->mode == CONN_FINISHING || c->watch.fd < 0)
    return;
  c->mode = CONN_FINISHING;
  c->process = NULL;
  c->progress_ms = clock_monotonic_ms ();
  if (c->out.bytes > 0) {
    int room = (int) c->out.bytes + (64 << 10);
    setsockopt (c->watch.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    c->watch.ready |= EPOLLOUT;
  }
  flush (c);
}

/* ---- replies and events ---- */

static void send_frame (struct conn *c, struct wire_frame *f) {
  wire_end (f);
  conn_send (c, f->bytes, f->size, NULL, 0);
}

static void reply_ok (struct conn *c, uint16_t tag) {
  struct wire_frame f;
  wire_begin (&f, SHIM_REPLY_OK, tag);
  send_frame (c, &f);
}

static void reply_process (struct conn *c, uint16_t tag, const struct process *p) {
  struct wire_frame f;
  wire_begin (&f, SHIM_REPLY_OK, tag);
  wire_put_u32 (&f, (uint32_t) p->container.pid);
  wire_put_u64 (&f, p->start_ticks);
  send_frame (c, &f);
}

static void reply_error (struct conn *c, uint16_t tag, const struct err *e) {
  struct wire_frame f;
  wire_begin (&f, SHIM_REPLY_ERROR, tag);
  wire_put_u32 (&f, (uint32_t) e->code);
  wire_put_u32 (&f, e->op);
  wire_put_str (&f, e->text);
  send_frame (c, &f);
}

static void become_stream (struct conn *c, struct process *p, uint32_t streams) {
  c->mode = CONN_STREAM;
  c->process = p;
  c->streams = streams;
  c->subscribed = false;
}

void control_reply_started (struct process *p) {
  struct conn *c = p->requester;
  p->requester = NULL;
  if (c == NULL) {
    p->input.closing = p->input.closing || p->is_streamed; /* its only peer has gone meanwhile */
    return;
  }
  if (p->request_is_start)
    reply_ok (c, p->request_tag);
  else
    reply_process (c, p->request_tag, p);
  if (c->mode == CONN_PROMISED)
    become_stream (c, p, c->streams);
}

void control_reply_failed (struct shim *s, struct process *p) {
  struct conn *c = p->requester;
  p->requester = NULL;
  if (c == NULL)
    return;
  reply_error (c, p->request_tag, &p->failure);
  if (c->mode == CONN_PROMISED) {
    c->mode = CONN_FRAMES;
    s->again = true;
  }
}

void control_tell_exit (struct shim *s) {
  struct wire_frame f;
  wire_begin (&f, SHIM_EVENT_EXIT, 0);
  wire_put_u32 (&f, s->main.exit.exit_code);
  wire_put_u32 (&f, s->main.exit.signal);
  wire_put_u32 (&f, s->main.exit.oom_killed);
  wire_put_u64 (&f, s->main.exit.exited_at_ns);
  wire_put_u64 (&f, s->main.exit.lost_log_bytes);
  for (struct conn *c = s->conns; c != NULL; c = c->next)
    if (c->subscribed)
      send_frame (c, &f);
}

void control_tell_exec_exit (struct shim *s, const struct process *p) {
  struct wire_frame f;
  wire_begin (&f, SHIM_EVENT_EXEC_EXIT, 0);
  wire_put_str (&f, p->exec_id);
  wire_put_u32 (&f, p->exit.exit_code);
  wire_put_u32 (&f, p->exit.signal);
  wire_put_u64 (&f, p->exit.exited_at_ns);
  for (struct conn *c = s->conns; c != NULL; c = c->next)
    if (c->subscribed)
      send_frame (c, &f);
}

void control_tell_oom (struct shim *s) {
  struct wire_frame f;
  wire_begin (&f, SHIM_EVENT_OOM, 0);
  for (struct conn *c = s->conns; c != NULL; c = c->next)
    if (c->subscribed)
      send_frame (c, &f);
}

bool control_finish_streams (struct shim *s, const struct process *p) {
  bool finished = true;
  for (struct conn *c = s->conns; c != NULL; c = c->next) {
    if (c->mode == CONN_STREAM && c->process == p) {
      conn_finish (c);
      c->finished_process = p;
    }
    if (c->watch.fd >= 0 && c->finished_process == p && c->out.bytes > 0)
      finished = false;
  }
  return finished;
}

/* ---- requests: each decodes all its fields, checks, then acts. False = the frame is malformed. ---- */

struct request {
  struct shim *shim;
  struct conn *conn;
  uint16_t tag;
  struct wire_reader fields;
};

static bool refuse (const struct request *r, const struct err *e) {
  reply_error (r->conn, r->tag, e);
  return true;
}

static bool refuse_text (const struct request *r, int code, const char *text) {
  struct err e;
  err_set (&e, code, "%s", text);
  return refuse (r, &e);
}

static bool answer (const struct request *r, int result, const struct err *e) {
  if (result < 0)
    return refuse (r, e);
  reply_ok (r->conn, r->tag);
  return true;
}

static void expect_reply (const struct request *r, struct process *p, bool is_start) {
  p->requester = r->conn;
  p->request_tag = r->tag;
  p->request_is_start = is_start;
}

static void get_flags_and_size (struct wire_reader *f, struct spawn_options *spawn) {
  spawn->flags = wire_get_u32 (f);
  spawn->rows = wire_get_u32 (f);
  spawn->cols = wire_get_u32 (f);
}

static int create (struct shim *s, const struct spawn_options *spawn, const struct log_options *log, struct err *e) {
  if (log->path[0] != 0) {
    if (log_open (&s->log, log, e) < 0)
      return -1;
    s->has_log = true;
  }
  if (record_reserve_exit (e) < 0 || process_spawn (s, &s->main, spawn, e) < 0)
    return -1;
  /* From here on there is a process: what fails is its failure and is answered when it is gone. */
  if (record_pid (s->main.container.pid, s->main.start_ticks, &s->main.failure) < 0 ||
      ((spawn->flags & SHIM_RUN) != 0 && process_go (&s->main, &s->main.failure) < 0))
    process_fail (&s->main);
  return 0;
}

static bool request_create (struct request *r) {
  struct shim *s = r->shim;
  struct wire_reader *f = &r->fields;
  struct spawn_options spawn;
  struct log_options log;
  get_flags_and_size (f, &spawn);
  log.path = wire_get_str (f);
  log.max_bytes = wire_get_u64 (f);
  log.max_files = wire_get_u32 (f);
  uint32_t log_flags = wire_get_u32 (f);
  log.compressed_by_daemon = (log_flags & SHIM_LOG_COMPRESSED) != 0;
  log.exact = (log_flags & SHIM_LOG_EXACT) != 0;
  log.attrs = wire_get_str (f);
  spawn.plan = wire_get_blob (f, &spawn.plan_bytes);
  if (!wire_is_complete (f))
    return false;
  if (s->created)
    return refuse_text (r, EALREADY, "cannot create the process: it has been created");
  s->created = true;
  expect_reply (r, &s->main, false);
  if (create (s, &spawn, &log, &s->main.failure) < 0)
    s->main.failed = true; /* without a process: the loop answers and ends */
  return true;
}

static bool request_start (struct request *r) {
  struct process *p = &r->shim->main;
  if (!wire_is_complete (&r->fields))
    return false;
  if (p->state != PROCESS_CREATED || p->go)
    return refuse_text (r, p->state == PROCESS_ENDED ? ESRCH : EINVAL, "cannot start a process that is not created");
  expect_reply (r, p, true);
  if (process_go (p, &p->failure) < 0)
    process_fail (p);
  return true;
}

static bool request_signal (struct request *r) {
  const char *exec_id = wire_get_str (&r->fields);
  uint32_t signal = wire_get_u32 (&r->fields);
  if (!wire_is_complete (&r->fields))
    return false;
  struct err e;
  return answer (r, process_signal (process_find (r->shim, exec_id), signal, &e), &e);
}

static bool request_resize (struct request *r) {
  const char *exec_id = wire_get_str (&r->fields);
  uint32_t rows = wire_get_u32 (&r->fields), cols = wire_get_u32 (&r->fields);
  if (!wire_is_complete (&r->fields))
    return false;
  struct err e;
  return answer (r, process_resize (process_find (r->shim, exec_id), rows, cols, &e), &e);
}

static bool request_exec (struct request *r) {
  struct shim *s = r->shim;
  struct wire_reader *f = &r->fields;
  const char *exec_id = wire_get_str (f);
  struct spawn_options spawn;
  get_flags_and_size (f, &spawn);
  spawn.plan = wire_get_blob (f, &spawn.plan_bytes);
  if (!wire_is_complete (f))
    return false;
  if (exec_id[0] == 0 || strlen (exec_id) > SHIM_ID_MAX)
    return refuse_text (r, EINVAL, "cannot exec without a valid exec id");
  if (process_find (s, exec_id) != NULL)
    return refuse_text (r, EEXIST, "cannot exec: the exec id is in use");
  if (s->main.state != PROCESS_RUNNING)
    return refuse_text (r, ESRCH, "cannot exec in a container that is not running");
  struct process *p = malloc (sizeof *p);
  if (p == NULL)
    return refuse_text (r, ENOMEM, "cannot exec");
  process_init (p);
  strcpy (p->exec_id, exec_id);
  struct err e;
  if (process_spawn (s, p, &spawn, &e) < 0) {
    process_release (s, p);
    free (p);
    return refuse (r, &e);
  }
  p->next = s->main.next;
  s->main.next = p;
  expect_reply (r, p, false);
  if ((spawn.flags & SHIM_STREAM) != 0) {
    p->is_streamed = true;
    r->conn->mode = CONN_PROMISED;
    r->conn->streams = spawn.flags & (SHIM_STDIN | SHIM_STDOUT | SHIM_STDERR);
  }
  if (process_go (p, &p->failure) < 0)
    process_fail (p);
  return true;
}

static bool request_attach (struct request *r) {
  uint32_t flags = wire_get_u32 (&r->fields);
  if (!wire_is_complete (&r->fields))
    return false;
  if (r->shim->main.state >= PROCESS_ENDED || r->shim->ending)
    return refuse_text (r, ESRCH, "cannot attach to a process that has ended");
  reply_ok (r->conn, r->tag);
  become_stream (r->conn, &r->shim->main, flags & (SHIM_STDIN | SHIM_STDOUT | SHIM_STDERR));
  return true;
}

static bool request_close_stdin (struct request *r) {
  const char *exec_id = wire_get_str (&r->fields);
  if (!wire_is_complete (&r->fields))
    return false;
  struct process *p = process_find (r->shim, exec_id);
  if (p == NULL || p->state == PROCESS_NONE || p->state >= PROCESS_ENDED)
    return refuse_text (r, ESRCH, "cannot close the input of a process that is not running");
  if (p->terminal)
    return refuse_text (r, ENOTTY, "cannot close a terminal's input");
  p->input.closing = true;
  return answer (r, 0, NULL);
}

static bool request_subscribe (struct request *r) {
  if (!wire_is_complete (&r->fields))
    return false;
  r->conn->subscribed = true;
  return answer (r, 0, NULL);
}

static bool request_state (struct request *r) {
  static const enum shim_status statuses[] = {
    [PROCESS_NONE] = SHIM_NEW,        [PROCESS_SETTING_UP] = SHIM_NEW, [PROCESS_CREATED] = SHIM_CREATED,
    [PROCESS_RUNNING] = SHIM_RUNNING, [PROCESS_ENDED] = SHIM_EXITED,   [PROCESS_REPORTED] = SHIM_EXITED,
  };
  if (!wire_is_complete (&r->fields))
    return false;
  const struct process *p = &r->shim->main;
  struct wire_frame f;
  wire_begin (&f, SHIM_REPLY_OK, r->tag);
  wire_put_u32 (&f, statuses[p->state]);
  wire_put_u32 (&f, p->state != PROCESS_NONE ? (uint32_t) p->container.pid : 0);
  wire_put_u64 (&f, p->start_ticks);
  send_frame (r->conn, &f);
  return true;
}

static bool request_keep (struct request *r) {
  const char *name = wire_get_str (&r->fields);
  uint32_t number = wire_get_u32 (&r->fields);
  if (!wire_is_complete (&r->fields))
    return false;
  struct err e;
  int fd = keep_descriptor (r->shim, r->conn->watch.fd, name, number, &e);
  if (fd < 0)
    return refuse (r, &e);
  struct wire_frame f;
  wire_begin (&f, SHIM_REPLY_OK, r->tag);
  wire_put_u32 (&f, (uint32_t) fd);
  send_frame (r->conn, &f);
  return true;
}

static bool request_kept (struct request *r) {
  if (!wire_is_complete (&r->fields))
    return false;
  struct wire_frame f;
  _Static_assert (SHIM_KEPT_MAX * (SHIM_KEPT_NAME_MAX + 13) < sizeof f.bytes - WIRE_FRAME_HEADER - 8, "all fit in one frame");
  wire_begin (&f, SHIM_REPLY_OK, r->tag);
  wire_put_u32 (&f, (uint32_t) getpid ());
  wire_put_u32 (&f, r->shim->kept_count);
  for (uint32_t i = 0; i < r->shim->kept_count; i++) {
    wire_put_str (&f, r->shim->kept[i].name);
    wire_put_u32 (&f, (uint32_t) r->shim->kept[i].fd);
  }
  send_frame (r->conn, &f);
  return true;
}

static bool request_clear_log (struct request *r) {
  struct shim *s = r->shim;
  if (!wire_is_complete (&r->fields))
    return false;
  if (!s->has_log)
    return refuse_text (r, ENOENT, "cannot clear the log: there is none");
  if (!log_clear (&s->log))
    return refuse_text (r, EAGAIN, "cannot clear the log: its files are being compressed");
  reply_ok (r->conn, r->tag);
  return true;
}

static bool dispatch (struct request *r, uint16_t kind) {
  static bool (*const handlers[]) (struct request *) = {
    [SHIM_CREATE] = request_create,           [SHIM_START] = request_start,         [SHIM_SIGNAL] = request_signal,
    [SHIM_RESIZE] = request_resize,           [SHIM_EXEC] = request_exec,           [SHIM_ATTACH] = request_attach,
    [SHIM_CLOSE_STDIN] = request_close_stdin, [SHIM_SUBSCRIBE] = request_subscribe, [SHIM_STATE] = request_state,
    [SHIM_KEEP] = request_keep,               [SHIM_KEPT] = request_kept,
    [SHIM_CLEAR_LOG] = request_clear_log,
  };
  if (kind == 0 || kind >= sizeof handlers / sizeof *handlers)
    return false;
  return handlers[kind](r);
}

/* ---- frames in ---- */

struct frame_header {
  uint32_t size;
  uint16_t kind, tag;
};

static struct frame_header parse_header (const struct conn *c) {
  struct wire_reader r = { c->header, c->header + sizeof c->header, false };
  uint32_t size = wire_get_u32 (&r), kind_and_tag = wire_get_u32 (&r);
  return (struct frame_header){ size, (uint16_t) (kind_and_tag & 0xffff), (uint16_t) (kind_and_tag >> 16) };
}

static bool is_acceptable (struct frame_header h) {
  return h.size <= (h.kind == SHIM_CREATE || h.kind == SHIM_EXEC ? SHIM_MAX_FRAME : SMALL_REQUEST_MAX);
}

/* Receives no byte beyond the frame: what follows ATTACH or EXEC is standard input. 1 = more may come at once, 0 = wait,
   -1 = the peer is gone or the frame is not acceptable. */
static int receive (struct conn *c, size_t upto, uint8_t *at) {
  ssize_t n = recv (c->watch.fd, at, upto - c->received, MSG_DONTWAIT);
  if (n > 0) {
    c->received += (size_t) n;
    return 1;
  }
  if (n < 0 && errno == EINTR)
    return 1;
  if (n < 0 && errno == EAGAIN) {
    c->watch.ready &= ~(uint32_t) EPOLLIN;
    return 0;
  }
  return -1;
}

static int receive_frame (struct shim *s, struct conn *c) {
  const size_t head = sizeof c->header;
  if (c->received < head) {
    int result = receive (c, head, c->header + c->received);
    if (result <= 0 || c->received < head)
      return result;
  }
  struct frame_header h = parse_header (c);
  if (!is_acceptable (h))
    return -1;
  if (c->payload == NULL && (c->payload = malloc (h.size + 1)) == NULL)
    return -1;
  if (c->received < head + h.size) {
    int result = receive (c, head + h.size, c->payload + (c->received - head));
    if (result <= 0 || c->received < head + h.size)
      return result;
  }
  uint8_t *payload = c->payload;
  c->payload = NULL;
  c->received = 0;
  struct request r = { s, c, h.tag, { payload, payload + h.size, false } };
  bool well_formed = dispatch (&r, h.kind);
  s->again = true; /* whatever it started is looked at before the loop sleeps */
  free (payload);
  return well_formed ? 1 : -1;
}

static void receive_frames (struct shim *s, struct conn *c) {
  for (int n = 0; n < REQUESTS_PER_TURN; n++) {
    bool may_receive = c->mode == CONN_FRAMES && c->out.bytes < UNREAD_REPLIES_MAX &&
                       (c->watch.ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
    if (!may_receive)
      return;
    int result = receive_frame (s, c);
    if (result < 0)
      conn_close (s, c);
    if (result <= 0)
      return;
  }
  s->again = true;
}

void control_turn (struct shim *s, struct conn *c) {
  if (c->watch.fd < 0)
    return;
  if (flush (c))
    s->again = true;
  receive_frames (s, c);
  if (c->watch.fd < 0)
    return;
  bool is_hung_up = (c->watch.ready & (EPOLLHUP | EPOLLERR)) != 0;
  if (is_hung_up && c->mode == CONN_STREAM)
    lose_output (c);
  bool has_input = c->mode == CONN_STREAM && (c->streams & SHIM_STDIN) != 0 && !c->input_ended;
  bool is_done = c->mode == CONN_FINISHING ? c->out.bytes == 0
                 : c->mode == CONN_FRAMES  ? c->output_gone
                                           : c->output_gone && !has_input;
  if (is_done || (is_hung_up && c->mode == CONN_PROMISED))
    conn_close (s, c);
  else if (c->mode == CONN_FRAMES && c->out.bytes > 16 * UNREAD_REPLIES_MAX)
    conn_close (s, c); /* a subscriber that does not read its events */
}
