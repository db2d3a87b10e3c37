/* Real containers in user namespaces: who they are and what they may, seen from inside and from the host.
 * Needs root and busybox-static. */
#include <grp.h>
#include <linux/nsfs.h>
#include <sys/resource.h>

#include "userns_sandbox.h"

/* ---- who the process is ---- */

TEST ("the process is root inside, nobody outside, and has no group of the host") {
  NEEDS_SANDBOX ();
  MUST (setgroups (2, (gid_t[]){ 0, 27 }) == 0);
  struct outcome *o = run_in_userns ("id -u; id -g; id -G; tr -s ' ' < /proc/self/uid_map; cat /proc/self/setgroups;"
                                     "grep CapEff /proc/self/status; stat -c %u:%g /proc/self/");
  MUST (setgroups (0, NULL) == 0);
  CHECK_RUN (o, "0\n0\n0\n 0 100000 65536\nallow\nCapEff:\t000001ffffffffff\n0:0\n");
}

/* Whether a namespace of the process belongs to its user namespace. */
static bool owns (pid_t pid, const char *kind) {
  struct stat user, owner;
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/ns/user", pid);
  MUST (stat (path, &user) == 0);
  snprintf (path, sizeof path, "/proc/%d/ns/%s", pid, kind);
  int namespace = open (path, O_RDONLY | O_CLOEXEC);
  int fd = namespace < 0 ? -1 : ioctl (namespace, NS_GET_USERNS);
  must (fd >= 0 && fstat (fd, &owner) == 0, path);
  close (fd);
  close (namespace);
  return owner.st_ino == user.st_ino;
}

TEST ("the host sees the mapped ids, and all namespaces belong to the user namespace") {
  static const char *const kinds[] = { "mnt", "pid", "net", "ipc", "uts", "cgroup" };
  struct builder b;
  struct container c;
  struct outcome o;
  char path[64];
  int out;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  run_sleeper (&b, &c, &o, &out);
  snprintf (path, sizeof path, "/proc/%d", c.pid);
  CHECK_TEXT (owner_of (path), "100000:100000");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    CHECK (owns (c.pid, kinds[i]));
  end_sleeper (&c, &o, &out);
}

TEST ("a namespace without user 0 makes the process its first user, never one of the host") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_userns (&b, "1000 100000 10\n");
  put_overlay (&b, IDMAP_NONE);
  put_pivot (&b, false);
  put_command (&b, "id -u; id -g");
  CHECK_RUN (run_plan (&b), "1000\n1000\n");
}

TEST ("IDENTITY, capabilities and standard streams are those of the mapped user") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  put_op (&b, OP_BOUNDING, 0);
  put_u64 (&b, DOCKER_CAPS);
  put_identity (&b, (struct identity){ .user = "app", .want_home = true });
  put_caps (&b, 0, 0);
  put_command (&b, "id -u; id -G; grep -E 'CapEff|CapBnd' /proc/self/status; echo again > /dev/stdout");
  CHECK_RUN (run_plan (&b), "1000\n1001 10 50\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nagain\n");
}

/* ---- devices, kernel trees, terminal ---- */

TEST ("devices work, belong to the container's users and cannot be made inside") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, 0);
  put_op (&b, OP_DEVICE, 0);
  put_str (&b, "/dev/deep/mine");
  put_u32 (&b, 'c');
  put_u32 (&b, 1);
  put_u32 (&b, 5);
  put_u32 (&b, 0640);
  put_u32 (&b, 3);
  put_u32 (&b, 4);
  put_device (&b, "/dev/null", 1, 3);
  put_pivot (&b, false);
  put_command (&b, "cd /dev; stat -c '%n %F %a %u:%g %t:%T' null tty deep/mine; echo x > null; head -c 2 zero | wc -c;"
                   "chmod 600 deep/mine && stat -c %a deep/mine; mknod bad c 1 3 2>/dev/null || echo refused;"
                   "ls -d /dev/ma* /root/root 2>/dev/null; cat /proc/keys | wc -c");
  CHECK_RUN (run_plan (&b), "null character special file 666 0:0 1:3\ntty character special file 666 0:0 5:0\n"
                            "deep/mine character special file 640 3:4 1:5\n2\n600\nrefused\n0\n");
}

TEST ("a device over something else is refused") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, NEW_AND_CGROUP, 0);
  put_userns (&b, MAP);
  put_overlay (&b, IDMAP_CONTAINER);
  put_device (&b, "/etc/passwd", 1, 3);
  put_pivot (&b, false);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EEXIST, "cannot make the device \"/etc/passwd\"");
}

