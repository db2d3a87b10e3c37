#include "notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fds.h"
#include "init.h"

/* How long an agent may take to accept, and again to receive. */
#define AGENT_SECONDS 5

struct notify {
  pid_t container; /* of a joining plan: its container's init; else 0 */
  size_t size;
  uint8_t payload[]; /* of the SECCOMP op */
};

/* ---- before the clone ---- */

static pid_t pid_of_pidfd (int pidfd) {
  char path[64], text[1024];

  snprintf (path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  auto_fd file = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? -1 : read (file, text, sizeof text - 1);
  text[n < 0 ? 0 : n] = '\0';
  const char *line = strstr (text, "\nPid:");
  return line == NULL ? -1 : (pid_t) strtol (line + 5, NULL, 10);
}

static const char *listener_of (const uint8_t *payload, size_t size, struct strings *parts) {
  struct fields f = fields_of (payload, size);

  take_u32 (&f);
  take_blob (&f);
  const char *listener = take_str (&f);
  *parts = take_strv (&f);
  return listener;
}

int notify_prepare (const struct plan *p, int init_pidfd, struct notify **out, struct err *e) {
  struct strings parts;

  *out = NULL;
  for (uint32_t i = 0; i < p->op_count; i++) {
    const struct plan_op_view *op = &p->ops[i];
    if (op->kind != OP_SECCOMP || listener_of (op->payload, op->size, &parts)[0] == '\0')
      continue;
    struct notify *n = malloc (sizeof *n + op->size);
    if (n == NULL)
      return err_set (e, ENOMEM, "cannot remember the seccomp agent");
    n->container = init_pidfd < 0 ? 0 : pid_of_pidfd (init_pidfd);
    n->size = op->size;
    memcpy (n->payload, op->payload, op->size);
    *out = n;
    return n->container < 0 ? err_set (e, ESRCH, "cannot find out the container's pid") : 0;
  }
  return 0;
}

/* ---- the parent ---- */

/* The parts with the pid between each two. To be freed. */
static char *compose (struct strings parts, pid_t pid, size_t *size) {
  struct strings again = parts;
  char number[16];
  size_t total = 1, digits = (size_t) snprintf (number, sizeof number, "%d", pid);

  for (uint32_t i = 0; i < parts.count; i++)
    total += strlen (take_str (&parts.rest)) + digits;
  char *text = malloc (total), *at = text;
  for (uint32_t i = 0; text != NULL && i < again.count; i++) {
    if (i > 0)
      at = stpcpy (at, number);
    at = stpcpy (at, take_str (&again.rest));
  }
  *size = (size_t) (at - text);
  return text;
}

static int connect_agent (const char *path, struct err *e) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct timeval patience = { .tv_sec = AGENT_SECONDS };
  auto_fd agent = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  strncpy (address.sun_path, path, sizeof address.sun_path - 1);
  if (agent < 0 || setsockopt (agent, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
    return err_set (e, errno, "cannot make a socket for the seccomp agent");
  if (connect (agent, (struct sockaddr *) &address, sizeof address) < 0)
    return err_set (e, errno == EAGAIN ? ETIMEDOUT : errno, "cannot reach the seccomp agent at \"%s\"", path);
  return fd_release (&agent);
}

/* The descriptor goes with the first byte; a stream may take the rest in pieces. */
static int send_state (int agent, const char *text, size_t size, int listener) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control = { .header = {
                    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN (sizeof listener) } };
  struct iovec data = { (void *) (uintptr_t) text, size };
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };

  memcpy (CMSG_DATA (&control.header), &listener, sizeof listener);
  ssize_t n = sendmsg (agent, &message, MSG_NOSIGNAL);
  for (size_t sent = 0; n >= 0; n = send (agent, text + sent, size - sent, MSG_NOSIGNAL)) {
    sent += (size_t) n;
    if (sent == size)
      return 0;
  }
  return -1;
}

int notify_hand_over (const struct notify *n, int pidfd, pid_t pid, int number, struct err *e) {
  struct strings parts;
  const char *path = listener_of (n->payload, n->size, &parts);
  size_t size;
  auto_fd listener = pidfd_getfd (pidfd, number, 0);

  if (listener < 0)
    return err_set (e, errno, "cannot take the seccomp notification descriptor");
  auto_fd agent = connect_agent (path, e);
  if (agent < 0)
    return -1;
  char *text = compose (parts, n->container != 0 ? n->container : pid, &size);
  if (text == NULL)
    return err_set (e, ENOMEM, "cannot describe the container to the seccomp agent");
  int result = send_state (agent, text, size, listener);
  int code = errno == EAGAIN ? ETIMEDOUT : errno;
  free (text);
  return result < 0 ? err_set (e, code, "cannot send to the seccomp agent at \"%s\"", path) : 0;
}

/* ---- the child ---- */

/* Nothing here may wait for an answer of the agent before it has the descriptor, except where it then will answer. */
int notify_offer (struct init *in, int listener, struct err *e) {
  char byte = SYNC_LISTENER;

  in->progress->listener = listener;
  if (write (in->sync_fd, &byte, 1) != 1)
    return err_set (e, errno, "cannot report the seccomp notification descriptor");
  if (await_parent (in, &in->progress->listener_taken) < 0)
    return err_set (e, ETIMEDOUT, "cannot wait for the seccomp agent");
  close (listener); /* a filter may forbid it: execve does it as well */
  return 0;
}
