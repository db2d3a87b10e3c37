#include "check.h"

#include "../src/sha256.h"
#include "../src/tree_fingerprint.h"
#include "err.h"
#include "fds.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static void hex_of (const uint8_t *digest, char text[2 * SHA256_BYTES + 1]) {
  for (size_t i = 0; i < SHA256_BYTES; i++)
    snprintf (text + 2 * i, 3, "%02x", digest[i]);
}

/* In pieces of `step` bytes. */
static void hash_of (const char *data, size_t length, size_t step, char text[2 * SHA256_BYTES + 1]) {
  struct sha256 h;
  uint8_t digest[SHA256_BYTES];
  sha256_begin (&h);
  for (size_t at = 0; at < length; at += step)
    sha256_add (&h, data + at, length - at < step ? length - at : step);
  sha256_end (&h, digest);
  hex_of (digest, text);
}

TEST ("sha256 has the values of its standard") {
  char text[2 * SHA256_BYTES + 1];
  hash_of ("", 0, 1, text);
  CHECK_TEXT (text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash_of ("abc", 3, 3, text);
  CHECK_TEXT (text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  hash_of (two, strlen (two), 5, text);
  CHECK_TEXT (text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  char *million = malloc (1000000);
  MUST (million != NULL);
  memset (million, 'a', 1000000);
  hash_of (million, 1000000, 977, text);
  free (million);
  CHECK_TEXT (text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

struct tree {
  char path[64];
};

static const struct timespec TIMES[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000, .tv_nsec = 5 } };

static void put (const char *name, const char *text) {
  auto_fd fd = open (name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  MUST (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text) && futimens (fd, TIMES) == 0);
}

/* A tree whose entries are made in this or in the other order. */
static void make_tree (struct tree *t, bool backwards) {
  static int made;
  static const char *const NAMES[] = { "a", "b", "dir/c", "dir/deep/d" };

  snprintf (t->path, sizeof t->path, "/tmp/gantry-native-print-%d-%d", getpid (), made++);
  MUST (mkdir (t->path, 0755) == 0 && chdir (t->path) == 0);
  MUST (mkdir ("dir", 0755) == 0 && mkdir ("dir/deep", 0755) == 0);
  for (size_t i = 0; i < 4; i++)
    put (NAMES[backwards ? 3 - i : i], NAMES[backwards ? 3 - i : i]);
  MUST (symlink ("a", "link") == 0 && utimensat (AT_FDCWD, "link", TIMES, AT_SYMLINK_NOFOLLOW) == 0);
  MUST (mkfifo ("fifo", 0600) == 0 && utimensat (AT_FDCWD, "fifo", TIMES, 0) == 0);
}

static void remove_tree (const struct tree *t) {
  char command[100];
  MUST (chdir ("/") == 0);
  snprintf (command, sizeof command, "rm -rf %s", t->path);
  MUST (system (command) == 0);
}

static void print (const struct tree *t, char text[2 * FINGERPRINT_BYTES + 1]) {
  struct err e = { 0 };
  int32_t cancelled = 0;
  uint8_t fingerprint[FINGERPRINT_BYTES];
  MUST (tree_fingerprint (t->path, &cancelled, fingerprint, &e) == 0);
  hex_of (fingerprint, text);
}

TEST ("the fingerprint does not depend on the order of directories") {
  struct tree one, other;
  char first[65], second[65];
  make_tree (&one, false);
  make_tree (&other, true);
  print (&one, first);
  print (&other, second);
  remove_tree (&one);
  remove_tree (&other);
  CHECK_TEXT (first, second);
}

static void keep_times (const char *name) {
  MUST (utimensat (AT_FDCWD, name, TIMES, AT_SYMLINK_NOFOLLOW) == 0);
}

static void change_bytes (void) {
  put ("dir/deep/d", "dir/deep/x");
}
static void change_mode (void) {
  MUST (chmod ("a", 0600) == 0);
}
static void change_directory_mode (void) {
  MUST (chmod ("dir", 0700) == 0);
}
static void change_time (void) {
  MUST (utimensat (AT_FDCWD, "a", (struct timespec[2]) { { 0 }, { .tv_sec = 1000, .tv_nsec = 6 } }, 0) == 0);
}
static void change_name (void) {
  MUST (rename ("a", "A") == 0);
}
static void change_place (void) {
  MUST (rename ("b", "dir/b") == 0);
}
static void change_link (void) {
  MUST (unlink ("link") == 0 && symlink ("b", "link") == 0);
  keep_times ("link");
}
static void change_links (void) {
  MUST (link ("a", "a2") == 0 && unlink ("b") == 0);
}
static void change_kind (void) {
  MUST (unlink ("fifo") == 0);
  put ("fifo", "");
  MUST (chmod ("fifo", 0600) == 0);
}
static void change_attribute (void) {
  MUST (setxattr ("a", "user.x", "y", 1, 0) == 0 || errno == ENOTSUP);
}
static void change_owner (void) {
  MUST (chown ("a", 7, 7) == 0);
}
static void add_empty (void) {
  MUST (mkdir ("new", 0755) == 0);
}

TEST ("every property of every entry changes the fingerprint") {
  void (*const changes[]) (void) = { change_bytes, change_mode,  change_directory_mode, change_time,
                                     change_name,  change_place, change_link,           change_links,
                                     change_kind,  change_owner, change_attribute,      add_empty };
  if (geteuid () != 0)
    SKIP ("needs root");
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    struct tree t;
    char before[65], after[65];
    make_tree (&t, false);
    print (&t, before);
    MUST (chdir (t.path) == 0);
    changes[i]();
    bool has_attributes = changes[i] != change_attribute || getxattr ("a", "user.x", NULL, 0) >= 0;
    print (&t, after);
    remove_tree (&t);
    if (has_attributes && strcmp (before, after) == 0)
      printf ("    change %zu\n", i);
    CHECK (!has_attributes || strcmp (before, after) != 0);
  }
}

TEST ("a fingerprint can be cancelled, and of nothing there is none") {
  struct tree t;
  struct err e = { 0 };
  int32_t cancelled = 1;
  uint8_t fingerprint[FINGERPRINT_BYTES];
  make_tree (&t, false);
  int result = tree_fingerprint (t.path, &cancelled, fingerprint, &e);
  remove_tree (&t);
  CHECK (result < 0 && e.code == ECANCELED);
  cancelled = 0;
  e = (struct err) { 0 };
  CHECK (tree_fingerprint (t.path, &cancelled, fingerprint, &e) < 0 && e.code == ENOENT);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
