#include "inroot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fds.h"
#include "kernel.h"

#define MAX_LINKS 40
/* Every round makes one component or follows one link. More rounds than that: somebody is removing what we make. */
#define MAX_ROUNDS 4200

/* The kernel's own trees. No image and no neighbour has an honest reason to put a link there, and every past attack on
   a runtime's /proc, /sys or /dev began with one. */
bool inroot_is_kernel_tree (const char *path) {
  size_t n;

  for (;;) {
    path += strspn (path, "/");
    n = strcspn (path, "/");
    if (n == 1 && path[0] == '.')
      path++;
    else if (n == 2 && path[0] == '.' && path[1] == '.')
      path += 2;
    else
      break;
  }
  return (n == 4 && memcmp (path, "proc", 4) == 0) || (n == 3 && memcmp (path, "sys", 3) == 0) ||
         (n == 3 && memcmp (path, "dev", 3) == 0);
}

static int look_up (int root, const char *path, uint64_t flags, uint64_t resolve) {
  int fd;

  /* EAGAIN: somebody renames or mounts elsewhere while ".." is looked up; the kernel asks to try again. */
  for (int tries = 0; tries < 1000; tries++)
    if ((fd = sys_openat2 (root, path, flags, 0, resolve | RESOLVE_NO_MAGICLINKS)) >= 0 || errno != EAGAIN)
      return fd;
  return -1;
}

static int resolve_in_root (int root, const char *path, uint64_t flags, uint64_t resolve) {
  return look_up (root, path, flags, resolve | RESOLVE_IN_ROOT);
}

int inroot_open (int root, const char *path, uint64_t flags) {
  return resolve_in_root (root, path, flags, inroot_is_kernel_tree (path) ? RESOLVE_NO_SYMLINKS : 0);
}

int inroot_open_plain (int root, const char *path) {
  return resolve_in_root (root, path, O_PATH, RESOLVE_NO_SYMLINKS);
}

int inroot_open_beneath (int directory, const char *path) {
  return look_up (directory, path, O_PATH, RESOLVE_BENEATH);
}

/* Replaces the component at `start` of `path`, a dangling link, by what it says. */
static int follow (int parent, char *path, size_t start, size_t end) {
  char target[PATH_MAX], joined[PATH_MAX];
  char name[NAME_MAX + 1] = { 0 };

  memcpy (name, path + start, end - start);
  ssize_t n = readlinkat (parent, name, target, sizeof target);
  if (n < 0)
    return -1;
  if (n == 0 || n == sizeof target) {
    errno = n == 0 ? ENOENT : ENAMETOOLONG;
    return -1;
  }
  int size = snprintf (joined, sizeof joined, "%.*s%.*s%s", target[0] == '/' ? 0 : (int) start, path, (int) n, target,
                       path + end);
  if (size >= (int) sizeof joined) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy (path, joined, (size_t) size + 1);
  return 0;
}

/* Makes the component at `start` in its directory. 1: made, 0: something is there already, -1. */
static int make_component (int parent, const char *path, size_t start, size_t end, enum inroot_make make, mode_t mode) {
  char name[NAME_MAX + 1] = { 0 };

  if (end - start > NAME_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy (name, path + start, end - start);
  if (make == MAKE_FILE) {
    auto_fd fd = openat (parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
    if (fd >= 0)
      return 1;
  } else if (mkdirat (parent, name, mode) == 0)
    return 1;
  return errno == EEXIST ? 0 : -1;
}

/* `path` does not exist: finds the first component that is missing and makes it, or follows it if it is a dangling
   link. */
static int make_next (int root, char *path, enum inroot_make make, mode_t mode, int *links, bool *made) {
  auto_fd parent = inroot_open (root, "/", O_PATH | O_DIRECTORY);
  size_t start = 0, end = 0;
  bool is_last;
  int result;

  for (;;) {
    start = end + strspn (path + end, "/");
    end = start + strcspn (path + start, "/");
    if (parent < 0 || start == end)
      return parent < 0 ? -1 : 0; /* it has come into being meanwhile */
    char kept = path[end];
    path[end] = '\0';
    int next = inroot_open (root, path, O_PATH);
    path[end] = kept;
    if (next < 0 && errno == ENOENT)
      break;
    fd_close (&parent);
    parent = next;
  }
  is_last = path[end + strspn (path + end, "/")] == '\0';
  result = make_component (parent, path, start, end, is_last ? make : MAKE_DIRECTORY, is_last ? mode : 0755);
  if (result == 1 && is_last)
    *made = true;
  if (result != 0)
    return result < 0 ? -1 : 0;
  if (++*links > MAX_LINKS) {
    errno = ELOOP;
    return -1;
  }
  return follow (parent, path, start, end) < 0 && errno != EINVAL && errno != ENOENT ? -1 : 0;
}

int inroot_reach (int root, const char *path, enum inroot_make make, mode_t mode, bool *made) {
  char at[PATH_MAX];
  int links = 0, fd;

  *made = false;
  if (strlen (path) >= sizeof at) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy (at, path);
  for (int round = 0; round < MAX_ROUNDS; round++) {
    fd = inroot_open (root, at, O_PATH);
    if (fd >= 0 || errno != ENOENT || make == MAKE_NOTHING)
      return fd;
    if (make_next (root, at, make, mode, &links, made) < 0)
      return -1;
  }
  errno = EAGAIN;
  return -1;
}

int inroot_reach_parent (int root, const char *path, const char **name) {
  char directory[PATH_MAX];
  const char *slash = strrchr (path, '/');
  bool made;

  if ((size_t) (slash - path) >= sizeof directory - 1) {
    errno = ENAMETOOLONG;
    return -1;
  }
  *name = slash + 1;
  memcpy (directory, path, (size_t) (slash - path) + 1);
  directory[slash - path + 1] = '\0';
  return inroot_reach (root, directory, MAKE_DIRECTORY, 0755, &made);
}
