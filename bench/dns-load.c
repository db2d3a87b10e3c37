/* dns-load ADDRESS PORT NAME WINDOW COUNT: asks for the address of NAME COUNT times, WINDOW questions at a time, and prints
 * "answers per second, median and 99th percentile in microseconds, lost" as four numbers. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { IDS = 65536 };

static double
now_us (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int
by_size (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* One label. */
static size_t
question (unsigned char *to, const char *name)
{
  size_t length = strlen (name);
  memcpy (to, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
  to[12] = (unsigned char) length;
  memcpy (to + 13, name, length);
  memcpy (to + 13 + length, "\0\0\1\0\1", 5);
  return 18 + length;
}

int
main (int argc, char **argv)
{
  static double sent[IDS];
  unsigned char query[128], answer[4096];
  if (argc != 6 || strlen (argv[3]) > 63)
    return 2;
  int window = atoi (argv[4]), count = atoi (argv[5]), asked = 0, open = 0, got = 0, lost = 0;
  double *times = calloc ((size_t) count, sizeof *times);
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons ((unsigned short) atoi (argv[2])) };
  struct timeval patience = { .tv_sec = 1 };
  size_t size = question (query, argv[3]);
  int fd = socket (AF_INET, SOCK_DGRAM, 0);
  if (times == NULL || fd < 0 || inet_pton (AF_INET, argv[1], &to.sin_addr) != 1
      || connect (fd, (struct sockaddr *) &to, sizeof to) < 0)
    return 1;
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

  double start = now_us ();
  while (got + lost < count)
    {
      for (; open < window && asked < count; open++, asked++)
        {
          query[0] = (unsigned char) (asked >> 8);
          query[1] = (unsigned char) asked;
          sent[asked % IDS] = now_us ();
          send (fd, query, size, 0);
        }
      ssize_t bytes = recv (fd, answer, sizeof answer, 0);
      if (bytes < 0)
        {
          lost += open;
          open = 0;
          continue;
        }
      if (bytes < 12 || (answer[3] & 15) != 0 || answer[7] == 0)
        {
          fprintf (stderr, "dns-load: that is no answer\n");
          return 1;
        }
      times[got++] = now_us () - sent[answer[0] << 8 | answer[1]];
      open--;
    }
  double took = now_us () - start;
  qsort (times, (size_t) got, sizeof *times, by_size);
  printf ("%.0f %.0f %.0f %d\n", got / took * 1e6, times[got / 2], times[(long) got * 99 / 100], lost);
  return 0;
}
