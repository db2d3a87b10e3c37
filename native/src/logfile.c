#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define OUT_FLUSH_BYTES (512u << 10)
#define RETRY_MS 100
#define TORN_ENTRY_MAX (1u << 20)
#define NAME_SUFFIX_MAX 24u
#define MODE 0640 /* Docker's */

/* ---- the file ---- */

static int open_file (struct logfile *log) {
  log->fd = open (log->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, MODE);
  if (log->fd < 0)
    return -1;
  struct stat st;
  if (fstat (log->fd, &st) < 0 || !S_ISREG (st.st_mode)) {
    close (log->fd);
    log->fd = -1;
    errno = EINVAL;
    return -1;
  }
  log->size = (uint64_t) st.st_size;
  return 0;
}

/* A shim or a machine that died while writing left part of an entry, which would spoil the next one. */
static void remove_torn_entry (struct logfile *log) {
  uint8_t block[512];
  uint64_t end = log->size;
  const uint8_t *newline = NULL;
  while (end > 0 && newline == NULL) {
    size_t want = end < sizeof block ? (size_t) end : sizeof block;
    if (log->size - end > TORN_ENTRY_MAX || pread (log->fd, block, want, (off_t) (end - want)) != (ssize_t) want)
      return;
    newline = memrchr (block, '\n', want);
    end -= newline != NULL ? want - (size_t) (newline - block) - 1 : want;
  }
  if (end < log->size && ftruncate (log->fd, (off_t) end) == 0)
    log->size = end;
}

/* The daemon must not put PATH.1.gz in the place of a PATH.1 that has meanwhile become PATH.2: see SHIM_CREATE. */
static bool lock_names (const struct logfile *log) {
  return !log->compressed_by_daemon || flock (log->fd, LOCK_EX | LOCK_NB) == 0;
}

static void move_older (const struct logfile *log, char *from, char *to, const char *extension) {
  size_t length = strlen (log->path);
  for (uint32_t n = log->max_files - 1; n > 1; n--) {
    snprintf (from + length, NAME_SUFFIX_MAX, ".%u%s", n - 1, extension);
    snprintf (to + length, NAME_SUFFIX_MAX, ".%u%s", n, extension);
    if (rename (from, to) < 0 && errno == ENOENT)
      unlink (to);
  }
}

static void rotate (struct logfile *log) {
  if (!lock_names (log))
    return;
  if (log->max_files < 2)
    unlink (log->path);
  else {
    size_t length = strlen (log->path);
    char from[PATH_MAX], to[PATH_MAX];
    memcpy (from, log->path, length);
    memcpy (to, log->path, length);
    move_older (log, from, to, ".gz");
    move_older (log, from, to, "");
    snprintf (to + length, NAME_SUFFIX_MAX, ".1.gz");
    unlink (to);
    snprintf (to + length, NAME_SUFFIX_MAX, ".1");
    if (rename (log->path, to) < 0) {
      flock (log->fd, LOCK_UN);
      return; /* the file goes on growing: better than losing output */
    }
  }
  close (log->fd);
  log->fd = -1;
  log->size = 0;
}

bool log_clear (struct logfile *log) {
  size_t length = strlen (log->path);
  char name[PATH_MAX];
  log_flush (log);
  if (log->fd >= 0 && !lock_names (log))
    return false;
  memcpy (name, log->path, length);
  for (uint32_t n = 1; n < log->max_files; n++)
    for (int compressed = 0; compressed < 2; compressed++) {
      snprintf (name + length, NAME_SUFFIX_MAX, ".%u%s", n, compressed ? ".gz" : "");
      unlink (name);
    }
  unlink (log->path);
  if (log->fd >= 0)
    close (log->fd);
  log->fd = -1;
  log->size = 0;
  return true;
}

