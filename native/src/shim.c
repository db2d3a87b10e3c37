/* The shim's set-up, its loop, and what happens when the main process ends. shim.h tells how the parts fit together. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "roles.h"

#define DAEMON_FD 3
#define SOCKET_NAME "shim.sock"
#define BACKLOG 64
/* A peer that takes nothing for so long after the end does not hold the shim. Only reached when the kernel may not keep
   the rest for it: see conn_finish. */
#define LINGER_MS 10000
/* Memory is given back after so long without output, so that a shim whose container is quiet holds almost nothing. */
#define REST_MS 1000
#define QUICK_TURN_US 50
#define QUICK_TURN_BYTES 4096
#define QUICK_TURNS 16
#define GATHER_US 500

/* ---- what the other files need ---- */

void shim_watch (struct shim *s, struct watch *w, int fd) {
  struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = w };
  *w = (struct watch){ .fd = fd };
  if (epoll_ctl (s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
    w->ready = EPOLLERR; /* out of memory: reading it will tell more */
}

void shim_unwatch (struct shim *s, struct watch *w) {
  if (w->fd >= 0) {
    /* Closing is not enough: a child between clone and execve has the descriptor, too, and epoll would go on reporting it. */
    epoll_ctl (s->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    close (w->fd);
  }
  *w = (struct watch){ .fd = -1 };
}

void shim_rest_later (struct shim *s) {
  s->rest_at_ms = clock_monotonic_ms () + REST_MS;
}

uint8_t *shim_scratch (struct shim *s) {
  shim_rest_later (s);
  if (s->scratch == NULL) {
    void *map = mmap (NULL, SHIM_SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map != MAP_FAILED)
      s->scratch = map;
  }
  return s->scratch;
}

/* Of the program, which others map, too, and which stays cached. A fault maps 16 pages, most of them for nothing. */
static int forget_pages (struct dl_phdr_info *object, size_t size, void *unused) {
  (void) size;
  (void) unused;
  for (size_t i = 0; i < object->dlpi_phnum; i++) {
    const ElfW (Phdr) *segment = &object->dlpi_phdr[i];
    uintptr_t start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;
    start &= ~((uintptr_t) getpagesize () - 1);
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0)
      madvise ((void *) start, end - start, MADV_DONTNEED);
  }
  return 0;
}

static void rest (struct shim *s) {
  if (s->scratch != NULL)
    munmap (s->scratch, SHIM_SCRATCH_BYTES);
  s->scratch = NULL;
  s->rest_at_ms = 0;
  if (s->has_log) {
    log_flush (&s->log);
    log_rest (&s->log);
  }
  malloc_trim (0);
  dl_iterate_phdr (forget_pages, NULL);
}

static void complain (const struct err *e) {
  dprintf (STDERR_FILENO, "gantry-shim: %s: %s\n", e->text, strerrordesc_np (e->code));
}

/* ---- set-up ---- */

static bool take_socket (int fd) {
  struct stat st;
  return fstat (fd, &st) == 0 && S_ISSOCK (st.st_mode) && fcntl (fd, F_SETFD, FD_CLOEXEC) == 0 &&
         fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK) == 0;
}

/* `end`: behind the last of the connections that the daemon made before the shim began. */
static int become_monitor (int *end, struct err *e) {
  if (!take_socket (DAEMON_FD))
    return err_set (e, ENOTSOCK, "cannot find the daemon's socket at descriptor 3");
  for (*end = DAEMON_FD + 1; take_socket (*end);)
    ++*end;
  close_range ((unsigned) *end, ~0u, 0);
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return err_set (e, errno, "cannot open \"/dev/null\"");
  dup2 (null, STDIN_FILENO);
  dup2 (null, STDOUT_FILENO);
  if (fcntl (STDERR_FILENO, F_GETFD) < 0)
    dup2 (null, STDERR_FILENO);
  if (null > STDERR_FILENO)
    close (null);

  setsid (); /* fails for a session leader: then it is done */
  prctl (PR_SET_NAME, "gantry-shim");
  if (prctl (PR_SET_CHILD_SUBREAPER, 1) < 0)
    return err_set (e, errno, "cannot become a subreaper");
  mallopt (M_MMAP_THRESHOLD, 64 << 10);
  mallopt (M_TRIM_THRESHOLD, 64 << 10);
  mallopt (M_TOP_PAD, 16 << 10);
  return 0;
}

/* Blocked, not ignored: the container's process would inherit ignored signals, and a blocked SIGPIPE is an EPIPE, too. */
static int hold_signals (struct shim *s, struct err *e) {
  sigset_t all, children;
  sigfillset (&all);
  sigemptyset (&children);
  sigaddset (&children, SIGCHLD);
  for (int n = 1; n < NSIG; n++)
    signal (n, SIG_DFL);
  if (sigprocmask (SIG_BLOCK, &all, NULL) < 0)
    return err_set (e, errno, "cannot block signals");
  int fd = signalfd (-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0)
    return err_set (e, errno, "cannot make a signalfd");
  shim_watch (s, &s->children, fd);
  return 0;
}

