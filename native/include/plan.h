/* The init plan: what one container start (or exec) does to the kernel, as a flat list.
 *
 * TypeScript decides, C performs. src/runtime/compile.ts turns an OCI config.json into this list with every argument
 * resolved; nothing here is interpreted, defaulted or guessed. src/runtime/plan-codec.ts is the mirror of this file;
 * a test compares the two.
 *
 * Encoding, all integers little-endian, no padding:
 *
 *     header  u32 magic 'GPL1' | u32 total_bytes | u32 op_count | u32 clone_flags | u32 plan_flags | u32 0 | u32 0 | u32 0
 *     op      u16 kind | u16 op_flags | u32 payload_bytes | payload
 *     str     u32 length (without the NUL) | bytes | NUL          no NUL inside; at most PLAN_MAX_STR
 *     strv    u32 count | str ...                                 at most PLAN_MAX_STRV entries
 *     blob    u32 length | bytes
 *
 * A payload is its fields in the order written below and nothing more: a decoder that has bytes left over, or lacks
 * some, refuses the whole plan. Decoding allocates nothing but the op index and points into the received buffer.
 *
 * Who performs an op:
 *     P  the shim, before clone3: work in the host's namespaces
 *     C  the child, in plan order, from clone3 to execve
 */
#ifndef GANTRY_PLAN_H
#define GANTRY_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_MAGIC 0x314c5047u /* "GPL1" */
#define PLAN_HEADER_BYTES 32u
#define PLAN_MAX_BYTES (16u << 20)
#define PLAN_MAX_OPS 65536u
#define PLAN_MAX_STR (1u << 20)
#define PLAN_MAX_STRV 1048576u

enum plan_flags {
  PLAN_JOIN = 1u << 0,     /* an exec: the child joins namespaces of the container's init instead of making its own; clone_flags
                              says which ones then, CGROUP_JOIN ops come first. It enters the pid namespace by a fork just
                              before execve: a seccomp filter must allow clone */
  PLAN_TERMINAL = 1u << 1, /* has a CONSOLE op: stdio is the pty's slave */
  PLAN_HOST_PID = 1u << 2, /* no new pid namespace: when the main process ends the rest of its cgroup must be killed */
  PLAN_FOREIGN = 1u << 3,  /* another runtime makes the process: COMMAND ops, and LEAVE at the end (docs/decisions/0007). A container,
                              or with no clone_flags an exec. TERMINAL: a COMMAND has a console_socket, no CONSOLE */
};

enum plan_op {
  /* ---- P: host side, before clone ---- */
  OP_CGROUP_CREATE = 1, /* str dir                    mkdir -p; components made here are removed when the task ends. op_flags:
                                                      OPF_INHERIT: of a v1 cpuset, which starts empty and takes no process:
                                                      it gets its parent's CPUs and memory nodes */
  OP_CGROUP_WRITE = 2,  /* str file, str value        one write(2); op_flags & OPF_MAY_MISS: ENOENT is fine */
  OP_CGROUP_BPF = 3,    /* str dir, blob insns        load a CGROUP_DEVICE program and attach it (cgroup v2) */
  OP_OOM_FILE = 4,      /* str file                   opened now; read when the task ended; "oom_kill N", N > 0 -> oom. op_flags:
                                                      OPF_MAY_MISS: opened at the end, when somebody else has made it, or not */
  OP_NS_PATH = 5,       /* u32 clone_flag, str path   opened now; the child setns()es into it first of all. CLONE_NEWUSER: as USERNS,
                                                      with an existing one. CLONE_NEWNS: the plan has no root then */
  OP_USERNS = 6,        /* str uid_map, str gid_map   a user namespace with these maps ("0 100000 65536" lines). The child is born in it,
                                                      as its user 0, or the first that is mapped, and all its other namespaces belong to it.
                                                      What needs the host's privileges (root, binds, idmaps) is opened before */
  OP_IDMAP = 7,         /* u32 id, str uid_map, str gid_map   a user namespace that nobody lives in: a mount's `idmap` names it by
                                                      its id, 1 and up. IDMAP_CONTAINER stands for the container's own */
  OP_HOOK = 8,          /* u32 stage, str path, strv argv, strv env, u32 timeout_s, str state_head, str state_tail
                                                      run when its stage comes (enum plan_hook_stage), in this order within one. Its
                                                      standard input is state_head, the container's pid in decimal, state_tail.
                                                      timeout_s 0: none. A failure undoes the start; of POSTSTART and POSTSTOP it
                                                      is a warning */
  OP_NETDEV = 9,        /* str name, str new_name     after clone: the host's link goes into the child's network namespace, keeping
                                                      its addresses, and is up there */
  OP_CGROUP_LEAVE = 10, /* str file                   after clone: who performs the plan has been in the container's cgroup to keep it
                                                      alive (docs/decisions/0006), and goes: writes "0" to this cgroup.procs */
  OP_CGROUP_OWNER = 11, /* str dir, u32 uid, strv files   cgroup v2: the directory, and those of its files that exist, get this owner */

