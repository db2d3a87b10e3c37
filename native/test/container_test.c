/* Real containers: what a process finds when the plan has been performed. Needs root and busybox-static. */
#include "sandbox.h"

/* ---- root and mounts ---- */

TEST ("an overlay root shows the image and keeps writes in the upper directory") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_root (&b);
  put_pivot (&b, false);
  put_command (&b, "head -1 /etc/passwd; echo x > /made; pwd; ls /");
  CHECK_RUN (run_plan (&b), "root:x:0:0:root:/root:/bin/sh\n/\nbin\ndev\netc\nmade\nproc\nroot\nsys\ntmp\n");
  CHECK_TEXT (read_text (BOX ("upper/made")), "x\n");
  CHECK (access (BOX ("lower/made"), F_OK) < 0);
}

TEST ("an overlay root stacks its lower directories in the given order, by both system calls") {
  NEEDS_SANDBOX ();

  for (int long_path = 0; long_path < 2; long_path++) {
    /* A path over 255 bytes cannot be given to fsconfig, which sends the root the way of older kernels. */
    char top[600] = BOX ("top,with:marks"), file[700];
    struct builder b;

    if (long_path != 0)
      memset (top + strlen (top), 'x', 240);
    MUST (mkdir (top, 0755) == 0);
    snprintf (file, sizeof file, "%s/which", top);
    write_text (file, "top");
    write_text (BOX ("lower/which"), "bottom");
    begin_plan (&b, CLONE_NEWNS, 0);
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, MS_SLAVE);
    put_op (&b, OP_ROOT_OVERLAY, 0);
    put_strv (&b, STRV (top, BOX ("lower")));
    put_str (&b, "");
    put_str (&b, "");
    put_strv (&b, STRV ());
    put_str (&b, BOX ("staging"));
  put_u32 (&b, IDMAP_NONE);
    put_pivot (&b, false);
    put_command (&b, "cat /which; ls /bin/busybox; (echo > /x) 2>&1 | wc -l");
    CHECK_RUN (run_plan (&b), "top/bin/busybox\n1\n");
  }
}

TEST ("a bound root is the directory, read-only when the plan says so") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS, 0);
  put_op (&b, OP_PROPAGATION, 0);
  put_u64 (&b, MS_PRIVATE);
  put_op (&b, OP_ROOT_BIND, 0);
  put_str (&b, BOX ("lower"));
  put_str (&b, BOX ("staging"));
  put_u32 (&b, IDMAP_NONE);
  put_pivot (&b, true);
  put_command (&b, "ls /bin/busybox; (echo > /x) 2>&1 | wc -l");
  CHECK_RUN (run_plan (&b), "/bin/busybox\n1\n");
}

TEST ("a root in a shared tree is pivoted to without changing the host's mounts") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (mount (NULL, SANDBOX, NULL, MS_SHARED, NULL) == 0);
  char before[65536];
  strcpy (before, read_text ("/proc/self/mountinfo"));

  begin_plan (&b, ALL_NEW, 0);
  put_op (&b, OP_PROPAGATION, 0);
  put_u64 (&b, MS_SHARED);
  put_op (&b, OP_ROOT_OVERLAY, 0);
  put_strv (&b, STRV (BOX ("lower")));
  put_str (&b, BOX ("upper"));
  put_str (&b, BOX ("work"));
  put_strv (&b, STRV ());
  put_str (&b, BOX ("staging"));
  put_u32 (&b, IDMAP_NONE);
  put_kernel_trees (&b);
  put_pivot (&b, false);
  put_op (&b, OP_ROOT_PROPAGATION, 0);
  put_u64 (&b, MS_SHARED | MS_REC);
  put_command (&b, "grep -c shared: /proc/self/mountinfo");
  CHECK_RUN (run_plan (&b), "7\n");
  CHECK_TEXT (read_text ("/proc/self/mountinfo"), before);
}

TEST ("the usual mounts, devices and links are there and nothing of the host is") {
  NEEDS_SANDBOX ();

  CHECK_RUN (
      run_script ("cd /dev; ls; stat -c '%n %F %a %t:%T' null zero tty; readlink ptmx; stat -c %a /dev/shm /dev/pts "
                  "/dev/mqueue"),
      "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"
      "null character special file 666 1:3\nzero character special file 666 1:5\ntty character special file 666 5:0\n"
      "pts/ptmx\n1777\n755\n1777\n");
  CHECK_RUN (
      run_script (
          "grep -c gantry-native-test/staging /proc/self/mountinfo; head -1 /proc/self/mountinfo | grep -c ' / / rw'"),
      "0\n1\n");
  CHECK_RUN (run_script ("echo $$; echo /proc/[0-9]*; ls /sys/class/net"), "1\n/proc/1\nlo\n");
}

