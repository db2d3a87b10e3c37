#include "tree_fill.h"

#include "err.h"
#include "fds.h"
#include "tree_open.h"
#include "tree_sandbox.h"
#include "tree_shift.h"
#include "tree_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int open_image (char **tree, int count, struct err *e) {
  if (view_unshare (e) < 0)
    return -1;
  if (count == 2 && strcmp (tree[0], "plain") == 0)
    return view_plain (tree[1], e);
  if (count >= 2 && strcmp (tree[0], "overlay") == 0)
    return view_overlay ((const char *const *) tree + 1, (size_t) count - 1, e);
  return err_set (e, EINVAL, "no tree is named");
}

/* 1, 0, or -1 with errno. */
static int is_empty (int directory) {
  int again = openat (directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = again < 0 ? NULL : fdopendir (again);
  const struct dirent *entry;
  bool empty = true;

  if (entries == NULL) {
    fd_close (&again);
    return -1;
  }
  errno = 0;
  while (empty && (entry = readdir (entries)) != NULL)
    empty = strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0;
  int code = errno;
  closedir (entries);
  errno = code;
  return code != 0 ? -1 : empty;
}

/* The descriptor, or -1 when there is nothing to copy, and -2 for an error. */
static int open_source (int image, const char *path, enum fill_found *found, struct err *e) {
  int source = open_in_root (image, path, O_RDONLY | O_DIRECTORY);
  if (source >= 0)
    return source;
  switch (-source) {
  case ENOENT:
  case ELOOP: /* a link that leads nowhere */
    *found = FILL_NOTHING;
    return -1;
  case ENOTDIR:
    *found = FILL_OTHER;
    return -1;
  default:
    err_set (e, -source, "cannot open \"%.300s\" in the image", path);
    return -2;
  }
}

int tree_fill (const char *path, const char *to, char **tree, int count, const struct shift_maps *maps,
               enum fill_found *found, struct tree_usage *u, char *name, struct err *e) {
  name[0] = '\0';
  *u = (struct tree_usage){ 0 };
  auto_fd target = open (to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0)
    return err_set (e, errno, "cannot open the volume \"%.300s\"", to);
  auto_fd image = open_image (tree, count, e);
  if (image < 0)
    return -1;
  auto_fd source = open_source (image, path, found, e);
  if (source < 0)
    return source == -1 ? 0 : -1;
  if (tree_sandbox_copier (target, e) < 0)
    return -1;
  int empty = is_empty (target);
  if (empty < 0)
    return err_set (e, errno, "cannot read the volume");
  *found = empty ? FILL_DIRECTORY : FILL_FULL;
  return empty ? tree_copy_out (source, target, maps, u, name, e) : 0;
}