  OP_FINALLY = 12, /* strv argv, strv env, u32 timeout_s   of a FOREIGN plan: run when the task has ended or did not come to life,
                                                      before its cgroups are removed. argv[0]: an absolute path */

  /* ---- C: membership ---- */
  OP_CGROUP_JOIN = 16, /* str dir, u32 version       v2: clone3(CLONE_INTO_CGROUP); v1: the child writes "0" to dir/tasks */
  OP_UNSHARE = 17,     /* u32 clone_flags            e.g. CLONE_NEWCGROUP, once membership is settled */
  OP_TIME_OFFSETS = 18, /* str offsets               a time namespace of its own with these ("monotonic 86400 0" lines), entered at once */
  OP_AFFINITY = 19,    /* blob mask                  sched_setaffinity, a bit per CPU, little-endian bytes */

  /* ---- C: the root and what is mounted in it. Every target is resolved below the root by openat2(RESOLVE_IN_ROOT |
   *         RESOLVE_NO_MAGICLINKS) and from then on held as a descriptor; a missing target is created below the root. A symbolic
   *         link anywhere in a target below /proc, /sys or /dev is an error, and so is a mount target elsewhere that leads
   *         into a procfs or sysfs. ---- */
  OP_PROPAGATION = 20,  /* u64 propagation            recursively on "/" of the new mount namespace (MS_PRIVATE, MS_SLAVE ..) */
  OP_ROOT_OVERLAY = 21, /* strv lowers, str upper, str work, strv options, str staging, u32 idmap
                                                      lowers: topmost first. upper "" = read-only overlay. staging: an empty
                                                      host directory that the root is attached to until OP_PIVOT. idmap: of
                                                      every layer, the upper one, too. op_flags: OPF_IMAGES: a lower that is
                                                      a file holds an EROFS image, which is mounted read-only */
  OP_ROOT_BIND = 22,    /* str source, str staging, u32 idmap   recursive bind of a directory as the root */
  OP_MOUNT = 23,        /* str fstype, str source, str target, strv options, u64 attrs, u64 propagation, u32 dir_mode, u32 idmap
                                                      new filesystem by fsopen; option "k=v" -> SET_STRING, "k" -> SET_FLAG;
                                                      attrs: MOUNT_ATTR_*; propagation 0 = leave, | MS_REC = whole tree;
                                                      dir_mode: of a target that is made (0: 0755). op_flags: OPF_TARGET_MODE,
                                                      OPF_COPY_UP */
  OP_BIND = 24,         /* str source, str target, u64 attr_set, u64 attr_clr, u64 tree_attr_set, u64 tree_attr_clr, u64 propagation, u32 idmap, str beneath
                                                      source: a host path. beneath: "", or what to take of the directory source: looked up
                                                      there without leaving it; a missing target becomes what that is. attr_*: of the top mount; tree_attr_*: of it and every
                                                      mount below, set first. op_flags: OPF_RECURSIVE, OPF_TARGET_FILE (create a
                                                      file, else a directory, when missing), OPF_IDMAP_TREE (of the mounts below, too),
                                                      OPF_ELSEWHERE (source: a mount namespace, "/proc/PID/ns/mnt"; beneath: an
                                                      absolute path in it, without links, of what is mounted there) */
  OP_DEVICE = 25,       /* str path, u32 type ('c','b','p'), u32 major, u32 minor, u32 mode, u32 uid, u32 gid */
  OP_SYMLINK = 26,      /* str value, str path        EEXIST is fine */
  OP_DIRECTORY = 27,    /* str path, u32 mode, u32 uid, u32 gid      mkdir -p below the root; when the last component is new it gets
                                                      mode and owner */
  OP_MASK = 28,         /* str path                   file: bind of a verified char 1:3; directory: one shared empty read-only
                                                      tmpfs. ENOENT/ENOTDIR of the target is fine, anything else is fatal */
  OP_READONLY = 29,     /* str path                   recursive clone of itself, read-only, moved on top. ENOENT is fine.
                                                      op_flags & OPF_TOP: the mount that is there itself, alone: those
                                                      below stay as they are */
  OP_CONSOLE = 30,      /* u32 rows, u32 cols, u32 uid  pty from the container's own devpts (magic and device verified), slave by
                                                      TIOCGPTPEER, bound on /dev/console (not for PLAN_JOIN); the master
                                                      goes to the shim over the sync socket */
  OP_PIVOT = 31,        /* u32 root_readonly          pivot_root(".", "."), detach the old root, chdir "/" */
  OP_ROOT_PROPAGATION = 32, /* u64 propagation        of the container's root mount, after the pivot */

