/* tmpcopyup: what a fresh filesystem holds of what it covers. Needs root and busybox-static. */
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "sandbox.h"

#define DATA BOX ("lower/data")

static void fresh_upper (void) {
  MUST (system ("rm -rf " SANDBOX "/upper " SANDBOX "/work && mkdir " SANDBOX "/upper " SANDBOX "/work") == 0);
}

/* A POSIX ACL as the kernel keeps it: u::rw-, u:1000:r--, g::---, m::r--, o::--- */
static const uint8_t acl[] = { 2, 0,    0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
                               0, 0xe8, 3,    0,    0,    4,    0,    0, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
                               4, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff };
/* cap_net_raw, permitted and effective, of version 2. */
static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 0x20 };

static void set_times (const char *path, time_t seconds) {
  const struct timespec times[2] = { { seconds, 11 }, { seconds, 22 } };
  must (utimensat (AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0, path);
}

static void make_sparse (const char *path) {
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  MUST (fd >= 0 && pwrite (fd, "middle", 6, 20 << 20) == 6 && pwrite (fd, "more", 4, 30 << 20) == 4);
  MUST (ftruncate (fd, 64 << 20) == 0);
  close (fd);
}

static void make_data (void) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = DATA "/socket" };

  MUST (mkdir (DATA, 0750) == 0 && mkdir (DATA "/d", 0700) == 0 && mkdir (DATA "/d/e", 0700) == 0);
  write_text (DATA "/file", "hello\n");
  write_text (DATA "/d/e/deep", "deep\n");
  write_text (DATA "/empty", "");
  write_text (DATA "/acl", "x");
  make_sparse (DATA "/sparse");
  MUST (symlink ("/tmp/gantry-native-test/outside/secret", DATA "/link") == 0);
  MUST (symlink ("d", DATA "/inner") == 0);
  MUST (mkfifo (DATA "/pipe", 0640) == 0 && mknod (DATA "/null", S_IFCHR | 0606, makedev (1, 3)) == 0);
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  MUST (bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && close (fd) == 0);
  MUST (chown (DATA "/file", 1000, 1001) == 0 && chmod (DATA "/file", 04751) == 0);
  MUST (lchown (DATA "/link", 5, 6) == 0 && chown (DATA "/d", 7, 8) == 0 && chmod (DATA "/d", 01555) == 0);
  MUST (chown (DATA "/null", 9, 10) == 0 && chmod (DATA "/null", 02606) == 0);
  MUST (setxattr (DATA "/file", "security.capability", capability, sizeof capability, 0) == 0);
  MUST (setxattr (DATA "/acl", "system.posix_acl_access", acl, sizeof acl, 0) == 0);
  MUST (lsetxattr (DATA "/link", "trusted.note", "linked", 6, 0) == 0);
  for (int i = 1; i <= 3; i++)
    set_times ((const char *[]){ DATA "/file", DATA "/link", DATA "/d" }[i - 1], 1000000 * i);
}

static const char *const names[] = { "file", "d",     "d/e",  "d/e/deep", "empty",  "acl",
                                     "link", "inner", "pipe", "null",     "socket", "sparse" };

/* Names and values of all attributes in one text. */
static size_t attributes_of (const char *path, char *text, size_t size) {
  char list[4096];
  ssize_t n = llistxattr (path, list, sizeof list);
  size_t used = 0;

  for (const char *name = list; n > 0 && name < list + n; name += strlen (name) + 1) {
    used += (size_t) snprintf (text + used, size - used, "%s=", name);
    ssize_t value = lgetxattr (path, name, text + used, size - used);
    used += value > 0 ? (size_t) value : 0;
  }
  return used;
}

static bool are_alike (const char *left, const char *right) {
  static char texts[2][8192];
  struct stat a, b;
  ssize_t n;

  if (lstat (left, &a) < 0 || lstat (right, &b) < 0 || a.st_mode != b.st_mode || a.st_uid != b.st_uid ||
      a.st_gid != b.st_gid || a.st_rdev != b.st_rdev || a.st_mtim.tv_sec != b.st_mtim.tv_sec ||
      a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
    return false;
  if (!S_ISDIR (a.st_mode) && a.st_size != b.st_size)
    return false;
  if (S_ISREG (a.st_mode) && a.st_blocks != b.st_blocks)
    return false;
  if (S_ISLNK (a.st_mode) && ((n = readlink (left, texts[0], 4096)) != readlink (right, texts[1], 4096) ||
                              memcmp (texts[0], texts[1], (size_t) n) != 0))
    return false;
  size_t size = attributes_of (left, texts[0], sizeof texts[0]);
  return attributes_of (right, texts[1], sizeof texts[1]) == size && memcmp (texts[0], texts[1], size) == 0;
}

static void begin_covered (struct builder *b, const char *const *options, uint64_t attrs) {
  begin_plan (b, ALL_NEW, 0);
  put_root (b);
  put_mount (b, "tmpfs", "/data", options, attrs, OPF_COPY_UP);
  put_mount (b, "proc", "/proc", STRV (), KERNEL_FS, 0);
  put_pivot (b, false);
}

TEST ("a tmpfs holds a true copy of what it covers, and the image stays as it was") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  char path[256], left[256];
  NEEDS_SANDBOX ();
  make_data ();

  begin_covered (&b, STRV ("mode=711", "size=256m"), MOUNT_ATTR_NOSUID);
  put_command (&b, "cat /data/file /data/d/e/deep; ls -a /data | wc -l; echo > /data/new; stat -c '%a %u' /data;"
                   "grep ' /data ' /proc/self/mountinfo | grep -c tmpfs; exec sleep 30");
  int out = start_plan (&b, -1, &c, &o);
  CHECK (out >= 0);
  MUST (container_go (&c, &e) == 0);
  for (int i = 0; i < 200 && strstr (o.out, "711 0\n1\n") == NULL && out >= 0; i++)
    collect (&out, &o);
  const char *different = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf (left, sizeof left, DATA "/%s", names[i]);
    snprintf (path, sizeof path, "/proc/%d/root/data/%s", c.pid, names[i]);
    if (!are_alike (left, path))
      different = names[i];
  }
  snprintf (path, sizeof path, "cmp " DATA "/sparse /proc/%d/root/data/sparse", c.pid);
  int compared = system (path);
  kill (c.pid, SIGKILL);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK_TEXT (o.out, "hello\ndeep\n12\n711 0\n1\n");
  CHECK_TEXT (different == NULL ? "" : different, "");
  CHECK (compared == 0);
  CHECK (access (DATA "/new", F_OK) < 0 && access (BOX ("upper/data"), F_OK) < 0);
}

