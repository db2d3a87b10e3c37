/* Becoming another program: a command whose interpreter has decided everything goes on as the C program that performs it,
 * under the pid that its caller knows. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

enum { FIRST_OTHER_FD = 3, SIGNALS = 65, MAX_STRINGS = 1 << 20 };

/* ---- arguments ---- */

static void free_strings (char **strings) {
  for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
    free (strings[i]);
  free (strings);
}

/* A string without NUL inside, which may be empty; otherwise throws and returns NULL. */
static char *take_string (napi_env env, napi_value value) {
  size_t length, written;
  if (napi_get_value_string_utf8 (env, value, NULL, 0, &length) != napi_ok) {
    napi_throw_type_error (env, NULL, "a string is expected");
    return NULL;
  }
  char *text = malloc (length + 1);
  if (text == NULL || napi_get_value_string_utf8 (env, value, text, length + 1, &written) != napi_ok) {
    free (text);
    addon_throw (env, ENOMEM, "malloc", NULL);
    return NULL;
  }
  if (strlen (text) != written) {
    free (text);
    addon_throw (env, EINVAL, "execve", NULL);
    return NULL;
  }
  return text;
}

static int array_length (napi_env env, napi_value array, uint32_t *count) {
  bool is_array = false;
  if (napi_is_array (env, array, &is_array) == napi_ok && is_array &&
      napi_get_array_length (env, array, count) == napi_ok && *count < MAX_STRINGS)
    return 0;
  napi_throw_type_error (env, NULL, "an array is expected");
  return -1;
}

static char **take_strings (napi_env env, napi_value array) {
  uint32_t count;
  if (array_length (env, array, &count) < 0)
    return NULL;
  char **strings = calloc ((size_t) count + 1, sizeof *strings);
  if (strings == NULL) {
    addon_throw (env, ENOMEM, "malloc", NULL);
    return NULL;
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    if (napi_get_element (env, array, i, &item) != napi_ok || (strings[i] = take_string (env, item)) == NULL) {
      free_strings (strings);
      return NULL;
    }
  }
  return strings;
}

/* ---- descriptors and signals ---- */

/* Every descriptor but the standard streams and the listed ones is marked to be closed. The list is checked first: an error
   there changes nothing. */
static int keep_only (napi_env env, napi_value array) {
  uint32_t count;
  napi_value item;
  int fd;
  if (array_length (env, array, &count) < 0)
    return -1;
  for (int pass = 0; pass < 2; pass++) {
    if (pass == 1 && syscall (SYS_close_range, FIRST_OTHER_FD, ~0u, CLOSE_RANGE_CLOEXEC) < 0) {
      addon_throw (env, errno, "close_range", NULL);
      return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
      if (napi_get_element (env, array, i, &item) != napi_ok || addon_int (env, item, &fd) < 0)
        return -1;
      if (pass == 0 ? fcntl (fd, F_GETFD) < 0 : fcntl (fd, F_SETFD, 0) < 0) {
        addon_throw (env, errno, "fcntl", NULL);
        return -1;
      }
    }
  }
  return 0;
}

struct signals {
  struct sigaction actions[SIGNALS];
  sigset_t mask;
};

/* The kernel resets handlers by itself, but neither what the interpreter ignores (SIGPIPE) nor what it blocks. */
static void reset_signals (struct signals *old) {
  struct sigaction by_default = { .sa_handler = SIG_DFL };
  sigset_t none;
  for (int n = 1; n < SIGNALS; n++) {
    sigaction (n, NULL, &old->actions[n]);
    if (old->actions[n].sa_handler == SIG_IGN)
      sigaction (n, &by_default, NULL);
  }
  sigemptyset (&none);
  pthread_sigmask (SIG_SETMASK, &none, &old->mask);
}

static void restore_signals (const struct signals *old) {
  for (int n = 1; n < SIGNALS; n++)
    if (old->actions[n].sa_handler == SIG_IGN)
      sigaction (n, &old->actions[n], NULL);
  pthread_sigmask (SIG_SETMASK, &old->mask, NULL);
}

/* The interpreter raises the soft limit for itself. */
static void limit_open_files (int soft) {
  struct rlimit limit;
  if (soft >= 0 && getrlimit (RLIMIT_NOFILE, &limit) == 0 && (rlim_t) soft <= limit.rlim_max) {
    limit.rlim_cur = (rlim_t) soft;
    setrlimit (RLIMIT_NOFILE, &limit);
  }
}

/* replaceProcess(fd, argv, env, keep, openFiles): only returns by throwing. The kernel ends the other threads. */
static napi_value replace_process (napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  struct signals old;
  int fd, open_files;
  if (addon_arguments (env, info, 5, arguments) < 0 || addon_int (env, arguments[0], &fd) < 0 ||
      addon_int (env, arguments[4], &open_files) < 0)
    return NULL;
  char **argv = take_strings (env, arguments[1]);
  char **environment = argv == NULL ? NULL : take_strings (env, arguments[2]);
  if (environment != NULL && keep_only (env, arguments[3]) == 0) {
    reset_signals (&old);
    limit_open_files (open_files);
    syscall (SYS_execveat, fd, "", argv, environment, AT_EMPTY_PATH);
    int code = errno;
    restore_signals (&old);
    addon_throw (env, code, "execveat", NULL);
  }
  free_strings (argv);
  free_strings (environment);
  return NULL;
}

/* ---- what it is handed ---- */

/* Before Linux 6.3 MFD_NOEXEC_SEAL is an unknown flag. */
static int make_memfd (const char *name) {
  int fd = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  return fd < 0 && errno == EINVAL ? memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

static int fill_and_seal (int fd, const uint8_t *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write (fd, bytes + done, size - done);
    if (n < 0 && errno != EINTR)
      return -1;
    done += n > 0 ? (size_t) n : 0;
  }
  return lseek (fd, 0, SEEK_SET) < 0 ||
                 fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0
             ? -1
             : 0;
}

/* memfd(name, bytes): fd */
static napi_value memfd (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  napi_typedarray_type type;
  size_t size;
  void *bytes;
  if (addon_arguments (env, info, 2, arguments) < 0)
    return NULL;
  if (napi_get_typedarray_info (env, arguments[1], &type, &size, &bytes, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    napi_throw_type_error (env, NULL, "bytes are expected");
    return NULL;
  }
  char *name = take_string (env, arguments[0]);
  if (name == NULL)
    return NULL;
  int fd = make_memfd (name);
  free (name);
  if (fd < 0)
    return addon_throw (env, errno, "memfd_create", NULL);
  if (fill_and_seal (fd, bytes, size) < 0) {
    int code = errno;
    close (fd);
    return addon_throw (env, code, "write", NULL);
  }
  return addon_number (env, fd);
}

int addon_register_replace (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "memfd", memfd) < 0)
    return -1;
  return addon_add_function (env, exports, "replaceProcess", replace_process);
}
