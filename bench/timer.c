/* timer COUNT COMMAND ...: runs a command COUNT times, one after the other, and prints the wall time of each in
 * microseconds as lines "@123" on standard error: timing without the cost of whoever asks for it (an interpreter, a
 * namespace change). The command's output goes where ours goes. Ends with the first status that is not 0. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int
run_once (char **command)
{
  struct timespec a, b;
  pid_t pid;
  int status;
  clock_gettime (CLOCK_MONOTONIC, &a);
  int failed = posix_spawnp (&pid, command[0], NULL, NULL, command, environ);
  if (failed)
    {
      fprintf (stderr, "timer: cannot start \"%s\": %s\n", command[0], strerror (failed));
      return 127;
    }
  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  clock_gettime (CLOCK_MONOTONIC, &b);
  fprintf (stderr, "\n@%lld\n", (long long) ((b.tv_sec - a.tv_sec) * 1000000LL + (b.tv_nsec - a.tv_nsec) / 1000));
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

int
main (int argc, char **argv)
{
  if (argc < 3)
    return 2;
  int status = 0;
  for (int left = atoi (argv[1]); left > 0 && status == 0; left--)
    status = run_once (argv + 2);
  return status;
}
