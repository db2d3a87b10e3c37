/* A walk with a stack of its own, by descriptors alone: nothing is looked up twice, no link followed, no mount entered,
 * and no device or pipe of the image opened. An inode is held by an O_PATH descriptor and everything else is done to it
 * through that: some calls take it as it is, the others by its name in this process's own fd directory of a private
 * procfs, which is the working directory meanwhile. */
#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "procfs.h"

/* Each level takes two descriptors. */
#define MAX_DEPTH 200
#define MAX_ATTRIBUTES 65536 /* what the kernel gives for one list or one value: XATTR_LIST_MAX, XATTR_SIZE_MAX */

#define IN_THE_DIRECTORY (RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

struct level {
  DIR *from;
  int to, source; /* of the directory as it was found, for its metadata; -1 at the top */
  size_t path;    /* length of the path up to here */
};

struct copy {
  struct level levels[MAX_DEPTH];
  size_t depth;
  char path[4096]; /* for errors; cut off when longer */
  char list[MAX_ATTRIBUTES], value[MAX_ATTRIBUTES];
};

static int failed (const struct copy *c, const char *action, struct err *e) {
  return err_set (e, errno, "cannot copy up \"%.300s\": %s", c->path, action);
}

/* ---- one inode ---- */

/* Its name in the working directory. */
static const char *name_of (int fd, char name[16]) {
  snprintf (name, 16, "%d", fd);
  return name;
}

static bool starts_with (const char *text, const char *start) {
  return strncmp (text, start, strlen (start)) == 0;
}

/* Signatures are of one inode, and overlayfs keeps notes of its own in an upper directory that is bound as a root. */
static bool is_bound_to_inode (const char *name) {
  return strcmp (name, "security.ima") == 0 || strcmp (name, "security.evm") == 0 ||
         starts_with (name, "trusted.overlay.");
}

/* User attributes are new in tmpfs (6.6), and a mount with a label for everything takes no others. Whatever says who may
   do what must not be lost. */
static bool may_be_lost (const char *name) {
  return starts_with (name, "user.") || strcmp (name, "security.selinux") == 0;
}

static int copy_attributes (struct copy *c, const char *from, const char *to, struct err *e) {
  ssize_t size = listxattr (from, c->list, sizeof c->list);

  if (size < 0)
    return errno == EOPNOTSUPP ? 0 : failed (c, "its attributes cannot be listed", e);
  for (const char *name = c->list; name < c->list + size; name += strlen (name) + 1) {
    if (is_bound_to_inode (name))
      continue;
    ssize_t n = getxattr (from, name, c->value, sizeof c->value);
    if (n < 0)
      return failed (c, "an attribute cannot be read", e);
    if (setxattr (to, name, c->value, (size_t) n, 0) < 0 && !(errno == EOPNOTSUPP && may_be_lost (name)))
      return failed (c, "an attribute cannot be set", e);
  }
  return 0;
}

