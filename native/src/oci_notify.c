/* sd_notify(3) through a container: the process talks to a socket of ours in a directory that is bound into it; that it is
 * ready is passed on to the service manager, with its pid as the host knows it. Nothing else is, as with runc. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "err.h"
#include "fds.h"
#include "oci.h"

#define READY "READY="
#define INNER_NAME "notify.sock"

/* "@name" is an abstract address. */
static int connect_outer (const char *path, struct err *e) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  size_t length = strlen (path);

  if (path[0] != '@')
    return oci_connect_path (SOCK_DGRAM, path, e);
  if (length > sizeof address.sun_path)
    return err_set (e, ENAMETOOLONG, "cannot use the notify socket \"%.100s\"", path);
  memcpy (address.sun_path, path, length);
  address.sun_path[0] = '\0';
  auto_fd fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 ||
      connect (fd, (struct sockaddr *) &address, (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length)) < 0)
    return err_set (e, errno, "cannot connect to the notify socket \"%.100s\"", path);
  return fd_release (&fd);
}

int oci_notify_open (const struct oci_options *o, struct oci_notify *n, struct err *e) {
  char inner[4096 + sizeof INNER_NAME];

  *n = (struct oci_notify){ -1, -1 };
  if (o->notify_socket == NULL)
    return 0;
  if (snprintf (inner, sizeof inner, "%s/" INNER_NAME, o->notify_dir) >= (int) sizeof inner)
    return err_set (e, ENAMETOOLONG, "cannot use \"%.200s\"", o->notify_dir);
  n->outer = connect_outer (o->notify_socket, e);
  /* Any user in the container may be the one that is ready. */
  n->inner = n->outer < 0 ? -1 : oci_bind_path (SOCK_DGRAM, inner, 0777, e);
  return n->inner < 0 ? -1 : 0;
}

void oci_notify_turn (struct oci_notify *n, pid_t pid) {
  char message[4096], told[4200];
  ssize_t size = recv (n->inner, message, sizeof message - 1, MSG_DONTWAIT);
  bool is_ready = false;

  if (size <= 0)
    return;
  message[size] = '\0';
  for (char *line = message; line != NULL;) {
    char *end = strchr (line, '\n');
    if (end != NULL)
      *end++ = '\0';
    if (strncmp (line, READY, sizeof READY - 1) == 0) {
      int length = snprintf (told, sizeof told, "%s\n", line);
      is_ready = true;
      send (n->outer, told, (size_t) length,
            MSG_NOSIGNAL | MSG_DONTWAIT); /* a manager that has gone is not our failure */
    }
    line = end;
  }
  if (!is_ready)
    return;
  int length = snprintf (told, sizeof told, "MAINPID=%d\n", pid);
  send (n->outer, told, (size_t) length, MSG_NOSIGNAL | MSG_DONTWAIT);
  oci_notify_close (n);
}

void oci_notify_close (struct oci_notify *n) {
  fd_close (&n->inner);
  fd_close (&n->outer);
}
