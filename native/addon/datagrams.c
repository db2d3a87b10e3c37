/* Sockets that containers write to, read at a pace that the daemon sets: one thread waits for all of them, takes a little
 * of each in turn, hands a batch to the loop and reads on only when one of its two batches is free again. Behind that the
 * kernel's buffers fill up and drop, so neither memory nor the loop belongs to whoever sends fastest.
 *
 * A batch, and what sendDatagrams takes, is a sequence of records in the host's byte order:
 *   u32 key, u32 kind, u32 value, u32 length of the address, 28 bytes of address, then the datagram, padded to 4 bytes
 * `value` is the datagram's length, the accepted descriptor, or the errno that ended the watching. */
#include "addon.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAM_BYTES = 4096, ADDRESS_BYTES = 28, EVENTS = 8, PER_SOCKET = 32, BATCHES = 2, SEND_AT_ONCE = 64 };
enum kind { KIND_DATAGRAM = 0, KIND_CONNECTION = 1, KIND_ERROR = 2 };

struct record {
  uint32_t key, kind, value, address_length;
  unsigned char address[ADDRESS_BYTES];
};

enum { BATCH_BYTES = EVENTS * PER_SOCKET * (sizeof (struct record) + DATAGRAM_BYTES) };

struct batch {
  struct socket_loop *loop;
  int is_free;
  size_t used;
  unsigned char bytes[BATCH_BYTES];
};

/* Lives as long as the process, as its thread does. */
struct socket_loop {
  int epoll;
  napi_threadsafe_function deliver;
  pthread_mutex_t reading; /* held while descriptors are used, so that nobody closes one meanwhile */
  pthread_mutex_t lock;    /* of is_free */
  pthread_cond_t freed;
  struct batch batches[BATCHES];
  struct mmsghdr headers[PER_SOCKET];
  struct iovec parts[PER_SOCKET];
  struct sockaddr_storage addresses[PER_SOCKET];
  unsigned char datagrams[PER_SOCKET][DATAGRAM_BYTES];
};

static size_t padded (size_t length) {
  return (length + 3) & ~(size_t) 3;
}

/* ---- on the thread ---- */

static void add_record (struct batch *batch, struct record *record, const void *data, size_t length) {
  memcpy (batch->bytes + batch->used, record, sizeof *record);
  batch->used += sizeof *record;
  if (length == 0)
    return;
  memcpy (batch->bytes + batch->used, data, length);
  memset (batch->bytes + batch->used + length, 0, padded (length) - length);
  batch->used += padded (length);
}

/* Whoever asked for the socket hears why, and may ask again: an error that stays would keep the thread busy. */
static void end_watch (struct socket_loop *loop, struct batch *batch, int fd, uint32_t key, int code) {
  struct record record = { .key = key, .kind = KIND_ERROR, .value = (uint32_t) code };
  epoll_ctl (loop->epoll, EPOLL_CTL_DEL, fd, NULL);
  add_record (batch, &record, NULL, 0);
}

static void read_datagrams (struct socket_loop *loop, struct batch *batch, int fd, uint32_t key) {
  for (int i = 0; i < PER_SOCKET; i++) {
    loop->parts[i] = (struct iovec){ loop->datagrams[i], DATAGRAM_BYTES };
    loop->headers[i].msg_hdr = (struct msghdr){ .msg_name = &loop->addresses[i],
                                                .msg_namelen = sizeof loop->addresses[i],
                                                .msg_iov = &loop->parts[i],
                                                .msg_iovlen = 1 };
  }
  int count = recvmmsg (fd, loop->headers, PER_SOCKET, MSG_DONTWAIT, NULL);
  if (count < 0 && errno != EAGAIN && errno != EINTR)
    end_watch (loop, batch, fd, key, errno);
  for (int i = 0; i < count; i++) {
    const struct msghdr *header = &loop->headers[i].msg_hdr;
    if ((header->msg_flags & MSG_TRUNC) != 0 || header->msg_namelen > ADDRESS_BYTES)
      continue;
    struct record record = { .key = key,
                             .kind = KIND_DATAGRAM,
                             .value = loop->headers[i].msg_len,
                             .address_length = header->msg_namelen };
    memcpy (record.address, &loop->addresses[i], header->msg_namelen);
    add_record (batch, &record, loop->datagrams[i], loop->headers[i].msg_len);
  }
}

