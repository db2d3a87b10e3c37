#include "tree_resolve.h"

#include "err.h"
#include "fds.h"
#include "tree_diff.h"
#include "tree_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINKS = 255 };

/* What the link `path` says; 0 when it is none, or nothing is there. */
static ssize_t read_link (int root, int how, const char *path, char *to, size_t size) {
  int opened = open_in_root (root, path, O_PATH | O_NOFOLLOW | how);
  if (opened < 0)
    return 0;
  auto_fd fd = opened;
  ssize_t n = readlinkat (fd, "", to, size);
  return n < 0 ? 0 : n;
}

static void drop_last (char *path) {
  char *slash = strrchr (path, '/');
  if (slash != NULL)
    *slash = 0;
}

/* Component by component: `to` is what has been walked, without links. */
int resolve_link (int root, int how, const char *path, char *to, struct err *e) {
  char rest[2 * TREE_PATH_BYTES], joined[2 * TREE_PATH_BYTES], target[TREE_PATH_BYTES];
  int links = 0;

  to[0] = 0;
  snprintf (rest, sizeof rest, "%s", path);
  for (char *at = rest; *(at += strspn (at, "/")) != 0;) {
    size_t length = strcspn (at, "/"), walked = strlen (to);
    if (length == 1 && at[0] == '.') {
      at += length;
      continue;
    }
    if (length == 2 && at[0] == '.' && at[1] == '.') {
      drop_last (to);
      at += length;
      continue;
    }
    if (walked + 1 + length >= TREE_PATH_BYTES)
      return err_set (e, ENAMETOOLONG, "cannot follow the link");
    snprintf (to + walked, TREE_PATH_BYTES - walked, "/%.*s", (int) length, at);
    at += length;
    ssize_t n = read_link (root, how, to, target, sizeof target);
    if (n == 0)
      continue;
    if (++links > MAX_LINKS)
      return err_set (e, ELOOP, "cannot follow the link");
    if (snprintf (joined, sizeof joined, "%.*s%s", (int) n, target, at) >= (int) sizeof joined)
      return err_set (e, ENAMETOOLONG, "cannot follow the link");
    to[target[0] == '/' ? 0 : walked] = 0;
    strcpy (rest, joined);
    at = rest;
  }
  if (to[0] == 0)
    strcpy (to, "/");
  return 0;
}
