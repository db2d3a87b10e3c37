/* Processes that join a container, and namespaces that are entered by their paths. Needs root and busybox-static. */
#include "sandbox.h"

static void put_join (struct builder *b, const char *script) {
  begin_plan (b, JOIN_ALL, PLAN_JOIN);
  put_identity (b, (struct identity){ .user = "app", .want_home = true });
  put_caps (b, 0, 0);
  put_text (b, OP_CWD, 0, "/tmp");
  put_command (b, script);
}

TEST ("a joining process is in the container, its root and its namespaces") {
  struct builder b;
  struct container c;
  struct outcome first;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_text (&b, OP_HOSTNAME, 0, "box");
  put_command (&b, "echo ready; sleep 1000; true");
  int out = start_plan (&b, -1, &c, &first);
  MUST (out >= 0);
  await_output (&out, &first);

  put_join (&b,
            "hostname; pwd; id -u; id -G; echo $HOME; grep -E 'NSpid|CapEff' /proc/self/status | tr -d '\\n\\t'; echo;"
            "tr '\\0' ' ' < /proc/1/cmdline; readlink /proc/self/root; for n in mnt net ipc uts pid; do [ $(readlink "
            "/proc/self/ns/$n) = $(readlink /proc/$$/ns/$n) ] || echo $n; done;"
            "ls /proc/self/fd");
  char expected[512];
  struct outcome *o = run_plan_joined (&b, c.pidfd);
  char *pid = strstr (o->out, "NSpid:");
  CHECK (o->started);
  CHECK (pid != NULL);
  int number = atoi (pid + 6);
  CHECK (number > 1 && number < 50);
  snprintf (expected, sizeof expected,
            "box\n/tmp\n1000\n1001 10 50\n/home/app\nNSpid:%dCapEff:0000000000000000\nsh -c echo ready; sleep 1000; "
            "true /\n0\n1\n2\n3\n",
            number);
  CHECK_TEXT (o->out, expected);
  /* The shim itself is back in its own pid namespace. */
  pid_t child = fork ();
  if (child == 0)
    _exit (getpid () > 2 ? 0 : 1);
  int status;
  MUST (waitpid (child, &status, 0) == child);
  CHECK (status == 0);

  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_exec (&b, STRV ("foo"), STRV (), PATH);
  CHECK_FAILS (run_plan_joined (&b, c.pidfd), ENOENT, "exec: \"foo\": executable file not found in $PATH");

  kill (c.pid, SIGKILL);
  attend (&c, &out, &first);
  container_release (&c);
}

TEST ("a joining process is out of the container's sight until it has no more rights than the container") {
  struct builder b;
  struct container c, joining;
  struct outcome first, second;
  struct err e;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_command (&b, "echo ready; sleep 1000; true");
  int out = start_plan (&b, -1, &c, &first);
  MUST (out >= 0);
  await_output (&out, &first);

  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_op (&b, OP_SYNC, 0);
  put_op (&b, OP_BOUNDING, 0);
  put_u64 (&b, 0);
  put_identity (&b, (struct identity){ .user = "app" });
  put_caps (&b, 0, 0);
  put_command (&b, "echo $$ $PPID; ls /proc/self/fd; grep CapPrm /proc/self/status; true");
  int second_out = start_plan (&b, c.pidfd, &joining, &second);
  MUST (second_out >= 0);
  MUST (poll (&(struct pollfd){ .fd = joining.sync_fd, .events = POLLIN }, 1, 10000) == 1);
  CHECK (container_sync (&joining, &e) == SYNC_CREATED);
  pid_t setter = joining.pid;

  /* It is in the container's mount namespace already, and in none of its pids: 1, sleep, and who looks. */
  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_command (&b, "set -- /proc/[0-9]*; echo $#");
  CHECK_RUN (run_plan_joined (&b, c.pidfd), "3\n");

  CHECK (container_go (&joining, &e) == 0);
  attend (&joining, &second_out, &second);
  CHECK (joining.pid != setter);
  CHECK (waitpid (setter, NULL, WNOHANG) == setter);
  container_release (&joining);
  int number = atoi (second.out);
  char expected[128];
  snprintf (expected, sizeof expected, "%d 0\n0\n1\n2\n3\nCapPrm:\t0000000000000000\n", number);
  CHECK (number > 1);
  CHECK_RUN (&second, expected);

  kill (c.pid, SIGKILL);
  attend (&c, &out, &first);
  container_release (&c);
}

TEST ("a joining process can have a terminal of the container") {
  struct builder b;
  struct container c;
  struct outcome first;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_command (&b, "echo ready; sleep 1000; true");
  int out = start_plan (&b, -1, &c, &first);
  MUST (out >= 0);
  await_output (&out, &first);
  begin_plan (&b, JOIN_ALL, PLAN_JOIN | PLAN_TERMINAL);
  put_op (&b, OP_CONSOLE, 0);
  put_u32 (&b, 10);
  put_u32 (&b, 20);
  put_u32 (&b, 1000);
  put_command (&b, "tty; stty size; stat -c '%u %g %a' /dev/pts/0; [ -e /dev/console ] || echo none");
  CHECK_RUN (run_plan_joined (&b, c.pidfd), "/dev/pts/0\r\n10 20\r\n1000 5 620\r\nnone\r\n");
  kill (c.pid, SIGKILL);
  attend (&c, &out, &first);
  container_release (&c);
}

TEST ("namespaces given by path are entered, a pid namespace, too") {
  struct builder b;
  struct container c;
  struct outcome first;
  char net[64], pid[64], link[64] = { 0 }, expected[128];
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_command (&b, "echo ready; sleep 1000; true");
  int out = start_plan (&b, -1, &c, &first);
  MUST (out >= 0);
  await_output (&out, &first);
  snprintf (net, sizeof net, "/proc/%d/ns/net", c.pid);
  snprintf (pid, sizeof pid, "/proc/%d/ns/pid", c.pid);
  MUST (readlink (net, link, sizeof link - 1) > 0);

  begin_plan (&b, CLONE_NEWNS, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_str (&b, net);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWPID);
  put_str (&b, pid);
  put_root (&b);
  put_kernel_trees (&b);
  put_pivot (&b, false);
  put_command (&b, "readlink /proc/self/ns/net; head -c 6 /proc/1/cmdline | tr '\\0' ' '");
  snprintf (expected, sizeof expected, "%s\nsh -c ", link);
  CHECK_RUN (run_plan (&b), expected);

  begin_plan (&b, 0, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_str (&b, "/nowhere");
  put_exec (&b, STRV ("/bin/true"), STRV (), "");
  CHECK_FAILS (run_plan (&b), ENOENT, "cannot open the namespace \"/nowhere\"");

  kill (c.pid, SIGKILL);
  attend (&c, &out, &first);
  container_release (&c);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
