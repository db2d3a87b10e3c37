#include "tree_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* EAGAIN: a rename or mount somewhere in the system made the kernel unsure whether ".." stayed inside. */
static int open_resolved (int directory, const char *path, int flags, unsigned long long resolve) {
  struct open_how how = {
    .flags = (unsigned) flags | O_CLOEXEC,
    .resolve = resolve | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
  };
  for (int attempt = 0;; attempt++) {
    int fd = (int) syscall (SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0)
      return fd;
    if (errno != EINTR && !(errno == EAGAIN && attempt < 1000))
      return -errno;
  }
}

int open_in_root (int root, const char *path, int flags) {
  return open_resolved (root, path[0] == 0 ? "." : path, flags, RESOLVE_IN_ROOT);
}

int open_entry (int directory, const char *name, int flags) {
  return open_resolved (directory, name, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}
