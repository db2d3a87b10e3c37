#include "tree_view.h"

#include "erofs_mount.h"
#include "err.h"
#include "fds.h"
#include "inroot.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* overlayfs takes 500 layers; images have 125 and a container one more. */
enum { MAX_LAYERS = 128 };

int view_unshare (struct err *e) {
  struct mount_attr attr = { .propagation = MS_PRIVATE };
  if (unshare (CLONE_NEWNS) < 0 || mount_setattr (AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot make a mount namespace");
  return 0;
}

/* A mount of the directory alone, attached nowhere. */
static int clone_directory (const char *path, struct err *e) {
  struct mount_attr attr = {
    .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME,
    .attr_clr = MOUNT_ATTR__ATIME,
  };
  auto_fd tree = open_tree (AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0)
    return err_set (e, errno, "cannot bind \"%.300s\"", path);
  if (mount_setattr (tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot bind \"%.300s\" read-only", path);
  return fd_release (&tree);
}

/* A layer is a directory or the file of an EROFS image. */
static int clone_layer (const char *path, struct err *e) {
  struct stat st;
  if (stat (path, &st) < 0)
    return err_set (e, errno, "cannot look at \"%.300s\"", path);
  return S_ISREG (st.st_mode) ? erofs_mount (path, e) : clone_directory (path, e);
}

/* The mount stays as long as its descriptor, which therefore is not closed. */
static int read_mount (int tree, const char *what, struct err *e) {
  if (tree < 0)
    return -1;
  int directory = openat (tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return directory < 0 ? err_set (e, errno, "cannot read \"%.300s\"", what) : directory;
}

int view_plain (const char *path, struct err *e) {
  return read_mount (clone_directory (path, e), path, e);
}

/* A small file system, attached nowhere. */
static int make_stage (struct err *e) {
  auto_fd fs = fsopen ("tmpfs", FSOPEN_CLOEXEC);
  if (fs < 0 || fsconfig (fs, FSCONFIG_SET_STRING, "mode", "700", 0) < 0 ||
      fsconfig (fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return err_set (e, errno, "cannot make a directory for layers");
  int stage = fsmount (fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  return stage < 0 ? err_set (e, errno, "cannot make a directory for layers") : stage;
}

int view_nothing (struct err *e) {
  return read_mount (make_stage (e), "nothing", e);
}

/* Layers are attached below a directory that every host has and nobody here looks at. */
#define STAGE "/proc"

static int attach_stage (struct err *e) {
  auto_fd stage = make_stage (e);
  if (stage < 0)
    return -1;
  if (move_mount (stage, "", AT_FDCWD, STAGE, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach a directory for layers");
  return fd_release (&stage);
}

static int attach_layers (int stage, int *layers, size_t count, struct err *e) {
  char name[16];
  for (size_t i = 0; i < count; i++) {
    snprintf (name, sizeof name, "%zu", i);
    if (mkdirat (stage, name, 0700) < 0 ||
        move_mount (layers[i], "", stage, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
      return err_set (e, errno, "cannot attach a layer");
  }
  return 0;
}

static const char *base_name (const char *path) {
  return strrchr (path, '/') + 1;
}

/* The directory that both are in is one mount for overlayfs. */
static int attach_upper (int stage, const struct view_stack *s, struct err *e) {
  char parent[PATH_MAX];
  size_t length = (size_t) (base_name (s->upper) - s->upper);
  if (length >= sizeof parent || strncmp (s->upper, s->work, length) != 0 || strchr (s->work + length, '/') != NULL)
    return err_set (e, EINVAL, "cannot write to \"%.300s\"", s->upper);
  snprintf (parent, sizeof parent, "%.*s", (int) length, s->upper);
  auto_fd tree = open_tree (AT_FDCWD, parent, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0 || mkdirat (stage, "upper", 0700) < 0 ||
      move_mount (tree, "", stage, "upper", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach \"%.300s\"", s->upper);
  return 0;
}

/* In the lowest layer, so that what is there already is not changed. */
static int show_places (int stage, const struct view_stack *s, struct err *e) {
  auto_fd empty = openat (stage, "empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (size_t i = 0; i < s->place_count; i++) {
    bool made;
    const struct view_place *p = &s->places[i];
    auto_fd place = inroot_reach (empty, p->path, p->is_directory ? MAKE_DIRECTORY : MAKE_FILE, 0755, &made);
    if (place < 0)
      return err_set (e, errno, "cannot make a place for \"%.300s\"", p->path);
  }
  return 0;
}

/* By short names below the working directory, because mount(2) takes one page of options and layers have long paths. Below a
   single layer overlayfs wants another. */
static int mount_overlay (int stage, const char *source, const struct view_stack *s, struct err *e) {
  char options[16 + MAX_LAYERS * 4 + 32 + 2 * (NAME_MAX + 32)];
  size_t count = s->count;
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | (s->upper == NULL ? MS_RDONLY | MS_NOATIME : 0);
  int used = snprintf (options, sizeof options, "lowerdir=");
  for (size_t i = 0; i < count; i++)
    used += snprintf (options + used, sizeof options - (size_t) used, "%zu:", i);
  used += snprintf (options + used, sizeof options - (size_t) used, "empty,index=off");
  if (s->upper != NULL)
    snprintf (options + used, sizeof options - (size_t) used, ",upperdir=upper/%.255s,workdir=upper/%.255s",
              base_name (s->upper), base_name (s->work));

  if (mkdirat (stage, "empty", 0755) < 0 || mkdirat (stage, "root", 0700) < 0 || fchdir (stage) < 0)
    return err_set (e, errno, "cannot make a directory for layers");
  if (show_places (stage, s, e) < 0)
    return -1;
  if (mount (source, "root", "overlay", flags, options) < 0)
    return err_set (e, errno, "cannot mount an overlay of %zu layers", count);
  int root = open_tree (stage, "root", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return root < 0 ? err_set (e, errno, "cannot detach the overlay") : root;
}

int view_overlay (const char *const *paths, size_t count, struct err *e) {
  return read_mount (view_overlay_mount ("overlay", paths, count, e), "overlay", e);
}

static int mount_stack (const char *source, const struct view_stack *s, struct err *e) {
  const char *const *paths = s->paths;
  size_t count = s->count;
  int layers[MAX_LAYERS];
  size_t cloned = 0;
  int root = -1;

  if (count == 0 || count > MAX_LAYERS)
    return err_set (e, 0, "a tree of %zu layers cannot be mounted", count);
  while (cloned < count && (layers[cloned] = clone_layer (paths[cloned], e)) >= 0)
    cloned++;
  auto_fd stage = cloned < count ? -1 : attach_stage (e);
  if (stage >= 0 && attach_layers (stage, layers, count, e) == 0 &&
      (s->upper == NULL || attach_upper (stage, s, e) == 0))
    root = mount_overlay (stage, source, s, e);
  /* The overlay keeps its layers, and the clone the overlay. */
  if (stage >= 0 && umount2 (STAGE, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && root >= 0) {
    fd_close (&root);
    err_set (e, errno, "cannot detach the directory for layers");
  }
  for (size_t i = 0; i < cloned; i++)
    close (layers[i]);
  return root;
}

int view_overlay_mount (const char *source, const char *const *paths, size_t count, struct err *e) {
  const struct view_stack stack = { .paths = paths, .count = count };
  return mount_stack (source, &stack, e);
}

int view_stack_mount (const struct view_stack *s, struct err *e) {
  return mount_stack ("overlay", s, e);
}
