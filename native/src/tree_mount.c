#include "tree_mount.h"

#include "err.h"
#include "fds.h"
#include "kernel.h"
#include "tree_view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

/* Made in a mount namespace of our own, where its layers are attached, and then moved to where the caller lives. */
int tree_mount (const char *source, const char *target, const char *const *layers, size_t count, struct err *e) {
  auto_fd home = open ("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (home < 0)
    return err_set (e, errno, "cannot open the own mount namespace");
  auto_fd place = open (target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (place < 0)
    return err_set (e, errno, "cannot open the directory \"%.300s\"", target);
  if (view_unshare (e) < 0)
    return -1;
  auto_fd tree = view_overlay_mount (source, layers, count, e);
  if (tree < 0)
    return -1;
  if (setns (home, CLONE_NEWNS) < 0)
    return err_set (e, errno, "cannot go back to the mount namespace");
  if (move_mount (tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot mount on \"%.300s\"", target);
  return 0;
}

int tree_unmount (const char *target, struct err *e) {
  if (umount2 (target, UMOUNT_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot unmount \"%.300s\"", target);
  return 0;
}
