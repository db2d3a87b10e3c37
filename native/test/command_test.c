/* Plans of another runtime's, with a shell in its place: what it makes is the container's process, what it says is the
 * error, and FINALLY comes whatever happens. Needs root and busybox-static. */
#include <pty.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sandbox.h"

#define PID_FILE BOX ("outside/pid")
#define CONSOLE BOX ("outside/console")
#define ENDED BOX ("outside/ended")

static char own_path[4096];

static void put_program (struct builder *b, uint16_t kind, const char *const *argv, uint32_t timeout_s) {
  put_op (b, kind, 0);
  put_strv (b, argv);
  put_strv (b, STRV ("PATH=" PATH, "FROM=plan"));
  put_u32 (b, timeout_s);
}

static void put_shell (struct builder *b, const char *script, const char *pid_file) {
  put_program (b, OP_COMMAND, STRV ("/bin/busybox", "sh", "-c", script), 10);
  put_str (b, pid_file);
  put_str (b, "");
}

/* A process that does `body` and has been left by who made it. */
#define MAKING(body) "busybox sh -c '" body "' & echo -n $! > " PID_FILE

static void put_finally (struct builder *b) {
  put_program (b, OP_FINALLY, STRV ("/bin/busybox", "sh", "-c", "echo ended > " ENDED), 5);
}

static bool has_ended (void) {
  return access (ENDED, F_OK) == 0;
}

/* Its status comes when who performed the plan has gone, which is a moment after the end of the plan. */
static struct outcome *run_foreign (struct builder *b) {
  static struct outcome o;
  struct container c;
  struct err e;
  int status = 0, out;

  MUST (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  out = start_plan (b, -1, &c, &o);
  if (out < 0)
    return &o;
  MUST (container_go (&c, &e) == 0);
  while (c.sync_fd >= 0) {
    struct pollfd sync = { .fd = c.sync_fd, .events = POLLIN };
    must (poll (&sync, 1, 20000) == 1, "the plan hangs");
    enum sync_event event = container_sync (&c, &o.err);
    o.created = o.created || event == SYNC_CREATED;
    o.started = o.started || event == SYNC_STARTED;
  }
  if (!o.started)
    kill (c.pid, SIGKILL);
  while (out >= 0 && o.started)
    collect (&out, &o);
  while (c.console_fd >= 0)
    collect (&c.console_fd, &o);
  if (out >= 0)
    close (out);
  for (int i = 0; i < 5000 && waitpid (c.pid, &status, 0) != c.pid; i++)
    usleep (1000);
  o.code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  container_release (&c);
  while (waitpid (-1, NULL, 0) > 0)
    ;
  return &o;
}

static void begin_foreign (struct builder *b, uint32_t flags) {
  fresh_root ();
  begin_plan (b, CLONE_NEWNS, PLAN_FOREIGN | flags);
  put_finally (b);
  put_root (b);
}

static void end_foreign (struct builder *b) {
  put_op (b, OP_SYNC, 0);
  put_shell (b, "touch " BOX ("outside/go"), "");
  put_op (b, OP_LEAVE, 0);
}

/* ---- the process ---- */

TEST ("the process that a command leaves is the container's, with its streams, environment and exit status") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  put_shell (&b, MAKING ("until [ -e " BOX ("outside/go") " ]; do sleep 0.01; done; echo lived $FROM; exit 7"),
             PID_FILE);
  end_foreign (&b);
  struct outcome *o = run_foreign (&b);
  CHECK_TEXT (o->err.text, "");
  CHECK (o->started);
  CHECK_TEXT (o->out, "lived plan\n");
  CHECK (o->code == 7);
  CHECK (has_ended ());
}

TEST ("the exit status of a process that ends at once is not lost") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  put_shell (&b, MAKING ("exit 9"), PID_FILE);
  end_foreign (&b);
  struct outcome *o = run_foreign (&b);
  CHECK (o->started && o->code == 9);
}

