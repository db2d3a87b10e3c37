/* What a process in a container sees of itself and of its surroundings, as lines "key = value" that can be compared between
 * runtimes. Nothing that differs from run to run by nature (pids, device numbers of anonymous file systems, times).
 *
 *     probe NAMESPACES [PATH...]      NAMESPACES: the runtime's caller's, as "mnt:4026531841,net:...": what is "shared"
 *                                     PATH: files and directories to read, write and look at
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

static char *
slurp (const char *path)
{
  static char buffer[1 << 18];
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  size_t used = 0;
  ssize_t n;
  if (fd < 0)
    {
      snprintf (buffer, sizeof buffer, "errno %d", errno);
      return buffer;
    }
  while (used < sizeof buffer - 1 && (n = read (fd, buffer + used, sizeof buffer - 1 - used)) > 0)
    used += (size_t) n;
  buffer[used] = '\0';
  close (fd);
  return buffer;
}

/* A value on one line. */
static void
say (const char *key, const char *value)
{
  printf ("%s = ", key);
  for (; *value != '\0'; value++)
    if (*value == '\n')
      fputs (value[1] == '\0' ? "" : "\\n", stdout);
    else
      putchar (*value == '\t' ? ' ' : *value);
  putchar ('\n');
}

static void
say_number (const char *key, long value)
{
  printf ("%s = %ld\n", key, value);
}

/* ---- namespaces, identity ---- */

static void
namespaces (const char *callers)
{
  static const char *const names[] = { "mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    {
      char path[64], link[64], inode[64], key[32];
      snprintf (path, sizeof path, "/proc/self/ns/%s", names[i]);
      ssize_t n = readlink (path, link, sizeof link - 1);
      snprintf (key, sizeof key, "ns.%s", names[i]);
      if (n < 0)
        {
          say (key, "unknown");
          continue;
        }
      link[n] = '\0';
      snprintf (inode, sizeof inode, "%s:%.*s", names[i], (int) strcspn (strchr (link, '[') + 1, "]"),
                strchr (link, '[') + 1);
      say (key, strstr (callers, inode) != NULL ? "shared" : "own");
    }
}

static void
status (void)
{
  static const char *const wanted[]
      = { "Umask",      "Uid",     "Gid",    "Groups", "SigBlk",     "SigIgn",  "CapInh", "CapPrm", "CapEff",       "CapBnd",       "CapAmb",
          "NoNewPrivs", "Seccomp", "Seccomp_filters",  "Cpus_allowed", "Mems_allowed_list", "Speculation_Store_Bypass" };
  char *text = strdup (slurp ("/proc/self/status"));
  for (char *line = strtok (text, "\n"); line != NULL; line = strtok (NULL, "\n"))
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
      if (strncmp (line, wanted[i], strlen (wanted[i])) == 0 && line[strlen (wanted[i])] == ':')
        {
          char key[64];
          char *value = line + strlen (wanted[i]) + 1;
          while (isspace ((unsigned char) *value))
            value++;
          snprintf (key, sizeof key, "status.%s", wanted[i]);
          say (key, value);
        }
  free (text);
  say_number ("securebits", prctl (PR_GET_SECUREBITS, 0, 0, 0, 0));
  say_number ("dumpable", prctl (PR_GET_DUMPABLE, 0, 0, 0, 0));
  say_number ("keepcaps", prctl (PR_GET_KEEPCAPS, 0, 0, 0, 0));
  say_number ("pdeathsig-child-subreaper", ({ int is = 0; prctl (PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0); is; }));
  say_number ("is-session-leader", getsid (0) == getpid ());
  say_number ("is-group-leader", getpgrp () == getpid ());
  say_number ("pid-is-1", getpid () == 1);
  say ("uid-map", slurp ("/proc/self/uid_map"));
  say ("gid-map", slurp ("/proc/self/gid_map"));
  say ("setgroups", slurp ("/proc/self/setgroups"));
  say ("timens-offsets", slurp ("/proc/self/timens_offsets"));
  say ("label", slurp ("/proc/self/attr/current"));
  say ("oom-score-adj", slurp ("/proc/self/oom_score_adj"));
  say ("cgroup", slurp ("/proc/self/cgroup"));
  say ("coredump-filter", slurp ("/proc/self/coredump_filter"));
}

