/* Labels of the security modules. A thread asks for the label of what it executes next by a write to its own attribute
 * file in procfs; the kernel takes that from nobody else (proc_pid_attr(5)). Every file here is of a procfs that the
 * container cannot reach: written to a lookalike of its own, the label would be lost and nobody told.
 *
 * What decides about order: the request itself needs no capability and may come before or after no_new_privs, but it is
 * an open and a write, so it comes before a seccomp filter. It stays with the thread, through forks, until execve, where
 * no_new_privs then restricts what it may become: AppArmor lets an unconfined process go anywhere and any other one only
 * to a subset of its own profile, SELinux asks its policy for nnp_transition or a bounded type. Until execve nothing is
 * restricted. Whoever forks and executes something else in between (a hook) would take the label there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "init.h"
#include "kernel.h"
#include "labels.h"
#include "procfs.h"

static const char *attribute_path (const char *name, char *path, size_t size) {
  snprintf (path, size, "%d/task/%d/attr/%s", getpid (), gettid (), name);
  return path;
}

/* Whether `shown` begins with `wanted` and that is the whole name: AppArmor adds " (enforce)", SELinux a NUL. */
static bool names_the_same (const char *shown, const char *wanted) {
  size_t n = strlen (wanted);
  return strncmp (shown, wanted, n) == 0 && (shown[n] == '\0' || shown[n] == '\n' || shown[n] == ' ');
}

/* 0 when the kernel says that it will do so. A stack of profiles or one in a namespace is not shown as it was written. */
static int check_profile (struct init *in, const char *path, const char *profile, struct err *e) {
  char shown[4096];

  if (procfs_read (in, path, shown, sizeof shown) < 0)
    return err_set (e, errno, "cannot read back the AppArmor profile \"%s\"", profile);
  if (strpbrk (profile, "&:") == NULL ? !names_the_same (shown, profile) : shown[0] == '\0')
    return err_set (e, 0, "the kernel did not take the AppArmor profile \"%s\" but \"%.200s\"", profile, shown);
  return 0;
}

static int set_profile (struct init *in, const char *profile, struct err *e) {
  char path[80], command[4096];

  if (snprintf (command, sizeof command, "exec %s", profile) >= (int) sizeof command)
    return err_set (e, ENAMETOOLONG, "cannot use the AppArmor profile \"%.100s...\"", profile);
  attribute_path ("apparmor/exec", path, sizeof path);
  /* Kernels before 5.1 have one directory for whichever module came first. */
  if (procfs_write (in, path, command) < 0 &&
      (errno != ENOENT || procfs_write (in, attribute_path ("exec", path, sizeof path), command) < 0))
    return err_set (e, errno, "cannot use the AppArmor profile \"%s\"", profile);
  return check_profile (in, path, profile, e);
}

/* User, role and type must be as asked; the level behind them the kernel may write in another way. */
static bool is_same_context (const char *shown, const char *wanted) {
  const char *end = wanted;

  for (int colons = 0; colons < 3 && *end != '\0'; end++)
    colons += *end == ':';
  return strncmp (shown, wanted, (size_t) (end - wanted)) == 0;
}

static int set_context (struct init *in, const char *attribute, const char *label, const char *what, struct err *e) {
  char path[80], shown[4096];

  attribute_path (attribute, path, sizeof path);
  if (procfs_write (in, path, label) < 0)
    return err_set (e, errno, "cannot use the SELinux label \"%s\" for %s", label, what);
  if (procfs_read (in, path, shown, sizeof shown) < 0)
    return err_set (e, errno, "cannot read back the SELinux label \"%s\" for %s", label, what);
  if (!is_same_context (shown, label))
    return err_set (e, 0, "the kernel did not take the SELinux label \"%s\" for %s but \"%.200s\"", label, what, shown);
  return 0;
}

int step_label (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  uint32_t module = take_u32 (f);
  const char *label = take_str (f);

  if (procfs_need (in, e) < 0)
    return -1;
  if (module == LABEL_APPARMOR)
    return set_profile (in, label, e);
  return set_context (in, "exec", label, "the process", e);
}

int label_keys (struct init *in, struct err *e) {
  for (uint32_t i = 0; i < in->plan->op_count; i++) {
    const struct plan_op_view *op = &in->plan->ops[i];
    struct fields f = fields_of (op->payload, op->size);
    if (op->kind != OP_LABEL || take_u32 (&f) != LABEL_SELINUX)
      continue;
    return procfs_need (in, e) < 0 ? -1 : set_context (in, "keycreate", take_str (&f), "its keys", e);
  }
  return 0;
}
