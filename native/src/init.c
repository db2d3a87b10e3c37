/* The child, from clone3 to execve: prepares itself, then performs the plan's C ops in their order. */
#include "init.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "clock.h"
#include "fds.h"
#include "kernel.h"
#include "netdev.h"

static init_step *const steps[] = {
  [OP_CGROUP_JOIN] = step_cgroup_join,
  [OP_UNSHARE] = step_unshare,
  [OP_PROPAGATION] = step_propagation,
  [OP_ROOT_OVERLAY] = step_root_overlay,
  [OP_ROOT_BIND] = step_root_bind,
  [OP_MOUNT] = step_mount,
  [OP_BIND] = step_bind,
  [OP_DEVICE] = step_device,
  [OP_SYMLINK] = step_symlink,
  [OP_DIRECTORY] = step_directory,
  [OP_MASK] = step_mask,
  [OP_READONLY] = step_readonly,
  [OP_CONSOLE] = step_console,
  [OP_PIVOT] = step_pivot,
  [OP_ROOT_PROPAGATION] = step_root_propagation,
  [OP_SYSCTL] = step_sysctl,
  [OP_HOSTNAME] = step_hostname,
  [OP_DOMAINNAME] = step_domainname,
  [OP_LOOPBACK_UP] = step_loopback_up,
  [OP_RLIMIT] = step_rlimit,
  [OP_OOM_SCORE_ADJ] = step_oom_score_adj,
  [OP_UMASK] = step_umask,
  [OP_KEYRING] = step_keyring,
  [OP_SYNC] = step_sync,
  [OP_REAPER] = step_reaper,
  [OP_BOUNDING] = step_bounding,
  [OP_IDENTITY] = step_identity,
  [OP_CAPS] = step_caps,
  [OP_CWD] = step_cwd,
  [OP_NO_NEW_PRIVS] = step_no_new_privs,
  [OP_SECCOMP] = step_seccomp,
  [OP_EXEC] = step_exec,
  [OP_TIME_OFFSETS] = step_time_offsets,
  [OP_AFFINITY] = step_affinity,
  [OP_HOOKS] = step_hooks,
  [OP_PERSONALITY] = step_personality,
  [OP_SCHEDULER] = step_scheduler,
  [OP_IO_PRIORITY] = step_io_priority,
  [OP_LABEL] = step_label,
  [OP_COMMAND] = step_command,
  [OP_LEAVE] = step_leave,
};

/* ---- preparation ---- */

/* clone3 reset the handlers, not what the daemon's parent had ignored. Done by the kernel's own call because the C
   library keeps two signals to itself. */
