/* Descriptors that are kept for the daemon: it gives them away before it might die, and its successor fetches them. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fds.h"
#include "shim.h"

/* A peer that is gone has given its number back only when it was reaped; then the socket is at its end, too, and whatever is
   copied here in its place belongs to a process of root's and goes to root alone. */
static int copy_of (int peer, uint32_t number, struct err *e) {
  struct ucred who;
  socklen_t size = sizeof who;
  if (getsockopt (peer, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
    return err_set (e, errno, "cannot see whose descriptor it is");
  auto_fd process = (int) syscall (SYS_pidfd_open, who.pid, 0);
  if (process < 0)
    return err_set (e, errno, "cannot reach the owner of the descriptor");
  int fd = (int) syscall (SYS_pidfd_getfd, process, number, 0);
  return fd < 0 ? err_set (e, errno, "cannot copy the descriptor") : fd;
}

static struct kept *find (struct shim *s, const char *name) {
  for (uint32_t i = 0; i < s->kept_count; i++)
    if (strcmp (s->kept[i].name, name) == 0)
      return &s->kept[i];
  return NULL;
}

int keep_descriptor (struct shim *s, int peer, const char *name, uint32_t number, struct err *e) {
  struct kept *place = find (s, name);
  if (name[0] == 0 || strlen (name) > SHIM_KEPT_NAME_MAX)
    return err_set (e, EINVAL, "cannot keep a descriptor without a valid name");
  if (place == NULL && s->kept_count == SHIM_KEPT_MAX)
    return err_set (e, ENOSPC, "cannot keep more descriptors");
  int fd = copy_of (peer, number, e);
  if (fd < 0)
    return -1;
  if (place == NULL)
    place = &s->kept[s->kept_count++];
  else
    close (place->fd);
  strcpy (place->name, name);
  return place->fd = fd;
}
