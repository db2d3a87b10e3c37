/* Files: sealed executables, lock files, closing, when and where a file system puts things on the disk. */
#include "addon.h"
#include "writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

enum { MAX_EXECUTABLE_BYTES = 64 << 20 };

/* Before Linux 6.3 memfds are executable anyway and MFD_EXEC is an unknown flag. */
static int make_memfd (void) {
  int fd = memfd_create ("gantry", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (fd < 0 && errno == EINVAL)
    fd = memfd_create ("gantry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return fd;
}

static int copy_and_seal (int from, int to, off_t size) {
  while (size > 0) {
    ssize_t n = sendfile (to, from, NULL, (size_t) size);
    if (n < 0 && errno != EINTR)
      return -1;
    if (n == 0) {
      errno = EIO; /* it shrank */
      return -1;
    }
    if (n > 0)
      size -= n;
  }
  const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (fchmod (to, 0555) < 0)
    return -1;
  if (fcntl (to, F_ADD_SEALS, seals | F_SEAL_EXEC) == 0)
    return 0;
  return errno == EINVAL ? fcntl (to, F_ADD_SEALS, seals) : -1; /* F_SEAL_EXEC: since 6.3, too */
}

/* The descriptor, or -1 with errno and the call that failed. */
static int seal_executable (const char *path, const char **syscall) {
  struct stat st;
  *syscall = "open";
  int from = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (from < 0)
    return -1;

  int to = -1;
  if (fstat (from, &st) == 0 && S_ISREG (st.st_mode) && st.st_size > 0 && st.st_size <= MAX_EXECUTABLE_BYTES) {
    *syscall = "memfd_create";
    to = make_memfd ();
    if (to >= 0 && copy_and_seal (from, to, st.st_size) < 0) {
      int code = errno;
      close (to);
      errno = code;
      to = -1;
    }
  } else {
    errno = ENOEXEC;
  }
  int code = errno;
  close (from);
  errno = code;
  return to;
}

/* sealedExecutable(path): fd */
static napi_value sealed_executable (napi_env env, napi_callback_info info) {
  napi_value argument;
  char *path;
  if (addon_arguments (env, info, 1, &argument) < 0 || (path = addon_path (env, argument)) == NULL)
    return NULL;
  const char *syscall;
  int fd = seal_executable (path, &syscall);
  napi_value result = fd < 0 ? addon_throw (env, errno, syscall, path) : addon_number (env, fd);
  free (path);
  return result;
}

/* lockFile(path): fd, or undefined when another open file has the lock */
static napi_value lock_file (napi_env env, napi_callback_info info) {
  napi_value argument, result = NULL;
  char *path;
  if (addon_arguments (env, info, 1, &argument) < 0 || (path = addon_path (env, argument)) == NULL)
    return NULL;
  int fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (fd < 0) {
    addon_throw (env, errno, "open", path);
  } else if (flock (fd, LOCK_EX | LOCK_NB) == 0) {
    result = addon_number (env, fd);
  } else {
    if (errno == EWOULDBLOCK)
      napi_get_undefined (env, &result);
    else
      addon_throw (env, errno, "flock", path);
    close (fd);
  }
  free (path);
  return result;
}

/* closeFd(fd) */
static napi_value close_fd (napi_env env, napi_callback_info info) {
  napi_value argument;
  int fd;
  if (addon_arguments (env, info, 1, &argument) < 0 || addon_int (env, argument, &fd) < 0)
    return NULL;
  if (close (fd) < 0)
    return addon_throw (env, errno, "close", NULL);
  return NULL;
}

/* 1 when the file system took the flag, 0 when it knows none like it, -1 with errno. */
static int flag_top_directory (const char *path) {
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return -1;
  int flags = 0;
  int result = ioctl (fd, FS_IOC_GETFLAGS, &flags);
  flags |= FS_TOPDIR_FL;
  if (result == 0)
    result = ioctl (fd, FS_IOC_SETFLAGS, &flags);
  int code = errno;
  close (fd);
  if (result == 0)
    return 1;
  errno = code;
  return code == ENOTTY || code == EOPNOTSUPP || code == EINVAL ? 0 : -1;
}

/* spreadChildren(path): boolean */
static napi_value spread_children (napi_env env, napi_callback_info info) {
  napi_value argument, result = NULL;
  char *path;
  if (addon_arguments (env, info, 1, &argument) < 0 || (path = addon_path (env, argument)) == NULL)
    return NULL;
  int flagged = flag_top_directory (path);
  if (flagged < 0)
    addon_throw (env, errno, "ioctl", path);
  else
    napi_get_boolean (env, flagged == 1, &result);
  free (path);
  return result;
}

struct writeback_job {
  struct addon_job job; /* first */
  int fd;               /* borrowed: it stays open until the promise is settled */
  int64_t from, bytes;
};

static void run_writeback (struct addon_job *job) {
  const struct writeback_job *self = (const struct writeback_job *) job;
  writeback_start (self->fd, (uint64_t) self->from, (uint64_t) self->bytes);
}

static void release_writeback (struct addon_job *job) {
  free (job);
}

/* startWriteback(fd, from, bytes): Promise<void> */
static napi_value start_writeback (napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  struct writeback_job *self;
  if (addon_arguments (env, info, 3, arguments) < 0)
    return NULL;
  if ((self = calloc (1, sizeof *self)) == NULL)
    return addon_throw (env, ENOMEM, "malloc", NULL);
  self->job = (struct addon_job) { .run = run_writeback, .release = release_writeback, .syscall = "sync_file_range" };
  if (addon_int (env, arguments[0], &self->fd) < 0 || napi_get_value_int64 (env, arguments[1], &self->from) != napi_ok ||
      napi_get_value_int64 (env, arguments[2], &self->bytes) != napi_ok) {
    free (self);
    napi_throw_type_error (env, NULL, "numbers are expected");
    return NULL;
  }
  return addon_start (env, &self->job);
}

int addon_register_files (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "sealedExecutable", sealed_executable) < 0 ||
      addon_add_function (env, exports, "lockFile", lock_file) < 0 ||
      addon_add_function (env, exports, "spreadChildren", spread_children) < 0 ||
      addon_add_function (env, exports, "startWriteback", start_writeback) < 0)
    return -1;
  return addon_add_function (env, exports, "closeFd", close_fd);
}
