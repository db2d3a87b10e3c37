/*
 * Loads a filter into a child, makes one system call there and says what became of it. Built by the test.
 *
 *   seccomp-judge FLAGS HOW NUMBER [ARGUMENT]...      < struct sock_filter[]
 *
 *   HOW: call         as the program itself does it; an x32 call is a number with its bit
 *        thread       in a second thread
 *        int80        the 32-bit way
 *        socketcall   int80's socketcall(NUMBER, {ARGUMENT...}): the arguments are in memory
 *        traced       under a tracer that lets every call happen
 *        supervised   with a supervisor that answers 4242
 *
 * One line: "returned N", "signal N", "trapped NUMBER DATA ARCH", "traced DATA then N", "supervised NUMBER then N",
 * "thread died".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum outcome { NOTHING, RETURNED, TRAPPED };

/* Shared with the child; below 4 GiB, so that 32-bit calls can point into it. */
struct page {
  volatile int listener, go;
  volatile enum outcome outcome;
  volatile long value;
  volatile int number, data;
  volatile unsigned arch;
  unsigned in_memory[6];
};

struct job {
  unsigned flags;
  const char *how;
  long number, arguments[6];
  struct sock_fprog program;
};

static struct page *page;
static struct job job;

static void die (const char *what) {
  fprintf (stderr, "seccomp-judge: %s: %s\n", what, strerror (errno));
  _exit (2);
}

static bool is (const char *how) {
  return strcmp (job.how, how) == 0;
}

static void trapped (int signal, siginfo_t *info, void *context) {
  (void) signal;
  (void) context;
  page->number = info->si_syscall;
  page->data = info->si_errno;
  page->arch = info->si_arch;
  page->outcome = TRAPPED;
  _exit (0);
}

static long call32 (long number, long first, long second) {
#ifdef __x86_64__
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(first), "c"(second), "d"(job.arguments[2]), "S"(0L), "D"(0L)
                   : "memory", "r8", "r9", "r10", "r11");
  return (int) result;
#else
  (void) number, (void) first, (void) second;
  errno = ENOSYS;
  die ("int80");
  return 0;
#endif
}

static void *make_call (void *unused) {
  const long *a = job.arguments;
  long result;

  (void) unused;
  if (is ("int80"))
    result = call32 (job.number, a[0], a[1]);
  else if (is ("socketcall"))
    result = call32 (102, job.number, (long) page->in_memory);
  else {
    result = syscall (job.number, a[0], a[1], a[2], a[3], a[4], a[5]);
    result = result < 0 ? -errno : result;
  }
  page->value = result;
  page->outcome = RETURNED;
  return NULL;
}

static int child (void *unused) {
  struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
  unsigned flags = job.flags | (is ("supervised") ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
  pthread_t thread;

  (void) unused;
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    die ("cannot prepare");
  if (sigaction (SIGSYS, &action, NULL) < 0)
    die ("cannot catch SIGSYS");
  while (is ("traced") && !page->go)
    sched_yield ();
  int listener = (int) syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &job.program);
  if (listener < 0)
    die ("cannot load the filter");
  page->listener = is ("supervised") ? listener : -1;
  if (!is ("thread")) {
    make_call (NULL);
    _exit (0);
  }
  if (pthread_create (&thread, NULL, make_call, NULL) != 0)
    die ("cannot start a thread");
  pthread_join (thread, NULL);
  _exit (0);
}

static void supervise (void) {
  struct seccomp_notif request = { 0 };

  while (page->listener == 0)
    sched_yield ();
  struct pollfd ready = { .fd = page->listener, .events = POLLIN };
  if (poll (&ready, 1, 5000) != 1 || ioctl (page->listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
    die ("no notification");
  struct seccomp_notif_resp answer = { .id = request.id, .val = 4242 };
  if (ioctl (page->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0)
    die ("cannot answer");
  printf ("supervised %d then ", request.data.nr);
}

static void trace (pid_t pid) {
  unsigned long data = 0;
  int status;

  if (ptrace (PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) < 0)
    die ("cannot trace");
  page->go = 1;
  if (waitpid (pid, &status, 0) != pid || !WIFSTOPPED (status) || status >> 16 != PTRACE_EVENT_SECCOMP)
    die ("the tracer was not asked");
  if (ptrace (PTRACE_GETEVENTMSG, pid, 0, &data) < 0 || ptrace (PTRACE_DETACH, pid, 0, 0) < 0)
    die ("cannot let it go");
  printf ("traced %lu then ", data);
}

static void report (int status) {
  if (WIFEXITED (status) && WEXITSTATUS (status) != 0)
    exit (WEXITSTATUS (status));
  if (WIFSIGNALED (status))
    printf ("signal %d\n", WTERMSIG (status));
  else if (page->outcome == TRAPPED)
    printf ("trapped %d %d %x\n", page->number, page->data, page->arch);
  else if (page->outcome == RETURNED)
    printf ("returned %ld\n", page->value);
  else
    printf ("thread died\n");
}

int main (int argc, char **argv) {
  static struct sock_filter filter[4097];
  static char stack[1 << 16] __attribute__ ((aligned (16)));
  int status;

  if (argc < 4 || argc > 10)
    die ("usage");
  page = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (page == MAP_FAILED)
    die ("no memory");
  ssize_t size = read (STDIN_FILENO, filter, sizeof filter);
  if (size <= 0 || (size_t) size == sizeof filter)
    die ("no filter");
  job = (struct job){ .flags = (unsigned) strtoul (argv[1], NULL, 0),
                      .how = argv[2],
                      .number = strtol (argv[3], NULL, 0),
                      .program = { (unsigned short) ((size_t) size / sizeof *filter), filter } };
  for (int i = 4; i < argc; i++) {
    job.arguments[i - 4] = (long) strtoull (argv[i], NULL, 0);
    page->in_memory[i - 4] = (unsigned) job.arguments[i - 4];
  }
  alarm (10);
  /* One table of descriptors: the listener is the supervisor's, too. */
  pid_t pid = clone (child, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL);
  if (pid < 0)
    die ("no child");
  if (is ("supervised"))
    supervise ();
  if (is ("traced"))
    trace (pid);
  if (waitpid (pid, &status, 0) != pid)
    die ("lost the child");
  report (status);
  return 0;
}
