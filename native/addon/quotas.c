/* Project quotas: directories whose files a file system counts together and limits. Which project a directory gets and how
 * much that may be is TypeScript's (src/core/snapshots/project-quotas.ts).
 *
 * quotactl_fd(2) needs no device node, and its generic commands do on ext4 and XFS alike. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* Linux 5.14, the same number everywhere */
#endif

enum { LIMIT_UNIT = QIF_DQBLKSIZE };

static int project_quota (int fd, unsigned command, uint32_t project, void *data) {
  return (int) syscall (SYS_quotactl_fd, fd, QCMD (command, PRJQUOTA), project, data);
}

static int open_directory (const char *path) {
  return open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- what is done to the directory `fd`: 0, or -1 with errno ---- */

/* *answer: 1 when limits are enforced, else 0, on a kernel that knows nothing of quotas, too. */
static int read_enforced (int fd, double *answer) {
  struct fs_quota_stat state = { 0 };
  *answer = 0;
  if (project_quota (fd, Q_XGETQSTAT, 0, &state) == 0) {
    *answer = (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
    return 0;
  }
  switch (errno) {
    case ENOSYS: /* also: none is on */
    case EINVAL: /* no such type of quota here */
    case ESRCH:
    case ENOTTY:
    case ENODEV: /* no block device: overlayfs, tmpfs */
    case EOPNOTSUPP:
    case EPERM:
      return 0;
    default:
      return -1;
  }
}

/* *inodes: what the file system counts for the project. */
static int read_inodes (int fd, uint32_t project, double *inodes) {
  struct if_dqblk quota = { 0 };
  *inodes = 0;
  if (project_quota (fd, Q_GETQUOTA, project, &quota) < 0)
    return errno == ENOENT ? 0 : -1; /* XFS has never heard of it */
  *inodes = (double) quota.dqb_curinodes;
  return 0;
}

/* 0 bytes: no limit. Otherwise no fewer than said. */
static int set_limit (int fd, uint32_t project, uint64_t bytes) {
  struct if_dqblk quota = { .dqb_bhardlimit = bytes / LIMIT_UNIT + (bytes % LIMIT_UNIT != 0), .dqb_valid = QIF_BLIMITS };
  return project_quota (fd, Q_SETQUOTA, project, &quota);
}

static int read_project (int fd, double *project) {
  struct fsxattr attributes = { 0 };
  if (ioctl (fd, FS_IOC_FSGETXATTR, &attributes) < 0)
    return -1;
  *project = attributes.fsx_projid;
  return 0;
}

/* And all that will be made in it. */
static int join_project (int fd, uint32_t project) {
  struct fsxattr attributes = { 0 };
  if (ioctl (fd, FS_IOC_FSGETXATTR, &attributes) < 0)
    return -1;
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  return ioctl (fd, FS_IOC_FSSETXATTR, &attributes);
}

/* ---- the functions ---- */

enum what { ENFORCED, INODES, LIMIT, PROJECT, JOIN };

/* A call of `count` arguments: a directory's path, the project, bytes. */
static napi_value call (napi_env env, napi_callback_info info, enum what what, size_t count, const char *syscall_name) {
  napi_value arguments[3];
  int project = 0;
  int64_t bytes = 0;
  double answer = 0;
  if (addon_arguments (env, info, count, arguments) < 0 || (count > 1 && addon_int (env, arguments[1], &project) < 0))
    return NULL;
  if (count > 2 && (napi_get_value_int64 (env, arguments[2], &bytes) != napi_ok || bytes < 0)) {
    napi_throw_type_error (env, NULL, "a number of bytes is expected");
    return NULL;
  }
  char *path = addon_path (env, arguments[0]);
  if (path == NULL)
    return NULL;

  int result = -1;
  int fd = open_directory (path);
  if (fd < 0)
    syscall_name = "open";
  else if (what == ENFORCED)
    result = read_enforced (fd, &answer);
  else if (what == INODES)
    result = read_inodes (fd, (uint32_t) project, &answer);
  else if (what == LIMIT)
    result = set_limit (fd, (uint32_t) project, (uint64_t) bytes);
  else if (what == PROJECT)
    result = read_project (fd, &answer);
  else
    result = join_project (fd, (uint32_t) project);
  int code = errno;
  if (fd >= 0)
    close (fd);
  napi_value value = result < 0 ? addon_throw (env, code, syscall_name, path) : addon_number (env, answer);
  free (path);
  return value;
}

/* projectLimitsEnforced(directory): 0 or 1 */
static napi_value project_limits_enforced (napi_env env, napi_callback_info info) {
  return call (env, info, ENFORCED, 1, "quotactl_fd");
}

/* projectInodes(directory, project): number */
static napi_value project_inodes (napi_env env, napi_callback_info info) {
  return call (env, info, INODES, 2, "quotactl_fd");
}

/* limitProject(directory, project, bytes) */
static napi_value limit_project (napi_env env, napi_callback_info info) {
  return call (env, info, LIMIT, 3, "quotactl_fd");
}

/* projectOf(directory): number */
static napi_value project_of (napi_env env, napi_callback_info info) {
  return call (env, info, PROJECT, 1, "ioctl");
}

/* joinProject(directory, project) */
static napi_value join_project_of (napi_env env, napi_callback_info info) {
  return call (env, info, JOIN, 2, "ioctl");
}

int addon_register_quotas (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "projectLimitsEnforced", project_limits_enforced) < 0 ||
      addon_add_function (env, exports, "projectInodes", project_inodes) < 0 ||
      addon_add_function (env, exports, "limitProject", limit_project) < 0 ||
      addon_add_function (env, exports, "projectOf", project_of) < 0)
    return -1;
  return addon_add_function (env, exports, "joinProject", join_project_of);
}
