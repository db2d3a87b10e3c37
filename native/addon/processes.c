/* Processes by descriptor: a pid may be another process's by the time it is used, a pidfd never. */
#include "addon.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* pidfdOpen(pid): fd */
static napi_value pidfd_open_ (napi_env env, napi_callback_info info) {
  napi_value argument;
  int pid;
  if (addon_arguments (env, info, 1, &argument) < 0 || addon_int (env, argument, &pid) < 0)
    return NULL;
  int fd = (int) syscall (SYS_pidfd_open, pid, 0);
  return fd < 0 ? addon_throw (env, errno, "pidfd_open", NULL) : addon_number (env, fd);
}

/* pidfdSignal(pidfd, signal) */
static napi_value pidfd_signal (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int pidfd, signal;
  if (addon_arguments (env, info, 2, arguments) < 0 || addon_int (env, arguments[0], &pidfd) < 0 ||
      addon_int (env, arguments[1], &signal) < 0)
    return NULL;
  if (syscall (SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0)
    return addon_throw (env, errno, "pidfd_send_signal", NULL);
  return NULL;
}

/* pidfdHasEnded(pidfd): 1 when the process has ended, whether or not its parent has been told. pidfd_open(2), poll(2) */
static napi_value pidfd_has_ended (napi_env env, napi_callback_info info) {
  napi_value argument;
  int pidfd;
  if (addon_arguments (env, info, 1, &argument) < 0 || addon_int (env, argument, &pidfd) < 0)
    return NULL;
  struct pollfd watched = {.fd = pidfd, .events = POLLIN};
  if (poll (&watched, 1, 0) < 0)
    return addon_throw (env, errno, "poll", NULL);
  if ((watched.revents & POLLNVAL) != 0)
    return addon_throw (env, EBADF, "poll", NULL);
  return addon_number (env, (watched.revents & POLLIN) != 0);
}

/* pidfdGetfd(pidfd, number): a copy of that process's descriptor */
static napi_value pidfd_getfd_ (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int pidfd, number;
  if (addon_arguments (env, info, 2, arguments) < 0 || addon_int (env, arguments[0], &pidfd) < 0 ||
      addon_int (env, arguments[1], &number) < 0)
    return NULL;
  int fd = (int) syscall (SYS_pidfd_getfd, pidfd, number, 0);
  return fd < 0 ? addon_throw (env, errno, "pidfd_getfd", NULL) : addon_number (env, fd);
}

int addon_register_processes (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "pidfdOpen", pidfd_open_) < 0 ||
      addon_add_function (env, exports, "pidfdGetfd", pidfd_getfd_) < 0 ||
      addon_add_function (env, exports, "pidfdHasEnded", pidfd_has_ended) < 0)
    return -1;
  return addon_add_function (env, exports, "pidfdSignal", pidfd_signal);
}
