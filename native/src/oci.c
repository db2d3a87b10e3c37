/* The verbs, each a flat recipe. What a kill -9 leaves behind, and who mends it:
 *
 *   killed                              left                                        mended by
 *   before the clone                    state directory, cgroups, start.sock        delete: no `pid` is "creating"
 *   while the child is set up           the same; the child ends at SYNC at the     delete
 *                                       latest, its hooks with their parent
 *   create, between pid file and let go the same; the child ends                    delete
 *   create, after let go                a created container                         nothing to mend
 *   run, after "go"                     a running container without a terminal      delete --force, or its end and delete
 *   start, before "go"                  a created container                         start
 *   start, after "go"                   a running container with a start.sock that  the next start, which is refused and
 *                                       nobody listens at                           removes it; delete
 *   run, at its end                     a stopped container, perhaps without        delete: POSTSTOP hooks run again, as
 *                                       cgroups                                     nobody knows whether they were done
 *   run, while it removes its state     `container.json` alone, or nothing          delete
 *   restore, while criu works           the state directory without `pid`, cgroups  delete --force, which kills what is in the
 *                                       with criu and what it has restored          cgroups
 *   restore, later                      as run
 *   exec                                the process goes on                         the end of the container
 *
 * Mounts are never left: they live in the child's mount namespace. */
#include "oci.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "err.h"
#include "fds.h"
#include "hooks.h"
#include "kernel.h"
#include "notify.h"
#include "plan.h"
#include "record.h"
#include "roles.h"

/* runc's, observed with 1.1.5 and 1.1.15. */
#define SET_UP_FAILED 1
#define EXEC_FAILED 255

/* What every verb works with. */
struct oci {
  struct oci_options options;
  struct oci_state state;
  struct oci_process process;
  struct plan plan;
  uint8_t *bytes;
};

/* ---- beginning ---- */

/* A stream that the caller closed must not become one of our own descriptors. */
static int open_streams (struct err *e) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
      return err_set (e, errno, "cannot open \"/dev/null\"");
  return 0;
}

/* One that is not there would be taken for the next descriptor that is opened here. */
static int check_preserved (unsigned count, struct err *e) {
  for (unsigned i = 0; i < count; i++)
    if (fcntl ((int) (3 + i), F_GETFD) < 0)
      return err_set (e, errno, "cannot preserve descriptor %u of %u", 3 + i, count);
  return 0;
}

static int read_plan (struct oci *o, struct err *e) {
  size_t room = 0, size = 0;
  auto_fd fd = o->options.plan_fd;

  if (fd < 0)
    return 0;
  for (ssize_t n = 1; n != 0; size += (size_t) n) {
    if (size == room) {
      room = room == 0 ? 65536 : room * 2;
      uint8_t *larger = room > 2 * PLAN_MAX_BYTES ? NULL : realloc (o->bytes, room);
      if (larger == NULL)
        return err_set (e, E2BIG, "cannot read the plan");
      o->bytes = larger;
    }
    n = read (fd, o->bytes + size, room - size);
    if (n < 0)
      return err_set (e, errno, "cannot read the plan");
  }
  return plan_decode (o->bytes, size, &o->plan, e);
}

