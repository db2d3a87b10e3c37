#include "btrfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "err.h"
#include "fds.h"

/* Opens the directory that `path` is in; `*name` is the last component. */
static int open_parent (const char *path, const char **name, struct err *e) {
  char parent[PATH_MAX];
  const char *slash = strrchr (path, '/');
  size_t length = slash == NULL ? 0 : (size_t) (slash - path);

  *name = slash == NULL ? path : slash + 1;
  if (length == 0 || length >= sizeof parent || strlen (*name) > BTRFS_SUBVOL_NAME_MAX)
    return err_set (e, EINVAL, "cannot make a subvolume \"%.200s\"", path);
  memcpy (parent, path, length);
  parent[length] = '\0';
  int fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? err_set (e, errno, "cannot open \"%.200s\"", parent) : fd;
}

int btrfs_create (const char *path, struct err *e) {
  struct btrfs_ioctl_vol_args args = { 0 };
  const char *name;
  auto_fd parent = open_parent (path, &name, e);

  if (parent < 0)
    return -1;
  strcpy (args.name, name);
  if (ioctl (parent, BTRFS_IOC_SUBVOL_CREATE, &args) < 0)
    return err_set (e, errno, "cannot create the subvolume \"%.200s\"", path);
  auto_fd subvolume = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (subvolume < 0 || fchmod (subvolume, 0755) < 0)
    return err_set (e, errno, "cannot set the mode of the subvolume \"%.200s\"", path);
  return 0;
}

int btrfs_snapshot (const char *from, const char *to, struct err *e) {
  struct btrfs_ioctl_vol_args_v2 args = { 0 };
  const char *name;
  auto_fd source = open (from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  auto_fd parent = open_parent (to, &name, e);

  if (source < 0)
    return err_set (e, errno, "cannot open the subvolume \"%.200s\"", from);
  if (parent < 0)
    return -1;
  args.fd = source;
  strcpy (args.name, name);
  if (ioctl (parent, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
    return err_set (e, errno, "cannot make a snapshot of the subvolume \"%.200s\"", from);
  return 0;
}

int btrfs_delete (const char *path, struct err *e) {
  struct btrfs_ioctl_vol_args args = { 0 };
  const char *name;
  auto_fd parent = open_parent (path, &name, e);

  if (parent < 0)
    return -1;
  strcpy (args.name, name);
  if (ioctl (parent, BTRFS_IOC_SNAP_DESTROY, &args) < 0)
    return err_set (e, errno, "cannot delete the subvolume \"%.200s\"", path);
  return 0;
}
