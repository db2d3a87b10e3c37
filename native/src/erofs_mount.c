#include "erofs_mount.h"

#include <errno.h>
#include <stdbool.h>

#include "err.h"
#include "fds.h"
#include "kernel.h"

/* What the kernel calls an image that it does not understand. */
static bool is_damage (int code) {
  return code == EUCLEAN || code == EINVAL || code == EBADMSG || code == EIO;
}

int erofs_mount (const char *path, struct err *e) {
  auto_fd fs = fsopen ("erofs", FSOPEN_CLOEXEC);

  if (fs < 0)
    return err_set (e, errno, "cannot open the filesystem \"erofs\"");
  if (fsconfig (fs, FSCONFIG_SET_STRING, "source", path, 0) < 0)
    return err_set (e, errno, "cannot name the image \"%s\"", path);
  if (fsconfig (fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 || fsconfig (fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return err_set (e, errno, "cannot mount the image \"%s\"%s", path, is_damage (errno) ? ": it is damaged" : "");
  int mount = fsmount (fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
  return mount < 0 ? err_set (e, errno, "cannot mount the image \"%s\"", path) : mount;
}
