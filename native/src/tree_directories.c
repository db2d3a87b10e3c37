#include "tree_directories.h"

#include "err.h"
#include "tree_open.h"
#include "tree_tar.h"
#include "tree_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MISSING = -2 };

void directories_init (struct directories *d, int root, bool overlay, struct tree_usage *usage) {
  memset (d, 0, sizeof *d);
  d->root = root;
  d->overlay = overlay;
  d->usage = usage;
}

void directories_forget (struct directories *d) {
  for (size_t i = 0; i < DIRECTORY_SLOTS; i++)
    if (d->slots[i].path != NULL) {
      free (d->slots[i].path);
      close (d->slots[i].fd);
      d->slots[i].path = NULL;
    }
}

static size_t slot_of (const char *path) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (; *path != 0; path++)
    hash = (hash ^ (uint8_t) *path) * 16777619u;
  return (hash ^ hash >> 16) % DIRECTORY_SLOTS;
}

static int known (const struct directories *d, const char *path) {
  if (path[0] == 0)
    return d->root;
  size_t i = slot_of (path);
  return d->slots[i].path != NULL && strcmp (d->slots[i].path, path) == 0 ? d->slots[i].fd : -1;
}

int directories_keep (struct directories *d, const char *path, int fd, struct err *e) {
  size_t i = slot_of (path);
  char *copy = strdup (path);
  if (copy == NULL) {
    close (fd);
    return err_set (e, ENOMEM, "cannot remember a directory");
  }
  if (d->slots[i].path != NULL) {
    free (d->slots[i].path);
    close (d->slots[i].fd);
  }
  d->slots[i].path = copy;
  d->slots[i].fd = fd;
  return fd;
}

int mark_opaque (int directory, struct err *e) {
  int fd = openat (directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return err_set (e, errno, "cannot open the directory");
  int result = fsetxattr (fd, "trusted.overlay.opaque", "y", 1, 0);
  int code = errno;
  close (fd);
  return result < 0 ? err_set (e, code, "cannot mark the directory opaque") : 0;
}

int make_opaque_directory (int parent, const char *name, struct err *e) {
  if (unlinkat (parent, name, 0) < 0 || mkdirat (parent, name, 0755) < 0)
    return err_set (e, errno, "cannot make a directory of a whiteout");
  int fd = open_entry (parent, name, O_PATH | O_DIRECTORY);
  if (fd < 0)
    return err_set (e, -fd, "cannot open the new directory");
  int result = mark_opaque (fd, e);
  close (fd);
  return result;
}

bool is_whiteout (int parent, const char *name) {
  struct stat st;
  return fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR (st.st_mode) && st.st_rdev == makedev (0, 0);
}

static int make_missing (struct directories *d, int parent, const char *name, struct err *e) {
  if (++d->made > TAR_MAX_ENTRIES)
    return err_set (e, 0, "more than %u directories are implied", TAR_MAX_ENTRIES);
  if (mkdirat (parent, name, 0755) < 0)
    return err_set (e, errno, "cannot make a missing directory above it");
  if ((d->uid != 0 || d->gid != 0) && fchownat (parent, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot set the owner of a directory above it");
  d->usage->inodes++;
  return 0;
}

int directories_refuse (const struct directories *d, int result, struct err *e) {
  if (result == -EXDEV && (d->how & OPEN_BENEATH) != 0)
    return err_set (e, 0, "a link on the way to it leads out of the directory");
  if (result == -EXDEV && (d->how & OPEN_NO_KERNEL) != 0)
    return err_set (e, 0, "it would be in a filesystem of the kernel's own");
  return err_set (e, -result, "cannot open the directory above it");
}

/* Opens, and makes if need be, one component below `parent`. `prefix` is the whole path down to it. */
static int step (struct directories *d, int parent, const char *prefix, const char *name, struct err *e) {
  for (int attempt = 0; attempt < 2; attempt++) {
    int fd = open_entry (parent, name, O_PATH | O_DIRECTORY | (d->how & ~OPEN_BENEATH));
    if (fd == -ELOOP) /* a link: where it leads is decided from the root */
      fd = open_in_root (d->root, prefix, O_PATH | O_DIRECTORY | d->how);
    else if (fd == -ENOENT && attempt == 0) {
      if (make_missing (d, parent, name, e) < 0)
        return -1;
      continue;
    } else if (fd == -ENOTDIR && attempt == 0 && d->overlay && is_whiteout (parent, name)) {
      if (make_opaque_directory (parent, name, e) < 0)
        return -1;
      continue;
    }
    return fd >= 0 ? fd : directories_refuse (d, fd, e);
  }
  return err_set (e, EAGAIN, "cannot open the directory above it");
}

/* Component by component. Changes `path` on the way and restores it. */
static int make_all (struct directories *d, char *path, struct err *e) {
  int fd = d->root;
  for (char *name = path; name != NULL;) {
    char *slash = strchr (name, '/');
    if (slash != NULL)
      *slash = 0;
    int next = step (d, fd, path, name, e);
    if (slash != NULL)
      *slash = '/';
    if (fd != d->root)
      close (fd);
    if (next < 0)
      return -1;
    fd = next;
    name = slash == NULL ? NULL : slash + 1;
  }
  return fd;
}

int directories_find (struct directories *d, const char *path, struct err *e) {
  int fd = known (d, path);
  if (fd >= 0)
    return fd;
  fd = open_in_root (d->root, path, O_PATH | O_DIRECTORY | d->how);
  if (fd == -ENOENT || fd == -ENOTDIR)
    return MISSING;
  if (fd < 0)
    return directories_refuse (d, fd, e);
  return directories_keep (d, path, fd, e);
}

int directories_make (struct directories *d, const char *path, struct err *e) {
  int fd = directories_find (d, path, e);
  if (fd != MISSING)
    return fd;
  char *copy = strdup (path);
  if (copy == NULL)
    return err_set (e, ENOMEM, "cannot make the directories above it");
  fd = make_all (d, copy, e);
  free (copy);
  if (fd < 0)
    return -1;
  return directories_keep (d, path, fd, e);
}