static int listen_here (struct shim *s, struct err *e) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET_NAME };
  unlink (SOCKET_NAME); /* of a shim that was killed */
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return err_set (e, errno, "cannot make a socket");
  shim_watch (s, &s->listener, fd);
  mode_t mask = umask (0177);
  int result = bind (fd, (struct sockaddr *) &address, sizeof address);
  int code = errno;
  umask (mask);
  if (result < 0)
    return err_set (e, code, "cannot bind \"" SOCKET_NAME "\"");
  if (listen (fd, BACKLOG) < 0)
    return err_set (e, errno, "cannot listen on \"" SOCKET_NAME "\"");
  return 0;
}

static int set_up (struct shim *s, struct err *e) {
  int end = DAEMON_FD + 1;
  if (become_monitor (&end, e) < 0)
    return -1;
  s->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (s->epoll_fd < 0)
    return err_set (e, errno, "cannot make an epoll instance");
  if (hold_signals (s, e) < 0 || listen_here (s, e) < 0)
    return -1;
  process_init (&s->main);
  s->oom.fd = -1;
  /* The newest is served first: what the others ask (to attach) is done before the daemon's CREATE. */
  for (int fd = DAEMON_FD; fd < end; fd++)
    control_add (s, fd, fd == DAEMON_FD);
  return s->conns != NULL ? 0 : err_set (e, ENOMEM, "cannot serve the daemon");
}

/* ---- the end of a process ---- */

static void end_all (struct shim *s) {
  s->ending = true;
  s->again = true;
  unlink (SOCKET_NAME);
  shim_unwatch (s, &s->listener);
  for (struct conn *c = s->conns; c != NULL; c = c->next)
    conn_finish (c);
}

static void main_never_lived (struct shim *s) {
  process_release (s, &s->main);
  record_remove ();
  unlink (SOCKET_NAME);
  control_reply_failed (s, &s->main);
  if (s->has_log)
    log_close (&s->log);
  s->has_log = false;
  end_all (s);
}

void shim_watch_oom (struct shim *s) {
  int fd = container_watch_oom (&s->main.container);
  if (fd >= 0)
    shim_watch (s, &s->oom, fd);
}

static void oom_turn (struct shim *s) {
  if (s->oom.ready == 0)
    return;
  s->oom.ready = 0;
  if (container_ran_out_of_memory (&s->main.container, s->oom.fd))
    control_tell_oom (s);
}

/* A process namespace of its own takes everybody with it. Without one, the rest of the cgroup is killed here. */
static void end_others (struct shim *s) {
  shim_unwatch (s, &s->oom); /* it rings when a cgroup is removed, too */
  for (struct process *p = s->main.next; p != NULL; p = p->next)
    if (p->state < PROCESS_ENDED)
      pidfd_send_signal (p->container.pidfd, SIGKILL, NULL, 0);
  if (s->main.host_pid) {
    s->main.exit.oom_killed = container_was_oom_killed (&s->main.container);
    container_release (&s->main.container);
    s->main.container_released = true;
  }
}

static void report_main (struct shim *s) {
  struct process *p = &s->main;
  struct err e;
  for (size_t i = 0; i < 2; i++)
    relay_end_output (s, p, &p->outputs[i]);
  if (s->has_log)
    log_finish (&s->log);
  p->exit.lost_log_bytes = s->has_log ? s->log.lost_bytes : 0;
  if (!p->container_released)
    p->exit.oom_killed = container_was_oom_killed (&p->container);
  if (record_exit (&p->exit, &e) < 0)
    complain (&e);
  control_tell_exit (s);
  control_finish_streams (s, p);
  if (s->has_log)
    log_close (&s->log);
  s->has_log = false;
  process_release (s, p);
  end_all (s);
}

static void main_turn (struct shim *s, int64_t now) {
  struct process *p = &s->main;
  if (s->ending)
    return;
  if (p->failed && (p->state == PROCESS_NONE || p->state == PROCESS_ENDED)) {
    main_never_lived (s);
    return;
  }
  if (p->state != PROCESS_ENDED)
    return;
  if (!s->others_ended) {
    s->others_ended = true;
    end_others (s);
  }
  bool execs_reported = true;
  for (const struct process *x = p->next; x != NULL; x = x->next)
    execs_reported = execs_reported && x->state == PROCESS_REPORTED;
  if (now >= p->drain_until_ms || (process_is_drained (p) && execs_reported))
    report_main (s);
}

