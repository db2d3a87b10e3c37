/* Netlink and namespaces: batches of messages to the kernel, and sockets and settings in a network namespace that is not this
 * process's own. Each call has a thread of its own (addon.h), which enters the namespace and ends with it, so nothing has to be
 * undone. What the messages say is src/linux/netlink's business. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
  MAX_REQUEST_BYTES = 8 << 20,
  MAX_ANSWER_BYTES = 64 << 20,
  ANSWER_BYTES = 64 << 10,   /* one datagram of the kernel's: of a listing at most 32 KiB */
  RECEIVE_BUFFER = 8 << 20,  /* all answers to a batch wait there */
};

struct netlink_job {
  struct addon_job job; /* first */
  int protocol, namespace;
  int socket; /* the caller's, or -1: one for this batch */
  uint8_t *request, *answer; /* owned */
  size_t request_bytes, answer_bytes, capacity;
};

static void release_netlink (struct addon_job *job) {
  struct netlink_job *self = (struct netlink_job *) job;
  free (self->request);
  free (self->answer);
  free (self);
}

static int failed (struct addon_job *job, const char *syscall) {
  job->code = errno;
  job->syscall = syscall;
  return -1;
}

/* -1 = the process's own. */
static int enter (struct addon_job *job, int namespace) {
  return namespace < 0 || setns (namespace, CLONE_NEWNET) == 0 ? 0 : failed (job, "setns");
}

