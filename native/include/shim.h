/* The shim: one container's monitor. A single thread; nothing in it waits except epoll_wait.
 *
 *     shim.c      set-up, the loop, what happens when the main process ends
 *     control.c   connections: frames in, requests, replies and events out
 *     process.c   the main process and execs: spawned, synchronised, reaped, reported
 *     relay.c     output of a process to log and peers, input of peers to a process
 *     logfile.c   the log on disk     jsonlog.c  its format     record.c  `pid` and `exit`
 *
 * Readiness. Every descriptor is in epoll once, edge-triggered, with a `struct watch`. The loop adds what epoll reports
 * to `ready`; whoever reads or writes takes a bit away when the kernel said EAGAIN. So a step that does not want to go
 * on (a peer is slow, it is another one's turn) just leaves the bit, and nothing is ever armed or disarmed. A step that
 * leaves work it could do at once sets `shim.again`, and then the loop does not sleep.
 */
#ifndef GANTRY_SHIM_H
#define GANTRY_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "container.h"
#include "err.h"
#include "logfile.h"
#include "queue.h"
#include "record.h"
#include "shim-protocol.h"

#define SHIM_ID_MAX 128u
#define SHIM_READ_BYTES (256u << 10)
#define SHIM_SCRATCH_BYTES (JSONLOG_PART_BYTES + SHIM_READ_BYTES + JSONLOG_SLACK)

struct watch {
  int fd; /* -1 = closed */
  uint32_t ready;
};

/* One stream of output. */
struct output {
  struct watch watch;
  uint8_t stream; /* 1 stdout (or a terminal), 2 stderr */
  uint8_t *carry; /* of the log: a line that is not complete yet */
  size_t carry_bytes;
};

struct input {
  struct watch *watch; /* its own, or the terminal's output watch; NULL = has none, or closed */
  struct watch pipe;
  struct queue pending;
  bool is_decided; /* whether there is one: false until the process has its stdio */
  bool closing;    /* when `pending` is written */
};

enum process_state {
  PROCESS_NONE,
  PROCESS_SETTING_UP,
  PROCESS_CREATED,
  PROCESS_RUNNING,
  PROCESS_ENDED,    /* reaped; its pipes may still hold output */
  PROCESS_REPORTED, /* of an exec: its exit is told. Remains while somebody else holds its pipes open */
};

struct process {
  struct process *next;
  char exec_id[SHIM_ID_MAX + 1]; /* "" = the main process */
  enum process_state state;
  struct container container;
  struct watch sync;
  bool terminal, stdin_once, host_pid;
  bool is_streamed; /* an exec whose requester becomes its stream */
  bool go;          /* told to execve */
  bool failed;      /* to come to life: `failure` says why */
  bool container_released;
  uint64_t start_ticks;
  uint32_t rows, cols;
  struct output outputs[2];
  struct input input;
  struct conn *requester; /* waits for the reply to CREATE, START or EXEC */
  uint16_t request_tag;
  bool request_is_start; /* START's reply has no fields */
  struct exit_record exit;
  int64_t drain_until_ms; /* while PROCESS_ENDED: output of others who hold the pipes is not waited for any longer */
  struct err failure;
};

enum conn_mode {
  CONN_FRAMES,
  CONN_PROMISED, /* to an exec that is being made: becomes a stream, or goes on with frames */
  CONN_STREAM,
  CONN_FINISHING, /* nothing more is read; closed when `out` is out */
};

struct conn {
  struct conn *next;
  struct watch watch;
  enum conn_mode mode;
  bool is_daemon; /* descriptor 3 */
  bool subscribed;

  uint8_t header[8]; /* the frame that is coming in */
  size_t received;   /* header and payload */
  uint8_t *payload;

  struct queue out;
  int64_t progress_ms; /* while CONN_FINISHING: when the peer took something last */

  struct process *process;                /* of a stream */
  const struct process *finished_process; /* while CONN_FINISHING: whose exit waits for this peer; only compared */
  uint32_t streams;                       /* SHIM_STDIN | SHIM_STDOUT | SHIM_STDERR */
  bool input_ended, output_gone;
};

struct kept {
  char name[SHIM_KEPT_NAME_MAX + 1];
  int fd; /* owned */
};

struct shim {
  int epoll_fd;
  struct watch listener, children, oom;
  bool again;
  bool created;        /* SHIM_CREATE was accepted */
  bool others_ended;   /* who outlived the main process has been killed */
  bool ending;         /* the main process has been reported, or never came to life: only peers are waited for */
  int64_t slept_us;    /* when it had nothing to do last, */
  int short_turns;     /* and how often in quick succession */
  size_t turn_bytes;   /* of output read in this turn */
  int64_t turn_ms;     /* when deadlines were looked at last */
  int64_t rest_at_ms;  /* when memory is given back, 0 = it has been */
  struct process main; /* heads the list of processes */
  struct conn *conns;
  bool has_log;
  struct logfile log;
  struct kept kept[SHIM_KEPT_MAX];
  uint32_t kept_count;
  uint8_t *scratch; /* SHIM_SCRATCH_BYTES, mapped while there is work */
};

/* ---- shim.c ---- */
void shim_watch (struct shim *s, struct watch *w, int fd);
void shim_unwatch (struct shim *s, struct watch *w);
/* The main process is in its cgroup: subscribers are told from now on when memory runs out there. */
void shim_watch_oom (struct shim *s);
/* NULL when there is no memory. */
uint8_t *shim_scratch (struct shim *s);
/* Gives memory back when nothing happens for a while. */
void shim_rest_later (struct shim *s);

/* ---- keep.c ---- */
/* Keeps a copy of the descriptor `number` of the process at the other end of `peer`. Its own number, or -1. */
int keep_descriptor (struct shim *s, int peer, const char *name, uint32_t number, struct err *e);

/* ---- process.c ---- */
struct spawn_options {
  uint32_t flags, rows, cols;
  const uint8_t *plan;
  uint32_t plan_bytes;
};

void process_init (struct process *p);
int process_spawn (struct shim *s, struct process *p, const struct spawn_options *options, struct err *e);
int process_go (struct process *p, struct err *e);
/* `failure` says why; it is answered when the process is gone. */
void process_fail (struct process *p);
void process_turn (struct shim *s, struct process *p);
void process_reap_all (struct shim *s);
struct process *process_find (struct shim *s, const char *exec_id);
int process_signal (struct process *p, uint32_t signal, struct err *e);
int process_resize (struct process *p, uint32_t rows, uint32_t cols, struct err *e);
bool process_is_drained (const struct process *p);
void process_release (struct shim *s, struct process *p);

/* ---- relay.c ---- */
void relay_output (struct shim *s, struct process *p);
void relay_input (struct shim *s, struct process *p);
void relay_close_input (struct shim *s, struct process *p);
/* Takes what is left as complete. */
void relay_end_output (struct shim *s, struct process *p, struct output *o);

/* ---- control.c ---- */
void control_accept (struct shim *s);
void control_add (struct shim *s, int fd, bool is_daemon);
void control_turn (struct shim *s, struct conn *c);
void control_reply_started (struct process *p);
void control_reply_failed (struct shim *s, struct process *p);
void control_tell_exit (struct shim *s);
void control_tell_exec_exit (struct shim *s, const struct process *p);
void control_tell_oom (struct shim *s);
void conn_send (struct conn *c, const void *head, size_t head_bytes, const void *data, size_t bytes);
void conn_finish (struct conn *c);
void conn_close (struct shim *s, struct conn *c);
/* All peers of a process have got everything. */
bool control_finish_streams (struct shim *s, const struct process *p);

#endif
