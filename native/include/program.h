/* Running a program of the host's to its end: hooks, and the commands of another runtime. */
#ifndef GANTRY_PROGRAM_H
#define GANTRY_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fields.h"

struct err;

/* So much is kept of the end of what it wrote. */
#define PROGRAM_TAIL_BYTES 160

struct program {
  const char *path;
  struct strings argv, env;
  uint32_t timeout_s; /* 0: none */
  const char *input;  /* its standard input, then end of file */
  size_t input_bytes;
  bool has_our_streams; /* 0 to 2 are the caller's; there is no input, and nothing that it wrote, then */
};

struct program_end {
  int failure; /* errno, when it could not be executed; the rest means nothing then */
  bool in_time;
  int status;                                                    /* of waitpid */
  char out[PROGRAM_TAIL_BYTES + 1], err[PROGRAM_TAIL_BYTES + 1]; /* one line of printable text each */
};

/* In a process group of its own, which is killed when time runs out, and with the caller, whose death is its own; no signal
 * blocked or ignored, no other descriptor. Waits for it and for nobody else. -1 when there was no process to wait for. */
int program_run (const struct program *p, struct program_end *end, struct err *e);

/* "exit status 1", "signal: KILL", "not done after 5 s" into `how`. True when it ended well: with 0, in time. */
bool program_ended_well (const struct program *p, const struct program_end *end, char how[64]);

#endif
