/* Images and neighbours that mean harm, before and while a container is set up. Needs root and busybox-static. */
#include "sandbox.h"

TEST ("an image whose /proc, /sys or /dev is a link is refused and nothing outside changes") {
  static const char *const links[][2] = {
    { "proc", "/tmp/gantry-native-test/outside" },
    { "proc", "../../outside" },
    { "proc", "etc" },
    { "sys", "../outside" },
    { "dev", "../outside" },
    { "dev", "/root" },
    { "dev", "/../../../../../../tmp/gantry-native-test/outside" },
  };
  NEEDS_SANDBOX ();

  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    char path[256], expected[128];
    fresh_root ();
    snprintf (path, sizeof path, BOX ("lower/%s"), links[i][0]);
    snprintf (expected, sizeof expected, "cannot reach the mount target \"/%s\"", links[i][0]);
    MUST (rmdir (path) == 0 && symlink (links[i][1], path) == 0);
    CHECK_FAILS (run_script ("true"), ELOOP, expected);
    CHECK (rmdir (BOX ("outside")) < 0 && errno == ENOTEMPTY);
    CHECK (unlink (BOX ("outside/secret")) == 0 && rmdir (BOX ("outside")) == 0); /* it held nothing else */
  }
}

TEST ("an image whose /proc is a file is refused") {
  NEEDS_SANDBOX ();
  MUST (rmdir (BOX ("lower/proc")) == 0);
  write_text (BOX ("lower/proc"), "");
  CHECK_FAILS (run_script ("true"), ENOTDIR, "cannot attach a mount to \"/proc\"");
}

TEST ("a volume path that the image leads into procfs is refused") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (symlink ("/proc/sys", BOX ("lower/data")) == 0);

  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_kernel_trees (&b);
  put_bind (&b, BOX ("outside"), "/data", 0, 0);
  put_pivot (&b, false);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), ELOOP, "cannot mount on \"/data\": it leads into the kernel's own files");
}

TEST ("something can be bound below a bound kernel tree") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_kernel_trees (&b);
  put_bind (&b, "/sys", "/host/sys", 0, 0);
  put_bind (&b, BOX ("outside"), "/host/sys/kernel", 0, 0);
  put_pivot (&b, false);
  put_command (&b, "cat /host/sys/kernel/secret");
  CHECK_RUN (run_plan (&b), "token\n");
}

TEST ("a null device of the container's own is not what masks are made of") {
  struct builder b;
  NEEDS_SANDBOX ();
  write_text (BOX ("outside/null"), "not null\n");

  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_kernel_trees (&b);
  put_bind (&b, BOX ("outside/null"), "/dev/null", 0, 0);
  put_protections (&b);
  put_pivot (&b, false);
  put_command (&b, "cat /proc/keys /dev/null");
  CHECK_RUN (run_plan (&b), "not null\n");
}

TEST ("a working directory never leads out by a link of /proc") {
  NEEDS_SANDBOX ();
  MUST (symlink ("/proc/self/fd/3", BOX ("lower/fd3")) == 0);

  for (int fd = 3; fd < 40; fd++) {
    struct builder b;
    char path[64], expected[160];
    snprintf (path, sizeof path, fd == 3 ? "/fd3" : "/proc/self/fd/%d", fd);
    snprintf (expected, sizeof expected, "chdir to cwd (\"%s\") set in config.json failed", path);
    begin_container (&b, 0);
    put_text (&b, OP_CWD, OPF_CREATE, path);
    put_command (&b, "ls");
    struct outcome *o = run_plan (&b);
    CHECK (!o->started);
    CHECK_TEXT (o->err.text, expected);
  }
}

TEST ("a working directory is made below the root, whatever the image's links say") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (symlink ("/../../../../tmp/gantry-native-test/outside", BOX ("lower/l")) == 0);

  begin_container (&b, 0);
  put_text (&b, OP_CWD, OPF_CREATE, "/l/new/dir");
  put_command (&b, "pwd; stat -c '%a %u' .");
  CHECK_RUN (run_plan (&b), "/tmp/gantry-native-test/outside/new/dir\n755 0\n");
  CHECK (access (BOX ("outside/new"), F_OK) < 0);
}

TEST ("a missing working directory is an error in runc's words") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_container (&b, 0);
  put_text (&b, OP_CWD, 0, "/nonexist");
  put_command (&b, "pwd");
  CHECK_FAILS (run_plan (&b), ENOENT, "chdir to cwd (\"/nonexist\") set in config.json failed");
}

/* ---- races ---- */

/* A neighbour exchanges a directory of a shared volume for a link to the outside, as fast as it can. */
static pid_t start_swapper (void) {
  pid_t child = fork ();

  if (child == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
      renameat2 (AT_FDCWD, BOX ("volume/a"), AT_FDCWD, BOX ("volume/link"), RENAME_EXCHANGE);
  }
  return child;
}

TEST ("mounts below a volume stay in the container while a neighbour exchanges directories for links") {
  enum { ROUNDS = 150 };
  int started = 0, refused = 0;
  NEEDS_SANDBOX ();
  MUST (mkdir (BOX ("volume"), 0755) == 0 && mkdir (BOX ("volume/a"), 0755) == 0);
  MUST (symlink ("/../../../../tmp/gantry-native-test/outside", BOX ("volume/link")) == 0);
  char before[65536];
  strcpy (before, read_text ("/proc/self/mountinfo"));

  pid_t swapper = start_swapper ();
  for (int i = 0; i < ROUNDS; i++) {
    struct builder b;
    begin_plan (&b, CLONE_NEWNS, 0);
    put_root (&b);
    put_bind (&b, BOX ("volume"), "/x", 0, 0);
    put_bind (&b, BOX ("lower/etc"), "/x/a/b", 0, 0);
    put_mount (&b, "tmpfs", "/x/a/t", STRV (), 0, 0);
    put_device (&b, "/x/a/d", 1, 3);
    put_text (&b, OP_DIRECTORY, 0, "/x/a/e");
    put_u32 (&b, 0700);
    put_u32 (&b, 5);
    put_u32 (&b, 5);
    put_pivot (&b, false);
    put_command (&b, "true");
    struct outcome *o = run_plan (&b);
    started += o->started;
    refused += !o->started;
    unlink (BOX ("volume/a/d"));
    unlink (BOX ("volume/link/d"));
  }
  kill (swapper, SIGKILL);
  waitpid (swapper, NULL, 0);
  CHECK (started + refused == ROUNDS && started > 0);
  /* The link was followed at times, and led to a place inside. */
  CHECK (access (BOX ("upper/tmp/gantry-native-test/outside"), F_OK) == 0);
  CHECK_TEXT (read_text ("/proc/self/mountinfo"), before);
  CHECK (unlink (BOX ("outside/secret")) == 0 && rmdir (BOX ("outside")) == 0); /* it held nothing else */
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
