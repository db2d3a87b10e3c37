/* What both programs that may have a resident do their work share: the way to it, and to the program that they become without one. */
#ifndef GANTRY_RESIDENT_SOCKET_H
#define GANTRY_RESIDENT_SOCKET_H

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fds.h"

/* A connection to the process of `user` that listens at `path`. Waits for nothing, the connection does not either. -1 with errno:
 * ENOENT or ECONNREFUSED when there is nobody, EPERM when it is somebody else. */
static inline int resident_connect (const char *path, uid_t user) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct ucred peer;
  socklen_t size = sizeof peer;

  if (strlen (path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy (address.sun_path, path);
  auto_fd fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect (fd, (const struct sockaddr *) &address, sizeof address) < 0 ||
      getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    return -1;
  if (peer.uid != user) {
    errno = EPERM;
    return -1;
  }
  return fd_release (&fd);
}

/* The path of `name` in the directory of this process's own program; `room` has PATH_MAX bytes. -1: there is no telling. */
static inline int path_beside_program (char *room, const char *name) {
  ssize_t length = readlink ("/proc/self/exe", room, PATH_MAX);
  char *slash = length <= 0 || length >= PATH_MAX ? NULL : memrchr (room, '/', (size_t) length);

  if (slash == NULL || (size_t) (slash + 1 - room) + strlen (name) >= PATH_MAX) {
    errno = length < 0 ? errno : ENAMETOOLONG;
    return -1;
  }
  strcpy (slash + 1, name);
  return 0;
}

#endif
