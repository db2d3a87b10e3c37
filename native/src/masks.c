/* Hiding and write-protecting paths of the container that exist already. */
#include <errno.h>
#include <sys/stat.h>

#include "fds.h"
#include "init.h"
#include "inroot.h"
#include "kernel.h"
#include "mounts.h"

/* One empty, unwritable directory serves all masks: a superblock each would cost time and memory in every container. */
static int empty_directory (struct init *in, const char *path, struct err *e) {
  if (in->empty_fd < 0) {
    auto_fd fs = fsopen ("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig (fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
        fsconfig (fs, FSCONFIG_SET_STRING, "nr_blocks", "1", 0) < 0 ||
        fsconfig (fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
      return err_set (e, errno, "cannot prepare an empty directory to mask \"%s\"", path);
    in->empty_fd = filesystem_finish (fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                                      "tmpfs", path, e);
  }
  return in->empty_fd;
}

static int mask_directory (struct init *in, int target, const char *path, struct err *e) {
  int empty = empty_directory (in, path, e);

  if (empty < 0)
    return -1;
  /* Kernels before 6.15 clone only what is attached: so the first mask gets the mount itself, the others get clones. */
  if (!in->empty_is_attached) {
    in->empty_is_attached = true;
    return mount_attach (empty, target, path, e);
  }
  auto_fd clone = open_tree (empty, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (clone < 0)
    return err_set (e, errno, "cannot clone the empty directory to mask \"%s\"", path);
  return mount_attach (clone, target, path, e);
}

static int mask_file (struct init *in, int target, const char *path, struct err *e) {
  auto_fd null = open_tree (in->null_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

  if (null < 0)
    return err_set (e, errno, "cannot clone the null device to mask \"%s\"", path);
  return mount_attach (null, target, path, e);
}

int step_mask (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *path = take_str (f);
  struct stat st;

  auto_fd target = inroot_open (in->root_fd, path, O_PATH);
  if (target < 0)
    return errno == ENOENT || errno == ENOTDIR ? 0 : err_set (e, errno, "cannot mask \"%s\"", path);
  if (fstat (target, &st) < 0)
    return err_set (e, errno, "cannot look at \"%s\"", path);
  return S_ISDIR (st.st_mode) ? mask_directory (in, target, path, e) : mask_file (in, target, path, e);
}

int step_readonly (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  const char *path = take_str (f);
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

  auto_fd target = inroot_open (in->root_fd, path, O_PATH);
  if (target < 0)
    return errno == ENOENT ? 0 : err_set (e, errno, "cannot write-protect \"%s\"", path);
  if ((flags & OPF_TOP) != 0)
    return mount_setattr (target, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0
               ? 0
               : err_set (e, errno, "cannot write-protect the mount on \"%s\"", path);
  auto_fd clone = open_tree (target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
  if (clone < 0 || mount_setattr (clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot write-protect \"%s\"", path);
  return mount_attach (clone, target, path, e);
}