TEST ("a terminal, sysctls, names, limits and the loopback interface work") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_in_userns (&b, PLAN_TERMINAL);
  put_pivot (&b, false);
  put_texts (&b, OP_SYSCTL, 0, "net/ipv4/ip_unprivileged_port_start", "7");
  put_texts (&b, OP_SYSCTL, 0, "kernel/msgmax", "4096");
  put_text (&b, OP_HOSTNAME, 0, "box");
  put_op (&b, OP_LOOPBACK_UP, 0);
  put_op (&b, OP_RLIMIT, 0);
  put_u32 (&b, RLIMIT_CORE);
  put_u64 (&b, 4096);
  put_u64 (&b, 8192);
  put_op (&b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (&b, 500);
  put_text (&b, OP_KEYRING, 0, "box");
  put_command (&b, "tty; stat -c %u:%g /dev/pts/0 /dev/console; cat /proc/sys/net/ipv4/ip_unprivileged_port_start;"
                   "cat /proc/sys/kernel/msgmax /proc/self/oom_score_adj; hostname; ulimit -c; ulimit -H -c;"
                   "cat /sys/class/net/lo/flags");
  CHECK_RUN (run_plan (&b), "/dev/pts/0\r\n0:5\r\n0:5\r\n7\r\n4096\r\n500\r\nbox\r\n8\r\n16\r\n0x9\r\n");
}

TEST ("a time namespace has its offsets and belongs to the user namespace") {
  struct builder b;
  struct container c;
  struct outcome o;
  int out;
  NEEDS_SANDBOX ();
  if (access ("/proc/self/timens_offsets", F_OK) < 0)
    SKIP ("needs a kernel with time namespaces");

  begin_plan (&b, NEW_AND_CGROUP, 0);
  put_userns (&b, MAP);
  put_text (&b, OP_TIME_OFFSETS, 0, "monotonic 7 0\nboottime 1000000000 0\n");
  put_overlay (&b, IDMAP_CONTAINER);
  put_kernel_trees (&b);
  put_pivot (&b, false);
  run_sleeper (&b, &c, &o, &out);
  begin_plan (&b, JOIN_USER | CLONE_NEWTIME, PLAN_JOIN);
  put_command (&b, "head -c 2 /proc/uptime; echo; cat /proc/1/timens_offsets | tr -s ' '; [ $(readlink "
                   "/proc/self/ns/time) = $(readlink /proc/1/ns/time) ] && echo same");
  CHECK_RUN (run_plan_joined (&b, c.pidfd), "10\nmonotonic 7 0\nboottime 1000000000 0\nsame\n");
  CHECK (owns (c.pid, "time"));
  end_sleeper (&c, &o, &out);
}

static bool may_raise_limits (void) {
  pid_t child = fork ();
  int status;

  if (child == 0) {
    struct rlimit low = { 0, 1 }, high = { 0, 2 };
    _exit (setrlimit (RLIMIT_CORE, &low) == 0 && setrlimit (RLIMIT_CORE, &high) == 0 ? 0 : 1);
  }
  MUST (child > 0 && waitpid (child, &status, 0) == child);
  return status == 0;
}

