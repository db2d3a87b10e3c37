#include "tree_shift.h"

#include "err.h"
#include "fds.h"
#include "tree_links.h"
#include "tree_open.h"
#include "tree_path.h"
#include "tree_remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What the kernel gives for one list or one value: XATTR_LIST_MAX, XATTR_SIZE_MAX. */
enum { MAX_ATTRIBUTES = 65536 };

#define OPAQUE "trusted.overlay.opaque"

struct level {
  DIR *from;
  int to;
  size_t path; /* length of the path up to here */
  struct stat st;
};

struct shift {
  const struct shift_maps *maps; /* NULL: ids stay */
  bool merge, out;
  struct tree_usage *usage;
  struct level *levels; /* owned; TREE_MAX_DEPTH + 1 of them */
  size_t depth;
  char *path;   /* of what is being copied, from the top, without a slash in front */
  struct links linked;
  int top;      /* the copy's */
  char list[MAX_ATTRIBUTES];
  uint8_t value[MAX_ATTRIBUTES];
};

/* ---- owners ---- */

static int shift_owner (const struct shift *s, const struct stat *st, uid_t *uid, gid_t *gid, struct err *e) {
  *uid = st->st_uid;
  *gid = st->st_gid;
  return s->maps == NULL ? 0 : ids_shift_owner (s->maps, uid, gid, e);
}

/* ---- one inode ---- */

/* Whatever says who may do what must not be lost. */
static bool may_be_lost (const struct shift *s, const char *name) {
  return s->out && errno == EOPNOTSUPP && (strncmp (name, "user.", 5) == 0 || strcmp (name, "security.selinux") == 0);
}

/* By name in the current directory, because attributes of links and devices have no descriptor. */
static int copy_attribute (struct shift *s, int from, int to, const char *file, const char *name, struct err *e) {
  ssize_t n = fchdir (from) < 0 ? -1 : lgetxattr (file, name, s->value, sizeof s->value);
  if (n < 0)
    return err_set (e, errno, "cannot read its attribute \"%.100s\"", name);
  if (s->maps != NULL && strncmp (name, "system.posix_acl_", 17) == 0 &&
      ids_shift_acl (s->maps, s->value, (size_t) n, e) < 0)
    return -1;
  if (fchdir (to) < 0 || (lsetxattr (file, name, s->value, (size_t) n, 0) < 0 && !may_be_lost (s, name)))
    return err_set (e, errno, "cannot set its attribute \"%.100s\"", name);
  return 0;
}

static int copy_attributes (struct shift *s, int from, int to, const char *file, struct err *e) {
  ssize_t size = fchdir (from) < 0 ? -1 : llistxattr (file, s->list, sizeof s->list);
  if (size < 0)
    return errno == EOPNOTSUPP ? 0 : err_set (e, errno, "cannot list its attributes");
  for (const char *name = s->list; name < s->list + size; name += strlen (name) + 1)
    if (!(s->merge && strcmp (name, OPAQUE) == 0) && copy_attribute (s, from, to, file, name, e) < 0)
      return -1;
  return 0;
}

