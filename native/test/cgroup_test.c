/* Cgroups on the host's side and in the child: made, joined, asked, killed, removed. Needs root, busybox-static and a
 * hierarchy that may be written to. */
#include <linux/bpf.h>

#include "fds.h"
#include "sandbox.h"

#define V1_MEMORY "/sys/fs/cgroup/memory"
#define V1_FREEZER "/sys/fs/cgroup/freezer"
#define V1_DEVICES "/sys/fs/cgroup/devices"
static const char *unified; /* where cgroup2 is mounted */

static const char *task (const char *hierarchy, const char *below) {
  static char paths[8][256];
  static int next;
  char *path = paths[next++ % 8];

  snprintf (path, sizeof paths[0], "%s/gantry-test-%d%s", hierarchy, getpid (), below);
  return path;
}

#define NEEDS(file)                                                                                                    \
  do                                                                                                                   \
    if (access ((file), W_OK) < 0)                                                                                     \
      SKIP ("needs " file);                                                                                            \
  while (0)

#define NEEDS_UNIFIED()                                                                                                \
  do {                                                                                                                 \
    unified = access ("/sys/fs/cgroup/cgroup.procs", W_OK) == 0           ? "/sys/fs/cgroup"                           \
              : access ("/sys/fs/cgroup/unified/cgroup.procs", W_OK) == 0 ? "/sys/fs/cgroup/unified"                   \
                                                                          : NULL;                                      \
    if (unified == NULL)                                                                                               \
      SKIP ("needs a cgroup2 hierarchy");                                                                              \
  } while (0)

static void put_join_op (struct builder *b, const char *directory, uint32_t version) {
  put_op (b, OP_CGROUP_JOIN, 0);
  put_str (b, directory);
  put_u32 (b, version);
}

static void put_cgroup (struct builder *b, const char *directory, uint32_t version) {
  put_text (b, OP_CGROUP_CREATE, 0, directory);
  put_join_op (b, directory, version);
}

/* The cgroup's path in its hierarchy, as /proc/self/cgroup shows it. */
static bool shows (const char *out, const char *path) {
  return strstr (out, strstr (path, "/gantry-test-")) != NULL;
}

static void put_plain_root (struct builder *b) {
  put_root (b);
  put_mount (b, "proc", "/proc", STRV (), 0, 0);
  put_pivot (b, false);
}

TEST ("a version 1 cgroup is made, written to, joined and removed") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS (V1_MEMORY "/tasks");
  const char *directory = task (V1_MEMORY, "/leaf");

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, directory, 1);
  put_texts (&b, OP_CGROUP_WRITE, 0, task (V1_MEMORY, "/leaf/memory.limit_in_bytes"), "67108864");
  put_texts (&b, OP_CGROUP_WRITE, OPF_MAY_MISS, task (V1_MEMORY, "/leaf/memory.nonsense"), "1");
  put_plain_root (&b);
  put_command (&b, "cat /proc/1/cgroup");
  struct outcome *o = run_plan (&b);
  CHECK (o->started && o->code == 0);
  CHECK (shows (o->out, directory));
  CHECK (access (task (V1_MEMORY, ""), F_OK) < 0);
}

TEST ("a version 2 cgroup is made, joined at birth and removed") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *directory = task (unified, "");

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, directory, 2);
  put_plain_root (&b);
  put_command (&b, "grep ^0:: /proc/1/cgroup");
  struct outcome *o = run_plan (&b);
  CHECK (o->started && o->code == 0);
  CHECK (shows (o->out, directory));
  CHECK (access (directory, F_OK) < 0);
}

TEST ("who kept a cgroup alive leaves it once the container is in it") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *directory = task (unified, "");
  char own[256];
  snprintf (own, sizeof own, "%s/cgroup.procs", unified);

  MUST (mkdir (directory, 0755) == 0);
  write_text (task (unified, "/cgroup.procs"), "0");
  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_text (&b, OP_CGROUP_LEAVE, 0, own);
  put_cgroup (&b, directory, 2);
  put_plain_root (&b);
  put_command (&b, "grep ^0:: /proc/1/cgroup");
  struct outcome *o = run_plan (&b);
  bool is_out = !shows (read_text ("/proc/self/cgroup"), directory);
  write_text (own, "0");
  CHECK (o->started && o->code == 0);
  CHECK (shows (o->out, directory));
  CHECK (is_out);
  rmdir (directory);
}