static void
process (int argc, char **argv, char **env)
{
  char key[64], value[256], cwd[4096];
  struct utsname name;
  for (int i = 0; i < RLIM_NLIMITS; i++)
    {
      struct rlimit limit;
      getrlimit (i, &limit);
      snprintf (key, sizeof key, "limit.%d", i);
      snprintf (value, sizeof value, "%lld %lld", (long long) limit.rlim_cur, (long long) limit.rlim_max);
      say (key, value);
    }
  say_number ("personality", personality (0xffffffff));
  say_number ("policy", sched_getscheduler (0));
  struct sched_param parameters = { 0 };
  sched_getparam (0, &parameters);
  say_number ("priority", parameters.sched_priority);
  errno = 0;
  say_number ("nice", getpriority (PRIO_PROCESS, 0));
  say_number ("ioprio", syscall (SYS_ioprio_get, 1, 0));
  cpu_set_t cpus;
  CPU_ZERO (&cpus);
  sched_getaffinity (0, sizeof cpus, &cpus);
  say_number ("affinity", CPU_COUNT (&cpus));
  uname (&name);
  say ("hostname", name.nodename);
  say ("domainname", name.domainname);
  say ("machine", name.machine);
  say ("cwd", getcwd (cwd, sizeof cwd) == NULL ? "none" : cwd);
  for (int i = 0; i < argc; i++)
    {
      snprintf (key, sizeof key, "argv.%d", i);
      if (i != 1)
        say (key, argv[i]);
    }
  for (int i = 0; env[i] != NULL; i++)
    {
      snprintf (key, sizeof key, "env.%.*s", (int) strcspn (env[i], "="), env[i]);
      say (key, strchr (env[i], '=') == NULL ? "(none)" : strchr (env[i], '=') + 1);
    }
  for (int signal = 1; signal < 65; signal++)
    {
      struct sigaction action;
      if (sigaction (signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        say_number ("ignored", signal);
    }
}

/* ---- what is open ---- */

static void
descriptors (void)
{
  DIR *fds = opendir ("/proc/self/fd");
  struct dirent *entry;
  while (fds != NULL && (entry = readdir (fds)) != NULL)
    {
      char key[64], link[256], path[300];
      if (entry->d_name[0] == '.' || atoi (entry->d_name) == dirfd (fds))
        continue;
      snprintf (path, sizeof path, "/proc/self/fd/%.10s", entry->d_name);
      ssize_t n = readlink (path, link, sizeof link - 1);
      link[n < 0 ? 0 : n] = '\0';
      link[strcspn (link, "[")] = '\0';
      snprintf (key, sizeof key, "fd.%.10s", entry->d_name);
      struct stat st;
      char value[400];
      int is_stated = fstat (atoi (entry->d_name), &st) == 0;
      snprintf (value, sizeof value, "%s flags %o%s", link, fcntl (atoi (entry->d_name), F_GETFL) & ~O_NONBLOCK,
                is_stated && isatty (atoi (entry->d_name)) ? " tty" : "");
      say (key, value);
    }
  if (fds != NULL)
    closedir (fds);
  for (int fd = 0; fd < 3; fd++)
    {
      struct stat st;
      char key[32], value[64];
      fstat (fd, &st);
      snprintf (key, sizeof key, "stdio.%d", fd);
      snprintf (value, sizeof value, "%o uid %u gid %u", st.st_mode, st.st_uid, st.st_gid);
      say (key, value);
    }
  struct winsize size = { 0 };
  if (ioctl (0, TIOCGWINSZ, &size) == 0)
    {
      say_number ("tty.rows", size.ws_row);
      say_number ("tty.cols", size.ws_col);
      say ("tty.name", ttyname (0) == NULL ? "none" : ttyname (0));
      say_number ("tty.is-foreground", tcgetpgrp (0) == getpgrp ());
    }
  int tty = open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  say_number ("tty.is-controlling", tty >= 0);
  if (tty >= 0)
    close (tty);
}

/* ---- the tree ---- */

static int
by_text (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static void
sort_list (char *list)
{
  char *items[256], copy[4096], *save;
  size_t count = 0;
  snprintf (copy, sizeof copy, "%s", list);
  for (char *item = strtok_r (copy, ",", &save); item != NULL && count < 256; item = strtok_r (NULL, ",", &save))
    if (strncmp (item, "lowerdir", 8) != 0 && strncmp (item, "size=", 5) != 0 && strncmp (item, "nr_inodes=", 10) != 0)
      items[count++] = item;
  qsort (items, count, sizeof *items, by_text);
  *list = '\0';
  for (size_t i = 0; i < count; i++)
    strcat (strcat (list, i > 0 ? "," : ""), items[i]);
}

static void
mounts (void)
{
  char *text = strdup (slurp ("/proc/self/mountinfo")), *save;
  for (char *line = strtok_r (text, "\n", &save); line != NULL; line = strtok_r (NULL, "\n", &save))
    {
      static char root[4096], target[4096], options[4096], type[256], source[4096], super[8192], value[32768], key[5000];
      char propagation[256] = "";
      int at = 0;
      if (sscanf (line, "%*d %*d %*s %4095s %4095s %4095s%n", root, target, options, &at) != 3)
        continue;
      char *dash = strstr (line + at, " - ");
      for (char *field = line + at; dash != NULL && field < dash; field++)
        if (strncmp (field, "shared:", 7) == 0 || strncmp (field, "master:", 7) == 0)
          strncat (strncat (propagation, " ", 2), field, 6);
        else if (strncmp (field, "unbindable", 10) == 0)
          strcat (propagation, " unbindable");
      if (dash == NULL || sscanf (dash, " - %255s %4095s %8191s", type, source, super) != 3)
        continue;
      sort_list (options);
      sort_list (super);
      snprintf (key, sizeof key, "mount.%s", target);
      snprintf (value, sizeof value, "%s from %s root %s options %s super %s%s", type, source, root, options, super,
                propagation);
      say (key, value);
    }
  free (text);
}

static void
look_at (const char *path)
{
  char key[4200], value[512], link[256];
  struct stat st;
  if (lstat (path, &st) < 0)
    {
      snprintf (key, sizeof key, "node.%s", path);
      snprintf (value, sizeof value, "errno %d", errno);
      say (key, value);
      return;
    }
  snprintf (key, sizeof key, "node.%s", path);
  if (S_ISLNK (st.st_mode))
    {
      ssize_t n = readlink (path, link, sizeof link - 1);
      link[n < 0 ? 0 : n] = '\0';
      snprintf (value, sizeof value, "-> %s", link);
    }
  else
    snprintf (value, sizeof value, "%o %u:%u device %u:%u", st.st_mode, st.st_uid, st.st_gid, major (st.st_rdev),
              minor (st.st_rdev));
  say (key, value);
}

static void
devices (const char *directory)
{
  struct dirent **entries;
  int count = scandir (directory, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++)
    {
      char path[4200], key[4300];
      struct stat st;
      if (entries[i]->d_name[0] == '.')
        continue;
      snprintf (path, sizeof path, "%s/%s", directory, entries[i]->d_name);
      look_at (path);
      if (lstat (path, &st) == 0 && (S_ISCHR (st.st_mode) || S_ISBLK (st.st_mode)))
        {
          int fd = open (path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
          snprintf (key, sizeof key, "open.%s", path);
          say_number (key, fd < 0 ? errno : 0);
          if (fd >= 0)
            close (fd);
        }
      if (S_ISDIR (st.st_mode) && strcmp (directory, "/dev") == 0)
        devices (path);
    }
}

static void
path_access (const char *path)
{
  char key[4200];
  struct stat st;
  look_at (path);
  if (stat (path, &st) < 0)
    return;
  snprintf (key, sizeof key, "read.%s", path);
  if (S_ISDIR (st.st_mode))
    {
      DIR *directory = opendir (path);
      int count = 0;
      while (directory != NULL && readdir (directory) != NULL)
        count++;
      say_number (key, directory == NULL ? -errno : count > 2);
      snprintf (key, sizeof key, "write.%s", path);
      char inside[4200];
      snprintf (inside, sizeof inside, "%s/.probe", path);
      int fd = open (inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      say_number (key, fd < 0 ? errno : 0);
      if (fd >= 0)
        unlink (inside);
      return;
    }
  char byte;
  int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  say_number (key, fd < 0 ? -errno : read (fd, &byte, 1));
  fd = open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  snprintf (key, sizeof key, "write.%s", path);
  say_number (key, fd < 0 ? errno : 0);
}

/* ---- system calls, with arguments that do nothing ---- */

#define CALL(name, ...) { #name, SYS_##name, { __VA_ARGS__ } }

static void
calls (void)
{
  static const struct
  {
    const char *name;
    long number;
    long arguments[6];
  } table[] = {
    CALL (add_key, 0, 0, 0, 0, 0),   CALL (keyctl, 99, 0, 0),       CALL (bpf, 99, 0, 0),
    CALL (perf_event_open, 0, 0, -1, -1, 0),                        CALL (userfaultfd, 99),
    CALL (kexec_load, 0, 0, 0, 0),   CALL (init_module, 0, 0, 0),   CALL (open_by_handle_at, -1, 0, 0),
    CALL (mount, 0, 0, 0, 0, 0),     CALL (umount2, 0, 99),         CALL (pivot_root, 0, 0),
    CALL (fsopen, 0, 99),            CALL (open_tree, -1, 0, 99),   CALL (setns, -1, 0),
    CALL (unshare, 1),               CALL (io_uring_setup, 0, 0),   CALL (clone3, 0, 0),
    CALL (ptrace, -1, 0, 0, 0),      CALL (kcmp, 0, 0, 99, 0, 0),   CALL (swapon, 0, 0),
    CALL (settimeofday, 0, 1),       CALL (acct, 1),                CALL (iopl, 9),
    CALL (sethostname, 1, 9),        CALL (syslog, 10, 0, 0),       CALL (vhangup, 0),
    CALL (chroot, 1),                CALL (personality, 0xffffffff), CALL (mknodat, -1, 0, 0, 0),
    CALL (chmod, 1, 0),              CALL (getpid, 0),              CALL (mkdirat, -1, 1, 0),
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    {
      const long *a = table[i].arguments;
      char key[64];
      errno = 0;
      long result = syscall (table[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
      snprintf (key, sizeof key, "call.%s", table[i].name);
      say_number (key, result < 0 ? errno : 0);
    }
  for (int family = 1; family <= 40; family += 13)
    {
      char key[64];
      int fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      snprintf (key, sizeof key, "call.socket(%d)", family);
      say_number (key, fd < 0 ? errno : 0);
      if (fd >= 0)
        close (fd);
    }
  errno = 0;
  say_number ("call.x32-getpid", syscall (0x40000000 | SYS_getpid) < 0 ? errno : 0);
}

int
main (int argc, char **argv, char **env)
{
  if (argc < 2)
    {
      fputs ("usage: probe NAMESPACES [PATH...]\n", stderr);
      return 2;
    }
  static char out[1 << 16];
  setvbuf (stdout, out, _IOFBF, sizeof out);
  descriptors ();
  namespaces (argv[1]);
  status ();
  process (argc, argv, env);
  mounts ();
  devices ("/dev");
  for (int i = 2; i < argc; i++)
    path_access (argv[i]);
  calls ();
  puts ("end = 1");
  return 0;
}
