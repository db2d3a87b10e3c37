/* Mounts by descriptor: what is mounted is made detached and complete, where it goes is held open, move_mount joins the
 * two. No target is ever looked up twice. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "copyup.h"
#include "fds.h"
#include "init.h"
#include "inroot.h"
#include "kernel.h"
#include "mounts.h"
#include "sources.h"

/* ---- one filesystem ---- */

/* The kernel's own words ("e overlay: ...") about what it disliked, if there are any. */
int filesystem_error (int fs, int code, const char *action, const char *fstype, const char *target, struct err *e) {
  char words[256];
  ssize_t n = read (fs, words, sizeof words - 1);

  if (n > 2 && words[1] == ' ') {
    words[n] = '\0';
    words[strcspn (words, "\n")] = '\0';
    return err_set (e, code, "cannot %s \"%s\" on \"%s\": %s", action, fstype, target, words + 2);
  }
  return err_set (e, code, "cannot %s \"%s\" on \"%s\"", action, fstype, target);
}

int filesystem_set (int fs, const char *option, const char *fstype, const char *target, struct err *e) {
  char key[64];
  const char *equals = strchr (option, '=');
  int result;

  if (equals == NULL)
    result = fsconfig (fs, FSCONFIG_SET_FLAG, option, NULL, 0);
  else {
    memcpy (key, option, (size_t) (equals - option));
    key[equals - option] = '\0';
    result = fsconfig (fs, FSCONFIG_SET_STRING, key, equals + 1, 0);
  }
  if (result < 0) {
    char action[128];
    snprintf (action, sizeof action, "set option \"%.80s\" of", option);
    return filesystem_error (fs, errno, action, fstype, target, e);
  }
  return 0;
}

