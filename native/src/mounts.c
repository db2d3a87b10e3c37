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

/* fsconfig takes strings of up to this many bytes. */
#define FSCONFIG_MAX 255

/* ---- one filesystem ---- */

/* The kernel's own words ("e overlay: ...") about what it disliked, if there are any. */
static int filesystem_error (int fs, int code, const char *action, const char *fstype, const char *target,
                             struct err *e) {
  char words[256];
  ssize_t n = read (fs, words, sizeof words - 1);

  if (n > 2 && words[1] == ' ') {
    words[n] = '\0';
    words[strcspn (words, "\n")] = '\0';
    return err_set (e, code, "cannot %s \"%s\" on \"%s\": %s", action, fstype, target, words + 2);
  }
  return err_set (e, code, "cannot %s \"%s\" on \"%s\"", action, fstype, target);
}

static int set_option (int fs, const char *option, const char *fstype, const char *target, struct err *e) {
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

static int set_propagation (int mount, uint64_t propagation, const char *path, struct err *e) {
  struct mount_attr attr = { .propagation = propagation & ~(uint64_t) MS_REC };
  unsigned flags = AT_EMPTY_PATH | ((propagation & MS_REC) != 0 ? AT_RECURSIVE : 0);

  if (propagation != 0 && mount_setattr (mount, "", flags, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the propagation of \"%s\"", path);
  return 0;
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

/* ---- the root ---- */

int step_propagation (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct mount_attr attr = { .propagation = take_u64 (f) & ~(uint64_t) MS_REC };

  if (mount_setattr (AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the propagation of all mounts");
  in->propagation = attr.propagation;
  return 0;
}

/* What every later step relies on while the host is still in sight. */
static int root_is_there (struct init *in, int root, struct err *e) {
  struct stat st;

  in->root_fd = root;
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

static int overlay_add (int fs, const char *key, const char *path, struct err *e) {
  if (fsconfig (fs, FSCONFIG_SET_STRING, key, path, 0) < 0)
    return filesystem_error (fs, errno, "add a layer to", "overlay", path, e);
  return 0;
}

/* Kernels before 6.8 do not know "lowerdir+" and take no more than 255 bytes of "lowerdir". */
static bool overlay_needs_mount2 (int fs, struct strings lowers, const char *upper, const char *work) {
  if (strlen (upper) > FSCONFIG_MAX || strlen (work) > FSCONFIG_MAX)
    return true;
  for (uint32_t i = 0; i < lowers.count; i++) {
    const char *lower = take_str (&lowers.rest);
    if (strlen (lower) > FSCONFIG_MAX)
      return true;
    if (i == 0 && fsconfig (fs, FSCONFIG_SET_STRING, "lowerdir+", lower, 0) < 0)
      return errno == EINVAL || errno == EOPNOTSUPP;
  }
  return false;
}

struct text {
  char *bytes;
  size_t size, limit;
};

static void text_add (struct text *t, const char *s, const char *escaped) {
  for (; *s != '\0' && t->size + 2 < t->limit; s++) {
    if (strchr (escaped, *s) != NULL)
      t->bytes[t->size++] = '\\';
    t->bytes[t->size++] = *s;
  }
  if (*s != '\0')
    t->size = t->limit; /* too much */
}

/* The length of the directory that all lowers are in, with its slash. */
static size_t common_directory (struct strings lowers) {
  const char *first = take_str (&lowers.rest);
  size_t common = (size_t) (strrchr (first, '/') - first) + 1;

  for (uint32_t i = 1; i < lowers.count; i++) {
    const char *next = take_str (&lowers.rest);
    while (common > 1 && strncmp (first, next, common) != 0)
      do
        common--;
      while (common > 1 && first[common - 1] != '/');
  }
  return common;
}

/* One page of options is all there is, so the layers are named relative to the directory that they share, which becomes
   the working directory. Staging is a directory of the host's own: nobody in the container can exchange it. */
int overlay_mount2 (struct strings lowers, const char *upper, const char *work, struct strings options,
                    const char *staging, struct err *e) {
  char page[4096], directory[PATH_MAX];
  struct text t = { page, 0, sizeof page - 1 };
  size_t common = common_directory (lowers);

  text_add (&t, "lowerdir=", "");
  for (uint32_t i = 0; i < lowers.count; i++) {
    const char *lower = take_str (&lowers.rest);
    if (i == 0)
      snprintf (directory, sizeof directory, "%.*s", (int) common, lower);
    else
      text_add (&t, ":", "");
    text_add (&t, lower[common] == '\0' ? "." : lower + common, ":,");
  }
  if (upper[0] != '\0') {
    text_add (&t, ",upperdir=", "");
    text_add (&t, upper, ",");
    text_add (&t, ",workdir=", "");
    text_add (&t, work, ",");
  }
  for (uint32_t i = 0; i < options.count; i++) {
    text_add (&t, ",", "");
    text_add (&t, take_str (&options.rest), "");
  }
  if (t.size >= t.limit)
    return err_set (e, E2BIG, "cannot mount overlay on \"%s\": too many layers for this kernel", staging);
  page[t.size] = '\0';
  if (chdir (directory) < 0)
    return err_set (e, errno, "cannot enter \"%s\"", directory);
  if (mount ("overlay", staging, "overlay", 0, page) < 0)
    return err_set (e, errno, "cannot mount overlay on \"%s\"", staging);
  int root = open (staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? err_set (e, errno, "cannot open \"%s\"", staging) : root;
}

static int overlay_mount (struct strings lowers, const char *upper, const char *work, struct strings options,
                          const char *staging, struct err *e) {
  struct strings all_lowers = lowers, all_options = options; /* taking strings uses them up */
  auto_fd fs = fsopen ("overlay", FSOPEN_CLOEXEC);

  if (fs < 0)
    return err_set (e, errno, "cannot open the filesystem \"overlay\"");
  if (overlay_needs_mount2 (fs, lowers, upper, work))
    return overlay_mount2 (lowers, upper, work, options, staging, e);
  take_str (&lowers.rest);
  for (uint32_t i = 1; i < lowers.count; i++)
    if (overlay_add (fs, "lowerdir+", take_str (&lowers.rest), e) < 0)
      return -1;
  if (upper[0] != '\0' && (overlay_add (fs, "upperdir", upper, e) < 0 || overlay_add (fs, "workdir", work, e) < 0))
    return -1;
  if (fsconfig (fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
    return filesystem_error (fs, errno, "name", "overlay", staging, e);
  for (uint32_t i = 0; i < options.count; i++)
    if (set_option (fs, take_str (&options.rest), "overlay", staging, e) < 0)
      return -1;
  auto_fd root = filesystem_finish (fs, 0, "overlay", staging, e);
  /* Before 6.5 overlayfs took any option and looked at them only now. */
  if (root < 0)
    return e->code == EINVAL ? overlay_mount2 (all_lowers, upper, work, all_options, staging, e) : -1;
  if (move_mount (root, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach the root to \"%s\"", staging);
  return fd_release (&root);
}

int step_root_overlay (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct strings lowers = take_strv (f);
  const char *upper = take_str (f), *work = take_str (f);
  struct strings options = take_strv (f);
  const char *staging = take_str (f);

  if (isolate_staging (in, staging, e) < 0)
    return -1;
  int root = overlay_mount (lowers, upper, work, options, staging, e);
  return root < 0 ? -1 : root_is_there (in, root, e);
}

int step_root_bind (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *source = take_str (f), *staging = take_str (f);

  if (isolate_staging (in, staging, e) < 0)
    return -1;
  auto_fd root = open_tree (AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (root < 0)
    return err_set (e, errno, "cannot take \"%s\" as the root", source);
  if (move_mount (root, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach the root to \"%s\"", staging);
  return root_is_there (in, fd_release (&root), e);
}

/* ---- mounts in the root ---- */

/* A new tmpfs takes over the mode of the directory that it covers: what was private stays private. */
static int take_over_mode (int fs, int target, struct strings options, const char *fstype, const char *path,
                           struct err *e) {
  struct stat st;
  char mode[16];

  for (uint32_t i = 0; i < options.count; i++)
    if (strncmp (take_str (&options.rest), "mode=", 5) == 0)
      return 0;
  if (fstat (target, &st) < 0)
    return err_set (e, errno, "cannot look at \"%s\"", path);
  snprintf (mode, sizeof mode, "mode=%o", st.st_mode & 07777);
  return set_option (fs, mode, fstype, path, e);
}

/* A copy needs a mount that can be written. */
static int take_over_content (struct init *in, int mount, int target, uint64_t attrs, const char *path, struct err *e) {
  struct mount_attr writable = { .attr_clr = attrs & MOUNT_ATTR_RDONLY };
  struct mount_attr read_only = { .attr_set = attrs & MOUNT_ATTR_RDONLY };

  if (writable.attr_clr != 0 && mount_setattr (mount, "", AT_EMPTY_PATH, &writable, sizeof writable) < 0)
    return err_set (e, errno, "cannot make \"%s\" writable for a copy", path);
  if (copy_up (in, target, mount, path, e) < 0)
    return -1;
  if (read_only.attr_set != 0 && mount_setattr (mount, "", AT_EMPTY_PATH, &read_only, sizeof read_only) < 0)
    return err_set (e, errno, "cannot make \"%s\" read-only", path);
  return 0;
}

int step_mount (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  const char *fstype = take_str (f), *source = take_str (f), *path = take_str (f);
  struct strings options = take_strv (f), all = options;
  uint64_t attrs = take_u64 (f), propagation = take_u64 (f);
  mode_t dir_mode = take_u32 (f);
  bool made;

  auto_fd target = reach_target (in, path, MAKE_DIRECTORY, dir_mode == 0 ? 0755 : dir_mode, &made, e);
  if (target < 0)
    return -1;
  auto_fd fs = fsopen (fstype, FSOPEN_CLOEXEC);
  if (fs < 0)
    return err_set (e, errno, "cannot open the filesystem \"%s\" for \"%s\"", fstype, path);
  if (source[0] != '\0' && fsconfig (fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
    return filesystem_error (fs, errno, "set the source of", fstype, path, e);
  for (uint32_t i = 0; i < options.count; i++)
    if (set_option (fs, take_str (&options.rest), fstype, path, e) < 0)
      return -1;
  if ((flags & OPF_TARGET_MODE) != 0 && !made && take_over_mode (fs, target, all, fstype, path, e) < 0)
    return -1;
  auto_fd mount = filesystem_finish (fs, attrs, fstype, path, e);
  if (mount < 0)
    return -1;
  if ((flags & OPF_COPY_UP) != 0 && take_over_content (in, mount, target, attrs, path, e) < 0)
    return -1;
  if (mount_attach (mount, target, path, e) < 0)
    return -1;
  return set_propagation (mount, propagation, path, e);
}

static int set_attributes (int mount, uint64_t set, uint64_t clr, unsigned recursive, const char *path, struct err *e) {
  struct mount_attr attr = { .attr_set = set, .attr_clr = clr };

  if ((set | clr) != 0 && mount_setattr (mount, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the mount attributes of \"%s\"", path);
  return 0;
}

int step_bind (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  const char *source = take_str (f), *path = take_str (f);
  uint64_t attr_set = take_u64 (f), attr_clr = take_u64 (f), tree_attr_set = take_u64 (f), tree_attr_clr = take_u64 (f);
  uint64_t propagation = take_u64 (f);
  unsigned recursive = (flags & OPF_RECURSIVE) != 0 ? AT_RECURSIVE : 0;
  bool made;

  auto_fd mount = open_tree (AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
  if (mount < 0)
    return err_set (e, errno, "cannot bind \"%s\"", source);
  if (set_attributes (mount, tree_attr_set, tree_attr_clr, AT_RECURSIVE, path, e) < 0 ||
      set_attributes (mount, attr_set, attr_clr, 0, path, e) < 0)
    return -1;
  auto_fd target = reach_target (in, path, (flags & OPF_TARGET_FILE) != 0 ? MAKE_FILE : MAKE_DIRECTORY, 0755, &made, e);
  if (target < 0 || mount_attach (mount, target, path, e) < 0)
    return -1;
  return set_propagation (mount, propagation, path, e);
}

/* ---- leaving the host ---- */

int step_pivot (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
  struct mount_attr slave = { .propagation = MS_SLAVE };
  bool root_readonly = take_u32 (f) == 1;
  auto_fd old_root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

  fd_close (&in->null_fd);
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
  if (umount2 (".", MNT_DETACH) < 0)
    return err_set (e, errno, "cannot detach the old root");
  return chdir ("/") < 0 ? err_set (e, errno, "cannot enter the new root") : 0;
}

int step_root_propagation (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  return set_propagation (in->root_fd, take_u64 (f), "/", e);
}
