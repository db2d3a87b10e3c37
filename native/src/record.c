#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"

#define PID_ASIDE "pid.new"
#define EXIT_ASIDE "exit.new"
#define RECORD_MAX 256

static int write_aside (const char *aside, const char *text, size_t size, bool lasting, struct err *e) {
  int fd = open (aside, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return err_set (e, errno, "cannot make \"%s\"", aside);
  ssize_t written = write (fd, text, size);
  int code = written < 0 ? errno : (size_t) written < size ? ENOSPC : 0;
  if (code == 0 && (ftruncate (fd, (off_t) size) < 0 || (lasting && fsync (fd) < 0)))
    code = errno;
  close (fd);
  return code == 0 ? 0 : err_set (e, code, "cannot write \"%s\"", aside);
}

static int put_in_place (const char *aside, const char *name, bool lasting, struct err *e) {
  if (rename (aside, name) < 0)
    return err_set (e, errno, "cannot rename \"%s\" to \"%s\"", aside, name);
  int directory = lasting ? open (".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (directory >= 0) {
    fsync (directory);
    close (directory);
  }
  return 0;
}

static int write_pid (pid_t pid, uint64_t start_ticks, bool lasting, struct err *e) {
  char text[RECORD_MAX];
  int size = snprintf (text, sizeof text, "{\"pid\":%d,\"startTicks\":%" PRIu64 "}\n", pid, start_ticks);
  if (write_aside (PID_ASIDE, text, (size_t) size, lasting, e) < 0)
    return -1;
  return put_in_place (PID_ASIDE, "pid", lasting, e);
}

int record_pid (pid_t pid, uint64_t start_ticks, struct err *e) {
  return write_pid (pid, start_ticks, true, e);
}

int record_pid_of_this_boot (pid_t pid, uint64_t start_ticks, struct err *e) {
  return write_pid (pid, start_ticks, false, e);
}

int record_reserve_exit (struct err *e) {
  char blank[RECORD_MAX];
  memset (blank, ' ', sizeof blank);
  return write_aside (EXIT_ASIDE, blank, sizeof blank, true, e);
}

int record_exit (const struct exit_record *record, struct err *e) {
  char text[RECORD_MAX];
  int size = snprintf (text, sizeof text,
                       "{\"exitCode\":%" PRIu32 ",\"signal\":%" PRIu32 ",\"oomKilled\":%s,\"exitedAtNs\":\"%" PRIu64
                       "\",\"lostLogBytes\":\"%" PRIu64 "\"}\n",
                       record->exit_code, record->signal, record->oom_killed ? "true" : "false", record->exited_at_ns,
                       record->lost_log_bytes);
  if (write_aside (EXIT_ASIDE, text, (size_t) size, true, e) < 0)
    return -1;
  return put_in_place (EXIT_ASIDE, "exit", true, e);
}

void record_remove (void) {
  unlink (PID_ASIDE);
  unlink (EXIT_ASIDE);
  unlink ("pid");
}

uint64_t record_start_ticks (pid_t pid) {
  char path[32], stat[1024];
  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd >= 0 ? read (fd, stat, sizeof stat - 1) : -1;
  if (fd >= 0)
    close (fd);
  if (size <= 0)
    return 0;
  stat[size] = 0;
  /* The name, field 2, may hold spaces and parentheses: count from the last one on. */
  char *at = strrchr (stat, ')');
  for (int field = 2; at != NULL && field < 22; field++)
    at = strchr (at + 1, ' ');
  return at != NULL ? strtoull (at + 1, NULL, 10) : 0;
}
