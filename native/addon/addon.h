/* gantry.node: what the daemon needs of the kernel in its own process. One file per subject; each registers its functions
 * with the exports object. src/linux/native-addon.ts is the only caller and checks the arguments. */
#ifndef GANTRY_ADDON_H
#define GANTRY_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stddef.h>

struct err;

int addon_add_function (napi_env env, napi_value exports, const char *name, napi_callback function);

int addon_register_connect (napi_env env, napi_value exports);
int addon_register_datagrams (napi_env env, napi_value exports);
int addon_register_files (napi_env env, napi_value exports);
int addon_register_host_paths (napi_env env, napi_value exports);
int addon_register_netlink (napi_env env, napi_value exports);
int addon_register_peers (napi_env env, napi_value exports);
int addon_register_processes (napi_env env, napi_value exports);
int addon_register_quotas (napi_env env, napi_value exports);
int addon_register_replace (napi_env env, napi_value exports);
int addon_register_trees (napi_env env, napi_value exports);

/* ---- arguments ---- */

/* Fetches exactly `count` arguments; otherwise throws and returns -1. */
int addon_arguments (napi_env env, napi_callback_info info, size_t count, napi_value *arguments);

/* A path without NUL inside, to be freed; otherwise throws and returns NULL. */
char *addon_path (napi_env env, napi_value value);

/* Otherwise throws and returns -1. */
int addon_int (napi_env env, napi_value value, int *number);

napi_value addon_number (napi_env env, double number);

/* ---- errors ---- */

/* The error that libuv would make: "ENOENT: no such file or directory, open '/x'" with code, errno (negative), syscall
   and, unless it is NULL, path. `detail`, unless it is NULL, is added to the message. */
napi_value addon_error (napi_env env, int code, const char *syscall, const char *path, const char *detail);

/* Throws addon_error without detail; returns NULL, as a callback does that throws. */
napi_value addon_throw (napi_env env, int code, const char *syscall, const char *path);

/* ---- work on a thread of its own ---- */

/* Starts a detached thread; 0 or an errno. */
int addon_thread (void *(*body) (void *), void *data);

/* One call's work. A thread of its own rather than the runtime's pool: that has as few threads as there are processors, and
 * deleting a large tree would hold up every file access of the daemon. */
struct addon_job {
  void (*run) (struct addon_job *job);                            /* on the thread; sets code and detail */
  napi_value (*result) (napi_env env, const struct addon_job *job); /* on the loop, when code is 0; NULL = undefined */
  void (*release) (struct addon_job *job);                        /* frees the job, on either */
  const char *syscall;
  char *path;         /* of the error */
  int code;           /* errno of the failure */
  char detail[480];   /* which file, for the error's text; may be empty */
  napi_deferred deferred;
  napi_threadsafe_function done;
};

/* Starts the job, which it owns from now on, and returns its promise; throws and returns NULL if no thread can be made. */
napi_value addon_start (napi_env env, struct addon_job *job);

#endif