TEST ("masked paths read as empty and read-only ones refuse to be written") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_kernel_trees (&b);
  put_text (&b, OP_MASK, 0, "/proc/fs");
  put_text (&b, OP_MASK, 0, "/proc/version/nothing");
  put_protections (&b);
  put_pivot (&b, false);
  put_command (&b,
               "for p in keys timer_list; do cat /proc/$p; stat -c %t:%T /proc/$p; done; ls -A /sys/firmware /proc/fs;"
               "2>/dev/null mkdir /sys/firmware/x || echo refused;"
               "for p in sys/kernel/msgmax sysrq-trigger irq/default_smp_affinity; do 2>/dev/null echo 1 > /proc/$p || "
               "echo $p; done");
  CHECK_RUN (
      run_plan (&b),
      "1:3\n1:3\n/proc/fs:\n\n/sys/firmware:\nrefused\nsys/kernel/msgmax\nsysrq-trigger\nirq/default_smp_affinity\n");
}

TEST ("a mount can be made read-only when all is in it, and leaves those below as they are") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_kernel_trees (&b);
  put_text (&b, OP_READONLY, OPF_TOP, "/dev");
  put_pivot (&b, false);
  put_command (&b, "cd /dev; touch x 2> /dev/null || echo read-only; touch shm/y && ls shm; echo > null && echo null");
  CHECK_RUN (run_plan (&b), "read-only\ny\nnull\n");
}

TEST ("a tmpfs takes over the mode of the directory that it covers, when the plan asks") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS, 0);
  put_root (&b);
  put_mount (&b, "tmpfs", "/root", STRV (), 0, OPF_TARGET_MODE);
  put_mount (&b, "tmpfs", "/new", STRV (), 0, OPF_TARGET_MODE);
  put_mount (&b, "tmpfs", "/etc", STRV ("mode=711"), 0, OPF_TARGET_MODE);
  put_pivot (&b, false);
  put_command (&b, "stat -c '%n %a' /root /new /etc");
  CHECK_RUN (run_plan (&b), "/root 700\n/new 1777\n/etc 711\n");
}

TEST ("binds make missing targets below the root, through dangling links of the image, too") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (symlink ("../run/stub/resolv.conf", BOX ("lower/etc/resolv.conf")) == 0);
  MUST (symlink ("/../../../../../../tmp/gantry-native-test/outside/hosts", BOX ("lower/etc/hosts")) == 0);
  MUST (symlink ("loop", BOX ("lower/loop")) == 0);

  begin_plan (&b, CLONE_NEWNS, 0);
  put_root (&b);
  put_bind (&b, BOX ("outside/secret"), "/etc/resolv.conf", 0, OPF_TARGET_FILE);
  put_bind (&b, BOX ("outside/secret"), "/etc/hosts", MOUNT_ATTR_RDONLY, OPF_TARGET_FILE);
  put_bind (&b, BOX ("outside"), "/a/b/c", 0, OPF_RECURSIVE);
  put_pivot (&b, false);
  put_command (
      &b, "cat /run/stub/resolv.conf /tmp/gantry-native-test/outside/hosts /a/b/c/secret; stat -c %a /a/b /run/stub;"
          "2>/dev/null echo > /etc/hosts || echo refused");
  CHECK_RUN (run_plan (&b), "token\ntoken\ntoken\n755\n755\nrefused\n");
  CHECK (access (BOX ("outside/hosts"), F_OK) < 0);

  fresh_root ();
  MUST (symlink ("loop", BOX ("lower/loop")) == 0);
  begin_plan (&b, CLONE_NEWNS, 0);
  put_root (&b);
  put_bind (&b, BOX ("outside"), "/loop/x", 0, 0);
  put_pivot (&b, false);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), ELOOP, "cannot reach the mount target \"/loop/x\"");
}

/* ---- settings ---- */

