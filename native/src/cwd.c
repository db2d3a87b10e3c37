/* The working directory. It is reached like any path below the root, so that no link of /proc leads out by it. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fds.h"
#include "init.h"
#include "inroot.h"
#include "kernel.h"

/* The kernel's answer, not the C library's, which would search for a name if there were none. A directory outside the
   root has the mark "(unreachable)". */
static int check_inside (const char *path, struct err *e) {
  char at[PATH_MAX];
  long n = syscall (SYS_getcwd, at, sizeof at);

  if (n < 0)
    return err_set (e, errno, "cannot verify the working directory \"%s\"", path);
  return at[0] == '/' ? 0 : err_set (e, 0, "the working directory \"%s\" is outside the container's root", path);
}

static int change (struct init *in, const char *path, bool create) {
  bool made;
  auto_fd directory = create ? inroot_reach (in->root_fd, path, MAKE_DIRECTORY, 0755, &made)
                             : inroot_open (in->root_fd, path, O_PATH | O_DIRECTORY);
  return directory < 0 ? -1 : fchdir (directory);
}

static int fail (const char *path, struct err *e) {
  return err_set (e, errno, "chdir to cwd (\"%.400s\") set in config.json failed", path);
}

int step_cwd (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  const struct plan_op_view *op = &in->plan->ops[in->progress->op - 1];
  const char *path = take_str (f);

  if (change (in, path, (flags & OPF_CREATE) != 0) == 0)
    return check_inside (path, e);
  if ((errno != EACCES && errno != EPERM) || in->has_identity)
    return fail (path, e);
  in->cwd = op;
  return 0;
}

int cwd_retry_as_user (struct init *in, struct err *e) {
  if (in->cwd == NULL)
    return 0;
  struct fields f = fields_of (in->cwd->payload, in->cwd->size);
  const char *path = take_str (&f);

  in->cwd = NULL;
  return change (in, path, false) < 0 ? fail (path, e) : check_inside (path, e);
}
