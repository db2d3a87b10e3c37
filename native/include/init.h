/* The child between clone3 and execve: what its steps share. One step function per plan op, grouped in a file per
 * kernel subject; init.c calls them in plan order. */
#ifndef GANTRY_INIT_H
#define GANTRY_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "container.h"
#include "err.h"
#include "fields.h"
#include "plan.h"

/* A message of the child, next to those of enum sync_event, which container_sync answers by itself. */
#define SYNC_LISTENER 100
#define SYNC_HOOKS 101

/* What the parent says, one byte each. */
enum sync_reply { REPLY_GO, REPLY_HOOKS_DONE, REPLY_LET_GO };

enum progress_stage { PROGRESS_SETTING_UP, PROGRESS_EXECUTING, PROGRESS_FAILED };

/* One shared page. The child writes, the shim reads it after the sync socket's end of file. */
struct progress {
  uint32_t stage; /* enum progress_stage */
  uint32_t op;    /* 1 + index of the op at work */
  pid_t pid; /* of a joining plan's process, once it has been born into the container; written by the kernel. Or of the
                     one that a COMMAND has made */
  int listener;            /* the child's number of its seccomp notification descriptor, when it says SYNC_LISTENER */
  uint32_t listener_taken; /* the parent's answer to that: see await_parent */
  uint32_t links_given;    /* the parent has performed the NETDEV ops */
  struct err err;          /* when PROGRESS_FAILED */
};

#define MAX_NAMESPACE_FDS 8
#define MAX_IDMAPS 64

struct namespace_fd {
  int fd;
  uint32_t clone_flag;
};

struct id_maps;

struct init {
  const struct plan *plan;
  struct progress *progress;
  struct container_stdio io;
  int sync_fd;
  int start_listener; /* where to wait when the parent lets go, or -1; the page's descriptor is for whom comes then */
  int page_fd;
  unsigned first_own_fd; /* those from 3 up to here are the process's */
  bool is_alone;         /* the parent has let go */
  bool may_go;           /* the parent said so before it was asked */
  int init_pidfd;        /* of the container to join; -1 once that is done */
  struct namespace_fd namespaces[MAX_NAMESPACE_FDS];
  uint32_t namespace_count;
  int user_fd;                /* the user namespace to be born in; -1 when there is none or it has happened */
  const struct id_maps *maps; /* of the user namespace to be born in or to join; NULL when there is none */
  int idmap_fds[MAX_IDMAPS];  /* user namespaces by IDMAP's id - 1 */
  uint32_t idmap_count;
  int stage_fd;        /* see sources.h; -1 when there is none */
  bool has_own_mounts; /* nothing that is attached is seen by the host */

  int root_fd;  /* O_PATH of the container's root, from the root op or the join on; -1 before */
  int null_fd;  /* the host's /dev/null, verified; held from the root op to the pivot */
  int empty_fd; /* the mount that covers every masked directory */
  int proc_fd;  /* a procfs that nobody else can reach */
  uint64_t propagation;
  bool has_identity, has_reaper, empty_is_attached, is_swept;
  mode_t umask;                   /* for the process; 0 until then, so that modes are as the plan says */
  char *home;                     /* "HOME=...", when the environment shall get it */
  const struct plan_op_view *cwd; /* a CWD that root was denied and the user shall try */
};

typedef int init_step (struct init *in, struct fields *f, uint16_t flags, struct err *e);

static inline const struct plan_op_view *op_at_work (const struct init *in) {
  return &in->plan->ops[in->progress->op - 1];
}

/* Nobody may look into this process. To be said again after a change of credentials, which the kernel takes for the end
   of a secret if fs.suid_dumpable is 1. */
int init_hide (struct err *e);

/* Performs, of a plan that enters a user namespace, what takes the rights of the host. */
int perform_ahead (struct init *in, struct err *e);

/* Never returns: the process becomes the container's, or tells the shim why not and exits 127. */
_Noreturn void init_run (struct init *in);

/* Until the parent has set `word`, which is in `progress`, by progress_answer. Works under a seccomp filter: what wakes
   is no message that could be refused or taken for another one. Ends the process when the parent is gone. -1 when
   nothing came for a minute. */
int await_parent (struct init *in, uint32_t *word);

/* In the parent. */
void progress_answer (uint32_t *word);

/* sync.c */
init_step step_sync, step_hooks;
/* mounts.c */
init_step step_propagation, step_root_overlay, step_root_bind, step_mount, step_bind, step_pivot, step_root_propagation;
/* masks.c */
init_step step_mask, step_readonly;
/* nodes.c */
init_step step_device, step_symlink, step_directory;
/* console.c */
init_step step_console;
int console_send (int sync_fd, int master, struct err *e); /* SYNC_CONSOLE with the descriptor */
/* command.c */
init_step step_command, step_leave;
/* procfs.c */
init_step step_sysctl, step_oom_score_adj;
/* membership.c */
init_step step_cgroup_join, step_unshare;
int join_namespaces (struct init *in, struct err *e);
int be_born_inside (struct init *in, struct err *e); /* 0 in the new process; the old one does not return */
int enter_namespace_paths (struct init *in, struct err *e);
int enter_mount_path (struct init *in, struct err *e);
/* birth.c */
int prepare_for_userns (struct init *in, struct err *e);
int come_into_userns (struct init *in, struct err *e);
int be_born_in_userns (struct init *in, struct err *e); /* 0 in the new process; the old one does not return */
/* settings.c */
init_step step_hostname, step_domainname, step_loopback_up, step_rlimit, step_umask, step_keyring;
/* timens.c */
init_step step_time_offsets;
/* sched.c */
init_step step_affinity, step_personality, step_scheduler, step_io_priority;
/* labels.c */
init_step step_label;
/* identity.c */
init_step step_identity;
int restore_effective (struct err *e);
/* security.c */
init_step step_bounding, step_caps, step_no_new_privs, step_seccomp;
/* cwd.c */
init_step step_cwd;
int cwd_retry_as_user (struct init *in, struct err *e);
/* exec.c */
init_step step_exec;
int program_lookup (struct init *in, struct err *e);
/* reaper.c */
init_step step_reaper;
int reaper_fork (struct init *in, struct err *e); /* 0 in the child; the reaper does not return */

#endif
