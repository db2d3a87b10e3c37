#include "container.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "err.h"
#include "fds.h"
#include "fields.h"
#include "finally.h"
#include "hooks.h"
#include "init.h"
#include "kernel.h"
#include "netdev.h"
#include "notify.h"
#include "plan.h"
#include "plan_copy.h"
#include "userns.h"

/* ---- what the child needs of the host ---- */

struct entrances {
  int cgroup_fd; /* of the unified hierarchy, for CLONE_INTO_CGROUP */
  int pid_fd;    /* one of `namespaces`, if a pid namespace is among them: the child is born in it */
  struct namespace_fd namespaces[MAX_NAMESPACE_FDS];
  uint32_t namespace_count;
  int user_fd; /* for a process to be born in */
  int idmap_fds[MAX_IDMAPS];
  uint32_t idmap_count;
  bool has_maps;
  struct id_maps maps; /* of the user namespace that it is born in or joins */
};

static void entrances_close (struct entrances *n) {
  fd_close (&n->cgroup_fd);
  for (uint32_t i = 0; i < n->namespace_count; i++)
    fd_close (&n->namespaces[i].fd);
  fd_close (&n->user_fd);
  for (uint32_t i = 0; i < n->idmap_count; i++)
    fd_close (&n->idmap_fds[i]);
}

static int make_user_namespace (struct entrances *n, struct fields *f, struct err *e) {
  const char *uid_map = take_str (f), *gid_map = take_str (f);

  n->user_fd = userns_make (uid_map, gid_map, e);
  snprintf (n->maps.uid, sizeof n->maps.uid, "%s", uid_map);
  snprintf (n->maps.gid, sizeof n->maps.gid, "%s", gid_map);
  n->has_maps = true;
  return n->user_fd < 0 ? -1 : 0;
}

static int make_idmap (struct entrances *n, struct fields *f, struct err *e) {
  take_u32 (f);
  const char *uid_map = take_str (f);
  int fd = userns_make (uid_map, take_str (f), e);

  if (fd < 0)
    return -1;
  n->idmap_fds[n->idmap_count++] = fd;
  return 0;
}

static int open_user_namespace (struct entrances *n, const char *path, struct err *e) {
  n->user_fd = userns_open (path, e);
  if (n->user_fd < 0 || userns_read_maps (n->user_fd, &n->maps, e) < 0)
    return -1;
  n->has_maps = true;
  return 0;
}

static int open_namespace (struct entrances *n, struct fields *f, struct err *e) {
  uint32_t clone_flag = take_u32 (f);
  const char *path = take_str (f);

  if (clone_flag == CLONE_NEWUSER)
    return open_user_namespace (n, path, e);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return err_set (e, errno, "cannot open the namespace \"%s\"", path);
  n->namespaces[n->namespace_count++] = (struct namespace_fd){ fd, clone_flag };
  if (clone_flag == CLONE_NEWPID)
    n->pid_fd = fd;
  return 0;
}

static int open_unified_cgroup (struct entrances *n, struct fields *f, struct err *e) {
  const char *path = take_str (f);

  if (take_u32 (f) != 2)
    return 0;
  n->cgroup_fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return n->cgroup_fd < 0 ? err_set (e, errno, "cannot open the cgroup \"%s\"", path) : 0;
}

static int entrance_open (struct entrances *n, const struct plan_op_view *op, struct err *e) {
  struct fields f = fields_of (op->payload, op->size);

  switch (op->kind) {
  case OP_NS_PATH:
    return open_namespace (n, &f, e);
  case OP_USERNS:
    return make_user_namespace (n, &f, e);
  case OP_IDMAP:
    return make_idmap (n, &f, e);
  case OP_CGROUP_JOIN:
    return open_unified_cgroup (n, &f, e);
  default:
    return 0;
  }
}

static int entrances_open (const struct plan *p, int init_pidfd, struct entrances *n, struct err *e) {
  for (uint32_t i = 0; i < p->op_count; i++)
    if (entrance_open (n, &p->ops[i], e) < 0) {
      e->op = i + 1;
      return -1;
    }
  if ((p->flags & PLAN_JOIN) == 0 || (p->clone_flags & CLONE_NEWUSER) == 0)
    return 0;
  n->has_maps = true;
  return userns_read_maps_of (init_pidfd, &n->maps, e);
}

