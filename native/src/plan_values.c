/* What the values of an op may be: nothing that the kernel refuses late, reads otherwise, or takes for more than is meant. */
#include "plan_check.h"

#include <linux/seccomp.h>
#include <string.h>
#include <sys/resource.h>

#include "fields.h"
#include "init.h"
#include "kernel.h"

#define UNIX_PATH_LIMIT 108 /* of sockaddr_un */
#define MAX_COMMAND_S 3600
#define MAX_MAP_BYTES 4096 /* what the kernel takes for one uid_map: a page */
#define MOUNT_ATTRS                                                                                                    \
  (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME |                  \
   MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

static bool propagation_is_valid (uint64_t value) {
  uint64_t kind = value & ~(uint64_t) MS_REC;
  return kind == MS_PRIVATE || kind == MS_SHARED || kind == MS_SLAVE || kind == MS_UNBINDABLE;
}

static bool ends_in_name (const char *path) {
  const char *name = strrchr (path, '/') + 1;
  return *name != '\0' && strcmp (name, ".") != 0 && strcmp (name, "..") != 0 && strlen (name) < 256;
}

/* A mount can only name what an earlier op has made. */
static int check_idmap (struct plan_state *s, uint32_t id) {
  bool is_known = id == IDMAP_CONTAINER ? (s->namespaces & CLONE_NEWUSER) != 0 : id <= s->idmaps;
  return is_known ? 0 : plan_refuse (s, "idmap", "is not one that the plan has made");
}

static int check_overlay (struct plan_state *s, struct fields *f) {
  struct strings lowers = take_strv (f);
  const char *upper = take_str (f), *work = take_str (f);

  if (lowers.count == 0 || lowers.count > 500)
    return plan_refuse (s, "lowers", "must have 1 to 500 entries");
  for (uint32_t i = 0; i < lowers.count; i++) {
    const char *lower = take_str (&lowers.rest);
    /* Overlayfs takes a backslash for an escape in some of its options and for itself in others. */
    if (lower[0] != '/' || strlen (lower) >= PLAN_PATH_LIMIT || strchr (lower, '\\') != NULL)
      return plan_refuse (s, "lowers", "holds something that is not an absolute path without backslashes");
  }
  if ((upper[0] == '\0') != (work[0] == '\0'))
    return plan_refuse (s, "upper", "and work must be given together");
  if (upper[0] != '\0' && (upper[0] != '/' || work[0] != '/' || strchr (upper, '\\') || strchr (work, '\\')))
    return plan_refuse (s, "upper", "and work must be absolute paths without backslashes");
  take_strv (f);
  take_str (f);
  return check_idmap (s, take_u32 (f));
}

static int check_mount (struct plan_state *s, struct fields *f) {
  const char *fstype = take_str (f);
  take_str (f);
  take_str (f);
  struct strings options = take_strv (f);
  uint64_t attrs = take_u64 (f), propagation = take_u64 (f);

  if (fstype[0] == '\0')
    return plan_refuse (s, "fstype", "is empty");
  for (uint32_t i = 0; i < options.count; i++) {
    const char *option = take_str (&options.rest);
    if (strcspn (option, "=") == 0 || strcspn (option, "=") > 63)
      return plan_refuse (s, "options", "holds a key that is empty or too long");
  }
  if ((attrs & ~(uint64_t) MOUNT_ATTRS) != 0)
    return plan_refuse (s, "attrs", "has unknown bits");
  if (propagation != 0 && !propagation_is_valid (propagation))
    return plan_refuse (s, "propagation", "is not one of private, shared, slave, unbindable");
  if (take_u32 (f) > 07777)
    return plan_refuse (s, "dir_mode", "is out of range");
  return check_idmap (s, take_u32 (f));
}

static int check_bind (struct plan_state *s, struct fields *f, uint16_t flags) {
  take_str (f);
  take_str (f);
  uint64_t attrs = 0;

  for (int i = 0; i < 4; i++)
    attrs |= take_u64 (f);
  uint64_t propagation = take_u64 (f);
  if ((attrs & ~(uint64_t) MOUNT_ATTRS) != 0)
    return plan_refuse (s, "attrs", "have unknown bits");
  if (propagation != 0 && !propagation_is_valid (propagation))
    return plan_refuse (s, "propagation", "is not one of private, shared, slave, unbindable");
  if (check_idmap (s, take_u32 (f)) < 0)
    return -1;
  return (flags & OPF_ELSEWHERE) != 0 && take_str (f)[0] != '/' ? plan_refuse (s, "beneath", "is not an absolute path")
                                                                : 0;
}

static int check_device (struct plan_state *s, struct fields *f) {
  const char *path = take_str (f);
  uint32_t type = take_u32 (f), major = take_u32 (f), minor = take_u32 (f);

  if (!ends_in_name (path))
    return plan_refuse (s, "path", "does not end in a name");
  if (type != 'c' && type != 'b' && type != 'p')
    return plan_refuse (s, "type", "is not 'c', 'b' or 'p'");
  if (major > 0xfff || minor > 0xfffff)
    return plan_refuse (s, "major or minor", "is out of range");
  if (take_u32 (f) > 07777)
    return plan_refuse (s, "mode", "is out of range");
  if (take_u32 (f) == UINT32_MAX || take_u32 (f) == UINT32_MAX)
    return plan_refuse (s, "uid or gid", "is out of range");
  return 0;
}

static int check_directory (struct plan_state *s, struct fields *f) {
  if (!ends_in_name (take_str (f)))
    return plan_refuse (s, "path", "does not end in a name");
  if (take_u32 (f) > 07777)
    return plan_refuse (s, "mode", "is out of range");
  if (take_u32 (f) == UINT32_MAX || take_u32 (f) == UINT32_MAX)
    return plan_refuse (s, "uid or gid", "is out of range");
  return 0;
}

/* Only what belongs to a namespace of the container's own: the others would change the host. */
static int check_sysctl (struct plan_state *s, struct fields *f) {
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
      return plan_refuse (s, "key", "is not a plain relative path");
    part += n;
    if (*part == '\0')
      break;
  }
  for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
    if (strncmp (key, owners[i].prefix, strlen (owners[i].prefix)) == 0)
      return (s->namespaces & owners[i].namespace) != 0
                 ? 0
                 : plan_refuse (s, "key", "belongs to a namespace that the plan neither makes nor joins");
  return plan_refuse (s, "key", "does not belong to a namespace");
}

