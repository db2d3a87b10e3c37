/* One error convention: a function returns < 0 and fills `struct err`; the first failure wins, callers add nothing. */
#ifndef GANTRY_ERR_H
#define GANTRY_ERR_H

#include <stdint.h>

struct err {
  int32_t code;     /* errno, or 0 for a violated expectation */
  uint32_t op;      /* 1 + index of the plan op that failed, 0 when outside the plan */
  char text[480];   /* lower case, names the action and the thing: cannot mount "proc" on "/proc" */
};

/* Formats `text`, stores `code`, returns -1. The errno text is not part of `text`: the reader adds it. */
int err_set (struct err *e, int code, const char *format, ...) __attribute__ ((format (printf, 3, 4)));

#endif