TEST ("a hard limit can be higher than the shim's own, and the OOM score lower") {
  struct rlimit saved, low = { 0, 1024 };
  struct builder b;
  NEEDS_SANDBOX ();
  if (!may_raise_limits ())
    SKIP ("needs CAP_SYS_RESOURCE");

  MUST (getrlimit (RLIMIT_CORE, &saved) == 0 && setrlimit (RLIMIT_CORE, &low) == 0);
  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  put_op (&b, OP_RLIMIT, 0);
  put_u32 (&b, RLIMIT_CORE);
  put_u64 (&b, 2048);
  put_u64 (&b, 8192);
  put_op (&b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (&b, (uint32_t) -500);
  put_command (&b, "ulimit -c; ulimit -H -c; cat /proc/self/oom_score_adj");
  struct outcome *o = run_plan (&b);
  MUST (setrlimit (RLIMIT_CORE, &saved) == 0);
  CHECK_RUN (o, "4\n16\n-500\n");
}

TEST ("nothing of the host stays: no mount, no descriptor, no right") {
  NEEDS_SANDBOX ();

  CHECK_RUN (
      run_in_userns ("ls /proc/self/fd; grep -cE '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ /(tmp|root|etc)' /proc/self/mountinfo;"
                     "grep -c ' / / ' /proc/self/mountinfo;"
                     "head -1 /proc/self/mountinfo | grep -c ' / / rw'; ls /;"
                     "echo 1 2>/dev/null > /proc/sys/kernel/panic || echo refused"),
      "0\n1\n2\n3\n0\n1\n1\nbin\ndev\netc\nproc\nroot\nsys\ntmp\nrefused\n");
}

/* ---- cgroups ---- */

static const char *writable_cgroup (const char *const *candidates, const char *file) {
  static char path[64];

  for (; *candidates != NULL; candidates++) {
    snprintf (path, sizeof path, "%s/%s", *candidates, file);
    if (access (path, W_OK) == 0)
      return *candidates;
  }
  return NULL;
}

TEST ("cgroups of the host are joined, and are the root of the container's cgroup namespace") {
  const char *v1 = writable_cgroup (STRV ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer"), "tasks");
  const char *v2 = writable_cgroup (STRV ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"), "cgroup.subtree_control");
  const char *hierarchies[] = { v1, v2 };
  int expected = 0;
  char directory[128], script[512];
  struct builder b;
  NEEDS_SANDBOX ();
  if (v1 == NULL && v2 == NULL)
    SKIP ("needs a cgroup hierarchy that may be written to");

  begin_plan (&b, NEW_AND_CGROUP, 0);
  for (uint32_t i = 0; i < 2; i++)
    if (hierarchies[i] != NULL) {
      snprintf (directory, sizeof directory, "%s/gantry-userns-%d", hierarchies[i], getpid ());
      put_text (&b, OP_CGROUP_CREATE, 0, directory);
      put_text (&b, OP_CGROUP_JOIN, 0, directory);
      put_u32 (&b, i + 1);
      expected++;
    }
  put_userns (&b, MAP);
  put_overlay (&b, IDMAP_CONTAINER);
  put_kernel_trees (&b);
  if (v2 != NULL)
    put_mount (&b, "cgroup2", "/sys/fs/cgroup", STRV (), KERNEL_FS | MOUNT_ATTR_RDONLY, 0);
  put_pivot (&b, false);
  snprintf (script, sizeof script, "grep -c gantry-userns /proc/self/cgroup; grep -cE '%s%s' /proc/self/cgroup; %s",
            v1 == NULL                                ? "^$"
            : strcmp (v1, "/sys/fs/cgroup/pids") == 0 ? ":pids:/$"
                                                      : ":freezer:/$",
            v2 == NULL ? "" : "|^0::/$", v2 == NULL ? "echo 1" : "cat /sys/fs/cgroup/cgroup.procs | wc -l");
  put_command (&b, script);
  struct outcome *o = run_plan (&b);
  snprintf (script, sizeof script, "0\n%d\n", expected);
  CHECK (o->started);
  CHECK (strncmp (o->out, script, strlen (script)) == 0);
  CHECK (access (directory, F_OK) < 0);
}

/* ---- failures ---- */

static int count_entries (const char *path) {
  DIR *d = opendir (path);
  int n = 0;

  while (readdir (d) != NULL)
    n++;
  closedir (d);
  return n;
}

TEST ("failed ways into a user namespace leave nothing behind") {
  char before[65536];
  NEEDS_SANDBOX ();
  CHECK_RUN (run_in_userns ("true"), "");
  while (waitpid (-1, NULL, __WALL | WNOHANG) > 0)
    ; /* who set up the joining processes of other tests */
  int descriptors = count_entries ("/proc/self/fd");
  strcpy (before, read_text ("/proc/self/mountinfo"));

  for (int i = 0; i < 5; i++) {
    struct builder b;
    begin_plan (&b, NEW_AND_CGROUP, 0);
    put_userns (&b, i == 0 ? "0 100000 0\n" : i == 1 ? "0 1 10\n5 20 10\n" : MAP);
    put_overlay (&b, IDMAP_CONTAINER);
    if (i == 2)
      put_bind (&b, BOX ("nowhere"), "/x", 0, 0);
    if (i == 3)
      put_mount (&b, "devpts", "/dev", STRV ("gid=70000"), 0, 0);
    put_pivot (&b, false);
    put_command (&b, i == 4 ? "exit 3" : "true");
    struct outcome *o = run_plan (&b);
    if (i < 2)
      CHECK (strncmp (o->err.text, "cannot give a user namespace the uid_map \"", 42) == 0 && o->err.code == EINVAL &&
             o->err.op == 1);
    if (i == 2)
      CHECK_FAILS (o, ENOENT, "cannot bind \"" BOX ("nowhere") "\"");
    if (i == 3)
      CHECK (!o->started && o->err.op == 4);
    CHECK (i < 4 || o->code == 3);
    CHECK (waitpid (-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
  }
  CHECK (count_entries ("/proc/self/fd") == descriptors);
  CHECK_TEXT (read_text ("/proc/self/mountinfo"), before);
}

TEST ("a shim that is killed at any moment leaves no process and no mount behind") {
  char before[65536];
  NEEDS_SANDBOX ();
  while (waitpid (-1, NULL, __WALL | WNOHANG) > 0)
    ;
  strcpy (before, read_text ("/proc/self/mountinfo"));
  MUST (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  for (int i = 0; i < 40; i++) {
    pid_t shim = fork ();
    if (shim == 0) {
      struct builder b;
      struct container c;
      struct outcome o;
      begin_in_userns (&b, 0);
      put_pivot (&b, false);
      put_op (&b, OP_SYNC, 0);
      put_command (&b, "touch /started");
      start_plan (&b, -1, &c, &o);
      for (;;)
        pause ();
    }
    MUST (shim > 0);
    nanosleep (&(struct timespec){ .tv_nsec = i * 400000 }, NULL);
    MUST (kill (shim, SIGKILL) == 0);
    /* Whoever is left is ours now, and ends by himself. */
    alarm (20);
    while (waitpid (-1, NULL, __WALL) > 0)
      ;
    alarm (0);
    CHECK (access (BOX ("upper/started"), F_OK) < 0);
    CHECK_TEXT (read_text ("/proc/self/mountinfo"), before);
  }
  MUST (prctl (PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
