#include "tree_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif
#ifndef FUSECTL_MAGIC
#define FUSECTL_MAGIC 0x65735543
#endif
#ifndef CONFIGFS_MAGIC
#define CONFIGFS_MAGIC 0x62656570
#endif

static bool is_kernels_own (int fd) {
  struct statfs fs;
  if (fstatfs (fd, &fs) < 0)
    return true;
  switch ((unsigned long) fs.f_type & 0xffffffff) {
  case PROC_SUPER_MAGIC:
  case SYSFS_MAGIC:
  case CGROUP_SUPER_MAGIC:
  case CGROUP2_SUPER_MAGIC:
  case DEVPTS_SUPER_MAGIC:
  case MQUEUE_MAGIC:
  case SECURITYFS_MAGIC:
  case DEBUGFS_MAGIC:
  case TRACEFS_MAGIC:
  case BPF_FS_MAGIC:
  case EFIVARFS_MAGIC:
  case PSTOREFS_MAGIC:
  case BINFMTFS_MAGIC:
  case SELINUX_MAGIC:
  case NSFS_MAGIC:
  case FUSECTL_MAGIC:
  case CONFIGFS_MAGIC:
  case RDTGROUP_SUPER_MAGIC:
    return true;
  default:
    return false;
  }
}

/* EAGAIN: a rename or mount somewhere in the system made the kernel unsure whether ".." stayed inside. */
static int open_resolved (int directory, const char *path, int flags, unsigned long long resolve) {
  struct open_how how = {
    .flags = (unsigned) (flags & ~(OPEN_ACROSS | OPEN_NO_KERNEL | OPEN_BENEATH)) | O_CLOEXEC,
    .resolve = resolve | RESOLVE_NO_MAGICLINKS | ((flags & OPEN_ACROSS) != 0 ? 0 : RESOLVE_NO_XDEV),
  };
  for (int attempt = 0;; attempt++) {
    int fd = (int) syscall (SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0 && (flags & OPEN_NO_KERNEL) != 0 && is_kernels_own (fd)) {
      close (fd);
      return -EXDEV;
    }
    if (fd >= 0)
      return fd;
    if (errno != EINTR && !(errno == EAGAIN && attempt < 1000))
      return -errno;
  }
}

int open_in_root (int root, const char *path, int flags) {
  return open_resolved (root, path[0] == 0 ? "." : path, flags,
                        (flags & OPEN_BENEATH) != 0 ? RESOLVE_BENEATH : RESOLVE_IN_ROOT);
}

int open_entry (int directory, const char *name, int flags) {
  return open_resolved (directory, name, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}
