#include "tree_make.h"

#include "err.h"
#include "tree_entries.h"
#include "tree_inodes.h"
#include "tree_open.h"
#include "tree_path.h"
#include "tree_remove.h"
#include "writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of one name in its directory, which no link can lead out of. */
static int entry_flags (const struct maker *m) {
  return m->directories.how & ~OPEN_BENEATH;
}

int maker_remove (struct maker *m, int parent, const char *name, struct err *e) {
  struct stat st;
  bool plain = fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode);
  if (tree_remove (parent, name, &m->usage, e) < 0)
    return -1;
  if (!plain)
    directories_forget (&m->directories);
  return 0;
}

static dev_t device_of (const struct tar_entry *t) {
  return makedev (t->major, t->minor);
}

/* Makes anything but a directory or hard link. Returns a descriptor for a file, else 0; or -errno. Nobody may use a
   file before its owner and mode are right. */
static int make_node (const struct tar_entry *t, int parent, const char *name) {
  int result = 0;
  mode_t early = t->uid == 0 && t->gid == 0 && (t->mode & (S_ISUID | S_ISGID)) == 0 ? t->mode : t->mode & 0700;
  switch (t->type) {
  case TAR_FILE:
    result = openat (parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, early);
    break;
  case TAR_SYMLINK:
    result = symlinkat (t->link, parent, name);
    break;
  case TAR_CHAR:
    result = mknodat (parent, name, S_IFCHR | t->mode, device_of (t));
    break;
  case TAR_BLOCKDEV:
    result = mknodat (parent, name, S_IFBLK | t->mode, device_of (t));
    break;
  case TAR_FIFO:
    result = mknodat (parent, name, S_IFIFO | t->mode, 0);
    break;
  case TAR_LINK:
  case TAR_DIRECTORY:
    return -EINVAL;
  }
  return result < 0 ? -errno : result;
}

static int fill_file (struct maker *m, const struct tar_entry *t, int fd, struct err *e) {
  if (tar_copy_body (m->reader, fd, e) < 0 || set_metadata (fd, t, e) < 0)
    return -1;
  if (t->size >= WRITEBACK_FILE_BYTES)
    writeback_start (fd, 0, 0);
  return set_times (fd, t, e);
}

/* What the name of a file is as long as it is not whole. */
static const char *name_meanwhile (const struct maker *m, const char *name, char *buffer, size_t size) {
  if (!m->keeps_old)
    return name;
  snprintf (buffer, size, ".gantry-cp-%d", getpid ());
  return buffer;
}

/* Takes `fd`. */
static int finish_file (struct maker *m, const struct tar_entry *t, int parent, const char *meanwhile, const char *name,
                        int fd, struct err *e) {
  int result = fill_file (m, t, fd, e);
  if (close (fd) < 0 && result == 0) /* network file systems report a full disk here */
    result = err_set (e, errno, "cannot write its data");
  if (meanwhile == name)
    return result;
  if (result == 0 && syscall (SYS_renameat2, parent, meanwhile, parent, name, 0) < 0)
    result = err_set (e, errno, "cannot put it in its place");
  if (result < 0)
    unlinkat (parent, meanwhile, 0);
  return result;
}

