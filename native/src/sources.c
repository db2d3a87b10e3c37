#include "sources.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "mounts.h"
#include "userns.h"

/* ---- with the rights of the host ---- */

/* A clone of a shared mount is one of its peers. Like the copies that a mount namespace of a user namespace consists
   of, it only receives (mount_namespaces(7)); then what PROPAGATION says of the others is done to it. */
static int settle_propagation (int source, uint64_t propagation, const char *what, struct err *e) {
  struct mount_attr attr = { .propagation = propagation == MS_SHARED ? MS_SLAVE : propagation };

  if (mount_setattr (source, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot set the propagation of the source of \"%s\"", what);
  return 0;
}

static int make_node (int stage, const char *name, mode_t mode, dev_t device, uint32_t uid, uint32_t gid,
                      struct err *e) {
  if (mknodat (stage, name, mode, device) < 0 || fchownat (stage, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot make the device %u:%u", major (device), minor (device));
  return 0;
}

/* Its superblock belongs to the host's user namespace: device nodes on one of the container's would be dead. */
static int stage_open (struct init *in, struct err *e) {
  auto_fd fs = fsopen ("tmpfs", FSOPEN_CLOEXEC);

  if (fs < 0 || filesystem_set (fs, "mode=755", "tmpfs", "/", e) < 0)
    return err_set (e, errno, "cannot prepare the container's devices");
  auto_fd stage = filesystem_finish (fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "tmpfs", "/", e);
  if (stage < 0)
    return -1;
  if (mkdirat (stage, STAGE_ROOT, 0755) < 0)
    return err_set (e, errno, "cannot prepare the container's devices");
  if (make_node (stage, STAGE_NULL, S_IFCHR | 0666, makedev (1, 3), 0, 0, e) < 0)
    return -1;
  in->stage_fd = fd_release (&stage);
  return 0;
}

static int stage_node (struct init *in, struct fields f, struct err *e) {
  const char *path = take_str (&f);
  uint32_t type = take_u32 (&f), major = take_u32 (&f), minor = take_u32 (&f), mode = take_u32 (&f);
  uint32_t uid = take_u32 (&f), gid = take_u32 (&f), host_uid, host_gid;
  char name[16];

  if (type == 'p')
    return 0;
  if (!userns_host_id (in->maps->uid, uid, &host_uid) || !userns_host_id (in->maps->gid, gid, &host_gid))
    return err_set (e, EINVAL, "cannot give \"%s\" to %u:%u, which the user namespace does not have", path, uid, gid);
  snprintf (name, sizeof name, "%u", in->progress->op);
  return make_node (in->stage_fd, name, (type == 'c' ? S_IFCHR : S_IFBLK) | mode, makedev (major, minor), host_uid,
                    host_gid, e);
}

static int source_open (struct init *in, const struct plan_op_view *op, uint64_t propagation, struct err *e) {
  bool is_mount = op->kind == OP_MOUNT, is_overlay = op->kind == OP_ROOT_OVERLAY;
  int source = op->kind == OP_BIND ? bind_open (in, op, e) : is_mount ? mount_open (in, op, e) : root_open (in, op, e);

  /* A new filesystem has no peers. */
  if (source < 0 || is_mount || is_overlay)
    return source;
  auto_fd held = source;
  struct fields f = fields_of (op->payload, op->size);
  return settle_propagation (held, propagation, take_str (&f), e) < 0 ? -1 : fd_release (&held);
}

static bool has_idmap (const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);

  f.at += f.left - sizeof (uint32_t);
  f.left = sizeof (uint32_t);
  return take_u32 (&f) != IDMAP_NONE;
}

static int open_for (struct init *in, const struct plan_op_view *op, uint64_t *propagation, struct err *e) {
  struct fields f = fields_of (op->payload, op->size);

  switch (op->kind) {
  case OP_PROPAGATION:
    *propagation = take_u64 (&f) & ~(uint64_t) MS_REC;
    return 0;
  case OP_DEVICE:
    return stage_node (in, f, e);
  case OP_ROOT_OVERLAY:
  case OP_ROOT_BIND:
    if (stage_open (in, e) < 0)
      return -1;
    break;
  case OP_MOUNT:
    if (!has_idmap (op))
      return 0; /* it shall belong to the container's user namespace */
    break;
  case OP_BIND:
    break;
  default:
    return 0;
  }
  int source = source_open (in, op, *propagation, e);
  in->sources[in->progress->op - 1] = source;
  return source < 0 ? -1 : 0;
}

int sources_open (struct init *in, struct err *e) {
  uint64_t propagation = MS_SLAVE;

  in->sources = calloc (in->plan->op_count, sizeof *in->sources);
  if (in->sources == NULL)
    return err_set (e, ENOMEM, "cannot keep track of mounts");
  for (uint32_t i = 0; i < in->plan->op_count; i++)
    in->sources[i] = -1;
  for (uint32_t i = 0; i < in->plan->op_count; i++) {
    in->progress->op = i + 1;
    if (open_for (in, &in->plan->ops[i], &propagation, e) < 0)
      return -1;
  }
  in->progress->op = 0;
  return 0;
}

/* ---- in the container ---- */

int source_take (struct init *in) {
  return in->sources == NULL ? -1 : fd_release (&in->sources[in->progress->op - 1]);
}

/* "/" is the one directory that can be reached whatever its owner and mode are. Nothing that is looked up from there
   changes: a mount on the root directory of a process is not stepped into. */
int stage_attach (struct init *in, struct err *e) {
  if (isolate_staging (in, "/", e) < 0)
    return -1;
  if (move_mount (in->stage_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach the container's devices");
  return 0;
}

int stage_device (struct init *in, const char *path, struct err *e) {
  char name[16];

  snprintf (name, sizeof name, "%u", in->progress->op);
  int node = open_tree (in->stage_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  return node < 0 ? err_set (e, errno, "cannot bind the device \"%s\"", path) : node;
}
