/* What `gantry-shim oci` says over sockets and terminals: needs descriptors in messages, sequenced packets and a terminal of
 * the caller's own, so it is here and not in oci_role.test.ts. Needs root and busybox-static. */
#include <pty.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "sandbox.h"

#define STATE BOX ("state")
#define PID_FILE BOX ("pid")

#define NEEDS_PROGRAM()                                                                                                \
  do {                                                                                                                 \
    NEEDS_SANDBOX ();                                                                                                  \
    if (getenv ("GANTRY_SHIM") == NULL)                                                                                \
      SKIP ("needs GANTRY_SHIM");                                                                                      \
    MUST (mkdir (STATE, 0711) == 0);                                                                                   \
  } while (0)

/* ---- running it ---- */

/* Starts the program with the plan at descriptor 3; `terminal` ≥ 0 becomes its streams and its controlling terminal. */
static pid_t begin (struct builder *b, int terminal, const char *const *arguments) {
  const char *argv[32] = { "gantry-shim", "oci" };
  int plan = memfd_create ("plan", 0), n = 2;

  end_plan (b);
  MUST (plan >= 0 && write (plan, b->bytes, b->size) == (ssize_t) b->size && lseek (plan, 0, SEEK_SET) == 0);
  free (b->bytes);
  while (*arguments != NULL)
    argv[n++] = *arguments++;
  pid_t child = fork ();
  if (child == 0) {
    if (terminal >= 0) {
      setsid ();
      ioctl (terminal, TIOCSCTTY, 0);
      for (int fd = 0; fd < 3; fd++)
        dup2 (terminal, fd);
    }
    dup2 (plan, 3);
    close_range (4, ~0u, 0);
    execv (getenv ("GANTRY_SHIM"), (char **) (uintptr_t) argv);
    _exit (99);
  }
  close (plan);
  return child;
}

static int end_of (pid_t child) {
  int status;

  MUST (waitpid (child, &status, 0) == child);
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

#define BEGIN(b, terminal, ...) begin (b, terminal, STRV (__VA_ARGS__, "--plan-fd", "3"))

static struct sockaddr_un address_of (const char *path) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  MUST (strlen (path) < sizeof address.sun_path);
  strcpy (address.sun_path, path);
  return address;
}

static int listen_at (int type, const char *path) {
  struct sockaddr_un address = address_of (path);
  int fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  MUST (fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
  MUST (type == SOCK_DGRAM || listen (fd, 4) == 0);
  return fd;
}

/* Reads until `text` has come; the whole that came. */
static const char *await_text (int fd, const char *text) {
  static char all[65536];
  size_t size = 0;

  for (all[0] = '\0'; strstr (all, text) == NULL;) {
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    must (poll (&ready, 1, 10000) == 1, text);
    ssize_t n = read (fd, all + size, sizeof all - 1 - size);
    if (n <= 0)
      break;
    all[size += (size_t) n] = '\0';
  }
  return all;
}

static pid_t pid_in_file (void) {
  return (pid_t) atoi (read_text (PID_FILE));
}

/* ---- the console socket ---- */

/* The terminal that came, with the message it came in. */
static int take_console (int listener, char *message, size_t size) {
  struct iovec data = { message, size - 1 };
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  struct msghdr m = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
  };
  int fd = -1, connection = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

  MUST (connection >= 0);
  ssize_t n = recvmsg (connection, &m, MSG_CMSG_CLOEXEC);
  MUST (n > 0 && CMSG_FIRSTHDR (&m) != NULL);
  message[n] = '\0';
  memcpy (&fd, CMSG_DATA (CMSG_FIRSTHDR (&m)), sizeof fd);
  close (connection);
  return fd;
}

TEST ("create sends the terminal to the console socket") {
  struct builder b;
  char message[64];
  NEEDS_PROGRAM ();

  int listener = listen_at (SOCK_STREAM, BOX ("console"));
  begin_container (&b, PLAN_TERMINAL);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "read x; echo got $x; tty");
  pid_t create =
      BEGIN (&b, -1, "create", "--state", STATE, "--console-socket", BOX ("console"), "--pid-file", PID_FILE);
  int master = take_console (listener, message, sizeof message);
  CHECK_TEXT (message, "/dev/ptmx");
  CHECK (end_of (create) == 0);

  begin_plan (&b, 0, 0);
  put_command (&b, "");
  char pid[16];
  snprintf (pid, sizeof pid, "%d", pid_in_file ());
  CHECK (end_of (BEGIN (&b, -1, "start", "--state", STATE, "--join", pid)) == 0);
  CHECK (write (master, "word\n", 5) == 5);
  CHECK (strstr (await_text (master, "/dev/pts/0"), "got word") != NULL);
  close (master);
  close (listener);
}

TEST ("run without anybody at the console socket fails and leaves nothing") {
  struct builder b;
  NEEDS_PROGRAM ();

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b, "true");
  CHECK (end_of (BEGIN (&b, -1, "run", "--state", STATE, "--detach", "--console-socket", BOX ("nobody"))) == 1);
  CHECK (access (STATE, F_OK) < 0);
}

