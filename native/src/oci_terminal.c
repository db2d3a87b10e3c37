/* A container's terminal: handed to whoever listens at the console socket, or joined to the caller's own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "err.h"
#include "fds.h"
#include "oci.h"

/* What goes with the descriptor: the master's name, as runc's callers are used to (observed). */
#define MASTER_NAME "/dev/ptmx"

void oci_terminal_init (struct oci_terminal *t) {
  *t = (struct oci_terminal){
    .master = -1, .own = -1, .input = { .from = -1, .to = -1 }, .output = { .from = -1, .to = -1 }
  };
}

/* ---- to the console socket ---- */

int oci_terminal_give (int master, const char *console_socket, struct err *e) {
  char name[] = MASTER_NAME;
  struct iovec data = { name, sizeof name - 1 };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };
  auto_fd owned = master;
  auto_fd socket = oci_connect_path (SOCK_STREAM, console_socket, e);

  if (socket < 0)
    return -1;
  memset (&control, 0, sizeof control);
  control.header =
      (struct cmsghdr){ .cmsg_len = CMSG_LEN (sizeof (int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
  memcpy (CMSG_DATA (&control.header), &owned, sizeof owned);
  if (sendmsg (socket, &message, MSG_NOSIGNAL) < 0)
    return err_set (e, errno, "cannot send the terminal to the console socket");
  return 0;
}

/* ---- to the caller's terminal ---- */

static int find_own (void) {
  for (int fd = 0; fd < 3; fd++)
    if (isatty (fd))
      return fd;
  return -1;
}

int oci_terminal_take (struct oci_terminal *t, int master, struct err *e) {
  struct termios raw;

  t->master = master;
  t->input = (struct oci_pump){ .from = 0, .to = master };
  t->output = (struct oci_pump){ .from = master, .to = 1 };
  if (fcntl (master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
    return err_set (e, errno, "cannot use the terminal");
  t->own = find_own ();
  oci_terminal_resize (t);
  if (!isatty (0))
    return 0;
  if (tcgetattr (0, &t->before) < 0)
    return err_set (e, errno, "cannot read the settings of the own terminal");
  raw = t->before;
  cfmakeraw (&raw);
  t->is_raw = true;
  return tcsetattr (0, TCSANOW, &raw) < 0 ? err_set (e, errno, "cannot make the own terminal raw") : 0;
}

void oci_terminal_resize (const struct oci_terminal *t) {
  struct winsize size;

  if (t->master >= 0 && t->own >= 0 && ioctl (t->own, TIOCGWINSZ, &size) == 0 && size.ws_row != 0)
    ioctl (t->master, TIOCSWINSZ, &size);
}

void oci_terminal_end (struct oci_terminal *t) {
  if (t->is_raw)
    tcsetattr (0, TCSANOW, &t->before);
  t->is_raw = false;
  fd_close (&t->master);
  t->input.from = t->output.from = -1;
}

/* ---- the bytes ---- */

/* The end of our input is the end-of-file character for a reader of lines; twice, when a line has begun. */
static void end_input (struct oci_pump *p) {
  struct termios settings;
  bool has_begun = p->done > 0 && p->bytes[p->done - 1] != '\n';

  p->from = -1;
  if (tcgetattr (p->to, &settings) < 0 || (settings.c_lflag & ICANON) == 0)
    return;
  p->bytes[0] = p->bytes[1] = (char) settings.c_cc[VEOF];
  p->done = 0;
  p->size = has_begun ? 2 : 1;
}

/* Asleep or interrupted is not the end. */
static bool is_over (ssize_t n) {
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void flush (struct oci_pump *p) {
  ssize_t n = write (p->to, p->bytes + p->done, p->size - p->done);

  if (n > 0)
    p->done += (size_t) n;
  else if (is_over (n))
    p->done = p->size; /* nobody reads: what comes is lost, the process goes on */
}

void oci_terminal_poll (const struct oci_terminal *t, struct pollfd fds[4]) {
  const struct oci_pump *pumps[2] = { &t->output, &t->input };

  for (int i = 0; i < 2; i++) {
    bool is_empty = pumps[i]->done == pumps[i]->size;
    fds[2 * i] = (struct pollfd){ .fd = t->master >= 0 && is_empty ? pumps[i]->from : -1, .events = POLLIN };
    fds[2 * i + 1] = (struct pollfd){ .fd = t->master >= 0 && !is_empty ? pumps[i]->to : -1, .events = POLLOUT };
  }
}

void oci_terminal_turn (struct oci_terminal *t, const struct pollfd fds[4]) {
  struct oci_pump *pumps[2] = { &t->output, &t->input };

  for (int i = 0; i < 2; i++) {
    struct oci_pump *p = pumps[i];
    if (fds[2 * i + 1].revents != 0)
      flush (p);
    if (fds[2 * i].revents == 0)
      continue;
    ssize_t n = read (p->from, p->bytes, sizeof p->bytes);
    if (n > 0) {
      p->size = (size_t) n;
      p->done = 0;
    } else if (is_over (n) && p == &t->input)
      end_input (p);
    else if (is_over (n))
      fd_close (&t->master); /* the last slave is closed */
  }
}