static int begin (struct oci *o, struct err *e) {
  struct err second;

  if (open_streams (e) < 0)
    return -1;
  int opened = o->options.verb == OCI_RESTORE ? oci_restore_open_namespaces (&o->options, e) : 0;
  if (check_preserved (o->options.preserved_fds, opened < 0 ? &second : e) < 0)
    return -1;
  /* Early: from now on a failure removes what gantry-runc made there. */
  if (o->options.state != NULL && oci_state_open (o->options.state, &o->state, opened < 0 ? &second : e) < 0)
    return -1;
  if (opened < 0)
    return -1;
  prctl (PR_SET_NAME, "gantry-runc", 0, 0, 0);
  if (o->options.subreaper && prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot become a subreaper");
  return oci_process_prepare (&o->process, &o->options, e) < 0 ? -1 : read_plan (o, e);
}

/* The container's init, of which gantry-runc knows when it was started. */
static int open_init (const struct oci_options *o, struct err *e) {
  auto_fd pidfd = sys_pidfd_open (o->init_pid);

  if (pidfd < 0 && errno != ESRCH)
    return err_set (e, errno, "cannot open the container's first process");
  if (pidfd < 0 || (o->init_ticks != 0 && record_start_ticks (o->init_pid) != o->init_ticks))
    return err_set (e, 0, "the container has stopped");
  return fd_release (&pidfd);
}

/* ---- common steps ---- */

static int spawn (struct oci *o, int init_pidfd, int listener, struct err *e) {
  static const struct container_stdio inherited = { 0, 1, 2 };
  struct container_more more = { .start_listener = listener, .preserved_fds = o->options.preserved_fds };

  return container_spawn_with (&o->plan, &inherited, init_pidfd, &more, &o->process.container, e);
}

/* Of a container that did not come to life nothing stays. */
static int undo (struct oci *o, const struct err *why) {
  bool made_state = o->options.verb != OCI_START && o->options.verb != OCI_EXEC;
  struct err e;

  oci_terminal_end (&o->process.terminal); /* the words shall not come out in raw mode */
  oci_report (&o->options, "error", why);
  oci_process_abort (&o->process);
  container_release (&o->process.container);
  if (made_state && o->state.fd >= 0 && oci_state_remove (&o->state, &e) < 0)
    oci_report (&o->options, "warning", &e);
  return o->options.verb == OCI_EXEC ? EXEC_FAILED : SET_UP_FAILED;
}

static int write_pid_file (struct oci *o, struct err *e) {
  return o->options.pid_file == NULL ? 0 : oci_write_pid_file (o->options.pid_file, o->process.container.pid, e);
}

static void run_late_hooks (struct oci *o, uint32_t stage, pid_t pid) {
  struct err e;

  if (hooks_run (&o->plan, stage, pid, &e) < 0)
    oci_report (&o->options, "warning", &e);
}

/* ---- create ---- */

static int bring_to_created (struct oci *o, struct err *e) {
  auto_fd listener = oci_state_listen (&o->state, e);

  if (listener < 0 || spawn (o, -1, listener, e) < 0)
    return -1;
  if (oci_state_record (&o->state, o->process.container.pid, e) < 0)
    return -1;
  enum sync_event event = oci_process_await (&o->process, e);
  if (event == SYNC_STARTED)
    return err_set (e, 0, "the plan has no SYNC: nothing lies between create and start");
  if (event != SYNC_CREATED || write_pid_file (o, e) < 0)
    return -1;
  return container_let_go (&o->process.container, e);
}

static int create (struct oci *o) {
  struct err e;

  if (bring_to_created (o, &e) < 0)
    return undo (o, &e);
  container_leave (&o->process.container);
  return 0;
}

/* ---- run ---- */

static int bring_to_life (struct oci *o, struct err *e) {
  if (oci_notify_open (&o->options, &o->process.notify, e) < 0 || spawn (o, -1, -1, e) < 0)
    return -1;
  if (oci_state_record (&o->state, o->process.container.pid, e) < 0 || container_go (&o->process.container, e) < 0)
    return -1;
  enum sync_event event;
  do
    event = oci_process_await (&o->process, e);
  while (event == SYNC_CREATED);
  return event == SYNC_STARTED ? write_pid_file (o, e) : -1;
}

static void clear_away (struct oci *o) {
  struct err e;

  if (o->options.keep) {
    container_leave (&o->process.container);
    return;
  }
  container_release (&o->process.container);
  run_late_hooks (o, HOOK_POSTSTOP, 0);
  if (oci_state_remove (&o->state, &e) < 0)
    oci_report (&o->options, "warning", &e);
}

static int run (struct oci *o) {
  struct err e;

  if (bring_to_life (o, &e) < 0)
    return undo (o, &e);
  run_late_hooks (o, HOOK_POSTSTART, o->process.container.pid);
  if (o->options.detach) {
    oci_process_await_ready (&o->process);
    container_leave (&o->process.container);
    return 0;
  }
  int code = oci_process_attend (&o->process);
  clear_away (o);
  return code;
}

/* ---- restore ---- */

static int bring_back (struct oci *o, struct err *e) {
  auto_fd back = -1;
  struct err second;
  int entered = oci_restore_enter_mounts (&o->options, &back, e);
  int spawned = entered < 0 ? -1 : spawn (o, -1, -1, e);

  if (oci_restore_leave_mounts (&back, spawned < 0 ? &second : e) < 0 || spawned < 0)
    return -1;
  if (container_go (&o->process.container, e) < 0 || oci_process_await (&o->process, e) != SYNC_STARTED)
    return -1;
  if (oci_restore_adopt (&o->process, &o->state, e) < 0)
    return -1;
  if (oci_state_record (&o->state, o->process.container.pid, e) < 0)
    return -1;
  return write_pid_file (o, e);
}

static int restore (struct oci *o) {
  struct err e;

  if (bring_back (o, &e) < 0)
    return undo (o, &e);
  if (o->options.detach) {
    container_leave (&o->process.container);
    return 0;
  }
  int code = oci_process_attend (&o->process);
  clear_away (o);
  return code;
}

/* ---- start ---- */

/* Whoever else was faster, or the container's own end, has closed the socket. */
static int explain_absence (int pidfd, struct err *e) {
  struct pollfd init = { .fd = pidfd, .events = POLLIN };

  if (e->code != ENOENT && e->code != ECONNREFUSED && e->code != ECONNRESET)
    return -1;
  return poll (&init, 1, 0) == 1 ? err_set (e, 0, "cannot start a container that has stopped")
                                 : err_set (e, 0, "cannot start an already running container");
}

static int bring_to_start (struct oci *o, struct err *e) {
  auto_fd pidfd = open_init (&o->options, e);

  if (pidfd < 0 || oci_notify_open (&o->options, &o->process.notify, e) < 0)
    return -1;
  int connection = oci_state_connect (&o->state, e);
  if (connection < 0 || container_meet (connection, &o->process.container, e) < 0) {
    if (e->code == ECONNREFUSED)
      oci_state_forget_listener (&o->state);
    return explain_absence (pidfd, e);
  }
  if (notify_prepare (&o->plan, -1, &o->process.container.notify, e) < 0)
    return -1;
  o->process.container.pid = o->options.init_pid;
  o->process.container.pidfd = fd_release (&pidfd);
  if (container_go (&o->process.container, e) < 0)
    return -1;
  oci_state_forget_listener (&o->state);
  return oci_process_await (&o->process, e) == SYNC_STARTED ? 0 : -1;
}

static int start (struct oci *o) {
  struct err e;

  if (bring_to_start (o, &e) < 0) {
    oci_report (&o->options, "error", &e);
    return SET_UP_FAILED;
  }
  run_late_hooks (o, HOOK_POSTSTART, o->process.container.pid);
  oci_process_await_ready (&o->process);
  container_leave (&o->process.container);
  return 0;
}

/* ---- exec ---- */

static int bring_inside (struct oci *o, struct err *e) {
  auto_fd init_pidfd = open_init (&o->options, e);

  if (init_pidfd < 0 || spawn (o, init_pidfd, -1, e) < 0 || container_go (&o->process.container, e) < 0)
    return -1;
  enum sync_event event;
  do
    event = oci_process_await (&o->process, e);
  while (event == SYNC_CREATED);
  return event == SYNC_STARTED ? write_pid_file (o, e) : -1;
}

static int exec (struct oci *o) {
  struct err e;

  if (bring_inside (o, &e) < 0)
    return undo (o, &e);
  if (o->options.detach) {
    container_leave (&o->process.container);
    return 0;
  }
  int code = oci_process_attend (&o->process);
  container_release (&o->process.container);
  return code;
}

int oci_main (int argc, char **argv) {
  static int (*const verbs[]) (struct oci *) = {
    [OCI_CREATE] = create, [OCI_RUN] = run, [OCI_START] = start, [OCI_EXEC] = exec, [OCI_RESTORE] = restore
  };
  struct oci o = { .state = { .fd = -1, .parent_fd = -1 }, .process.container = { .pid = -1, .pidfd = -1 } };
  struct err e;
  int code;

  if (oci_options_parse (argc, argv, &o.options, &e) < 0) {
    oci_report (&o.options, "error", &e);
    return o.options.verb == OCI_EXEC ? EXEC_FAILED : SET_UP_FAILED;
  }
  code = begin (&o, &e) < 0 ? undo (&o, &e) : verbs[o.options.verb](&o);
  oci_process_close (&o.process);
  oci_state_close (&o.state);
  plan_release (&o.plan);
  free (o.bytes);
  return code;
}