TEST ("create with a terminal needs a console socket") {
  struct builder b;
  NEEDS_PROGRAM ();

  begin_container (&b, PLAN_TERMINAL);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "true");
  CHECK (end_of (BEGIN (&b, -1, "create", "--state", STATE)) == 1);
  CHECK (access (STATE, F_OK) < 0);
}

/* ---- the caller's own terminal ---- */

struct own {
  int master, slave;
  struct termios before;
};

static struct own open_own (unsigned short rows, unsigned short cols) {
  struct own t;
  struct winsize size = { .ws_row = rows, .ws_col = cols };

  MUST (openpty (&t.master, &t.slave, NULL, NULL, &size) == 0);
  MUST (tcgetattr (t.slave, &t.before) == 0);
  return t;
}

static bool is_as_before (const struct own *t) {
  struct termios now;

  MUST (tcgetattr (t->slave, &now) == 0);
  return now.c_lflag == t->before.c_lflag && now.c_iflag == t->before.c_iflag && now.c_oflag == t->before.c_oflag;
}

static void close_own (struct own *t) {
  close (t->master);
  close (t->slave);
}

TEST ("run joins its own terminal to the container's, with its size, and puts it back") {
  struct builder b;
  NEEDS_PROGRAM ();
  struct own t = open_own (33, 77);

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b, "stty size; stty -echo; echo ready; read line; echo said $line; exit 6");
  pid_t run = BEGIN (&b, t.slave, "run", "--state", STATE);
  CHECK (strstr (await_text (t.master, "ready"), "33 77") != NULL);
  CHECK (!is_as_before (&t));
  CHECK (write (t.master, "something\r", 10) == 10);
  CHECK (strstr (await_text (t.master, "said something"), "said something") != NULL);
  CHECK (end_of (run) == 6);
  CHECK (is_as_before (&t));
  close_own (&t);
}

TEST ("run passes a change of its terminal's size on") {
  struct builder b;
  struct winsize size = { .ws_row = 50, .ws_col = 120 };
  NEEDS_PROGRAM ();
  struct own t = open_own (24, 80);

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b, "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.02; done");
  pid_t run = BEGIN (&b, t.slave, "run", "--state", STATE);
  await_text (t.master, "ready");
  CHECK (ioctl (t.master, TIOCSWINSZ, &size) == 0);
  CHECK (strstr (await_text (t.master, "50 120"), "50 120") != NULL);
  CHECK (end_of (run) == 0);
  close_own (&t);
}

TEST ("a start that fails puts the own terminal back") {
  struct builder b;
  NEEDS_PROGRAM ();
  struct own t = open_own (24, 80);

  begin_container (&b, PLAN_TERMINAL);
  put_exec (&b, STRV ("nope"), STRV (), PATH);
  CHECK (end_of (BEGIN (&b, t.slave, "run", "--state", STATE)) == 1);
  CHECK (is_as_before (&t));
  CHECK (strstr (await_text (t.master, "$PATH\r\n"), "$PATH\r\n") != NULL);
  CHECK (access (STATE, F_OK) < 0);
  close_own (&t);
}

TEST ("a joined process has the caller's terminal, too") {
  struct builder b;
  char pid[16];
  NEEDS_PROGRAM ();
  struct own t = open_own (24, 80);

  begin_container (&b, 0);
  put_command (&b, "sleep 1000; true");
  CHECK (end_of (BEGIN (&b, -1, "run", "--state", STATE, "--detach", "--pid-file", PID_FILE)) == 0);
  snprintf (pid, sizeof pid, "%d", pid_in_file ());
  begin_plan (&b, JOIN_ALL, PLAN_JOIN | PLAN_TERMINAL);
  put_op (&b, OP_CONSOLE, 0);
  put_u32 (&b, 30);
  put_u32 (&b, 100);
  put_u32 (&b, 0);
  put_command (&b, "tty; exit 4");
  pid_t exec = BEGIN (&b, t.slave, "exec", "--join", pid);
  CHECK (strstr (await_text (t.master, "/dev/pts/0"), "/dev/pts/0") != NULL);
  CHECK (end_of (exec) == 4);
  CHECK (is_as_before (&t));
  kill (atoi (pid), SIGKILL);
  close_own (&t);
}

TEST ("the end of the input is told to who reads lines") {
  struct builder b;
  int in[2];
  NEEDS_PROGRAM ();

  begin_container (&b, PLAN_TERMINAL);
  put_command (&b, "cat; exit 9");
  MUST (pipe2 (in, O_CLOEXEC) == 0 && write (in[1], "half", 4) == 4);
  close (in[1]);
  int kept = dup (0);
  dup2 (in[0], 0);
  pid_t run = BEGIN (&b, -1, "run", "--state", STATE);
  dup2 (kept, 0);
  close (kept);
  close (in[0]);
  CHECK (end_of (run) == 9);
}

/* ---- start.sock ---- */

