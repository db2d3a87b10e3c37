/* The forwarder, under the sanitizers and without its filter, in a network namespace of this test's own. Needs root. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "forward.h"
#include "plan_builder.h"

#define DEADLINE_MS 5000

static bool has_network;

#define NEEDS_NETWORK()                                                                                                \
  do {                                                                                                                 \
    if (!has_network)                                                                                                  \
      SKIP ("needs root");                                                                                             \
  } while (0)

/* ---- plans ---- */

#define V4 ((const uint8_t[]){ 127, 0, 0, 1 }), 4
#define V6 ((const uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }), 16

static struct builder start_plan (uint32_t max_connections, uint32_t max_flows, uint32_t flow_timeout_ms,
                                  uint32_t count) {
  struct builder b = { 0 };
  put_u32 (&b, FORWARD_MAGIC);
  put_u32 (&b, max_connections);
  put_u32 (&b, max_flows);
  put_u32 (&b, flow_timeout_ms);
  put_u32 (&b, 15);
  put_u32 (&b, 500);
  put_u32 (&b, 7);
  put_u32 (&b, count);
  return b;
}

static void put_entry (struct builder *b, uint32_t protocol, uint32_t socket, uint32_t port, const uint8_t *address,
                       size_t size) {
  put_u32 (b, protocol);
  put_u32 (b, socket);
  put_u32 (b, port);
  put_blob (b, address, size);
}

static int decode (const struct builder *b, struct forward_plan *plan) {
  struct err e;
  return forward_plan_decode (b->bytes, b->size, plan, &e);
}

static bool is_refused (struct builder *b) {
  struct forward_plan plan;
  int result = decode (b, &plan);
  if (result == 0)
    forward_plan_release (&plan);
  free (b->bytes);
  return result < 0;
}

TEST ("a plan is read with its limits, descriptors and targets of both families") {
  struct forward_plan plan;
  struct builder b = start_plan (10, 20, 30, 2);
  put_entry (&b, IPPROTO_TCP, 5, 80, V4);
  put_entry (&b, IPPROTO_UDP, 6, 53, V6);
  CHECK (decode (&b, &plan) == 0);
  free (b.bytes);
  CHECK (plan.max_connections == 10 && plan.max_flows == 20 && plan.flow_timeout_ms == 30);
  CHECK (plan.keepalive_s == 15 && plan.drain_ms == 500 && plan.watch == 7 && plan.count == 2);
  CHECK (plan.entries[0].protocol == IPPROTO_TCP && plan.entries[0].socket == 5);
  CHECK (plan.entries[0].target.v4.sin_addr.s_addr == htonl (INADDR_LOOPBACK));
  CHECK (plan.entries[0].target.v4.sin_port == htons (80));
  CHECK (plan.entries[1].target.v6.sin6_family == AF_INET6 && plan.entries[1].target.v6.sin6_port == htons (53));
  CHECK (IN6_IS_ADDR_LOOPBACK (&plan.entries[1].target.v6.sin6_addr));
  forward_plan_release (&plan);
}

TEST ("every plan that is cut short, or has something behind it, is refused") {
  struct builder b = start_plan (10, 20, 30, 2);
  put_entry (&b, IPPROTO_TCP, 5, 80, V4);
  put_entry (&b, IPPROTO_UDP, 6, 53, V6);
  for (size_t size = 0; size < b.size; size++) {
    struct builder shorter = { 0 };
    put_bytes (&shorter, b.bytes, size);
    CHECK (is_refused (&shorter));
  }
  put_u32 (&b, 0);
  CHECK (is_refused (&b));
}

TEST ("a plan with another protocol, without a port or with half an address is refused") {
  struct builder b = start_plan (10, 20, 30, 1);
  put_entry (&b, IPPROTO_SCTP, 5, 80, V4);
  CHECK (is_refused (&b));
  for (uint32_t port = 0; port <= 65536; port += 65536) {
    b = start_plan (10, 20, 30, 1);
    put_entry (&b, IPPROTO_TCP, 5, port, V4);
    CHECK (is_refused (&b));
  }
  b = start_plan (10, 20, 30, 1);
  put_entry (&b, IPPROTO_TCP, 5, 80, (const uint8_t[8]){ 0 }, 8);
  CHECK (is_refused (&b));
}