static int check_identity (struct plan_state *s, struct fields *f) {
  uint32_t user_kind = take_u32 (f), uid = take_u32 (f);
  const char *user = take_str (f);
  uint32_t group_kind = take_u32 (f), gid = take_u32 (f);
  const char *group = take_str (f);
  struct strings add_groups = take_strv (f);

  if (user_kind > ID_NAME || (user_kind == ID_NAME) != (user[0] != '\0') || uid == UINT32_MAX)
    return plan_refuse (s, "user", "is neither a number nor a name");
  if (group_kind > ID_NAME || (group_kind == ID_NAME) != (group[0] != '\0') || gid == UINT32_MAX)
    return plan_refuse (s, "group", "is neither a number nor a name");
  for (uint32_t i = 0; i < add_groups.count; i++)
    if (take_str (&add_groups.rest)[0] == '\0')
      return plan_refuse (s, "add_groups", "holds an empty entry");
  if (take_u32 (f) > 1)
    return plan_refuse (s, "want_home", "is not 0 or 1");
  return 0;
}

static int check_seccomp (struct plan_state *s, struct fields *f) {
  uint32_t flags = take_u32 (f);
  struct blob filter = take_blob (f);
  const char *listener = take_str (f);
  uint32_t possible = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

  if (listener[0] != '\0') /* seccomp(2): it returns a descriptor, or what TSYNC did */
    possible = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | (possible & ~(uint32_t) SECCOMP_FILTER_FLAG_TSYNC);
  if ((flags & ~possible) != 0)
    return plan_refuse (s, "filter_flags", "has bits that are not supported");
  if (filter.size == 0 || filter.size % 8 != 0 || filter.size / 8 > UINT16_MAX)
    return plan_refuse (s, "filter", "is not an array of sock_filter");
  if (listener[0] != '\0' && (listener[0] != '/' || strlen (listener) >= UNIX_PATH_LIMIT))
    return plan_refuse (s, "listener", "is not an absolute path that fits a socket address");
  if ((take_strv (f).count != 0) != (listener[0] != '\0'))
    return plan_refuse (s, "state_parts", "and listener must be given together");
  if (listener[0] != '\0' && s->listeners++ > 0)
    return plan_refuse (s, "listener", "is a second one, which the kernel does not take");
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

static int check_maps (struct plan_state *s, struct fields *f) {
  if (!map_is_valid (take_str (f)))
    return plan_refuse (s, "uid_map", "is not lines of three numbers");
  return map_is_valid (take_str (f)) ? 0 : plan_refuse (s, "gid_map", "is not lines of three numbers");
}

static int check_hook (struct plan_state *s, struct fields *f) {
  uint32_t stage = take_u32 (f);

  take_str (f);
  if (stage < HOOK_RUNTIME || stage > HOOK_POSTSTOP)
    return plan_refuse (s, "stage", "is unknown");
  return take_strv (f).count == 0 ? plan_refuse (s, "argv", "is empty") : 0;
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
static int check_time_offsets (struct plan_state *s, const char *text) {
  static const char *const clocks[] = { "monotonic ", "boottime " };
  bool seen[2] = { false };

  while (*text != '\0') {
    int clock = strncmp (text, clocks[0], strlen (clocks[0])) == 0 ? 0 : 1;
    if (strncmp (text, clocks[clock], strlen (clocks[clock])) != 0)
      return plan_refuse (s, "offsets", "has a line for an unknown clock");
    if (seen[clock])
      return plan_refuse (s, "offsets", "sets a clock twice");
    seen[clock] = true;
    text = skip_offset (text + strlen (clocks[clock]));
    if (text == NULL)
      return plan_refuse (s, "offsets", "has a line that is not a clock, seconds and nanoseconds");
  }
  return 0;
}

static int check_scheduler (struct plan_state *s, struct fields *f) {
  if (take_u32 (f) > 7)
    return plan_refuse (s, "policy", "is unknown");
  take_u64 (f);
  int32_t nice = (int32_t) take_u32 (f);
  if (nice < -20 || nice > 19 || take_u32 (f) > 99)
    return plan_refuse (s, "nice or priority", "is out of range");
  return 0;
}

static int check_label (struct plan_state *s, struct fields *f) {
  uint32_t module = take_u32 (f);
  if (module != LABEL_APPARMOR && module != LABEL_SELINUX)
    return plan_refuse (s, "module", "is unknown");
  return take_str (f)[0] == '\0' ? plan_refuse (s, "label", "is empty") : 0;
}

static int check_environment (struct plan_state *s, struct strings env) {
  for (uint32_t i = 0; i < env.count; i++)
    if (strcspn (take_str (&env.rest), "=") == 0)
      return plan_refuse (s, "env", "holds an entry without a name");
  return 0;
}

static int check_exec (struct plan_state *s, struct fields *f) {
  if (take_strv (f).count == 0)
    return plan_refuse (s, "argv", "is empty");
  return check_environment (s, take_strv (f));
}

static int check_program (struct plan_state *s, struct fields *f) {
  struct strings argv = take_strv (f);

  if (argv.count == 0 || take_str (&argv.rest)[0] != '/')
    return plan_refuse (s, "argv", "does not begin with an absolute path");
  if (check_environment (s, take_strv (f)) < 0)
    return -1;
  uint32_t timeout_s = take_u32 (f);
  return timeout_s == 0 || timeout_s > MAX_COMMAND_S ? plan_refuse (s, "timeout_s", "is not 1 to 3600") : 0;
}

static int check_command (struct plan_state *s, struct fields *f) {
  if (check_program (s, f) < 0)
    return -1;
  const char *pid_file = take_str (f), *console = take_str (f);
  if (strlen (pid_file) >= PLAN_PATH_LIMIT)
    return plan_refuse (s, "pid_file", "is too long");
  if (strlen (console) >= UNIX_PATH_LIMIT)
    return plan_refuse (s, "console_socket", "does not fit a socket address");
  if (console[0] != '\0' && pid_file[0] == '\0')
    return plan_refuse (s, "console_socket", "is for the command that has a pid_file");
  s->pid_files += pid_file[0] != '\0';
  s->consoles += console[0] != '\0';
  return s->pid_files > 1 ? plan_refuse (s, "pid_file", "is a second one") : 0;
}

static int check_numbers (struct plan_state *s, uint16_t kind, struct fields *f) {
  uint32_t number = take_u32 (f);

  switch (kind) {
  case OP_NS_PATH:
    if ((number & ~(uint32_t) (CLONE_NAMESPACES | CLONE_NEWUSER)) != 0 || number == 0 || (number & (number - 1)) != 0)
      return plan_refuse (s, "clone_flag", "is not one namespace");
    break;
  case OP_UNSHARE:
    if ((number & ~(uint32_t) (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET)) != 0)
      return plan_refuse (s, "clone_flags", "has namespaces that cannot be made so late");
    break;
  case OP_CONSOLE:
    if (number > UINT16_MAX || take_u32 (f) > UINT16_MAX || take_u32 (f) == UINT32_MAX)
      return plan_refuse (s, "rows, cols or uid", "is out of range");
    break;
  case OP_PIVOT:
    if (number > 1)
      return plan_refuse (s, "root_readonly", "is not 0 or 1");
    break;
  case OP_RLIMIT:
    if (number >= RLIM_NLIMITS)
      return plan_refuse (s, "resource", "is unknown");
    break;
  case OP_OOM_SCORE_ADJ:
    if ((int32_t) number < -1000 || (int32_t) number > 1000)
      return plan_refuse (s, "value", "is out of range");
    break;
  case OP_IDMAP:
    if (number != s->idmaps + 1 || number > MAX_IDMAPS)
      return plan_refuse (s, "id", "is not the next one");
    return check_maps (s, f);
  case OP_HOOKS:
    if (number < HOOK_RUNTIME || number > HOOK_START)
      return plan_refuse (s, "stage", "is not one of a container's start");
    break;
  case OP_IO_PRIORITY:
    if (number > UINT16_MAX)
      return plan_refuse (s, "ioprio", "is out of range");
    break;
  case OP_PERSONALITY:
    if (number == UINT32_MAX)
      return plan_refuse (s, "persona", "is the question for the present one");
    break;
  case OP_UMASK:
    if (number > 0777)
      return plan_refuse (s, "mask", "is out of range");
    break;
  }
  return 0;
}

int plan_check_values (struct plan_state *s, const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);
  uint64_t value;
  const char *text;

  switch (op->kind) {
  case OP_CGROUP_BPF:
    take_str (&f);
    value = take_blob (&f).size;
    return value == 0 || value % 8 != 0 ? plan_refuse (s, "insns", "is not an array of bpf_insn") : 0;
  case OP_CGROUP_JOIN:
    take_str (&f);
    value = take_u32 (&f);
    return value == 1 || value == 2 ? 0 : plan_refuse (s, "version", "is not 1 or 2");
  case OP_PROPAGATION:
  case OP_ROOT_PROPAGATION:
    return propagation_is_valid (take_u64 (&f))
               ? 0
               : plan_refuse (s, "propagation", "is not one of private, shared, slave, unbindable");
  case OP_SYMLINK:
    text = take_str (&f);
    return text[0] == '\0' || strlen (text) >= PLAN_PATH_LIMIT || !ends_in_name (take_str (&f))
               ? plan_refuse (s, "value or path", "is empty, too long, or does not end in a name")
               : 0;
  case OP_HOSTNAME:
  case OP_DOMAINNAME:
    return strlen (take_str (&f)) > 64 ? plan_refuse (s, "name", "is longer than 64 bytes") : 0;
  case OP_KEYRING:
    return take_str (&f)[0] == '\0' ? plan_refuse (s, "name", "is empty") : 0;
  case OP_USERNS:
    return check_maps (s, &f);
  case OP_HOOK:
    return check_hook (s, &f);
  case OP_NETDEV:
    return is_link_name (take_str (&f)) && is_link_name (take_str (&f))
               ? 0
               : plan_refuse (s, "name or new_name", "is not the name of a link");
  case OP_TIME_OFFSETS:
    return check_time_offsets (s, take_str (&f));
  case OP_AFFINITY:
    value = take_blob (&f).size;
    return value == 0 || value > 1024 ? plan_refuse (s, "mask", "is empty or too long") : 0;
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
