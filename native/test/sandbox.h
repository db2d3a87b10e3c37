/* A place for tests that make real containers: a mount namespace of this process's own, a tmpfs in it, a root made from
 * the machine's static busybox, and a way to run a plan to its end. */
#ifndef GANTRY_SANDBOX_H
#define GANTRY_SANDBOX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "container.h"
#include "plan_builder.h"

#define SANDBOX "/tmp/gantry-native-test"
#define BOX(path) SANDBOX "/" path

static const char *sandbox_missing; /* why real containers cannot be made here */

#define NEEDS_SANDBOX()                                                                                                \
  do {                                                                                                                 \
    if (sandbox_missing != NULL)                                                                                       \
      SKIP (sandbox_missing);                                                                                          \
    fresh_root ();                                                                                                     \
  } while (0)

static inline void must (bool condition, const char *what) {
  if (!condition) {
    printf ("  cannot prepare the test: %s: %s\n", what, strerror (errno));
    exit (1);
  }
}

#define MUST(expression) must ((expression), #expression)

static inline void write_text (const char *path, const char *text) {
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  must (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text), path);
  close (fd);
}

static inline const char *read_text (const char *path) {
  static char text[65536];
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read (fd, text, sizeof text - 1);

  text[n < 0 ? 0 : n] = '\0';
  if (fd >= 0)
    close (fd);
  return text;
}

