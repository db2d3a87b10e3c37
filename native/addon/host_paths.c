/* Paths of the host that a user names, which may lie on a server that does not answer: looked at on a thread of its own. */
#include "addon.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { DIRECTORY_MODE = 0755 };

struct look_job {
  struct addon_job job;
  mode_t mode;
  int makes; /* a directory, and those above it, when nothing is there */
};

static void release (struct addon_job *job) {
  free (job->path);
  free (job);
}

/* `path` is cut at each "/" in turn, and whole again afterwards. 0 or -1 with errno. */
static int make_directories (char *path) {
  for (char *at = path + 1; *at != 0; at++) {
    if (*at != '/')
      continue;
    *at = 0;
    int result = mkdir (path, DIRECTORY_MODE);
    *at = '/';
    if (result < 0 && errno != EEXIST)
      return -1;
  }
  return mkdir (path, DIRECTORY_MODE) < 0 && errno != EEXIST ? -1 : 0;
}

static void run_look (struct addon_job *job) {
  struct look_job *self = (struct look_job *) job;
  struct stat st;
  int result = stat (job->path, &st);
  if (result < 0 && self->makes) {
    job->syscall = "mkdir";
    if (make_directories (job->path) < 0) {
      job->code = errno;
      return;
    }
    job->syscall = "stat";
    result = stat (job->path, &st);
  }
  job->code = result < 0 ? errno : 0;
  self->mode = result < 0 ? 0 : st.st_mode;
}

static napi_value look_result (napi_env env, const struct addon_job *job) {
  return addon_number (env, ((const struct look_job *) job)->mode);
}

/* hostPath(path, makes): Promise<number>, its st_mode */
static napi_value host_path (napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int makes;
  if (addon_arguments (env, info, 2, arguments) < 0 || addon_int (env, arguments[1], &makes) < 0)
    return NULL;
  struct look_job *self = calloc (1, sizeof *self);
  if (self == NULL)
    return addon_throw (env, ENOMEM, "malloc", NULL);
  self->job.run = run_look;
  self->job.result = look_result;
  self->job.release = release;
  self->job.syscall = "stat";
  self->makes = makes;
  self->job.path = addon_path (env, arguments[0]);
  if (self->job.path == NULL) {
    free (self);
    return NULL;
  }
  return addon_start (env, &self->job);
}

int addon_register_host_paths (napi_env env, napi_value exports) {
  return addon_add_function (env, exports, "hostPath", host_path);
}
