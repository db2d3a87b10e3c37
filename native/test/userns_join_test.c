/* User namespaces that are entered: by path, and by joining a container. Needs root and busybox-static. */
#include <sys/resource.h>

#include "userns_sandbox.h"

TEST ("a user namespace is entered by its path") {
  struct builder b;
  struct container c;
  struct outcome o;
  char path[64], link[64] = { 0 }, expected[128];
  int out;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  run_sleeper (&b, &c, &o, &out);
  snprintf (path, sizeof path, "/proc/%d/ns/user", c.pid);
  MUST (readlink (path, link, sizeof link - 1) > 0);
  MUST (mkdir (BOX ("upper2"), 0755) == 0 && mkdir (BOX ("work2"), 0755) == 0);

  begin_plan (&b, NEW_AND_CGROUP & ~(uint32_t) CLONE_NEWNET, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWUSER);
  put_str (&b, path);
  snprintf (path, sizeof path, "/proc/%d/ns/net", c.pid);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_str (&b, path);
  put_op (&b, OP_PROPAGATION, 0);
  put_u64 (&b, MS_PRIVATE);
  put_op (&b, OP_ROOT_OVERLAY, 0);
  put_strv (&b, STRV (BOX ("lower")));
  put_str (&b, BOX ("upper2"));
  put_str (&b, BOX ("work2"));
  put_strv (&b, STRV ());
  put_str (&b, BOX ("staging"));
  put_u32 (&b, IDMAP_CONTAINER);
  put_kernel_trees (&b);
  put_pivot (&b, false);
  put_command (&b, "readlink /proc/self/ns/user; stat -c %u:%g /dev/null; touch /made; echo $$");
  snprintf (expected, sizeof expected, "%s\n0:0\n1\n", link);
  CHECK_RUN (run_plan (&b), expected);
  CHECK_TEXT (owner_of (BOX ("upper2/made")), "0:0");

  begin_plan (&b, CLONE_NEWNS, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWUSER);
  put_str (&b, "/proc/self/ns/net");
  put_exec (&b, STRV ("/bin/true"), STRV (), "");
  CHECK_FAILS (run_plan (&b), 0, "\"/proc/self/ns/net\" is not a user namespace");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWUSER);
  put_str (&b, "/proc/self/ns/user");
  put_exec (&b, STRV ("/bin/true"), STRV (), "");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot enter the user namespace");
  end_sleeper (&c, &o, &out);
}

TEST ("a user namespace that forbids setgroups is entered without groups") {
  char path[64];
  int ready[2];
  NEEDS_SANDBOX ();

  MUST (pipe2 (ready, O_CLOEXEC) == 0);
  pid_t resident = fork ();
  if (resident == 0) {
    if (unshare (CLONE_NEWUSER) == 0 && prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && write (ready[1], "", 1) == 1)
      pause ();
    _exit (1);
  }
  MUST (read (ready[0], path, 1) == 1);
  static const char *const files[][2] = { { "setgroups", "deny" }, { "uid_map", MAP }, { "gid_map", MAP } };
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf (path, sizeof path, "/proc/%d/%s", resident, files[i][0]);
    write_text (path, files[i][1]);
  }
  for (int more = 0; more < 2; more++) {
    struct builder b;
    begin_plan (&b, NEW_AND_CGROUP, 0);
    snprintf (path, sizeof path, "/proc/%d/ns/user", resident);
    put_op (&b, OP_NS_PATH, 0);
    put_u32 (&b, CLONE_NEWUSER);
    put_str (&b, path);
    put_overlay (&b, IDMAP_CONTAINER);
    put_pivot (&b, false);
    put_identity (&b, (struct identity){ .user = "5", .group = "6", .add_groups = more == 1 ? STRV ("7") : NULL });
    put_command (&b, "id -u; id -G");
    if (more == 0)
      CHECK_RUN (run_plan (&b), "5\n6\n");
    else
      CHECK_FAILS (run_plan (&b), EPERM, "cannot set 2 supplementary groups");
  }
  close (ready[0]);
  close (ready[1]);
  MUST (kill (resident, SIGKILL) == 0 && waitpid (resident, NULL, 0) == resident);
}