/* One, and then no more until it is asked for again: how many there may be is the daemon's to know. */
static void accept_connection (struct socket_loop *loop, struct batch *batch, int fd, uint32_t key) {
  int connection = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection < 0) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
      end_watch (loop, batch, fd, key, errno);
    return;
  }
  struct record record = { .key = key, .kind = KIND_CONNECTION, .value = (uint32_t) connection };
  epoll_ctl (loop->epoll, EPOLL_CTL_DEL, fd, NULL);
  add_record (batch, &record, NULL, 0);
}

/* What is fetched always fits: every socket that is ready gets its turn before one gets a second. */
static void read_ready (struct socket_loop *loop, struct batch *batch) {
  struct epoll_event events[EVENTS];
  pthread_mutex_lock (&loop->reading);
  int count = epoll_wait (loop->epoll, events, EVENTS, 0);
  for (int i = 0; i < count; i++) {
    uint32_t key = (uint32_t) (events[i].data.u64 >> 32);
    int fd = (int) (events[i].data.u64 & INT32_MAX);
    if ((events[i].data.u64 & 0x80000000u) != 0)
      accept_connection (loop, batch, fd, key);
    else
      read_datagrams (loop, batch, fd, key);
  }
  pthread_mutex_unlock (&loop->reading);
}

static struct batch *take_batch (struct socket_loop *loop) {
  struct batch *batch = NULL;
  pthread_mutex_lock (&loop->lock);
  for (;;) {
    for (int i = 0; i < BATCHES && batch == NULL; i++)
      if (loop->batches[i].is_free)
        batch = &loop->batches[i];
    if (batch != NULL)
      break;
    pthread_cond_wait (&loop->freed, &loop->lock);
  }
  batch->is_free = 0;
  batch->used = 0;
  pthread_mutex_unlock (&loop->lock);
  return batch;
}

static void free_batch (struct batch *batch) {
  pthread_mutex_lock (&batch->loop->lock);
  batch->is_free = 1;
  pthread_cond_signal (&batch->loop->freed);
  pthread_mutex_unlock (&batch->loop->lock);
}

static void *run (void *data) {
  struct socket_loop *loop = data;
  struct pollfd ready = { .fd = loop->epoll, .events = POLLIN };
  for (;;) {
    if (poll (&ready, 1, -1) <= 0)
      continue;
    struct batch *batch = take_batch (loop);
    read_ready (loop, batch);
    if (batch->used == 0)
      free_batch (batch);
    else if (napi_call_threadsafe_function (loop->deliver, batch, napi_tsfn_blocking) != napi_ok)
      return NULL; /* the environment ends */
  }
}

/* ---- on the loop ---- */

static void deliver (napi_env env, napi_value callback, void *context, void *data) {
  (void) context;
  struct batch *batch = data;
  napi_value bytes = NULL, undefined;
  int is_ready = env != NULL && napi_get_undefined (env, &undefined) == napi_ok &&
                 napi_create_buffer_copy (env, batch->used, batch->bytes, NULL, &bytes) == napi_ok;
  if (is_ready)
    napi_call_function (env, undefined, callback, 1, &bytes, NULL);
  free_batch (batch);
}

static struct socket_loop *new_loop (void) {
  struct socket_loop *loop = calloc (1, sizeof *loop);
  if (loop == NULL)
    return NULL;
  loop->epoll = epoll_create1 (EPOLL_CLOEXEC);
  if (loop->epoll < 0) {
    free (loop);
    return NULL;
  }
  for (int i = 0; i < BATCHES; i++) {
    loop->batches[i].loop = loop;
    loop->batches[i].is_free = 1;
  }
  pthread_mutex_init (&loop->reading, NULL);
  pthread_mutex_init (&loop->lock, NULL);
  pthread_cond_init (&loop->freed, NULL);
  return loop;
}