TEST ("a cgroup is given to a user with the files that are named, as far as they exist") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *directory = task (unified, "");

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, directory, 2);
  put_text (&b, OP_CGROUP_OWNER, 0, directory);
  put_u32 (&b, 100000);
  put_strv (&b, STRV ("cgroup.procs", "no.such.file"));
  put_root (&b);
  put_bind (&b, directory, "/mnt", 0, 0);
  put_pivot (&b, false);
  put_command (&b, "stat -c %u:%g /mnt /mnt/cgroup.procs /mnt/cgroup.kill");
  struct outcome *o = run_plan (&b);
  CHECK (o->started && o->code == 0);
  CHECK_TEXT (o->out, "100000:0\n100000:0\n0:0\n");
}

TEST ("a performer that cannot leave the cgroup starts nothing") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_text (&b, OP_CGROUP_LEAVE, 0, "/sys/fs/cgroup/no-such/cgroup.procs");
  put_cgroup (&b, task (unified, ""), 2);
  put_plain_root (&b);
  put_command (&b, "true");
  struct outcome *o = run_plan (&b);
  CHECK (!o->started);
  CHECK (strstr (o->err.text, "no-such") != NULL && o->err.op == 1);
  CHECK (access (task (unified, ""), F_OK) < 0);
}

TEST ("a performer whose child is never born leaves the cgroup before what is in there is killed") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *directory = task (unified, "");
  char own[256];
  snprintf (own, sizeof own, "%s/cgroup.procs", unified);

  MUST (mkdir (directory, 0755) == 0);
  write_text (task (unified, "/cgroup.procs"), "0");
  begin_plan (&b, CLONE_NEWNS, PLAN_HOST_PID);
  put_text (&b, OP_CGROUP_LEAVE, 0, own);
  put_text (&b, OP_CGROUP_CREATE, 0, directory);
  put_join_op (&b, task (unified, "/missing"), 2);
  put_plain_root (&b);
  put_command (&b, "true");
  struct outcome *o = run_plan (&b);
  bool is_out = !shows (read_text ("/proc/self/cgroup"), directory);
  write_text (own, "0");
  CHECK (!o->started && strstr (o->err.text, "missing") != NULL);
  CHECK (is_out);
  rmdir (directory);
}

TEST ("a cgroup namespace made after joining hides the way up") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, task (unified, ""), 2);
  put_op (&b, OP_UNSHARE, 0);
  put_u32 (&b, CLONE_NEWCGROUP);
  put_plain_root (&b);
  put_command (&b, "grep ^0:: /proc/1/cgroup");
  CHECK_RUN (run_plan (&b), "0::/\n");
}

TEST ("a failed start leaves no cgroup behind") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *directory = task (unified, "/a/b");

  for (int i = 0; i < 3; i++) {
    begin_plan (&b, CLONE_NEWNS, 0);
    put_cgroup (&b, directory, 2);
    if (i == 0)
      put_texts (&b, OP_CGROUP_WRITE, 0, task (unified, "/a/b/nonsense"), "1");
    if (i == 1)
      put_text (&b, OP_OOM_FILE, 0, task (unified, "/a/b/nonsense"));
    put_plain_root (&b);
    put_exec (&b, STRV ("nothing"), STRV (), PATH);
    CHECK (!run_plan (&b)->started);
    CHECK (access (task (unified, ""), F_OK) < 0);
  }
}

TEST ("a directory that was there before stays") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *above = task (unified, ""), *directory = task (unified, "/leaf");

  MUST (mkdir (above, 0755) == 0);
  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, directory, 2);
  put_plain_root (&b);
  put_command (&b, "true");
  CHECK_RUN (run_plan (&b), "");
  bool gone = access (directory, F_OK) < 0;
  CHECK (rmdir (above) == 0);
  CHECK (gone);
}

TEST ("cgroups that the container made below its own are removed with it") {
  struct builder b;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, task (unified, ""), 2);
  put_root (&b);
  put_bind (&b, unified, "/cg", 0, 0);
  put_pivot (&b, false);
  char script[256];
  snprintf (script, sizeof script, "cd /cg/gantry-test-%d && mkdir -p a/b/c/d/e a/f g && ls", getpid ());
  put_command (&b, script);
  struct outcome *o = run_plan (&b);
  CHECK (strstr (o->out, "a\n") != NULL && strstr (o->out, "\ng\n") != NULL);
  CHECK (o->code == 0);
  CHECK (access (task (unified, ""), F_OK) < 0);
}

static void check_leftovers_are_killed (const char *directory, uint32_t version) {
  struct builder b;

  begin_plan (&b, CLONE_NEWNS, PLAN_HOST_PID);
  put_cgroup (&b, directory, version);
  put_plain_root (&b);
  put_command (&b, "for i in 1 2 3 4 5; do (trap '' TERM; setsid sleep 1000 >/dev/null 2>&1 &); done");
  struct outcome *o = run_plan (&b);
  CHECK (o->started && o->code == 0);
  CHECK (access (directory, F_OK) < 0);
}