static inline void copy_file (const char *from, const char *to, mode_t mode) {
  char bytes[65536];
  int in = open (from, O_RDONLY | O_CLOEXEC), out = open (to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  ssize_t n;

  must (in >= 0 && out >= 0, to);
  while ((n = read (in, bytes, sizeof bytes)) > 0)
    must (write (out, bytes, (size_t) n) == n, to);
  close (in);
  close (out);
}

/* lower (the image), upper, work and staging directories, and outside: what no container may change. */
static inline void fresh_root (void) {
  static const char *const applets[] = { "sh",    "cat",      "ls",   "id",       "grep", "sleep",  "true", "echo",
                                         "mkdir", "stat",     "kill", "mknod",    "env",  "pwd",    "tty",  "stty",
                                         "touch", "readlink", "dd",   "hostname", "rm",   "setsid", "head", "head",
                                         "ps",    "wc",       "tr",   "chmod",    "ln" };
  static const char *const directories[] = { "lower",      "lower/bin",  "lower/etc", "lower/tmp",
                                             "lower/root", "lower/proc", "lower/sys", "lower/dev",
                                             "upper",      "work",       "staging",   "outside" };

  umount2 (SANDBOX, MNT_DETACH);
  MUST (mount ("tmpfs", SANDBOX, "tmpfs", 0, "mode=755") == 0);
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    char path[256];
    snprintf (path, sizeof path, SANDBOX "/%s", directories[i]);
    must (mkdir (path, 0755) == 0, path);
  }
  copy_file ("/bin/busybox", BOX ("lower/bin/busybox"), 0755);
  for (size_t i = 0; i < sizeof applets / sizeof *applets; i++) {
    char path[256];
    snprintf (path, sizeof path, BOX ("lower/bin/%s"), applets[i]);
    must (symlink ("busybox", path) == 0 || errno == EEXIST, path);
  }
  MUST (chmod (BOX ("lower/root"), 0700) == 0 && chmod (BOX ("lower/tmp"), 01777) == 0);
  write_text (BOX ("lower/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n");
  write_text (BOX ("lower/etc/group"), "root:x:0:\napp:x:1001:\nstaff:x:50:app,other\nwheel:x:10:other,app\n");
  write_text (BOX ("outside/secret"), "token\n");
}

static inline void open_sandbox (void) {
  if (geteuid () != 0)
    sandbox_missing = "needs root";
  else if (access ("/bin/busybox", X_OK) != 0)
    sandbox_missing = "needs a static /bin/busybox (package busybox-static)";
  else if (unshare (CLONE_NEWNS) < 0)
    sandbox_missing = "needs the right to make namespaces";
  if (sandbox_missing != NULL)
    return;
  MUST (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
  MUST (mkdir (SANDBOX, 0755) == 0 || errno == EEXIST);
}

static inline void close_sandbox (void) {
  if (sandbox_missing == NULL) {
    umount2 (SANDBOX, MNT_DETACH);
    rmdir (SANDBOX);
  }
}

/* All that most tests need of a `main`. */
static inline int run_tests_in_sandbox (int argc, char **argv) {
  open_sandbox ();
  int result = run_tests (argc, argv);
  close_sandbox ();
  return result;
}

/* ---- plans ---- */

#define ALL_NEW (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)

static inline void put_root (struct builder *b) {
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_PRIVATE);
  put_op (b, OP_ROOT_OVERLAY, 0);
  put_strv (b, STRV (BOX ("lower")));
  put_str (b, BOX ("upper"));
  put_str (b, BOX ("work"));
  put_strv (b, STRV ("index=off"));
  put_str (b, BOX ("staging"));
  put_u32 (b, IDMAP_NONE);
}

static inline void put_pivot (struct builder *b, bool read_only) {
  put_op (b, OP_PIVOT, 0);
  put_u32 (b, read_only);
}

#define KERNEL_FS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static inline void put_kernel_trees (struct builder *b) {
  put_mount (b, "proc", "/proc", STRV (), KERNEL_FS, 0);
  put_mount (b, "tmpfs", "/dev", STRV ("mode=755", "size=65536k"), MOUNT_ATTR_NOSUID, 0);
  put_mount (b, "devpts", "/dev/pts", STRV ("newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0);
  put_mount (b, "sysfs", "/sys", STRV (), KERNEL_FS | MOUNT_ATTR_RDONLY, 0);
  put_mount (b, "mqueue", "/dev/mqueue", STRV (), KERNEL_FS, 0);
  put_mount (b, "tmpfs", "/dev/shm", STRV ("mode=1777", "size=65536k"), KERNEL_FS, 0);
  put_device (b, "/dev/null", 1, 3);
  put_device (b, "/dev/zero", 1, 5);
  put_device (b, "/dev/full", 1, 7);
  put_device (b, "/dev/random", 1, 8);
  put_device (b, "/dev/urandom", 1, 9);
  put_device (b, "/dev/tty", 5, 0);
  put_texts (b, OP_SYMLINK, 0, "/proc/self/fd", "/dev/fd");
  put_texts (b, OP_SYMLINK, 0, "/proc/self/fd/0", "/dev/stdin");
  put_texts (b, OP_SYMLINK, 0, "/proc/self/fd/1", "/dev/stdout");
  put_texts (b, OP_SYMLINK, 0, "/proc/self/fd/2", "/dev/stderr");
  put_texts (b, OP_SYMLINK, 0, "pts/ptmx", "/dev/ptmx");
}

static inline void put_protections (struct builder *b) {
  static const char *const masked[] = { "/proc/asound",
                                        "/proc/acpi",
                                        "/proc/kcore",
                                        "/proc/keys",
                                        "/proc/latency_stats",
                                        "/proc/timer_list",
                                        "/proc/timer_stats",
                                        "/proc/sched_debug",
                                        "/proc/scsi",
                                        "/sys/firmware",
                                        "/sys/devices/virtual/powercap" };
  static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

  for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
    put_text (b, OP_MASK, 0, masked[i]);
  for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++)
    put_text (b, OP_READONLY, 0, read_only[i]);
}

/* A root with everything in it, up to the pivot. */
static inline void begin_container (struct builder *b, uint32_t flags) {
  begin_plan (b, ALL_NEW, flags);
  put_root (b);
  put_kernel_trees (b);
  if ((flags & PLAN_TERMINAL) != 0) {
    put_op (b, OP_CONSOLE, 0);
    put_u32 (b, 30);
    put_u32 (b, 100);
    put_u32 (b, 0);
  }
  put_protections (b);
  put_pivot (b, false);
}

struct identity {
  const char *user, *group; /* a name, a number or NULL */
  const char *const *add_groups;
  bool want_home;
};

static inline void put_who (struct builder *b, const char *who) {
  bool is_number = who != NULL && strspn (who, "0123456789") == strlen (who);

  put_u32 (b, who == NULL ? ID_NONE : is_number ? ID_NUMBER : ID_NAME);
  put_u32 (b, is_number ? (uint32_t) strtoul (who, NULL, 10) : 0);
  put_str (b, who == NULL || is_number ? "" : who);
}

static inline void put_identity (struct builder *b, struct identity id) {
  put_op (b, OP_IDENTITY, 0);
  put_who (b, id.user);
  put_who (b, id.group);
  put_strv (b, id.add_groups == NULL ? STRV () : id.add_groups);
  put_u32 (b, id.want_home);
}

#define DOCKER_CAPS 0xa80425fbull

static inline void put_caps (struct builder *b, uint64_t mask, uint64_t ambient) {
  put_op (b, OP_CAPS, 0);
  put_u64 (b, mask);
  put_u64 (b, mask);
  put_u64 (b, ambient);
  put_u64 (b, ambient);
}

#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static inline void put_command (struct builder *b, const char *script) {
  put_exec (b, STRV ("sh", "-c", script), STRV ("PATH=" PATH), PATH);
}

