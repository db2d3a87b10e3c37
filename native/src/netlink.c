#include "netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "clock.h"
#include "fds.h"

/* The kernel answers in the same system call: only a lost answer is ever waited for. */
#define ANSWER_SECONDS 5
#define MAX_ANSWER 65536

int netlink_open (void) {
  struct timeval patience = { .tv_sec = ANSWER_SECONDS };
  int yes = 1;
  auto_fd fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

  if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
      setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
    return -1;
  /* So that listings are filtered by what the request says; without (before 4.20) they hold more than asked. */
  setsockopt (fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof yes);
  return fd_release (&fd);
}

static void append (struct netlink_message *m, const void *data, size_t size) {
  if (NLMSG_ALIGN (m->header.nlmsg_len) + NLMSG_ALIGN (size) > sizeof *m)
    abort ();
  memcpy (m->bytes + NLMSG_ALIGN (m->header.nlmsg_len), data, size);
  m->header.nlmsg_len = NLMSG_ALIGN (m->header.nlmsg_len) + (uint32_t) size;
}

void netlink_begin (struct netlink_message *m, uint16_t type, uint16_t flags, const void *fixed, size_t size) {
  memset (m, 0, sizeof *m);
  m->header = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN,
                                 .nlmsg_type = type,
                                 .nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags) };
  append (m, fixed, size);
}

void netlink_put (struct netlink_message *m, uint16_t attribute, const void *data, size_t size) {
  struct nlattr header = { .nla_len = (uint16_t) (NLA_HDRLEN + size), .nla_type = attribute };

  append (m, &header, sizeof header);
  append (m, data, size);
}

/* 1: there is more to come, 0: the end, -1 with errno. */
static int take_one (const struct nlmsghdr *answer, netlink_take *take, void *context) {
  int code = 0;

  if ((answer->nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
    errno = EAGAIN;
    return -1;
  }
  if (answer->nlmsg_type != NLMSG_ERROR && answer->nlmsg_type != NLMSG_DONE) {
    if (take != NULL)
      take (answer, context);
    return 1;
  }
  if (answer->nlmsg_len >= NLMSG_LENGTH (sizeof code))
    memcpy (&code, NLMSG_DATA (answer), sizeof code);
  errno = -code;
  return code == 0 ? 0 : -1;
}

static int take_all (const char *bytes, size_t size, uint32_t sequence, netlink_take *take, void *context) {
  const struct nlmsghdr *answer = (const struct nlmsghdr *) bytes;
  int result = 1;

  for (; result > 0 && NLMSG_OK (answer, size); answer = NLMSG_NEXT (answer, size))
    if (answer->nlmsg_seq == sequence)
      result = take_one (answer, take, context);
  return result;
}

/* One datagram of the kernel's. */
static ssize_t receive (int socket, char *bytes) {
  struct sockaddr_nl from = { 0 };
  socklen_t size = sizeof from;
  ssize_t n = recvfrom (socket, bytes, MAX_ANSWER, MSG_TRUNC, (struct sockaddr *) &from, &size);

  if (n < 0 && errno == EAGAIN)
    errno = ETIMEDOUT;
  if (n > MAX_ANSWER) {
    errno = EMSGSIZE;
    return -1;
  }
  return n >= 0 && from.nl_pid != 0 ? 0 : n;
}

int netlink_ask (int socket, struct netlink_message *m, netlink_take *take, void *context) {
  static uint32_t sequence;
  int64_t until = clock_monotonic_ms () + ANSWER_SECONDS * 1000;
  char *bytes = malloc (MAX_ANSWER);
  int result = 1;

  m->header.nlmsg_seq = ++sequence;
  if (bytes == NULL || send (socket, m, m->header.nlmsg_len, 0) < 0)
    result = -1;
  while (result > 0) {
    ssize_t n = receive (socket, bytes);
    if (n >= 0 && clock_monotonic_ms () > until) {
      errno = ETIMEDOUT;
      n = -1;
    }
    result = n < 0 ? -1 : take_all (bytes, (size_t) n, m->header.nlmsg_seq, take, context);
  }
  int code = errno;
  free (bytes);
  errno = code;
  return result;
}

const void *netlink_attribute (const struct nlmsghdr *answer, size_t fixed, uint16_t type, size_t size) {
  size_t at = NLMSG_HDRLEN + NLMSG_ALIGN (fixed);

  while (at + NLA_HDRLEN <= answer->nlmsg_len) {
    const struct nlattr *a = (const struct nlattr *) ((const char *) answer + at);
    if (a->nla_len < NLA_HDRLEN || a->nla_len > answer->nlmsg_len - at)
      return NULL;
    if ((a->nla_type & NLA_TYPE_MASK) == type)
      return a->nla_len - (size_t) NLA_HDRLEN >= size ? (const char *) a + NLA_HDRLEN : NULL;
    at += NLA_ALIGN (a->nla_len);
  }
  return NULL;
}
