#include "addon.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void set_text (napi_env env, napi_value object, const char *key, const char *text) {
  napi_value value;
  if (napi_create_string_utf8 (env, text, NAPI_AUTO_LENGTH, &value) == napi_ok)
    napi_set_named_property (env, object, key, value);
}

/* libuv's texts begin in lower case, unless the first word is all capitals. */
static const char *text_of (int code, char *to, size_t size) {
  char buffer[128];
  snprintf (to, size, "%s", strerror_r (code, buffer, sizeof buffer));
  if (to[0] != 0 && islower ((unsigned char) to[1]))
    to[0] = (char) tolower ((unsigned char) to[0]);
  return to;
}

napi_value addon_error (napi_env env, int code, const char *syscall, const char *path, const char *detail) {
  char text[128], message[1600];
  napi_value message_value, code_value, errno_value, error;
  const char *name = strerrorname_np (code);
  if (name == NULL)
    name = "UNKNOWN";

  text_of (code, text, sizeof text);
  size_t used = (size_t) snprintf (message, sizeof message, "%s: %s, %s", name, text, syscall);
  if (path != NULL)
    used += (size_t) snprintf (message + used, sizeof message - used, " '%.700s'", path);
  if (detail != NULL)
    snprintf (message + used, sizeof message - used, ": %.500s", detail);
  if (napi_create_string_utf8 (env, message, NAPI_AUTO_LENGTH, &message_value) != napi_ok ||
      napi_create_string_utf8 (env, name, NAPI_AUTO_LENGTH, &code_value) != napi_ok ||
      napi_create_error (env, code_value, message_value, &error) != napi_ok)
    return NULL;
  if (napi_create_int32 (env, -code, &errno_value) == napi_ok)
    napi_set_named_property (env, error, "errno", errno_value);
  set_text (env, error, "syscall", syscall);
  if (path != NULL)
    set_text (env, error, "path", path);
  return error;
}

napi_value addon_throw (napi_env env, int code, const char *syscall, const char *path) {
  napi_value error = addon_error (env, code, syscall, path, NULL);
  if (error != NULL)
    napi_throw (env, error);
  return NULL;
}
