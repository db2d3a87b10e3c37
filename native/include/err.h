/* One error convention: a function returns < 0 and fills `struct err`; the first failure wins, callers add nothing. */
#ifndef GANTRY_ERR_H
#define GANTRY_ERR_H

#include <stdint.h>

struct err {
  int32_t code;   /* errno, or 0 for a violated expectation */
  uint32_t op;    /* 1 + index of the plan op that failed, 0 when outside the plan */
  char text[480]; /* lower case, names the action and the thing: cannot mount "proc" on "/proc" */
};

/* Formats `text`, stores `code`, returns -1. The errno text is not part of `text`: the reader adds it, except to texts
   that begin with `exec: "` or hold `: no matching entries in `: those are what Docker says, word for word. */
int err_set (struct err *e, int code, const char *format, ...) __attribute__ ((format (printf, 3, 4)));

/* True when `text` is complete without the errno text. */
int err_is_complete (const struct err *e);

#endif