int filesystem_finish (int fs, uint64_t attrs, const char *fstype, const char *target, struct err *e) {
  int mount;

  if (fsconfig (fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return filesystem_error (fs, errno, "make", fstype, target, e);
  mount = fsmount (fs, FSMOUNT_CLOEXEC, (unsigned) attrs);
  return mount < 0 ? filesystem_error (fs, errno, "mount", fstype, target, e) : mount;
}

int mount_attach (int mount, int target, const char *path, struct err *e) {
  struct stat from, to;
  int code;

  if (move_mount (mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
    return 0;
  code = errno;
  if (fstat (mount, &from) == 0 && fstat (target, &to) == 0 && S_ISDIR (from.st_mode) != S_ISDIR (to.st_mode))
    code = ENOTDIR; /* which the kernel calls an invalid argument */
  return err_set (e, code, "cannot attach a mount to \"%s\"", path);
}

int mount_set_propagation (int mount, uint64_t propagation, const char *path, struct err *e) {
  struct mount_attr attr = { .propagation = propagation & ~(uint64_t) MS_REC };
  unsigned flags = AT_EMPTY_PATH | ((propagation & MS_REC) != 0 ? AT_RECURSIVE : 0);

  if (propagation != 0 && mount_setattr (mount, "", flags, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the propagation of \"%s\"", path);
  return 0;
}

int mount_map_ids (struct init *in, int mount, uint32_t idmap, bool tree, const char *path, struct err *e) {
  if (idmap == IDMAP_NONE)
    return 0;
  int userns = idmap == IDMAP_CONTAINER ? in->user_fd : in->idmap_fds[idmap - 1];
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) userns };
  if (mount_setattr (mount, "", AT_EMPTY_PATH | (tree ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
    return 0;
  if (errno == EINVAL)
    return err_set (e, errno, "cannot map the ids of \"%s\": its filesystem, or this kernel, cannot do that", path);
  return err_set (e, errno, "cannot map the ids of \"%s\"", path);
}

/* A link in the image that leads a volume into procfs or sysfs would let it stand in for the kernel. A path that is
   there without links (the host's /sys bound on /host/sys, and something bound below) is as the operator wants it. */
static int refuse_hidden_kernel_tree (struct init *in, int *target, const char *path, struct err *e) {
  struct statfs fs;

  if (inroot_is_kernel_tree (path))
    return 0;
  if (fstatfs (*target, &fs) < 0)
    return err_set (e, errno, "cannot look at \"%s\"", path);
  if (fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC)
    return 0;
  fd_close (target);
  *target = inroot_open_plain (in->root_fd, path);
  return *target < 0 ? err_set (e, errno, "cannot mount on \"%s\": it leads into the kernel's own files", path) : 0;
}

static int reach_target (struct init *in, const char *path, enum inroot_make make, mode_t mode, bool *made,
                         struct err *e) {
  auto_fd target = inroot_reach (in->root_fd, path, make, mode, made);

  if (target < 0)
    return err_set (e, errno, "cannot reach the mount target \"%s\"", path);
  if (refuse_hidden_kernel_tree (in, &target, path, e) < 0)
    return -1;
  return fd_release (&target);
}

/* ---- mounts in the root ---- */

static bool has_mode (struct strings options) {
  for (uint32_t i = 0; i < options.count; i++)
    if (strncmp (take_str (&options.rest), "mode=", 5) == 0)
      return true;
  return false;
}

/* A new tmpfs takes over the mode of the directory that it covers: what was private stays private. */
static int take_over_mode (int fs, int target, struct strings options, const char *fstype, const char *path,
                           struct err *e) {
  struct stat st;
  char mode[16];

  if (has_mode (options))
    return 0;
  if (fstat (target, &st) < 0)
    return err_set (e, errno, "cannot look at \"%s\"", path);
  snprintf (mode, sizeof mode, "mode=%o", st.st_mode & 07777);
  return filesystem_set (fs, mode, fstype, path, e);
}

/* A copy needs a mount that can be written until it is complete. */
static uint64_t attrs_to_begin_with (uint64_t attrs, uint16_t flags) {
  return (flags & OPF_COPY_UP) != 0 ? attrs & ~(uint64_t) MOUNT_ATTR_RDONLY : attrs;
}

static int take_over_content (struct init *in, int mount, int target, uint64_t attrs, const char *path, struct err *e) {
  struct mount_attr read_only = { .attr_set = attrs & MOUNT_ATTR_RDONLY };

  if (copy_up (in, target, mount, path, e) < 0)
    return -1;
  if (read_only.attr_set != 0 && mount_setattr (mount, "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0)
    return err_set (e, errno, "cannot make \"%s\" read-only", path);
  return 0;
}

/* The same for a filesystem that was made before its target could be looked at. */
static int copy_mode (int target, int mount, struct strings options, const char *path, struct err *e) {
  struct stat st;

  if (has_mode (options))
    return 0;
  if (fstat (target, &st) < 0 || fchmodat (mount, ".", st.st_mode & 07777, 0) < 0)
    return err_set (e, errno, "cannot set the mode of \"%s\"", path);
  return 0;
}

/* A filled context, complete but for what depends on the target. */
static int configure (const char *fstype, const char *source, struct strings options, const char *path, struct err *e) {
  auto_fd fs = fsopen (fstype, FSOPEN_CLOEXEC);

  if (fs < 0)
    return err_set (e, errno, "cannot open the filesystem \"%s\" for \"%s\"", fstype, path);
  if (source[0] != '\0' && fsconfig (fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
    return filesystem_error (fs, errno, "set the source of", fstype, path, e);
  for (uint32_t i = 0; i < options.count; i++)
    if (filesystem_set (fs, take_str (&options.rest), fstype, path, e) < 0)
      return -1;
  return fd_release (&fs);
}

struct mount_op {
  const char *fstype, *source, *path;
  struct strings options;
  uint64_t attrs, propagation;
  mode_t dir_mode;
  uint32_t idmap;
};

static struct mount_op take_mount (struct fields f) {
  struct mount_op m = { .fstype = take_str (&f), .source = NULL };

  m.source = take_str (&f);
  m.path = take_str (&f);
  m.options = take_strv (&f);
  m.attrs = take_u64 (&f);
  m.propagation = take_u64 (&f);
  m.dir_mode = take_u32 (&f);
  m.idmap = take_u32 (&f);
  return m;
}

int mount_open (struct init *in, const struct plan_op_view *op, struct err *e) {
  struct mount_op m = take_mount (fields_of (op->payload, op->size));
  auto_fd fs = configure (m.fstype, m.source, m.options, m.path, e);
  if (fs < 0)
    return -1;
  auto_fd mount = filesystem_finish (fs, attrs_to_begin_with (m.attrs, op->flags), m.fstype, m.path, e);
  if (mount < 0 || mount_map_ids (in, mount, m.idmap, false, m.path, e) < 0)
    return -1;
  return fd_release (&mount);
}

int step_mount (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  struct mount_op m = take_mount (*f);
  bool made, takes_mode;

  auto_fd target = reach_target (in, m.path, MAKE_DIRECTORY, m.dir_mode == 0 ? 0755 : m.dir_mode, &made, e);
  if (target < 0)
    return -1;
  takes_mode = (flags & OPF_TARGET_MODE) != 0 && !made;
  auto_fd mount = -1;
  if (source_is_staged (in)) {
    mount = source_take (in, e);
    if (mount < 0)
      return -1;
    if (takes_mode && copy_mode (target, mount, m.options, m.path, e) < 0)
      return -1;
  } else {
    auto_fd fs = configure (m.fstype, m.source, m.options, m.path, e);
    if (fs < 0 || (takes_mode && take_over_mode (fs, target, m.options, m.fstype, m.path, e) < 0))
      return -1;
    mount = filesystem_finish (fs, attrs_to_begin_with (m.attrs, flags), m.fstype, m.path, e);
    if (mount < 0 || mount_map_ids (in, mount, m.idmap, false, m.path, e) < 0)
      return -1;
  }
  if ((flags & OPF_COPY_UP) != 0 && take_over_content (in, mount, target, m.attrs, m.path, e) < 0)
    return -1;
  if (mount_attach (mount, target, m.path, e) < 0)
    return -1;
  return mount_set_propagation (mount, m.propagation, m.path, e);
}

static int set_attributes (int mount, uint64_t set, uint64_t clr, unsigned recursive, const char *path, struct err *e) {
  struct mount_attr attr = { .attr_set = set, .attr_clr = clr };

  if ((set | clr) != 0 && mount_setattr (mount, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the mount attributes of \"%s\"", path);
  return 0;
}

/* Somebody else may be changing the directory: nothing of it is looked up twice, and nothing outside of it is ever reached. */
static int clone_beneath (const char *directory, const char *path, unsigned recursive, struct err *e) {
  auto_fd top = open (directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  auto_fd at = top < 0 ? -1 : inroot_open_beneath (top, path);
  auto_fd mount = at < 0 ? -1 : open_tree (at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
  if (mount >= 0)
    return fd_release (&mount);
  return err_set (e, errno, "cannot access path \"%s/%s\"%s", directory, path,
                  errno == EXDEV ? ": it leads out of the volume or image" : "");
}

static int clone_all (const char *path, unsigned recursive, struct err *e) {
  int mount = open_tree (AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
  return mount < 0 ? err_set (e, errno, "cannot bind \"%s\"", path) : mount;
}

int bind_open (struct init *in, const struct plan_op_view *op, struct err *e) {
  struct fields f = fields_of (op->payload, op->size);
  const char *source = take_str (&f), *path = take_str (&f);
  uint64_t attr_set = take_u64 (&f), attr_clr = take_u64 (&f);
  uint64_t tree_attr_set = take_u64 (&f), tree_attr_clr = take_u64 (&f);
  unsigned recursive = (op->flags & OPF_RECURSIVE) != 0 ? AT_RECURSIVE : 0;

  take_u64 (&f);
  uint32_t idmap = take_u32 (&f);
  const char *beneath = take_str (&f);
  auto_fd mount = (op->flags & OPF_ELSEWHERE) != 0 ? mount_clone_elsewhere (source, beneath, recursive, e)
                  : beneath[0] != '\0'              ? clone_beneath (source, beneath, recursive, e)
                                                   : clone_all (source, recursive, e);
  if (mount < 0)
    return -1;
  if (mount_map_ids (in, mount, idmap, (op->flags & OPF_IDMAP_TREE) != 0, path, e) < 0 ||
      set_attributes (mount, tree_attr_set, tree_attr_clr, AT_RECURSIVE, path, e) < 0 ||
      set_attributes (mount, attr_set, attr_clr, 0, path, e) < 0)
    return -1;
  return fd_release (&mount);
}

static int what_is_bound (int mount, bool *is_file, const char *path, struct err *e) {
  struct stat st;

  if (fstat (mount, &st) < 0)
    return err_set (e, errno, "cannot look at what is to be bound on \"%s\"", path);
  *is_file = !S_ISDIR (st.st_mode);
  return 0;
}

int step_bind (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  take_str (f);
  const char *path = take_str (f);
  uint64_t propagation = 0;
  bool made;

  for (int i = 0; i < 5; i++)
    propagation = take_u64 (f);
  auto_fd mount = source_is_staged (in) ? source_take (in, e) : bind_open (in, op_at_work (in), e);
  if (mount < 0)
    return -1;
  take_u32 (f);
  bool is_file = (flags & OPF_TARGET_FILE) != 0;
  if (take_str (f)[0] != '\0' && what_is_bound (mount, &is_file, path, e) < 0)
    return -1;
  auto_fd target = reach_target (in, path, is_file ? MAKE_FILE : MAKE_DIRECTORY, 0755, &made, e);
  if (target < 0 || mount_attach (mount, target, path, e) < 0)
    return -1;
  return mount_set_propagation (mount, propagation, path, e);
}