TEST ("commands see the root where it is attached, and nobody else does") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  put_shell (&b, MAKING ("grep -c app " BOX ("staging/etc/passwd")), PID_FILE);
  end_foreign (&b);
  struct outcome *o = run_foreign (&b);
  CHECK (o->started);
  CHECK_TEXT (o->out, "1\n");
  CHECK (access (BOX ("staging/etc"), F_OK) < 0);
}

TEST ("a process that is somebody else's child is refused") {
  struct builder b;
  char script[128], expected[128];
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  snprintf (script, sizeof script, "echo %d > " PID_FILE, getpid ());
  put_shell (&b, script, PID_FILE);
  end_foreign (&b);
  snprintf (expected, sizeof expected, "the runtime has made process %u somewhere else", (unsigned) getpid ());
  CHECK_FAILS (run_foreign (&b), ECHILD, expected);
}

TEST ("a pid file that holds something else is refused") {
  static const char *const contents[] = { "", "1", "0", "-5", "12x", "99999999999" };
  NEEDS_SANDBOX ();

  for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
    struct builder b;
    char script[128];
    begin_foreign (&b, 0);
    snprintf (script, sizeof script, "echo -n '%s' > " PID_FILE, contents[i]);
    put_shell (&b, script, PID_FILE);
    end_foreign (&b);
    CHECK_FAILS (run_foreign (&b), 0, "the pid file \"" PID_FILE "\" does not hold a pid");
  }
}

/* ---- failures ---- */

TEST ("a command that fails is the plan's failure, with its last words; FINALLY comes") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  put_shell (&b, MAKING ("exec sleep 100"), PID_FILE);
  put_shell (&b, "echo no room >&2; exit 3", "");
  put_op (&b, OP_LEAVE, 0);
  struct outcome *o = run_foreign (&b);
  CHECK_FAILS (o, 0, "\"/bin/busybox\" failed: exit status 3: no room");
  CHECK (o->err.op == 5);
  CHECK (o->code == 128 + SIGKILL); /* of the process that it had made */
  CHECK (has_ended ());
}

TEST ("a command that takes too long is killed") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  put_program (&b, OP_COMMAND, STRV ("/bin/busybox", "sleep", "100"), 1);
  put_str (&b, PID_FILE);
  put_str (&b, "");
  put_op (&b, OP_LEAVE, 0);
  CHECK_FAILS (run_foreign (&b), 0, "\"/bin/busybox\" failed: not done after 1 s");
  CHECK (has_ended ());
}

TEST ("a program that is not there is named") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_foreign (&b, 0);
  put_program (&b, OP_COMMAND, STRV ("/nowhere/runtime", "create"), 1);
  put_str (&b, PID_FILE);
  put_str (&b, "");
  put_op (&b, OP_LEAVE, 0);
  CHECK_FAILS (run_foreign (&b), ENOENT, "cannot execute \"/nowhere/runtime\"");
}

TEST ("a command dies with who waits for it") {
  struct builder b;
  struct container c;
  struct outcome o;
  char pid_text[32] = { 0 };
  NEEDS_SANDBOX ();

  MUST (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  begin_foreign (&b, 0);
  put_shell (&b, "echo $$ > " BOX ("outside/runs") "; echo; exec sleep 100", PID_FILE);
  put_op (&b, OP_LEAVE, 0);
  int out = start_plan (&b, -1, &c, &o);
  CHECK (out >= 0);
  await_output (&out, &o);
  int file = open (BOX ("outside/runs"), O_RDONLY | O_CLOEXEC);
  MUST (read (file, pid_text, sizeof pid_text - 1) > 0);
  close (file);
  pid_t runtime = (pid_t) strtol (pid_text, NULL, 10);
  kill (c.pid, SIGKILL);
  MUST (waitpid (c.pid, NULL, 0) == c.pid);
  int status = 0;
  for (int i = 0; i < 5000 && waitpid (runtime, &status, 0) != runtime; i++)
    usleep (1000);
  close (out);
  container_release (&c);
  CHECK (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  CHECK (has_ended ());
}

/* ---- its terminal ---- */

/* This program as a runtime that makes a terminal. */
static int act_as_runtime (const char *what) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = CONSOLE };
  int master, slave, file = open (PID_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  if (openpty (&master, &slave, NULL, NULL, NULL) < 0)
    return 1;
  pid_t pid = fork ();
  if (pid == 0)
    _exit (write (slave, "on a terminal", 13) == 13 ? 5 : 1);
  dprintf (file, "%d", pid);
  if (strcmp (what, "silent") == 0)
    return 0;
  int sent = strcmp (what, "file") == 0 ? file : master;
  int connection = socket (AF_UNIX, SOCK_STREAM, 0);
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control = { .header = { CMSG_LEN (sizeof (int)), SOL_SOCKET, SCM_RIGHTS } };
  struct iovec data = { (char[]){ "tty" }, 3 };
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };
  memcpy (CMSG_DATA (&control.header), &sent, sizeof sent);
  return connect (connection, (struct sockaddr *) &address, sizeof address) == 0 &&
                 sendmsg (connection, &message, 0) == 3
             ? 0
             : 1;
}

