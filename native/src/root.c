/* The container's root: where it comes from, and how it takes the host's place. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "mounts.h"
#include "sources.h"

int step_propagation (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct mount_attr attr = { .propagation = take_u64 (f) & ~(uint64_t) MS_REC };

  if (mount_setattr (AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the propagation of all mounts");
  in->propagation = attr.propagation;
  return 0;
}

/* What every later step relies on while the host is still in sight. */
static int open_null (struct init *in, struct err *e) {
  struct stat st;

  in->null_fd = open ("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
  if (in->null_fd < 0 || fstat (in->null_fd, &st) < 0)
    return err_set (e, errno, "cannot open the host's /dev/null");
  if (!S_ISCHR (st.st_mode) || st.st_rdev != makedev (1, 3))
    return err_set (e, 0, "the host's /dev/null is not the null device");
  return 0;
}

/* pivot_root needs a parent mount that is not shared, and a shared one would carry the root to the host. */
static int isolate_staging (struct init *in, const char *staging, struct err *e) {
  struct mount_attr attr = { .propagation = MS_PRIVATE };
  char at[PATH_MAX];

  if (in->propagation != MS_SHARED)
    return 0;
  snprintf (at, sizeof at, "%s", staging);
  for (;;) {
    char *slash = strrchr (at, '/');
    if (mount_setattr (AT_FDCWD, at[0] == '\0' ? "/" : at, 0, &attr, sizeof attr) == 0)
      return 0;
    if (errno != EINVAL || slash == NULL)
      return err_set (e, errno, "cannot isolate the mount that \"%s\" is in", staging);
    *slash = '\0';
  }
}

/* ---- opening it ---- */

static int directory_open (struct init *in, struct fields f, struct err *e) {
  const char *source = take_str (&f);

  take_str (&f);
  uint32_t idmap = take_u32 (&f);
  auto_fd root = open_tree (AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (root < 0)
    return err_set (e, errno, "cannot take \"%s\" as the root", source);
  return mount_map_ids (in, root, idmap, true, source, e) < 0 ? -1 : fd_release (&root);
}

int root_open (struct init *in, const struct plan_op_view *op, struct err *e) {
  struct fields f = fields_of (op->payload, op->size);
  return op->kind == OP_ROOT_OVERLAY ? overlay_open (in, f, op->flags, e) : directory_open (in, f, e);
}

/* ---- attaching it ---- */

static int attach_root (struct init *in, const char *staging, struct err *e) {
  struct mount_attr private = { .propagation = MS_PRIVATE };
  bool is_staged = source_is_staged (in);

  if (!is_staged && isolate_staging (in, staging, e) < 0)
    return -1;
  auto_fd root = is_staged ? source_take (in, e) : root_open (in, op_at_work (in), e);
  if (root < 0)
    return -1;
  /* Neither it nor where it is attached may be shared for pivot_root. */
  if (in->propagation == MS_SHARED &&
      (mount_setattr (root, "", AT_EMPTY_PATH, &private, sizeof private) < 0 ||
       (is_staged && mount_setattr (in->stage_fd, "", AT_EMPTY_PATH, &private, sizeof private) < 0)))
    return err_set (e, errno, "cannot isolate the root");
  int result = is_staged ? move_mount (root, "", in->stage_fd, STAGE_ROOT, MOVE_MOUNT_F_EMPTY_PATH)
                         : move_mount (root, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH);
  if (result < 0)
    return err_set (e, errno, "cannot attach the root to \"%s\"", staging);
  in->root_fd = fd_release (&root);
  return open_null (in, e);
}

int step_root_overlay (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  take_strv (f);
  take_str (f);
  take_str (f);
  take_strv (f);
  return attach_root (in, take_str (f), e);
}

int step_root_bind (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  take_str (f);
  return attach_root (in, take_str (f), e);
}

/* ---- leaving the host ---- */

/* Whoever enters the mount namespace later starts from what is on top of "/", where ".." leads, too. Should the host's
   root be there still, or come to be there by some change of the kernel's, no container must start. */
static int check_top (struct init *in, struct err *e) {
  struct statx root, top;

  if (statx (in->root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &root) < 0 ||
      statx (AT_FDCWD, "/..", 0, STATX_MNT_ID, &top) < 0)
    return err_set (e, errno, "cannot look at the root");
  return root.stx_mnt_id == top.stx_mnt_id ? 0 : err_set (e, 0, "the container's root is not the root of its mounts");
}

int step_pivot (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
  struct mount_attr slave = { .propagation = MS_SLAVE };
  bool root_readonly = take_u32 (f) == 1;
  auto_fd old_root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

  fd_close (&in->null_fd);
  fd_close (&in->stage_fd);
  if (root_readonly && mount_setattr (in->root_fd, "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0)
    return err_set (e, errno, "cannot make the root read-only");
  /* With "." twice the old root ends up on top of the new one, and no directory in the image is needed to hold it. */
  if (old_root < 0 || fchdir (in->root_fd) < 0 || sys_pivot_root (".", ".") < 0)
    return err_set (e, errno, "cannot pivot into the root");
  if (fchdir (old_root) < 0)
    return err_set (e, errno, "cannot return to the old root");
  /* From a shared tree the unmount would reach the host. */
  if (in->propagation == MS_SHARED &&
      mount_setattr (old_root, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof slave) < 0)
    return err_set (e, errno, "cannot isolate the old root");
  /* umount2 takes off what is mounted on the directory that it is given, even if that is ".". */
  if (umount2 (".", MNT_DETACH) < 0)
    return err_set (e, errno, "cannot detach the old root");
  if (chdir ("/") < 0)
    return err_set (e, errno, "cannot enter the new root");
  return check_top (in, e);
}

int step_root_propagation (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  return mount_set_propagation (in->root_fd, take_u64 (f), "/", e);
}
