#include "check.h"

#include "../src/tree_inodes.h"
#include "../src/tree_number.h"
#include "../src/tree_path.h"

#include <stdint.h>

#define CHECK_CLEAN(given, expected, expected_depth, expected_escaped)                                                 \
  do {                                                                                                                 \
    char path[64] = given;                                                                                             \
    struct clean_path clean = path_clean (path);                                                                       \
    CHECK_TEXT (path, expected);                                                                                       \
    CHECK (clean.depth == (expected_depth) && clean.escaped == (expected_escaped));                                    \
  } while (0)

TEST ("path_clean leaves nothing but names between single slashes") {
  CHECK_CLEAN ("a/b", "a/b", 2, false);
  CHECK_CLEAN ("./a//b/./c/", "a/b/c", 3, false);
  CHECK_CLEAN ("/etc/motd", "etc/motd", 2, false);
  CHECK_CLEAN ("", "", 0, false);
  CHECK_CLEAN (".", "", 0, false);
  CHECK_CLEAN ("///", "", 0, false);
  CHECK_CLEAN ("...", "...", 1, false);
  CHECK_CLEAN ("a/..b/.c", "a/..b/.c", 3, false);
}

TEST ("path_clean takes .. as text and says when it led out") {
  CHECK_CLEAN ("a/../b", "b", 1, false);
  CHECK_CLEAN ("a/b/../../c", "c", 1, false);
  CHECK_CLEAN ("a/..", "", 0, false);
  CHECK_CLEAN ("..", "", 0, true);
  CHECK_CLEAN ("a/../../b", "b", 1, true);
  CHECK_CLEAN ("../a/b/..", "a", 1, true);
  CHECK_CLEAN ("/../../a", "a", 1, false);
}

TEST ("path_escape is printable, quoted-safe, and cut to its room") {
  char shown[40];
  CHECK_TEXT (path_escape (shown, sizeof shown, "plain/name"), "plain/name");
  CHECK_TEXT (path_escape (shown, sizeof shown, "\n\"\\\x7f\xff"), "\\x0a\\x22\\x5c\\x7f\\xff");
  CHECK_TEXT (path_escape (shown, 16, "0123456789abcdef"), "012345678...");
  CHECK_TEXT (path_escape (shown, 16, "\x01\x01\x01\x01\x01"), "\\x01\\x01\\x01...");
}

TEST ("path_base splits at the last slash") {
  char deep[] = "a/b/c", flat[] = "a";
  CHECK (path_base (deep) == deep + 4 && path_base (flat) == flat);
}

static bool field (const char *bytes, size_t size, int64_t *value) {
  return tar_field ((const uint8_t *) bytes, size, value);
}

TEST ("tar_field reads octal between spaces and NULs") {
  int64_t v;
  CHECK (field ("0000644", 8, &v) && v == 0644);
  CHECK (field (" 644 \0 x", 8, &v) && v == 0644);
  CHECK (field ("77777777", 8, &v) && v == 077777777);
  CHECK (field ("\0\0\0\0\0\0\0", 8, &v) && v == 0);
  CHECK (field ("        ", 8, &v) && v == 0);
  CHECK (!field ("12 34\0\0", 8, &v));
  CHECK (!field ("128\0\0\0\0", 8, &v));
  CHECK (!field ("-1\0\0\0\0\0", 8, &v));
}

TEST ("tar_field reads base-256 up to 63 bits, both signs") {
  int64_t v;
  CHECK (field ("\x80\0\0\0\0\0\x01\x02", 8, &v) && v == 258);
  CHECK (field ("\xff\xff\xff\xff\xff\xff\xff\xff", 8, &v) && v == -1);
  CHECK (field ("\xff\xff\xff\xff\xff\xff\xff\xfb", 8, &v) && v == -5);
  CHECK (field ("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, &v) && v == INT64_MAX);
  CHECK (field ("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, &v) && v == INT64_MIN);
  CHECK (!field ("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, &v));
  CHECK (!field ("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12, &v));
}

static bool decimal (const char *text, uint64_t *value) {
  return tar_decimal (text, text + strlen (text), value);
}

TEST ("tar_decimal takes digits and nothing else") {
  uint64_t v;
  CHECK (decimal ("0", &v) && v == 0);
  CHECK (decimal ("18446744073709551615", &v) && v == UINT64_MAX);
  CHECK (!decimal ("18446744073709551616", &v));
  CHECK (!decimal ("", &v) && !decimal ("-1", &v) && !decimal ("+1", &v) && !decimal (" 1", &v) && !decimal ("1e3", &v));
}

static bool seconds (const char *text, int64_t second, long nanosecond) {
  struct timespec t;
  return tar_time (text, text + strlen (text), &t) && t.tv_sec == second && t.tv_nsec == nanosecond;
}

TEST ("tar_time reads fractions and times before 1970") {
  struct timespec t;
  CHECK (seconds ("12", 12, 0) && seconds ("12.", 12, 0) && seconds ("12.5", 12, 500000000));
  CHECK (seconds ("1.123456789999", 1, 123456789) && seconds ("0.000000001", 0, 1));
  CHECK (seconds ("-1", -1, 0) && seconds ("-1.25", -2, 750000000));
  const char *const bad[] = { "", ".5", "-", "1.5.5", "1,5", "1.x", "99999999999999999999" };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK (!tar_time (bad[i], bad[i] + strlen (bad[i]), &t));
}

TEST ("an inode set knows what was added, device by device, through its growth") {
  struct inode_set set = { 0 };
  CHECK (!inode_set_has (&set, 1, 1));
  for (ino_t inode = 1; inode <= 10000; inode++)
    CHECK (inode_set_add (&set, 1, inode * 4096) == 1);
  CHECK (inode_set_add (&set, 1, 4096) == 0 && set.count == 10000);
  for (ino_t inode = 1; inode <= 10000; inode++)
    CHECK (inode_set_has (&set, 1, inode * 4096) && !inode_set_has (&set, 2, inode * 4096) &&
           !inode_set_has (&set, 1, inode * 4096 + 1));
  inode_set_free (&set);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
