/* The files `pid` and `exit` in the run directory, which is the working directory: see shim-protocol.h. */
#ifndef GANTRY_RECORD_H
#define GANTRY_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct exit_record {
  uint32_t exit_code, signal;
  bool oom_killed;
  uint64_t exited_at_ns, lost_log_bytes;
};

int record_pid (pid_t pid, uint64_t start_ticks, struct err *e);

/* Does not wait for the disk: whoever reads it takes an empty one, as a power cut may leave it, for none. */
int record_pid_of_this_boot (pid_t pid, uint64_t start_ticks, struct err *e);

/* Takes the room that record_exit will need, so that a full filesystem cannot swallow an exit status. */
int record_reserve_exit (struct err *e);
int record_exit (const struct exit_record *record, struct err *e);

/* Removes what the two first calls made, for a process that did not come to life. */
void record_remove (void);

/* Field 22 of /proc/PID/stat, 0 when it cannot be read. */
uint64_t record_start_ticks (pid_t pid);

#endif