  /* ---- C: kernel settings of the new namespaces ---- */
  OP_SYSCTL = 40,      /* str key ("net/ipv4/..."), str value   through a private, detached procfs */
  OP_HOSTNAME = 41,    /* str */
  OP_DOMAINNAME = 42,  /* str */
  OP_LOOPBACK_UP = 43, /* (nothing) */
  OP_HOOKS = 44,       /* u32 stage                  now is the time of these HOOKs. RUNTIME: the parent runs them, in the host's
                                                      namespaces; CONTAINER (before PIVOT, path on the host) and START (after PIVOT, path
                                                      in the container): the child, in the container's */

  /* ---- C: the process ---- */
  OP_RLIMIT = 50,        /* u32 resource, u64 soft, u64 hard */
  OP_OOM_SCORE_ADJ = 51, /* u32 value as two's complement. op_flags & OPF_MAY_MISS: EACCES/EPERM is fine */
  OP_UMASK = 52,         /* u32 */
  OP_KEYRING = 53,       /* str name                  join a new session keyring, labelled as a SELinux LABEL of the
                                                      plan says, wherever that stands; ENOSYS, EDQUOT are fine */
  OP_SYNC = 54,          /* (nothing)                 report "created", wait for "go". The state between create and start. op_flags:
                                                      OPF_LOOKUP: EXEC's program is looked for first, so that its absence is known now */
  OP_REAPER = 55,        /* (nothing)                 PID 1 stays as a signal-forwarding reaper, EXEC happens in its child. Wherever
                                                      it stands, the fork comes last: the reaper has the container's credentials */
  OP_BOUNDING = 56,      /* u64 keep_mask             drop every other capability from the bounding set */
  OP_IDENTITY = 57,      /* u32 user_kind, u32 uid, str user, u32 group_kind, u32 gid, str group, strv add_groups, u32 want_home
                                                      kinds: ID_NONE, ID_NUMBER, ID_NAME. Looked up in the root's own etc/passwd and
                                                      etc/group (regular file, <= 10 MiB): see docs/decisions/0002.
                                                      setgroups, setgid, setuid with capabilities kept, effective ones too, so
                                                      that SECCOMP may follow; stdio becomes the user's. want_home: if HOME is
                                                      missing or empty in the environment it becomes the passwd field, else "/".
                                                      op_flags: OPF_REPORT, after PIVOT: takes EXEC's place at the end. Becomes
                                                      nobody, but prints "UID GID\nHOME\nGID GID ...\n" and exits with 0 */
  OP_CAPS = 58,          /* u64 permitted, u64 effective, u64 inheritable, u64 ambient */
  OP_CWD = 59,           /* str path                  op_flags & OPF_CREATE: mkdir -p first. afterwards getcwd() must be inside. Ahead of
                                                      IDENTITY: tried as root, on EACCES again as the user */
  OP_NO_NEW_PRIVS = 60,  /* (nothing) */
  OP_SECCOMP = 61,       /* u32 filter_flags, blob filter, str listener, strv state_parts
                                                      struct sock_filter[]. listener: "" or the host path of a unix stream socket to
                                                      which the parent sends the notification descriptor with the state_parts, the
                                                      container's pid (of a joining plan: of the container joined)
                                                      between each two of them. The child offers the descriptor by
                                                      write(2), about which the filter must not notify therefore */
  OP_EXEC = 62,          /* strv argv, strv env, str search_path     argv[0] with a slash is taken as it is, else searched */
  OP_PERSONALITY = 63,   /* u32 persona               personality(2) */
  OP_SCHEDULER = 64,     /* u32 policy, u64 sched_flags, u32 nice, u32 priority, u64 runtime, u64 deadline, u64 period
                                                      sched_setattr(2); nice as two's complement, times in ns */
  OP_IO_PRIORITY = 65,   /* u32 ioprio                ioprio_set(2): class << 13 | priority */
  OP_LABEL = 66,         /* u32 module, str label     of what EXEC executes (enum plan_label_module), through a private procfs, read back */
  OP_COMMAND = 67,       /* strv argv, strv env, u32 timeout_s, str pid_file, str console_socket
                                                      of a FOREIGN plan: runs argv[0], an absolute path, and waits for it;
                                                      anything but exit status 0 is the plan's failure. pid_file: "", or where
                                                      it leaves the number of the process it has made, which has its standard
                                                      streams. console_socket: "", or a name of at most 107 bytes, listened
                                                      at meanwhile, to which it sends the terminal's master. Relative paths start
                                                      at the run directory */
  OP_LEAVE = 68,         /* (nothing)                 of a FOREIGN plan: takes EXEC's place at the end. Exits: the process of the
                                                      COMMAND with a pid_file is the container's, or the exec's */
};