TEST ("a read-only copy is complete, and one of a directory that was not there is empty") {
  struct builder b;
  NEEDS_SANDBOX ();
  make_data ();

  begin_covered (&b, STRV (), MOUNT_ATTR_RDONLY);
  put_command (&b, "cat /data/file; 2>/dev/null echo > /data/x || echo refused");
  CHECK_RUN (run_plan (&b), "hello\nrefused\n");

  fresh_root ();
  begin_covered (&b, STRV (), 0);
  put_command (&b, "ls -A /data; echo x > /data/x; cat /data/x");
  CHECK_RUN (run_plan (&b), "x\n");
}

static struct outcome *run_covered (const char *const *options) {
  struct builder b;

  begin_covered (&b, options, 0);
  put_command (&b, "true");
  return run_plan (&b);
}

TEST ("a copy that would not be whole is an error with the path") {
  struct builder b;
  NEEDS_SANDBOX ();

  MUST (mkdir (DATA, 0755) == 0 && mkdir (DATA "/sub", 0755) == 0);
  make_sparse (DATA "/sub/sparse");
  CHECK_FAILS (run_covered (STRV ("size=4k")), ENOSPC,
               "cannot copy up \"/data/sub/sparse\": its content cannot be written");

  fresh_root ();
  MUST (mkdir (DATA, 0755) == 0);
  char path[2048] = DATA;
  for (int i = 0; i < 200; i++) {
    strcat (path, "/x");
    must (mkdir (path, 0755) == 0, path);
  }
  struct outcome *o = run_covered (STRV ());
  CHECK (!o->started && o->err.code == ELOOP && strstr (o->err.text, ": it is too deep") != NULL);

  fresh_root ();
  MUST (mkdir (DATA, 0755) == 0 && mkdir (DATA "/sub", 0755) == 0);
  begin_plan (&b, ALL_NEW, 0);
  put_root (&b);
  put_mount (&b, "tmpfs", "/data/sub", STRV (), 0, 0);
  put_mount (&b, "tmpfs", "/data", STRV (), 0, OPF_COPY_UP);
  put_pivot (&b, false);
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EXDEV, "cannot copy up \"/data/sub\": something is mounted there");
}

TEST ("in a user namespace a copy belongs to whom the image's files belong to there") {
  struct builder b;
  NEEDS_SANDBOX ();
  MUST (mkdir (DATA, 0755) == 0 && mkdir (DATA "/d", 0700) == 0 && chown (DATA "/d", 33, 34) == 0);
  write_text (DATA "/d/file", "hello\n");
  MUST (chown (DATA "/d/file", 5, 6) == 0 && chmod (DATA "/d/file", 0640) == 0);

  for (uint32_t staged = 0; staged < 2; staged++) {
    fresh_upper ();
    begin_plan (&b, ALL_NEW, 0);
    put_texts (&b, OP_USERNS, 0, "0 100000 65536\n", "0 100000 65536\n");
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, MS_SLAVE);
    put_op (&b, OP_ROOT_OVERLAY, 0);
    put_strv (&b, STRV (BOX ("lower")));
    put_str (&b, BOX ("upper"));
    put_str (&b, BOX ("work"));
    put_strv (&b, STRV ());
    put_str (&b, BOX ("staging"));
    put_u32 (&b, IDMAP_CONTAINER);
    put_op (&b, OP_MOUNT, OPF_COPY_UP);
    put_str (&b, "tmpfs");
    put_str (&b, "tmpfs");
    put_str (&b, "/data");
    put_strv (&b, STRV ());
    put_u64 (&b, MOUNT_ATTR_RDONLY);
    put_u64 (&b, 0);
    put_u32 (&b, 0);
    put_u32 (&b, staged != 0 ? IDMAP_CONTAINER : IDMAP_NONE);
    put_pivot (&b, false);
    put_command (&b,
                 "cat /data/d/file; stat -c '%a %u %g' /data/d /data/d/file; 2>/dev/null echo > /data/x || echo no");
    CHECK_RUN (run_plan (&b), "hello\n700 33 34\n640 5 6\nno\n");
  }
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
