/* Buffered reading of an archive: headers are looked at in place, file bodies go straight to their file. */
#ifndef GANTRY_TREE_INPUT_H
#define GANTRY_TREE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct input {
  int fd;              /* -1: there is only what the buffer holds */
  uint8_t *buffer;     /* owned */
  size_t capacity;
  size_t at, end;      /* unread bytes of the buffer */
  uint64_t position;   /* bytes handed out since the start */
  bool ended;          /* read(2) said end of file */
  bool can_splice;     /* fd is a pipe, and no splice from it was refused yet */
};

/* Reads from `fd` (borrowed); a pipe is enlarged to one MiB. */
int input_open (struct input *in, int fd, struct err *e);
void input_close (struct input *in);

/* Makes `want` bytes (at most 64 KiB) lie in one piece at *data without consuming them. Returns how many there are:
   less than `want` only at the end of the input. */
ssize_t input_peek (struct input *in, size_t want, const uint8_t **data, struct err *e);

/* Consumes bytes that input_peek showed. */
void input_take (struct input *in, size_t bytes);

/* These three fail with "archive is truncated" when the input ends before. */
int input_read (struct input *in, uint8_t *to, size_t bytes, struct err *e);
int input_skip (struct input *in, uint64_t bytes, struct err *e);
int input_copy (struct input *in, uint64_t bytes, int out, struct err *e);

/* Reads and drops everything up to the end of the input. */
int input_drain (struct input *in, struct err *e);

#endif
