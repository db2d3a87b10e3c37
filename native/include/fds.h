/* Descriptors that close themselves at the end of their scope. */
#ifndef GANTRY_FDS_H
#define GANTRY_FDS_H

#include <errno.h>
#include <unistd.h>

static inline void fd_close (int *fd) {
  int kept = errno;

  if (*fd >= 0)
    close (*fd);
  *fd = -1;
  errno = kept;
}

#define auto_fd __attribute__ ((cleanup (fd_close))) int

/* Hands the descriptor over to the caller. */
static inline int fd_release (int *fd) {
  int released = *fd;
  *fd = -1;
  return released;
}

#endif