TEST ("what a process in the host's pid namespace leaves running is killed") {
  NEEDS_SANDBOX ();
  prctl (PR_SET_CHILD_SUBREAPER, 1);
  NEEDS_UNIFIED ();
  check_leftovers_are_killed (task (unified, ""), 2);
  if (access (V1_MEMORY "/tasks", W_OK) == 0)
    check_leftovers_are_killed (task (V1_MEMORY, ""), 1);
  if (access (V1_FREEZER "/tasks", W_OK) == 0)
    check_leftovers_are_killed (task (V1_FREEZER, ""), 1);
  while (waitpid (-1, NULL, WNOHANG) > 0)
    continue;
}

TEST ("a joining process is in the cgroup") {
  struct builder b;
  struct container c;
  struct outcome first;
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();
  const char *v2 = task (unified, "");
  const char *v1 = access (V1_MEMORY "/tasks", W_OK) == 0 ? task (V1_MEMORY, "") : NULL;

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_cgroup (&b, v2, 2);
  if (v1 != NULL)
    put_cgroup (&b, v1, 1);
  put_plain_root (&b);
  put_command (&b, "echo ready; sleep 1000; true");
  int out = start_plan (&b, -1, &c, &first);
  MUST (out >= 0);
  await_output (&out, &first);

  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_join_op (&b, v2, 2);
  if (v1 != NULL)
    put_join_op (&b, v1, 1);
  put_command (&b, "cat /proc/$$/cgroup");
  struct outcome *o = run_plan_joined (&b, c.pidfd);
  bool is_member =
      o->started && shows (strstr (o->out, "0::"), v2) && (v1 == NULL || shows (strstr (o->out, "memory:"), v1));
  kill (c.pid, SIGKILL);
  attend (&c, &out, &first);
  container_release (&c);
  CHECK (is_member);
  CHECK (access (v2, F_OK) < 0);
}

TEST ("a process that the kernel killed for its memory is known") {
  NEEDS_SANDBOX ();
  NEEDS (V1_MEMORY "/tasks");

  for (int oom = 0; oom < 2; oom++) {
    struct builder b;
    struct container c;
    struct outcome o;
    struct err e;
    begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
    put_cgroup (&b, task (V1_MEMORY, ""), 1);
    put_texts (&b, OP_CGROUP_WRITE, 0, task (V1_MEMORY, "/memory.limit_in_bytes"), "16777216");
    put_text (&b, OP_OOM_FILE, 0, task (V1_MEMORY, "/memory.oom_control"));
    put_root (&b);
    put_mount (&b, "tmpfs", "/dev", STRV (), 0, 0);
    put_device (&b, "/dev/zero", 1, 5);
    put_device (&b, "/dev/null", 1, 3);
    put_pivot (&b, false);
    put_exec (&b, STRV ("dd", "if=/dev/zero", "of=/dev/null", "count=1", oom ? "bs=64M" : "bs=1k"), STRV (), PATH);
    int out = start_plan (&b, -1, &c, &o);
    MUST (out >= 0);
    auto_fd watched = container_watch_oom (&c);
    MUST (watched >= 0 && container_go (&c, &e) == 0);
    attend (&c, &out, &o);
    bool struck = container_was_oom_killed (&c);
    bool told = container_ran_out_of_memory (&c, watched);
    bool told_again = container_ran_out_of_memory (&c, watched);
    container_release (&c);
    CHECK (struck == (oom == 1));
    CHECK (told == struck && !told_again);
    CHECK (!container_ran_out_of_memory (&c, watched));
    CHECK (o.code == (oom ? 128 + SIGKILL : 0));
  }
}

TEST ("a device program decides what may be opened") {
  NEEDS_SANDBOX ();
  NEEDS_UNIFIED ();

  for (int allowed = 0; allowed < 2; allowed++) {
    struct bpf_insn program[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = allowed },
                                  { .code = BPF_JMP | BPF_EXIT } };
    struct builder b;
    begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
    put_cgroup (&b, task (unified, ""), 2);
    put_op (&b, OP_CGROUP_BPF, 0);
    put_str (&b, task (unified, ""));
    put_blob (&b, program, sizeof program);
    put_root (&b);
    put_mount (&b, "tmpfs", "/dev", STRV (), 0, 0);
    put_bind (&b, "/dev/zero", "/dev/zero", 0, OPF_TARGET_FILE);
    put_pivot (&b, false);
    put_command (&b, "head -c 1 /dev/zero 2>&1 | tr '\\0' 0");
    struct outcome *o = run_plan (&b);
    if (!o->started && strstr (o->err.text, "cannot load the device program") != NULL)
      SKIP ("needs the right to load programs of the cgroup device type");
    CHECK_TEXT (o->out, allowed ? "0" : "head: /dev/zero: Operation not permitted\n");
  }
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
