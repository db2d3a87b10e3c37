/* gantry-runc: lets a resident compiler do the work when there is one (docs/decisions/0012). Otherwise it
 * becomes the program `gantryd` that lies beside it, by the name gantry-runc, without its just-in-time compiler.
 * That takes some milliseconds to set up and gains nothing in a process that lives for ten; its interpreter can be told so by the
 * environment alone, before it starts. The variable goes no further: what gantry-runc starts gets an environment of its own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ask.h"
#include "resident_socket.h"

#define TARGET "gantryd"
#define NAME "gantry-runc"

static int fail (const char *what) {
  fprintf (stderr, NAME ": %s: %s\n", what, strerror (errno));
  return 1;
}

/* The interpreter raises the soft limit of open files for itself; the container shall have the caller's. */
static int note_open_files (void) {
  struct rlimit limit;
  char text[24];

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
    return 0;
  snprintf (text, sizeof text, "%llu", (unsigned long long) limit.rlim_cur);
  return setenv ("GANTRY_RUNC_OPEN_FILES", text, 1);
}

/* One that the caller closed must not become a connection. */
static int open_streams (void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
      return -1;
  return 0;
}

int main (int argc, char **argv) {
  if (open_streams () < 0)
    return fail ("/dev/null");
  int code = resident_perform ();
  if (code >= 0)
    return code;

  char path[PATH_MAX];
  char name[] = NAME;

  if (path_beside_program (path, TARGET) < 0)
    return fail ("cannot find its own file");
  if (setenv ("BUN_JSC_useJIT", "0", 1) < 0 || note_open_files () < 0)
    return fail ("cannot set the environment");
  char *none[] = { name, NULL };
  if (argc > 0)
    argv[0] = name;
  execv (path, argc > 0 ? argv : none);
  return fail (path);
}
