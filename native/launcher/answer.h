/* The answer of a resident compiler, decoded: include/resident.h. */
#ifndef GANTRY_ANSWER_H
#define GANTRY_ANSWER_H

#include <stdint.h>

#include "fields.h"

struct answer {
  uint32_t write_count;
  struct fields writes; /* one by one with answer_next_write */
  uint32_t end, value;
  struct strings argv;
};

struct answer_write {
  uint32_t target;
  const char *file;
  struct blob bytes;
};

/* Of a message's bytes behind its size; results point into them. All of it is checked; false: it is none. */
bool answer_decode (const void *bytes, size_t size, struct answer *answer);

struct answer_write answer_next_write (struct answer *answer);

#endif