/* Without the privilege for the larger buffers the usual ones must do. */
static int open_netlink (struct netlink_job *self) {
  int yes = 1, receive = RECEIVE_BUFFER;
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, self->protocol);
  if (fd < 0)
    return failed (&self->job, "socket");
  setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive);
  setsockopt (fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
  setsockopt (fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
  setsockopt (fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof yes);
  return fd;
}

static int make_room (struct netlink_job *self) {
  if (self->capacity - self->answer_bytes >= ANSWER_BYTES)
    return 0;
  size_t capacity = self->capacity == 0 ? ANSWER_BYTES : 2 * self->capacity;
  uint8_t *larger = capacity > MAX_ANSWER_BYTES ? NULL : realloc (self->answer, capacity);
  if (larger == NULL) {
    errno = capacity > MAX_ANSWER_BYTES ? EMSGSIZE : ENOMEM;
    return failed (&self->job, "recv");
  }
  self->answer = larger;
  self->capacity = capacity;
  return 0;
}

/* The kernel works on a batch while it is sent, and on a listing while it is received: what is not there now never comes. */
static int receive (struct netlink_job *self, int fd) {
  for (;;) {
    if (make_room (self) < 0)
      return -1;
    ssize_t n = recv (fd, self->answer + self->answer_bytes, ANSWER_BYTES, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno == EAGAIN ? 0 : failed (&self->job, "recv");
    if (n > ANSWER_BYTES) {
      errno = EMSGSIZE;
      return failed (&self->job, "recv");
    }
    self->answer_bytes += (size_t) n;
  }
}

static void converse (struct netlink_job *self, int fd) {
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  int send = (int) self->request_bytes + 65536;
  setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send);
  ssize_t n = sendto (fd, self->request, self->request_bytes, 0, (struct sockaddr *) &kernel, sizeof kernel);
  if (n != (ssize_t) self->request_bytes)
    failed (&self->job, "sendto");
  else
    receive (self, fd);
}

static void run_netlink (struct addon_job *job) {
  struct netlink_job *self = (struct netlink_job *) job;
  if (enter (job, self->namespace) < 0)
    return;
  int fd = open_netlink (self);
  if (fd < 0)
    return;
  converse (self, fd);
  close (fd);
}

/* What an earlier batch that failed half-way has left unread would be taken for answers to this one. */
static void run_netlink_over (struct addon_job *job) {
  struct netlink_job *self = (struct netlink_job *) job;
  if (receive (self, self->socket) < 0)
    return;
  self->answer_bytes = 0;
  converse (self, self->socket);
}

static napi_value netlink_result (napi_env env, const struct addon_job *job) {
  const struct netlink_job *self = (const struct netlink_job *) job;
  napi_value buffer;
  return napi_create_buffer_copy (env, self->answer_bytes, self->answer, NULL, &buffer) == napi_ok ? buffer : NULL;
}

/* Copies the bytes of a Uint8Array; otherwise throws and returns -1. */
static int take_bytes (napi_env env, napi_value value, size_t most, uint8_t **bytes, size_t *size) {
  napi_typedarray_type type;
  void *data;
  if (napi_get_typedarray_info (env, value, &type, size, &data, NULL, NULL) != napi_ok || type != napi_uint8_array ||
      *size == 0 || *size > most) {
    napi_throw_type_error (env, NULL, "bytes are expected, not too many");
    return -1;
  }
  *bytes = malloc (*size);
  if (*bytes == NULL) {
    addon_throw (env, ENOMEM, "malloc", NULL);
    return -1;
  }
  memcpy (*bytes, data, *size);
  return 0;
}

static struct netlink_job *new_netlink_job (napi_env env, void (*run) (struct addon_job *)) {
  struct netlink_job *self = calloc (1, sizeof *self);
  if (self == NULL) {
    addon_throw (env, ENOMEM, "malloc", NULL);
    return NULL;
  }
  self->job = (struct addon_job){ .run = run, .result = netlink_result, .release = release_netlink, .syscall = "sendto" };
  self->socket = -1;
  return self;
}

/* netlink(protocol, namespace, bytes): Promise<Buffer> */
static napi_value netlink (napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  struct netlink_job *self;
  if (addon_arguments (env, info, 3, arguments) < 0 || (self = new_netlink_job (env, run_netlink)) == NULL)
    return NULL;
  if (addon_int (env, arguments[0], &self->protocol) < 0 || addon_int (env, arguments[1], &self->namespace) < 0 ||
      take_bytes (env, arguments[2], MAX_REQUEST_BYTES, &self->request, &self->request_bytes) < 0) {
    release_netlink (&self->job);
    return NULL;
  }
  return addon_start (env, &self->job);
}

/* netlinkOver(socket, bytes): Promise<Buffer> */
static napi_value netlink_over (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct netlink_job *self;
  if (addon_arguments (env, info, 2, arguments) < 0 || (self = new_netlink_job (env, run_netlink_over)) == NULL)
    return NULL;
  if (addon_int (env, arguments[0], &self->socket) < 0 ||
      take_bytes (env, arguments[1], MAX_REQUEST_BYTES, &self->request, &self->request_bytes) < 0) {
    release_netlink (&self->job);
    return NULL;
  }
  return addon_start (env, &self->job);
}

static void run_netlink_socket (struct addon_job *job) {
  struct netlink_job *self = (struct netlink_job *) job;
  if (enter (job, self->namespace) == 0)
    self->socket = open_netlink (self);
}

static napi_value netlink_socket_result (napi_env env, const struct addon_job *job) {
  return addon_number (env, ((const struct netlink_job *) job)->socket);
}

/* netlinkSocket(protocol, namespace): Promise<fd> */
static napi_value netlink_socket (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct netlink_job *self;
  if (addon_arguments (env, info, 2, arguments) < 0 || (self = new_netlink_job (env, run_netlink_socket)) == NULL)
    return NULL;
  self->job.result = netlink_socket_result;
  self->job.syscall = "socket";
  if (addon_int (env, arguments[0], &self->protocol) < 0 || addon_int (env, arguments[1], &self->namespace) < 0) {
    release_netlink (&self->job);
    return NULL;
  }
  return addon_start (env, &self->job);
}

/* ---- sockets ---- */

struct socket_job {
  struct addon_job job; /* first */
  int namespace, type, flags, result;
  socklen_t size;
  struct sockaddr_storage address;
};

enum { LISTEN = 1, V6_ONLY = 2, FREE_BIND = 4, BACKLOG = 128 };

static int bind_socket (struct socket_job *self, int fd) {
  int yes = 1, v6_only = (self->flags & V6_ONLY) != 0;
  if (self->address.ss_family == AF_INET6 && setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) < 0)
    return failed (&self->job, "setsockopt");
  if ((self->flags & FREE_BIND) != 0 && setsockopt (fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes) < 0)
    return failed (&self->job, "setsockopt");
  /* What an earlier listener's connections have left behind is in nobody's way. */
  if ((self->flags & LISTEN) != 0 && setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0)
    return failed (&self->job, "setsockopt");
  if (bind (fd, (struct sockaddr *) &self->address, self->size) < 0)
    return failed (&self->job, "bind");
  return (self->flags & LISTEN) == 0 || listen (fd, BACKLOG) == 0 ? 0 : failed (&self->job, "listen");
}

