#include "check.h"

#include "../src/tree_shift.h"
#include "err.h"
#include "fds.h"
#include "sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const struct shift_maps MAPS = { "0 100000 1000\n1000 300000 10\n", "0 200000 2000\n" };

struct trees {
  char base[64], from[80], to[80];
};

static void make_trees (struct trees *t) {
  static int made;

  snprintf (t->base, sizeof t->base, "/tmp/gantry-native-shift-%d-%d", getpid (), made++);
  snprintf (t->from, sizeof t->from, "%s/from", t->base);
  snprintf (t->to, sizeof t->to, "%s/to", t->base);
  MUST (mkdir (t->base, 0700) == 0 && mkdir (t->from, 0700) == 0 && mkdir (t->to, 0700) == 0);
  MUST (chdir (t->from) == 0);
}

static void remove_trees (const struct trees *t) {
  char command[100];
  MUST (chdir ("/") == 0);
  snprintf (command, sizeof command, "rm -rf %s", t->base);
  MUST (system (command) == 0);
}

static void put_file (const char *name, const char *text, uid_t uid, gid_t gid, mode_t mode) {
  auto_fd fd = open (name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  MUST (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text));
  MUST (fchown (fd, uid, gid) == 0 && fchmod (fd, mode) == 0);
}

static int shift_trees (const struct trees *t, struct tree_usage *u, char *name, struct err *e) {
  auto_fd from = open (t->from, O_RDONLY | O_DIRECTORY), to = open (t->to, O_RDONLY | O_DIRECTORY);
  MUST (from >= 0 && to >= 0);
  int result = tree_shift (from, to, &MAPS, u, name, e);
  MUST (chdir (t->to) == 0);
  return result;
}

#define CHECK_FILE(path, expected_uid, expected_gid, expected_mode)                                                    \
  do {                                                                                                                 \
    struct stat st_;                                                                                                   \
    MUST (lstat (path, &st_) == 0);                                                                                    \
    CHECK (st_.st_uid == (expected_uid) && st_.st_gid == (expected_gid) && st_.st_mode == (expected_mode));            \
  } while (0)

TEST ("a shifted copy keeps everything but the owners") {
  static const uint8_t CAPABILITY[20] = { 1, 0, 0, 2, 0, 0x20 };
  const struct timespec times[2] = { { 1000, 0 }, { 2000, 5 } };
  char name[TREE_NAME_BYTES], value[64] = { 0 };
  struct tree_usage u;
  struct err e = { 0 };
  struct trees t;
  struct stat a, b;

  if (getuid () != 0)
    SKIP ("needs root");
  make_trees (&t);
  MUST (mkdir ("d", 0750) == 0 && chown ("d", 1000, 5) == 0 && chmod ("d", 02750) == 0);
  put_file ("d/setuid", "data", 0, 50, 06755);
  MUST (link ("d/setuid", "second") == 0);
  put_file ("capable", "x", 1009, 0, 0755);
  MUST (setxattr ("capable", "security.capability", CAPABILITY, sizeof CAPABILITY, 0) == 0);
  MUST (setxattr ("d", "trusted.overlay.opaque", "y", 1, 0) == 0);
  MUST (symlink ("/etc/passwd", "link") == 0 && lchown ("link", 7, 8) == 0);
  MUST (mknod ("whiteout", S_IFCHR, makedev (0, 0)) == 0 && mkfifo ("pipe", 0600) == 0);
  MUST (utimensat (AT_FDCWD, "d", times, 0) == 0 && utimensat (AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW) == 0);

  CHECK (shift_trees (&t, &u, name, &e) == 0);
  CHECK_TEXT (e.text, "");
  CHECK_FILE (".", 100000, 200000, (mode_t) (S_IFDIR | 0700));
  CHECK_FILE ("d", 300000, 200005, (mode_t) (S_IFDIR | 02750));
  CHECK_FILE ("d/setuid", 100000, 200050, (mode_t) (S_IFREG | 06755));
  CHECK_FILE ("capable", 300009, 200000, (mode_t) (S_IFREG | 0755));
  CHECK_FILE ("link", 100007, 200008, (mode_t) (S_IFLNK | 0777));
  CHECK_FILE ("whiteout", 100000, 200000, (mode_t) S_IFCHR);
  CHECK_FILE ("pipe", 100000, 200000, (mode_t) (S_IFIFO | 0600));
  MUST (stat ("d/setuid", &a) == 0 && stat ("second", &b) == 0);
  CHECK (a.st_ino == b.st_ino && a.st_nlink == 2 && a.st_size == 4);
  CHECK (getxattr ("capable", "security.capability", value, sizeof value) == sizeof CAPABILITY);
  CHECK (memcmp (value, CAPABILITY, sizeof CAPABILITY) == 0);
  CHECK (getxattr ("d", "trusted.overlay.opaque", value, sizeof value) == 1);
  MUST (stat ("d", &a) == 0 && lstat ("link", &b) == 0);
  CHECK (a.st_mtim.tv_sec == 2000 && a.st_mtim.tv_nsec == 5 && b.st_mtim.tv_sec == 2000);
  CHECK (u.inodes == 7 && u.bytes == 4 + 1 + 11);
  remove_trees (&t);
}

