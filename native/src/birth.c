/* The way into a user namespace, in three steps: what takes the rights of the host is done first, then they are given
 * up, then the container's process is born. Its other namespaces belong to the user namespace because who makes them is
 * in it. Whoever is in the user namespace already has the capability to trace this process, but not the right: it is not
 * dumpable, and its memory belongs to the host's user namespace until execve (ptrace(2), PTRACE_MODE_ATTACH). */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "procfs.h"
#include "sources.h"
#include "userns.h"

/* The pipes that the shim made belong to the host's root. Their owner can open /dev/stdout again, and IDENTITY can pass
   them on if their group is known inside, too. A file or a terminal stays its owner's. */
static int give_pipes (struct init *in, struct err *e) {
  uint32_t inside, uid, gid;
  struct stat st;

  if (!userns_first_id (in->maps->uid, &inside, &uid) || !userns_first_id (in->maps->gid, &inside, &gid))
    return err_set (e, EINVAL, "cannot enter a user namespace without ids");
  for (int fd = 0; fd < 3 && (in->plan->flags & PLAN_TERMINAL) == 0; fd++) {
    if (fstat (fd, &st) < 0 || (!S_ISFIFO (st.st_mode) && !S_ISSOCK (st.st_mode)) || st.st_uid != geteuid ())
      continue;
    if (fchown (fd, uid, gid) < 0)
      return err_set (e, errno, "cannot give descriptor %d to the container", fd);
  }
  return 0;
}

int prepare_for_userns (struct init *in, struct err *e) {
  return give_pipes (in, e) < 0 ? -1 : perform_ahead (in, e);
}

/* ---- into it ---- */

/* Never a user of the host: outside of the maps even the owner of nothing is the owner of the host's files. */
static int act_as_first (const struct id_maps *maps, struct err *e) {
  uint32_t uid, gid, outside;

  if (!userns_first_id (maps->gid, &gid, &outside) || setresgid (gid, gid, gid) < 0 ||
      !userns_first_id (maps->uid, &uid, &outside) || setresuid (uid, uid, uid) < 0)
    return err_set (e, errno, "cannot become the first user of the user namespace");
  return init_hide (e);
}

/* A joining process stays in the host's pid namespace to the last, whose procfs is nothing for a user namespace. */
static int open_procfs_in_time (struct init *in, struct err *e) {
  for (uint32_t i = 0; i < in->plan->op_count; i++)
    if (in->plan->ops[i].kind == OP_LABEL)
      return procfs_need (in, e);
  return 0;
}

/* For a joining plan, whose namespaces are entered all at once, the user namespace among them. */
int come_into_userns (struct init *in, struct err *e) {
  if (open_procfs_in_time (in, e) < 0)
    return -1;
  if (setgroups (0, NULL) < 0)
    return err_set (e, errno, "cannot leave the supplementary groups");
  if (setns (in->init_pidfd, (int) in->plan->clone_flags) < 0)
    return err_set (e, errno, "cannot join the container's namespaces");
  return act_as_first (in->maps, e);
}

static void close_all (int *fds, uint32_t *count) {
  for (uint32_t i = 0; i < *count; i++)
    fd_close (&fds[i]);
  *count = 0;
}

static const char *time_offsets (const struct plan *p) {
  for (uint32_t i = 0; i < p->op_count; i++)
    if (p->ops[i].kind == OP_TIME_OFFSETS) {
      struct fields f = fields_of (p->ops[i].payload, p->ops[i].size);
      return take_str (&f);
    }
  return NULL;
}

/* A time namespace takes its offsets until somebody is born in it. Inside of the user namespace this process may make
   one but not open the file, which is root's as long as the process is not dumpable: it has been opened before. */
static int make_time (int file, const char *offsets, struct err *e) {
  if (unshare (CLONE_NEWTIME) < 0)
    return err_set (e, errno, "cannot make a time namespace");
  if (offsets[0] != '\0' && write (file, offsets, strlen (offsets)) != (ssize_t) strlen (offsets))
    return err_set (e, errno, "cannot set the time offsets \"%s\"", offsets);
  return 0;
}

static int enter (struct init *in, struct err *e) {
  const char *offsets = time_offsets (in->plan);
  auto_fd offsets_file = offsets == NULL ? -1 : open ("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);

  if (offsets != NULL && offsets_file < 0)
    return err_set (e, errno, "cannot open the time offsets");
  if (enter_namespace_paths (in, e) < 0 || enter_mount_path (in, e) < 0)
    return -1;
  fd_close (&in->proc_fd); /* the host's */
  close_all (in->idmap_fds, &in->idmap_count);
  if (setgroups (0, NULL) < 0)
    return err_set (e, errno, "cannot leave the supplementary groups");
  if (setns (in->user_fd, CLONE_NEWUSER) < 0)
    return err_set (e, errno, "cannot enter the user namespace");
  fd_close (&in->user_fd);
  if (act_as_first (in->maps, e) < 0)
    return -1;
  return offsets == NULL ? 0 : make_time (offsets_file, offsets, e);
}

int be_born_in_userns (struct init *in, struct err *e) {
  struct clone_args args = {
    .flags = in->plan->clone_flags | CLONE_PARENT | CLONE_PARENT_SETTID,
    .parent_tid = (uintptr_t) &in->progress->pid,
  };

  if (sources_open (in, e) < 0 || enter (in, e) < 0)
    return -1;
  pid_t pid = sys_clone3 (&args);
  if (pid < 0)
    return err_set (e, errno, "cannot clone the container's first process");
  if (pid > 0)
    _exit (0);
  return stage_find (in, e);
}
