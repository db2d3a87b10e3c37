/* A pseudo terminal of the container's own devpts. Its two ends are never opened by the numbers under /dev/pts: what
 * stands there is the container's to choose. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "fds.h"
#include "init.h"
#include "inroot.h"
#include "kernel.h"
#include "mounts.h"

static int check_devpts (int fd, const char *what, struct err *e) {
  struct statfs fs;

  if (fstatfs (fd, &fs) < 0)
    return err_set (e, errno, "cannot look at the terminal's %s", what);
  return fs.f_type == DEVPTS_SUPER_MAGIC ? 0 : err_set (e, 0, "the terminal's %s is not in a devpts", what);
}

static int open_master (struct init *in, struct err *e) {
  struct stat st;
  int unlocked = 0;

  auto_fd master = inroot_open (in->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (master < 0)
    return err_set (e, errno, "cannot open the container's /dev/pts/ptmx");
  if (fstat (master, &st) < 0 || !S_ISCHR (st.st_mode) || st.st_rdev != makedev (5, 2))
    return err_set (e, 0, "the container's /dev/pts/ptmx is not a terminal multiplexer");
  if (check_devpts (master, "master", e) < 0)
    return -1;
  if (ioctl (master, TIOCSPTLCK, &unlocked) < 0)
    return err_set (e, errno, "cannot unlock the terminal");
  return fd_release (&master);
}

static int bind_console (struct init *in, int slave, struct err *e) {
  bool made;
  auto_fd target = inroot_reach (in->root_fd, "/dev/console", MAKE_FILE, 0600, &made);

  if (target < 0)
    return err_set (e, errno, "cannot reach \"/dev/console\"");
  auto_fd mount = open_tree (slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (mount < 0)
    return err_set (e, errno, "cannot bind the terminal");
  return mount_attach (mount, target, "/dev/console", e);
}

int console_send (int sync_fd, int master, struct err *e) {
  char byte = SYNC_CONSOLE;
  struct iovec data = { &byte, 1 };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };

  memset (&control, 0, sizeof control);
  control.header =
      (struct cmsghdr){ .cmsg_len = CMSG_LEN (sizeof (int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
  memcpy (CMSG_DATA (&control.header), &master, sizeof master);
  return sendmsg (sync_fd, &message, MSG_NOSIGNAL) < 0 ? err_set (e, errno, "cannot pass the terminal on") : 0;
}

int step_console (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct winsize size = { 0 };

  size.ws_row = (unsigned short) take_u32 (f);
  size.ws_col = (unsigned short) take_u32 (f);
  uint32_t uid = take_u32 (f);
  bool owns_mounts = (in->plan->flags & PLAN_JOIN) == 0 && (in->plan->clone_flags & CLONE_NEWNS) != 0;

  auto_fd master = open_master (in, e);
  if (master < 0)
    return -1;
  auto_fd slave = ioctl (master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0)
    return err_set (e, errno, "cannot open the terminal's slave");
  if (check_devpts (slave, "slave", e) < 0)
    return -1;
  if (ioctl (master, TIOCSWINSZ, &size) < 0)
    return err_set (e, errno, "cannot set the terminal's size");
  if (fchown (slave, uid, (gid_t) -1) < 0)
    return err_set (e, errno, "cannot give the terminal to %u", uid);
  /* Where somebody else's mount namespace was entered, /dev/console is somebody else's. */
  if (owns_mounts && bind_console (in, slave, e) < 0)
    return -1;
  if (console_send (in->sync_fd, master, e) < 0)
    return -1;
  /* The session was made when the process began; that of a joining one is made later, with this. */
  if ((in->plan->flags & PLAN_JOIN) == 0 && ioctl (slave, TIOCSCTTY, 0) < 0)
    return err_set (e, errno, "cannot make the terminal the controlling one");
  if (dup2 (slave, 0) < 0 || dup2 (slave, 1) < 0 || dup2 (slave, 2) < 0)
    return err_set (e, errno, "cannot make the terminal standard input and output");
  return 0;
}
