/* What another process has mounted, taken over: only who is in a mount namespace may copy its mounts. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "fds.h"
#include "init.h"
#include "inroot.h"
#include "kernel.h"
#include "mounts.h"

struct place {
  int space, root, directory;
};

static void place_close (struct place *p) {
  fd_close (&p->space);
  fd_close (&p->root);
  fd_close (&p->directory);
}

static int place_open (struct place *p, struct err *e) {
  p->space = open ("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  p->root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  p->directory = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return p->space < 0 || p->root < 0 || p->directory < 0 ? err_set (e, errno, "cannot hold the own mount namespace")
                                                         : 0;
}

/* The kernel takes whoever enters a namespace to its root: of our own that is not where we were. */
static int place_return (const struct place *p, struct err *e) {
  if (setns (p->space, CLONE_NEWNS) < 0 || fchdir (p->root) < 0 || chroot (".") < 0 || fchdir (p->directory) < 0)
    return err_set (e, errno, "cannot return to the own mount namespace");
  return 0;
}

/* Without following a link: whoever lives there may have put one. */
static int clone_here (const char *path, unsigned recursive, const char *space, struct err *e) {
  auto_fd root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  auto_fd at = root < 0 ? -1 : inroot_open_plain (root, path);
  int mount = at < 0 ? -1 : open_tree (at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
  return mount < 0 ? err_set (e, errno, "cannot share \"%s\" of \"%s\"", path, space) : mount;
}

int mount_clone_elsewhere (const char *space, const char *path, unsigned recursive, struct err *e) {
  __attribute__ ((cleanup (place_close))) struct place own = { -1, -1, -1 };

  if (place_open (&own, e) < 0)
    return -1;
  auto_fd there = open (space, O_RDONLY | O_CLOEXEC);
  if (there < 0 || setns (there, CLONE_NEWNS) < 0)
    return err_set (e, errno, "cannot enter the mount namespace \"%s\"", space);
  auto_fd mount = clone_here (path, recursive, space, e);
  if (place_return (&own, e) < 0 || mount < 0)
    return -1;
  return fd_release (&mount);
}
