/* Deleting, measuring and syncing trees, off the event loop. */
#include "addon.h"

#include "err.h"
#include "tree_fingerprint.h"
#include "tree_remove.h"
#include "tree_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct tree_job {
  struct addon_job job;
  struct tree_usage usage;
  uint8_t fingerprint[FINGERPRINT_BYTES];
  /* An Int32Array(1) of the caller; not zero = stop. The caller keeps it alive until the promise is settled. */
  const volatile int32_t *cancelled;
};

static void release (struct addon_job *job) {
  free (job->path);
  free (job);
}

static void note (struct addon_job *job, int result, const struct err *e) {
  job->code = result == 0 ? 0 : e->code != 0 ? e->code : EIO;
  if (result < 0)
    snprintf (job->detail, sizeof job->detail, "%s", e->text);
}

static void run_remove (struct addon_job *job) {
  struct err e = { 0 };
  note (job, tree_remove_path (job->path, &e), &e);
}

static void run_usage (struct addon_job *job) {
  struct tree_job *self = (struct tree_job *) job;
  struct err e = { 0 };
  note (job, tree_measure (job->path, self->cancelled, &self->usage, &e), &e);
}

static void run_fingerprint (struct addon_job *job) {
  struct tree_job *self = (struct tree_job *) job;
  struct err e = { 0 };
  note (job, tree_fingerprint (job->path, self->cancelled, self->fingerprint, &e), &e);
}

static void run_sync (struct addon_job *job) {
  int fd = open (job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  job->code = fd < 0 || syncfs (fd) < 0 ? errno : 0;
  if (fd >= 0)
    close (fd);
}

static napi_value fingerprint_result (napi_env env, const struct addon_job *job) {
  const struct tree_job *self = (const struct tree_job *) job;
  char text[2 * FINGERPRINT_BYTES + 1];
  napi_value result;
  for (size_t i = 0; i < FINGERPRINT_BYTES; i++)
    snprintf (text + 2 * i, 3, "%02x", self->fingerprint[i]);
  return napi_create_string_utf8 (env, text, 2 * FINGERPRINT_BYTES, &result) == napi_ok ? result : NULL;
}

static napi_value usage_result (napi_env env, const struct addon_job *job) {
  const struct tree_usage *usage = &((const struct tree_job *) job)->usage;
  napi_value object, bytes = addon_number (env, (double) usage->bytes);
  napi_value inodes = addon_number (env, (double) usage->inodes);
  if (bytes == NULL || inodes == NULL || napi_create_object (env, &object) != napi_ok)
    return NULL;
  napi_set_named_property (env, object, "sizeBytes", bytes);
  napi_set_named_property (env, object, "inodes", inodes);
  return object;
}

/* NULL when something was thrown. */
static struct tree_job *new_job (napi_env env, napi_value path, const char *syscall, void (*run) (struct addon_job *)) {
  struct tree_job *self = calloc (1, sizeof *self);
  if (self == NULL) {
    addon_throw (env, ENOMEM, "malloc", NULL);
    return NULL;
  }
  self->job.run = run;
  self->job.release = release;
  self->job.syscall = syscall;
  self->job.path = addon_path (env, path);
  if (self->job.path == NULL) {
    free (self);
    return NULL;
  }
  return self;
}

/* removeTree(path): Promise<void> */
static napi_value remove_tree (napi_env env, napi_callback_info info) {
  napi_value path;
  struct tree_job *self;
  if (addon_arguments (env, info, 1, &path) < 0 || (self = new_job (env, path, "unlinkat", run_remove)) == NULL)
    return NULL;
  return addon_start (env, &self->job);
}

/* syncFilesystem(path): Promise<void> */
static napi_value sync_filesystem (napi_env env, napi_callback_info info) {
  napi_value path;
  struct tree_job *self;
  if (addon_arguments (env, info, 1, &path) < 0 || (self = new_job (env, path, "syncfs", run_sync)) == NULL)
    return NULL;
  return addon_start (env, &self->job);
}

/* treeUsage(path, cancelled: Int32Array): Promise<{ sizeBytes, inodes }> */
/* (path, Int32Array(1) that stops it) → a promise of `result`. */
static napi_value start_reading (napi_env env, napi_callback_info info, void (*run) (struct addon_job *),
                                 napi_value (*result) (napi_env, const struct addon_job *)) {
  napi_value arguments[2];
  napi_typedarray_type type;
  size_t length;
  void *data;
  struct tree_job *self;
  if (addon_arguments (env, info, 2, arguments) < 0)
    return NULL;
  if (napi_get_typedarray_info (env, arguments[1], &type, &length, &data, NULL, NULL) != napi_ok ||
      type != napi_int32_array || length != 1) {
    napi_throw_type_error (env, NULL, "an Int32Array of one number is expected");
    return NULL;
  }
  self = new_job (env, arguments[0], "getdents", run);
  if (self == NULL)
    return NULL;
  self->cancelled = data;
  self->job.result = result;
  return addon_start (env, &self->job);
}

static napi_value tree_usage (napi_env env, napi_callback_info info) {
  return start_reading (env, info, run_usage, usage_result);
}

static napi_value fingerprint (napi_env env, napi_callback_info info) {
  return start_reading (env, info, run_fingerprint, fingerprint_result);
}

int addon_register_trees (napi_env env, napi_value exports) {
  if (addon_add_function (env, exports, "removeTree", remove_tree) < 0 ||
      addon_add_function (env, exports, "treeUsage", tree_usage) < 0 ||
      addon_add_function (env, exports, "treeFingerprint", fingerprint) < 0)
    return -1;
  return addon_add_function (env, exports, "syncFilesystem", sync_filesystem);
}
