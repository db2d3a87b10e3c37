/* One archive into an image and into a directory: both take it or refuse it, in the same words, and count the same. The image
   is one that the kernel mounts, where it can. Needs root. */
#include "erofs_mount.h"
#include "err.h"
#include "fds.h"
#include "tree_archive.h"
#include "../src/erofs_apply.h"
#include "../src/tree_apply.h"
#include "../src/tree_input.h"
#include "../src/tree_remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char work[] = "/tmp/gantry-fuzz-XXXXXX", image_path[sizeof work + 16];
static int work_fd = -1;
static bool can_mount;

#define EXPECT(condition) ((condition) ? (void) 0 : failed (#condition))

static void failed (const char *what) {
  fprintf (stderr, "expected %s\n", what);
  abort ();
}

static void clean_up (void) {
  struct err e;
  tree_remove_path (work, &e);
}

static void set_up (void) {
  EXPECT (mkdtemp (work) != NULL);
  work_fd = open (work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT (work_fd >= 0);
  snprintf (image_path, sizeof image_path, "%s/image", work);
  umask (0);
  atexit (clean_up);
}

static struct input input_of (const uint8_t *archive, size_t size) {
  struct input in = { .fd = -1, .buffer = malloc (size), .capacity = size, .end = size, .ended = true };
  EXPECT (in.buffer != NULL);
  memcpy (in.buffer, archive, size);
  return in;
}

/* ---- the two trees ---- */

static void compare_entry (int a, int b, const char *name);

static void compare_directories (int a, int b) {
  DIR *directory = fdopendir (a);
  size_t count = 0;
  EXPECT (directory != NULL);
  for (const struct dirent *entry; (entry = readdir (directory)) != NULL;)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0) {
      compare_entry (dirfd (directory), b, entry->d_name);
      count++;
    }
  closedir (directory);
  DIR *other = fdopendir (b);
  EXPECT (other != NULL);
  for (const struct dirent *entry; (entry = readdir (other)) != NULL;)
    count -= strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0;
  EXPECT (count == 0);
  closedir (other);
}

static void compare_files (int a, int b) {
  uint8_t one[4096], other[4096];
  for (;;) {
    ssize_t n = read (a, one, sizeof one), m = read (b, other, sizeof other);
    EXPECT (n == m && n >= 0 && memcmp (one, other, (size_t) n) == 0);
    if (n == 0)
      break;
  }
}

static void compare_entry (int a, int b, const char *name) {
  struct stat x, y;
  EXPECT (fstatat (a, name, &x, AT_SYMLINK_NOFOLLOW) == 0 && fstatat (b, name, &y, AT_SYMLINK_NOFOLLOW) == 0);
  /* A whiteout has no owner that anybody sees: one that stands in the place of another may keep the other's. */
  if (S_ISCHR (x.st_mode) && S_ISCHR (y.st_mode) && x.st_rdev == 0 && y.st_rdev == 0)
    return;
  if (x.st_mode != y.st_mode || x.st_uid != y.st_uid || x.st_gid != y.st_gid || x.st_nlink != y.st_nlink)
    fprintf (stderr, "\"%s\": directory %o %u:%u links %u, image %o %u:%u links %u\n", name, x.st_mode, x.st_uid, x.st_gid,
             (unsigned) x.st_nlink, y.st_mode, y.st_uid, y.st_gid, (unsigned) y.st_nlink);
  EXPECT (x.st_mode == y.st_mode && x.st_uid == y.st_uid && x.st_gid == y.st_gid && x.st_rdev == y.st_rdev);
  EXPECT (S_ISDIR (x.st_mode) || (x.st_size == y.st_size && x.st_nlink == y.st_nlink));
  if (S_ISLNK (x.st_mode)) {
    char one[4096] = "", other[4096] = "";
    EXPECT (readlinkat (a, name, one, sizeof one) == readlinkat (b, name, other, sizeof other));
    EXPECT (strcmp (one, other) == 0);
  }
  if (!S_ISREG (x.st_mode) && !S_ISDIR (x.st_mode))
    return;
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
  int from = openat (a, name, flags), to = openat (b, name, flags);
  EXPECT (from >= 0 && to >= 0);
  if (S_ISDIR (x.st_mode)) {
    compare_directories (from, to);
    return;
  }
  compare_files (from, to);
  close (from);
  close (to);
}

static void compare_with_mount (void) {
  struct err e;
  int mounted = erofs_mount (image_path, &e);
  static bool is_known;
  if (!is_known)
    can_mount = mounted >= 0; /* the first image that was made */
  is_known = true;
  if (!can_mount)
    return;
  EXPECT (mounted >= 0);
  int there = openat (mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT (there >= 0);
  compare_directories (openat (work_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC), there);
  close (mounted);
}

/* ---- one archive ---- */

static void apply (const uint8_t *archive, size_t size) {
  struct err e = { 0 }, image_e = { 0 };
  static struct apply_result result, image_result;
  EXPECT (mkdirat (work_fd, "root", 0755) == 0);
  int root = openat (work_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int image = open (image_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  EXPECT (root >= 0 && image >= 0);
  struct input in = input_of (archive, size), image_in = input_of (archive, size);

  int done = tree_apply (root, true, &in, &result, &e);
  int image_done = erofs_apply (image, &image_in, &image_result, &image_e);
  /* What is refused by one is refused by the other; which of two reasons is told first may differ. */
  if (done != image_done)
    fprintf (stderr, "directory: %d \"%s\" (%d) at \"%s\"\nimage: %d \"%s\" (%d) at \"%s\"\n", done, e.text, e.code, result.name,
             image_done, image_e.text, image_e.code, image_result.name);
  EXPECT (done == image_done);
  if (done == 0) {
    EXPECT (result.usage.bytes == image_result.usage.bytes && result.usage.inodes == image_result.usage.inodes);
    compare_with_mount ();
  }
  input_close (&in);
  input_close (&image_in);
  close (root);
  close (image);
  EXPECT (tree_remove (work_fd, "root", NULL, &e) == 0);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  static uint8_t archive[64 << 10];
  if (work_fd < 0)
    set_up ();
  size_t used = make_archive (data, size, archive, sizeof archive);
  if (used > 0)
    apply (archive, used);
  return 0;
}
