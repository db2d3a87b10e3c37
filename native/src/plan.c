/* Decodes a plan: the shape of every op by the table below, then what its values mean, then how ops depend on each
 * other. What is checked here the executor relies on. */
#include "plan.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "err.h"
#include "fields.h"
#include "init.h"
#include "kernel.h"

#define LAST_KIND OP_LEAVE
#define PATH_LIMIT 4096     /* PATH_MAX, with its NUL */
#define UNIX_PATH_LIMIT 108 /* of sockaddr_un */
#define MAX_COMMAND_S 3600

#define MAX_MAP_BYTES 4096 /* what the kernel takes for one uid_map: a page */
#define MOUNT_ATTRS                                                                                                    \
  (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME |                  \
   MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

/* Field types as in plan.h: u u32, U u64, s str, v strv, b blob. Upper-case P and H in front of a str's name are
   checks: P: an absolute path, H: also without "..", as every place to mount on or to make is given. */
static const struct op_shape {
  const char *name, *fields;
  uint16_t flags;
} shapes[LAST_KIND + 1] = {
  [OP_CGROUP_CREATE] = { "CGROUP_CREATE", "s:Pdir", OPF_INHERIT },
  [OP_CGROUP_WRITE] = { "CGROUP_WRITE", "s:Pfile s:value", OPF_MAY_MISS },
  [OP_CGROUP_BPF] = { "CGROUP_BPF", "s:Pdir b:insns", 0 },
  [OP_OOM_FILE] = { "OOM_FILE", "s:Pfile", OPF_MAY_MISS },
  [OP_NS_PATH] = { "NS_PATH", "u:clone_flag s:Ppath", 0 },
  [OP_USERNS] = { "USERNS", "s:uid_map s:gid_map", 0 },
  [OP_IDMAP] = { "IDMAP", "u:id s:uid_map s:gid_map", 0 },
  [OP_HOOK] = { "HOOK", "u:stage s:Ppath v:argv v:env u:timeout_s s:state_head s:state_tail", 0 },
  [OP_NETDEV] = { "NETDEV", "s:name s:new_name", 0 },
  [OP_CGROUP_LEAVE] = { "CGROUP_LEAVE", "s:Pfile", 0 },
  [OP_CGROUP_OWNER] = { "CGROUP_OWNER", "s:Pdir u:uid v:files", 0 },
  [OP_FINALLY] = { "FINALLY", "v:argv v:env u:timeout_s", 0 },
  [OP_CGROUP_JOIN] = { "CGROUP_JOIN", "s:Pdir u:version", 0 },
  [OP_UNSHARE] = { "UNSHARE", "u:clone_flags", 0 },
  [OP_TIME_OFFSETS] = { "TIME_OFFSETS", "s:offsets", 0 },
  [OP_AFFINITY] = { "AFFINITY", "b:mask", 0 },
  [OP_PROPAGATION] = { "PROPAGATION", "U:propagation", 0 },
  [OP_ROOT_OVERLAY] = { "ROOT_OVERLAY", "v:lowers s:upper s:work v:options s:Pstaging u:idmap", OPF_IMAGES },
  [OP_ROOT_BIND] = { "ROOT_BIND", "s:Psource s:Pstaging u:idmap", 0 },
  [OP_MOUNT] = { "MOUNT", "s:fstype s:source s:Htarget v:options U:attrs U:propagation u:dir_mode u:idmap",
                 OPF_TARGET_MODE | OPF_COPY_UP },
  [OP_BIND] = { "BIND",
                "s:Psource s:Htarget U:attr_set U:attr_clr U:tree_attr_set U:tree_attr_clr U:propagation u:idmap "
                "s:beneath",
                OPF_RECURSIVE | OPF_TARGET_FILE | OPF_IDMAP_TREE | OPF_ELSEWHERE },
  [OP_DEVICE] = { "DEVICE", "s:Hpath u:type u:major u:minor u:mode u:uid u:gid", 0 },
  [OP_SYMLINK] = { "SYMLINK", "s:value s:Hpath", 0 },
  [OP_DIRECTORY] = { "DIRECTORY", "s:Hpath u:mode u:uid u:gid", 0 },
  [OP_MASK] = { "MASK", "s:Hpath", 0 },
  [OP_READONLY] = { "READONLY", "s:Hpath", OPF_TOP },
  [OP_CONSOLE] = { "CONSOLE", "u:rows u:cols u:uid", 0 },
  [OP_PIVOT] = { "PIVOT", "u:root_readonly", 0 },
  [OP_ROOT_PROPAGATION] = { "ROOT_PROPAGATION", "U:propagation", 0 },
  [OP_SYSCTL] = { "SYSCTL", "s:key s:value", 0 },
  [OP_HOSTNAME] = { "HOSTNAME", "s:name", 0 },
  [OP_DOMAINNAME] = { "DOMAINNAME", "s:name", 0 },
  [OP_LOOPBACK_UP] = { "LOOPBACK_UP", "", 0 },
  [OP_HOOKS] = { "HOOKS", "u:stage", 0 },
  [OP_RLIMIT] = { "RLIMIT", "u:resource U:soft U:hard", 0 },
  [OP_OOM_SCORE_ADJ] = { "OOM_SCORE_ADJ", "u:value", OPF_MAY_MISS },
  [OP_UMASK] = { "UMASK", "u:mask", 0 },
  [OP_KEYRING] = { "KEYRING", "s:name", 0 },
  [OP_SYNC] = { "SYNC", "", OPF_LOOKUP },
  [OP_REAPER] = { "REAPER", "", 0 },
  [OP_BOUNDING] = { "BOUNDING", "U:keep_mask", 0 },
  [OP_IDENTITY] = { "IDENTITY", "u:user_kind u:uid s:user u:group_kind u:gid s:group v:add_groups u:want_home",
                    OPF_REPORT },
  [OP_CAPS] = { "CAPS", "U:permitted U:effective U:inheritable U:ambient", 0 },
  [OP_CWD] = { "CWD", "s:Ppath", OPF_CREATE },
  [OP_NO_NEW_PRIVS] = { "NO_NEW_PRIVS", "", 0 },
  [OP_SECCOMP] = { "SECCOMP", "u:filter_flags b:filter s:listener v:state_parts", 0 },
  [OP_EXEC] = { "EXEC", "v:argv v:env s:search_path", 0 },
  [OP_PERSONALITY] = { "PERSONALITY", "u:persona", 0 },
  [OP_SCHEDULER] = { "SCHEDULER", "u:policy U:sched_flags u:nice u:priority U:runtime U:deadline U:period", 0 },
  [OP_IO_PRIORITY] = { "IO_PRIORITY", "u:ioprio", 0 },
  [OP_LABEL] = { "LABEL", "u:module s:label", 0 },
  [OP_COMMAND] = { "COMMAND", "v:argv v:env u:timeout_s s:pid_file s:console_socket", 0 },
  [OP_LEAVE] = { "LEAVE", "", 0 },
};

/* What the ops before the current one have established. */
struct state {
  const struct plan *plan;
  uint32_t namespaces; /* made or joined so far */
  uint32_t unified_joins, idmaps, listeners, lookups, pid_files, consoles;
  uint32_t seen[LAST_KIND + 1];
  bool rooted, pivoted, in_child, enters_mounts, ended;
  const struct op_shape *shape;
  uint32_t index;
  struct err *e;
};

static int refuse (const struct state *s, const char *field, const char *why) {
  err_set (s->e, 0, "invalid plan: op %u %s: %s%s%s", s->index + 1, s->shape->name, field, *field != '\0' ? " " : "",
           why);
  s->e->op = s->index + 1;
  return -1;
}

/* ---- shape ---- */

static bool climbs (const char *path) {
  for (; *path != '\0'; path += strcspn (path, "/")) {
    path += strspn (path, "/");
    if (strncmp (path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
      return true;
  }
  return false;
}

static int check_field (struct state *s, struct fields *f, char type, const char *label) {
  const char *text;
  char name[32];
  size_t n = strcspn (label, " ");
  char check = *label == 'P' || *label == 'H' ? *label : '\0';

  memcpy (name, label, n);
  name[n] = '\0';
  switch (type) {
  case 'u':
    take_u32 (f);
    break;
  case 'U':
    take_u64 (f);
    break;
  case 'v':
    take_strv (f);
    break;
  case 'b':
    take_blob (f);
    break;
  default:
    text = take_str (f);
    if (!f->bad && check != '\0' && text[0] != '/')
      return refuse (s, name + 1, "is not an absolute path");
    if (!f->bad && check != '\0' && strlen (text) >= PATH_LIMIT)
      return refuse (s, name + 1, "is too long");
    if (!f->bad && check == 'H' && climbs (text))
      return refuse (s, name + 1, "has a \"..\" in it");
  }
  return f->bad ? refuse (s, name + (check != '\0'), "is damaged or cut off") : 0;
}

static int check_shape (struct state *s, const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);

  for (const char *spec = s->shape->fields; *spec != '\0';) {
    if (check_field (s, &f, spec[0], spec + 2) < 0)
      return -1;
    spec += strcspn (spec, " ");
    spec += *spec == ' ';
  }
  if (f.left != 0)
    return refuse (s, "", "has bytes left over");
  if ((op->flags & ~s->shape->flags) != 0)
    return refuse (s, "op_flags", "has bits that this op does not know");
  return 0;
}

/* ---- values ---- */

static bool propagation_is_valid (uint64_t value) {
  uint64_t kind = value & ~(uint64_t) MS_REC;
  return kind == MS_PRIVATE || kind == MS_SHARED || kind == MS_SLAVE || kind == MS_UNBINDABLE;
}

static bool ends_in_name (const char *path) {
  const char *name = strrchr (path, '/') + 1;
  return *name != '\0' && strcmp (name, ".") != 0 && strcmp (name, "..") != 0 && strlen (name) < 256;
}

/* A mount can only name what an earlier op has made. */
static int check_idmap (struct state *s, uint32_t id) {
  bool is_known = id == IDMAP_CONTAINER ? (s->namespaces & CLONE_NEWUSER) != 0 : id <= s->idmaps;
  return is_known ? 0 : refuse (s, "idmap", "is not one that the plan has made");
}

static int check_overlay (struct state *s, struct fields *f) {
  struct strings lowers = take_strv (f);
  const char *upper = take_str (f), *work = take_str (f);

  if (lowers.count == 0 || lowers.count > 500)
    return refuse (s, "lowers", "must have 1 to 500 entries");
  for (uint32_t i = 0; i < lowers.count; i++) {
    const char *lower = take_str (&lowers.rest);
    /* Overlayfs takes a backslash for an escape in some of its options and for itself in others. */
    if (lower[0] != '/' || strlen (lower) >= PATH_LIMIT || strchr (lower, '\\') != NULL)
      return refuse (s, "lowers", "holds something that is not an absolute path without backslashes");
  }
  if ((upper[0] == '\0') != (work[0] == '\0'))
    return refuse (s, "upper", "and work must be given together");
  if (upper[0] != '\0' && (upper[0] != '/' || work[0] != '/' || strchr (upper, '\\') || strchr (work, '\\')))
    return refuse (s, "upper", "and work must be absolute paths without backslashes");
  take_strv (f);
  take_str (f);
  return check_idmap (s, take_u32 (f));
}

static int check_mount (struct state *s, struct fields *f) {
  const char *fstype = take_str (f);
  take_str (f);
  take_str (f);
  struct strings options = take_strv (f);
  uint64_t attrs = take_u64 (f), propagation = take_u64 (f);

  if (fstype[0] == '\0')
    return refuse (s, "fstype", "is empty");
  for (uint32_t i = 0; i < options.count; i++) {
    const char *option = take_str (&options.rest);
    if (strcspn (option, "=") == 0 || strcspn (option, "=") > 63)
      return refuse (s, "options", "holds a key that is empty or too long");
  }
  if ((attrs & ~(uint64_t) MOUNT_ATTRS) != 0)
    return refuse (s, "attrs", "has unknown bits");
  if (propagation != 0 && !propagation_is_valid (propagation))
    return refuse (s, "propagation", "is not one of private, shared, slave, unbindable");
  if (take_u32 (f) > 07777)
    return refuse (s, "dir_mode", "is out of range");
  return check_idmap (s, take_u32 (f));
}

static int check_bind (struct state *s, struct fields *f, uint16_t flags) {
  take_str (f);
  take_str (f);
  uint64_t attrs = 0;

  for (int i = 0; i < 4; i++)
    attrs |= take_u64 (f);
  uint64_t propagation = take_u64 (f);
  if ((attrs & ~(uint64_t) MOUNT_ATTRS) != 0)
    return refuse (s, "attrs", "have unknown bits");
  if (propagation != 0 && !propagation_is_valid (propagation))
    return refuse (s, "propagation", "is not one of private, shared, slave, unbindable");
  if (check_idmap (s, take_u32 (f)) < 0)
    return -1;
  return (flags & OPF_ELSEWHERE) != 0 && take_str (f)[0] != '/' ? refuse (s, "beneath", "is not an absolute path") : 0;
}

static int check_device (struct state *s, struct fields *f) {
  const char *path = take_str (f);
  uint32_t type = take_u32 (f), major = take_u32 (f), minor = take_u32 (f);

  if (!ends_in_name (path))
    return refuse (s, "path", "does not end in a name");
  if (type != 'c' && type != 'b' && type != 'p')
    return refuse (s, "type", "is not 'c', 'b' or 'p'");
  if (major > 0xfff || minor > 0xfffff)
    return refuse (s, "major or minor", "is out of range");
  if (take_u32 (f) > 07777)
    return refuse (s, "mode", "is out of range");
  if (take_u32 (f) == UINT32_MAX || take_u32 (f) == UINT32_MAX)
    return refuse (s, "uid or gid", "is out of range");
  return 0;
}

static int check_directory (struct state *s, struct fields *f) {
  if (!ends_in_name (take_str (f)))
    return refuse (s, "path", "does not end in a name");
  if (take_u32 (f) > 07777)
    return refuse (s, "mode", "is out of range");
  if (take_u32 (f) == UINT32_MAX || take_u32 (f) == UINT32_MAX)
    return refuse (s, "uid or gid", "is out of range");
  return 0;
}

/* Only what belongs to a namespace of the container's own: the others would change the host. */
static int check_sysctl (struct state *s, struct fields *f) {
  static const struct {
    const char *prefix;
    uint32_t namespace;
  } owners[] = {
    { "net/", CLONE_NEWNET },
    { "fs/mqueue/", CLONE_NEWIPC },
    { "kernel/shm", CLONE_NEWIPC },
    { "kernel/msg", CLONE_NEWIPC },
    { "kernel/sem", CLONE_NEWIPC },
    { "kernel/auto_msgmni", CLONE_NEWIPC },
    { "kernel/hostname", CLONE_NEWUTS },
    { "kernel/domainname", CLONE_NEWUTS },
    { "user/", CLONE_NEWUSER },
  };
  const char *key = take_str (f);

  for (const char *part = key;; part++) {
    size_t n = strcspn (part, "/");
    if (n == 0 || n > 255 || (n <= 2 && strncmp (part, "..", n) == 0))
      return refuse (s, "key", "is not a plain relative path");
    part += n;
    if (*part == '\0')
      break;
  }
  for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
    if (strncmp (key, owners[i].prefix, strlen (owners[i].prefix)) == 0)
      return (s->namespaces & owners[i].namespace) != 0
                 ? 0
                 : refuse (s, "key", "belongs to a namespace that the plan neither makes nor joins");
  return refuse (s, "key", "does not belong to a namespace");
}

static int check_identity (struct state *s, struct fields *f) {
  uint32_t user_kind = take_u32 (f), uid = take_u32 (f);
  const char *user = take_str (f);
  uint32_t group_kind = take_u32 (f), gid = take_u32 (f);
  const char *group = take_str (f);
  struct strings add_groups = take_strv (f);

  if (user_kind > ID_NAME || (user_kind == ID_NAME) != (user[0] != '\0') || uid == UINT32_MAX)
    return refuse (s, "user", "is neither a number nor a name");
  if (group_kind > ID_NAME || (group_kind == ID_NAME) != (group[0] != '\0') || gid == UINT32_MAX)
    return refuse (s, "group", "is neither a number nor a name");
  for (uint32_t i = 0; i < add_groups.count; i++)
    if (take_str (&add_groups.rest)[0] == '\0')
      return refuse (s, "add_groups", "holds an empty entry");
  if (take_u32 (f) > 1)
    return refuse (s, "want_home", "is not 0 or 1");
  return 0;
}

static int check_seccomp (struct state *s, struct fields *f) {
  uint32_t flags = take_u32 (f);
  struct blob filter = take_blob (f);
  const char *listener = take_str (f);
  uint32_t possible = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

  if (listener[0] != '\0') /* seccomp(2): it returns a descriptor, or what TSYNC did */
    possible = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | (possible & ~(uint32_t) SECCOMP_FILTER_FLAG_TSYNC);
  if ((flags & ~possible) != 0)
    return refuse (s, "filter_flags", "has bits that are not supported");
  if (filter.size == 0 || filter.size % 8 != 0 || filter.size / 8 > UINT16_MAX)
    return refuse (s, "filter", "is not an array of sock_filter");
  if (listener[0] != '\0' && (listener[0] != '/' || strlen (listener) >= UNIX_PATH_LIMIT))
    return refuse (s, "listener", "is not an absolute path that fits a socket address");
  if ((take_strv (f).count != 0) != (listener[0] != '\0'))
    return refuse (s, "state_parts", "and listener must be given together");
  if (listener[0] != '\0' && s->listeners++ > 0)
    return refuse (s, "listener", "is a second one, which the kernel does not take");
  return 0;
}

/* What /proc/PID/uid_map takes: lines of three numbers. */
static bool map_is_valid (const char *text) {
  if (text[0] == '\0' || strlen (text) >= MAX_MAP_BYTES)
    return false;
  while (*text != '\0') {
    for (int i = 0; i < 3; i++) {
      size_t digits = strspn (text, "0123456789");
      if (digits == 0 || digits > 10 || text[digits] != (i < 2 ? ' ' : '\n'))
        return false;
      text += digits + 1;
    }
  }
  return true;
}

static int check_maps (struct state *s, struct fields *f) {
  if (!map_is_valid (take_str (f)))
    return refuse (s, "uid_map", "is not lines of three numbers");
  return map_is_valid (take_str (f)) ? 0 : refuse (s, "gid_map", "is not lines of three numbers");
}

static int check_hook (struct state *s, struct fields *f) {
  uint32_t stage = take_u32 (f);

  take_str (f);
  if (stage < HOOK_RUNTIME || stage > HOOK_POSTSTOP)
    return refuse (s, "stage", "is unknown");
  return take_strv (f).count == 0 ? refuse (s, "argv", "is empty") : 0;
}

/* As dev_valid_name of the kernel. */
static bool is_link_name (const char *name) {
  return name[0] != '\0' && strlen (name) < 16 && strpbrk (name, "/: \t\n\v\f\r") == NULL && strcmp (name, ".") != 0 &&
         strcmp (name, "..") != 0;
}

/* "-3 500000000\n": seconds and, below 10^9, nanoseconds. NULL when it is something else. */
static const char *skip_offset (const char *text) {
  size_t digits;

  text += *text == '-';
  digits = strspn (text, "0123456789");
  if (digits == 0 || digits > 18 || text[digits] != ' ')
    return NULL;
  text += digits + 1;
  digits = strspn (text, "0123456789");
  return digits == 0 || digits > 9 || text[digits] != '\n' ? NULL : text + digits + 1;
}

/* What /proc/PID/timens_offsets takes: a line for each clock at most. */
static int check_time_offsets (struct state *s, const char *text) {
  static const char *const clocks[] = { "monotonic ", "boottime " };
  bool seen[2] = { false };

  while (*text != '\0') {
    int clock = strncmp (text, clocks[0], strlen (clocks[0])) == 0 ? 0 : 1;
    if (strncmp (text, clocks[clock], strlen (clocks[clock])) != 0)
      return refuse (s, "offsets", "has a line for an unknown clock");
    if (seen[clock])
      return refuse (s, "offsets", "sets a clock twice");
    seen[clock] = true;
    text = skip_offset (text + strlen (clocks[clock]));
    if (text == NULL)
      return refuse (s, "offsets", "has a line that is not a clock, seconds and nanoseconds");
  }
  return 0;
}

static int check_scheduler (struct state *s, struct fields *f) {
  if (take_u32 (f) > 7)
    return refuse (s, "policy", "is unknown");
  take_u64 (f);
  int32_t nice = (int32_t) take_u32 (f);
  if (nice < -20 || nice > 19 || take_u32 (f) > 99)
    return refuse (s, "nice or priority", "is out of range");
  return 0;
}

static int check_label (struct state *s, struct fields *f) {
  uint32_t module = take_u32 (f);
  if (module != LABEL_APPARMOR && module != LABEL_SELINUX)
    return refuse (s, "module", "is unknown");
  return take_str (f)[0] == '\0' ? refuse (s, "label", "is empty") : 0;
}

static int check_environment (struct state *s, struct strings env) {
  for (uint32_t i = 0; i < env.count; i++)
    if (strcspn (take_str (&env.rest), "=") == 0)
      return refuse (s, "env", "holds an entry without a name");
  return 0;
}

static int check_exec (struct state *s, struct fields *f) {
  if (take_strv (f).count == 0)
    return refuse (s, "argv", "is empty");
  return check_environment (s, take_strv (f));
}

static int check_program (struct state *s, struct fields *f) {
  struct strings argv = take_strv (f);

  if (argv.count == 0 || take_str (&argv.rest)[0] != '/')
    return refuse (s, "argv", "does not begin with an absolute path");
  if (check_environment (s, take_strv (f)) < 0)
    return -1;
  uint32_t timeout_s = take_u32 (f);
  return timeout_s == 0 || timeout_s > MAX_COMMAND_S ? refuse (s, "timeout_s", "is not 1 to 3600") : 0;
}

static int check_command (struct state *s, struct fields *f) {
  if (check_program (s, f) < 0)
    return -1;
  const char *pid_file = take_str (f), *console = take_str (f);
  if (strlen (pid_file) >= PATH_LIMIT)
    return refuse (s, "pid_file", "is too long");
  if (strlen (console) >= UNIX_PATH_LIMIT)
    return refuse (s, "console_socket", "does not fit a socket address");
  if (console[0] != '\0' && pid_file[0] == '\0')
    return refuse (s, "console_socket", "is for the command that has a pid_file");
  s->pid_files += pid_file[0] != '\0';
  s->consoles += console[0] != '\0';
  return s->pid_files > 1 ? refuse (s, "pid_file", "is a second one") : 0;
}

static int check_numbers (struct state *s, uint16_t kind, struct fields *f) {
  uint32_t number = take_u32 (f);

  switch (kind) {
  case OP_NS_PATH:
    if ((number & ~(uint32_t) (CLONE_NAMESPACES | CLONE_NEWUSER)) != 0 || number == 0 || (number & (number - 1)) != 0)
      return refuse (s, "clone_flag", "is not one namespace");
    break;
  case OP_UNSHARE:
    if ((number & ~(uint32_t) (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET)) != 0)
      return refuse (s, "clone_flags", "has namespaces that cannot be made so late");
    break;
  case OP_CONSOLE:
    if (number > UINT16_MAX || take_u32 (f) > UINT16_MAX || take_u32 (f) == UINT32_MAX)
      return refuse (s, "rows, cols or uid", "is out of range");
    break;
  case OP_PIVOT:
    if (number > 1)
      return refuse (s, "root_readonly", "is not 0 or 1");
    break;
  case OP_RLIMIT:
    if (number >= RLIM_NLIMITS)
      return refuse (s, "resource", "is unknown");
    break;
  case OP_OOM_SCORE_ADJ:
    if ((int32_t) number < -1000 || (int32_t) number > 1000)
      return refuse (s, "value", "is out of range");
    break;
  case OP_IDMAP:
    if (number != s->idmaps + 1 || number > MAX_IDMAPS)
      return refuse (s, "id", "is not the next one");
    return check_maps (s, f);
  case OP_HOOKS:
    if (number < HOOK_RUNTIME || number > HOOK_START)
      return refuse (s, "stage", "is not one of a container's start");
    break;
  case OP_IO_PRIORITY:
    if (number > UINT16_MAX)
      return refuse (s, "ioprio", "is out of range");
    break;
  case OP_PERSONALITY:
    if (number == UINT32_MAX)
      return refuse (s, "persona", "is the question for the present one");
    break;
  case OP_UMASK:
    if (number > 0777)
      return refuse (s, "mask", "is out of range");
    break;
  }
  return 0;
}

static int check_values (struct state *s, const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);
  uint64_t value;
  const char *text;

  switch (op->kind) {
  case OP_CGROUP_BPF:
    take_str (&f);
    value = take_blob (&f).size;
    return value == 0 || value % 8 != 0 ? refuse (s, "insns", "is not an array of bpf_insn") : 0;
  case OP_CGROUP_JOIN:
    take_str (&f);
    value = take_u32 (&f);
    return value == 1 || value == 2 ? 0 : refuse (s, "version", "is not 1 or 2");
  case OP_PROPAGATION:
  case OP_ROOT_PROPAGATION:
    return propagation_is_valid (take_u64 (&f))
               ? 0
               : refuse (s, "propagation", "is not one of private, shared, slave, unbindable");
  case OP_SYMLINK:
    text = take_str (&f);
    return text[0] == '\0' || strlen (text) >= PATH_LIMIT || !ends_in_name (take_str (&f))
               ? refuse (s, "value or path", "is empty, too long, or does not end in a name")
               : 0;
  case OP_HOSTNAME:
  case OP_DOMAINNAME:
    return strlen (take_str (&f)) > 64 ? refuse (s, "name", "is longer than 64 bytes") : 0;
  case OP_KEYRING:
    return take_str (&f)[0] == '\0' ? refuse (s, "name", "is empty") : 0;
  case OP_USERNS:
    return check_maps (s, &f);
  case OP_HOOK:
    return check_hook (s, &f);
  case OP_NETDEV:
    return is_link_name (take_str (&f)) && is_link_name (take_str (&f))
               ? 0
               : refuse (s, "name or new_name", "is not the name of a link");
  case OP_TIME_OFFSETS:
    return check_time_offsets (s, take_str (&f));
  case OP_AFFINITY:
    value = take_blob (&f).size;
    return value == 0 || value > 1024 ? refuse (s, "mask", "is empty or too long") : 0;
  case OP_SCHEDULER:
    return check_scheduler (s, &f);
  case OP_LABEL:
    return check_label (s, &f);
  case OP_ROOT_BIND:
    take_str (&f);
    take_str (&f);
    return check_idmap (s, take_u32 (&f));
  case OP_ROOT_OVERLAY:
    return check_overlay (s, &f);
  case OP_MOUNT:
    return check_mount (s, &f);
  case OP_BIND:
    return check_bind (s, &f, op->flags);
  case OP_DEVICE:
    return check_device (s, &f);
  case OP_DIRECTORY:
    return check_directory (s, &f);
  case OP_SYSCTL:
    return check_sysctl (s, &f);
  case OP_IDENTITY:
    return check_identity (s, &f);
  case OP_SECCOMP:
    return check_seccomp (s, &f);
  case OP_EXEC:
    return check_exec (s, &f);
  case OP_FINALLY:
    return check_program (s, &f);
  case OP_COMMAND:
    return check_command (s, &f);
  default:
    return check_numbers (s, op->kind, &f);
  }
}

/* ---- order ---- */

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
static int check_root_order (struct state *s, uint16_t kind) {
  bool joins = (s->plan->flags & PLAN_JOIN) != 0;

  if (kind < OP_PROPAGATION || kind > OP_ROOT_PROPAGATION || (kind == OP_CONSOLE && (joins || s->enters_mounts)))
    return 0;
  if (joins)
    return refuse (s, "", "is not possible in a joined container");
  if ((s->plan->clone_flags & CLONE_NEWNS) == 0)
    return refuse (s, "", "needs a new mount namespace");
  switch (kind) {
  case OP_PROPAGATION:
    return s->rooted ? refuse (s, "", "comes after the root") : 0;
  case OP_ROOT_OVERLAY:
  case OP_ROOT_BIND:
    if (s->rooted)
      return refuse (s, "", "is a second root");
    if (s->seen[OP_PROPAGATION] == 0)
      return refuse (s, "", "needs PROPAGATION first");
    s->rooted = true;
    return 0;
  case OP_ROOT_PROPAGATION:
    return s->pivoted ? 0 : refuse (s, "", "comes before PIVOT");
  default:
    if (!s->rooted || s->pivoted)
      return refuse (s, "", s->pivoted ? "comes after PIVOT" : "comes before the root");
    s->pivoted = kind == OP_PIVOT;
    return 0;
  }
}

/* One of each kind, so MAX_NAMESPACE_FDS are enough. */
static int check_ns_path (struct state *s, uint32_t clone_flag) {
  if ((s->namespaces & clone_flag) != 0)
    return refuse (s, "clone_flag", "is one that the plan makes or enters already");
  if (s->in_child)
    return refuse (s, "", "comes after work in the namespaces of the plan");
  s->namespaces |= clone_flag;
  s->enters_mounts = s->enters_mounts || clone_flag == CLONE_NEWNS;
  return 0;
}

/* The commands of another runtime are programs of the host's: nothing of the container may have been set up around them but
   the root, and no program must be run in it. */
static int check_foreign (struct state *s, uint16_t kind) {
  bool is_own = kind == OP_FINALLY || kind == OP_COMMAND || kind == OP_LEAVE;

  if ((s->plan->flags & PLAN_FOREIGN) == 0)
    return is_own ? refuse (s, "", "is for plans of another runtime") : 0;
  return is_own || kind == OP_OOM_FILE || kind == OP_PROPAGATION || kind == OP_ROOT_OVERLAY || kind == OP_ROOT_BIND ||
                 kind == OP_SYNC
             ? 0
             : refuse (s, "", "is not possible in a plan of another runtime");
}

/* What is the last op, or looks at what is. */
static int check_end (struct state *s, const struct plan_op_view *op) {
  bool reports = (op->flags & OPF_REPORT) != 0;

  if (s->ended)
    return refuse (s, "", "comes after the plan's end");
  if (reports && !s->pivoted)
    return refuse (s, "", "reports before PIVOT");
  if (op->kind == OP_LEAVE && s->pid_files == 0)
    return refuse (s, "", "would leave no process behind");
  s->ended = op->kind == OP_EXEC || op->kind == OP_LEAVE || reports;
  s->lookups += (op->flags & OPF_LOOKUP) != 0;
  return 0;
}

static int check_order (struct state *s, const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);
  bool joins = (s->plan->flags & PLAN_JOIN) != 0;

  if (s->seen[op->kind]++ > 0 && happens_once (op->kind))
    return refuse (s, "", "comes twice");
  if (check_end (s, op) < 0 || check_foreign (s, op->kind) < 0)
    return -1;
  if (joins &&
      (op->kind < OP_CGROUP_JOIN || op->kind == OP_REAPER || op->kind == OP_TIME_OFFSETS || op->kind == OP_HOOKS))
    return refuse (s, "", "is not possible in a joined container");
  if ((joins || s->enters_mounts) && op->kind == OP_CGROUP_JOIN && s->in_child)
    return refuse (s, "", "must come first: after it the host's cgroups are out of sight");
  s->in_child = s->in_child || (op->kind > OP_CGROUP_JOIN && op->kind != OP_AFFINITY);

  switch (op->kind) {
  case OP_NS_PATH:
    return check_ns_path (s, take_u32 (&f));
  case OP_CGROUP_JOIN:
    take_str (&f);
    if (take_u32 (&f) == 2 && ++s->unified_joins > 1)
      return refuse (s, "", "joins a second unified cgroup");
    return 0;
  case OP_USERNS:
    if ((s->namespaces & CLONE_NEWUSER) != 0)
      return refuse (s, "", "is a second user namespace");
    s->namespaces |= CLONE_NEWUSER;
    return 0;
  case OP_IDMAP:
    s->idmaps++;
    return 0;
  case OP_NETDEV:
    if (s->in_child)
      return refuse (s, "", "comes too late: it is performed before what the child does");
    return (s->namespaces & CLONE_NEWNET) != 0 ? 0 : refuse (s, "", "would leave the link with the host");
  case OP_TIME_OFFSETS:
    s->namespaces |= CLONE_NEWTIME;
    return 0;
  case OP_UNSHARE:
    if ((take_u32 (&f) & CLONE_NEWNET) != 0 && s->seen[OP_NETDEV] != 0)
      return refuse (s, "clone_flags", "would leave the links of NETDEV behind");
    f = fields_of (op->payload, op->size);
    s->namespaces |= take_u32 (&f);
    return 0;
  case OP_HOSTNAME:
  case OP_DOMAINNAME:
    return (s->namespaces & CLONE_NEWUTS) != 0 ? 0 : refuse (s, "", "would rename the host");
  case OP_LOOPBACK_UP:
    return (s->namespaces & CLONE_NEWNET) != 0 ? 0 : refuse (s, "", "would change the host's network");
  default:
    return check_root_order (s, op->kind);
  }
}

