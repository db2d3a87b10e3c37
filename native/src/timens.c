/* A time namespace with clocks of its own. unshare(2) makes one for children only, whose offsets can be set until the
 * first process is in it; setns(2) then takes this process there, too (time_namespaces(7)). */
#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "procfs.h"

/* Behind a link that procfs_open would not follow; in a private procfs it is what it says. */
static int open_children_namespace (struct init *in) {
  char path[32];

  snprintf (path, sizeof path, "%d/ns", getpid ());
  auto_fd directory = procfs_open (in, path, O_PATH | O_DIRECTORY);
  return directory < 0 ? -1 : openat (directory, "time_for_children", O_RDONLY | O_CLOEXEC);
}

int step_time_offsets (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *offsets = take_str (f);
  char path[48];

  if (procfs_need (in, e) < 0)
    return -1;
  if (unshare (CLONE_NEWTIME) < 0)
    return err_set (e, errno, "cannot make a time namespace");
  snprintf (path, sizeof path, "%d/timens_offsets", getpid ());
  if (offsets[0] != '\0' && procfs_write (in, path, offsets) < 0)
    return err_set (e, errno, "cannot set the time offsets \"%s\"", offsets);
  auto_fd namespace = open_children_namespace (in);
  if (namespace < 0 || setns (namespace, CLONE_NEWTIME) < 0)
    return err_set (e, errno, "cannot enter the time namespace");
  return 0;
}
