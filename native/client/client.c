/* gantry: lets a resident client do the work when there is one (docs/decisions/0017). Otherwise it becomes the program
 * `gantryd` that lies beside it, which is the client, too, under any other name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "conversation.h"
#include "resident_socket.h"

#define TARGET "gantryd"

static int fail (const char *what) {
  fprintf (stderr, "gantry: %s: %s\n", what, strerror (errno));
  return 125;
}

/* A connection must not take the number of a stream that the caller closed. */
static bool has_streams (void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl (fd, F_GETFD) < 0)
      return false;
  return true;
}

/* Where a resident client of this user would listen. "": nowhere. */
static const char *find_path (char *room, size_t size) {
  const char *wanted = getenv (CLIENT_VARIABLE);
  const char *directory = geteuid () == 0 ? CLIENT_ROOT_DIRECTORY : getenv ("XDG_RUNTIME_DIR");

  if (wanted != NULL)
    return wanted;
  if (directory == NULL || *directory != '/')
    return "";
  int length = snprintf (room, size, "%s/" CLIENT_DIRECTORY "/" CLIENT_NAME, directory);
  return length > 0 && (size_t) length < size ? room : "";
}

int main (int argc, char **argv) {
  char room[PATH_MAX], program[PATH_MAX];
  char *none[] = { (char *) "gantry", NULL };
  const char *path = find_path (room, sizeof room);

  unsetenv (CLIENT_ABSENT);
  if (*path != '\0' && has_streams ()) {
    int end = client_converse (path);
    if (end >= 0)
      return end;
    if (end == CLIENT_NOBODY && setenv (CLIENT_ABSENT, path, 1) < 0)
      return fail ("cannot set the environment");
  }
  if (path_beside_program (program, TARGET) < 0)
    return fail ("cannot find its own file");
  execv (program, argc > 0 ? argv : none);
  return fail (program);
}
