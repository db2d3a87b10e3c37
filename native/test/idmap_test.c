/* Roots, binds and new filesystems with mapped ids: who owns what, seen from inside and from the host.
 * Needs root and busybox-static. */
#include "userns_sandbox.h"

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

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
