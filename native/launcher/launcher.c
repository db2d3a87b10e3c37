/* gantry-runc: becomes the program `gantry` that lies beside it, by the name gantry-runc, without its just-in-time compiler.
 * That takes some milliseconds to set up and gains nothing in a process that lives for ten; its interpreter can be told so by the
 * environment alone, before it starts. The variable goes no further: what gantry-runc starts gets an environment of its own. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TARGET "gantry"
#define NAME "gantry-runc"

static int fail (const char *what) {
  fprintf (stderr, NAME ": %s: %s\n", what, strerror (errno));
  return 1;
}

int main (int argc, char **argv) {
  char path[PATH_MAX + sizeof TARGET];
  char name[] = NAME;
  ssize_t length = readlink ("/proc/self/exe", path, PATH_MAX);

  if (length <= 0 || length >= PATH_MAX)
    return fail ("cannot find its own file");
  path[length] = '\0';
  char *slash = strrchr (path, '/');
  memcpy (slash == NULL ? path : slash + 1, TARGET, sizeof TARGET);
  if (setenv ("BUN_JSC_useJIT", "0", 1) < 0)
    return fail ("cannot set the environment");
  char *none[] = { name, NULL };
  if (argc > 0)
    argv[0] = name;
  execv (path, argc > 0 ? argv : none);
  return fail (path);
}