static struct outcome *run_terminal (const char *what) {
  struct builder b;

  begin_foreign (&b, PLAN_TERMINAL);
  put_program (&b, OP_COMMAND, STRV (own_path, "--act", what), 10);
  put_str (&b, PID_FILE);
  put_str (&b, CONSOLE);
  put_op (&b, OP_LEAVE, 0);
  return run_foreign (&b);
}

TEST ("the terminal that the runtime sends is handed on") {
  NEEDS_SANDBOX ();
  struct outcome *o = run_terminal ("master");
  CHECK_TEXT (o->err.text, "");
  CHECK_TEXT (o->out, "on a terminal");
  CHECK (o->started && o->code == 5);
  CHECK (access (CONSOLE, F_OK) < 0);
}

TEST ("no terminal, or something else in its place, is the plan's failure") {
  NEEDS_SANDBOX ();
  CHECK_FAILS (run_terminal ("silent"), EAGAIN, "the runtime has sent no terminal");
  CHECK_FAILS (run_terminal ("file"), 0, "the runtime has sent something else than a terminal");
}

/* ---- what else came with it ---- */

TEST ("an OOM_FILE that may miss is read when it is asked for") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  NEEDS_SANDBOX ();

  fresh_root ();
  begin_plan (&b, 0, 0);
  put_text (&b, OP_OOM_FILE, OPF_MAY_MISS, BOX ("outside/events"));
  put_command (&b, "true");
  int out = start_plan (&b, -1, &c, &o);
  CHECK (out >= 0);
  MUST (container_go (&c, &e) == 0);
  attend (&c, &out, &o);
  bool before = container_was_oom_killed (&c);
  write_text (BOX ("outside/events"), "oom 1\noom_kill 1\n");
  bool after = container_was_oom_killed (&c);
  container_release (&c);
  CHECK (!before && after);
}

static struct outcome *run_report (struct identity id) {
  struct builder b;

  fresh_root ();
  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_pivot (&b, false);
  put_identity (&b, id);
  b.bytes[b.op + 2] = OPF_REPORT & 0xff;
  b.bytes[b.op + 3] = OPF_REPORT >> 8;
  return run_plan (&b);
}

TEST ("IDENTITY reports numbers and home in place of executing") {
  NEEDS_SANDBOX ();
  CHECK_RUN (run_report ((struct identity){ .user = "app", .want_home = true }), "1000 1001\n/home/app\n50 10 1001\n");
  CHECK_RUN (run_report ((struct identity){ .user = "7", .group = "staff", .add_groups = STRV ("wheel", "9") }),
             "7 50\n/\n9 10 50\n");
  CHECK_FAILS (run_report ((struct identity){ .user = "nobody" }), ENOENT,
               "unable to find user nobody: no matching entries in passwd file");
}

int main (int argc, char **argv) {
  if (argc == 3 && strcmp (argv[1], "--act") == 0)
    return act_as_runtime (argv[2]);
  MUST (readlink ("/proc/self/exe", own_path, sizeof own_path - 1) > 0);
  open_sandbox ();
  int result = run_tests (argc, argv);
  close_sandbox ();
  return result;
}