TEST ("host name, sysctls, loopback, limits, umask and OOM adjustment are set") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_text (&b, OP_HOSTNAME, 0, "box");
  put_text (&b, OP_DOMAINNAME, 0, "example");
  put_texts (&b, OP_SYSCTL, 0, "net/ipv4/ip_unprivileged_port_start", "7");
  put_texts (&b, OP_SYSCTL, 0, "kernel/shmmni", "77");
  put_op (&b, OP_LOOPBACK_UP, 0);
  put_op (&b, OP_RLIMIT, 0);
  put_u32 (&b, 7); /* RLIMIT_NOFILE */
  put_u64 (&b, 100);
  put_u64 (&b, 200);
  put_op (&b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (&b, 321);
  put_op (&b, OP_UMASK, 0);
  put_u32 (&b, 027);
  put_text (&b, OP_KEYRING, 0, "gantry-test");
  put_command (
      &b,
      "hostname; cd /proc; cat sys/kernel/domainname sys/net/ipv4/ip_unprivileged_port_start sys/kernel/shmmni "
      "self/oom_score_adj;"
      "ulimit -Sn; ulimit -Hn; umask; grep -c '00000000000000000000000000000001 01 80 10 80       lo' net/if_inet6");
  CHECK_RUN (run_plan (&b), "box\nexample\n7\n77\n321\n100\n200\n0027\n1\n");
}

TEST ("a sysctl is written to the kernel though the image put something else over /proc") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (mkdir (BOX ("outside/sys"), 0755) == 0 && mkdir (BOX ("outside/sys/kernel"), 0755) == 0);
  write_text (BOX ("outside/sys/kernel/shmmni"), "fake\n");

  begin_container (&b, 0);
  end_op (&b);
  b.size = PLAN_HEADER_BYTES;
  b.ops = 0;
  put_root (&b);
  put_bind (&b, BOX ("outside"), "/proc", 0, 0);
  put_pivot (&b, false);
  put_texts (&b, OP_SYSCTL, 0, "kernel/shmmni", "99");
  put_op (&b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (&b, 5);
  put_command (&b, "cat /proc/sys/kernel/shmmni; ls /proc");
  CHECK_RUN (run_plan (&b), "fake\nsecret\nsys\n");
}

TEST ("the process starts with default signals, an empty mask and a session of its own") {
  NEEDS_SANDBOX ();
  signal (SIGPIPE, SIG_IGN);
  signal (SIGHUP, SIG_IGN);
  sigset_t all, before;
  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, &before);
  struct outcome *o = run_script ("exec cat /proc/self/status /proc/self/stat");
  sigprocmask (SIG_SETMASK, &before, NULL);
  signal (SIGPIPE, SIG_DFL);
  signal (SIGHUP, SIG_DFL);
  CHECK (strstr (o->out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n") != NULL);
  CHECK (strstr (o->out, "\n1 (cat) R 0 1 1 0") != NULL);
}

TEST ("the process has descriptors 0 to 2 and no others, whatever the shim left open") {
  NEEDS_SANDBOX ();
  int leaks[] = { open (BOX ("outside"), O_RDONLY), open (BOX ("outside"), O_RDONLY), dup2 (1, 700) };

  struct outcome *o = run_script ("exec ls /proc/self/fd");
  for (size_t i = 0; i < sizeof leaks / sizeof *leaks; i++)
    close (leaks[i]);
  CHECK_TEXT (o->out, "0\n1\n2\n3\n"); /* 3: the listing itself */
}

TEST ("stdio descriptors in any order end up where they belong") {
  struct builder b;
  struct container c;
  struct plan p;
  struct err e;
  struct outcome o = { 0 };
  int in[2], out[2];
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS, 0);
  put_root (&b);
  put_pivot (&b, false);
  put_command (&b, "cat; echo err >&2");
  end_plan (&b);
  MUST (pipe2 (in, O_CLOEXEC) == 0 && pipe2 (out, O_CLOEXEC) == 0);
  MUST (write (in[1], "in\n", 3) == 3);
  close (in[1]);
  int kept[3] = { fcntl (0, F_DUPFD_CLOEXEC, 100), fcntl (1, F_DUPFD_CLOEXEC, 100), fcntl (2, F_DUPFD_CLOEXEC, 100) };
  fflush (stdout);
  dup2 (out[1], 0);
  dup2 (in[0], 1);
  dup2 (out[1], 2);
  MUST (plan_decode (b.bytes, b.size, &p, &e) == 0);
  int result = container_spawn (&p, &(struct container_stdio){ 1, 2, 0 }, -1, &c, &e);
  for (int i = 0; i < 3; i++) {
    dup2 (kept[i], i);
    close (kept[i]);
  }
  close (in[0]);
  close (out[1]);
  plan_release (&p);
  free (b.bytes);
  MUST (result == 0);
  attend (&c, &out[0], &o);
  container_release (&c);
  CHECK_RUN (&o, "in\nerr\n");
}

