/* Real containers in user namespaces, and mounts with mapped ids: who owns what, seen from inside and from the host.
 * Needs root and busybox-static. */
#include <grp.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "sandbox.h"

#define FIRST 100000
#define MAP "0 100000 65536\n"
#define NEW_AND_CGROUP (ALL_NEW | CLONE_NEWCGROUP)
#define JOIN_USER (JOIN_ALL | CLONE_NEWUSER)

static void put_userns (struct builder *b, const char *map) {
  put_texts (b, OP_USERNS, 0, map, map);
}

static void put_idmap (struct builder *b, uint32_t id, const char *map) {
  put_op (b, OP_IDMAP, 0);
  put_u32 (b, id);
  put_str (b, map);
  put_str (b, map);
}

static void put_overlay (struct builder *b, uint32_t idmap) {
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_SLAVE);
  put_op (b, OP_ROOT_OVERLAY, 0);
  put_strv (b, STRV (BOX ("lower")));
  put_str (b, BOX ("upper"));
  put_str (b, BOX ("work"));
  put_strv (b, STRV ());
  put_str (b, BOX ("staging"));
  put_u32 (b, idmap);
}

static void put_mapped_bind (struct builder *b, const char *source, const char *target, uint32_t idmap,
                             uint16_t flags) {
  put_op (b, OP_BIND, flags);
  put_str (b, source);
  put_str (b, target);
  for (int i = 0; i < 5; i++)
    put_u64 (b, 0);
  put_u32 (b, idmap);
  put_str (b, "");
}

/* Everything a container has, in a user namespace, up to the pivot. */
static void begin_in_userns (struct builder *b, uint32_t flags) {
  begin_plan (b, NEW_AND_CGROUP, flags);
  put_userns (b, MAP);
  put_overlay (b, IDMAP_CONTAINER);
  put_kernel_trees (b);
  if ((flags & PLAN_TERMINAL) != 0) {
    put_op (b, OP_CONSOLE, 0);
    put_u32 (b, 30);
    put_u32 (b, 100);
    put_u32 (b, 0);
  }
  put_protections (b);
}

static struct outcome *run_in_userns (const char *script) {
  struct builder b;

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  put_command (&b, script);
  return run_plan (&b);
}

/* Owner of a path as the host's disk has it. */
static const char *owner_of (const char *path) {
  static char text[64];
  struct stat st;

  if (lstat (path, &st) < 0)
    return strerror (errno);
  snprintf (text, sizeof text, "%u:%u", st.st_uid, st.st_gid);
  return text;
}

static void run_sleeper (struct builder *b, struct container *c, struct outcome *o, int *out) {
  put_command (b, "echo ready; sleep 1000; true");
  *out = start_plan (b, -1, c, o);
  must (*out >= 0, o->err.text);
  await_output (out, o);
}

static void end_sleeper (struct container *c, struct outcome *o, int *out) {
  kill (c->pid, SIGKILL);
  attend (c, out, o);
  container_release (c);
}

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

/* ---- files ---- */

TEST ("an overlay with mapped ids keeps the host's ids on the disk") {
  NEEDS_SANDBOX ();
  MUST (chown (BOX ("lower/etc/group"), 7, 8) == 0);

  CHECK_RUN (run_in_userns ("cd /; stat -c '%n %u:%g' bin etc/passwd etc/group; touch made; mkdir dir; touch dir/x;"
                            "chown 5:6 dir/x; ln -s made link; chown 9:10 etc/group; echo >> etc/passwd;"
                            "rm bin/kill; stat -c '%n %u:%g' made dir/x etc/passwd etc/group;"
                            "mknod fifo p && echo fifo"),
             "bin 0:0\netc/passwd 0:0\netc/group 7:8\nmade 0:0\ndir/x 5:6\netc/passwd 0:0\netc/group 9:10\nfifo\n");
  CHECK_TEXT (owner_of (BOX ("upper/made")), "0:0");
  CHECK_TEXT (owner_of (BOX ("upper/dir/x")), "5:6");
  CHECK_TEXT (owner_of (BOX ("upper/link")), "0:0");
  CHECK_TEXT (owner_of (BOX ("upper/fifo")), "0:0");
  CHECK_TEXT (owner_of (BOX ("upper/etc/passwd")), "0:0");
  CHECK_TEXT (owner_of (BOX ("upper/etc/group")), "9:10");
  struct stat st;
  MUST (lstat (BOX ("upper/bin/kill"), &st) == 0);
  CHECK (S_ISCHR (st.st_mode) && st.st_rdev == 0);
  CHECK_TEXT (owner_of (BOX ("lower/etc/group")), "7:8");
}

