/* Unix sockets, as far as the interpreter does not know them: who is at the other end, handing descriptors over, datagrams; and
 * what is still on its way through any socket. */
#include "addon.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_FDS = 8 };

/* peerCredentials(fd): [pid, uid] of who connected */
static napi_value peer_credentials (napi_env env, napi_callback_info info) {
  napi_value argument, pair;
  struct ucred peer;
  socklen_t size = sizeof peer;
  int fd;
  if (addon_arguments (env, info, 1, &argument) < 0 || addon_int (env, argument, &fd) < 0)
    return NULL;
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    return addon_throw (env, errno, "getsockopt", NULL);
  if (napi_create_array_with_length (env, 2, &pair) != napi_ok ||
      napi_set_element (env, pair, 0, addon_number (env, peer.pid)) != napi_ok ||
      napi_set_element (env, pair, 1, addon_number (env, peer.uid)) != napi_ok)
    return NULL;
  return pair;
}

static int take_descriptors (napi_env env, napi_value array, int *fds, uint32_t *count) {
  napi_value item;
  if (napi_get_array_length (env, array, count) != napi_ok || *count > MAX_FDS) {
    napi_throw_type_error (env, NULL, "an array of few descriptors is expected");
    return -1;
  }
  for (uint32_t i = 0; i < *count; i++)
    if (napi_get_element (env, array, i, &item) != napi_ok || addon_int (env, item, &fds[i]) < 0)
      return -1;
  return 0;
}

static ssize_t send_once (int fd, void *bytes, size_t size, const int *fds, uint32_t count) {
  _Alignas (struct cmsghdr) char control[CMSG_SPACE (MAX_FDS * sizeof (int))] = { 0 };
  struct iovec part = { .iov_base = bytes, .iov_len = size };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE (count * sizeof (int));
    struct cmsghdr *rights = CMSG_FIRSTHDR (&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN (count * sizeof (int));
    memcpy (CMSG_DATA (rights), fds, count * sizeof (int));
  }
  return sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* sendDescriptors(fd, bytes, fds): all at once, without waiting; EAGAIN when there is no room */
static napi_value send_descriptors (napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  napi_typedarray_type type;
  int fd, fds[MAX_FDS];
  uint32_t count;
  size_t size;
  void *bytes;
  if (addon_arguments (env, info, 3, arguments) < 0 || addon_int (env, arguments[0], &fd) < 0 ||
      take_descriptors (env, arguments[2], fds, &count) < 0)
    return NULL;
  if (napi_get_typedarray_info (env, arguments[1], &type, &size, &bytes, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    napi_throw_type_error (env, NULL, "bytes are expected");
    return NULL;
  }
  ssize_t sent = send_once (fd, bytes, size, fds, count);
  if (sent < 0 || (size_t) sent < size)
    return addon_throw (env, sent < 0 ? errno : EAGAIN, "sendmsg", NULL);
  return NULL;
}

/* `name`: a path, or an abstract name after "@" */
static int connect_to (const char *name) {
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  size_t length = strlen (name);
  if (length >= sizeof to.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy (to.sun_path, name, length);
  if (name[0] == '@')
    to.sun_path[0] = '\0'; /* such a name is as long as the address says, without a NUL at its end */
  else
    length++;
  socklen_t size = offsetof (struct sockaddr_un, sun_path) + length;
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && connect (fd, (struct sockaddr *) &to, size) < 0) {
    int code = errno;
    close (fd);
    errno = code;
    return -1;
  }
  return fd;
}

/* connectUnixDatagram(name): a descriptor */
static napi_value connect_unix_datagram (napi_env env, napi_callback_info info) {
  napi_value argument;
  if (addon_arguments (env, info, 1, &argument) < 0)
    return NULL;
  char *name = addon_path (env, argument);
  if (name == NULL)
    return NULL;
  int fd = connect_to (name), code = errno;
  free (name);
  return fd < 0 ? addon_throw (env, code, "connect", NULL) : addon_number (env, fd);
}

/* unsentBytes(fd): of TCP what the peer's kernel has not acknowledged, of a unix stream what the peer has not read */
static napi_value unsent_bytes (napi_env env, napi_callback_info info) {
  napi_value argument;
  int fd, bytes;
  if (addon_arguments (env, info, 1, &argument) < 0 || addon_int (env, argument, &fd) < 0)
    return NULL;
  return ioctl (fd, SIOCOUTQ, &bytes) < 0 ? addon_throw (env, errno, "ioctl", NULL) : addon_number (env, bytes);
}

int addon_register_peers (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "peerCredentials", peer_credentials) < 0 ||
      addon_add_function (env, exports, "connectUnixDatagram", connect_unix_datagram) < 0 ||
      addon_add_function (env, exports, "unsentBytes", unsent_bytes) < 0)
    return -1;
  return addon_add_function (env, exports, "sendDescriptors", send_descriptors);
}
