/* Applying archives that want out, without chroot and filters: nothing beside the root may change. Needs root. */
#include "err.h"
#include "tree_archive.h"
#include "../src/tree_apply.h"
#include "../src/tree_input.h"
#include "../src/tree_remove.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition) ((condition) ? (void) 0 : abort ())

static char work[] = "/tmp/gantry-fuzz-XXXXXX";
static int work_fd = -1;
static struct stat victim, hello;

static void clean_up (void) {
  struct err e;
  tree_remove_path (work, &e);
}

static void set_up (void) {
  EXPECT (mkdtemp (work) != NULL);
  work_fd = open (work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT (work_fd >= 0 && mkdirat (work_fd, "victim", 0700) == 0);
  int fd = openat (work_fd, "victim/a", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  EXPECT (fd >= 0 && write (fd, "hello", 5) == 5 && close (fd) == 0);
  EXPECT (fstatat (work_fd, "victim", &victim, 0) == 0 && fstatat (work_fd, "victim/a", &hello, 0) == 0);
  umask (0);
  atexit (clean_up);
}

static bool is_same (const char *name, const struct stat *before) {
  struct stat now;
  return fstatat (work_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == before->st_ino &&
         now.st_mode == before->st_mode && now.st_uid == before->st_uid && now.st_gid == before->st_gid &&
         now.st_nlink == before->st_nlink && now.st_size == before->st_size &&
         now.st_ctim.tv_sec == before->st_ctim.tv_sec && now.st_ctim.tv_nsec == before->st_ctim.tv_nsec;
}

static void apply (const uint8_t *archive, size_t size, bool overlay) {
  static const int32_t never;
  struct err e;
  static struct apply_result result;
  EXPECT (mkdirat (work_fd, "root", 0755) == 0);
  int root = openat (work_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct input in = { .fd = -1, .buffer = malloc (size), .capacity = size, .end = size, .ended = true };
  EXPECT (root >= 0 && in.buffer != NULL);
  memcpy (in.buffer, archive, size);

  int done = tree_apply (root, overlay, &in, &result, &e);
  char path[sizeof work + 8];
  snprintf (path, sizeof path, "%s/root", work);
  struct tree_usage usage;
  EXPECT (tree_measure (path, &never, &usage, &e) == 0);
  if (done == 0)
    EXPECT (usage.bytes == result.usage.bytes && usage.inodes == result.usage.inodes);

  input_close (&in);
  close (root);
  EXPECT (tree_remove (work_fd, "root", NULL, &e) == 0);
  EXPECT (is_same ("victim", &victim) && is_same ("victim/a", &hello));
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  static uint8_t archive[64 << 10];
  if (work_fd < 0)
    set_up ();
  size_t used = make_archive (data, size, archive, sizeof archive);
  if (used > 0)
    apply (archive, used, data[0] % 4 != 0);
  return 0;
}