TEST ("a bound root with mapped ids shows and keeps the host's ids, without a user namespace, too") {
  NEEDS_SANDBOX ();

  for (int with_user = 0; with_user < 2; with_user++) {
    struct builder b;
    fresh_root ();
    begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
    if (with_user == 1)
      put_userns (&b, MAP);
    else
      put_idmap (&b, 1, MAP);
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, MS_PRIVATE);
    put_texts (&b, OP_ROOT_BIND, 0, BOX ("lower"), BOX ("staging"));
    put_u32 (&b, with_user == 1 ? IDMAP_CONTAINER : 1);
    put_pivot (&b, false);
    put_command (&b, "stat -c %u:%g /bin; touch /made && stat -c %u:%g /made; true");
    CHECK_RUN (run_plan (&b),
               with_user == 1 ? "0:0\n0:0\n" : "100000:100000\ntouch: /made: Value too large for defined data type\n");
    CHECK_TEXT (owner_of (BOX ("lower/made")), with_user == 1 ? "0:0" : strerror (ENOENT));
  }
}

TEST ("an overlay with mapped ids works with and without a user namespace, by both system calls") {
  NEEDS_SANDBOX ();

  for (int variant = 0; variant < 4; variant++) {
    bool is_long = variant >= 2, with_user = variant % 2 == 1;
    char staging[400] = BOX ("staging/");
    struct builder b;
    fresh_root ();
    if (is_long)
      memset (staging + strlen (staging), 'x', 250);
    MUST (mkdir (staging, 0700) == 0 || errno == EEXIST);
    begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
    put_idmap (&b, 1, MAP);
    if (with_user)
      put_userns (&b, MAP);
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, MS_SHARED);
    put_op (&b, OP_ROOT_OVERLAY, 0);
    put_strv (&b, STRV (BOX ("lower"), BOX ("outside")));
    put_str (&b, BOX ("upper"));
    put_str (&b, BOX ("work"));
    put_strv (&b, STRV ());
    put_str (&b, staging);
    put_u32 (&b, 1);
    put_pivot (&b, false);
    const char *who = with_user ? "0" : "100000";
    put_identity (&b, (struct identity){ .user = who, .group = who });
    put_command (&b, "stat -c %u:%g /bin /secret; touch /made; stat -c %u:%g /made");
    CHECK_RUN (run_plan (&b), with_user ? "0:0\n0:0\n0:0\n" : "100000:100000\n100000:100000\n100000:100000\n");
    CHECK_TEXT (owner_of (BOX ("upper/made")), "0:0");
  }
}

TEST ("what is bound may be where the mapped root cannot go") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (mkdir (BOX ("private"), 0700) == 0 && mkdir (BOX ("private/a"), 0755) == 0);
  write_text (BOX ("private/a/file"), "here\n");
  MUST (mkdir (BOX ("private/staging"), 0700) == 0 && mkdir (BOX ("private/mapped"), 0700) == 0);
  MUST (chown (BOX ("private/a"), FIRST + 3, FIRST + 3) == 0);

  begin_plan (&b, NEW_AND_CGROUP, 0);
  put_userns (&b, MAP);
  put_op (&b, OP_PROPAGATION, 0);
  put_u64 (&b, MS_PRIVATE);
  put_op (&b, OP_ROOT_OVERLAY, 0);
  put_strv (&b, STRV (BOX ("lower")));
  put_str (&b, BOX ("upper"));
  put_str (&b, BOX ("work"));
  put_strv (&b, STRV ());
  put_str (&b, BOX ("private/staging"));
  put_u32 (&b, IDMAP_CONTAINER);
  put_bind (&b, BOX ("private/a"), "/a", 0, OPF_RECURSIVE);
  put_bind (&b, BOX ("private/a/file"), "/etc/file", MOUNT_ATTR_RDONLY, OPF_TARGET_FILE);
  put_mapped_bind (&b, BOX ("private/mapped"), "/mapped", IDMAP_CONTAINER, 0);
  put_pivot (&b, false);
  put_command (&b, "cat /a/file /etc/file; stat -c %u:%g /a /a/file /mapped; touch /mapped/x; chown 4:4 /mapped/x;"
                   "echo > /etc/file; ls -A /private 2>/dev/null");
  struct outcome *o = run_plan (&b);
  CHECK (strncmp (o->out, "here\nhere\n3:3\n65534:65534\n0:0\n", 30) == 0);
  CHECK (strstr (o->out, "Read-only file system") != NULL);
  CHECK_TEXT (owner_of (BOX ("private/mapped/x")), "4:4");
}

