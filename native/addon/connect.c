/* Connections that start in another socket's network namespace. The thread that makes one joins that namespace and ends
 * afterwards; no other thread of the daemon ever leaves its own. */
#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct connect_job {
  struct addon_job job;
  int namespace; /* or -1 */
  int type;
  int port;
  int timeout_ms;
  char *address;
  int fd;
};

/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; the interface is one of the namespace that the thread is in. */
static socklen_t parse_address (char *text, int port, struct sockaddr_storage *to) {
  struct sockaddr_in *v4 = (struct sockaddr_in *) to;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) to;
  memset (to, 0, sizeof *to);
  if (inet_pton (AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons ((uint16_t) port);
    return sizeof *v4;
  }
  char *zone = strchr (text, '%');
  if (zone != NULL)
    *zone++ = 0;
  if (inet_pton (AF_INET6, text, &v6->sin6_addr) != 1 ||
      (zone != NULL && (v6->sin6_scope_id = if_nametoindex (zone)) == 0))
    return 0;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons ((uint16_t) port);
  return sizeof *v6;
}

static int connect_within (int fd, const struct sockaddr_storage *address, socklen_t length, int timeout_ms) {
  struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
  if (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
    return errno;
  if (connect (fd, (const struct sockaddr *) address, length) < 0)
    return errno == EINPROGRESS ? ETIMEDOUT : errno; /* that is what a time-out of the socket's is called there */
  return fcntl (fd, F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

static void run (struct addon_job *base) {
  struct connect_job *job = (struct connect_job *) base;
  struct sockaddr_storage address;
  if (job->namespace >= 0 && setns (job->namespace, CLONE_NEWNET) < 0) {
    base->code = errno;
    return;
  }
  socklen_t length = parse_address (job->address, job->port, &address);
  if (length == 0) {
    base->code = EINVAL;
    return;
  }
  int fd = socket (address.ss_family, job->type | SOCK_CLOEXEC, 0);
  base->code = fd < 0 ? errno : connect_within (fd, &address, length, job->timeout_ms);
  if (base->code == 0)
    job->fd = fd;
  else if (fd >= 0)
    close (fd);
}

static napi_value result (napi_env env, const struct addon_job *base) {
  return addon_number (env, ((const struct connect_job *) base)->fd);
}

static void release (struct addon_job *base) {
  struct connect_job *job = (struct connect_job *) base;
  if (job->namespace >= 0)
    close (job->namespace);
  free (job->address);
  free (job);
}

/* connectSocket(like, isStream, address, port, timeoutMs): promise of a descriptor; like -1: this process's namespace */
static napi_value connect_socket (napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  int like, is_stream, port, timeout_ms;
  if (addon_arguments (env, info, 5, arguments) < 0 || addon_int (env, arguments[0], &like) < 0 ||
      addon_int (env, arguments[1], &is_stream) < 0 || addon_int (env, arguments[3], &port) < 0 ||
      addon_int (env, arguments[4], &timeout_ms) < 0)
    return NULL;
  /* Now and not on the thread: the caller may close `like` as soon as it has its promise. */
  int namespace = like < 0 ? -1 : ioctl (like, SIOCGSKNS);
  if (like >= 0 && namespace < 0)
    return addon_throw (env, errno, "ioctl", NULL);
  struct connect_job *job = calloc (1, sizeof *job);
  char *address = job == NULL ? NULL : addon_path (env, arguments[2]);
  if (address == NULL) {
    if (namespace >= 0)
      close (namespace);
    free (job);
    return job == NULL ? addon_throw (env, ENOMEM, "malloc", NULL) : NULL;
  }
  *job = (struct connect_job){ .job = { run, result, release, .syscall = "connect" },
                               .namespace = namespace,
                               .type = is_stream ? SOCK_STREAM : SOCK_DGRAM,
                               .port = port,
                               .timeout_ms = timeout_ms,
                               .address = address,
                               .fd = -1 };
  return addon_start (env, &job->job);
}

int addon_register_connect (napi_env env, napi_value exports) {
  return addon_add_function (env, exports, "connectSocket", connect_socket);
}