/* ---- order of events ---- */

TEST ("a created container waits, then starts") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "echo started");
  int out = start_plan (&b, -1, &c, &o);
  MUST (out >= 0);
  MUST (poll (&(struct pollfd){ .fd = c.sync_fd, .events = POLLIN }, 1, 10000) == 1);
  CHECK (container_sync (&c, &e) == SYNC_CREATED);
  CHECK (container_sync (&c, &e) == SYNC_AGAIN);
  CHECK (poll (&(struct pollfd){ .fd = out, .events = POLLIN }, 1, 20) == 0);
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/comm", c.pid);
  CHECK_TEXT (read_text (path), "gantry:created\n");
  CHECK (container_go (&c, &e) == 0);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK_RUN (&o, "started\n");
}

TEST ("a container that was told to go before it was created does not wait") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_container (&b, 0);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "echo started");
  CHECK_RUN (run_plan (&b), "started\n");
}

TEST ("a created container ends when its shim is gone") {
  struct builder b;
  struct container c;
  struct outcome o;
  int status;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "echo started");
  int out = start_plan (&b, -1, &c, &o);
  MUST (out >= 0);
  close (c.sync_fd);
  c.sync_fd = -1;
  MUST (waitpid (c.pid, &status, 0) == c.pid);
  close (out);
  container_release (&c);
  CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 127);
}

TEST ("a container that is killed while it is set up has not started") {
  struct builder b;
  struct container c;
  struct outcome o;
  NEEDS_SANDBOX ();

  begin_container (&b, 0);
  uint32_t index = b.ops + 1;
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "echo started");
  int out = start_plan (&b, -1, &c, &o);
  MUST (out >= 0);
  MUST (poll (&(struct pollfd){ .fd = c.sync_fd, .events = POLLIN }, 1, 10000) == 1);
  kill (c.pid, SIGKILL);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK (o.created);
  CHECK_FAILS (&o, 0, "the container's first process was killed while it was set up (memory limit too low?)");
  CHECK (o.err.op == index && o.code == 128 + SIGKILL);
}

/* ---- exec ---- */

static struct outcome *run_command (const char *name, const char *search_path) {
  struct builder b;

  begin_plan (&b, CLONE_NEWNS, 0);
  put_root (&b);
  put_pivot (&b, false);
  put_exec (&b, STRV (name), STRV (), search_path);
  return run_plan (&b);
}

TEST ("a command that cannot be executed is an error in runc's words") {
  static const struct {
    const char *name, *path;
    int code;
    const char *text;
  } cases[] = {
    { "foo", PATH, ENOENT, "exec: \"foo\": executable file not found in $PATH" },
    { "", PATH, ENOENT, "exec: \"\": executable file not found in $PATH" },
    { "ls", "", ENOENT, "exec: \"ls\": executable file not found in $PATH" },
    { "ls", "/etc:bin", EACCES, "exec: \"ls\": cannot run executable found relative to current directory" },
    { "plain", "/etc:/tmp", ENOENT, "exec: \"plain\": executable file not found in $PATH" },
    { "/x", PATH, ENOENT, "exec: \"/x\": stat /x: no such file or directory" },
    { "/etc", PATH, EISDIR, "exec: \"/etc\": is a directory" },
    { "/tmp/plain", PATH, EACCES, "exec: \"/tmp/plain\": permission denied" },
    { "./tmp/plain", PATH, EACCES, "exec: \"./tmp/plain\": permission denied" },
    { "/etc/passwd/x", PATH, ENOTDIR, "exec: \"/etc/passwd/x\": stat /etc/passwd/x: not a directory" },
    { "/tmp/text", PATH, ENOEXEC, "exec /tmp/text" },
    { "text", "/tmp", ENOEXEC, "exec /tmp/text" },
    { "/tmp/lost", PATH, ENOENT, "exec /tmp/lost" },
    { "/tmp/link", PATH, ELOOP, "exec: \"/tmp/link\": stat /tmp/link: too many levels of symbolic links" },
  };
  NEEDS_SANDBOX ();
  write_text (BOX ("lower/tmp/plain"), "");
  write_text (BOX ("lower/tmp/text"), "just text\n");
  write_text (BOX ("lower/tmp/lost"), "#!/nowhere/sh\n");
  MUST (chmod (BOX ("lower/tmp/text"), 0755) == 0 && chmod (BOX ("lower/tmp/lost"), 0755) == 0);
  MUST (symlink ("link", BOX ("lower/tmp/link")) == 0);

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct outcome *o = run_command (cases[i].name, cases[i].path);
    CHECK_FAILS (o, cases[i].code, cases[i].text);
    CHECK (o->err.op == 4 && o->code == 127);
  }
}