TEST ("with every capability of its namespace the container can neither write to nor take apart what it was given") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (mkdir (BOX ("data"), 0777) == 0 && chmod (BOX ("data"), 0777) == 0 && mkdir (BOX ("data/sub"), 0755) == 0);
  write_text (BOX ("data/sub/below"), "");
  MUST (mount ("tmpfs", BOX ("data/sub"), "tmpfs", 0, "mode=777") == 0);

  for (int is_shared = 0; is_shared < 2; is_shared++) {
    begin_plan (&b, NEW_AND_CGROUP, 0);
    put_userns (&b, MAP);
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, is_shared == 1 ? MS_SHARED : MS_PRIVATE);
    put_texts (&b, OP_ROOT_BIND, 0, BOX ("lower"), BOX ("staging"));
    put_u32 (&b, IDMAP_CONTAINER);
    put_mount (&b, "tmpfs", "/tmp", STRV (), 0, 0);
    put_bind (&b, BOX ("data"), "/tmp/ro", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, 0);
    put_bind (&b, BOX ("data"), "/tmp/all", 0, OPF_RECURSIVE);
    put_mount (&b, "proc", "/proc", STRV (), KERNEL_FS, 0);
    put_pivot (&b, false);
    put_command (&b, "cd /tmp; for o in rw,noexec ro,exec; do busybox mount -o remount,bind,$o /tmp/ro 2>/dev/null || "
                     "echo refused $o; done; busybox mount -o remount,bind,ro,noexec /tmp/ro && echo kept;"
                     "busybox umount -l all/sub 2>/dev/null || echo refused; ls all/sub; touch ro/x 2>/dev/null || "
                     "echo refused; busybox umount -l all && ls all");
    CHECK_RUN (run_plan (&b), "refused rw,noexec\nrefused ro,exec\nkept\nrefused\nrefused\n");
  }
}

TEST ("mounts come in from the host below a bind and never go out") {
  struct builder b;
  struct container c;
  struct outcome o;
  int out;
  NEEDS_SANDBOX ();
  MUST (mount (NULL, SANDBOX, NULL, MS_SHARED, NULL) == 0);
  MUST (mkdir (BOX ("data"), 0777) == 0 && mkdir (BOX ("data/in"), 0777) == 0 && mkdir (BOX ("data/out"), 0777) == 0);

  begin_plan (&b, NEW_AND_CGROUP, 0);
  put_userns (&b, MAP);
  put_op (&b, OP_PROPAGATION, 0);
  put_u64 (&b, MS_SHARED);
  put_op (&b, OP_ROOT_OVERLAY, 0);
  put_strv (&b, STRV (BOX ("lower")));
  put_str (&b, BOX ("upper"));
  put_str (&b, BOX ("work"));
  put_strv (&b, STRV ());
  put_str (&b, BOX ("staging"));
  put_u32 (&b, IDMAP_CONTAINER);
  put_op (&b, OP_BIND, OPF_RECURSIVE);
  put_str (&b, BOX ("data"));
  put_str (&b, "/data");
  for (int i = 0; i < 4; i++)
    put_u64 (&b, 0);
  put_u64 (&b, MS_SHARED | MS_REC);
  put_u32 (&b, IDMAP_NONE);
  put_str (&b, "");
  put_pivot (&b, false);
  put_command (
      &b, "busybox mount -t tmpfs none /data/out; touch /data/out/mine; echo ready; busybox sleep 1;"
          "for i in 1 2 3 4 5 6 7 8 9; do [ -e /data/in/theirs ] && break; sleep 1; done; ls /data/in; ls /data/out");
  out = start_plan (&b, -1, &c, &o);
  must (out >= 0, o.err.text);
  struct err e;
  MUST (container_go (&c, &e) == 0);
  await_output (&out, &o);
  MUST (mount ("tmpfs", BOX ("data/in"), "tmpfs", 0, NULL) == 0);
  write_text (BOX ("data/in/theirs"), "");
  CHECK (access (BOX ("data/out/mine"), F_OK) < 0);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK_TEXT (o.out, "ready\ntheirs\nmine\n");
  CHECK (strstr (read_text ("/proc/self/mountinfo"), "staging") == NULL);
}

