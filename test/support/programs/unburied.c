/* Has as many children as it is told, which end at once and which it never waits for. Deaf to SIGTERM. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int main (int argc, char **argv)
{
  signal (SIGTERM, SIG_IGN);
  for (int left = argc > 1 ? atoi (argv[1]) : 0; left > 0; left--)
    if (fork () == 0)
      _exit (0);
  for (;;)
    pause ();
}
