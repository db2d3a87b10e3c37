#include "addon.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int addon_add_function (napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  if (napi_create_function (env, name, NAPI_AUTO_LENGTH, function, NULL, &value) != napi_ok)
    return -1;
  return napi_set_named_property (env, exports, name, value) == napi_ok ? 0 : -1;
}

int addon_arguments (napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  size_t given = count;
  if (napi_get_cb_info (env, info, &given, arguments, NULL, NULL) == napi_ok && given == count)
    return 0;
  napi_throw_type_error (env, NULL, "wrong number of arguments");
  return -1;
}

char *addon_path (napi_env env, napi_value value) {
  size_t length, written;
  if (napi_get_value_string_utf8 (env, value, NULL, 0, &length) != napi_ok) {
    napi_throw_type_error (env, NULL, "a path must be a string");
    return NULL;
  }
  char *path = malloc (length + 1);
  if (path == NULL || napi_get_value_string_utf8 (env, value, path, length + 1, &written) != napi_ok) {
    free (path);
    addon_throw (env, ENOMEM, "malloc", NULL);
    return NULL;
  }
  if (written == 0 || strlen (path) != written) {
    free (path);
    addon_throw (env, EINVAL, "path", NULL);
    return NULL;
  }
  return path;
}

int addon_int (napi_env env, napi_value value, int *number) {
  double given;
  if (napi_get_value_double (env, value, &given) == napi_ok && given >= INT32_MIN && given <= INT32_MAX &&
      given == (double) (int) given) {
    *number = (int) given;
    return 0;
  }
  napi_throw_type_error (env, NULL, "an integer is expected");
  return -1;
}

napi_value addon_number (napi_env env, double number) {
  napi_value value;
  return napi_create_double (env, number, &value) == napi_ok ? value : NULL;
}

static napi_value init (napi_env env, napi_value exports) {
  if (addon_register_files (env, exports) < 0 || addon_register_processes (env, exports) < 0 ||
      addon_register_peers (env, exports) < 0 || addon_register_replace (env, exports) < 0 ||
      addon_register_trees (env, exports) < 0 || addon_register_netlink (env, exports) < 0 ||
      addon_register_connect (env, exports) < 0 || addon_register_datagrams (env, exports) < 0 ||
      addon_register_host_paths (env, exports) < 0 || addon_register_quotas (env, exports) < 0)
    napi_throw_error (env, NULL, "cannot register the functions of the addon");
  return exports;
}

NAPI_MODULE (gantry, init)