static int make_other (struct maker *m, const struct tar_entry *t, struct place *p, struct err *e) {
  char buffer[32];
  const char *name = t->type == TAR_FILE ? name_meanwhile (m, p->name, buffer, sizeof buffer) : p->name;
  int parent = directories_make (&m->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  int fd = make_node (t, parent, name);
  if (fd == -EEXIST) {
    /* Removing closes what directories_make lent, if it was a directory or link that went. */
    if (maker_remove (m, parent, name, e) < 0 ||
        (parent = directories_make (&m->directories, place_parent (p), e)) < 0)
      return -1;
    fd = make_node (t, parent, name);
  }
  if (fd < 0)
    return err_set (e, -fd, "cannot make it");

  m->usage.inodes++;
  if (t->type != TAR_FILE) {
    m->usage.bytes += t->type == TAR_SYMLINK ? (int64_t) strlen (t->link) : 0;
    return set_metadata_by_name (parent, p->name, t, e);
  }
  m->usage.bytes += (int64_t) t->size;
  return finish_file (m, t, parent, name, p->name, fd, e);
}

/* ---- hard links ---- */

/* A descriptor of what the link names: a target inside the root, not followed when it is a symbolic link itself. */
static int open_link_target (struct maker *m, const struct tar_entry *t, struct stat *st, struct err *e) {
  struct place target;
  memcpy (target.path, t->link, strlen (t->link) + 1);
  struct clean_path clean = path_clean (target.path);
  if (clean.escaped)
    return err_set (e, 0, "link target leads out of the root");
  if (clean.depth == 0)
    return err_set (e, 0, "link target is a directory");
  if (place_below (&target, m->below, e) < 0)
    return -1;
  place_split (&target);

  int parent = directories_find (&m->directories, place_parent (&target), e);
  if (parent == -1)
    return -1;
  int fd = parent < 0 ? -ENOENT : open_entry (parent, target.name, O_PATH | O_NOFOLLOW | entry_flags (m));
  if (fd < 0)
    return err_set (e, -fd, "cannot open the link target");
  if (fstat (fd, st) < 0) {
    err_set (e, errno, "cannot look at the link target");
    close (fd);
    return -1;
  }
  bool hidden = m->overlay && S_ISCHR (st->st_mode) && st->st_rdev == makedev (0, 0);
  if (S_ISDIR (st->st_mode) || hidden) {
    close (fd);
    return err_set (e, 0, hidden ? "link target is a whiteout" : "link target is a directory");
  }
  return fd;
}

/* Docker gives the inode what the link's own header says about it. */
static int set_link_metadata (int parent, const char *name, int how, const struct tar_entry *t,
                              const struct stat *target, struct err *e) {
  struct stat st;
  if (!S_ISREG (target->st_mode))
    return set_metadata_by_name (parent, name, t, e);
  int fd = open_entry (parent, name, O_RDONLY | O_NONBLOCK | how);
  if (fd < 0)
    return err_set (e, -fd, "cannot open the new link");
  int result = 0;
  if (fstat (fd, &st) == 0 && st.st_ino == target->st_ino)
    result = set_metadata (fd, t, e) < 0 ? -1 : set_times (fd, t, e);
  close (fd);
  return result;
}

static int link_to (struct maker *m, int target, const struct stat *target_st, struct place *p, struct err *e) {
  struct stat st;
  int parent = directories_make (&m->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  if (linkat (target, "", parent, p->name, AT_EMPTY_PATH) == 0)
    return parent;
  if (errno != EEXIST)
    return err_set (e, errno, "cannot make the link");
  if (fstatat (parent, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == target_st->st_ino &&
      st.st_dev == target_st->st_dev)
    return parent;
  if (maker_remove (m, parent, p->name, e) < 0 ||
      (parent = directories_make (&m->directories, place_parent (p), e)) < 0)
    return -1;
  if (linkat (target, "", parent, p->name, AT_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot make the link");
  return parent;
}

static int make_link (struct maker *m, const struct tar_entry *t, struct place *p, struct err *e) {
  struct stat st;
  int target = open_link_target (m, t, &st, e);
  if (target < 0)
    return -1;
  int parent = link_to (m, target, &st, p, e);
  close (target);
  return parent < 0 ? -1 : set_link_metadata (parent, p->name, entry_flags (m), t, &st, e);
}

/* ---- directories ---- */

/* Takes `fd`, which is `path`. */
static int finish_directory (struct maker *m, const struct tar_entry *t, const char *path, int fd, struct err *e) {
  struct stat st;
  int result = set_metadata (fd, t, e);
  if (result == 0 && fstat (fd, &st) < 0)
    result = err_set (e, errno, "cannot look at it");
  if (result == 0)
    result = deferred_add (&m->deferred, path, st.st_ino, t, e);
  if (result < 0 || path[0] == 0) {
    close (fd);
    return result;
  }
  return directories_keep (&m->directories, path, fd, e) < 0 ? -1 : 0;
}

/* Makes the directory `name`, or finds it there. */
static int make_directory (struct maker *m, const struct tar_entry *t, int parent, struct place *p, struct err *e) {
  struct stat st;
  mode_t early = t->uid == 0 && t->gid == 0 ? t->mode : t->mode & 0700;
  if (mkdirat (parent, p->name, early) == 0) {
    m->usage.inodes++;
    return 0;
  }
  if (errno != EEXIST)
    return err_set (e, errno, "cannot make it");
  if (fstatat (parent, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot look at it");
  if (S_ISDIR (st.st_mode))
    return 0;
  if (m->overlay && is_whiteout (parent, p->name))
    return make_opaque_directory (parent, p->name, e);

  if (maker_remove (m, parent, p->name, e) < 0)
    return -1;
  parent = directories_make (&m->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  if (mkdirat (parent, p->name, early) < 0)
    return err_set (e, errno, "cannot make it");
  m->usage.inodes++;
  return 0;
}

static int make_directory_of (struct maker *m, const struct tar_entry *t, struct place *p, struct err *e) {
  int parent = directories_make (&m->directories, place_parent (p), e);
  if (parent < 0 || make_directory (m, t, parent, p, e) < 0)
    return -1;
  parent = directories_make (&m->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  int fd = open_entry (parent, p->name, O_RDONLY | O_DIRECTORY | entry_flags (m));
  if (fd == -EXDEV)
    return directories_refuse (&m->directories, fd, e);
  if (fd < 0)
    return err_set (e, -fd, "cannot open it");
  int result = finish_directory (m, t, place_whole (p), fd, e);
  place_split (p);
  return result;
}

int make_root (struct maker *m, const struct tar_entry *t, struct err *e) {
  int fd = openat (m->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return err_set (e, errno, "cannot open the root");
  return finish_directory (m, t, "", fd, e);
}

int make_entry (struct maker *m, const struct tar_entry *t, struct place *p, struct err *e) {
  return t->type == TAR_DIRECTORY ? make_directory_of (m, t, p, e)
         : t->type == TAR_LINK    ? make_link (m, t, p, e)
                                  : make_other (m, t, p, e);
}

int maker_open (struct maker *m, int root, bool overlay, struct input *in, struct err *e) {
  *m = (struct maker){ .root = root, .overlay = overlay, .below = "", .reader = tar_reader_new (in) };
  if (m->reader == NULL)
    return err_set (e, ENOMEM, "cannot read an archive");
  directories_init (&m->directories, root, overlay, &m->usage);
  return 0;
}

void maker_close (struct maker *m) {
  directories_forget (&m->directories);
  deferred_free (&m->deferred);
  tar_reader_free (m->reader);
}
