/* Pipes that directions of connections borrow while something is in them: an idle connection has none. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "err.h"
#include "forwarder.h"

/* However many descriptors connections take, some can be emptied. */
int pipes_prepare (struct forwarder *f, struct err *e) {
  while (f->pipe_count < PIPES_AT_FIRST) {
    if (pipe2 (f->pipes[f->pipe_count].ends, O_CLOEXEC | O_NONBLOCK) < 0)
      return err_set (e, errno, "cannot make a pipe");
    f->pipe_count++;
  }
  return 0;
}

bool pipe_borrow (struct forwarder *f, struct pipe *p) {
  if (f->pipe_count > 0) {
    *p = f->pipes[--f->pipe_count];
    return true;
  }
  return pipe2 (p->ends, O_CLOEXEC | O_NONBLOCK) == 0;
}

void pipe_return (struct forwarder *f, struct pipe *p, bool is_empty) {
  if (p->ends[0] < 0)
    return;
  if (is_empty && f->pipe_count < PIPES_KEPT)
    f->pipes[f->pipe_count++] = *p;
  else {
    close (p->ends[0]);
    close (p->ends[1]);
  }
  p->ends[0] = p->ends[1] = -1;
}
