/* How ops depend on each other: nothing is set up on the host that was meant for a container. */
#include "plan_check.h"

#include "err.h"
#include "fields.h"
#include "kernel.h"

static bool happens_once (uint16_t kind) {
  switch (kind) {
  case OP_OOM_FILE:
  case OP_USERNS:
  case OP_TIME_OFFSETS:
  case OP_ROOT_OVERLAY:
  case OP_ROOT_BIND:
  case OP_CONSOLE:
  case OP_PIVOT:
  case OP_SYNC:
  case OP_REAPER:
  case OP_IDENTITY:
  case OP_CAPS:
  case OP_CWD:
  case OP_EXEC:
  case OP_LEAVE:
    return true;
  }
  return false;
}

/* A plan that would set up mounts without a mount namespace of its own would set them up on the host. */
static int check_root_order (struct plan_state *s, uint16_t kind) {
  bool joins = (s->plan->flags & PLAN_JOIN) != 0;

  if (kind < OP_PROPAGATION || kind > OP_ROOT_PROPAGATION || (kind == OP_CONSOLE && (joins || s->enters_mounts)))
    return 0;
  if (joins)
    return plan_refuse (s, "", "is not possible in a joined container");
  if ((s->plan->clone_flags & CLONE_NEWNS) == 0)
    return plan_refuse (s, "", "needs a new mount namespace");
  switch (kind) {
  case OP_PROPAGATION:
    return s->rooted ? plan_refuse (s, "", "comes after the root") : 0;
  case OP_ROOT_OVERLAY:
  case OP_ROOT_BIND:
    if (s->rooted)
      return plan_refuse (s, "", "is a second root");
    if (s->seen[OP_PROPAGATION] == 0)
      return plan_refuse (s, "", "needs PROPAGATION first");
    s->rooted = true;
    return 0;
  case OP_ROOT_PROPAGATION:
    return s->pivoted ? 0 : plan_refuse (s, "", "comes before PIVOT");
  default:
    if (!s->rooted || s->pivoted)
      return plan_refuse (s, "", s->pivoted ? "comes after PIVOT" : "comes before the root");
    s->pivoted = kind == OP_PIVOT;
    return 0;
  }
}

/* One of each kind, so MAX_NAMESPACE_FDS are enough. */
static int check_ns_path (struct plan_state *s, uint32_t clone_flag) {
  if ((s->namespaces & clone_flag) != 0)
    return plan_refuse (s, "clone_flag", "is one that the plan makes or enters already");
  if (s->in_child)
    return plan_refuse (s, "", "comes after work in the namespaces of the plan");
  s->namespaces |= clone_flag;
  s->enters_mounts = s->enters_mounts || clone_flag == CLONE_NEWNS;
  return 0;
}

/* The commands of another runtime are programs of the host's: nothing of the container may have been set up around them but
   the root, and no program must be run in it. */
static int check_foreign (struct plan_state *s, uint16_t kind) {
  bool is_own = kind == OP_FINALLY || kind == OP_COMMAND || kind == OP_LEAVE;

  if ((s->plan->flags & PLAN_FOREIGN) == 0)
    return is_own ? plan_refuse (s, "", "is for plans of another runtime") : 0;
  return is_own || kind == OP_OOM_FILE || kind == OP_PROPAGATION || kind == OP_ROOT_OVERLAY || kind == OP_ROOT_BIND ||
                 kind == OP_SYNC
             ? 0
             : plan_refuse (s, "", "is not possible in a plan of another runtime");
}

/* What is the last op, or looks at what is. */
static int check_end (struct plan_state *s, const struct plan_op_view *op) {
  bool reports = (op->flags & OPF_REPORT) != 0;

  if (s->ended)
    return plan_refuse (s, "", "comes after the plan's end");
  if (reports && !s->pivoted)
    return plan_refuse (s, "", "reports before PIVOT");
  if (op->kind == OP_LEAVE && s->pid_files == 0)
    return plan_refuse (s, "", "would leave no process behind");
  s->ended = op->kind == OP_EXEC || op->kind == OP_LEAVE || reports;
  s->lookups += (op->flags & OPF_LOOKUP) != 0;
  return 0;
}

