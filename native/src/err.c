#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set (struct err *e, int code, const char *format, ...) {
  va_list arguments;

  e->code = code;
  e->op = 0;
  va_start (arguments, format);
  vsnprintf (e->text, sizeof e->text, format, arguments);
  va_end (arguments);
  return -1;
}

int err_is_complete (const struct err *e) {
  return e->code == 0 || strncmp (e->text, "exec: \"", 7) == 0 || strstr (e->text, ": no matching entries in ") != NULL;
}
