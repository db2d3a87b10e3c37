/* Device nodes, links and directories made in the container's root, each by a descriptor of the directory that holds
 * it. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fds.h"
#include "init.h"
#include "inroot.h"
#include "kernel.h"
#include "mounts.h"
#include "sources.h"

static int give_to (int directory, const char *name, uint32_t uid, uint32_t gid, const char *path, struct err *e) {
  if ((uid != 0 || gid != 0) && fchownat (directory, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot give \"%s\" to %u:%u", path, uid, gid);
  return 0;
}

static int bind_device (struct init *in, int directory, const char *name, const char *path, struct err *e) {
  auto_fd target = openat (directory, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);

  if (target < 0)
    return err_set (e, errno, "cannot make the device \"%s\"", path);
  auto_fd node = source_take (in, e);
  return node < 0 ? -1 : mount_attach (node, target, path, e);
}

int step_device (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *path = take_str (f), *name;
  uint32_t type = take_u32 (f), major = take_u32 (f), minor = take_u32 (f), mode = take_u32 (f), uid = take_u32 (f),
           gid = take_u32 (f);
  mode_t format = type == 'c' ? S_IFCHR : type == 'b' ? S_IFBLK : S_IFIFO;
  dev_t device = type == 'p' ? 0 : makedev (major, minor);
  struct stat st;

  auto_fd directory = inroot_reach_parent (in->root_fd, path, &name);
  if (directory < 0)
    return err_set (e, errno, "cannot reach the directory of \"%s\"", path);
  /* In a user namespace the kernel makes no devices (mknod(2)): the node is on the stage. */
  bool is_staged = source_is_staged (in);
  if (is_staged ? fstatat (directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT
                : mknodat (directory, name, format | mode, device) == 0)
    return is_staged ? bind_device (in, directory, name, path, e) : give_to (directory, name, uid, gid, path, e);
  if (!is_staged && errno != EEXIST)
    return err_set (e, errno, "cannot make the device \"%s\"", path);
  /* A bind of the host's /dev has it already. Anything else under that name is not what was asked for. */
  if (fstatat (directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & S_IFMT) != format ||
      st.st_rdev != device)
    return err_set (e, EEXIST, "cannot make the device \"%s\"", path);
  return 0;
}

int step_symlink (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *value = take_str (f), *path = take_str (f), *name;

  auto_fd directory = inroot_reach_parent (in->root_fd, path, &name);
  if (directory < 0)
    return err_set (e, errno, "cannot reach the directory of \"%s\"", path);
  if (symlinkat (value, directory, name) < 0 && errno != EEXIST)
    return err_set (e, errno, "cannot make the link \"%s\"", path);
  return 0;
}

int step_directory (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *path = take_str (f);
  uint32_t mode = take_u32 (f), uid = take_u32 (f), gid = take_u32 (f);
  bool made;

  auto_fd directory = inroot_reach (in->root_fd, path, MAKE_DIRECTORY, mode, &made);
  if (directory < 0)
    return err_set (e, errno, "cannot make the directory \"%s\"", path);
  if (made && (uid != 0 || gid != 0) && fchownat (directory, "", uid, gid, AT_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot give \"%s\" to %u:%u", path, uid, gid);
  return 0;
}