TEST ("a plan without places or entries is refused") {
  for (int i = 0; i < 3; i++) {
    struct builder b = start_plan (i != 0, i != 1, i != 2, 1);
    put_entry (&b, IPPROTO_TCP, 5, 80, V4);
    CHECK (is_refused (&b));
  }
  struct builder b = start_plan (1, 1, 1, 0);
  CHECK (is_refused (&b));
  b = start_plan (1, 1, 1, FORWARD_MAX_ENTRIES + 1);
  CHECK (is_refused (&b));
}

/* ---- a forwarder from ::1 to 127.0.0.1 ---- */

static void make_network (void) {
  struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  if (unshare (CLONE_NEWNET) < 0)
    return;
  int fd = socket (AF_INET, SOCK_DGRAM, 0);
  has_network = ioctl (fd, SIOCSIFFLAGS, &lo) == 0;
  close (fd);
}

static union address loopback (int family, uint16_t port) {
  union address a = { 0 };
  if (family == AF_INET6)
    a.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons (port), .sin6_addr = in6addr_loopback };
  else
    a.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons (port),
                                 .sin_addr = { htonl (INADDR_LOOPBACK) } };
  return a;
}

static uint16_t port_of (int fd) {
  union address a;
  socklen_t size = sizeof a;
  getsockname (fd, &a.any, &size);
  return ntohs (a.v4.sin_port); /* where IPv6 has it, too */
}

static int bound (int family, int type) {
  union address a = loopback (family, 0);
  int fd = socket (family, type | SOCK_CLOEXEC, 0);
  if (bind (fd, &a.any, address_size (&a)) < 0 || (type == SOCK_STREAM && listen (fd, 512) < 0))
    abort ();
  return fd;
}

static int connected (int family, int type, uint16_t port) {
  union address a = loopback (family, port);
  int fd = socket (family, type | SOCK_CLOEXEC, 0);
  if (connect (fd, &a.any, address_size (&a)) < 0)
    abort ();
  return fd;
}

struct running {
  pid_t pid;
  int end; /* closed: the container has ended */
  uint16_t port;
  int target; /* the container's socket */
};

struct limits {
  uint32_t connections, flows, flow_timeout_ms;
  rlim_t descriptors; /* 0 = as many as there are */
};

static const struct limits WIDE = { 2000, 100, 60000, 0 };

static _Noreturn void serve (int type, int host, uint16_t target_port, int watch, const struct limits *limits) {
  struct err e;
  struct forward_plan plan;
  struct builder b = start_plan (limits->connections, limits->flows, limits->flow_timeout_ms, 1);
  put_entry (&b, type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP, (uint32_t) host, target_port, V4);
  signal (SIGPIPE, SIG_IGN);
  if (decode (&b, &plan) < 0)
    _exit (3);
  struct forwarder *f = forward_prepare (&plan, watch, &host, &e);
  forward_plan_release (&plan);
  if (f == NULL)
    _exit (4);
  if (limits->descriptors != 0 &&
      setrlimit (RLIMIT_NOFILE, &(struct rlimit){ limits->descriptors, limits->descriptors }) < 0)
    _exit (5);
  forward_run (f);
  _exit (0);
}

static struct running start (int type, const struct limits *limits) {
  int ends[2], host = bound (AF_INET6, type);
  struct running r = { .port = port_of (host), .target = bound (AF_INET, type) };
  if (pipe2 (ends, O_CLOEXEC) < 0)
    abort ();
  uint16_t target_port = port_of (r.target);
  r.end = ends[1];
  r.pid = fork ();
  if (r.pid == 0) {
    close (ends[1]);
    close (r.target);
    serve (type, host, target_port, ends[0], limits);
  }
  close (ends[0]);
  close (host);
  return r;
}

/* Its exit status; -1 when it does not end. */
static int wait_for_end (struct running *r) {
  int status = -1;
  for (int i = 0; i < DEADLINE_MS / 10; i++) {
    if (waitpid (r->pid, &status, WNOHANG) == r->pid)
      return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
    usleep (10000);
  }
  kill (r->pid, SIGKILL);
  waitpid (r->pid, &status, 0);
  return -1;
}