static void run_socket (struct addon_job *job) {
  struct socket_job *self = (struct socket_job *) job;
  if (enter (job, self->namespace) < 0)
    return;
  int fd = socket (self->address.ss_family, self->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    failed (job, "socket");
  } else if (bind_socket (self, fd) < 0) {
    close (fd);
  } else {
    self->result = fd;
  }
}

static napi_value socket_result (napi_env env, const struct addon_job *job) {
  return addon_number (env, ((const struct socket_job *) job)->result);
}

static void release_socket (struct addon_job *job) {
  free (job);
}

/* boundSocket(namespace, type, flags, sockaddr: Uint8Array): Promise<fd> */
static napi_value bound_socket (napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  struct socket_job *self;
  uint8_t *address;
  size_t size;
  if (addon_arguments (env, info, 4, arguments) < 0)
    return NULL;
  if ((self = calloc (1, sizeof *self)) == NULL)
    return addon_throw (env, ENOMEM, "malloc", NULL);
  self->job = (struct addon_job){ .run = run_socket, .result = socket_result, .release = release_socket, .syscall = "socket" };
  if (addon_int (env, arguments[0], &self->namespace) < 0 || addon_int (env, arguments[1], &self->type) < 0 ||
      addon_int (env, arguments[2], &self->flags) < 0 ||
      take_bytes (env, arguments[3], sizeof self->address, &address, &size) < 0) {
    free (self);
    return NULL;
  }
  memcpy (&self->address, address, size);
  self->size = (socklen_t) size;
  free (address);
  return addon_start (env, &self->job);
}

/* ---- settings ---- */

struct settings_job {
  struct addon_job job; /* first */
  int namespace;
  size_t size;
  char *text; /* owned: path NUL value NUL path NUL … */
};

static int write_setting (struct addon_job *job, const char *path, const char *value) {
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return failed (job, "open");
  ssize_t n = write (fd, value, strlen (value));
  if (n < 0)
    failed (job, "write");
  close (fd);
  return n < 0 ? -1 : 0;
}

/* Below /proc/sys/net everybody sees the settings of his own network namespace. */
static void run_settings (struct addon_job *job) {
  struct settings_job *self = (struct settings_job *) job;
  if (enter (job, self->namespace) < 0)
    return;
  for (const char *path = self->text; path < self->text + self->size;) {
    const char *value = path + strlen (path) + 1;
    if (value >= self->text + self->size || strncmp (path, "/proc/sys/net/", 14) != 0) {
      errno = EINVAL;
      failed (job, "open");
      return;
    }
    if (write_setting (job, path, value) < 0) {
      snprintf (job->detail, sizeof job->detail, "%.400s", path);
      return;
    }
    path = value + strlen (value) + 1;
  }
}

static void release_settings (struct addon_job *job) {
  free (((struct settings_job *) job)->text);
  free (job);
}

/* writeNetSettings(namespace, text: Uint8Array): Promise<void> */
static napi_value write_settings (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  struct settings_job *self;
  if (addon_arguments (env, info, 2, arguments) < 0)
    return NULL;
  if ((self = calloc (1, sizeof *self)) == NULL)
    return addon_throw (env, ENOMEM, "malloc", NULL);
  self->job = (struct addon_job){ .run = run_settings, .release = release_settings, .syscall = "open" };
  if (addon_int (env, arguments[0], &self->namespace) < 0 ||
      take_bytes (env, arguments[1], 65536, (uint8_t **) &self->text, &self->size) < 0) {
    release_settings (&self->job);
    return NULL;
  }
  if (self->text[self->size - 1] != 0) {
    release_settings (&self->job);
    napi_throw_type_error (env, NULL, "text that ends with NUL is expected");
    return NULL;
  }
  return addon_start (env, &self->job);
}

int addon_register_netlink (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "netlink", netlink) < 0 ||
      addon_add_function (env, exports, "netlinkSocket", netlink_socket) < 0 ||
      addon_add_function (env, exports, "netlinkOver", netlink_over) < 0 ||
      addon_add_function (env, exports, "boundSocket", bound_socket) < 0)
    return -1;
  return addon_add_function (env, exports, "writeNetSettings", write_settings);
}
