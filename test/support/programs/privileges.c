/* What the process that runs it may do: one line "KEY VALUE" for each thing that is known. Nothing is changed but a device
 * node that is made and removed again; files are opened, not written to.
 *
 *     privileges PATH...      the paths are looked at, too: "hidden", "read", "read write"
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void
each_line (const char *path, void (*show) (char *line))
{
  char line[4096];
  FILE *file = fopen (path, "re");
  while (file != NULL && fgets (line, sizeof line, file) != NULL)
    show (line);
  if (file != NULL)
    fclose (file);
}

static void
show_status (char *line)
{
  static const char *const wanted[] = { "Uid",    "Gid",    "Groups", "CapInh",     "CapPrm", "CapEff",
                                        "CapBnd", "CapAmb", "Seccomp", "NoNewPrivs" };
  char *value = strchr (line, ':');
  if (value == NULL)
    return;
  *value++ = '\0';
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (strcmp (line, wanted[i]) == 0)
      {
        printf ("process.%s", line);
        for (char *word = strtok (value, " \t\n"); word != NULL; word = strtok (NULL, " \t\n"))
          printf (" %s", word);
        printf ("\n");
      }
}

/* mountinfo: id parent device root target options ... - type source superblock-options */
static void
show_mount (char *line)
{
  static const char *const wanted[] = { "/",        "/proc",    "/sys",       "/sys/fs/cgroup", "/sys/fs/cgroup/memory",
                                        "/dev",     "/dev/pts", "/dev/mqueue", "/dev/shm",       "/proc/sys",
                                        "/etc/hosts" };
  char target[1024], options[1024], type[64] = "";
  char *dash = strstr (line, " - ");
  if (dash == NULL || sscanf (line, "%*s %*s %*s %*s %1023s %1023s", target, options) != 2
      || sscanf (dash + 3, "%63s", type) != 1)
    return;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (strcmp (target, wanted[i]) == 0)
      printf ("mount.%s %s %s\n", target, type, options);
}

static void
show_limits (void)
{
  static const struct
  {
    const char *name;
    int number;
  } limits[] = { { "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },     { "core", RLIMIT_CORE },
                 { "memlock", RLIMIT_MEMLOCK }, { "stack", RLIMIT_STACK },   { "rtprio", RLIMIT_RTPRIO },
                 { "nice", RLIMIT_NICE },     { "sigpending", RLIMIT_SIGPENDING } };
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
    {
      struct rlimit limit;
      if (getrlimit (limits[i].number, &limit) == 0)
        printf ("limit.%s %lld %lld\n", limits[i].name, (long long) limit.rlim_cur, (long long) limit.rlim_max);
    }
}

static void
show_namespaces (void)
{
  static const char *const kinds[] = { "mnt", "pid", "net", "ipc", "uts", "cgroup", "user", "time" };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    {
      char path[64], target[128];
      snprintf (path, sizeof path, "/proc/self/ns/%s", kinds[i]);
      ssize_t n = readlink (path, target, sizeof target - 1);
      if (n > 0)
        printf ("namespace.%s %.*s\n", kinds[i], (int) n, target);
    }
}

/* An empty file or directory is as good as none. */
static int
is_readable (const char *path)
{
  char byte;
  int fd = open (path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat st;
  int result = 0;
  if (fd < 0)
    return 0;
  if (fstat (fd, &st) == 0 && S_ISDIR (st.st_mode))
    {
      DIR *entries = fdopendir (fd);
      int count = 0;
      while (entries != NULL && readdir (entries) != NULL)
        count++;
      closedir (entries);
      return count > 2;
    }
  result = read (fd, &byte, 1) == 1;
  close (fd);
  return result;
}

static void
show_path (const char *path)
{
  struct stat st;
  int is_null = stat (path, &st) == 0 && S_ISCHR (st.st_mode) && st.st_rdev == makedev (1, 3);
  /* Asks for what an open would, and changes nothing. */
  int writes = !is_null && faccessat (AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
  int reads = !is_null && is_readable (path);
  printf ("path.%s %s\n", path, reads ? (writes ? "read write" : "read") : writes ? "write" : "hidden");
}

static void
show_device (const char *name, mode_t type, unsigned major, unsigned minor)
{
  static const char *const node = "/dev/privileges-node";
  if (mknod (node, type | 0600, makedev (major, minor)) < 0)
    {
      printf ("device.%s cannot be made\n", name);
      return;
    }
  int fd = open (node, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  printf ("device.%s %s\n", name, fd < 0 && (errno == EPERM || errno == EACCES) ? "denied" : "opens");
  if (fd >= 0)
    close (fd);
  unlink (node);
}

int
main (int argc, char **argv)
{
  each_line ("/proc/self/status", show_status);
  printf ("process.securebits %d\n", prctl (PR_GET_SECUREBITS));
  printf ("process.keepcaps %d\n", prctl (PR_GET_KEEPCAPS));
  mode_t mask = umask (0);
  printf ("process.umask %03o\n", (unsigned) mask);
  char score[32] = "";
  FILE *file = fopen ("/proc/self/oom_score_adj", "re");
  if (file != NULL && fgets (score, sizeof score, file) != NULL)
    printf ("process.oom_score_adj %s", score);
  if (file != NULL)
    fclose (file);
  show_limits ();
  show_namespaces ();
  each_line ("/proc/self/mountinfo", show_mount);
  for (int i = 1; i < argc; i++)
    show_path (argv[i]);
  static const struct
  {
    const char *name;
    mode_t type;
    unsigned major, minor;
  } devices[] = {
    { "null", S_IFCHR, 1, 3 },    { "zero", S_IFCHR, 1, 5 },     { "full", S_IFCHR, 1, 7 },  { "urandom", S_IFCHR, 1, 9 },
    { "tty", S_IFCHR, 5, 0 },     { "console", S_IFCHR, 5, 1 },  { "ptmx", S_IFCHR, 5, 2 },  { "mem", S_IFCHR, 1, 1 },
    { "kmsg", S_IFCHR, 1, 11 },   { "fuse", S_IFCHR, 10, 229 },  { "kvm", S_IFCHR, 10, 232 }, { "tun", S_IFCHR, 10, 200 },
    { "loop0", S_IFBLK, 7, 0 },   { "vda", S_IFBLK, 254, 0 },    { "sda", S_IFBLK, 8, 0 },    { "tty1", S_IFCHR, 4, 1 },
    { "rtc", S_IFCHR, 252, 0 },   { "loop-control", S_IFCHR, 10, 237 },
  };
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    show_device (devices[i].name, devices[i].type, devices[i].major, devices[i].minor);
  return 0;
}
