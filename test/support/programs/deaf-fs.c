/*
 * A file system that stops answering: mounted on its first argument, it has one file, "file". It answers until somebody reads
 * that file (or a signal USR1 comes), and from then on takes every request and answers none: whoever waits for one is in state D,
 * which no signal ends. When this process ends the kernel fails all that wait.
 *
 * It speaks FUSE by itself (linux/fuse.h); says "mounted" on standard output when it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILE_NODE = 2 };

static volatile sig_atomic_t deaf;

static void become_deaf (int signal)
{
  (void) signal;
  deaf = 1;
}

static void answer (int fuse, const struct fuse_in_header *in, int error, const void *body, size_t size)
{
  struct fuse_out_header out = { .len = sizeof out + (error ? 0 : size), .error = -error, .unique = in->unique };
  struct iovec parts[] = { { &out, sizeof out }, { (void *) body, error ? 0 : size } };
  if (writev (fuse, parts, 2) < 0 && errno != ENOENT)
    perror ("writev");
}

static struct fuse_attr attributes (uint64_t node)
{
  struct fuse_attr attr = { .ino = node, .nlink = 1, .blksize = 4096 };
  attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
  attr.size = node == FUSE_ROOT_ID ? 0 : 4096;
  return attr;
}

static void serve (int fuse, const struct fuse_in_header *in, const void *body)
{
  switch (in->opcode)
    {
    case FUSE_INIT:
      {
        const struct fuse_init_in *theirs = body;
        struct fuse_init_out ours = { .major = 7, .minor = theirs->minor, .max_readahead = 4096,
                                      .max_background = 16, .congestion_threshold = 12, .max_write = 4096 };
        answer (fuse, in, 0, &ours, sizeof ours);
        return;
      }
    case FUSE_GETATTR:
      {
        struct fuse_attr_out out = { .attr = attributes (in->nodeid) };
        answer (fuse, in, 0, &out, sizeof out);
        return;
      }
    case FUSE_LOOKUP:
      {
        struct fuse_entry_out out = { .nodeid = FILE_NODE, .attr = attributes (FILE_NODE) };
        answer (fuse, in, strcmp (body, "file") ? ENOENT : 0, &out, sizeof out);
        return;
      }
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      {
        struct fuse_open_out out = { .fh = 1, .open_flags = FOPEN_DIRECT_IO };
        answer (fuse, in, 0, &out, sizeof out);
        return;
      }
    case FUSE_STATFS:
      {
        struct fuse_statfs_out out = { .st = { .bsize = 4096, .namelen = 255 } };
        answer (fuse, in, 0, &out, sizeof out);
        return;
      }
    case FUSE_READDIR:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_FLUSH:
      answer (fuse, in, 0, NULL, 0);
      return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return; /* nobody waits for an answer */
    case FUSE_READ:
      deaf = 1;
      return;
    default:
      answer (fuse, in, ENOSYS, NULL, 0);
    }
}

int main (int argc, char **argv)
{
  if (argc != 2)
    return 2;
  prctl (PR_SET_PDEATHSIG, SIGKILL); /* nobody is to wait for ever */
  struct sigaction act = { .sa_handler = become_deaf };
  sigaction (SIGUSR1, &act, NULL);
  int fuse = open ("/dev/fuse", O_RDWR | O_CLOEXEC);
  char options[128];
  snprintf (options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
  if (fuse < 0 || mount ("deaf", argv[1], "fuse.deaf", MS_NOSUID | MS_NODEV, options) < 0)
    {
      perror (argv[1]);
      return 1;
    }
  puts ("mounted");
  fflush (stdout);
  static _Alignas (16) char request[FUSE_MIN_READ_BUFFER + 4096];
  for (;;)
    {
      ssize_t size = read (fuse, request, sizeof request);
      if (size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
        continue;
      if (size < (ssize_t) sizeof (struct fuse_in_header))
        return 0; /* unmounted */
      if (!deaf)
        serve (fuse, (const struct fuse_in_header *) request, request + sizeof (struct fuse_in_header));
    }
}