/* The owner first: it takes set-id bits and capabilities away. The times last. */
static int copy_metadata (struct shift *s, int from, int to, const char *file, const struct stat *st, struct err *e) {
  const struct timespec times[2] = { st->st_atim, st->st_mtim };
  uid_t uid;
  gid_t gid;

  if (shift_owner (s, st, &uid, &gid, e) < 0)
    return -1;
  if (fchownat (to, file, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot set its owner");
  if (!S_ISLNK (st->st_mode) && fchmodat (to, file, st->st_mode & 07777, 0) < 0)
    return err_set (e, errno, "cannot set its mode");
  if (copy_attributes (s, from, to, file, e) < 0)
    return -1;
  return utimensat (to, file, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_set (e, errno, "cannot set its times") : 0;
}

/* From `at`, which holds data, to the next hole. -1 with errno. */
static int copy_extent (int from, int to, off_t at, off_t end) {
  off_t target = at;
  bool is_foreign = false;
  while (at < end) {
    ssize_t n = is_foreign ? sendfile (to, from, &at, (size_t) (end - at))
                           : copy_file_range (from, &at, to, &target, (size_t) (end - at), 0);
    if (n < 0 && errno == EXDEV && !is_foreign) { /* another file system */
      is_foreign = lseek (to, target, SEEK_SET) == target;
      if (is_foreign)
        continue;
    }
    if (n < 0)
      return -1;
    if (n == 0) {
      errno = EIO; /* it has become shorter, which nothing in a layer does */
      return -1;
    }
  }
  return 0;
}

static int copy_data (int from, int to, off_t size) {
  off_t at = 0;

  if (ioctl (to, FICLONE, from) == 0)
    return 0;
  while (at < size && (at = lseek (from, at, SEEK_DATA)) >= 0) {
    off_t end = lseek (from, at, SEEK_HOLE);
    if (end < 0 || copy_extent (from, to, at, end) < 0)
      return -1;
    at = end;
  }
  if (at < 0 && errno != ENXIO) /* a hole is all that is left */
    return -1;
  return ftruncate (to, size);
}

static int copy_file (int from, int to, const char *name, off_t size, struct err *e) {
  int source = open_entry (from, name, O_RDONLY);
  if (source < 0)
    return err_set (e, -source, "cannot open it");
  auto_fd held = source;
  auto_fd target = openat (to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (target < 0)
    return err_set (e, errno, "cannot make its copy");
  return copy_data (held, target, size) < 0 ? err_set (e, errno, "cannot copy its content") : 0;
}

static int copy_link (int from, int to, const char *name, struct err *e) {
  char target[PATH_MAX];
  ssize_t n = readlinkat (from, name, target, sizeof target);
  if (n < 0 || n == sizeof target)
    return err_set (e, n < 0 ? errno : ENAMETOOLONG, "cannot read the link");
  target[n] = '\0';
  return symlinkat (target, to, name) < 0 ? err_set (e, errno, "cannot make its copy") : 0;
}

static int copy_inode (struct shift *s, int from, int to, const char *name, const struct stat *st, struct err *e) {
  int result;
  if (S_ISREG (st->st_mode))
    result = copy_file (from, to, name, st->st_size, e);
  else if (S_ISLNK (st->st_mode))
    result = copy_link (from, to, name, e);
  else
    result = mknodat (to, name, st->st_mode, st->st_rdev) < 0 ? err_set (e, errno, "cannot make its copy") : 0;
  if (result < 0)
    return -1;
  usage_add (s->usage, st);
  return copy_metadata (s, from, to, name, st, e);
}

/* ---- hard links ---- */

static int copy_other (struct shift *s, int from, int to, const char *name, const struct stat *st, struct err *e) {
  if (st->st_nlink < 2)
    return copy_inode (s, from, to, name, st, e);
  const char *first = links_first (&s->linked, st->st_dev, st->st_ino, s->path);
  if (first == NULL)
    return err_set (e, ENOMEM, "cannot remember a hard link");
  if (strcmp (first, s->path) == 0)
    return copy_inode (s, from, to, name, st, e);
  return linkat (s->top, first, to, name, 0) < 0 ? err_set (e, errno, "cannot link it to \"%.200s\"", first) : 0;
}

/* ---- the walk ---- */

/* `from` and `to` become the new level's, also when this fails. */
static int enter (struct shift *s, int from, int to, struct err *e) {
  struct level *l = &s->levels[s->depth];
  *l = (struct level){ .from = fdopendir (from), .to = to, .path = strlen (s->path) };
  s->depth++;
  if (l->from != NULL && fstat (from, &l->st) == 0)
    return 0;
  err_set (e, errno, "cannot read it");
  if (l->from == NULL)
    close (from);
  return -1;
}

static bool is_opaque (int directory) {
  char value;
  return fgetxattr (directory, OPAQUE, &value, 1) == 1 && value == 'y';
}

static int remove_there (int to, const char *name, struct err *e) {
  return faccessat (to, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : tree_remove (to, name, NULL, e);
}

/* Into a directory that is there already, unless it is hidden. */
static int open_target (struct shift *s, int source, int to, const char *name, struct err *e) {
  if (s->merge) {
    int there = is_opaque (source) ? -ENOENT : open_entry (to, name, O_RDONLY | O_DIRECTORY);
    if (there >= 0)
      return there;
    if (remove_there (to, name, e) < 0)
      return -1;
  }
  int target = mkdirat (to, name, 0700) < 0 ? -errno : open_entry (to, name, O_RDONLY | O_DIRECTORY);
  return target < 0 ? err_set (e, -target, "cannot make its copy") : target;
}

static int copy_directory (struct shift *s, int from, int to, const char *name, struct err *e) {
  if (s->depth > TREE_MAX_DEPTH)
    return err_set (e, ELOOP, "it is too deep");
  int source = open_entry (from, name, O_RDONLY | O_DIRECTORY);
  if (source < 0)
    return err_set (e, -source, "cannot open it");
  auto_fd held = source;
  auto_fd target = open_target (s, held, to, name, e);
  if (target < 0)
    return -1;
  return enter (s, fd_release (&held), fd_release (&target), e);
}

/* A move keeps everything, hard links, too. */
static int merge_other (struct shift *s, int from, int to, const char *name, const struct stat *st, struct err *e) {
  if (remove_there (to, name, e) < 0)
    return -1;
  if (S_ISCHR (st->st_mode) && st->st_rdev == makedev (0, 0))
    return 0;
  if (renameat (from, name, to, name) == 0)
    return 0;
  return errno == EXDEV ? copy_other (s, from, to, name, st, e) : err_set (e, errno, "cannot move it");
}

static int copy_entry (struct shift *s, const char *name, struct err *e) {
  struct level *l = &s->levels[s->depth - 1];
  struct stat st;

  int n = snprintf (s->path + l->path, TREE_NAME_BYTES - l->path, "%s%s", l->path == 0 ? "" : "/", name);
  if (n < 0 || (size_t) n >= TREE_NAME_BYTES - l->path)
    return err_set (e, ENAMETOOLONG, "the path is too long");
  if (fstatat (dirfd (l->from), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot look at it");
  if (S_ISDIR (st.st_mode))
    return copy_directory (s, dirfd (l->from), l->to, name, e);
  return s->merge ? merge_other (s, dirfd (l->from), l->to, name, &st, e)
                  : copy_other (s, dirfd (l->from), l->to, name, &st, e);
}

/* Its metadata comes when it is full: new entries change the times, and so may its mode forbid them. */
static int finish_level (struct shift *s, struct err *e) {
  struct level *l = &s->levels[s->depth - 1];
  s->path[l->path] = '\0';
  usage_add (s->usage, &l->st);
  return copy_metadata (s, dirfd (l->from), l->to, ".", &l->st, e);
}

static void leave (struct shift *s) {
  struct level *l = &s->levels[--s->depth];
  if (l->from != NULL)
    closedir (l->from);
  close (l->to);
}

static int walk (struct shift *s, struct err *e) {
  while (s->depth > 0) {
    struct level *l = &s->levels[s->depth - 1];
    errno = 0;
    const struct dirent *entry = readdir (l->from);
    if (entry == NULL && errno != 0)
      return err_set (e, errno, "cannot read it");
    if (entry == NULL) {
      if (finish_level (s, e) < 0)
        return -1;
      leave (s);
    } else if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0 &&
               copy_entry (s, entry->d_name, e) < 0)
      return -1;
  }
  return 0;
}

enum purpose { SHIFT, MERGE, COPY_OUT };

static int copy_tree (int from, int to, const struct shift_maps *maps, enum purpose purpose, struct tree_usage *u, char *name,
                      struct err *e) {
  struct shift *s = calloc (1, sizeof *s);
  struct level *levels = calloc (TREE_MAX_DEPTH + 1, sizeof *levels);
  int source = fcntl (from, F_DUPFD_CLOEXEC, 3), target = fcntl (to, F_DUPFD_CLOEXEC, 3);
  int result = -1;

  name[0] = '\0';
  *u = (struct tree_usage){ 0 };
  if (s == NULL || levels == NULL || source < 0 || target < 0) {
    err_set (e, s == NULL || levels == NULL ? ENOMEM : errno, "cannot copy the tree");
    fd_close (&source);
    fd_close (&target);
  } else {
    *s = (struct shift){ .maps = maps,
                         .merge = purpose == MERGE,
                         .out = purpose == COPY_OUT,
                         .usage = u,
                         .levels = levels,
                         .path = name,
                         .top = to };
    result = enter (s, source, target, e) < 0 ? -1 : walk (s, e);
    while (s->depth > 0)
      leave (s);
    links_free (&s->linked);
  }
  free (levels);
  free (s);
  return result;
}

int tree_shift (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e) {
  return copy_tree (from, to, maps, SHIFT, u, name, e);
}

int tree_merge (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e) {
  (void) maps;
  return copy_tree (from, to, NULL, MERGE, u, name, e);
}

int tree_copy_out (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e) {
  return copy_tree (from, to, maps, COPY_OUT, u, name, e);
}
