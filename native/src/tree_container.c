#include "tree_container.h"

#include "err.h"
#include "fds.h"
#include "inroot.h"
#include "kernel.h"
#include "tree_view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { MAX_BINDS = 256, NO_VIEW = -2 };

struct bind {
  const char *source, *beneath, *target; /* `beneath` is what of a directory is meant; NULL = all */
  bool read_only;
  int tree; /* owned, attached nowhere */
};

struct view {
  struct bind binds[MAX_BINDS];
  struct view_place places[MAX_BINDS];
  size_t bind_count;
  bool read_only, writes;
};

#define INERT (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static bool is (const char *word, const char *name) {
  return strcmp (word, name) == 0;
}

/* ---- of a process ---- */

/* Its mount namespace is copied: what is mounted over or taken away there later is none of our business. */
static int open_process (const char *number, bool writes, struct err *e) {
  struct mount_attr attr = { .attr_set = INERT | (writes ? 0 : MOUNT_ATTR_RDONLY), .propagation = MS_PRIVATE };
  pid_t pid = (pid_t) strtol (number, NULL, 10);
  auto_fd process = sys_pidfd_open (pid);
  if (process < 0)
    return err_set (e, errno, "cannot find the container's process");
  if (setns (process, CLONE_NEWNS) < 0)
    return err_set (e, errno, "cannot enter the container's mount namespace");
  if (unshare (CLONE_NEWNS) < 0 || mount_setattr (AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot copy the container's mount namespace");
  int root = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? err_set (e, errno, "cannot open the container's root") : root;
}

/* ---- of a container that does not run ---- */

/* As a start has it: what lies beneath a source may have been written by containers. */
static int clone_source (const struct bind *b) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
  if (b->beneath == NULL)
    return open_tree (AT_FDCWD, b->source, flags);
  auto_fd source = open (b->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
  auto_fd part = source < 0 ? -1 : inroot_open_beneath (source, b->beneath);
  return part < 0 ? -1 : open_tree (part, "", flags | AT_EMPTY_PATH);
}

static int clone_bind (struct view *v, struct bind *b, struct view_place *place, struct err *e) {
  struct stat st;
  bool is_closed = b->read_only || !v->writes;
  struct mount_attr attr = { .attr_set = INERT | (is_closed ? MOUNT_ATTR_RDONLY : 0) };
  b->tree = clone_source (b);
  if (b->tree < 0 || fstat (b->tree, &st) < 0)
    return err_set (e, errno, "cannot bind \"%.300s\"", b->source);
  if (mount_setattr (b->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot bind \"%.300s\" inertly", b->source);
  *place = (struct view_place){ b->target, S_ISDIR (st.st_mode) };
  return 0;
}

static int clone_binds (struct view *v, struct err *e) {
  for (size_t i = 0; i < v->bind_count; i++)
    if (clone_bind (v, &v->binds[i], &v->places[i], e) < 0)
      return -1;
  return 0;
}

static int clone_plain (const char *path, struct err *e) {
  int tree = open_tree (AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return tree < 0 ? err_set (e, errno, "cannot bind \"%.300s\"", path) : tree;
}

/* Makes what is to be mounted on when it is missing, as a start does; in what can only be read it is there already
   (view_stack_mount). */
static int attach_bind (int root, const struct bind *b, const struct view_place *place, bool makes, struct err *e) {
  bool made;
  enum inroot_make make = !makes ? MAKE_NOTHING : place->is_directory ? MAKE_DIRECTORY : MAKE_FILE;
  auto_fd target = inroot_reach (root, place->path, make, 0755, &made);
  if (target < 0 && errno == ENOENT) /* a link that leads nowhere */
    return 0;
  if (target < 0)
    return err_set (e, errno, "cannot find \"%.300s\" to mount on", place->path);
  if (move_mount (b->tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot mount on \"%.300s\"", place->path);
  return 0;
}

/* Attaches the root where every host has a directory and nobody here looks, because only there something can be mounted
   in it. */
static int finish (struct view *v, int tree, bool makes, struct err *e) {
  struct mount_attr attr = { .attr_set = INERT | (v->read_only || !v->writes ? MOUNT_ATTR_RDONLY : 0) };
  if (move_mount (tree, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach the container's root");
  for (size_t i = 0; i < v->bind_count; i++) {
    if (attach_bind (tree, &v->binds[i], &v->places[i], makes, e) < 0)
      return -1;
    fd_close (&v->binds[i].tree);
  }
  if (mount_setattr (tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot make the container's root inert");
  int root = openat (tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? err_set (e, errno, "cannot open the container's root") : root;
}

static int open_stack (struct view *v, int argc, char **argv, struct err *e) {
  bool is_writable = is (argv[0], "writable");
  const int first = is_writable ? 3 : 1;
  const struct view_stack stack = {
    .upper = is_writable ? argv[1] : NULL,
    .work = is_writable ? argv[2] : NULL,
    .paths = (const char *const *) argv + first,
    .count = (size_t) (argc - first),
    .places = v->places,
    .place_count = is_writable ? 0 : v->bind_count,
  };
  auto_fd tree = view_stack_mount (&stack, e);
  return tree < 0 ? -1 : finish (v, tree, is_writable, e);
}

static int open_plain (struct view *v, const char *path, struct err *e) {
  auto_fd tree = clone_plain (path, e);
  return tree < 0 ? -1 : finish (v, tree, true, e);
}

/* ---- the words ---- */

/* Takes options off the front; the number of their words, or -1. */
static int take_options (struct view *v, int argc, char **argv) {
  int used = 0;
  while (used < argc && strncmp (argv[used], "--", 2) == 0 && argv[used][2] != 0) {
    char **w = argv + used;
    if (is (w[0], "--read-only")) {
      v->read_only = true;
      used++;
    } else if (is (w[0], "--bind") && argc - used >= 4 && v->bind_count < MAX_BINDS && w[1][0] == '/' &&
               w[2][0] == '/') {
      v->binds[v->bind_count++] = (struct bind){ w[1], NULL, w[2], is (w[3], "ro"), -1 };
      used += 4;
    } else if (is (w[0], "--bind-part") && argc - used >= 5 && v->bind_count < MAX_BINDS && w[1][0] == '/' &&
               w[3][0] == '/') {
      v->binds[v->bind_count++] = (struct bind){ w[1], w[2], w[3], is (w[4], "ro"), -1 };
      used += 5;
    } else {
      return -1;
    }
  }
  return used;
}

static int end_of_view (int argc, char **argv) {
  int end = 0;
  while (end < argc && !is (argv[end], "--"))
    end++;
  return end;
}

int container_open (int argc, char **argv, bool writes, int *used, struct err *e) {
  static struct view v;
  int options = take_options (&v, argc, argv), end = end_of_view (argc, argv);
  char **w = argv + options;
  int count = end - options;

  *used = end + 1;
  v.writes = writes;
  if (options < 0 || end == argc || count < 2)
    return NO_VIEW;
  for (int i = 1; i < count; i++)
    if (!is (w[0], "process") && w[i][0] != '/')
      return NO_VIEW;
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0); /* who shares the host's processes need not look at this one */

  if (is (w[0], "process") && count == 2 && options == 0)
    return open_process (w[1], writes, e);
  if (view_unshare (e) < 0 || clone_binds (&v, e) < 0)
    return -1;
  if (is (w[0], "plain") && count == 2)
    return open_plain (&v, w[1], e);
  if ((is (w[0], "overlay") && !writes) || (is (w[0], "writable") && count >= 4))
    return open_stack (&v, count, w, e);
  return NO_VIEW;
}
