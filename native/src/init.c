/* The child, from clone3 to execve: prepares itself, then performs the plan's C ops in their order. */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "fds.h"
#include "kernel.h"

static init_step step_missing;

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
  [OP_TIME_OFFSETS] = step_missing,
  [OP_AFFINITY] = step_missing,
  [OP_HOOKS] = step_hooks,
  [OP_PERSONALITY] = step_missing,
  [OP_SCHEDULER] = step_missing,
  [OP_IO_PRIORITY] = step_missing,
  [OP_LABEL] = step_missing,
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
  int kept[4 + MAX_NAMESPACE_FDS] = { in->sync_fd, in->init_pidfd, in->start_listener, in->page_fd };
  unsigned from = in->first_own_fd;
  size_t n = 4;

  for (uint32_t i = 0; i < in->namespace_count; i++)
    kept[n++] = in->namespaces[i].fd;
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

static int prepare (struct init *in, struct err *e) {
  /* Until execve nobody in the container may look into this process: it still holds pieces of the host. */
  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl (PR_SET_NAME, "gantry:init", 0, 0, 0) < 0)
    return err_set (e, errno, "cannot hide the process");
  reset_signals ();
  /* A joining plan's process is another one, which makes its own. */
  if ((in->plan->flags & PLAN_JOIN) == 0 && setsid () < 0)
    return err_set (e, errno, "cannot make a session");
  in->umask = umask (0);
  if (take_stdio (in, e) < 0 || close_foreign (in, e) < 0)
    return -1;
  return enter_namespace_paths (in, e);
}

/* ---- the sequence ---- */

static int step_missing (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) f;
  (void) flags;
  return err_set (e, ENOSYS, "cannot perform this op");
}

static int perform (struct init *in, struct err *e) {
  const struct plan *p = in->plan;

  for (uint32_t i = 0; i < p->op_count; i++) {
    const struct plan_op_view *op = &p->ops[i];
    struct fields f = fields_of (op->payload, op->size);

    if (op->kind < OP_CGROUP_JOIN)
      continue;
    in->progress->op = i + 1;
    if (in->init_pidfd >= 0 && op->kind != OP_CGROUP_JOIN && op->kind != OP_AFFINITY && join_namespaces (in, e) < 0)
      return -1;
    if (steps[op->kind](in, &f, op->flags, e) < 0)
      return -1;
  }
  return err_set (e, 0, "the plan ended without EXEC");
}

_Noreturn void init_run (struct init *in) {
  struct err *e = &in->progress->err;

  if (prepare (in, e) == 0)
    perform (in, e);
  e->op = in->progress->op;
  __atomic_store_n (&in->progress->stage, PROGRESS_FAILED, __ATOMIC_RELEASE);
  _exit (127);
}