/* ---- running ---- */

struct outcome {
  int code; /* exit status, 128 + signal, or -1 when it was not spawned */
  bool started, created;
  struct err err;
  char out[65536];
};

static inline void collect (int *fd, struct outcome *o) {
  size_t have = strlen (o->out);
  char scrap[4096];
  bool room = have < sizeof o->out - 1;
  ssize_t n = room ? read (*fd, o->out + have, sizeof o->out - 1 - have) : read (*fd, scrap, sizeof scrap);

  if (n <= 0) {
    close (*fd);
    *fd = -1;
  } else if (room)
    o->out[have + (size_t) n] = '\0';
}

static inline void attend (struct container *c, int *out, struct outcome *o) {
  int status;

  while (c->sync_fd >= 0 || *out >= 0 || c->console_fd >= 0) {
    struct pollfd fds[3] = { { .fd = c->sync_fd, .events = POLLIN },
                             { .fd = *out, .events = POLLIN },
                             { .fd = c->console_fd, .events = POLLIN } };
    if (poll (fds, 3, 20000) == 0) {
      printf ("    the container hangs\n");
      kill (c->pid, SIGKILL);
    }
    if (fds[0].revents != 0)
      switch (container_sync (c, &o->err)) {
      case SYNC_CREATED:
        o->created = true;
        break;
      case SYNC_STARTED:
        o->started = true;
        break;
      default:
        break;
      }
    if (fds[1].revents != 0)
      collect (out, o);
    if (fds[2].revents != 0)
      collect (&c->console_fd, o);
  }
  MUST (waitpid (c->pid, &status, 0) == c->pid);
  o->code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

/* Spawns with standard output and error in one pipe, whose reading end is the result; -1 with o->err. */
static inline int start_plan (struct builder *b, int init_pidfd, struct container *c, struct outcome *o) {
  struct plan p;
  int pipes[2], null = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  memset (o, 0, sizeof *o);
  o->code = -1;
  end_plan (b);
  MUST (pipe2 (pipes, O_CLOEXEC) == 0 && null >= 0);
  int result = plan_decode (b->bytes, b->size, &p, &o->err);
  if (result == 0) {
    result = container_spawn (&p, &(struct container_stdio){ null, pipes[1], pipes[1] }, init_pidfd, c, &o->err);
    plan_release (&p);
  }
  free (b->bytes);
  close (null);
  close (pipes[1]);
  if (result == 0)
    return pipes[0];
  close (pipes[0]);
  return -1;
}

/* Waits until the container has written something. */
static inline void await_output (int *out, struct outcome *o) {
  while (o->out[0] == '\0') {
    collect (out, o);
    must (*out >= 0, "the container ended too early");
  }
}

/* The result stays valid until the next call. */
static inline struct outcome *run_plan_joined (struct builder *b, int init_pidfd) {
  static struct outcome o;
  struct container c;
  struct err e;
  int out = start_plan (b, init_pidfd, &c, &o);

  if (out < 0)
    return &o;
  MUST (container_go (&c, &e) == 0);
  attend (&c, &out, &o);
  container_release (&c);
  if (init_pidfd >= 0)
    waitpid (-1, NULL, WNOHANG); /* who set it up */
  return &o;
}

static inline struct outcome *run_plan (struct builder *b) {
  return run_plan_joined (b, -1);
}

/* In a container with everything: the result of a shell script. */
static inline struct outcome *run_script (const char *script) {
  struct builder b;

  begin_container (&b, 0);
  put_command (&b, script);
  return run_plan (&b);
}

/* Succeeded with exactly this output. */
#define CHECK_RUN(result, expected)                                                                                    \
  do {                                                                                                                 \
    struct outcome *check_o = (result);                                                                                \
    if (!check_o->started || check_o->code != 0)                                                                       \
      printf ("    status %d, op %u: %s: %s\n", check_o->code, check_o->err.op, check_o->err.text,                     \
              strerror (check_o->err.code));                                                                           \
    CHECK_TEXT (check_o->out, expected);                                                                               \
    CHECK (check_o->started);                                                                                          \
    CHECK (check_o->code == 0);                                                                                        \
  } while (0)

/* Failed at the op of that kind with that text. */
#define CHECK_FAILS(result, errno_code, expected)                                                                      \
  do {                                                                                                                 \
    struct outcome *check_o = (result);                                                                                \
    CHECK (!check_o->started);                                                                                         \
    CHECK_TEXT (check_o->err.text, expected);                                                                          \
    CHECK (check_o->err.code == (errno_code));                                                                         \
  } while (0)

#endif