int plan_check_order (struct plan_state *s, const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);
  bool joins = (s->plan->flags & PLAN_JOIN) != 0;

  if (s->seen[op->kind]++ > 0 && happens_once (op->kind))
    return plan_refuse (s, "", "comes twice");
  if (check_end (s, op) < 0 || check_foreign (s, op->kind) < 0)
    return -1;
  if (joins &&
      (op->kind < OP_CGROUP_JOIN || op->kind == OP_REAPER || op->kind == OP_TIME_OFFSETS || op->kind == OP_HOOKS))
    return plan_refuse (s, "", "is not possible in a joined container");
  if ((joins || s->enters_mounts) && op->kind == OP_CGROUP_JOIN && s->in_child)
    return plan_refuse (s, "", "must come first: after it the host's cgroups are out of sight");
  s->in_child = s->in_child || (op->kind > OP_CGROUP_JOIN && op->kind != OP_AFFINITY);

  switch (op->kind) {
  case OP_NS_PATH:
    return check_ns_path (s, take_u32 (&f));
  case OP_CGROUP_JOIN:
    take_str (&f);
    if (take_u32 (&f) == 2 && ++s->unified_joins > 1)
      return plan_refuse (s, "", "joins a second unified cgroup");
    return 0;
  case OP_USERNS:
    if ((s->namespaces & CLONE_NEWUSER) != 0)
      return plan_refuse (s, "", "is a second user namespace");
    s->namespaces |= CLONE_NEWUSER;
    return 0;
  case OP_IDMAP:
    s->idmaps++;
    return 0;
  case OP_NETDEV:
    if (s->in_child)
      return plan_refuse (s, "", "comes too late: it is performed before what the child does");
    return (s->namespaces & CLONE_NEWNET) != 0 ? 0 : plan_refuse (s, "", "would leave the link with the host");
  case OP_TIME_OFFSETS:
    s->namespaces |= CLONE_NEWTIME;
    return 0;
  case OP_UNSHARE:
    if ((take_u32 (&f) & CLONE_NEWNET) != 0 && s->seen[OP_NETDEV] != 0)
      return plan_refuse (s, "clone_flags", "would leave the links of NETDEV behind");
    f = fields_of (op->payload, op->size);
    s->namespaces |= take_u32 (&f);
    return 0;
  case OP_HOSTNAME:
  case OP_DOMAINNAME:
    return (s->namespaces & CLONE_NEWUTS) != 0 ? 0 : plan_refuse (s, "", "would rename the host");
  case OP_LOOPBACK_UP:
    return (s->namespaces & CLONE_NEWNET) != 0 ? 0 : plan_refuse (s, "", "would change the host's network");
  default:
    return check_root_order (s, op->kind);
  }
}

int plan_check_whole (const struct plan *p, const struct plan_state *s, struct err *e) {
  bool is_foreign = (p->flags & PLAN_FOREIGN) != 0;
  /* What `start` of a container that another process made has to do: see oci.c. */
  bool is_start = p->op_count > 0 && s->seen[OP_HOOK] + s->seen[OP_SECCOMP] == p->op_count;

  if (!s->ended && (is_foreign || !is_start))
    return err_set (e, 0, "invalid plan: it has no %s", is_foreign ? "LEAVE" : "EXEC");
  if (s->lookups > 0 && s->seen[OP_EXEC] == 0)
    return err_set (e, 0, "invalid plan: it looks for a program and has no EXEC");
  if (s->rooted && !s->pivoted && !is_foreign)
    return err_set (e, 0, "invalid plan: it has a root but no PIVOT");
  if (((p->flags & PLAN_TERMINAL) != 0) != (s->seen[OP_CONSOLE] + s->consoles != 0))
    return err_set (e, 0, "invalid plan: terminal flag and CONSOLE must go together");
  return 0;
}
