/* Buffered writing of an archive: small pieces are collected, large files go from the file to the pipe. */
#ifndef GANTRY_TREE_OUTPUT_H
#define GANTRY_TREE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct output {
  int fd;
  uint8_t *buffer; /* owned */
  size_t used;
  bool can_send;   /* sendfile to fd was not refused yet */
};

/* Writes to `fd` (borrowed); a pipe is enlarged to one MiB. */
int output_open (struct output *o, int fd, struct err *e);
void output_close (struct output *o);

int output_write (struct output *o, const void *bytes, size_t size, struct err *e);
int output_zeros (struct output *o, size_t size, struct err *e);

/* Exactly `size` bytes from the position of `file` on. What a file that became shorter lacks is zeros, as with GNU tar: the
   size has been said already. */
int output_copy (struct output *o, int file, uint64_t size, struct err *e);

int output_flush (struct output *o, struct err *e);

#endif