enum plan_op_flags {
  OPF_MAY_MISS = 1u << 0,
  OPF_RECURSIVE = 1u << 1,
  OPF_IDMAP_TREE = 1u << 2,
  OPF_TARGET_FILE = 1u << 3,
  OPF_CREATE = 1u << 4,
  OPF_TARGET_MODE = 1u << 5, /* MOUNT: when the target exists, its mode becomes the option "mode" (a tmpfs over /root is 0700) */
  OPF_COPY_UP = 1u << 6,     /* MOUNT: what is at the target is copied into the new filesystem first */
  OPF_LOOKUP = 1u << 7,
  OPF_TOP = 1u << 8,
  OPF_INHERIT = 1u << 9,
  OPF_REPORT = 1u << 10,
  OPF_IMAGES = 1u << 11,
  OPF_ELSEWHERE = 1u << 12,
};

enum plan_hook_stage { HOOK_RUNTIME = 1, HOOK_CONTAINER = 2, HOOK_START = 3, HOOK_POSTSTART = 4, HOOK_POSTSTOP = 5 };

enum plan_label_module { LABEL_APPARMOR = 1, LABEL_SELINUX = 2 };

#define IDMAP_NONE 0u
#define IDMAP_CONTAINER 0xffffffffu

enum plan_id_kind { ID_NONE = 0, ID_NUMBER = 1, ID_NAME = 2 };

struct plan_op_view {
  uint16_t kind, flags;
  uint32_t size;
  const uint8_t *payload;
};

struct plan {
  uint32_t clone_flags, flags, op_count;
  struct plan_op_view *ops; /* owned */
  const uint8_t *buffer;    /* borrowed: outlives the plan */
};

struct err;

/* Decodes and checks every op's fields. A plan ends with EXEC, LEAVE or an IDENTITY that reports, or is a list of HOOKs and
 * a SECCOMP alone, for `start`.
 * 0, or -1 with `e` naming the op and the field. */
int plan_decode (const uint8_t *buffer, size_t size, struct plan *out, struct err *e);
void plan_release (struct plan *p);

#endif
