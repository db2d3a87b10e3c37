/* What a process is given besides its root and its rights: clocks, CPUs, priorities, labels. Seen from inside. Needs
 * root and busybox-static. */
#include <sys/personality.h>

#include "sandbox.h"

static bool can_unshare_time (void) {
  return access ("/proc/self/ns/time_for_children", F_OK) == 0;
}

/* ---- clocks ---- */

TEST ("time offsets move the clocks that the process reads") {
  struct builder b;
  NEEDS_SANDBOX ();
  if (!can_unshare_time ())
    SKIP ("needs a kernel with time namespaces");

  begin_plan (&b, ALL_NEW, 0);
  put_text (&b, OP_TIME_OFFSETS, 0, "monotonic 100000 0\nboottime 864000000 5\n");
  put_root (&b);
  put_kernel_trees (&b);
  put_pivot (&b, false);
  put_command (&b,
               "read up rest < /proc/uptime; [ ${up%.*} -ge 864000000 ] && echo moved; cat /proc/self/timens_offsets;"
               "[ $(readlink /proc/self/ns/time) = $(readlink /proc/self/ns/time_for_children) ] && echo entered;"
               "readlink /proc/self/ns/time");
  char expected[256], own[64] = { 0 };
  MUST (readlink ("/proc/self/ns/time", own, sizeof own - 1) > 0);
  struct outcome *o = run_plan (&b);
  CHECK (o->started && o->code == 0);
  snprintf (expected, sizeof expected,
            "moved\nmonotonic      100000         0\nboottime    864000000         5\nentered\n");
  CHECK (strncmp (o->out, expected, strlen (expected)) == 0);
  CHECK (strncmp (o->out + strlen (expected), own, strlen (own)) != 0);
}

/* Before execve, which enters a namespace for children on newer kernels by itself. */
TEST ("the time namespace is entered at once") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  char path[2][64], name[2][64] = { { 0 } };
  NEEDS_SANDBOX ();
  if (!can_unshare_time ())
    SKIP ("needs a kernel with time namespaces");

  begin_plan (&b, CLONE_NEWPID, 0);
  put_text (&b, OP_TIME_OFFSETS, 0, "monotonic 1 0\n");
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "true");
  int out = start_plan (&b, -1, &c, &o);
  CHECK (out >= 0);
  struct pollfd created = { .fd = c.sync_fd, .events = POLLIN };
  poll (&created, 1, 10000);
  enum sync_event event = container_sync (&c, &e);
  for (int i = 0; i < 2; i++) {
    snprintf (path[i], sizeof path[i], "/proc/%d/ns/%s", c.pid, i == 0 ? "time" : "time_for_children");
    MUST (readlink (path[i], name[i], sizeof name[i] - 1) > 0);
  }
  MUST (container_go (&c, &e) == 0);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK (event == SYNC_CREATED);
  CHECK_TEXT (name[0], name[1]);
}

TEST ("a time offset that the kernel refuses is named") {
  struct builder b;
  NEEDS_SANDBOX ();
  if (!can_unshare_time ())
    SKIP ("needs a kernel with time namespaces");

  begin_plan (&b, CLONE_NEWPID, 0);
  put_text (&b, OP_TIME_OFFSETS, 0, "monotonic -100000000000 0\n"); /* before the clock's start */
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), ERANGE, "cannot set the time offsets \"monotonic -100000000000 0\n\"");
}

/* ---- scheduling ---- */

static void begin_plain (struct builder *b) {
  begin_plan (b, ALL_NEW, 0);
  put_root (b);
  put_kernel_trees (b);
  put_pivot (b, false);
}

static void put_scheduler (struct builder *b, uint32_t policy, uint64_t flags, int nice, uint32_t priority) {
  put_op (b, OP_SCHEDULER, 0);
  put_u32 (b, policy);
  put_u64 (b, flags);
  put_u32 (b, (uint32_t) nice);
  put_u32 (b, priority);
  for (int i = 0; i < 3; i++)
    put_u64 (b, 0);
}

static void put_number (struct builder *b, uint16_t kind, uint32_t value) {
  put_op (b, kind, 0);
  put_u32 (b, value);
}

TEST ("the process runs on the CPUs of the plan, and CPUs that nobody has are named") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plain (&b);
  put_op (&b, OP_AFFINITY, 0);
  put_blob (&b, "\x1\0\0", 3);
  put_command (&b, "grep Cpus_allowed_list /proc/self/status");
  CHECK_RUN (run_plan (&b), "Cpus_allowed_list:\t0\n");

  uint8_t far[128] = { 0 };
  far[120] = 0x0b;
  far[125] = 0xff;
  far[126] = 0x01;
  begin_plan (&b, 0, 0);
  put_op (&b, OP_AFFINITY, 0);
  put_blob (&b, far, sizeof far);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot run on the CPUs \"960-961,963,1000-1008\"");
}

TEST ("nice values, real-time priorities and the reset on fork are the kernel's") {
  struct builder b;
  NEEDS_SANDBOX ();

  /* Fields 19, 40 and 41 of /proc/PID/stat: nice, real-time priority, policy. */
  const char *script = "set -- $(cat /proc/$$/stat); shift 18; echo nice $1; shift 21; echo real-time $1 policy $2";
  begin_plain (&b);
  put_scheduler (&b, 3, 0, -5, 0);
  put_command (&b, script);
  CHECK_RUN (run_plan (&b), "nice -5\nreal-time 0 policy 3\n");
  begin_plain (&b);
  put_scheduler (&b, 0, 0, 7, 0);
  put_command (&b, script);
  CHECK_RUN (run_plan (&b), "nice 7\nreal-time 0 policy 0\n");
  begin_plain (&b);
  put_scheduler (&b, 2, 1, 0, 12);
  put_command (&b, "set -- $(sh -c 'cat /proc/$$/stat'); shift 39; echo child $1 $2; set -- $(cat /proc/$$/stat);"
                   "shift 39; echo self $1 $2");
  CHECK_RUN (run_plan (&b), "child 0 0\nself 12 2\n");
}