/* True when nothing is left of it. */
static bool exec_turn (struct shim *s, struct process *p, int64_t now) {
  if (p->failed && p->state == PROCESS_ENDED) {
    process_release (s, p);
    control_reply_failed (s, p);
    return true;
  }
  if (p->state == PROCESS_ENDED && (now >= p->drain_until_ms || process_is_drained (p)) &&
      control_finish_streams (s, p)) {
    control_tell_exec_exit (s, p);
    container_release (&p->container);
    p->container_released = true;
    p->state = PROCESS_REPORTED;
  }
  return p->state == PROCESS_REPORTED && process_is_drained (p);
}

static void execs_turn (struct shim *s, int64_t now) {
  for (struct process **link = &s->main.next; *link != NULL;) {
    struct process *p = *link;
    if (exec_turn (s, p, now)) {
      *link = p->next;
      process_release (s, p);
      free (p);
    } else
      link = &p->next;
  }
}

/* ---- the loop ---- */

static void conns_turn (struct shim *s, int64_t now) {
  for (struct conn **link = &s->conns; *link != NULL;) {
    struct conn *c = *link;
    control_turn (s, c);
    if (c->watch.fd >= 0 && c->mode == CONN_FINISHING && now - c->progress_ms > LINGER_MS)
      conn_close (s, c);
    if (c->watch.fd < 0) {
      bool was_last_hope = c->is_daemon && !s->created;
      *link = c->next;
      free (c);
      if (was_last_hope)
        end_all (s);
    } else
      link = &c->next;
  }
}

static void children_turn (struct shim *s) {
  struct signalfd_siginfo info;
  if ((s->children.ready & EPOLLIN) == 0)
    return;
  while (read (s->children.fd, &info, sizeof info) == sizeof info)
    ;
  s->children.ready &= ~(uint32_t) EPOLLIN;
  process_reap_all (s);
}

/* Requests before exits, why a process was killed before its exit, exits before output, output before reports: so a reply
   is ahead of the event that follows it. */
static void turn (struct shim *s) {
  s->again = false;
  s->turn_bytes = 0;
  control_accept (s);
  oom_turn (s);
  for (struct process *p = &s->main; p != NULL; p = p->next)
    process_turn (s, p);
  children_turn (s);
  for (struct process *p = &s->main; p != NULL; p = p->next) {
    relay_input (s, p);
    relay_output (s, p);
  }
  int64_t now = s->turn_ms = clock_monotonic_ms ();
  execs_turn (s, now);
  main_turn (s, now);
  conns_turn (s, now);
}

static void sooner (int64_t *when, int64_t candidate) {
  if (*when == 0 || candidate < *when)
    *when = candidate;
}

static int sleep_ms (const struct shim *s) {
  if (s->again)
    return 0;
  int64_t when = s->rest_at_ms;
  for (const struct process *p = &s->main; p != NULL; p = p->next)
    if (p->state == PROCESS_ENDED && p->drain_until_ms > s->turn_ms)
      sooner (&when, p->drain_until_ms);
  for (const struct conn *c = s->conns; c != NULL; c = c->next)
    if (c->mode == CONN_FINISHING)
      sooner (&when, c->progress_ms + LINGER_MS + 1);
  if (when == 0)
    return -1;
  int64_t now = clock_monotonic_ms ();
  return when > now ? (int) (when - now) : 0;
}

/* A process that writes line by line as fast as it can would wake the shim for each; asleep for a moment, the shim lets the
   pipe gather them. Only while it is woken at least every 50 us, so a line is never late by more than the pause. */
static void gather (struct shim *s) {
  struct timespec now;
  clock_gettime (CLOCK_MONOTONIC, &now);
  int64_t now_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
  bool is_quick = now_us - s->slept_us < QUICK_TURN_US && s->turn_bytes < QUICK_TURN_BYTES;
  s->short_turns = is_quick ? s->short_turns + 1 : 0;
  s->slept_us = now_us;
  if (s->short_turns < QUICK_TURNS)
    return;
  s->short_turns = 0;
  nanosleep (&(struct timespec){ .tv_nsec = GATHER_US * 1000 }, NULL);
}

static void wait_for_events (struct shim *s) {
  struct epoll_event events[16];
  int timeout = sleep_ms (s);
  if (!s->again && s->has_log)
    log_flush (&s->log);
  if (timeout != 0)
    gather (s);
  int n = epoll_wait (s->epoll_fd, events, sizeof events / sizeof *events, timeout);
  for (int i = 0; i < n; i++)
    ((struct watch *) events[i].data.ptr)->ready |= events[i].events;
  if (n == 0 && s->rest_at_ms != 0 && !s->again && clock_monotonic_ms () >= s->rest_at_ms)
    rest (s);
}

int shim_main (int argc, char **argv) {
  static struct shim shim;
  struct shim *s = &shim;
  struct err e;
  if (argc != 2) {
    dprintf (STDERR_FILENO, "usage: gantry-shim %s ID\n", argv[0]);
    return 2;
  }
  if (set_up (s, &e) < 0) {
    complain (&e);
    return 1;
  }
  while (!s->ending || s->conns != NULL) {
    wait_for_events (s);
    turn (s);
  }
  return 0;
}
