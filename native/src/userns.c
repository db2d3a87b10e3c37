#include "userns.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "err.h"
#include "fds.h"
#include "kernel.h"

/* ---- a resident ---- */

/* The kernel tells of a user namespace, and takes its maps, only by a process that lives in it. This one does nothing
 * else. Nobody in the container can reach it: a new namespace has no other inhabitant, and of an old one none may trace
 * a process that is not dumpable and whose memory belongs to the host's namespace (ptrace(2)). It ends with its maker,
 * whose end of the socket it reads. */
struct resident {
  pid_t pid;
  int socket;
};

static _Noreturn void reside (int userns, int makers_end, int socket) {
  int32_t code = 0;

  close (makers_end);
  if (userns >= 0 && setns (userns, CLONE_NEWUSER) < 0)
    code = errno;
  if (write (socket, &code, sizeof code) == sizeof code)
    while (read (socket, &code, sizeof code) < 0 && errno == EINTR)
      ;
  _exit (0);
}

static void resident_end (struct resident *r) {
  fd_close (&r->socket);
  if (r->pid > 0) {
    kill (r->pid, SIGKILL);
    while (waitpid (r->pid, NULL, __WALL) < 0 && errno == EINTR)
      ;
  }
  r->pid = -1;
}

#define auto_resident __attribute__ ((cleanup (resident_end))) struct resident

/* In `userns`, or if that is -1 in a new one. Its end raises no signal: it is nobody's business. */
static int resident_start (struct resident *r, int userns, struct err *e) {
  struct clone_args args = { .flags = userns < 0 ? CLONE_NEWUSER : 0 };
  int32_t code = 0;
  int pair[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return err_set (e, errno, "cannot make a socket to the user namespace");
  r->pid = sys_clone3 (&args);
  if (r->pid == 0)
    reside (userns, pair[0], pair[1]);
  code = errno;
  r->socket = pair[0];
  close (pair[1]);
  if (r->pid < 0)
    return err_set (e, code, "cannot make a user namespace");
  if (read (r->socket, &code, sizeof code) != sizeof code)
    return err_set (e, 0, "the first process of the user namespace was killed");
  return code != 0 ? err_set (e, code, "cannot enter the user namespace") : 0;
}

/* ---- made and opened ---- */

static int write_map (pid_t pid, const char *name, const char *map, struct err *e) {
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/%s", pid, name);
  auto_fd file = open (path, O_WRONLY | O_CLOEXEC);
  if (file < 0)
    return err_set (e, errno, "cannot open the %s of a user namespace", name);
  if (write (file, map, strlen (map)) != (ssize_t) strlen (map))
    return err_set (e, errno, "cannot give a user namespace the %s \"%.200s\"", name, map);
  return 0;
}

int userns_make (const char *uid_map, const char *gid_map, struct err *e) {
  auto_resident r = { -1, -1 };
  char path[64];

  if (resident_start (&r, -1, e) < 0 || write_map (r.pid, "uid_map", uid_map, e) < 0 ||
      write_map (r.pid, "gid_map", gid_map, e) < 0)
    return -1;
  snprintf (path, sizeof path, "/proc/%d/ns/user", r.pid);
  int userns = open (path, O_RDONLY | O_CLOEXEC);
  return userns < 0 ? err_set (e, errno, "cannot hold a user namespace") : userns;
}

int userns_open (const char *path, struct err *e) {
  auto_fd userns = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (userns < 0)
    return err_set (e, errno, "cannot open the namespace \"%s\"", path);
  if (ioctl (userns, NS_GET_NSTYPE) != CLONE_NEWUSER)
    return err_set (e, 0, "\"%s\" is not a user namespace", path);
  return fd_release (&userns);
}

/* ---- maps ---- */

static int read_map (pid_t pid, const char *name, char *map, struct err *e) {
  char path[64];
  size_t size = 0;
  ssize_t n = 1;

  snprintf (path, sizeof path, "/proc/%d/%s", pid, name);
  auto_fd file = open (path, O_RDONLY | O_CLOEXEC);
  while (file >= 0 && size < ID_MAP_BYTES - 1 && (n = read (file, map + size, ID_MAP_BYTES - 1 - size)) > 0)
    size += (size_t) n;
  if (file < 0 || n < 0)
    return err_set (e, errno, "cannot read the %s of the container's user namespace", name);
  map[size] = '\0';
  return size > 0 ? 0 : err_set (e, 0, "the %s of the container's user namespace is empty", name);
}

static int read_maps (pid_t pid, struct id_maps *maps, struct err *e) {
  return read_map (pid, "uid_map", maps->uid, e) < 0 ? -1 : read_map (pid, "gid_map", maps->gid, e);
}

int userns_read_maps (int userns, struct id_maps *maps, struct err *e) {
  auto_resident r = { -1, -1 };
  return resident_start (&r, userns, e) < 0 ? -1 : read_maps (r.pid, maps, e);
}

/* A pid that is used again meanwhile is found out: the pidfd shows -1 once its own process is reaped. */
static pid_t pid_of (int pidfd) {
  char path[64], text[1024];

  snprintf (path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  auto_fd file = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? -1 : read (file, text, sizeof text - 1);
  if (n < 0)
    return -1;
  text[n] = '\0';
  const char *line = strstr (text, "\nPid:");
  return line == NULL ? -1 : atoi (line + 5);
}

int userns_read_maps_of (int pidfd, struct id_maps *maps, struct err *e) {
  pid_t pid = pid_of (pidfd);

  if (pid <= 0)
    return err_set (e, ESRCH, "cannot join a container that has ended");
  if (read_maps (pid, maps, e) < 0)
    return -1;
  return pid_of (pidfd) == pid ? 0 : err_set (e, ESRCH, "cannot join a container that has ended");
}

struct range {
  uint32_t inside, outside, count;
};

/* The range on the line that `at` stands on; false at the end. */
static bool take_range (const char **at, struct range *r) {
  uint32_t *numbers[] = { &r->inside, &r->outside, &r->count };
  char *end;

  for (size_t i = 0; i < 3; i++) {
    *numbers[i] = (uint32_t) strtoul (*at, &end, 10);
    if (end == *at)
      return false;
    *at = end;
  }
  return true;
}

bool userns_host_id (const char *map, uint32_t inside, uint32_t *outside) {
  struct range r;

  while (take_range (&map, &r))
    if (inside >= r.inside && inside - r.inside < r.count) {
      *outside = r.outside + (inside - r.inside);
      return true;
    }
  return false;
}

bool userns_first_id (const char *map, uint32_t *inside, uint32_t *outside) {
  struct range r;

  *inside = 0;
  if (userns_host_id (map, 0, outside))
    return true;
  if (!take_range (&map, &r))
    return false;
  *inside = r.inside;
  *outside = r.outside;
  return true;
}