TEST ("a shifted copy keeps holes, and shifts the ids in ACLs") {
  /* version 2; owner rwx, user 1001 r--, group r-x, mask rwx, other --- */
  static const uint8_t ACL[] = { 2, 0,    0,    0,    1,    0,    7,  0, 0xff, 0xff, 0xff, 0xff, 2,    0,   4,
                                 0, 0xe9, 3,    0,    0,    4,    0,  5, 0,    0xff, 0xff, 0xff, 0xff, 16,  0,
                                 7, 0,    0xff, 0xff, 0xff, 0xff, 32, 0, 0,    0,    0xff, 0xff, 0xff, 0xff };
  char name[TREE_NAME_BYTES], value[64] = { 0 };
  struct tree_usage u;
  struct err e = { 0 };
  struct trees t;
  struct stat st;

  if (getuid () != 0)
    SKIP ("needs root");
  make_trees (&t);
  put_file ("holes", "", 0, 0, 0644);
  {
    auto_fd fd = open ("holes", O_WRONLY);
    MUST (pwrite (fd, "a", 1, 8 << 20) == 1 && ftruncate (fd, 64 << 20) == 0);
  }
  put_file ("shared", "", 0, 0, 0644);
  bool has_acls = setxattr ("shared", "system.posix_acl_access", ACL, sizeof ACL, 0) == 0;

  CHECK (shift_trees (&t, &u, name, &e) == 0);
  CHECK_TEXT (e.text, "");
  MUST (stat ("holes", &st) == 0);
  CHECK (st.st_size == 64 << 20 && st.st_blocks < 2048);
  {
    auto_fd fd = open ("holes", O_RDONLY);
    CHECK (pread (fd, value, 1, 8 << 20) == 1 && value[0] == 'a');
  }
  if (has_acls) {
    uint32_t id = 0;
    CHECK (getxattr ("shared", "system.posix_acl_access", value, sizeof value) == sizeof ACL);
    memcpy (&id, value + 16, sizeof id);
    CHECK (id == 300001);
  }
  remove_trees (&t);
}

TEST ("an owner whom the maps do not have is an error that names the file") {
  char name[TREE_NAME_BYTES];
  struct tree_usage u;
  struct err e = { 0 };
  struct trees t;

  if (getuid () != 0)
    SKIP ("needs root");
  make_trees (&t);
  MUST (mkdir ("d", 0755) == 0);
  put_file ("d/foreign", "", 70000, 0, 0644);
  CHECK (shift_trees (&t, &u, name, &e) < 0);
  CHECK_TEXT (name, "d/foreign");
  CHECK_TEXT (e.text, "user 70000 cannot be mapped to a host id");
  remove_trees (&t);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