TEST ("an entry point that leads to the runtime's own executable is not executed") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (symlink ("/proc/self/exe", BOX ("lower/bin/app")) == 0);

  begin_container (&b, 0);
  put_exec (&b, STRV ("/bin/app"), STRV (), PATH);
  CHECK_FAILS (run_plan (&b), EACCES, "exec: \"/bin/app\": permission denied");
}

TEST ("a command gets exactly its arguments and environment") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_container (&b, 0);
  put_exec (&b, STRV ("sh", "-c", "tr '\\0' '|' < /proc/self/environ; echo \"$0-$1-$2\"", "", "b c", "\n"),
            STRV ("A=1", "B=", "A=2"), PATH);
  CHECK_RUN (run_plan (&b), "A=1|B=|A=2|-b c-\n\n");
}

/* ---- terminal ---- */

TEST ("a terminal is the container's own, of the right size, its console and its controlling terminal") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b,
               "tty; stty size; stat -c %t /dev/console; echo x > /dev/tty; ls /proc/self/fd | wc -l; ls -1 /dev/pts");
  CHECK_RUN (run_plan (&b), "/dev/pts/0\r\n30 100\r\n88\r\nx\r\n4\r\n0\r\nptmx\r\n");
}

TEST ("a console whose place is a link, or a devpts that is none, is refused") {
  static const char *const targets[] = { "/proc/sysrq-trigger", "/nowhere", "/proc/sys/kernel/core_pattern" };
  struct builder b;
  NEEDS_SANDBOX ();

  for (size_t i = 0; i < 3; i++) {
    begin_plan (&b, ALL_NEW, PLAN_TERMINAL);
    put_root (&b);
    put_kernel_trees (&b);
    put_texts (&b, OP_SYMLINK, 0, targets[i], "/dev/console");
    put_op (&b, OP_CONSOLE, 0);
    put_u32 (&b, 1);
    put_u32 (&b, 1);
    put_u32 (&b, 0);
    put_pivot (&b, false);
    put_command (&b, "true");
    CHECK_FAILS (run_plan (&b), ELOOP, "cannot reach \"/dev/console\"");
  }
  begin_plan (&b, ALL_NEW, PLAN_TERMINAL);
  put_root (&b);
  put_kernel_trees (&b);
  put_mount (&b, "tmpfs", "/dev/pts", STRV (), 0, 0);
  put_device (&b, "/dev/pts/ptmx", 1, 3);
  put_device (&b, "/dev/pts/0", 1, 3);
  put_op (&b, OP_CONSOLE, 0);
  put_u32 (&b, 1);
  put_u32 (&b, 1);
  put_u32 (&b, 0);
  put_pivot (&b, false);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), 0, "the container's /dev/pts/ptmx is not a terminal multiplexer");
}

TEST ("a terminal arrives although its process has executed, and even ended, without reading \"go\"") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  siginfo_t info;
  NEEDS_SANDBOX ();

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b, "echo there");
  int out = start_plan (&b, -1, &c, &o);
  MUST (out >= 0 && container_go (&c, &e) == 0);
  MUST (waitid (P_PID, (id_t) c.pid, &info, WEXITED | WNOWAIT) == 0);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK (o.started);
  CHECK_TEXT (o.out, "there\r\n");
}

/* ---- what stays behind ---- */

static int count_descriptors (void) {
  DIR *d = opendir ("/proc/self/fd");
  int n = 0;

  while (readdir (d) != NULL)
    n++;
  closedir (d);
  return n;
}

TEST ("failed starts leave no descriptor behind") {
  NEEDS_SANDBOX ();
  run_command ("foo", PATH);
  int before = count_descriptors ();
  for (int i = 0; i < 30; i++) {
    struct builder b;
    run_command ("foo", PATH);
    begin_plan (&b, 0, 0);
    put_text (&b, OP_OOM_FILE, 0, i % 2 == 0 ? "/nowhere" : "/dev/null");
    put_op (&b, OP_NS_PATH, 0);
    put_u32 (&b, CLONE_NEWNET);
    put_str (&b, "/nowhere");
    put_exec (&b, STRV ("/bin/true"), STRV (), "");
    CHECK (!run_plan (&b)->started);
  }
  CHECK (count_descriptors () == before);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
