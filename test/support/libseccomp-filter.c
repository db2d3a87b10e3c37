/*
 * Filters as libseccomp makes them, to hold ours against. Built by the test when libseccomp-dev is there.
 *
 *   libseccomp-filter names ARCH              "NUMBER NAME" for every call that libseccomp knows there
 *   libseccomp-filter filters                 reads lines, writes one answer for each "end":
 *
 *     filter DEFAULT OPTIMIZE                 SECCOMP_RET_* and 1 (list) or 2 (binary tree)
 *     arch TOKEN                              SCMP_ARCH_* as a number
 *     rule RET NAME COUNT [INDEX OP VALUE VALUE2]...
 *     end
 *
 * An answer is two 32-bit words, a result (0 or a negative errno) and a size, then as many bytes of struct sock_filter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void die (const char *what) {
  fprintf (stderr, "libseccomp-filter: %s\n", what);
  exit (2);
}

static void names (uint32_t arch) {
  static const int from[] = { 0, 0xf0000, 0x40000000 };

  for (size_t part = 0; part < sizeof from / sizeof *from; part++)
    for (int number = from[part]; number < from[part] + 2000; number++) {
      char *name = seccomp_syscall_resolve_num_arch (arch, number);
      if (name != NULL)
        printf ("%d %s\n", number, name);
      free (name);
    }
}

/* One for several conditions, as runc does it: names that libseccomp does not know are left out. */
static int add_rule (scmp_filter_ctx filter, char *line) {
  struct scmp_arg_cmp conditions[6] = { 0 };
  uint32_t ret;
  unsigned count;
  char name[64];
  int used;

  if (sscanf (line, "%" SCNu32 " %63s %u%n", &ret, name, &count, &used) != 3 || count > 6)
    die ("a rule that is none");
  for (unsigned i = 0; i < count; i++) {
    unsigned op;
    int more;
    line += used;
    if (sscanf (line, "%u %u %" SCNu64 " %" SCNu64 "%n", &conditions[i].arg, &op, &conditions[i].datum_a,
                &conditions[i].datum_b, &more) != 4)
      die ("a condition that is none");
    conditions[i].op = (enum scmp_compare) op;
    used = more;
  }
  int number = seccomp_syscall_resolve_name (name);
  if (number == __NR_SCMP_ERROR)
    return 0;
  return seccomp_rule_add_array (filter, ret, number, count, conditions);
}

static void put_word (uint32_t word) {
  if (fwrite (&word, sizeof word, 1, stdout) != 1)
    die ("cannot write");
}

static void answer (scmp_filter_ctx filter, int result) {
  static char program[1 << 20];
  ssize_t size = 0;

  if (result == 0) {
    int fd = memfd_create ("filter", MFD_CLOEXEC);
    if (fd < 0)
      die ("no memfd");
    result = seccomp_export_bpf (filter, fd);
    size = result == 0 ? pread (fd, program, sizeof program, 0) : 0;
    close (fd);
    if (size < 0 || size == sizeof program)
      die ("a program of unexpected size");
  }
  put_word ((uint32_t) result);
  put_word ((uint32_t) size);
  if (fwrite (program, 1, (size_t) size, stdout) != (size_t) size)
    die ("cannot write");
}

static scmp_filter_ctx begin (const char *line) {
  uint32_t ret, optimize;

  if (sscanf (line, "%" SCNu32 " %" SCNu32, &ret, &optimize) != 2)
    die ("a filter that is none");
  scmp_filter_ctx filter = seccomp_init (ret);
  if (filter == NULL)
    die ("no filter");
  /* runc leaves this at killing the thread; our filters kill the process. */
  if (seccomp_attr_set (filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0)
    die ("no action for other architectures");
  if (optimize > 1 && seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, optimize) < 0)
    die ("libseccomp has no binary tree");
  return filter;
}

static void filters (void) {
  static char line[4096];
  scmp_filter_ctx filter = NULL;
  int result = 0;

  while (fgets (line, sizeof line, stdin) != NULL) {
    if (strncmp (line, "filter ", 7) == 0) {
      filter = begin (line + 7);
      result = 0;
    } else if (strncmp (line, "arch ", 5) == 0) {
      int added = seccomp_arch_add (filter, (uint32_t) strtoul (line + 5, NULL, 10));
      if (added < 0 && added != -EEXIST && result == 0)
        result = added;
    } else if (strncmp (line, "rule ", 5) == 0) {
      int added = result == 0 ? add_rule (filter, line + 5) : 0;
      if (added < 0)
        result = added;
    } else if (strcmp (line, "end\n") == 0) {
      answer (filter, result);
      seccomp_release (filter);
      filter = NULL;
    } else
      die ("a line that is none");
  }
}

int main (int argc, char **argv) {
  /* All actions, whatever the kernel of this machine takes: nothing is loaded here. */
  seccomp_api_set (6);
  if (argc == 3 && strcmp (argv[1], "names") == 0)
    names ((uint32_t) strtoul (argv[2], NULL, 0));
  else if (argc == 2 && strcmp (argv[1], "filters") == 0)
    filters ();
  else
    die ("usage");
  return fflush (stdout) == 0 ? 0 : 1;
}