int log_open (struct logfile *log, const struct log_options *options, struct err *e) {
  *log = (struct logfile){ .fd = -1,
                           .max_bytes = options->max_bytes,
                           .max_files = options->max_files,
                           .compressed_by_daemon = options->compressed_by_daemon };
  if (strlen (options->path) > PATH_MAX - NAME_SUFFIX_MAX)
    return err_set (e, ENAMETOOLONG, "cannot open log \"%.100s...\"", options->path);
  for (const char *p = options->attrs; *p != 0; p++)
    if ((unsigned char) *p < 0x20)
      return err_set (e, EINVAL, "cannot use log attributes with control characters");
  log->path = strdup (options->path);
  if (log->path == NULL || !jsonlog_init (&log->streams[0], "stdout", options->attrs, options->exact) ||
      !jsonlog_init (&log->streams[1], "stderr", options->attrs, options->exact) ||
      !jsonlog_init (&log->notices, "stderr", options->attrs, options->exact)) {
    log_close (log);
    return err_set (e, ENOMEM, "cannot keep the log's options");
  }
  log->out_limit = OUT_FLUSH_BYTES;
  log->out_capacity = OUT_FLUSH_BYTES + JSONLOG_ENTRY_MAX (jsonlog_tail_max (options->attrs)) + JSONLOG_SLACK;
  if (open_file (log) < 0) {
    int code = errno;
    err_set (e, code, "cannot open log \"%s\"", options->path);
    log_close (log);
    return -1;
  }
  remove_torn_entry (log);
  return 0;
}

void log_close (struct logfile *log) {
  log_rest (log);
  if (log->fd >= 0)
    close (log->fd);
  log->fd = -1;
  free (log->path);
  log->path = NULL;
  jsonlog_release (&log->streams[0]);
  jsonlog_release (&log->streams[1]);
  jsonlog_release (&log->notices);
}

void log_rest (struct logfile *log) {
  if (log->out != NULL)
    munmap (log->out, log->out_capacity);
  log->out = NULL;
}

static bool map_out (struct logfile *log) {
  if (log->out == NULL) {
    void *out = mmap (NULL, log->out_capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (out != MAP_FAILED)
      log->out = out;
  }
  return log->out != NULL;
}

/* ---- writing ---- */

/* Appends whole entries. Returns how many bytes are in the file for good: a part of an entry is cut off again. */
static size_t append (struct logfile *log, const uint8_t *entries, size_t size) {
  size_t done = 0;
  if (log->fd < 0 && open_file (log) < 0) {
    log->failure = errno;
    return 0;
  }
  log->failure = 0;
  while (done < size && log->failure == 0) {
    ssize_t n = write (log->fd, entries + done, size - done);
    if (n > 0)
      done += (size_t) n;
    else if (n == 0 || errno != EINTR)
      log->failure = n == 0 ? EIO : errno;
  }
  if (done < size) {
    const uint8_t *newline = memrchr (entries, '\n', done);
    size_t whole = newline != NULL ? (size_t) (newline - entries) + 1 : 0;
    if (whole < done && ftruncate (log->fd, (off_t) (log->size + whole)) < 0)
      whole = done; /* nothing more can be done about the torn entry */
    done = whole;
  }
  log->size += done;
  return done;
}

/* The longest run of whole entries that fits into the file, at least one. */
static size_t fitting_run (const struct logfile *log, const uint8_t *entries, size_t size) {
  uint64_t room = log->size < log->max_bytes ? log->max_bytes - log->size : 0;
  if (log->max_bytes == 0 || size <= room)
    return size;
  const uint8_t *newline = memrchr (entries, '\n', (size_t) room);
  if (newline == NULL)
    newline = memchr (entries, '\n', size);
  return newline != NULL ? (size_t) (newline - entries) + 1 : size;
}

/* Returns how many bytes were written: all, or up to the entry at which writing failed. */
static size_t write_entries (struct logfile *log, const uint8_t *entries, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t run = fitting_run (log, entries + done, size - done);
    if (log->max_bytes != 0 && log->size > 0 && log->size + run > log->max_bytes) {
      rotate (log);
      run = fitting_run (log, entries + done, size - done);
    }
    size_t written = append (log, entries + done, run);
    done += written;
    if (written < run)
      break;
  }
  return done;
}

