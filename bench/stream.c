/* stream serve PORT: takes connections one after the other and throws away what comes.
 * stream send ADDRESS PORT SECONDS: sends as much as goes, and prints megabits per second. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024 };
static char chunk[CHUNK];

static double
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int
failed (const char *what)
{
  perror (what);
  return 1;
}

static int
serve (int port)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons (port) };
  int yes = 1, listener = socket (AF_INET, SOCK_STREAM, 0);
  setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind (listener, (struct sockaddr *) &at, sizeof at) < 0 || listen (listener, 16) < 0)
    return failed ("listen");
  for (;;)
    {
      int peer = accept (listener, NULL, NULL);
      if (peer < 0)
        return failed ("accept");
      while (read (peer, chunk, CHUNK) > 0)
        ;
      close (peer);
    }
}

static int
send_for (const char *address, int port, double seconds)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons (port) };
  if (inet_pton (AF_INET, address, &to.sin_addr) != 1)
    return failed (address);
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  if (connect (fd, (struct sockaddr *) &to, sizeof to) < 0)
    return failed ("connect");
  double start = now (), bytes = 0, spent;
  while ((spent = now () - start) < seconds)
    {
      ssize_t n = write (fd, chunk, CHUNK);
      if (n < 0)
        return failed ("write");
      bytes += n;
    }
  printf ("%.0f\n", bytes * 8 / 1e6 / spent);
  return 0;
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  if (argc == 3 && strcmp (argv[1], "serve") == 0)
    return serve (atoi (argv[2]));
  if (argc == 5 && strcmp (argv[1], "send") == 0)
    return send_for (argv[2], atoi (argv[3]), atof (argv[4]));
  fprintf (stderr, "usage: stream serve PORT | stream send ADDRESS PORT SECONDS\n");
  return 2;
}
