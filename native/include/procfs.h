/* A procfs that nobody else can reach, so that what is mounted on the container's /proc is never asked or written. It is
 * of the pid namespace that this process is in: "PID" of a path is getpid(). */
#ifndef GANTRY_PROCFS_H
#define GANTRY_PROCFS_H

#include <stddef.h>
#include <sys/types.h>

struct err;
struct init;

/* Makes it at the first call. Needed before the others. */
int procfs_need (struct init *in, struct err *e);

/* A file or directory of it, never through a link. -1 with errno. */
int procfs_open (struct init *in, const char *path, int flags);

/* One write(2) of the whole value. -1 with errno. */
int procfs_write (struct init *in, const char *path, const char *value);

/* One read(2) into a string. -1 with errno. */
ssize_t procfs_read (struct init *in, const char *path, char *text, size_t size);

#endif