static void reset_signals (void) {
  struct {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
  } by_default = { 0 };
  uint64_t none = 0;

  for (int signal = 1; signal <= 64; signal++)
    syscall (SYS_rt_sigaction, signal, &by_default, NULL, sizeof none);
  syscall (SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

static int take_stdio (struct init *in, struct err *e) {
  int from[3] = { in->io.in, in->io.out, in->io.err };

  if ((in->plan->flags & PLAN_TERMINAL) != 0)
    return 0;
  /* Out of the way first, lest one overwrites another. */
  for (int to = 0; to < 3; to++)
    if (from[to] < 3 && from[to] != to && (from[to] = fcntl (from[to], F_DUPFD_CLOEXEC, 3)) < 0)
      return err_set (e, errno, "cannot duplicate descriptor %d", to);
  for (int to = 0; to < 3; to++)
    if ((from[to] == to ? fcntl (to, F_SETFD, 0) : dup2 (from[to], to)) < 0)
      return err_set (e, errno, "cannot set up descriptor %d", to);
  return 0;
}

/* The shim's other descriptors are not for a process that others in the container may see already. */
static int close_foreign (struct init *in, struct err *e) {
  int kept[4 + 1 + MAX_NAMESPACE_FDS + MAX_IDMAPS] = { in->sync_fd, in->init_pidfd, in->start_listener, in->page_fd };
  unsigned from = in->first_own_fd;
  size_t n = 4;

  for (uint32_t i = 0; i < in->namespace_count; i++)
    kept[n++] = in->namespaces[i].fd;
  if (in->user_fd >= 0)
    kept[n++] = in->user_fd;
  for (uint32_t i = 0; i < in->idmap_count; i++)
    kept[n++] = in->idmap_fds[i];
  for (;;) {
    int next = -1;
    for (size_t i = 0; i < n; i++)
      if (kept[i] >= 0 && (unsigned) kept[i] >= from && (next < 0 || kept[i] < next))
        next = kept[i];
    if (next < 0)
      break;
    if ((unsigned) next > from && sys_close_range (from, (unsigned) next - 1, 0) < 0)
      return err_set (e, errno, "cannot close descriptors");
    from = (unsigned) next + 1;
  }
  return sys_close_range (from, ~0u, 0) < 0 ? err_set (e, errno, "cannot close descriptors") : 0;
}

int init_hide (struct err *e) {
  return prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? err_set (e, errno, "cannot hide the process") : 0;
}

static int prepare (struct init *in, struct err *e) {
  /* Until execve nobody in the container may look into this process: it still holds pieces of the host. */
  if (init_hide (e) < 0 || prctl (PR_SET_NAME, "gantry:init", 0, 0, 0) < 0)
    return err_set (e, errno, "cannot hide the process");
  reset_signals ();
  in->umask = umask (0);
  if (take_stdio (in, e) < 0 || close_foreign (in, e) < 0)
    return -1;
  if (in->maps != NULL && prepare_for_userns (in, e) < 0)
    return -1;
  if (in->user_fd >= 0 && be_born_in_userns (in, e) < 0)
    return -1;
  /* A joining plan's process is another one, which makes its own. */
  if ((in->plan->flags & PLAN_JOIN) == 0 && setsid () < 0)
    return err_set (e, errno, "cannot make a session");
  return enter_namespace_paths (in, e);
}

/* ---- answers of the parent ---- */

#define ANSWER_MS 60000

void progress_answer (uint32_t *word) {
  __atomic_store_n (word, 1, __ATOMIC_RELEASE);
  syscall (SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

int await_parent (struct init *in, uint32_t *word) {
  const struct timespec slice = { .tv_nsec = 200 * 1000 * 1000 };
  int64_t until = clock_monotonic_ms () + ANSWER_MS; /* asks no system call */

  while (__atomic_load_n (word, __ATOMIC_ACQUIRE) == 0) {
    struct pollfd parent = { .fd = in->sync_fd };
    if (clock_monotonic_ms () > until)
      return -1;
    if (syscall (SYS_futex, word, FUTEX_WAIT, 0, &slice, NULL, 0) == 0 || errno == EAGAIN)
      continue;
    if (poll (&parent, 1, 0) == 1 && (parent.revents & POLLHUP) != 0)
      _exit (127);
  }
  return 0;
}

static int await_links (struct init *in, struct err *e) {
  if (!netdev_is_wanted (in->plan) || await_parent (in, &in->progress->links_given) == 0)
    return 0;
  return err_set (e, ETIMEDOUT, "cannot wait for the network devices");
}

/* ---- the sequence ---- */

/* What the kernel lets only the host's root do, although it concerns this process alone. It is inherited, so it may
   come before the process is born or has joined. */
static bool takes_the_host (uint16_t kind) {
  return kind == OP_CGROUP_JOIN || kind == OP_OOM_SCORE_ADJ || kind == OP_SCHEDULER || kind == OP_IO_PRIORITY;
}

/* Only raising a hard limit takes the host. The op itself comes in its turn, lest the limit hinders those before it. */
static int allow_limit (struct fields f, struct err *e) {
  uint32_t resource = take_u32 (&f);
  struct rlimit limit;

  take_u64 (&f);
  uint64_t hard = take_u64 (&f);
  if (getrlimit ((__rlimit_resource_t) resource, &limit) < 0)
    return err_set (e, errno, "cannot read the resource limit %u", resource);
  if (hard <= limit.rlim_max)
    return 0;
  limit.rlim_max = hard;
  if (setrlimit ((__rlimit_resource_t) resource, &limit) < 0)
    return err_set (e, errno, "cannot set the resource limit %u", resource);
  return 0;
}

int perform_ahead (struct init *in, struct err *e) {
  const struct plan *p = in->plan;

  for (uint32_t i = 0; i < p->op_count; i++) {
    const struct plan_op_view *op = &p->ops[i];
    struct fields f = fields_of (op->payload, op->size);

    in->progress->op = i + 1;
    if (op->kind == OP_RLIMIT && allow_limit (f, e) < 0)
      return -1;
    if (takes_the_host (op->kind) && steps[op->kind](in, &f, op->flags, e) < 0)
      return -1;
  }
  in->progress->op = 0;
  return 0;
}

/* TIME_OFFSETS has been performed when the process was born: birth.c. */
static bool is_done (const struct init *in, uint16_t kind) {
  return kind < OP_CGROUP_JOIN || (in->maps != NULL && (takes_the_host (kind) || kind == OP_TIME_OFFSETS));
}

/* With the first op that is not about where the host keeps the process, it leaves the host. */
static int leave_host (struct init *in, uint16_t kind, struct err *e) {
  if (kind == OP_CGROUP_JOIN || kind == OP_AFFINITY)
    return 0;
  return in->init_pidfd >= 0 ? join_namespaces (in, e) : enter_mount_path (in, e);
}

static int perform (struct init *in, struct err *e) {
  const struct plan *p = in->plan;

  for (uint32_t i = 0; i < p->op_count; i++) {
    const struct plan_op_view *op = &p->ops[i];
    struct fields f = fields_of (op->payload, op->size);

    if (is_done (in, op->kind))
      continue;
    in->progress->op = i + 1;
    if (leave_host (in, op->kind, e) < 0)
      return -1;
    if (steps[op->kind](in, &f, op->flags, e) < 0)
      return -1;
  }
  return err_set (e, 0, "the plan ended without EXEC");
}

_Noreturn void init_run (struct init *in) {
  struct err *e = &in->progress->err;

  if (prepare (in, e) == 0 && await_links (in, e) == 0)
    perform (in, e);
  e->op = in->progress->op;
  __atomic_store_n (&in->progress->stage, PROGRESS_FAILED, __ATOMIC_RELEASE);
  _exit (127);
}