TEST ("a mapped bind shows owners through its own map and writes them back") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (mkdir (BOX ("data"), 0755) == 0 && chown (BOX ("data"), 1000, 1000) == 0 &&
        mkdir (BOX ("data/sub"), 0755) == 0);
  MUST (mount ("tmpfs", BOX ("data/sub"), "tmpfs", 0, "mode=777") == 0);
  write_text (BOX ("data/file"), "");
  MUST (chown (BOX ("data/file"), 1001, 1001) == 0);

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_idmap (&b, 1, "1000 2000 1\n");
  put_idmap (&b, 2, "0 2000 2000\n");
  put_root (&b);
  put_mapped_bind (&b, BOX ("data"), "/one", 1, OPF_RECURSIVE);
  put_mapped_bind (&b, BOX ("data"), "/two", 2, OPF_RECURSIVE | OPF_IDMAP_TREE);
  put_pivot (&b, false);
  put_identity (&b, (struct identity){ .user = "2000", .group = "2000" });
  put_command (&b, "stat -c %u:%g /one /one/file /one/sub /two /two/file /two/sub; touch /one/made");
  CHECK_RUN (run_plan (&b), "2000:2000\n65534:65534\n0:0\n3000:3000\n3001:3001\n2000:2000\n");
  CHECK_TEXT (owner_of (BOX ("data/made")), "1000:1000");
}

TEST ("a new filesystem with mapped ids is the host's, mapped") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, NEW_AND_CGROUP, 0);
  put_userns (&b, MAP);
  put_overlay (&b, IDMAP_CONTAINER);
  put_op (&b, OP_MOUNT, OPF_TARGET_MODE);
  put_str (&b, "tmpfs");
  put_str (&b, "tmpfs");
  put_str (&b, "/root");
  put_strv (&b, STRV ("uid=3"));
  put_u64 (&b, MOUNT_ATTR_NODEV);
  put_u64 (&b, 0);
  put_u32 (&b, 0);
  put_u32 (&b, IDMAP_CONTAINER);
  put_pivot (&b, false);
  put_command (&b, "stat -c '%u:%g %a' /root; touch /root/x; stat -c %u:%g /root/x");
  CHECK_RUN (run_plan (&b), "3:0 700\n0:0\n");
}

TEST ("a filesystem that cannot map ids is an error that names the mount") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS, 0);
  put_idmap (&b, 1, MAP);
  put_root (&b);
  put_mapped_bind (&b, "/proc/sys", "/x", 1, 0);
  put_pivot (&b, false);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot map the ids of \"/x\": its filesystem, or this kernel, cannot do that");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_userns (&b, MAP);
  put_overlay (&b, IDMAP_CONTAINER);
  put_mapped_bind (&b, "/proc/sys", "/x", IDMAP_CONTAINER, 0);
  put_pivot (&b, false);
  put_command (&b, "true");
  struct outcome *o = run_plan (&b);
  CHECK_FAILS (o, EINVAL, "cannot map the ids of \"/x\": its filesystem, or this kernel, cannot do that");
  CHECK (o->err.op == 4);
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

/* ---- by path, and joining ---- */

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