/* socketLoop(deliver): what the functions below take; for the process's life. It does not keep the process alive. */
static napi_value socket_loop (napi_env env, napi_callback_info info) {
  napi_value callback, name, handle;
  if (addon_arguments (env, info, 1, &callback) < 0)
    return NULL;
  struct socket_loop *loop = new_loop ();
  if (loop == NULL)
    return addon_throw (env, errno, "epoll_create1", NULL);
  if (napi_create_string_utf8 (env, "sockets", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function (env, callback, NULL, name, 0, 1, NULL, NULL, NULL, deliver, &loop->deliver) !=
        napi_ok ||
      napi_unref_threadsafe_function (env, loop->deliver) != napi_ok ||
      napi_create_external (env, loop, NULL, NULL, &handle) != napi_ok) {
    napi_throw_error (env, NULL, "cannot prepare a thread");
    return NULL;
  }
  int code = addon_thread (run, loop);
  return code == 0 ? handle : addon_throw (env, code, "pthread_create", NULL);
}

static struct socket_loop *loop_of (napi_env env, napi_value value) {
  void *loop;
  if (napi_get_value_external (env, value, &loop) == napi_ok)
    return loop;
  napi_throw_type_error (env, NULL, "a socket loop is expected");
  return NULL;
}

/* watchSocket(loop, fd, key, isListening) */
static napi_value watch_socket (napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  int fd, key, is_listening;
  if (addon_arguments (env, info, 4, arguments) < 0 || addon_int (env, arguments[1], &fd) < 0 ||
      addon_int (env, arguments[2], &key) < 0 || addon_int (env, arguments[3], &is_listening) < 0)
    return NULL;
  struct socket_loop *loop = loop_of (env, arguments[0]);
  if (loop == NULL)
    return NULL;
  struct epoll_event event = { .events = EPOLLIN };
  event.data.u64 = (uint64_t) (uint32_t) key << 32 | (is_listening ? 0x80000000u : 0) | (uint32_t) fd;
  if (epoll_ctl (loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
    return addon_throw (env, errno, "epoll_ctl", NULL);
  return NULL;
}

/* unwatchSocket(loop, fd): when it returns, the thread does not use the descriptor any more */
static napi_value unwatch_socket (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int fd;
  if (addon_arguments (env, info, 2, arguments) < 0 || addon_int (env, arguments[1], &fd) < 0)
    return NULL;
  struct socket_loop *loop = loop_of (env, arguments[0]);
  if (loop == NULL)
    return NULL;
  pthread_mutex_lock (&loop->reading);
  int code = epoll_ctl (loop->epoll, EPOLL_CTL_DEL, fd, NULL) < 0 ? errno : 0;
  pthread_mutex_unlock (&loop->reading);
  return code == 0 || code == ENOENT ? NULL : addon_throw (env, code, "epoll_ctl", NULL);
}

/* ---- sending ---- */

/* The headers of at most SEND_AT_ONCE records from *at on; -1 when one does not lie within. */
static int take_records (unsigned char *bytes, size_t size, size_t *at, struct mmsghdr *headers, struct iovec *parts) {
  int count = 0;
  for (; count < SEND_AT_ONCE && *at < size; count++) {
    struct record record;
    if (size - *at < sizeof record)
      return -1;
    memcpy (&record, bytes + *at, sizeof record);
    size_t rest = size - *at - sizeof record;
    if (record.address_length > ADDRESS_BYTES || record.value > rest || padded (record.value) > rest)
      return -1;
    parts[count] = (struct iovec){ bytes + *at + sizeof record, record.value };
    headers[count].msg_hdr = (struct msghdr){ .msg_iov = &parts[count], .msg_iovlen = 1 };
    if (record.address_length > 0) {
      headers[count].msg_hdr.msg_name = bytes + *at + offsetof (struct record, address);
      headers[count].msg_hdr.msg_namelen = record.address_length;
    }
    *at += sizeof record + padded (record.value);
  }
  return count;
}

/* How many were sent; one that the kernel refuses is left out, when there is no room all the others are. */
static int send_all (int fd, struct mmsghdr *headers, int count) {
  int sent = 0;
  for (int at = 0; at < count;) {
    int now = sendmmsg (fd, headers + at, (unsigned) (count - at), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EBADF))
      break;
    sent += now > 0 ? now : 0;
    at += now > 0 ? now : 1;
  }
  return sent;
}

/* sendDatagrams(fd, records): how many were sent, without waiting */
static napi_value send_datagrams (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  napi_typedarray_type type;
  struct mmsghdr headers[SEND_AT_ONCE] = { 0 };
  struct iovec parts[SEND_AT_ONCE];
  size_t size, at = 0;
  void *bytes;
  int fd, sent = 0;
  if (addon_arguments (env, info, 2, arguments) < 0 || addon_int (env, arguments[0], &fd) < 0)
    return NULL;
  if (napi_get_typedarray_info (env, arguments[1], &type, &size, &bytes, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    napi_throw_type_error (env, NULL, "bytes are expected");
    return NULL;
  }
  while (at < size) {
    int count = take_records (bytes, size, &at, headers, parts);
    if (count < 0)
      return addon_throw (env, EINVAL, "sendmmsg", NULL);
    sent += send_all (fd, headers, count);
  }
  return addon_number (env, sent);
}

int addon_register_datagrams (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "socketLoop", socket_loop) < 0 ||
      addon_add_function (env, exports, "watchSocket", watch_socket) < 0 ||
      addon_add_function (env, exports, "unwatchSocket", unwatch_socket) < 0)
    return -1;
  return addon_add_function (env, exports, "sendDatagrams", send_datagrams);
}
