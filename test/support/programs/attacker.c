/* What hostile processes do in the security tests. Static, so that it runs in any image.
 *
 *     attacker swap A B SECONDS      exchanges two names as fast as it can (the mount-target races)
 *     attacker overwrite SECONDS     writes to the executable of every process it can see; prints WROTE PID
 *     attacker peek SECONDS ROOTDEV  looks through /proc/PID/{fd,cwd,root} of every process it can see for a file that is not on
 *                                    one of the allowed devices (decimal st_dev, separated by commas); prints LEAK PID WHAT
 *     attacker filecap FILE HEX      sets the file's security.capability attribute
 *     attacker calls                 makes each system call of a table with harmless arguments; prints NAME ERRNO
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int
goes_on (const struct timespec *end)
{
  struct timespec now;
  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec < end->tv_sec;
}

static struct timespec
end_of (const char *seconds)
{
  struct timespec end;
  clock_gettime (CLOCK_MONOTONIC, &end);
  end.tv_sec += atoi (seconds);
  return end;
}

static int
swap (const char *a, const char *b, const char *seconds)
{
  struct timespec end = end_of (seconds);
  unsigned long count = 0;
  while (goes_on (&end))
    for (int i = 0; i < 64; i++)
      count += syscall (SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
  printf ("swapped %s\n", count > 0 ? "often" : "never");
  return count > 0 ? 0 : 1;
}

static void
for_each_process (const struct timespec *end, void (*visit) (const char *pid))
{
  while (goes_on (end))
    {
      DIR *proc = opendir ("/proc");
      struct dirent *entry;
      while (proc != NULL && (entry = readdir (proc)) != NULL)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && atoi (entry->d_name) != getpid ())
          visit (entry->d_name);
      if (proc != NULL)
        closedir (proc);
    }
}

/* The open file description outlives the moment: a later write through it is tried, too, as the published attacks do. */
static void
overwrite_one (const char *pid)
{
  char path[64], through[64];
  snprintf (path, sizeof path, "/proc/%s/exe", pid);
  int fd = open (path, O_WRONLY);
  int held = fd < 0 ? open (path, O_RDONLY) : -1;
  if (held >= 0)
    {
      snprintf (through, sizeof through, "/proc/self/fd/%d", held);
      fd = open (through, O_WRONLY);
      close (held);
    }
  if (fd < 0)
    return;
  if (write (fd, "#!/bin/false\n", 13) == 13)
    printf ("WROTE %s\n", pid);
  close (fd);
}

static char *allowed;

static int
is_allowed (dev_t device)
{
  char text[32], list[4096];
  snprintf (text, sizeof text, "%llu", (unsigned long long) device);
  snprintf (list, sizeof list, "%s", allowed);
  for (char *item = strtok (list, ","); item != NULL; item = strtok (NULL, ","))
    if (strcmp (item, text) == 0)
      return 1;
  return 0;
}

static void
peek_at (const char *path, const char *pid)
{
  struct stat st;
  char target[256];
  if (stat (path, &st) < 0 || (!S_ISDIR (st.st_mode) && !S_ISREG (st.st_mode)) || is_allowed (st.st_dev))
    return;
  ssize_t n = readlink (path, target, sizeof target - 1);
  target[n < 0 ? 0 : n] = '\0';
  printf ("LEAK %s %s %s\n", pid, path, target);
}

static void
peek_one (const char *pid)
{
  char path[512];
  for (int i = 0; i < 2; i++)
    {
      snprintf (path, sizeof path, "/proc/%s/%s", pid, i == 0 ? "cwd" : "root");
      peek_at (path, pid);
    }
  snprintf (path, sizeof path, "/proc/%s/fd", pid);
  DIR *fds = opendir (path);
  struct dirent *entry;
  while (fds != NULL && (entry = readdir (fds)) != NULL)
    if (entry->d_name[0] != '.')
      {
        snprintf (path, sizeof path, "/proc/%.10s/fd/%.10s", pid, entry->d_name);
        peek_at (path, pid);
      }
  if (fds != NULL)
    closedir (fds);
}

/* Other doors to the same kernel: its 32-bit calls, and x32's numbers. */
#ifdef __x86_64__
static sigjmp_buf no_such_door;

static void
leave_door (int signal)
{
  siglongjmp (no_such_door, signal);
}

