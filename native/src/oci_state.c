/* The state directory and other places that are known by a path. Sockets are bound and connected by a name relative to
 * their directory, entered for that moment: sun_path has 108 bytes, paths have 4096. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "err.h"
#include "fds.h"
#include "oci.h"
#include "record.h"

#define SOCKET_NAME "start.sock"
#define BACKLOG 16

/* ---- paths ---- */

/* Opens the directory that `path` is in; `name` becomes its last component. */
static int open_parent (const char *path, char name[NAME_MAX + 1], struct err *e) {
  char directory[PATH_MAX];
  size_t length = strlen (path);

  while (length > 1 && path[length - 1] == '/')
    length--;
  if (length >= sizeof directory)
    return err_set (e, ENAMETOOLONG, "cannot use \"%.200s\"", path);
  memcpy (directory, path, length);
  directory[length] = '\0';
  char *slash = strrchr (directory, '/');
  const char *last = slash == NULL ? directory : slash + 1;
  if (*last == '\0' || strlen (last) > NAME_MAX)
    return err_set (e, EINVAL, "cannot use \"%.200s\"", path);
  memcpy (name, last, strlen (last) + 1);
  if (slash != NULL)
    slash[slash == directory] = '\0';
  int fd = open (slash == NULL ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? err_set (e, errno, "cannot open \"%.200s\"", slash == NULL ? "." : directory) : fd;
}

/* Enters `fd` and says where to return to. */
static int enter (int fd, int *back, struct err *e) {
  *back = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (*back < 0 || fchdir (fd) < 0)
    return err_set (e, errno, "cannot enter a directory");
  return 0;
}

static int leave (int *back, int result, struct err *e) {
  if (fchdir (*back) < 0 && result >= 0)
    result = err_set (e, errno, "cannot return to the working directory");
  fd_close (back);
  return result;
}

/* ---- sockets ---- */

static int address_of (const char *name, struct sockaddr_un *address, struct err *e) {
  *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  if (strlen (name) >= sizeof address->sun_path)
    return err_set (e, ENAMETOOLONG, "cannot use the socket \"%.200s\"", name);
  memcpy (address->sun_path, name, strlen (name));
  return 0;
}

static int connect_at (int directory, int type, const char *name, struct err *e) {
  struct sockaddr_un address;
  auto_fd back = -1;
  auto_fd fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return err_set (e, errno, "cannot make a socket");
  if (address_of (name, &address, e) < 0 || enter (directory, &back, e) < 0)
    return -1;
  int result = connect (fd, (struct sockaddr *) &address, sizeof address);
  if (result < 0)
    err_set (e, errno, "cannot connect to the socket \"%s\"", name);
  return leave (&back, result, e) < 0 ? -1 : fd_release (&fd);
}

static int bind_at (int directory, int type, const char *name, mode_t mode, struct err *e) {
  struct sockaddr_un address;
  auto_fd back = -1;
  auto_fd fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return err_set (e, errno, "cannot make a socket");
  if (address_of (name, &address, e) < 0 || enter (directory, &back, e) < 0)
    return -1;
  unlink (name); /* of somebody who was killed */
  mode_t mask = umask (0777 & ~mode);
  int result = bind (fd, (struct sockaddr *) &address, sizeof address);
  int code = errno;
  umask (mask);
  if (result < 0)
    err_set (e, code, "cannot bind the socket \"%s\"", name);
  return leave (&back, result, e) < 0 ? -1 : fd_release (&fd);
}

int oci_connect_path (int type, const char *path, struct err *e) {
  char name[NAME_MAX + 1];
  auto_fd directory = open_parent (path, name, e);

  return directory < 0 ? -1 : connect_at (directory, type, name, e);
}

int oci_bind_path (int type, const char *path, mode_t mode, struct err *e) {
  char name[NAME_MAX + 1];
  auto_fd directory = open_parent (path, name, e);

  return directory < 0 ? -1 : bind_at (directory, type, name, mode, e);
}

/* ---- the state directory ---- */

int oci_state_open (const char *path, struct oci_state *s, struct err *e) {
  *s = (struct oci_state){ .fd = -1, .parent_fd = -1 };
  s->parent_fd = open_parent (path, s->name, e);
  if (s->parent_fd < 0)
    return -1;
  s->fd = openat (s->parent_fd, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return s->fd < 0 ? err_set (e, errno, "cannot open the state directory \"%.200s\"", path) : 0;
}

void oci_state_close (struct oci_state *s) {
  fd_close (&s->fd);
  fd_close (&s->parent_fd);
}

int oci_state_listen (const struct oci_state *s, struct err *e) {
  auto_fd fd = bind_at (s->fd, SOCK_SEQPACKET, SOCKET_NAME, 0600, e);

  if (fd < 0)
    return -1;
  if (listen (fd, BACKLOG) < 0)
    return err_set (e, errno, "cannot listen on \"" SOCKET_NAME "\"");
  return fd_release (&fd);
}

int oci_state_connect (const struct oci_state *s, struct err *e) {
  return connect_at (s->fd, SOCK_SEQPACKET, SOCKET_NAME, e);
}

void oci_state_forget_listener (const struct oci_state *s) {
  unlinkat (s->fd, SOCKET_NAME, 0);
}

int oci_state_record (const struct oci_state *s, pid_t pid, struct err *e) {
  auto_fd back = -1;

  if (enter (s->fd, &back, e) < 0)
    return -1;
  return leave (&back, record_pid_of_this_boot (pid, record_start_ticks (pid), e), e);
}

/* Of a directory a missing one is fine, of a file, too. */
static int remove_known (const struct oci_state *s, const char *name, int flags, struct err *e) {
  if (unlinkat (s->fd, name, flags) < 0 && errno != ENOENT && errno != ENOTDIR)
    return err_set (e, errno, "cannot remove \"%s\" of the state directory", name);
  return 0;
}

/* container.json is the last: with it alone `delete` still knows whose remains these are. */
int oci_state_remove (const struct oci_state *s, struct err *e) {
  static const struct {
    const char *name;
    int flags;
  } known[] = { { SOCKET_NAME, 0 },
                { "pid.new", 0 },
                { "pid", 0 },
                { RESTORED_NAME, 0 },
                { "notify/notify.sock", 0 },
                { "notify", AT_REMOVEDIR },
                { "rootfs", AT_REMOVEDIR },
                { "container.json", 0 } };
  struct stat held, named;

  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (remove_known (s, known[i].name, known[i].flags, e) < 0)
      return -1;
  /* Somebody may have removed and made it anew. */
  if (fstat (s->fd, &held) < 0 || fstatat (s->parent_fd, s->name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
      held.st_ino != named.st_ino || held.st_dev != named.st_dev)
    return 0;
  if (unlinkat (s->parent_fd, s->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
    return err_set (e, errno, "cannot remove the state directory \"%s\"", s->name);
  return 0;
}

/* ---- the pid file ---- */

int oci_write_pid_file (const char *path, pid_t pid, struct err *e) {
  char name[NAME_MAX + 1], aside[NAME_MAX + 16], text[16];
  auto_fd directory = open_parent (path, name, e);

  if (directory < 0)
    return -1;
  snprintf (aside, sizeof aside, ".%.240s.new", name);
  auto_fd file = openat (directory, aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file < 0)
    return err_set (e, errno, "cannot make the pid file \"%.200s\"", path);
  int size = snprintf (text, sizeof text, "%d", pid);
  errno = ENOSPC; /* of a write that is cut short */
  int code = write (file, text, (size_t) size) != size ? errno : 0;
  if (code == 0 && renameat (directory, aside, directory, name) < 0)
    code = errno;
  if (code == 0)
    return 0;
  unlinkat (directory, aside, 0);
  return err_set (e, code, "cannot write the pid file \"%.200s\"", path);
}
