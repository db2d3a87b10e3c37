#include "container.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
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
#include "hooks.h"
#include "init.h"
#include "kernel.h"
#include "plan.h"

/* ---- what the child needs of the host ---- */

struct entrances {
  int cgroup_fd; /* of the unified hierarchy, for CLONE_INTO_CGROUP */
  int pid_fd;    /* one of `namespaces`, if a pid namespace is among them: the child is born in it */
  struct namespace_fd namespaces[MAX_NAMESPACE_FDS];
  uint32_t namespace_count;
};

static void entrances_close (struct entrances *n) {
  fd_close (&n->cgroup_fd);
  for (uint32_t i = 0; i < n->namespace_count; i++)
    fd_close (&n->namespaces[i].fd);
}

static int open_namespace (struct entrances *n, struct fields *f, struct err *e) {
  uint32_t clone_flag = take_u32 (f);
  const char *path = take_str (f);
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

static int entrances_open (const struct plan *p, struct entrances *n, struct err *e) {
  for (uint32_t i = 0; i < p->op_count; i++) {
    struct fields f = fields_of (p->ops[i].payload, p->ops[i].size);
    int result = p->ops[i].kind == OP_NS_PATH       ? open_namespace (n, &f, e)
                 : p->ops[i].kind == OP_CGROUP_JOIN ? open_unified_cgroup (n, &f, e)
                                                    : 0;
    if (result < 0) {
      e->op = i + 1;
      return -1;
    }
  }
  return 0;
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
    .flags = ((p->flags & PLAN_JOIN) != 0 ? 0 : p->clone_flags) | CLONE_PIDFD | CLONE_CLEAR_SIGHAND |
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

static void fill_init (struct init *in, const struct entrances *n, const struct container *c,
                       const struct container_more *more) {
  in->progress = c->progress;
  memcpy (in->namespaces, n->namespaces, sizeof in->namespaces);
  in->namespace_count = n->namespace_count;
  in->start_listener = more->start_listener;
  in->first_own_fd = 3 + more->preserved_fds;
  in->root_fd = in->null_fd = in->empty_fd = in->proc_fd = -1;
}

static int give_birth (const struct plan *p, const struct container_stdio *io, int init_pidfd, struct entrances *n,
                       int self_fd, const struct links *links, const struct container_more *more, struct container *c,
                       struct err *e) {
  /* The child inherits this, so there is no instant at which its new neighbours could look into it. */
  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot hide the process");
  if (lend_pid_namespace (n->pid_fd, e) < 0)
    return -1;
  pid_t pid = clone_child (p, n, &c->pidfd, e);
  if (pid == 0) {
    struct init in = { .plan = p, .io = *io, .init_pidfd = init_pidfd };
    in.sync_fd = links->sync_fd;
    in.page_fd = links->page_fd;
    fill_init (&in, n, c, more);
    init_run (&in);
  }
  c->pid = pid;
  struct err second;
  if (return_pid_namespace (n->pid_fd, self_fd, pid < 0 ? &second : e) < 0 && pid > 0) {
    sys_pidfd_send_signal (c->pidfd, SIGKILL);
    waitpid (pid, NULL, 0);
    return -1;
  }
  return pid < 0 ? -1 : 0;
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

static int spawn (const struct plan *p, const struct container_stdio *io, int init_pidfd,
                  const struct container_more *more, struct container *c, struct err *e) {
  bool joins = (p->flags & PLAN_JOIN) != 0;
  __attribute__ ((cleanup (entrances_close))) struct entrances n = { .cgroup_fd = -1, .pid_fd = -1 };
  __attribute__ ((cleanup (links_close))) struct links links = { -1, -1 };
  auto_fd self_fd = -1;

  if (joins != (init_pidfd >= 0))
    return err_set (e, 0, "only a joining plan takes the pidfd of a container, and it must");
  if (hooks_copy (p, HOOK_RUNTIME, &c->hooks, e) < 0 || cgroup_prepare (p, &c->cgroups, e) < 0 ||
      entrances_open (p, &n, e) < 0 || make_links (c, more, &links, e) < 0)
    return -1;
  if (n.pid_fd >= 0 && (self_fd = sys_pidfd_open (getpid ())) < 0)
    return err_set (e, errno, "cannot open the way back to the own pid namespace");
  return give_birth (p, io, init_pidfd, &n, self_fd, &links, more, c, e);
}

static void forget_progress (struct container *c) {
  if (c->progress != NULL)
    munmap (c->progress, sizeof *c->progress);
  c->progress = NULL;
}

int container_spawn_with (const struct plan *p, const struct container_stdio *io, int init_pidfd,
                          const struct container_more *more, struct container *c, struct err *e) {
  *c = (struct container){ .pid = -1, .pidfd = -1, .sync_fd = -1, .console_fd = -1 };
  if (spawn (p, io, init_pidfd, more, c, e) == 0)
    return 0;
  container_release (c);
  return -1;
}

int container_spawn (const struct plan *p, const struct container_stdio *io, int init_pidfd, struct container *c,
                     struct err *e) {
  return container_spawn_with (p, io, init_pidfd, &(struct container_more){ .start_listener = -1 }, c, e);
}

/* ---- its messages ---- */

/* The pid of a joining plan's process once there is one, else 0. */
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

/* The child waits meanwhile. */
static enum sync_event run_hooks (struct container *c, struct err *e) {
  char done = REPLY_HOOKS_DONE;

  if ((c->hooks == NULL || hooks_run (c->hooks, HOOK_RUNTIME, c->pid, e) == 0) &&
      (send (c->sync_fd, &done, 1, MSG_NOSIGNAL) == 1 || errno == EPIPE || errno == ECONNRESET ||
       err_set (e, errno, "cannot tell the container's first process that the hooks have run") == 0))
    return SYNC_AGAIN;
  sys_pidfd_send_signal (c->pidfd, SIGKILL);
  fd_close (&c->sync_fd);
  forget_progress (c);
  return SYNC_FAILED;
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
  ssize_t n = recvmsg (c->sync_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return SYNC_AGAIN;
  if (n <= 0) /* ECONNRESET: it died without having read "go" */
    return finish (c, e);
  if (byte == SYNC_CONSOLE) {
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN (sizeof (int)))
      return SYNC_AGAIN;
    memcpy (&c->console_fd, CMSG_DATA (header), sizeof c->console_fd);
  }
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

static void let_go_of_descriptors (struct container *c) {
  fd_close (&c->sync_fd);
  fd_close (&c->pidfd);
  fd_close (&c->console_fd);
  forget_progress (c);
  hooks_free (c->hooks);
  c->hooks = NULL;
}

void container_release (struct container *c) {
  let_go_of_descriptors (c);
  cgroup_release (c->cgroups);
  c->cgroups = NULL;
}

void container_leave (struct container *c) {
  let_go_of_descriptors (c);
  cgroup_forget (c->cgroups);
  c->cgroups = NULL;
}
