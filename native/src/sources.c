#include "sources.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "mounts.h"
#include "userns.h"

static void name_of (const struct init *in, char name[16]) {
  snprintf (name, 16, "%u", in->progress->op);
}

/* ---- with the rights of the host ---- */

static int make_node (int stage, const char *name, mode_t mode, dev_t device, uint32_t uid, uint32_t gid,
                      struct err *e) {
  if (mknodat (stage, name, mode, device) < 0 || fchownat (stage, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot make the device %u:%u", major (device), minor (device));
  return 0;
}

/* Its superblock belongs to the host's user namespace: device nodes on one of the container's would be dead. */
static int stage_make (struct init *in, const char *staging, struct err *e) {
  auto_fd fs = fsopen ("tmpfs", FSOPEN_CLOEXEC);

  if (fs < 0 || filesystem_set (fs, "mode=755", "tmpfs", staging, e) < 0)
    return err_set (e, errno, "cannot prepare to mount on \"%s\"", staging);
  auto_fd stage = filesystem_finish (fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "tmpfs", staging, e);
  if (stage < 0 || own_mounts (in, e) < 0)
    return -1;
  if (mkdirat (stage, STAGE_ROOT, 0755) < 0 || move_mount (stage, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot prepare to mount on \"%s\"", staging);
  in->stage_fd = fd_release (&stage);
  return 0;
}

static const char *staging_of (const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);

  if (op->kind == OP_ROOT_OVERLAY) {
    take_strv (&f);
    take_str (&f);
    take_str (&f);
    take_strv (&f);
  } else
    take_str (&f);
  return take_str (&f);
}

static int stage_device (struct init *in, struct fields f, struct err *e) {
  const char *path = take_str (&f);
  uint32_t type = take_u32 (&f), major = take_u32 (&f), minor = take_u32 (&f), mode = take_u32 (&f);
  uint32_t uid = take_u32 (&f), gid = take_u32 (&f), host_uid, host_gid;
  char name[16];

  if (!userns_host_id (in->maps->uid, uid, &host_uid) || !userns_host_id (in->maps->gid, gid, &host_gid))
    return err_set (e, EINVAL, "cannot give \"%s\" to %u:%u, which the user namespace does not have", path, uid, gid);
  name_of (in, name);
  return make_node (in->stage_fd, name, (type == 'c' ? S_IFCHR : S_IFBLK) | mode, makedev (major, minor), host_uid,
                    host_gid, e);
}

/* Attaches what was opened. */
static int stage_mount (struct init *in, int source, struct err *e) {
  auto_fd held = source;
  struct stat st;
  char name[16];

  if (held < 0)
    return -1;
  name_of (in, name);
  if (fstat (held, &st) < 0 ||
      (S_ISDIR (st.st_mode) ? mkdirat (in->stage_fd, name, 0700) : mknodat (in->stage_fd, name, S_IFREG | 0600, 0)) <
          0 ||
      move_mount (held, "", in->stage_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot hold a mount ready for the container");
  return 0;
}

/* A new filesystem belongs to the container's user namespace, unless its ids are mapped: then it is one of the host's. */
static bool needs_host (const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);

  switch (op->kind) {
  case OP_ROOT_OVERLAY:
  case OP_ROOT_BIND:
  case OP_BIND:
    return true;
  case OP_DEVICE: /* mknod(2) makes no devices in a user namespace, only fifos */
    take_str (&f);
    return take_u32 (&f) != 'p';
  case OP_MOUNT:
    f.at += f.left - sizeof (uint32_t);
    f.left = sizeof (uint32_t);
    return take_u32 (&f) != IDMAP_NONE;
  default:
    return false;
  }
}

static int open_for (struct init *in, const struct plan_op_view *op, struct err *e) {
  switch (op->kind) {
  case OP_ROOT_OVERLAY:
  case OP_ROOT_BIND:
    return stage_make (in, staging_of (op), e) < 0 ? -1 : stage_mount (in, root_open (in, op, e), e);
  case OP_BIND:
    return stage_mount (in, bind_open (in, op, e), e);
  case OP_MOUNT:
    return stage_mount (in, mount_open (in, op, e), e);
  default:
    return stage_device (in, fields_of (op->payload, op->size), e);
  }
}

int sources_open (struct init *in, struct err *e) {
  for (uint32_t i = 0; i < in->plan->op_count; i++) {
    in->progress->op = i + 1;
    if (needs_host (op_at_work (in)) && open_for (in, op_at_work (in), e) < 0)
      return -1;
  }
  in->progress->op = 0;
  if (in->stage_fd >= 0 && fchdir (in->stage_fd) < 0)
    return err_set (e, errno, "cannot hold mounts ready for the container");
  return 0;
}

/* ---- in the container ---- */

/* The kernel moves a working directory to the copy of its mount when it copies the namespace. */
int stage_find (struct init *in, struct err *e) {
  if (in->stage_fd < 0)
    return 0;
  fd_close (&in->stage_fd); /* the one between */
  in->stage_fd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return in->stage_fd < 0 ? err_set (e, errno, "cannot find the mounts that are held ready") : 0;
}

bool source_is_staged (const struct init *in) {
  return in->stage_fd >= 0 && needs_host (op_at_work (in));
}

int source_take (struct init *in, struct err *e) {
  char name[16];

  name_of (in, name);
  int source = open_tree (in->stage_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
  return source < 0 ? err_set (e, errno, "cannot take a mount that is held ready") : source;
}
