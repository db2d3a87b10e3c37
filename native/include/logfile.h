/* A container's json-file log on disk: appended to, rotated, and honest about what could not be written.
 *
 * When a write fails (no space, read-only, quota, I/O error) the container is not held back: what cannot be written is
 * dropped and counted, the file is cut back to its last complete entry, and writing is tried again at most every
 * 100 ms. The first write that succeeds is preceded by one entry on stderr that tells how much is missing.
 *
 * Rotation happens before the entry that would make the file larger than `max_bytes`: PATH becomes PATH.1, PATH.1
 * becomes PATH.2 ... and the oldest of `max_files` goes; so does NAME.N.gz where the daemon has compressed NAME.N.
 * With one file only, it is deleted and begun anew, so a reader that has it open still finds its end.
 */
#ifndef GANTRY_LOGFILE_H
#define GANTRY_LOGFILE_H

#include "jsonlog.h"

struct err;

struct log_options {
  const char *path;   /* absolute */
  uint64_t max_bytes; /* 0 = never rotate */
  uint32_t max_files;
  bool compressed_by_daemon; /* see SHIM_CREATE's log_flags */
  bool exact;                /* see jsonlog.h */
  const char *attrs;
};

struct logfile {
  int fd; /* -1 while it cannot be opened */
  char *path;
  uint64_t max_bytes, size;
  uint32_t max_files;
  bool compressed_by_daemon;
  struct jsonlog_stream streams[2], notices;
  uint64_t last_ns;

  uint8_t *out; /* entries not yet written; mapped while there is work */
  size_t out_bytes, out_limit, out_capacity;

  uint64_t lost_bytes;
  uint64_t lost_unreported; /* != 0: the log has failed and is tried again from `retry_at_ms` on */
  int64_t retry_at_ms;
  int failure;         /* errno of the last write */
  size_t notice_bytes; /* of `out`: the entry that tells of the gap, with so many lost bytes in it */
  uint64_t lost_in_notice;
};

/* Opens or makes the file; an entry that a crash cut short at its end is removed. */
int log_open (struct logfile *log, const struct log_options *options, struct err *e);
void log_close (struct logfile *log);

/* Takes complete lines (all, if `at_end`) of stream 0 or 1 from `data`, which has JSONLOG_SLACK readable bytes behind it.
   Returns how many bytes it used. What it took is in the file after log_flush at the latest. */
size_t log_write (struct logfile *log, int stream, const uint8_t *data, size_t size, bool at_end);
void log_flush (struct logfile *log);

/* The last flush: a gap not yet told is told now, if the log works again. */
void log_finish (struct logfile *log);

/* Forgets what was logged so far: all files go, and the next entry begins a new one. A reader that has them open still finds
   their ends. False when the daemon is just moving names. */
bool log_clear (struct logfile *log);

/* Gives the buffer back; only after log_flush. */
void log_rest (struct logfile *log);

#endif