static void count_lost (struct logfile *log, uint64_t bytes) {
  log->lost_bytes += bytes;
  log->lost_unreported += bytes;
}

static uint64_t time_of_entry (struct logfile *log) {
  uint64_t now = clock_realtime_ns ();
  if (now > log->last_ns)
    log->last_ns = now; /* the clock may be set back; a stream's times are not */
  return log->last_ns;
}

/* Begins the buffer with an entry that tells of the gap. It counts as told when an entry behind it is written, too. */
static void put_notice (struct logfile *log) {
  char text[256];
  int length = snprintf (text, sizeof text - JSONLOG_SLACK,
                         "gantry: %llu bytes of output are missing here: cannot write the log: %s\n",
                         (unsigned long long) log->lost_unreported, strerrordesc_np (log->failure));
  uint8_t *at = log->out;
  jsonlog_format (&log->notices, (const uint8_t *) text, (size_t) length, true, time_of_entry (log), &at, log->out);
  log->notice_bytes = log->out_bytes = (size_t) (at - log->out);
  log->lost_in_notice = log->lost_unreported;
  log->lost_unreported = 0;
}

static bool is_writable (struct logfile *log) {
  if (log->lost_unreported != 0 && clock_monotonic_ms () < log->retry_at_ms)
    return false;
  if (!map_out (log)) {
    log->failure = ENOMEM;
    return false;
  }
  if (log->lost_unreported != 0)
    put_notice (log);
  return true;
}

void log_flush (struct logfile *log) {
  size_t done = write_entries (log, log->out, log->out_bytes);
  if (done < log->out_bytes) {
    size_t first_lost = done;
    if (done <= log->notice_bytes) {
      if (done > 0 && log->fd >= 0 && ftruncate (log->fd, (off_t) (log->size - done)) == 0)
        log->size -= done;
      first_lost = log->notice_bytes;
      log->lost_unreported += log->lost_in_notice;
    }
    count_lost (log, jsonlog_count_raw (log->out + first_lost, log->out_bytes - first_lost));
    log->retry_at_ms = clock_monotonic_ms () + RETRY_MS;
  }
  log->out_bytes = log->notice_bytes = 0;
  log->lost_in_notice = 0;
}

void log_finish (struct logfile *log) {
  log_flush (log);
  log->retry_at_ms = 0;
  if (log->lost_unreported != 0 && is_writable (log))
    log_flush (log);
}

/* Drops what log_write would have taken. */
static size_t drop (struct logfile *log, struct jsonlog_stream *s, const uint8_t *data, size_t size, bool at_end) {
  const uint8_t *newline = memrchr (data, '\n', size);
  size_t complete = at_end ? size : newline != NULL ? (size_t) (newline - data) + 1 : 0;
  complete += (size - complete) / JSONLOG_PART_BYTES * JSONLOG_PART_BYTES;
  if (complete > 0) {
    s->continued = data[complete - 1] != '\n';
    s->line_ns = time_of_entry (log);
    count_lost (log, complete);
  }
  return complete;
}

size_t log_write (struct logfile *log, int stream, const uint8_t *data, size_t size, bool at_end) {
  struct jsonlog_stream *s = &log->streams[stream];
  size_t used = 0;
  for (;;) {
    if (log->out_bytes > log->out_limit)
      log_flush (log);
    if (log->out_bytes == 0 && !is_writable (log))
      return used + drop (log, s, data + used, size - used, at_end);
    uint8_t *at = log->out + log->out_bytes;
    used += jsonlog_format (s, data + used, size - used, at_end, time_of_entry (log), &at, log->out + log->out_limit);
    log->out_bytes = (size_t) (at - log->out);
    if (log->out_bytes <= log->out_limit)
      return used;
  }
}
