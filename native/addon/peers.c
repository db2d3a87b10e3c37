/* Unix sockets, as far as the interpreter does not know them: who is at the other end, and handing descriptors over. */
#include "addon.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

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

int addon_register_peers (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "peerCredentials", peer_credentials) < 0)
    return -1;
  return addon_add_function (env, exports, "sendDescriptors", send_descriptors);
}