/* ---- birth ---- */

/* The pid namespace for children is a property of this process: it is lent for one clone and taken back. */
static int lend_pid_namespace (int pid_fd, struct err *e) {
  return pid_fd >= 0 && setns (pid_fd, CLONE_NEWPID) < 0 ? err_set (e, errno, "cannot enter the pid namespace") : 0;
}

static int return_pid_namespace (int pid_fd, int self_fd, struct err *e) {
  return pid_fd >= 0 && setns (self_fd, CLONE_NEWPID) < 0 ? err_set (e, errno, "cannot leave the pid namespace") : 0;
}

static pid_t clone_child (const struct plan *p, const struct entrances *n, int *pidfd, struct err *e) {
  struct clone_args args = {
    .flags = ((p->flags & PLAN_JOIN) != 0 || n->user_fd >= 0 ? 0 : p->clone_flags) | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
             (n->cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
    .pidfd = (uintptr_t) pidfd,
    .exit_signal = SIGCHLD,
    .cgroup = n->cgroup_fd >= 0 ? (uint64_t) n->cgroup_fd : 0,
  };
  pid_t pid = sys_clone3 (&args);

  if (pid < 0)
    err_set (e, errno, "cannot clone the container's first process");
  return pid;
}

/* The child's ends of what connects it with us. */
struct links {
  int sync_fd, page_fd;
};

static void links_close (struct links *l) {
  fd_close (&l->sync_fd);
  fd_close (&l->page_fd);
}

static void fill_init (struct init *in, const struct plan *p, const struct entrances *n, const struct container *c,
                       const struct container_more *more) {
  in->progress = c->progress;
  memcpy (in->namespaces, n->namespaces, sizeof in->namespaces);
  in->namespace_count = n->namespace_count;
  in->user_fd = n->user_fd;
  in->maps = n->has_maps ? &n->maps : NULL;
  memcpy (in->idmap_fds, n->idmap_fds, sizeof in->idmap_fds);
  in->idmap_count = n->idmap_count;
  in->has_own_mounts = n->user_fd < 0 && (p->clone_flags & CLONE_NEWNS) != 0;
  in->start_listener = more->start_listener;
  in->first_own_fd = 3 + more->preserved_fds;
  in->root_fd = in->null_fd = in->empty_fd = in->proc_fd = in->stage_fd = -1;
}

/* The child that was cloned goes into the user namespace and clones the container's process there, as our child. */
static int await_birth (struct container *c, struct err *e) {
  while (waitpid (c->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  fd_close (&c->pidfd);
  c->pid = __atomic_load_n (&c->progress->pid, __ATOMIC_ACQUIRE);
  if (c->pid == 0 && __atomic_load_n (&c->progress->stage, __ATOMIC_ACQUIRE) == PROGRESS_FAILED) {
    *e = c->progress->err;
    return -1;
  }
  if (c->pid == 0)
    return err_set (e, 0, "the way into the user namespace was killed (memory limit too low?)");
  c->pidfd = sys_pidfd_open (c->pid);
  if (c->pidfd >= 0)
    return 0;
  err_set (e, errno, "cannot hold the container's first process");
  kill (c->pid, SIGKILL);
  waitpid (c->pid, NULL, 0);
  return -1;
}

static int give_birth (const struct plan *p, const struct container_stdio *io, int init_pidfd, struct entrances *n,
                       int self_fd, const struct links *links, const struct container_more *more, struct container *c,
                       struct err *e) {
  /* Into a user namespace it is the child that lends it, to a child of its own. */
  int pid_fd = n->user_fd >= 0 ? -1 : n->pid_fd;

  if (lend_pid_namespace (pid_fd, e) < 0)
    return -1;
  pid_t pid = clone_child (p, n, &c->pidfd, e);
  if (pid == 0) {
    struct init in = { .plan = p, .io = *io, .init_pidfd = init_pidfd };
    in.sync_fd = links->sync_fd;
    in.page_fd = links->page_fd;
    fill_init (&in, p, n, c, more);
    init_run (&in);
  }
  c->pid = pid;
  struct err second;
  if (return_pid_namespace (pid_fd, self_fd, pid < 0 ? &second : e) < 0 && pid > 0) {
    sys_pidfd_send_signal (c->pidfd, SIGKILL);
    waitpid (pid, NULL, 0);
    return -1;
  }
  if (pid < 0)
    return -1;
  return n->user_fd >= 0 ? await_birth (c, e) : 0;
}

/* A page that both see. Sealed, because whoever is handed the descriptor maps it without fear of its shrinking. */
static int share_page (struct container *c, int *page_fd, struct err *e) {
  *page_fd = memfd_create ("gantry-progress", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (*page_fd < 0 || ftruncate (*page_fd, sizeof *c->progress) < 0 ||
      fcntl (*page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
    return err_set (e, errno, "cannot make a page for the container's first process");
  c->progress = mmap (NULL, sizeof *c->progress, PROT_READ | PROT_WRITE, MAP_SHARED, *page_fd, 0);
  return 0;
}

static int make_links (struct container *c, const struct container_more *more, struct links *links, struct err *e) {
  int pair[2];

  if (more->start_listener < 0)
    c->progress = mmap (NULL, sizeof *c->progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  else if (share_page (c, &links->page_fd, e) < 0)
    return -1;
  if (c->progress == MAP_FAILED) {
    c->progress = NULL;
    return err_set (e, errno, "cannot share a page with the container's first process");
  }
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    return err_set (e, errno, "cannot make a socket to the container's first process");
  c->sync_fd = pair[0];
  links->sync_fd = pair[1];
  return 0;
}

/* The network namespace that the child is born in or enters by a path. */
static int network_of (const struct entrances *n, const struct container *c) {
  int network = c->pidfd;

  for (uint32_t i = 0; i < n->namespace_count; i++)
    if (n->namespaces[i].clone_flag == CLONE_NEWNET)
      network = n->namespaces[i].fd;
  return network;
}

/* The child waits for its links before it performs anything. */
static int give_links (const struct plan *p, const struct entrances *n, struct container *c, struct err *e) {
  if (!netdev_is_wanted (p))
    return 0;
  if (netdev_move (p, network_of (n, c), e) < 0)
    return -1;
  progress_answer (&c->progress->links_given);
  return 0;
}

static int spawn (const struct plan *p, const struct container_stdio *io, int init_pidfd,
                  const struct container_more *more, struct container *c, struct err *e) {
  bool joins = (p->flags & PLAN_JOIN) != 0;
  __attribute__ ((cleanup (entrances_close))) struct entrances n = { .cgroup_fd = -1, .pid_fd = -1, .user_fd = -1 };
  __attribute__ ((cleanup (links_close))) struct links links = { -1, -1 };
  auto_fd self_fd = -1;

  if (joins != (init_pidfd >= 0))
    return err_set (e, 0, "only a joining plan takes the pidfd of a container, and it must");
  /* Every child inherits this, so there is no instant at which its new neighbours could look into it. */
  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot hide the process");
  if (hooks_copy (p, HOOK_RUNTIME, &c->hooks, e) < 0 || notify_prepare (p, init_pidfd, &c->notify, e) < 0)
    return -1;
  if (cgroup_prepare (p, &c->cgroups, e) < 0 || entrances_open (p, init_pidfd, &n, e) < 0 ||
      make_links (c, more, &links, e) < 0)
    return -1;
  if (n.pid_fd >= 0 && (self_fd = sys_pidfd_open (getpid ())) < 0)
    return err_set (e, errno, "cannot open the way back to the own pid namespace");
  if (finally_copy (p, &c->finally, e) < 0 || give_birth (p, io, init_pidfd, &n, self_fd, &links, more, c, e) < 0)
    return -1;
  if (cgroup_leave (p, e) == 0 && give_links (p, &n, c, e) == 0)
    return 0;
  sys_pidfd_send_signal (c->pidfd, SIGKILL);
  waitpid (c->pid, NULL, 0);
  return -1;
}

static void forget_progress (struct container *c) {
  if (c->progress != NULL)
    munmap (c->progress, sizeof *c->progress);
  c->progress = NULL;
}

int container_spawn_with (const struct plan *p, const struct container_stdio *io, int init_pidfd,
                          const struct container_more *more, struct container *c, struct err *e) {
  *c = (struct container){ .pid = -1, .pidfd = -1, .sync_fd = -1, .console_fd = -1 };
  struct err unused;
  if (spawn (p, io, init_pidfd, more, c, e) == 0)
    return 0;
  /* Before what is left in the cgroup is killed. */
  cgroup_leave (p, &unused);
  container_release (c);
  return -1;
}

int container_spawn (const struct plan *p, const struct container_stdio *io, int init_pidfd, struct container *c,
                     struct err *e) {
  return container_spawn_with (p, io, init_pidfd, &(struct container_more){ .start_listener = -1 }, c, e);
}

/* ---- its messages ---- */

/* The pid of the process that a joining plan or a COMMAND has made, once there is one, else 0. */
static pid_t born_inside (const struct container *c) {
  return c->progress == NULL ? 0 : __atomic_load_n (&c->progress->pid, __ATOMIC_ACQUIRE);
}

bool container_is (const struct container *c, pid_t pid) {
  pid_t inside = born_inside (c);
  return pid == (inside != 0 ? inside : c->pid);
}

/* From who set it up to the process itself. */
static void adopt (struct container *c) {
  pid_t inside = born_inside (c);
  int pidfd = inside == 0 ? -1 : sys_pidfd_open (inside);

  if (inside != 0)
    c->pid = inside;
  if (pidfd >= 0) {
    fd_close (&c->pidfd);
    c->pidfd = pidfd;
  }
}

static enum sync_event finish (struct container *c, struct err *e) {
  uint32_t stage = __atomic_load_n (&c->progress->stage, __ATOMIC_ACQUIRE);

  if (stage == PROGRESS_FAILED)
    *e = c->progress->err;
  else if (stage != PROGRESS_EXECUTING) {
    err_set (e, 0, "the container's first process was killed while it was set up (memory limit too low?)");
    e->op = c->progress->op;
  }
  adopt (c);
  fd_close (&c->sync_fd);
  forget_progress (c);
  return stage == PROGRESS_EXECUTING ? SYNC_STARTED : SYNC_FAILED;
}

enum sync_event container_end (struct container *c, struct err *e) {
  return finish (c, e);
}

/* A child that cannot be answered cannot go on. */
static enum sync_event fail_child (struct container *c) {
  sys_pidfd_send_signal (c->pidfd, SIGKILL);
  fd_close (&c->sync_fd);
  forget_progress (c);
  return SYNC_FAILED;
}
/* The child cannot go on without an agent that answers. */
static enum sync_event give_listener (struct container *c, struct err *e) {
  struct progress *shared = c->progress;

  if (c->notify == NULL) {
    err_set (e, 0, "the container's first process offers a seccomp notification descriptor unasked");
  } else if (notify_hand_over (c->notify, c->pidfd, c->pid, shared->listener, e) == 0) {
    progress_answer (&shared->listener_taken);
    return SYNC_AGAIN;
  }
  e->op = shared->op;
  return fail_child (c);
}

/* The child waits meanwhile. */
static enum sync_event run_hooks (struct container *c, struct err *e) {
  char done = REPLY_HOOKS_DONE;

  if ((c->hooks == NULL || hooks_run (c->hooks, HOOK_RUNTIME, c->pid, e) == 0) &&
      (send (c->sync_fd, &done, 1, MSG_NOSIGNAL) == 1 || errno == EPIPE || errno == ECONNRESET ||
       err_set (e, errno, "cannot tell the container's first process that the hooks have run") == 0))
    return SYNC_AGAIN;
  return fail_child (c);
}

enum sync_event container_sync (struct container *c, struct err *e) {
  char byte = 0;
  struct iovec data = { &byte, 1 };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };
  ssize_t n;

  /* ECONNRESET: its end is closed and it has not read "go". That is said once, ahead of what it has sent. */
  do
    n = recvmsg (c->sync_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == ECONNRESET);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return SYNC_AGAIN;
  if (n <= 0)
    return finish (c, e);
  if (byte == SYNC_CONSOLE) {
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN (sizeof (int)))
      return SYNC_AGAIN;
    memcpy (&c->console_fd, CMSG_DATA (header), sizeof c->console_fd);
  }
  if (byte == SYNC_LISTENER)
    return give_listener (c, e);
  if (byte == SYNC_CREATED)
    adopt (c);
  return byte == SYNC_HOOKS ? run_hooks (c, e) : (enum sync_event) byte;
}

int container_go (struct container *c, struct err *e) {
  if (c->sync_fd < 0)
    return err_set (e, ESRCH, "the container's first process is not waiting");
  /* When it has died, container_sync will say why. */
  if (send (c->sync_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE && errno != ECONNRESET)
    return err_set (e, errno, "cannot let the container's first process go on");
  return 0;
}

/* ---- a child that is left alone ---- */

/* How long a child that is asked may be elsewhere: with another one who asked and went away. */
#define MEET_MS 10000

int container_let_go (struct container *c, struct err *e) {
  char byte = REPLY_LET_GO;

  if (c->sync_fd < 0 || send (c->sync_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return err_set (e, c->sync_fd < 0 ? ESRCH : errno, "cannot let the container's first process wait alone");
  fd_close (&c->sync_fd);
  forget_progress (c);
  return 0;
}

/* The greeting: a byte and the page. */
static int receive_page (int connection, struct err *e) {
  char byte;
  struct iovec data = { &byte, 1 };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };
  struct pollfd greeting = { .fd = connection, .events = POLLIN };
  int page;

  if (poll (&greeting, 1, MEET_MS) == 0)
    return err_set (e, ETIMEDOUT, "the container's first process does not answer");
  ssize_t n = recvmsg (connection, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *header = n == 1 ? CMSG_FIRSTHDR (&message) : NULL;
  if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN (sizeof (int)))
    return err_set (e, ECONNRESET, "the container's first process is not waiting");
  memcpy (&page, CMSG_DATA (header), sizeof page);
  return page;
}

int container_meet (int connection, struct container *c, struct err *e) {
  struct stat st;

  *c = (struct container){ .pid = -1, .pidfd = -1, .sync_fd = connection, .console_fd = -1 };
  auto_fd page = receive_page (connection, e);
  if (page < 0)
    return -1;
  if (fstat (page, &st) < 0 || st.st_size < (off_t) sizeof *c->progress ||
      (fcntl (page, F_GET_SEALS) & F_SEAL_SHRINK) == 0)
    return err_set (e, EPROTO, "the container's first process sent something else than its page");
  c->progress = mmap (NULL, sizeof *c->progress, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  if (c->progress != MAP_FAILED)
    return 0;
  c->progress = NULL;
  return err_set (e, errno, "cannot see the page of the container's first process");
}

/* ---- its end ---- */

bool container_was_oom_killed (const struct container *c) {
  return cgroup_was_oom_killed (c->cgroups);
}

int container_watch_oom (struct container *c) {
  return cgroup_watch_oom (c->cgroups);
}

bool container_ran_out_of_memory (struct container *c, int watched) {
  return cgroup_ran_out_of_memory (c->cgroups, watched);
}

static void let_go_of_descriptors (struct container *c) {
  fd_close (&c->sync_fd);
  fd_close (&c->pidfd);
  fd_close (&c->console_fd);
  forget_progress (c);
  free (c->notify);
  c->notify = NULL;
  plan_copy_free (c->hooks);
  c->hooks = NULL;
  plan_copy_free (c->finally);
  c->finally = NULL;
}

void container_release (struct container *c) {
  finally_run (c->finally);
  let_go_of_descriptors (c);
  cgroup_release (c->cgroups);
  c->cgroups = NULL;
}

void container_leave (struct container *c) {
  let_go_of_descriptors (c);
  cgroup_forget (c->cgroups);
  c->cgroups = NULL;
}
