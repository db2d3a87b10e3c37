/* `gantry-shim oci VERB`: what gantry-runc becomes when everything is decided (docs/decisions/0005-gantry-runc.md). How its
 * files fit together:
 *
 *     oci.c           the verbs, and what a kill at each of their steps leaves behind
 *     oci_options.c   the command line
 *     oci_state.c     the container's state directory, start.sock, the pid file
 *     oci_attend.c    a process in the foreground: its end, signals, terminal
 *     oci_terminal.c  the terminal itself, or its way to the console socket
 *     oci_notify.c    systemd's readiness messages
 *     oci_restore.c   criu, and the process that it brings back
 *     oci_report.c    errors: standard error and the log file
 *
 * Single-threaded. All signals are blocked from the first moment on. */
#ifndef GANTRY_OCI_H
#define GANTRY_OCI_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "container.h"

struct err;
struct plan;

enum oci_verb { OCI_CREATE, OCI_RUN, OCI_START, OCI_EXEC, OCI_RESTORE };

struct oci_options {
  enum oci_verb verb;
  int plan_fd;            /* -1 when not given: allowed for start alone */
  pid_t init_pid;         /* --join: the container's init, of exec and start; 0 otherwise */
  uint64_t init_ticks;    /* --start-ticks: its start time, so that it cannot be another process; 0 = not given */
  unsigned preserved_fds; /* --preserve-fds */
  const char *state;      /* --state; not of exec */
  const char *pid_file, *console_socket, *log, *notify_socket, *notify_dir; /* NULL when not given */
  const char *rootfs, *criu_log, *network, *pids;                           /* of restore; the last two may be NULL */
  bool detach, keep, subreaper, log_json;
};

/* 0, or -1 with `e`. Nothing is opened. */
int oci_options_parse (int argc, char **argv, struct oci_options *o, struct err *e);

/* ---- oci_report.c ---- */

/* Appends a line to the log, and "gantry-runc: MESSAGE" to standard error. A warning does not end anything. */
void oci_report (const struct oci_options *o, const char *level, const struct err *e);

/* ---- oci_state.c ---- */

/* The state directory, held: nothing of it is reached by its path again, however long that is. */
struct oci_state {
  int fd, parent_fd;
  char name[256]; /* in the parent */
};

int oci_state_open (const char *path, struct oci_state *s, struct err *e);
void oci_state_close (struct oci_state *s);

/* The listening socket "start.sock", 0600. */
int oci_state_listen (const struct oci_state *s, struct err *e);
/* A connection to it; ENOENT or ECONNREFUSED when nobody waits there. */
int oci_state_connect (const struct oci_state *s, struct err *e);
void oci_state_forget_listener (const struct oci_state *s);

/* The file "pid": see record.h. */
int oci_state_record (const struct oci_state *s, pid_t pid, struct err *e);

/* Removes the known files and then the directory; a foreign file in it is an error and stays. */
int oci_state_remove (const struct oci_state *s, struct err *e);

/* Where criu writes the pid of the process that it restored. */
#define RESTORED_NAME "restored"

/* The pid in decimal and nothing else, aside and then in place. */
int oci_write_pid_file (const char *path, pid_t pid, struct err *e);

/* A socket of that type, connected to or bound at a path of any length; the working directory is as before. */
int oci_connect_path (int type, const char *path, struct err *e);
int oci_bind_path (int type, const char *path, mode_t mode, struct err *e);

/* ---- oci_terminal.c ---- */

/* Bytes on their way in one direction. */
struct oci_pump {
  int from, to; /* -1 once closed; both borrowed */
  size_t size, done;
  char bytes[4096];
};

struct oci_terminal {
  int master;  /* -1 when there is none, or no more */
  int own;     /* our descriptor of the caller's terminal, or -1 */
  bool is_raw; /* `before` must be put back */
  struct termios before;
  struct oci_pump input, output;
};

void oci_terminal_init (struct oci_terminal *t);
/* Passes the master on over the console socket, and closes it. */
int oci_terminal_give (int master, const char *console_socket, struct err *e);
/* Takes the master; the caller's terminal becomes raw and its size the container's. */
int oci_terminal_take (struct oci_terminal *t, int master, struct err *e);
void oci_terminal_resize (const struct oci_terminal *t);
/* Puts the caller's terminal back as it was. Harmless twice. */
void oci_terminal_end (struct oci_terminal *t);

/* Two entries; then what is to be done about them. */
void oci_terminal_poll (const struct oci_terminal *t, struct pollfd fds[4]);
void oci_terminal_turn (struct oci_terminal *t, const struct pollfd fds[4]);

/* ---- oci_notify.c ---- */

/* Stands between a process in the container and the service manager: sd_notify(3). */
struct oci_notify {
  int inner, outer; /* -1 when not wanted, or when "ready" has been told */
};

int oci_notify_open (const struct oci_options *o, struct oci_notify *n, struct err *e);
/* Call when `inner` is readable. Passes READY lines on, then `pid` as MAINPID, and is done. */
void oci_notify_turn (struct oci_notify *n, pid_t pid);
void oci_notify_close (struct oci_notify *n);

/* ---- oci_attend.c ---- */

struct oci_process {
  const struct oci_options *options;
  struct container container;
  struct oci_terminal terminal;
  struct oci_notify notify;
  int children, others; /* signalfds: SIGCHLD; everything that is forwarded once the process lives */
  bool ended;
  int status; /* of waitpid, once ended */
};

int oci_process_prepare (struct oci_process *p, const struct oci_options *o, struct err *e);
/* Until the child is created, has started, or has failed: SYNC_CREATED, SYNC_STARTED or SYNC_FAILED. */
enum sync_event oci_process_await (struct oci_process *p, struct err *e);
/* To the end of the process and its output: the exit status. */
int oci_process_attend (struct oci_process *p);
/* Until the service manager has been told that the process is ready, or the process has ended; at once without one. */
void oci_process_await_ready (struct oci_process *p);
/* Kills what did not become a process, and reaps it. */
void oci_process_abort (struct oci_process *p);
void oci_process_close (struct oci_process *p);

/* ---- oci_restore.c ---- */

/* Opens the namespaces that are given by path, from descriptor 3 up, as preserved ones. Nothing else may be open but the
   plan, which is moved out of the way. */
int oci_restore_open_namespaces (struct oci_options *o, struct err *e);

/* Between the two everything that is cloned has the root as a mount point. `back` is closed by the second, or by `auto_fd`. */
int oci_restore_enter_mounts (const struct oci_options *o, int *back, struct err *e);
int oci_restore_leave_mounts (int *back, struct err *e);

/* Waits for criu, which is the process of `p`; afterwards that is the restored one, not yet reaped should it have ended. */
int oci_restore_adopt (struct oci_process *p, const struct oci_state *s, struct err *e);

#endif