TEST ("scheduling that the kernel refuses is named with its values") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, 0, 0);
  put_scheduler (&b, 1, 0, 0, 0);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL,
               "cannot set the scheduling policy 1 (flags 0x0, nice 0, priority 0, runtime 0, deadline 0, period 0)");
  begin_plan (&b, 0, 0);
  put_number (&b, OP_IO_PRIORITY, 5 << 13 | 1);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot set the I/O priority 1 of class 5");
}

TEST ("the I/O priority and the personality hold after execve") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  NEEDS_SANDBOX ();

  begin_plain (&b);
  put_number (&b, OP_IO_PRIORITY, 2 << 13 | 5);
  put_number (&b, OP_PERSONALITY, ADDR_NO_RANDOMIZE);
  put_command (&b, "cat /proc/$$/personality; sleep 20");
  int out = start_plan (&b, -1, &c, &o);
  CHECK (out >= 0);
  MUST (container_go (&c, &e) == 0);
  await_output (&out, &o);
  long ioprio = syscall (SYS_ioprio_get, 1, c.pid);
  kill (c.pid, SIGKILL);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK (ioprio == (2 << 13 | 5));
  CHECK_TEXT (o.out, "00040000\n");
}

/* ---- labels ---- */

static void put_label (struct builder *b, uint32_t module, const char *label) {
  put_op (b, OP_LABEL, 0);
  put_u32 (b, module);
  put_str (b, label);
}

/* Everything that a runtime might take for its attribute files. */
static void make_false_proc (void) {
  static const char *const directories[] = { "",        "/self",     "/self/attr",     "/self/attr/apparmor",    "/1",
                                             "/1/task", "/1/task/1", "/1/task/1/attr", "/1/task/1/attr/apparmor" };
  static const char *const files[] = { "self/attr/exec",     "self/attr/keycreate",     "self/attr/apparmor/exec",
                                       "1/task/1/attr/exec", "1/task/1/attr/keycreate", "1/task/1/attr/apparmor/exec" };
  char path[256];

  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    snprintf (path, sizeof path, BOX ("false%s"), directories[i]);
    must (mkdir (path, 0755) == 0, path);
  }
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf (path, sizeof path, BOX ("false/%s"), files[i]);
    write_text (path, "");
  }
}

static struct outcome *run_labelled (uint32_t module, bool with_keyring) {
  struct builder b;

  fresh_root ();
  make_false_proc ();
  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_bind (&b, BOX ("false"), "/proc", 0, 0);
  put_pivot (&b, false);
  if (with_keyring)
    put_text (&b, OP_KEYRING, 0, "_ses.test");
  put_label (&b, module, module == LABEL_APPARMOR ? "no-such-profile" : "nobody_u:nothing_r:none_t:s0");
  put_command (&b, "true");
  return run_plan (&b);
}

#define FALSE_PROC_IS_EMPTY()                                                                                          \
  (system ("test -z \"$(find " SANDBOX "/false -type f -size +0)\" && test -f " SANDBOX                                \
           "/false/1/task/1/attr/exec") == 0)

TEST ("a label without its security module is an error, and a false /proc is not written") {
  NEEDS_SANDBOX ();
  if (access ("/sys/module/apparmor/parameters/enabled", F_OK) == 0 || access ("/sys/fs/selinux/enforce", F_OK) == 0)
    SKIP ("needs a kernel without AppArmor and SELinux");

  CHECK_FAILS (run_labelled (LABEL_APPARMOR, false), EINVAL, "cannot use the AppArmor profile \"no-such-profile\"");
  CHECK (FALSE_PROC_IS_EMPTY ());
  CHECK_FAILS (run_labelled (LABEL_SELINUX, false), EINVAL,
               "cannot use the SELinux label \"nobody_u:nothing_r:none_t:s0\" for the process");
  CHECK (FALSE_PROC_IS_EMPTY ());
  CHECK_FAILS (run_labelled (LABEL_SELINUX, true), EINVAL,
               "cannot use the SELinux label \"nobody_u:nothing_r:none_t:s0\" for its keys");
  CHECK (FALSE_PROC_IS_EMPTY ());
}

TEST ("in a user namespace clocks are set and a label is asked for by the process itself") {
  struct builder b;
  NEEDS_SANDBOX ();
  if (access ("/sys/module/apparmor/parameters/enabled", F_OK) == 0)
    SKIP ("needs a kernel without AppArmor");

  begin_plan (&b, ALL_NEW, 0);
  put_texts (&b, OP_USERNS, 0, "0 100000 65536\n", "0 100000 65536\n");
  put_text (&b, OP_TIME_OFFSETS, 0, "monotonic 1 0\n");
  put_root (&b);
  put_kernel_trees (&b);
  put_protections (&b);
  put_pivot (&b, false);
  put_label (&b, LABEL_APPARMOR, "x"); /* that the kernel has no such module is all that can fail */
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot use the AppArmor profile \"x\"");
}

TEST ("a label too long for the kernel is refused, not cut off") {
  struct builder b;
  char label[5000];
  NEEDS_SANDBOX ();

  memset (label, 'x', sizeof label - 1);
  label[sizeof label - 1] = '\0';
  begin_plan (&b, CLONE_NEWPID, 0);
  put_label (&b, LABEL_APPARMOR, label);
  put_command (&b, "true");
  struct outcome *o = run_plan (&b);
  CHECK (!o->started && o->err.code == ENAMETOOLONG);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
