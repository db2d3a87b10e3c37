/* `gantry-shim oci`: the program itself, without sanitizers, on whole plans in whole roots. Needs root and busybox-static.
 * What a caller sees of it (files, hooks, terminals, kills) is tested by oci_role.test.ts. */
#include <sys/mman.h>

#include "sandbox.h"

/* Runs the program on bytes; its standard output and error are in o->out. */
static struct outcome *run_program (const void *bytes, size_t size, int join_pid) {
  static struct outcome o;
  int pipes[2], status, plan = memfd_create ("plan", 0);
  char plan_fd[16], pid[16];

  memset (&o, 0, sizeof o);
  MUST (plan >= 0 && write (plan, bytes, size) == (ssize_t) size && lseek (plan, 0, SEEK_SET) == 0);
  MUST (pipe2 (pipes, O_CLOEXEC) == 0);
  snprintf (plan_fd, sizeof plan_fd, "%d", plan);
  snprintf (pid, sizeof pid, "%d", join_pid);
  MUST (mkdir (BOX ("state"), 0711) == 0 || errno == EEXIST || join_pid > 0);
  pid_t child = fork ();
  if (child == 0) {
    dup2 (pipes[1], 1);
    dup2 (pipes[1], 2);
    bool joins = join_pid > 0;
    execl (getenv ("GANTRY_SHIM"), "gantry-shim", "oci", joins ? "exec" : "run", "--plan-fd", plan_fd,
           joins ? "--join" : "--state", joins ? pid : BOX ("state"), NULL);
    _exit (99);
  }
  close (pipes[1]);
  close (plan);
  while (pipes[0] >= 0)
    collect (&pipes[0], &o);
  MUST (waitpid (child, &status, 0) == child);
  o.code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  return &o;
}

static struct outcome *run_program_on (struct builder *b, int join_pid) {
  end_plan (b);
  struct outcome *o = run_program (b->bytes, b->size, join_pid);
  free (b->bytes);
  return o;
}

#define NEEDS_PROGRAM()                                                                                                \
  do {                                                                                                                 \
    NEEDS_SANDBOX ();                                                                                                  \
    if (getenv ("GANTRY_SHIM") == NULL)                                                                                \
      SKIP ("needs GANTRY_SHIM");                                                                                      \
  } while (0)

TEST ("the oci role ends as the process ends") {
  struct builder b;
  NEEDS_PROGRAM ();

  begin_container (&b, 0);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "echo out; echo err >&2; exit 5");
  struct outcome *o = run_program_on (&b, 0);
  CHECK_TEXT (o->out, "out\nerr\n");
  CHECK (o->code == 5);
  begin_container (&b, 0);
  put_op (&b, OP_REAPER, 0);
  put_command (&b, "kill -TERM $$");
  CHECK (run_program_on (&b, 0)->code == 128 + SIGTERM);
}

TEST ("the oci role says what failed") {
  struct builder b;
  NEEDS_PROGRAM ();

  begin_container (&b, 0);
  put_exec (&b, STRV ("foo"), STRV (), PATH);
  struct outcome *o = run_program_on (&b, 0);
  CHECK_TEXT (o->out, "gantry-runc: run failed: unable to start container process: exec: \"foo\": executable file not "
                      "found in $PATH\n");
  CHECK (o->code == 1);
  begin_container (&b, 0);
  put_text (&b, OP_CWD, 0, "/etc/passwd");
  put_exec (&b, STRV ("foo"), STRV (), PATH);
  o = run_program_on (&b, 0);
  CHECK_TEXT (o->out, "gantry-runc: run failed: unable to start container process: chdir to cwd (\"/etc/passwd\") set "
                      "in config.json failed: not a directory\n");
  CHECK (o->code == 1);
  o = run_program ("nonsense", 8, 0);
  CHECK_TEXT (o->out, "gantry-runc: run failed: unable to start container process: invalid plan: it does not start "
                      "with the mark of a plan\n");
  CHECK (o->code == 1);
}

TEST ("the oci role passes a terminal's output on") {
  struct builder b;
  NEEDS_PROGRAM ();

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b, "tty; exit 4");
  struct outcome *o = run_program_on (&b, 0);
  CHECK_TEXT (o->out, "/dev/pts/0\r\n");
  CHECK (o->code == 4);
}

TEST ("the oci role joins a container") {
  struct builder b;
  struct container c;
  struct outcome first;
  NEEDS_PROGRAM ();

  begin_container (&b, 0);
  put_text (&b, OP_HOSTNAME, 0, "box");
  put_command (&b, "echo ready; sleep 1000; true");
  int out = start_plan (&b, -1, &c, &first);
  MUST (out >= 0);
  await_output (&out, &first);
  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_command (&b, "hostname; exit 6");
  struct outcome *o = run_program_on (&b, c.pid);
  kill (c.pid, SIGKILL);
  attend (&c, &out, &first);
  container_release (&c);
  CHECK_TEXT (o->out, "box\n");
  CHECK (o->code == 6);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