static int connect_to (const char *path) {
  struct sockaddr_un address = address_of (path);
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  MUST (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  return fd;
}

TEST ("who connects to a created container and does not say \"go\" does no harm") {
  struct builder b;
  char pid[16];
  NEEDS_PROGRAM ();

  begin_container (&b, 0);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "sleep 1000; true");
  CHECK (end_of (BEGIN (&b, -1, "create", "--state", STATE, "--pid-file", PID_FILE)) == 0);
  snprintf (pid, sizeof pid, "%d", pid_in_file ());

  close (connect_to (STATE "/start.sock"));
  int wrong = connect_to (STATE "/start.sock");
  CHECK (send (wrong, "xyz", 3, MSG_NOSIGNAL) == 3);
  int silent = connect_to (STATE "/start.sock");
  begin_plan (&b, 0, 0);
  put_command (&b, "");
  CHECK (end_of (BEGIN (&b, -1, "start", "--state", STATE, "--join", pid)) == 0);
  kill (atoi (pid), SIGKILL);
  close (wrong);
  close (silent);
}

TEST ("a created container is not for other users to start") {
  struct builder b;
  struct stat st;
  char byte;
  NEEDS_PROGRAM ();

  begin_container (&b, 0);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "sleep 1000; true");
  CHECK (end_of (BEGIN (&b, -1, "create", "--state", STATE, "--pid-file", PID_FILE)) == 0);
  pid_t pid = pid_in_file ();
  CHECK (stat (STATE "/start.sock", &st) == 0 && (st.st_mode & 0777) == 0600);
  /* Even where the file's mode were of no help. */
  CHECK (chmod (STATE "/start.sock", 0666) == 0);
  pid_t other = fork ();
  if (other == 0) {
    setuid (1000);
    int fd = connect_to (STATE "/start.sock");
    send (fd, "", 1, MSG_NOSIGNAL);
    _exit (recv (fd, &byte, 1, 0) <= 0 ? 0 : 1);
  }
  CHECK (end_of (other) == 0);
  char path[64];
  snprintf (path, sizeof path, "/proc/%d/comm", pid);
  CHECK_TEXT (read_text (path), "gantry:created\n");
  kill (pid, SIGKILL);
}

/* ---- the service manager ---- */

static const char *receive (int fd) {
  static char text[256];
  struct pollfd ready = { .fd = fd, .events = POLLIN };

  if (poll (&ready, 1, 10000) != 1)
    return "nothing came";
  ssize_t n = recv (fd, text, sizeof text - 1, 0);
  text[n < 0 ? 0 : n] = '\0';
  return text;
}

static void tell (const char *text) {
  struct sockaddr_un address = address_of (BOX ("notify/notify.sock"));
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  MUST (fd >= 0);
  while (sendto (fd, text, strlen (text), 0, (struct sockaddr *) &address, sizeof address) < 0) {
    must (errno == ENOENT || errno == ECONNREFUSED, "sendto");
    nanosleep (&(struct timespec){ .tv_nsec = 1000000 }, NULL);
  }
  close (fd);
}

TEST ("run --detach ends when the process is ready, and tells the service manager only that") {
  struct builder b;
  char expected[32];
  NEEDS_PROGRAM ();

  int manager = listen_at (SOCK_DGRAM, BOX ("manager"));
  MUST (mkdir (BOX ("notify"), 0755) == 0);
  begin_container (&b, 0);
  put_command (&b, "sleep 1000; true");
  pid_t run = BEGIN (&b, -1, "run", "--state", STATE, "--detach", "--pid-file", PID_FILE, "--notify-socket",
                     BOX ("manager"), "--notify-dir", BOX ("notify"));
  tell ("STATUS=working\nWATCHDOG=1\n");
  tell ("STATUS=done\nREADY=1\nSTOPPING=0");
  CHECK_TEXT (receive (manager), "READY=1\n");
  CHECK (end_of (run) == 0);
  snprintf (expected, sizeof expected, "MAINPID=%d\n", pid_in_file ());
  CHECK_TEXT (receive (manager), expected);
  kill (pid_in_file (), SIGKILL);
  close (manager);
}

TEST ("a process that ends is not waited for to be ready") {
  struct builder b;
  NEEDS_PROGRAM ();

  int manager = listen_at (SOCK_DGRAM, BOX ("manager"));
  MUST (mkdir (BOX ("notify"), 0755) == 0);
  begin_container (&b, 0);
  put_command (&b, "exit 3");
  CHECK (end_of (BEGIN (&b, -1, "run", "--state", STATE, "--detach", "--notify-socket", BOX ("manager"), "--notify-dir",
                        BOX ("notify"))) == 0);
  close (manager);
}

/* Containers that a failed test left are this process's children. */
static void end_children (void) {
  char path[64];

  snprintf (path, sizeof path, "/proc/self/task/%d/children", getpid ());
  for (const char *at = read_text (path); *at != '\0'; at += strcspn (at, " "), at += *at == ' ')
    kill (atoi (at), SIGKILL);
}

int main (int argc, char **argv) {
  MUST (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  open_sandbox ();
  int result = run_tests (argc, argv);
  end_children ();
  close_sandbox ();
  return result;
}
