#include "err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set (struct err *e, int code, const char *format, ...) {
  va_list arguments;

  e->code = code;
  e->op = 0;
  va_start (arguments, format);
  vsnprintf (e->text, sizeof e->text, format, arguments);
  va_end (arguments);
  return -1;
}
