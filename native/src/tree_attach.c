#include "tree_attach.h"

#include "err.h"
#include "fds.h"
#include "kernel.h"
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

static int bind_source (const struct attach_wish *w, bool recursive, struct err *e) {
  struct mount_attr attr = { .attr_set = w->attr_set, .attr_clr = w->attr_clr };
  auto_fd mount =
      open_tree (AT_FDCWD, w->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));
  if (mount < 0)
    return err_set (e, errno, "cannot bind \"%.300s\"", w->source);
  if ((attr.attr_set | attr.attr_clr) != 0 && mount_setattr (mount, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the mount attributes of \"%.300s\"", w->target);
  return fd_release (&mount);
}

static int make_filesystem (const struct attach_wish *w, struct err *e) {
  auto_fd fs = fsopen (w->fstype, FSOPEN_CLOEXEC);
  if (fs < 0)
    return err_set (e, errno, "cannot open the filesystem \"%.100s\" for \"%.300s\"", w->fstype, w->target);
  if (w->source[0] != '\0' && fsconfig (fs, FSCONFIG_SET_STRING, "source", w->source, 0) < 0)
    return filesystem_error (fs, errno, "set the source of", w->fstype, w->target, e);
  for (size_t i = 0; i < w->option_count; i++)
    if (filesystem_set (fs, w->options[i], w->fstype, w->target, e) < 0)
      return -1;
  return filesystem_finish (fs, w->attr_set, w->fstype, w->target, e);
}

int tree_attach (const struct attach_wish *w, struct err *e) {
  auto_fd target = open (w->target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0)
    return err_set (e, errno, "cannot open the directory \"%.300s\"", w->target);
  bool recursive = strcmp (w->fstype, "rbind") == 0;
  auto_fd mount =
      recursive || strcmp (w->fstype, "bind") == 0 ? bind_source (w, recursive, e) : make_filesystem (w, e);
  if (mount < 0 || mount_attach (mount, target, w->target, e) < 0)
    return -1;
  return mount_set_propagation (mount, w->propagation, w->target, e);
}