static int end (struct running *r) {
  close (r->end);
  close (r->target);
  return wait_for_end (r);
}

static bool is_ready (int fd, short events, int ms) {
  struct pollfd p = { .fd = fd, .events = events };
  return poll (&p, 1, ms) == 1;
}

static int accepted (const struct running *r) {
  return is_ready (r->target, POLLIN, DEADLINE_MS) ? accept4 (r->target, NULL, NULL, SOCK_CLOEXEC) : -1;
}

/* What comes next: its length, 0 at the end, -1 with errno. */
static ssize_t receive (int fd, char *text, size_t size) {
  memset (text, 0, size);
  if (!is_ready (fd, POLLIN, DEADLINE_MS)) {
    errno = ETIMEDOUT;
    return -1;
  }
  return recv (fd, text, size - 1, 0);
}

static bool says (int fd, const char *expected) {
  char text[64];
  return receive (fd, text, sizeof text) == (ssize_t) strlen (expected) && strcmp (text, expected) == 0;
}

static bool has_end (int fd) {
  char text[8];
  return receive (fd, text, sizeof text) == 0;
}

static bool is_reset (int fd) {
  char text[8];
  return receive (fd, text, sizeof text) < 0 && errno == ECONNRESET;
}

static void tell (int fd, const char *text) {
  if (send (fd, text, strlen (text), MSG_NOSIGNAL) < 0)
    abort ();
}

/* ---- TCP ---- */

TEST ("what a client of IPv6 says comes to a server of IPv4, and back") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  tell (client, "question");
  CHECK (says (server, "question"));
  tell (server, "answer");
  CHECK (says (client, "answer"));
  close (client);
  close (server);
  CHECK (end (&r) == 0);
}

TEST ("a client that has said everything still hears") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  tell (client, "question");
  shutdown (client, SHUT_WR);
  CHECK (says (server, "question") && has_end (server));
  tell (server, "answer");
  CHECK (says (client, "answer"));
  CHECK (!is_ready (client, POLLIN, 50));
  close (server);
  CHECK (has_end (client));
  close (client);
  CHECK (end (&r) == 0);
}

TEST ("a server that has said everything still hears") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  tell (server, "greeting");
  shutdown (server, SHUT_WR);
  CHECK (says (client, "greeting") && has_end (client));
  tell (client, "thanks");
  CHECK (says (server, "thanks"));
  CHECK (!is_ready (server, POLLIN, 50));
  close (client);
  CHECK (has_end (server));
  close (server);
  CHECK (end (&r) == 0);
}

TEST ("a client of a port that is closed is reset") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  close (r.target);
  int client = connected (AF_INET6, SOCK_STREAM, r.port);
  CHECK (is_reset (client));
  close (client);
  CHECK (end (&r) == 0);
}

static void close_hard (int fd) {
  setsockopt (fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof (struct linger));
  close (fd);
}

TEST ("a reset of either side is a reset of the other") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  close_hard (client);
  CHECK (is_reset (server));
  close (server);
  client = connected (AF_INET6, SOCK_STREAM, r.port);
  server = accepted (&r);
  close_hard (server);
  CHECK (is_reset (client));
  close (client);
  CHECK (end (&r) == 0);
}

/* Until nothing more goes in for a while. */
static size_t fill (int fd) {
  static char block[65536];
  size_t all = 0;
  while (is_ready (fd, POLLOUT, 200)) {
    ssize_t n = send (fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
      break;
    all += (size_t) n;
  }
  return all;
}

static size_t drain (int fd) {
  static char block[65536];
  size_t all = 0;
  for (ssize_t n = 1; n > 0 && is_ready (fd, POLLIN, DEADLINE_MS); all += (size_t) n)
    n = recv (fd, block, sizeof block, 0);
  return all;
}

TEST ("who does not read stops who writes, the other way goes on, and nothing is lost") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  size_t sent = fill (client);
  CHECK (sent > 65536 && sent < 64u << 20);
  tell (server, "meanwhile");
  CHECK (says (client, "meanwhile"));
  shutdown (client, SHUT_WR);
  CHECK (drain (server) == sent);
  close (server);
  close (client);
  CHECK (end (&r) == 0);
}