TEST ("a mount namespace is entered by its path, with the user, pid and other namespaces, or alone") {
  static const struct {
    const char *name;
    uint32_t clone_flag;
  } others[] = { { "user", CLONE_NEWUSER }, { "pid", CLONE_NEWPID }, { "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC } };
  struct builder b;
  struct container c;
  struct outcome o;
  char path[64];
  int out;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  put_text (&b, OP_HOSTNAME, 0, "box");
  run_sleeper (&b, &c, &o, &out);
  for (size_t count = 0; count <= 4; count += 4) {
    begin_plan (&b, 0, 0);
    snprintf (path, sizeof path, "/proc/%d/ns/mnt", c.pid);
    put_op (&b, OP_NS_PATH, 0);
    put_u32 (&b, CLONE_NEWNS);
    put_str (&b, path);
    for (size_t i = 0; i < count; i++) {
      snprintf (path, sizeof path, "/proc/%d/ns/%s", c.pid, others[i].name);
      put_op (&b, OP_NS_PATH, 0);
      put_u32 (&b, others[i].clone_flag);
      put_str (&b, path);
    }
    put_identity (&b, (struct identity){ .user = count == 0 ? "100000" : "app", .want_home = true });
    put_caps (&b, 0, 0);
    put_command (&b, "ls /; id -u; pwd; [ $(hostname) = box ] && echo box; [ $$ -lt 50 ] && echo few; true");
    CHECK_RUN (run_plan (&b), count == 0 ? "bin\ndev\netc\nproc\nroot\nsys\ntmp\n100000\n/\n"
                                         : "bin\ndev\netc\nproc\nroot\nsys\ntmp\n1000\n/\nbox\nfew\n");
  }
  end_sleeper (&c, &o, &out);
}

TEST ("a joining process has the ids, rights and limits of the container's user namespace") {
  struct builder b;
  struct container c;
  struct outcome o;
  int out;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  run_sleeper (&b, &c, &o, &out);

  begin_plan (&b, JOIN_USER, PLAN_JOIN);
  put_op (&b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (&b, 300);
  put_op (&b, OP_RLIMIT, 0);
  put_u32 (&b, RLIMIT_CORE);
  put_u64 (&b, 0);
  put_u64 (&b, 8192);
  put_command (&b, "id -u; id -G; cat /proc/self/oom_score_adj; ulimit -H -c; grep CapEff /proc/self/status;"
                   "for n in user mnt net ipc uts pid cgroup; do [ $(readlink /proc/self/ns/$n) = $(readlink "
                   "/proc/1/ns/$n) ] || echo $n; done; ls /proc/self/fd; echo again > /dev/stdout");
  CHECK_RUN (run_plan_joined (&b, c.pidfd), "0\n0\n300\n16\nCapEff:\t000001ffffffffff\n0\n1\n2\n3\nagain\n");

  begin_plan (&b, JOIN_USER, PLAN_JOIN | PLAN_TERMINAL);
  put_op (&b, OP_CONSOLE, 0);
  put_u32 (&b, 30);
  put_u32 (&b, 100);
  put_u32 (&b, 1000);
  put_identity (&b, (struct identity){ .user = "app", .want_home = true });
  put_caps (&b, 0, 0);
  put_command (&b, "id -u; id -G; tty; stat -c %u /dev/pts/0; echo $HOME");
  CHECK_RUN (run_plan_joined (&b, c.pidfd), "1000\r\n1001 10 50\r\n/dev/pts/0\r\n1000\r\n/home/app\r\n");
  end_sleeper (&c, &o, &out);
}

TEST ("who is in the namespaces already cannot look into a process that is being set up") {
  struct builder b;
  struct container c, waiting;
  struct outcome o, second;
  struct err e;
  char path[64];
  int out;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  run_sleeper (&b, &c, &o, &out);
  begin_plan (&b, CLONE_NEWUTS, 0);
  snprintf (path, sizeof path, "/proc/%d/ns/user", c.pid);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWUSER);
  put_str (&b, path);
  snprintf (path, sizeof path, "/proc/%d/ns/pid", c.pid);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWPID);
  put_str (&b, path);
  put_op (&b, OP_SYNC, 0);
  put_exec (&b, STRV ("/bin/true"), STRV (), "");
  int waiting_out = start_plan (&b, -1, &waiting, &second);
  MUST (waiting_out >= 0);
  while (container_sync (&waiting, &e) != SYNC_CREATED)
    poll (&(struct pollfd){ .fd = waiting.sync_fd, .events = POLLIN }, 1, 20000);

  begin_plan (&b, JOIN_USER, PLAN_JOIN);
  put_command (
      &b, "for d in /proc/[0-9]*; do grep -q gantry $d/comm || continue; readlink $d/exe; readlink $d/cwd; ls $d/fd "
          "2>/dev/null; cat $d/environ 2>/dev/null; echo closed; done");
  CHECK_RUN (run_plan_joined (&b, c.pidfd), "closed\n");
  MUST (container_go (&waiting, &e) == 0);
  attend (&waiting, &waiting_out, &second);
  container_release (&waiting);
  CHECK (second.code == 0);
  end_sleeper (&c, &o, &out);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
