/* Writes to /proc go through a procfs that was mounted for this process alone and is attached nowhere: whatever an
 * image or a neighbour put over the container's /proc, it is not asked. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "mounts.h"
#include "procfs.h"

int procfs_need (struct init *in, struct err *e) {
  struct statfs st;

  if (in->proc_fd >= 0)
    return 0;
  auto_fd fs = fsopen ("proc", FSOPEN_CLOEXEC);
  if (fs < 0)
    return err_set (e, errno, "cannot open a private procfs");
  in->proc_fd = filesystem_finish (fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, "proc", "nowhere", e);
  if (in->proc_fd < 0)
    return -1;
  if (fstatfs (in->proc_fd, &st) < 0 || st.f_type != PROC_SUPER_MAGIC)
    return err_set (e, 0, "the private procfs is not a procfs");
  return 0;
}

int procfs_open (struct init *in, const char *path, int flags) {
  return sys_openat2 (in->proc_fd, path, (uint64_t) flags, 0,
                      RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
}

int procfs_write (struct init *in, const char *path, const char *value) {
  size_t size = strlen (value);
  auto_fd file = procfs_open (in, path, O_WRONLY);
  if (file < 0)
    return -1;
  ssize_t n = write (file, value, size);
  if (n >= 0 && (size_t) n != size)
    errno = EINVAL;
  return n == (ssize_t) size ? 0 : -1;
}

ssize_t procfs_read (struct init *in, const char *path, char *text, size_t size) {
  auto_fd file = procfs_open (in, path, O_RDONLY);
  ssize_t n = file < 0 ? -1 : read (file, text, size - 1);
  if (n >= 0)
    text[n] = '\0';
  return n;
}

int step_sysctl (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *key = take_str (f), *value = take_str (f);
  char path[512];

  if (procfs_need (in, e) < 0)
    return -1;
  if (snprintf (path, sizeof path, "sys/%s", key) >= (int) sizeof path)
    return err_set (e, ENAMETOOLONG, "cannot write the sysctl \"%s\"", key);
  return procfs_write (in, path, value) < 0 ? err_set (e, errno, "cannot write the sysctl \"%s\"", key) : 0;
}

int step_oom_score_adj (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  int value = (int32_t) take_u32 (f);
  char path[64], text[16];

  if (procfs_need (in, e) < 0)
    return -1;
  snprintf (path, sizeof path, "%d/oom_score_adj", getpid ());
  snprintf (text, sizeof text, "%d", value);
  if (procfs_write (in, path, text) == 0 || ((flags & OPF_MAY_MISS) != 0 && (errno == EACCES || errno == EPERM)))
    return 0;
  return err_set (e, errno, "cannot set the OOM score adjustment to %d", value);
}