TEST ("what a server said before it closed in the face of who goes on talking comes, and then a reset") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  tell (server, "no");
  CHECK (says (client, "no"));
  close (server);
  CHECK (has_end (client));
  tell (client, "but");
  CHECK (is_ready (client, POLLERR, DEADLINE_MS));
  CHECK (send (client, "but", 3, MSG_NOSIGNAL) < 0);
  close (client);
  CHECK (end (&r) == 0);
}

TEST ("more connections than there are places wait until one is free") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &(struct limits){ 2, 1, 1000, 0 });
  int first = connected (AF_INET6, SOCK_STREAM, r.port), first_server = accepted (&r);
  int second = connected (AF_INET6, SOCK_STREAM, r.port), second_server = accepted (&r);
  int third = connected (AF_INET6, SOCK_STREAM, r.port);
  CHECK (!is_ready (r.target, POLLIN, 300));
  close (first);
  close (first_server);
  int third_server = accepted (&r);
  tell (third, "at last");
  CHECK (third_server >= 0 && says (third_server, "at last"));
  close (second);
  close (second_server);
  close (third);
  close (third_server);
  CHECK (end (&r) == 0);
}

static double cpu_seconds (pid_t pid) {
  char path[64];
  unsigned long user = 0, system = 0;
  snprintf (path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen (path, "re");
  if (f == NULL || fscanf (f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    abort ();
  fclose (f);
  return (double) (user + system) / (double) sysconf (_SC_CLK_TCK);
}

TEST ("without descriptors it neither turns in circles nor forgets who waits") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &(struct limits){ 2000, 1, 1000, 20 });
  int clients[40], served = 0;
  for (int i = 0; i < 40; i++)
    clients[i] = connected (AF_INET6, SOCK_STREAM, r.port);
  double before = cpu_seconds (r.pid);
  usleep (500000);
  CHECK (cpu_seconds (r.pid) - before < 0.1);
  for (int i = 0; i < 40; i++) /* each that ends makes room for another, or was turned away with a reset */
    close (clients[i]);
  for (; is_ready (r.target, POLLIN, 500); served++)
    close (accepted (&r));
  CHECK (served > 0);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  tell (client, "again");
  CHECK (server >= 0 && says (server, "again"));
  close (client);
  close (server);
  CHECK (end (&r) == 0);
}

TEST ("when the container has ended, nobody gets in, and what was on the way comes through") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  tell (client, "question");
  CHECK (says (server, "question"));
  tell (server, "last words");
  close (server);
  close (r.end);
  CHECK (says (client, "last words") && has_end (client));
  close (client);
  CHECK (wait_for_end (&r) == 0);
  union address a = loopback (AF_INET6, r.port);
  int late = socket (AF_INET6, SOCK_STREAM, 0);
  CHECK (connect (late, &a.any, address_size (&a)) < 0 && errno == ECONNREFUSED);
  close (late);
  close (r.target);
}

TEST ("it does not wait for who never ends") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_STREAM, &WIDE);
  int client = connected (AF_INET6, SOCK_STREAM, r.port), server = accepted (&r);
  CHECK (server >= 0 && end (&r) == 0);
  close (client);
  close (server);
}

/* ---- rights ---- */

/* How a confined process fares that makes a system call: 0, an errno, or minus the signal that killed it. */
static int confined (long number, long a, long b, long c) {
  int status;
  struct err e;
  pid_t pid = fork ();
  if (pid == 0) /* not _exit(2), before which the sanitizer makes calls of its own */
    syscall (SYS_exit_group, forward_confine (&e) < 0 ? 255 : syscall (number, a, b, c) < 0 ? errno : 0);
  waitpid (pid, &status, 0);
  return WIFSIGNALED (status) ? -WTERMSIG (status) : WEXITSTATUS (status);
}