/* The owner first: it takes set-id bits and capabilities away. The times last. */
static int copy_metadata (struct copy *c, int from, int to, const struct stat *st, struct err *e) {
  const struct timespec times[2] = { st->st_atim, st->st_mtim };
  char from_name[16], to_name[16];

  name_of (from, from_name);
  name_of (to, to_name);
  if (fchownat (to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
    return failed (c, "its owner cannot be set", e);
  if (!S_ISLNK (st->st_mode) && chmod (to_name, st->st_mode & 07777) < 0)
    return failed (c, "its mode cannot be set", e);
  if (copy_attributes (c, from_name, to_name, e) < 0)
    return -1;
  if (utimensat (to, "", times, AT_EMPTY_PATH) < 0)
    return failed (c, "its times cannot be set", e);
  return 0;
}

/* From `at`, which holds data, to the next hole. -1 with errno. */
static int copy_extent (int from, int to, off_t at, off_t end) {
  if (lseek (to, at, SEEK_SET) < 0)
    return -1;
  while (at < end) {
    ssize_t n = sendfile (to, from, &at, (size_t) (end - at));
    if (n < 0)
      return -1;
    if (n == 0)
      break; /* it has become shorter */
  }
  return 0;
}

static int copy_data (int from, int to, off_t size) {
  off_t at = 0, end;

  while (at < size && (at = lseek (from, at, SEEK_DATA)) >= 0) {
    end = lseek (from, at, SEEK_HOLE);
    if (end >= 0 && end <= at)
      errno = EAGAIN; /* somebody is changing it under our hands */
    if (end <= at || copy_extent (from, to, at, end) < 0)
      return -1;
    at = end;
  }
  if (at < 0 && errno != ENXIO) /* a hole is all that is left */
    return -1;
  return ftruncate (to, size);
}

static int copy_file (struct copy *c, int from, int directory, const char *name, const struct stat *st, struct err *e) {
  char from_name[16];
  auto_fd source = open (name_of (from, from_name), O_RDONLY | O_CLOEXEC);
  if (source < 0)
    return failed (c, "it cannot be read", e);
  auto_fd to = openat (directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (to < 0)
    return failed (c, "it cannot be made", e);
  if (copy_data (source, to, st->st_size) < 0)
    return failed (c, "its content cannot be written", e);
  return copy_metadata (c, from, to, st, e);
}

static int copy_link (int from, int directory, const char *name) {
  char target[PATH_MAX];
  ssize_t n = readlinkat (from, "", target, sizeof target);

  if (n < 0)
    return -1;
  if (n == sizeof target) {
    errno = ENAMETOOLONG;
    return -1;
  }
  target[n] = '\0';
  return symlinkat (target, directory, name);
}

/* A link, a device, a pipe or a socket. */
static int copy_node (struct copy *c, int from, int directory, const char *name, const struct stat *st, struct err *e) {
  if (S_ISLNK (st->st_mode) ? copy_link (from, directory, name) < 0
                            : mknodat (directory, name, st->st_mode, st->st_rdev) < 0)
    return failed (c, "it cannot be made", e);
  auto_fd to = sys_openat2 (directory, name, O_PATH | O_NOFOLLOW, 0, IN_THE_DIRECTORY);
  return to < 0 ? failed (c, "it cannot be opened", e) : copy_metadata (c, from, to, st, e);
}

/* ---- the walk ---- */

/* `source` and `to` become the new level's, also when this fails. */
static int enter (struct copy *c, int source, int to, struct err *e) {
  struct level *l = &c->levels[c->depth];
  int from = sys_openat2 (source, ".", O_RDONLY | O_DIRECTORY, 0, IN_THE_DIRECTORY);

  *l = (struct level){
    .from = from < 0 ? NULL : fdopendir (from), .to = to, .source = source, .path = strlen (c->path)
  };
  c->depth++;
  if (l->from != NULL)
    return 0;
  int result = failed (c, "it cannot be read", e);
  fd_close (&from);
  return result;
}

static void leave (struct copy *c) {
  struct level *l = &c->levels[--c->depth];

  if (l->from != NULL)
    closedir (l->from);
  fd_close (&l->to);
  fd_close (&l->source);
}

/* Its metadata comes when it is full: new entries change the times, and so may its mode forbid them. */
static int copy_directory (struct copy *c, int *from, int directory, const char *name, struct err *e) {
  if (c->depth == MAX_DEPTH) {
    errno = ELOOP;
    return failed (c, "it is too deep", e);
  }
  if (mkdirat (directory, name, 0700) < 0)
    return failed (c, "it cannot be made", e);
  int to = openat (directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (to < 0)
    return failed (c, "it cannot be opened", e);
  return enter (c, fd_release (from), to, e);
}

static int copy_entry (struct copy *c, const char *name, struct err *e) {
  struct level *l = &c->levels[c->depth - 1];
  struct stat st;

  snprintf (c->path + l->path, sizeof c->path - l->path, "/%s", name);
  auto_fd from = sys_openat2 (dirfd (l->from), name, O_PATH | O_NOFOLLOW, 0, IN_THE_DIRECTORY);
  if (from < 0 && errno == ENOENT)
    return 0; /* somebody has removed it from a root that is shared */
  if (from < 0 || fstat (from, &st) < 0)
    return failed (c, errno == EXDEV ? "something is mounted there" : "it cannot be opened", e);
  if (S_ISDIR (st.st_mode))
    return copy_directory (c, &from, l->to, name, e);
  return S_ISREG (st.st_mode) ? copy_file (c, from, l->to, name, &st, e) : copy_node (c, from, l->to, name, &st, e);
}

static int finish_level (struct copy *c, struct err *e) {
  struct level *l = &c->levels[c->depth - 1];
  struct stat st;

  c->path[l->path] = '\0';
  if (c->depth == 1)
    return 0;
  if (fstat (l->source, &st) < 0)
    return failed (c, "it cannot be looked at", e);
  return copy_metadata (c, l->source, l->to, &st, e);
}

static int walk (struct copy *c, struct err *e) {
  while (c->depth > 0) {
    struct level *l = &c->levels[c->depth - 1];
    errno = 0;
    struct dirent *entry = readdir (l->from);
    if (entry == NULL && errno != 0)
      return failed (c, "it cannot be read", e);
    if (entry == NULL) {
      if (finish_level (c, e) < 0)
        return -1;
      leave (c);
    } else if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0 &&
               copy_entry (c, entry->d_name, e) < 0)
      return -1;
  }
  return 0;
}

static int enter_own_descriptors (struct init *in, struct err *e) {
  char path[32];

  if (procfs_need (in, e) < 0)
    return -1;
  snprintf (path, sizeof path, "%d/fd", getpid ());
  auto_fd descriptors = procfs_open (in, path, O_PATH | O_DIRECTORY);
  if (descriptors < 0 || fchdir (descriptors) < 0)
    return err_set (e, errno, "cannot enter the list of own descriptors");
  return 0;
}

int copy_up (struct init *in, int from, int to, const char *path, struct err *e) {
  if (enter_own_descriptors (in, e) < 0)
    return -1;
  struct copy *c = malloc (sizeof *c);
  if (c == NULL)
    return err_set (e, ENOMEM, "cannot copy up \"%s\"", path);
  c->depth = 0;
  snprintf (c->path, sizeof c->path, "%s", path);
  auto_fd source = fcntl (from, F_DUPFD_CLOEXEC, 3), target = fcntl (to, F_DUPFD_CLOEXEC, 3);
  int result = source < 0 || target < 0 ? failed (c, "it cannot be opened", e)
                                        : enter (c, fd_release (&source), fd_release (&target), e);
  if (result == 0)
    result = walk (c, e);
  while (c->depth > 0)
    leave (c);
  free (c);
  return result == 0 && chdir ("/") < 0 ? err_set (e, errno, "cannot leave the list of own descriptors") : result;
}