static int check_whole (const struct plan *p, const struct state *s, struct err *e) {
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

/* ---- the whole ---- */

static int read_header (struct fields *f, size_t size, struct plan *out, struct err *e) {
  uint32_t magic = take_u32 (f), total = take_u32 (f);

  out->op_count = take_u32 (f);
  out->clone_flags = take_u32 (f);
  out->flags = take_u32 (f);
  if (f->bad || magic != PLAN_MAGIC)
    return err_set (e, 0, "invalid plan: it does not start with the mark of a plan");
  if (total != size || size > PLAN_MAX_BYTES)
    return err_set (e, 0, "invalid plan: %zu bytes came, the header says %u", size, total);
  if ((take_u32 (f) | take_u32 (f) | take_u32 (f)) != 0 || f->bad)
    return err_set (e, 0, "invalid plan: reserved header fields are not 0");
  if (out->op_count > PLAN_MAX_OPS || out->op_count > f->left / 8)
    return err_set (e, 0, "invalid plan: %u ops are too many", out->op_count);
  if ((out->flags & ~(uint32_t) (PLAN_JOIN | PLAN_TERMINAL | PLAN_HOST_PID | PLAN_FOREIGN)) != 0)
    return err_set (e, 0, "invalid plan: unknown plan flags 0x%x", out->flags);
  if ((out->flags & PLAN_JOIN) != 0 && (out->clone_flags & CLONE_NEWNS) == 0)
    return err_set (e, 0, "invalid plan: a joining plan stays in the host's mount namespace");
  if ((out->flags & PLAN_FOREIGN) != 0 &&
      ((out->flags & PLAN_JOIN) != 0 || (out->clone_flags & ~(uint32_t) CLONE_NEWNS) != 0))
    return err_set (e, 0, "invalid plan: one of another runtime makes a mount namespace at most, and joins nothing");
  uint32_t possible = CLONE_NAMESPACES | ((out->flags & PLAN_JOIN) != 0 ? CLONE_NEWUSER : 0u);
  if ((out->clone_flags & ~possible) != 0)
    return err_set (e, 0, "invalid plan: clone flags 0x%x name more than supported namespaces", out->clone_flags);
  return 0;
}

static int read_ops (struct fields *f, struct plan *out, struct err *e) {
  struct state s = { .plan = out, .namespaces = (out->flags & PLAN_JOIN) != 0 ? 0 : out->clone_flags, .e = e };

  for (; s.index < out->op_count; s.index++) {
    struct plan_op_view *op = &out->ops[s.index];
    op->kind = take_u16 (f);
    op->flags = take_u16 (f);
    op->size = take_u32 (f);
    op->payload = f->at;
    if (f->bad || op->size > f->left) {
      err_set (e, 0, "invalid plan: op %u is cut off", s.index + 1);
      e->op = s.index + 1;
      return -1;
    }
    f->at += op->size;
    f->left -= op->size;
    s.shape = op->kind <= LAST_KIND ? &shapes[op->kind] : NULL;
    if (s.shape == NULL || s.shape->name == NULL) {
      err_set (e, 0, "invalid plan: op %u has the unknown kind %u", s.index + 1, op->kind);
      e->op = s.index + 1;
      return -1;
    }
    if (check_shape (&s, op) < 0 || check_values (&s, op) < 0 || check_order (&s, op) < 0)
      return -1;
  }
  if (f->left != 0)
    return err_set (e, 0, "invalid plan: %zu bytes are left over", f->left);
  return check_whole (out, &s, e);
}

int plan_decode (const uint8_t *buffer, size_t size, struct plan *out, struct err *e) {
  struct fields f = fields_of (buffer, size);

  *out = (struct plan){ .buffer = buffer };
  if (read_header (&f, size, out, e) < 0)
    return -1;
  out->ops = calloc (out->op_count + 1u, sizeof *out->ops);
  if (out->ops == NULL)
    return err_set (e, ENOMEM, "cannot index the plan");
  if (read_ops (&f, out, e) < 0) {
    plan_release (out);
    return -1;
  }
  return 0;
}

void plan_release (struct plan *p) {
  free (p->ops);
  *p = (struct plan){ 0 };
}