TEST ("it speaks IP and nothing else, opens no files and starts no programs") {
  NEEDS_NETWORK ();
  CHECK (confined (SYS_socket, AF_INET, SOCK_STREAM, 0) == 0);
  CHECK (confined (SYS_socket, AF_INET6, SOCK_DGRAM, 0) == 0);
  CHECK (confined (SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP) == EPERM);
  CHECK (confined (SYS_socket, AF_UNIX, SOCK_STREAM, 0) == -SIGSYS);
  CHECK (confined (SYS_socket, AF_NETLINK, SOCK_RAW, 0) == -SIGSYS);
  CHECK (confined (SYS_openat, AT_FDCWD, (long) "/", O_RDONLY) == -SIGSYS);
  CHECK (confined (SYS_execve, (long) "/bin/true", 0, 0) == -SIGSYS);
  CHECK (confined (SYS_kill, getpid (), 0, 0) == -SIGSYS);
}

/* ---- UDP ---- */

struct question {
  union address from;
  char text[32];
};

static struct question asked (const struct running *r) {
  struct question q = { 0 };
  socklen_t size = sizeof q.from;
  if (is_ready (r->target, POLLIN, DEADLINE_MS))
    recvfrom (r->target, q.text, sizeof q.text - 1, 0, &q.from.any, &size);
  return q;
}

static void reply (const struct running *r, const struct question *q, const char *text) {
  sendto (r->target, text, strlen (text), 0, &q->from.any, address_size (&q->from));
}

TEST ("each client of a datagram's port gets the answers to its own questions") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_DGRAM, &WIDE);
  int one = connected (AF_INET6, SOCK_DGRAM, r.port), two = connected (AF_INET6, SOCK_DGRAM, r.port);
  tell (one, "from one");
  struct question first = asked (&r);
  tell (two, "from two");
  struct question second = asked (&r);
  CHECK (strcmp (first.text, "from one") == 0 && strcmp (second.text, "from two") == 0);
  reply (&r, &second, "to two");
  reply (&r, &first, "to one");
  CHECK (says (one, "to one") && says (two, "to two"));
  tell (one, "more");
  struct question more = asked (&r);
  CHECK (more.from.v4.sin_port == first.from.v4.sin_port);
  close (one);
  close (two);
  CHECK (end (&r) == 0);
}

TEST ("the flow that was quiet for longest makes room for another") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_DGRAM, &(struct limits){ 1, 2, 60000, 0 });
  int clients[3];
  struct question questions[3];
  for (int i = 0; i < 2; i++) {
    clients[i] = connected (AF_INET6, SOCK_DGRAM, r.port);
    tell (clients[i], "hello");
    questions[i] = asked (&r);
  }
  reply (&r, &questions[0], "lively"); /* so the second is the quieter one */
  CHECK (says (clients[0], "lively"));
  clients[2] = connected (AF_INET6, SOCK_DGRAM, r.port);
  tell (clients[2], "hello");
  questions[2] = asked (&r);
  for (int i = 0; i < 3; i++)
    reply (&r, &questions[i], "still there");
  CHECK (says (clients[0], "still there") && says (clients[2], "still there"));
  CHECK (!is_ready (clients[1], POLLIN, 100));
  for (int i = 0; i < 3; i++)
    close (clients[i]);
  CHECK (end (&r) == 0);
}

TEST ("a flow ends when it was quiet for long enough, and begins again") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_DGRAM, &(struct limits){ 1, 10, 200, 0 });
  int client = connected (AF_INET6, SOCK_DGRAM, r.port);
  tell (client, "hello");
  struct question before = asked (&r);
  usleep (400000);
  reply (&r, &before, "too late");
  CHECK (!is_ready (client, POLLIN, 100));
  tell (client, "hello");
  struct question after = asked (&r);
  reply (&r, &after, "in time");
  CHECK (says (client, "in time"));
  close (client);
  CHECK (end (&r) == 0);
}

TEST ("a port that was closed is forgiven") {
  NEEDS_NETWORK ();
  struct running r = start (SOCK_DGRAM, &WIDE);
  uint16_t port = port_of (r.target);
  int client = connected (AF_INET6, SOCK_DGRAM, r.port);
  close (r.target);
  tell (client, "nobody");
  usleep (50000);
  union address a = loopback (AF_INET, port);
  r.target = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK (bind (r.target, &a.any, address_size (&a)) == 0);
  tell (client, "somebody");
  struct question q = asked (&r);
  CHECK (strcmp (q.text, "somebody") == 0);
  close (client);
  CHECK (end (&r) == 0);
}

int main (int argc, char **argv) {
  make_network ();
  return run_tests (argc, argv);
}
