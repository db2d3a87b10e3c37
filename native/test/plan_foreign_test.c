/* Plans in which another runtime makes the container. */
#include "plan_decoding.h"

static void put_runtime (struct builder *b, uint16_t kind, const char *program, uint32_t timeout_s) {
  put_op (b, kind, 0);
  put_strv (b, STRV (program, "create"));
  put_strv (b, STRV ("A=1"));
  put_u32 (b, timeout_s);
}

static void put_create (struct builder *b, const char *pid_file, const char *console) {
  put_runtime (b, OP_COMMAND, "/bin/runtime", 10);
  put_str (b, pid_file);
  put_str (b, console);
}

TEST ("plan_decode() accepts a container and an exec of another runtime") {
  struct builder b;

  begin_plan (&b, CLONE_NEWNS, PLAN_FOREIGN | PLAN_HOST_PID);
  put_text (&b, OP_OOM_FILE, OPF_MAY_MISS, "/cg/oom");
  put_runtime (&b, OP_FINALLY, "/bin/runtime", 10);
  put_some_root (&b);
  put_create (&b, "pid", "");
  put_op (&b, OP_SYNC, 0);
  put_create (&b, "", "");
  put_op (&b, OP_LEAVE, 0);
  end_plan (&b);
  CHECK (accepts (&b));
  begin_plan (&b, 0, PLAN_FOREIGN | PLAN_TERMINAL);
  put_create (&b, "pid", "console");
  put_op (&b, OP_LEAVE, 0);
  end_plan (&b);
  CHECK (accepts (&b));
}

TEST ("plan_decode() refuses to mix what the shim makes with what another runtime does") {
  struct builder b;

  begin_plan (&b, CLONE_NEWNS, 0);
  put_create (&b, "pid", "");
  CHECK_REFUSED (&b, "invalid plan: op 1 COMMAND: is for plans of another runtime");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_runtime (&b, OP_FINALLY, "/bin/runtime", 10);
  CHECK_REFUSED (&b, "invalid plan: op 1 FINALLY: is for plans of another runtime");
  begin_plan (&b, CLONE_NEWNS, PLAN_FOREIGN);
  put_some_root (&b);
  put_some_pivot (&b);
  CHECK_REFUSED (&b, "invalid plan: op 3 PIVOT: is not possible in a plan of another runtime");
  begin_plan (&b, CLONE_NEWNS, PLAN_FOREIGN);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 1 EXEC: is not possible in a plan of another runtime");
  begin_plan (&b, CLONE_NEWPID, PLAN_FOREIGN);
  CHECK_REFUSED (&b, "invalid plan: one of another runtime makes a mount namespace at most, and joins nothing");
  begin_plan (&b, JOIN_ALL, PLAN_FOREIGN | PLAN_JOIN);
  CHECK_REFUSED (&b, "invalid plan: one of another runtime makes a mount namespace at most, and joins nothing");
}

TEST ("plan_decode() refuses commands that nobody could run or that leave nothing") {
  static const struct {
    const char *program, *pid_file, *console;
    uint32_t timeout_s;
    const char *why;
  } wrong[] = {
    { "runtime", "pid", "", 1, "argv does not begin with an absolute path" },
    { "/r", "pid", "", 0, "timeout_s is not 1 to 3600" },
    { "/r", "pid", "", 3601, "timeout_s is not 1 to 3600" },
    { "/r", "", "console", 1, "console_socket is for the command that has a pid_file" },
  };
  struct builder b;
  char text[200], longest[120];

  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    begin_plan (&b, 0, PLAN_FOREIGN);
    put_runtime (&b, OP_COMMAND, wrong[i].program, wrong[i].timeout_s);
    put_str (&b, wrong[i].pid_file);
    put_str (&b, wrong[i].console);
    snprintf (text, sizeof text, "invalid plan: op 1 COMMAND: %s", wrong[i].why);
    CHECK_REFUSED (&b, text);
  }
  memset (longest, 'x', sizeof longest);
  longest[108] = '\0';
  begin_plan (&b, 0, PLAN_FOREIGN);
  put_create (&b, "pid", longest);
  CHECK_REFUSED (&b, "invalid plan: op 1 COMMAND: console_socket does not fit a socket address");
  begin_plan (&b, 0, PLAN_FOREIGN);
  put_create (&b, "pid", "");
  put_create (&b, "pid", "");
  CHECK_REFUSED (&b, "invalid plan: op 2 COMMAND: pid_file is a second one");
  begin_plan (&b, 0, PLAN_FOREIGN);
  put_create (&b, "", "");
  put_op (&b, OP_LEAVE, 0);
  CHECK_REFUSED (&b, "invalid plan: op 2 LEAVE: would leave no process behind");
  begin_plan (&b, 0, PLAN_FOREIGN);
  put_create (&b, "pid", "");
  CHECK_REFUSED (&b, "invalid plan: it has no LEAVE");
  begin_plan (&b, 0, PLAN_FOREIGN);
  put_create (&b, "pid", "console");
  put_op (&b, OP_LEAVE, 0);
  CHECK_REFUSED (&b, "invalid plan: terminal flag and CONSOLE must go together");
  begin_plan (&b, 0, PLAN_FOREIGN);
  put_op (&b, OP_SYNC, OPF_LOOKUP);
  put_create (&b, "pid", "");
  put_op (&b, OP_LEAVE, 0);
  CHECK_REFUSED (&b, "invalid plan: it looks for a program and has no EXEC");
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
