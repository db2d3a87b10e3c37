/* How long a complete container, and a process that joins one, take from container_spawn to execve and to their end.
 * Prints, asserts nothing: `spawn_time [ROUNDS]`. Built like the program itself, without sanitizers. */
#include "sandbox.h"

static double now_ms (void) {
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static int compare (const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static void put_process (struct builder *b, const char *const *argv) {
  put_op (b, OP_BOUNDING, 0);
  put_u64 (b, DOCKER_CAPS);
  put_text (b, OP_CWD, OPF_CREATE, "/");
  put_identity (b, (struct identity){ .want_home = true });
  put_caps (b, DOCKER_CAPS, 0);
  put_exec (b, argv, STRV ("PATH=" PATH), PATH);
  end_plan (b);
}

/* `in_userns`: with all of the root's layers id-mapped. */
static void begin (struct builder *b, bool in_userns) {
  if (!in_userns) {
    begin_container (b, 0);
    return;
  }
  begin_plan (b, ALL_NEW, 0);
  put_texts (b, OP_USERNS, 0, "0 100000 65536\n", "0 100000 65536\n");
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_PRIVATE);
  put_op (b, OP_ROOT_OVERLAY, 0);
  put_strv (b, STRV (BOX ("lower")));
  put_str (b, BOX ("upper"));
  put_str (b, BOX ("work"));
  put_strv (b, STRV ("index=off"));
  put_str (b, BOX ("staging"));
  put_u32 (b, IDMAP_CONTAINER);
  put_kernel_trees (b);
  put_protections (b);
  put_pivot (b, false);
}

static void build_container (struct builder *b, const char *const *argv, bool in_userns) {
  begin (b, in_userns);
  put_text (b, OP_HOSTNAME, 0, "box");
  put_op (b, OP_LOOPBACK_UP, 0);
  put_texts (b, OP_SYSCTL, 0, "net/ipv4/ip_unprivileged_port_start", "0");
  put_texts (b, OP_SYSCTL, 0, "net/ipv4/ping_group_range", in_userns ? "0 65535" : "0 2147483647");
  put_op (b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (b, 0);
  put_op (b, OP_SYNC, 0);
  put_process (b, argv);
}

/* To execve. */
static void start (const struct builder *b, int init_pidfd, struct container *c) {
  struct plan p;
  struct err e;
  enum sync_event event;

  MUST (plan_decode (b->bytes, b->size, &p, &e) == 0);
  MUST (container_spawn (&p, &(struct container_stdio){ 0, 1, 2 }, init_pidfd, c, &e) == 0 &&
        container_go (c, &e) == 0);
  plan_release (&p);
  do {
    poll (&(struct pollfd){ .fd = c->sync_fd, .events = POLLIN }, 1, -1);
    event = container_sync (c, &e);
  } while (event != SYNC_STARTED && event != SYNC_FAILED);
  must (event == SYNC_STARTED, e.text);
}

static void measure (const char *what, const struct builder *b, int init_pidfd, int rounds) {
  double *started = calloc ((size_t) rounds, sizeof *started), *ended = calloc ((size_t) rounds, sizeof *ended);
  struct container c;

  for (int i = 0; i < rounds; i++) {
    double begin = now_ms ();
    start (b, init_pidfd, &c);
    started[i] = now_ms () - begin;
    MUST (waitpid (c.pid, NULL, 0) == c.pid);
    ended[i] = now_ms () - begin;
    container_release (&c);
    if (init_pidfd >= 0)
      waitpid (-1, NULL, WNOHANG);
  }
  qsort (started, (size_t) rounds, sizeof *started, compare);
  qsort (ended, (size_t) rounds, sizeof *ended, compare);
  printf ("  %s: to execve %.2f ms median (%.2f best), to exit %.2f ms median (%.2f best)\n", what, started[rounds / 2],
          started[0], ended[rounds / 2], ended[0]);
  free (started);
  free (ended);
}

int main (int argc, char **argv) {
  int rounds = argc > 1 ? atoi (argv[1]) : 40;
  struct builder full, in_userns, sleeping, joining;
  struct container c;

  open_sandbox ();
  if (sandbox_missing != NULL || rounds < 1) {
    printf ("  not measured: %s\n", sandbox_missing == NULL ? "no rounds" : sandbox_missing);
    return 0;
  }
  fresh_root ();
  build_container (&full, STRV ("true"), false);
  measure ("a complete container", &full, -1, rounds);
  build_container (&in_userns, STRV ("true"), true);
  measure ("one in a user namespace", &in_userns, -1, rounds);
  build_container (&sleeping, STRV ("sleep", "1000"), false);
  start (&sleeping, -1, &c);
  begin_plan (&joining, JOIN_ALL, PLAN_JOIN);
  put_process (&joining, STRV ("true"));
  measure ("joining one", &joining, c.pidfd, rounds);
  kill (c.pid, SIGKILL);
  MUST (waitpid (c.pid, NULL, 0) == c.pid);
  container_release (&c);
  free (full.bytes);
  free (in_userns.bytes);
  free (sleeping.bytes);
  free (joining.bytes);
  close_sandbox ();
  return 0;
}
