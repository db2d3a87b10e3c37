#include "tree_output.h"

#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20, SEND_BYTES = 256 << 10 };

int output_open (struct output *o, int fd, struct err *e) {
  *o = (struct output){ .fd = fd, .buffer = malloc (BUFFER_BYTES), .can_send = true };
  if (o->buffer == NULL)
    return err_set (e, ENOMEM, "cannot write an archive");
  fcntl (fd, F_SETPIPE_SZ, BUFFER_BYTES); /* no pipe, or over the user's limit: slower, but fine */
  return 0;
}

void output_close (struct output *o) {
  free (o->buffer);
  o->buffer = NULL;
}

static int write_all (int fd, const uint8_t *bytes, size_t size, struct err *e) {
  while (size > 0) {
    ssize_t n = write (fd, bytes, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_set (e, errno, "cannot write the archive");
    bytes += n;
    size -= (size_t) n;
  }
  return 0;
}

int output_flush (struct output *o, struct err *e) {
  size_t used = o->used;
  o->used = 0;
  return write_all (o->fd, o->buffer, used, e);
}

/* Room for at least one byte. */
static int make_room (struct output *o, size_t *room, struct err *e) {
  if (o->used == BUFFER_BYTES && output_flush (o, e) < 0)
    return -1;
  *room = BUFFER_BYTES - o->used;
  return 0;
}

int output_write (struct output *o, const void *bytes, size_t size, struct err *e) {
  const uint8_t *from = bytes;
  while (size > 0) {
    size_t room;
    if (make_room (o, &room, e) < 0)
      return -1;
    size_t part = size < room ? size : room;
    memcpy (o->buffer + o->used, from, part);
    o->used += part;
    from += part;
    size -= part;
  }
  return 0;
}

int output_zeros (struct output *o, size_t size, struct err *e) {
  while (size > 0) {
    size_t room;
    if (make_room (o, &room, e) < 0)
      return -1;
    size_t part = size < room ? size : room;
    memset (o->buffer + o->used, 0, part);
    o->used += part;
    size -= part;
  }
  return 0;
}

/* From file to pipe without passing here. Stops early when the file ends or the kernel cannot. */
static int send_file (struct output *o, int file, uint64_t *left, struct err *e) {
  if (output_flush (o, e) < 0)
    return -1;
  while (*left > 0) {
    size_t part = *left < BUFFER_BYTES ? (size_t) *left : BUFFER_BYTES;
    ssize_t n = sendfile (o->fd, file, NULL, part);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
      o->can_send = false;
      return 0;
    }
    if (n < 0)
      return err_set (e, errno, "cannot copy its content");
    if (n == 0)
      return 0;
    *left -= (uint64_t) n;
  }
  return 0;
}

int output_copy (struct output *o, int file, uint64_t size, struct err *e) {
  uint64_t left = size;
  if (left >= SEND_BYTES && o->can_send && send_file (o, file, &left, e) < 0)
    return -1;
  while (left > 0) {
    size_t room;
    if (make_room (o, &room, e) < 0)
      return -1;
    ssize_t n = read (file, o->buffer + o->used, left < room ? (size_t) left : room);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_set (e, errno, "cannot read its content");
    if (n == 0)
      break;
    o->used += (size_t) n;
    left -= (uint64_t) n;
  }
  while (left > 0) { /* it became shorter */
    size_t part = left < BUFFER_BYTES ? (size_t) left : BUFFER_BYTES;
    if (output_zeros (o, part, e) < 0)
      return -1;
    left -= part;
  }
  return 0;
}
