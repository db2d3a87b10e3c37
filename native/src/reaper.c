/* `docker run --init`: PID 1 hands signals to its child, reaps whatever is orphaned and ends as the child ends. The
 * fork is the last thing before execve, so the reaper has the credentials, limits and seccomp filter of what it
 * watches, as a separate program in its place would have. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "init.h"
#include "kernel.h"

#define TITLE "/sbin/docker-init\0--"
#define TITLE_LIMIT 65536u

/* Lets the kernel take `area` for this process's argument list, and no environment at all. PR_SET_MM_MAP asks for the
   whole memory map but, unlike setting the two addresses alone, for no privilege. The rest of it is only ever shown;
   brk must be true, its start need not, as a reaper allocates nothing. */
static void show_arguments (char *area, size_t size) {
  extern char __executable_start, etext, edata, __data_start;
  struct prctl_mm_map map = {
    .start_code = (uintptr_t) &__executable_start,
    .end_code = (uintptr_t) &etext,
    .start_data = (uintptr_t) &__data_start,
    .end_data = (uintptr_t) &edata,
    .start_brk = (uintptr_t) sbrk (0),
    .brk = (uintptr_t) sbrk (0),
    .start_stack = (uintptr_t) __builtin_frame_address (0),
    .arg_start = (uintptr_t) area,
    .arg_end = (uintptr_t) area + size,
    .env_start = (uintptr_t) area + size,
    .env_end = (uintptr_t) area + size,
    .exe_fd = (uint32_t) -1,
  };

  /* A kernel without checkpoint support shows the shim's arguments instead: no reason to fail. */
  prctl (PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

/* What `ps` in the container shows. */
static void set_title (const struct plan *p) {
  const struct plan_op_view *exec = &p->ops[p->op_count - 1];
  struct fields f = fields_of (exec->payload, exec->size);
  struct strings argv = take_strv (&f);
  size_t size = sizeof TITLE;
  char *area = mmap (NULL, TITLE_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (area == MAP_FAILED)
    return;
  memcpy (area, TITLE, size);
  for (uint32_t i = 0; i < argv.count; i++) {
    const char *argument = take_str (&argv.rest);
    size_t length = strlen (argument) + 1;
    if (length > TITLE_LIMIT - size)
      break;
    memcpy (area + size, argument, length);
    size += length;
  }
  show_arguments (area, size);
}

int step_reaper (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) f;
  (void) flags;
  (void) e;
  in->has_reaper = true;
  return 0;
}

static int exit_code (int status) {
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

static _Noreturn void watch (pid_t child, const sigset_t *signals) {
  siginfo_t info;
  pid_t pid;
  int status;

  for (;;) {
    if (sigwaitinfo (signals, &info) < 0)
      continue;
    if (info.si_signo != SIGCHLD) {
      kill (child, info.si_signo);
      continue;
    }
    while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
      if (pid == child)
        _exit (exit_code (status));
  }
}

/* All that can be caught and does not report a fault of the reaper itself. */
static void forwarded_signals (sigset_t *set) {
  static const int own[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };

  sigfillset (set);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    sigdelset (set, own[i]);
}

int reaper_fork (struct init *in, struct err *e) {
  sigset_t signals, none;

  sigemptyset (&none);
  forwarded_signals (&signals);
  sigprocmask (SIG_SETMASK, &signals, NULL);
  prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* in a pid namespace of others */
  set_title (in->plan);                       /* before anybody can look */
  pid_t child = fork ();
  if (child < 0)
    return err_set (e, errno, "cannot fork from the reaper");
  if (child == 0) {
    /* A process group of its own, in the foreground: the terminal's signals reach it once, and not the reaper. */
    if (setpgid (0, 0) < 0)
      return err_set (e, errno, "cannot make a process group");
    sigaddset (&none, SIGTTOU);
    sigprocmask (SIG_SETMASK, &none, NULL);
    if ((in->plan->flags & PLAN_TERMINAL) != 0)
      tcsetpgrp (0, getpgrp ());
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    return 0;
  }
  signal (SIGTTIN, SIG_IGN);
  signal (SIGTTOU, SIG_IGN);
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl (PR_SET_NAME, "docker-init", 0, 0, 0);
  munmap (in->progress, sizeof *in->progress);
  sys_close_range (3, ~0u, 0);
  watch (child, &signals);
}
