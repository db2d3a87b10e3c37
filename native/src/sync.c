/* What the child and its parent say to each other: hooks, and the state between create and start. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "fds.h"
#include "hooks.h"
#include "init.h"
#include "kernel.h"

/* Who connects says "go" at once, or is not the one to wait for. */
#define GO_MS 1000

static int say (struct init *in, char byte, struct err *e) {
  return send (in->sync_fd, &byte, 1, MSG_NOSIGNAL) < 0 ? err_set (e, errno, "cannot report to the parent") : 0;
}

/* Ends the process when the parent is gone: nobody will ever start this container. */
static int hear (struct init *in, char *byte, struct err *e) {
  ssize_t n;

  do
    n = recv (in->sync_fd, byte, 1, 0);
  while (n < 0 && errno == EINTR);
  if (n == 0 || (n < 0 && errno == ECONNRESET))
    _exit (127);
  return n < 0 ? err_set (e, errno, "cannot wait for the parent") : 0;
}

/* ---- hooks ---- */

int step_hooks (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  uint32_t stage = take_u32 (f);
  char reply = REPLY_GO;

  if (stage != HOOK_RUNTIME)
    return hooks_run (in->plan, stage, getpid (), e);
  if (say (in, SYNC_HOOKS, e) < 0)
    return -1;
  while (reply != REPLY_HOOKS_DONE) {
    if (hear (in, &reply, e) < 0)
      return -1;
    in->may_go = in->may_go || reply == REPLY_GO;
  }
  return 0;
}

/* ---- alone between create and start ---- */

/* Whom the parent was, as this user namespace shows it: a user who has no number here has the same one as it had. */
static uid_t peer_uid (int socket, struct err *e) {
  struct ucred peer = { .uid = (uid_t) -1 };
  socklen_t size = sizeof peer;

  if (getsockopt (socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    err_set (e, errno, "cannot tell who is at the other end");
  return peer.uid;
}

static int greet (struct init *in, int connection) {
  char byte = SYNC_CREATED;
  struct iovec data = { &byte, 1 };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };

  memset (&control, 0, sizeof control);
  control.header =
      (struct cmsghdr){ .cmsg_len = CMSG_LEN (sizeof (int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
  memcpy (CMSG_DATA (&control.header), &in->page_fd, sizeof in->page_fd);
  return (int) sendmsg (connection, &message, MSG_NOSIGNAL);
}

static bool says_go (struct init *in, int connection, uid_t starter) {
  struct timeval patience = { .tv_sec = GO_MS / 1000 };
  struct err unused;
  char byte = 0;

  return peer_uid (connection, &unused) == starter && greet (in, connection) == 1 &&
         setsockopt (connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
         recv (connection, &byte, 1, 0) == 1 && byte == REPLY_GO;
}

/* The one who said "go" is the parent from now on: it is told by the end of this connection. */
static int await_start (struct init *in, struct err *e) {
  uid_t starter = peer_uid (in->sync_fd, e);

  if (starter == (uid_t) -1)
    return -1;
  if (in->start_listener < 0)
    return err_set (e, 0, "the parent lets go and nobody can start this container then");
  fd_close (&in->sync_fd);
  for (;;) {
    auto_fd connection = accept4 (in->start_listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0 && errno != EINTR && errno != ECONNABORTED)
      return err_set (e, errno, "cannot wait for \"start\"");
    if (connection >= 0 && says_go (in, connection, starter)) {
      in->sync_fd = fd_release (&connection);
      break;
    }
  }
  fd_close (&in->start_listener);
  fd_close (&in->page_fd);
  prctl (PR_SET_NAME, "gantry:init", 0, 0, 0);
  return 0;
}

int step_sync (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) f;
  char reply = REPLY_GO;

  if ((flags & OPF_LOOKUP) != 0 && program_lookup (in, e) < 0)
    return -1;
  if (in->may_go)
    return 0;
  ssize_t n = recv (in->sync_fd, &reply, 1, MSG_DONTWAIT);
  if (n == 0)
    _exit (127);
  if (n < 0) {
    prctl (PR_SET_NAME, "gantry:created", 0, 0, 0);
    if (say (in, SYNC_CREATED, e) < 0 || hear (in, &reply, e) < 0)
      return -1;
  }
  return reply == REPLY_LET_GO ? await_start (in, e) : 0;
}
