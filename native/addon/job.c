#include "addon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { STACK_BYTES = 256 << 10 };

static void settle (napi_env env, struct addon_job *job) {
  if (job->code == 0) {
    napi_value value = job->result == NULL ? NULL : job->result (env, job);
    if (value == NULL)
      napi_get_undefined (env, &value);
    napi_resolve_deferred (env, job->deferred, value);
    return;
  }
  const char *detail = job->detail[0] == 0 ? NULL : job->detail;
  napi_reject_deferred (env, job->deferred, addon_error (env, job->code, job->syscall, job->path, detail));
}

static void finish (napi_env env, napi_value callback, void *context, void *data) {
  (void) callback;
  (void) context;
  struct addon_job *job = data;
  if (env != NULL)
    settle (env, job);
  job->release (job);
}

static void *run (void *data) {
  struct addon_job *job = data;
  napi_threadsafe_function done = job->done;
  job->run (job);
  /* Refused when the environment ends: then nobody waits for the promise either. */
  if (napi_call_threadsafe_function (done, job, napi_tsfn_blocking) != napi_ok)
    job->release (job);
  napi_release_threadsafe_function (done, napi_tsfn_release);
  return NULL;
}

/* Signals stay the main thread's business: the new thread is born with all of them blocked. */
int addon_thread (void *(*body) (void *), void *data) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;

  int code = pthread_attr_init (&attributes);
  if (code != 0)
    return code;
  pthread_attr_setstacksize (&attributes, STACK_BYTES);
  pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  code = pthread_create (&thread, &attributes, body, data);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  pthread_attr_destroy (&attributes);
  return code;
}

napi_value addon_start (napi_env env, struct addon_job *job) {
  napi_value name, promise;
  if (napi_create_string_utf8 (env, job->syscall, NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function (env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, finish, &job->done) != napi_ok) {
    job->release (job);
    napi_throw_error (env, NULL, "cannot prepare a thread");
    return NULL;
  }
  if (napi_create_promise (env, &job->deferred, &promise) != napi_ok) {
    napi_release_threadsafe_function (job->done, napi_tsfn_release);
    job->release (job);
    napi_throw_error (env, NULL, "cannot make a promise");
    return NULL;
  }
  int code = addon_thread (run, job);
  if (code != 0) {
    napi_release_threadsafe_function (job->done, napi_tsfn_release);
    job->code = code;
    settle (env, job);
    job->release (job);
  }
  return promise;
}
