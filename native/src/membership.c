/* Which cgroups and namespaces the process is in. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"

/* Version 2 needs nothing here: clone3 put the child there. In version 1 a single-threaded process that writes "0" to
   `tasks` moves itself without the kernel's global thread-group lock, whose acquisition takes milliseconds. */
int step_cgroup_join (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  const char *directory = take_str (f);
  char path[PATH_MAX];

  if (take_u32 (f) == 2)
    return 0;
  if (snprintf (path, sizeof path, "%s/tasks", directory) >= (int) sizeof path)
    return err_set (e, ENAMETOOLONG, "cannot join the cgroup \"%s\"", directory);
  auto_fd tasks = open (path, O_WRONLY | O_CLOEXEC);
  if (tasks < 0 || write (tasks, "0", 1) != 1)
    return err_set (e, errno, "cannot join the cgroup \"%s\"", directory);
  return 0;
}

int step_unshare (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  uint32_t namespaces = take_u32 (f);
  return unshare ((int) namespaces) < 0 ? err_set (e, errno, "cannot make the namespaces 0x%x", namespaces) : 0;
}

int enter_namespace_paths (struct init *in, struct err *e) {
  for (uint32_t i = 0; i < in->namespace_count; i++) {
    struct namespace_fd *n = &in->namespaces[i];
    if (n->clone_flag == CLONE_NEWNS || n->fd < 0)
      continue;
    /* The pid namespace is that of the parent's children: the parent has done it, unless this process is the parent. */
    if ((n->clone_flag != CLONE_NEWPID || in->user_fd >= 0) && setns (n->fd, (int) n->clone_flag) < 0)
      return err_set (e, errno, "cannot enter the namespace 0x%x", n->clone_flag);
    fd_close (&n->fd);
  }
  return 0;
}

static int open_root (struct init *in, struct err *e) {
  in->root_fd = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (in->root_fd < 0 || fchdir (in->root_fd) < 0)
    return err_set (e, errno, "cannot open the container's root");
  return 0;
}

/* Last of all: with it the host's files are out of sight. */
int enter_mount_path (struct init *in, struct err *e) {
  for (uint32_t i = 0; i < in->namespace_count; i++) {
    struct namespace_fd *n = &in->namespaces[i];
    if (n->clone_flag != CLONE_NEWNS || n->fd < 0)
      continue;
    if (setns (n->fd, CLONE_NEWNS) < 0)
      return err_set (e, errno, "cannot enter the namespace 0x%x", n->clone_flag);
    fd_close (&n->fd);
    return open_root (in, e);
  }
  return 0;
}

int join_namespaces (struct init *in, struct err *e) {
  if (in->maps != NULL) {
    if (come_into_userns (in, e) < 0)
      return -1;
  } else if (setns (in->init_pidfd, (int) in->plan->clone_flags) < 0)
    return err_set (e, errno, "cannot join the container's namespaces");
  fd_close (&in->init_pidfd);
  return open_root (in, e);
}

/* A process that joins a running container stays out of its pid namespace, where a neighbour with CAP_SYS_PTRACE could
   attach to it, until it has nothing to give away: no descriptor of the host and no privilege beyond the container's.
   Entering takes a fork; CLONE_PARENT makes the new process the shim's child, too. The kernel writes its pid, as the
   shim sees it, before it runs. */
int be_born_inside (struct init *in, struct err *e) {
  fd_close (&in->root_fd);
  fd_close (&in->proc_fd);
  long pid = syscall (SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, NULL, &in->progress->pid, NULL, NULL);
  if (pid < 0)
    return err_set (e, errno, "cannot fork into the container's pid namespace");
  if (pid > 0)
    _exit (0);
  if (setsid () < 0)
    return err_set (e, errno, "cannot make a session");
  if ((in->plan->flags & PLAN_TERMINAL) != 0 && ioctl (0, TIOCSCTTY, 0) < 0)
    return err_set (e, errno, "cannot make the terminal the controlling one");
  return 0;
}
