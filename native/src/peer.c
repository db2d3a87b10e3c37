#include "peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "kernel.h"

/* A peer that is gone has given its number back only when it was reaped; then the socket is at its end, too, and whatever is
   copied in its place belongs to a process of root's and goes to root alone. */
int peer_open (int peer, struct err *e) {
  struct ucred who;
  socklen_t size = sizeof who;
  if (getsockopt (peer, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
    return err_set (e, errno, "cannot see whose descriptor it is");
  int process = sys_pidfd_open (who.pid);
  return process < 0 ? err_set (e, errno, "cannot reach the owner of the descriptor") : process;
}

int peer_descriptor (int owner, uint32_t number, struct err *e) {
  int fd = (int) syscall (SYS_pidfd_getfd, owner, number, 0);
  return fd < 0 ? err_set (e, errno, "cannot copy the descriptor") : fd;
}
