#include "tree_input.h"

#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BUFFER_BYTES = 256 << 10,
  PIPE_BYTES = 1 << 20,
  SPLICE_AT_LEAST = 64 << 10, /* below that one read(2) brings the body together with the headers after it */
};

int input_open (struct input *in, int fd, struct err *e) {
  *in = (struct input) { .fd = fd, .capacity = BUFFER_BYTES };
  in->buffer = malloc (in->capacity);
  if (in->buffer == NULL)
    return err_set (e, ENOMEM, "cannot allocate the read buffer");
  /* Refused for anything but a pipe, and beyond a user's pipe quota: then what is there must do. */
  in->can_splice = fcntl (fd, F_SETPIPE_SZ, PIPE_BYTES) > 0 || fcntl (fd, F_GETPIPE_SZ) > 0;
  return 0;
}

void input_close (struct input *in) {
  free (in->buffer);
  *in = (struct input) { .fd = -1 };
}

/* Reads once behind the unread bytes. 0 at the end of the input. */
static ssize_t fill (struct input *in, struct err *e) {
  if (in->ended || in->fd < 0)
    return 0;
  for (;;) {
    ssize_t n = read (in->fd, in->buffer + in->end, in->capacity - in->end);
    if (n > 0)
      in->end += (size_t) n;
    if (n == 0)
      in->ended = true;
    if (n >= 0)
      return n;
    if (errno != EINTR)
      return err_set (e, errno, "cannot read the archive");
  }
}

ssize_t input_peek (struct input *in, size_t want, const uint8_t **data, struct err *e) {
  if (in->capacity - in->at < want) {
    memmove (in->buffer, in->buffer + in->at, in->end - in->at);
    in->end -= in->at;
    in->at = 0;
  }
  while (in->end - in->at < want) {
    ssize_t n = fill (in, e);
    if (n < 0)
      return -1;
    if (n == 0)
      break;
  }
  *data = in->buffer + in->at;
  size_t have = in->end - in->at;
  return (ssize_t) (have < want ? have : want);
}

void input_take (struct input *in, size_t bytes) {
  in->at += bytes;
  in->position += bytes;
}

/* The unread bytes of the buffer, at most `most`; reads more when there are none. */
static ssize_t available (struct input *in, uint64_t most, struct err *e) {
  if (in->at == in->end) {
    in->at = in->end = 0;
    ssize_t n = fill (in, e);
    if (n < 0)
      return -1;
    if (n == 0)
      return err_set (e, 0, "archive is truncated");
  }
  size_t have = in->end - in->at;
  return (ssize_t) (have < most ? have : most);
}

int input_read (struct input *in, uint8_t *to, size_t bytes, struct err *e) {
  while (bytes > 0) {
    ssize_t n = available (in, bytes, e);
    if (n < 0)
      return -1;
    memcpy (to, in->buffer + in->at, (size_t) n);
    input_take (in, (size_t) n);
    to += n;
    bytes -= (size_t) n;
  }
  return 0;
}

int input_skip (struct input *in, uint64_t bytes, struct err *e) {
  while (bytes > 0) {
    ssize_t n = available (in, bytes, e);
    if (n < 0)
      return -1;
    input_take (in, (size_t) n);
    bytes -= (uint64_t) n;
  }
  return 0;
}

static int write_all (int out, const uint8_t *from, size_t bytes, struct err *e) {
  while (bytes > 0) {
    ssize_t n = write (out, from, bytes);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_set (e, errno, "cannot write its data");
    from += n;
    bytes -= (size_t) n;
  }
  return 0;
}

/* Moves pipe pages to the file without a copy through this process. Returns the bytes moved; 0 = use read and write. */
static ssize_t splice_some (struct input *in, uint64_t bytes, int out, struct err *e) {
  for (;;) {
    ssize_t n = splice (in->fd, NULL, out, NULL, bytes < PIPE_BYTES ? (size_t) bytes : PIPE_BYTES, SPLICE_F_MOVE);
    if (n > 0) {
      in->position += (uint64_t) n;
      return n;
    }
    if (n == 0)
      return err_set (e, 0, "archive is truncated");
    if (errno == EINVAL) {
      in->can_splice = false;
      return 0;
    }
    if (errno != EINTR)
      return err_set (e, errno, "cannot write its data");
  }
}

int input_copy (struct input *in, uint64_t bytes, int out, struct err *e) {
  while (bytes > 0) {
    ssize_t n = 0;
    if (in->can_splice && in->at == in->end && bytes >= SPLICE_AT_LEAST) {
      n = splice_some (in, bytes, out, e);
      if (n < 0)
        return -1;
    }
    if (n == 0) {
      n = available (in, bytes, e);
      if (n < 0 || write_all (out, in->buffer + in->at, (size_t) n, e) < 0)
        return -1;
      input_take (in, (size_t) n);
    }
    bytes -= (uint64_t) n;
  }
  return 0;
}

int input_drain (struct input *in, struct err *e) {
  for (;;) {
    in->position += in->end - in->at;
    in->at = in->end = 0;
    ssize_t n = fill (in, e);
    if (n <= 0)
      return (int) n;
  }
}
