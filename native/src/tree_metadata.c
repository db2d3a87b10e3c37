#include "tree_metadata.h"

#include "err.h"
#include "tree_open.h"
#include "tree_tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CAPABILITY "security.capability"

static bool starts_with (const char *text, const char *start) {
  return strncmp (text, start, strlen (start)) == 0;
}

/* An image has a say over file capabilities, ACLs and its own user attributes. trusted.*, user.overlay.* would speak to
   overlayfs, security.selinux, .ima and .evm to the host's policy: those are dropped. */
bool metadata_wants (const char *name) {
  if (starts_with (name, "user."))
    return !starts_with (name, "user.overlay.");
  return strcmp (name, CAPABILITY) == 0 || strcmp (name, ACL_ACCESS) == 0 || strcmp (name, ACL_DEFAULT) == 0;
}

/* A file system without user attributes or ACLs loses them, as with Docker; one that loses capabilities breaks programs. */
static int xattr_failed (const char *name, int code, struct err *e) {
  if (code == EOPNOTSUPP && strcmp (name, CAPABILITY) != 0)
    return 0;
  return err_set (e, code, "cannot set attribute \"%.100s\"", name);
}

static int set_xattrs (int fd, const struct tar_entry *t, struct err *e) {
  for (size_t i = 0; i < t->xattr_count; i++) {
    const struct tar_xattr *x = &t->xattrs[i];
    if (!metadata_wants (x->name) || strcmp (x->name, ACL_DEFAULT) == 0)
      continue;
    if (fsetxattr (fd, x->name, x->value, x->size, 0) < 0 && xattr_failed (x->name, errno, e) < 0)
      return -1;
  }
  return 0;
}

int set_metadata (int fd, const struct tar_entry *t, struct err *e) {
  struct stat st;
  if (fstat (fd, &st) < 0)
    return err_set (e, errno, "cannot look at it");

  bool chown_drops_bits = false;
  if (st.st_uid != t->uid || st.st_gid != t->gid) {
    if (fchown (fd, t->uid, t->gid) < 0)
      return err_set (e, errno, "cannot set its owner");
    chown_drops_bits = (t->mode & (S_ISUID | S_ISGID)) != 0;
  }
  if (((st.st_mode & 07777) != t->mode || chown_drops_bits) && fchmod (fd, t->mode) < 0)
    return err_set (e, errno, "cannot set its mode");
  return set_xattrs (fd, t, e);
}

int set_times (int fd, const struct tar_entry *t, struct err *e) {
  const struct timespec times[2] = { t->atime, t->mtime };
  return futimens (fd, times) < 0 ? err_set (e, errno, "cannot set its times") : 0;
}

/* There is no setxattr for a name in a directory before Linux 6.13, so the directory becomes the current one. */
static int set_acl_by_name (int parent, const char *name, const struct tar_entry *t, struct err *e) {
  for (size_t i = 0; i < t->xattr_count; i++) {
    const struct tar_xattr *x = &t->xattrs[i];
    if (strcmp (x->name, ACL_ACCESS) != 0)
      continue;
    if ((fchdir (parent) < 0 || lsetxattr (name, x->name, x->value, x->size, 0) < 0) &&
        xattr_failed (x->name, errno, e) < 0)
      return -1;
  }
  return 0;
}

int set_metadata_by_name (int parent, const char *name, const struct tar_entry *t, struct err *e) {
  struct stat st;
  if (fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot look at it");
  if ((st.st_uid != t->uid || st.st_gid != t->gid) &&
      fchownat (parent, name, t->uid, t->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot set its owner");
  if (!S_ISLNK (st.st_mode) && set_acl_by_name (parent, name, t, e) < 0)
    return -1;
  const struct timespec times[2] = { t->atime, t->mtime };
  if (utimensat (parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot set its times");
  return 0;
}

/* ---- directories, afterwards ---- */

struct deferred_directory {
  ino_t inode;
  struct timespec times[2];
  size_t acl_size;
  char *path; /* owned; with the ACL's bytes behind its NUL */
};

enum { MAX_DEFERRED_BYTES = 256 << 20 };

static const struct tar_xattr *default_acl (const struct tar_entry *t) {
  for (size_t i = 0; i < t->xattr_count; i++)
    if (strcmp (t->xattrs[i].name, ACL_DEFAULT) == 0)
      return &t->xattrs[i];
  return NULL;
}

int deferred_add (struct deferred *d, const char *path, ino_t inode, const struct tar_entry *t, struct err *e) {
  const struct tar_xattr *acl = default_acl (t);
  size_t length = strlen (path) + 1, acl_size = acl == NULL ? 0 : acl->size;

  d->bytes += sizeof (struct deferred_directory) + length + acl_size;
  if (d->bytes > MAX_DEFERRED_BYTES)
    return err_set (e, 0, "too many directories");
  if (d->count == d->capacity) {
    size_t capacity = d->capacity == 0 ? 256 : 2 * d->capacity;
    struct deferred_directory *grown = reallocarray (d->directories, capacity, sizeof *grown);
    if (grown == NULL)
      return err_set (e, ENOMEM, "cannot remember a directory");
    d->directories = grown;
    d->capacity = capacity;
  }

  char *copy = malloc (length + acl_size);
  if (copy == NULL)
    return err_set (e, ENOMEM, "cannot remember a directory");
  memcpy (copy, path, length);
  if (acl_size > 0)
    memcpy (copy + length, acl->value, acl_size);
  d->directories[d->count++] = (struct deferred_directory) {
    .inode = inode, .times = { t->atime, t->mtime }, .acl_size = acl_size, .path = copy
  };
  return 0;
}

static int finish_directory (const struct deferred_directory *d, int root, int how, struct err *e) {
  struct stat st;
  int fd = open_in_root (root, d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | how);
  if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || (fd == -EXDEV && how != 0)) /* a later entry replaced it */
    return 0;
  if (fd < 0)
    return err_set (e, -fd, "cannot open it again");

  int result = 0;
  if (fstat (fd, &st) == 0 && st.st_ino == d->inode) {
    const char *acl = d->path + strlen (d->path) + 1;
    if (d->acl_size > 0 && fsetxattr (fd, ACL_DEFAULT, acl, d->acl_size, 0) < 0)
      result = xattr_failed (ACL_DEFAULT, errno, e);
    if (result == 0 && futimens (fd, d->times) < 0)
      result = err_set (e, errno, "cannot set its times");
  }
  close (fd);
  return result;
}

int deferred_apply (const struct deferred *d, int root, struct err *e) {
  for (size_t i = 0; i < d->count; i++)
    if (finish_directory (&d->directories[i], root, d->how, e) < 0)
      return -1;
  return 0;
}

void deferred_free (struct deferred *d) {
  for (size_t i = 0; i < d->count; i++)
    free (d->directories[i].path);
  free (d->directories);
  *d = (struct deferred) { 0 };
}
