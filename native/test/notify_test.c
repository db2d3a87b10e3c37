/* Seccomp notification: the descriptor comes to an agent, who then answers for real containers. Needs root and
 * busybox-static. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sandbox.h"

#define AGENT BOX ("agent.sock")
#define HEARD BOX ("heard")

/* ---- an agent ---- */

static int listen_at (const char *path, int backlog) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  strcpy (address.sun_path, path);
  unlink (path);
  MUST (bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && listen (fd, backlog) == 0);
  return fd;
}

/* The text until the end of the stream; the descriptor that came with its beginning. */
static int hear (int peer, char *text, size_t size) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control;
  int fd = -1;
  size_t have = 0;

  for (;;) {
    struct iovec data = { text + have, size - 1 - have };
    struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
    };
    ssize_t n = recvmsg (peer, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0)
      break;
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS)
      memcpy (&fd, CMSG_DATA (header), sizeof fd);
    have += (size_t) n;
  }
  text[have] = '\0';
  return fd;
}

/* mkdir(2) gets EDQUOT, everything else goes on. Ends with the last process that has the filter. */
static _Noreturn void answer (int notifications) {
  struct seccomp_notif request;
  struct pollfd watched = { .fd = notifications, .events = POLLIN };

  for (;;) {
    if (poll (&watched, 1, 20000) <= 0 || (watched.revents & POLLIN) == 0)
      _exit (0);
    memset (&request, 0, sizeof request);
    if (ioctl (notifications, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
      continue;
    struct seccomp_notif_resp response = { .id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    if (request.data.nr == SYS_mkdir || request.data.nr == SYS_mkdirat) {
      response.flags = 0;
      response.error = -EDQUOT;
    }
    ioctl (notifications, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
}

static pid_t start_agent (void) {
  int socket = listen_at (AGENT, 1);
  pid_t pid = fork ();

  MUST (pid >= 0);
  if (pid == 0) {
    static char text[1 << 20];
    int peer = accept (socket, NULL, NULL);
    int notifications = hear (peer, text, sizeof text);
    write_text (HEARD, text);
    answer (notifications);
  }
  close (socket);
  return pid;
}

static void end_agent (pid_t pid) {
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
}

/* ---- filters ---- */

#define LOAD_NUMBER BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr))
#define IF_NUMBER(nr, skip) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, nr, 0, skip)
#define RETURN(action) BPF_STMT (BPF_RET | BPF_K, action)

static const struct sock_filter about_mkdir[] = {
  LOAD_NUMBER,
  IF_NUMBER (SYS_mkdirat, 1),
  RETURN (SECCOMP_RET_USER_NOTIF),
#ifdef SYS_mkdir
  IF_NUMBER (SYS_mkdir, 1),
  RETURN (SECCOMP_RET_USER_NOTIF),
#endif
  RETURN (SECCOMP_RET_ALLOW),
};

static const struct sock_filter about_all_but_write[] = {
  LOAD_NUMBER,
  IF_NUMBER (SYS_write, 1),
  RETURN (SECCOMP_RET_ALLOW),
  RETURN (SECCOMP_RET_USER_NOTIF),
};

/* Everything that might be used to wait is refused. */
static const struct sock_filter without_waiting[] = {
  LOAD_NUMBER,
  IF_NUMBER (SYS_futex, 1),
  RETURN (SECCOMP_RET_ERRNO | EPERM),
  IF_NUMBER (SYS_poll, 1),
  RETURN (SECCOMP_RET_ERRNO | EPERM),
  IF_NUMBER (SYS_mkdir, 1),
  RETURN (SECCOMP_RET_USER_NOTIF),
  RETURN (SECCOMP_RET_ALLOW),
};

static void put_filter (struct builder *b, const struct sock_filter *filter, size_t size, const char *const *parts) {
  put_op (b, OP_SECCOMP, 0);
  put_u32 (b, 0);
  put_blob (b, filter, size);
  put_str (b, AGENT);
  put_strv (b, parts);
}

static void begin_guarded (struct builder *b) {
  begin_plan (b, ALL_NEW, 0);
  put_root (b);
  put_kernel_trees (b);
  put_pivot (b, false);
}

/* Of what ls cannot see any more, the shell has closed it: its pipes. */
#define SCRIPT "mkdir /made 2>&1; ls -d /made 2>&1 | wc -l; ls -l /proc/$$/fd 2>/dev/null | grep -c seccomp; true"
#define REFUSED "mkdir: can't create directory '/made': Disk quota exceeded\n1\n0\n"

/* ---- tests ---- */

TEST ("an agent is told of the container and answers its system calls") {
  struct builder b;
  struct container c;
  struct outcome o;
  struct err e;
  char expected[256];
  NEEDS_SANDBOX ();
  pid_t agent = start_agent ();

  begin_guarded (&b);
  put_filter (&b, about_mkdir, sizeof about_mkdir, STRV ("{\"pid\":", ",\"state\":{\"pid\":", "}}"));
  put_command (&b, SCRIPT);
  int out = start_plan (&b, -1, &c, &o);
  CHECK (out >= 0);
  snprintf (expected, sizeof expected, "{\"pid\":%d,\"state\":{\"pid\":%d}}", c.pid, c.pid);
  MUST (container_go (&c, &e) == 0);
  attend (&c, &out, &o);
  container_release (&c);
  end_agent (agent);
  CHECK_RUN (&o, REFUSED);
  CHECK_TEXT (read_text (HEARD), expected);
}

TEST ("a filter may notify about every system call but write, refuse waiting, and come before SYNC") {
  static const struct {
    const struct sock_filter *filter;
    size_t size;
    bool before_sync;
  } cases[] = {
    { about_all_but_write, sizeof about_all_but_write, false },
    { about_all_but_write, sizeof about_all_but_write, true },
    { without_waiting, sizeof without_waiting, true },
  };
  struct builder b;
  NEEDS_SANDBOX ();

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fresh_root ();
    pid_t agent = start_agent ();
    begin_guarded (&b);
    if (!cases[i].before_sync)
      put_op (&b, OP_SYNC, 0);
    put_filter (&b, cases[i].filter, cases[i].size, STRV ("{}"));
    if (cases[i].before_sync)
      put_op (&b, OP_SYNC, 0);
    put_command (&b, SCRIPT);
    struct outcome *o = run_plan (&b);
    end_agent (agent);
    CHECK_RUN (o, REFUSED);
  }
}

TEST ("a state of some hundred kilobytes arrives whole") {
  static char long_text[700000];
  struct builder b;
  NEEDS_SANDBOX ();
  pid_t agent = start_agent ();

  memset (long_text, 'x', sizeof long_text - 1);
  begin_guarded (&b);
  put_filter (&b, about_mkdir, sizeof about_mkdir, STRV (long_text));
  put_command (&b, SCRIPT);
  struct outcome *o = run_plan (&b);
  end_agent (agent);
  CHECK_RUN (o, REFUSED);
  struct stat st;
  CHECK (stat (HEARD, &st) == 0 && st.st_size == sizeof long_text - 1);
}

TEST ("an agent is told of the container that an exec joins") {
  struct builder b;
  struct container c;
  struct outcome main_outcome;
  struct err e;
  char expected[64];
  NEEDS_SANDBOX ();
  pid_t agent = start_agent ();

  begin_guarded (&b);
  put_command (&b, "echo up; exec sleep 20");
  int out = start_plan (&b, -1, &c, &main_outcome);
  CHECK (out >= 0);
  MUST (container_go (&c, &e) == 0);
  await_output (&out, &main_outcome);
  begin_plan (&b, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID, PLAN_JOIN);
  put_filter (&b, about_all_but_write, sizeof about_all_but_write, STRV ("", ""));
  put_command (&b, SCRIPT);
  struct outcome *o = run_plan_joined (&b, c.pidfd);
  snprintf (expected, sizeof expected, "%d", c.pid);
  kill (c.pid, SIGKILL);
  attend (&c, &out, &main_outcome);
  container_release (&c);
  end_agent (agent);
  CHECK_RUN (o, REFUSED);
  CHECK_TEXT (read_text (HEARD), expected);
}

TEST ("an agent answers for a container in a user namespace") {
  struct builder b;
  NEEDS_SANDBOX ();
  pid_t agent = start_agent ();

  begin_plan (&b, ALL_NEW, 0);
  put_texts (&b, OP_USERNS, 0, "0 100000 65536\n", "0 100000 65536\n");
  put_root (&b);
  put_kernel_trees (&b);
  put_pivot (&b, false);
  put_filter (&b, about_all_but_write, sizeof about_all_but_write, STRV ("pid ", ""));
  put_command (&b, "mkdir /made 2>&1; true");
  struct outcome *o = run_plan (&b);
  end_agent (agent);
  CHECK_RUN (o, "mkdir: can't create directory '/made': Disk quota exceeded\n");
  CHECK (strncmp (read_text (HEARD), "pid ", 4) == 0 && atoi (read_text (HEARD) + 4) > 1);
}

static struct outcome *run_without_agent (void) {
  struct builder b;

  begin_guarded (&b);
  put_filter (&b, about_mkdir, sizeof about_mkdir, STRV ("{}"));
  put_command (&b, "true");
  return run_plan (&b);
}

TEST ("without an agent nothing is started") {
  NEEDS_SANDBOX ();

  CHECK_FAILS (run_without_agent (), ENOENT, "cannot reach the seccomp agent at \"" AGENT "\"");
  int socket = listen_at (AGENT, 1);
  close (socket);
  CHECK_FAILS (run_without_agent (), ECONNREFUSED, "cannot reach the seccomp agent at \"" AGENT "\"");
}

/* Until the queue of who waits to be accepted is full. */
static void fill_queue (void) {
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = AGENT };

  for (int i = 0; i < 16; i++) {
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
      continue; /* stays open: the queue holds it */
    MUST (errno == EAGAIN);
    close (fd);
    return;
  }
  must (false, "a queue that fills");
}

TEST ("an agent that accepts nobody is not waited for longer than some seconds") {
  NEEDS_SANDBOX ();
  int socket = listen_at (AGENT, 0);

  fill_queue ();
  int64_t before = time (NULL);
  struct outcome *o = run_without_agent ();
  close (socket);
  CHECK_FAILS (o, ETIMEDOUT, "cannot reach the seccomp agent at \"" AGENT "\"");
  CHECK (time (NULL) - before < 15);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