/* The errno of a 32-bit call with zeros for arguments, or -1 when the kernel has none. */
static int
ia32_errno (long number)
{
  long result = number;
  signal (SIGSEGV, leave_door);
  if (sigsetjmp (no_such_door, 1) != 0)
    return -1;
  __asm__ volatile ("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
  return (int) result < 0 ? -(int) result : 0;
}

static void
other_doors (void)
{
  errno = 0;
  long result = syscall (0x40000000 | SYS_add_key, 0, 0, 0, 0, 0);
  printf ("x32-add_key %d\n", result < 0 ? errno : 0);
  printf ("ia32-add_key %d\n", ia32_errno (286));
  printf ("ia32-mount %d\n", ia32_errno (21));
}
#else
static void
other_doors (void)
{
}
#endif

#define CALL(name, ...) { #name, SYS_##name, { __VA_ARGS__ } }

static int
calls (void)
{
  static const struct
  {
    const char *name;
    long number;
    long arguments[6];
  } table[] = {
    CALL (add_key, 0, 0, 0, 0, 0),
    CALL (keyctl, 0, 0, 0),
    CALL (request_key, 0, 0, 0, 0),
    CALL (bpf, 0, 0, 0),
    CALL (perf_event_open, 0, 0, -1, -1, 0),
    CALL (userfaultfd, 0),
    CALL (kexec_load, 0, 0, 0, 0),
    CALL (kexec_file_load, -1, -1, 0, 0, 0),
    CALL (init_module, 0, 0, 0),
    CALL (finit_module, -1, 0, 0),
    CALL (delete_module, 0, 0),
    CALL (open_by_handle_at, -1, 0, 0),
    CALL (mount, 0, 0, 0, 0, 0),
    CALL (umount2, 0, 0),
    CALL (pivot_root, 0, 0),
    CALL (fsopen, 0, 0),
    CALL (open_tree, -1, 0, 0),
    CALL (move_mount, -1, 0, -1, 0, 0),
    CALL (mount_setattr, -1, 0, 0, 0, 0),
    CALL (setns, -1, 0),
    CALL (unshare, CLONE_NEWUSER),
    CALL (io_uring_setup, 0, 0),
    CALL (io_uring_enter, -1, 0, 0, 0, 0, 0),
    CALL (io_uring_register, -1, 0, 0, 0),
    CALL (clone3, 0, 0),
    CALL (personality, 0x0100000),
    CALL (ptrace, -1, 0, 0, 0),
    CALL (process_vm_readv, 0, 0, 0, 0, 0, 0),
    CALL (process_vm_writev, 0, 0, 0, 0, 0, 0),
    CALL (kcmp, 0, 0, 0, 0, 0),
    CALL (reboot, 0, 0, 0, 0),
    CALL (swapon, 0, 0),
    CALL (swapoff, 0),
    CALL (settimeofday, 0, 1),
    CALL (clock_settime, 0, 0),
    CALL (clock_adjtime, 0, 0),
    CALL (acct, 0),
    CALL (quotactl, 0, 0, 0, 0),
    CALL (nfsservctl, 0, 0, 0),
    CALL (lookup_dcookie, 0, 0, 0),
    CALL (iopl, 3),
    CALL (ioperm, 0, 1, 1),
    CALL (modify_ldt, 99, 0, 0),
    CALL (sethostname, 0, 0),
    CALL (setdomainname, 0, 0),
    CALL (syslog, 10, 0, 0),
    CALL (vhangup, 0),
    CALL (fanotify_init, 0, 0),
    CALL (name_to_handle_at, -1, 0, 0, 0, 0),
    CALL (move_pages, 0, 0, 0, 0, 0, 0),
    CALL (mbind, 0, 0, 0, 0, 0, 0),
    CALL (set_mempolicy, 9, 0, 0),
    CALL (migrate_pages, 0, 0, 0, 0),
    CALL (pidfd_getfd, -1, 0, 0),
    CALL (chroot, 0),
    CALL (getpid, 0),
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    {
      const long *a = table[i].arguments;
      errno = 0;
      long result = syscall (table[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
      printf ("%s %d\n", table[i].name, result < 0 ? errno : 0);
    }
  for (int family = 38; family <= 40; family += 2)
    printf ("socket(%d) %d\n", family, socket (family, SOCK_SEQPACKET, 0) < 0 ? errno : 0);
  other_doors ();
  return 0;
}

static int
filecap (const char *file, const char *hex)
{
  unsigned char value[64];
  size_t size = 0;
  unsigned byte;
  for (; size < sizeof value && sscanf (hex + 2 * size, "%2x", &byte) == 1; size++)
    value[size] = (unsigned char) byte;
  if (setxattr (file, "security.capability", value, size, 0) == 0)
    return 0;
  perror (file);
  return 1;
}

int
main (int argc, char **argv)
{
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (argc == 5 && strcmp (argv[1], "swap") == 0)
    return swap (argv[2], argv[3], argv[4]);
  if (argc == 3 && strcmp (argv[1], "overwrite") == 0)
    {
      struct timespec end = end_of (argv[2]);
      for_each_process (&end, overwrite_one);
      printf ("tried\n");
      return 0;
    }
  if (argc == 4 && strcmp (argv[1], "peek") == 0)
    {
      struct timespec end = end_of (argv[2]);
      allowed = argv[3];
      for_each_process (&end, peek_one);
      printf ("looked\n");
      return 0;
    }
  if (argc == 2 && strcmp (argv[1], "calls") == 0)
    return calls ();
  if (argc == 4 && strcmp (argv[1], "filecap") == 0)
    return filecap (argv[2], argv[3]);
  fputs ("usage: attacker swap A B SECONDS | overwrite SECONDS | peek SECONDS DEVICES | calls\n", stderr);
  return 2;
}
