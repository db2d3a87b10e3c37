#include "tree_apply.h"

#include "err.h"
#include "tree_clear.h"
#include "tree_directories.h"
#include "tree_entries.h"
#include "tree_inodes.h"
#include "tree_input.h"
#include "tree_metadata.h"
#include "tree_open.h"
#include "tree_path.h"
#include "tree_remove.h"
#include "writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct apply {
  int root;
  bool overlay;
  struct tar_reader *reader;
  struct tree_usage usage;
  struct directories directories;
  struct deferred deferred;
  struct inode_set unpacked; /* without overlay: what an opaque mark must not delete */
};

/* ---- making ---- */

static int remove_existing (struct apply *a, int parent, const char *name, struct err *e) {
  struct stat st;
  bool plain = fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode);
  if (tree_remove (parent, name, &a->usage, e) < 0)
    return -1;
  if (!plain)
    directories_forget (&a->directories);
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

static int fill_file (struct apply *a, const struct tar_entry *t, int fd, struct err *e) {
  if (tar_copy_body (a->reader, fd, e) < 0 || set_metadata (fd, t, e) < 0)
    return -1;
  if (t->size >= WRITEBACK_FILE_BYTES)
    writeback_start (fd, 0, 0);
  return set_times (fd, t, e);
}

static int apply_node (struct apply *a, const struct tar_entry *t, struct place *p, struct err *e) {
  int parent = directories_make (&a->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  int fd = make_node (t, parent, p->name);
  if (fd == -EEXIST) {
    /* Removing closes what directories_make lent, if it was a directory or link that went. */
    if (remove_existing (a, parent, p->name, e) < 0 ||
        (parent = directories_make (&a->directories, place_parent (p), e)) < 0)
      return -1;
    fd = make_node (t, parent, p->name);
  }
  if (fd < 0)
    return err_set (e, -fd, "cannot make it");

  a->usage.inodes++;
  if (t->type != TAR_FILE) {
    a->usage.bytes += t->type == TAR_SYMLINK ? (int64_t) strlen (t->link) : 0;
    return set_metadata_by_name (parent, p->name, t, e);
  }
  a->usage.bytes += (int64_t) t->size;
  int result = fill_file (a, t, fd, e);
  if (close (fd) < 0 && result == 0) /* network file systems report a full disk here */
    result = err_set (e, errno, "cannot write its data");
  return result;
}

/* ---- hard links ---- */

/* A descriptor of what the link names: a target inside the root, not followed when it is a symbolic link itself. */
static int open_link_target (struct apply *a, const struct tar_entry *t, struct stat *st, struct err *e) {
  struct place target;
  memcpy (target.path, t->link, strlen (t->link) + 1);
  struct clean_path clean = path_clean (target.path);
  if (clean.escaped)
    return err_set (e, 0, "link target leads out of the root");
  if (clean.depth == 0)
    return err_set (e, 0, "link target is a directory");
  place_split (&target);

  int parent = directories_find (&a->directories, place_parent (&target), e);
  if (parent == -1)
    return -1;
  int fd = parent < 0 ? -ENOENT : open_entry (parent, target.name, O_PATH | O_NOFOLLOW);
  if (fd < 0)
    return err_set (e, -fd, "cannot open the link target");
  if (fstat (fd, st) < 0) {
    err_set (e, errno, "cannot look at the link target");
    close (fd);
    return -1;
  }
  bool hidden = a->overlay && S_ISCHR (st->st_mode) && st->st_rdev == makedev (0, 0);
  if (S_ISDIR (st->st_mode) || hidden) {
    close (fd);
    return err_set (e, 0, hidden ? "link target is a whiteout" : "link target is a directory");
  }
  return fd;
}

/* Docker gives the inode what the link's own header says about it. */
static int set_link_metadata (int parent, const char *name, const struct tar_entry *t, const struct stat *target,
                              struct err *e) {
  struct stat st;
  if (!S_ISREG (target->st_mode))
    return set_metadata_by_name (parent, name, t, e);
  int fd = open_entry (parent, name, O_RDONLY | O_NONBLOCK);
  if (fd < 0)
    return err_set (e, -fd, "cannot open the new link");
  int result = 0;
  if (fstat (fd, &st) == 0 && st.st_ino == target->st_ino)
    result = set_metadata (fd, t, e) < 0 ? -1 : set_times (fd, t, e);
  close (fd);
  return result;
}

static int link_to (struct apply *a, int target, const struct stat *target_st, struct place *p, struct err *e) {
  struct stat st;
  int parent = directories_make (&a->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  if (linkat (target, "", parent, p->name, AT_EMPTY_PATH) == 0)
    return parent;
  if (errno != EEXIST)
    return err_set (e, errno, "cannot make the link");
  if (fstatat (parent, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == target_st->st_ino &&
      st.st_dev == target_st->st_dev)
    return parent;
  if (remove_existing (a, parent, p->name, e) < 0 ||
      (parent = directories_make (&a->directories, place_parent (p), e)) < 0)
    return -1;
  if (linkat (target, "", parent, p->name, AT_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot make the link");
  return parent;
}

static int apply_link (struct apply *a, const struct tar_entry *t, struct place *p, struct err *e) {
  struct stat st;
  int target = open_link_target (a, t, &st, e);
  if (target < 0)
    return -1;
  int parent = link_to (a, target, &st, p, e);
  close (target);
  return parent < 0 ? -1 : set_link_metadata (parent, p->name, t, &st, e);
}

/* ---- directories ---- */

/* Takes `fd`, which is `path`. */
static int finish_directory (struct apply *a, const struct tar_entry *t, const char *path, int fd, struct err *e) {
  struct stat st;
  int result = set_metadata (fd, t, e);
  if (result == 0 && fstat (fd, &st) < 0)
    result = err_set (e, errno, "cannot look at it");
  if (result == 0)
    result = deferred_add (&a->deferred, path, st.st_ino, t, e);
  if (result < 0 || path[0] == 0) {
    close (fd);
    return result;
  }
  return directories_keep (&a->directories, path, fd, e) < 0 ? -1 : 0;
}

/* Makes the directory `name`, or finds it there. */
static int make_directory (struct apply *a, const struct tar_entry *t, int parent, struct place *p, struct err *e) {
  struct stat st;
  mode_t early = t->uid == 0 && t->gid == 0 ? t->mode : t->mode & 0700;
  if (mkdirat (parent, p->name, early) == 0) {
    a->usage.inodes++;
    return 0;
  }
  if (errno != EEXIST)
    return err_set (e, errno, "cannot make it");
  if (fstatat (parent, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot look at it");
  if (S_ISDIR (st.st_mode))
    return 0;
  if (a->overlay && is_whiteout (parent, p->name))
    return make_opaque_directory (parent, p->name, e);

  if (remove_existing (a, parent, p->name, e) < 0)
    return -1;
  parent = directories_make (&a->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  if (mkdirat (parent, p->name, early) < 0)
    return err_set (e, errno, "cannot make it");
  a->usage.inodes++;
  return 0;
}

static int apply_directory (struct apply *a, const struct tar_entry *t, struct place *p, struct err *e) {
  int parent = directories_make (&a->directories, place_parent (p), e);
  if (parent < 0 || make_directory (a, t, parent, p, e) < 0)
    return -1;
  parent = directories_make (&a->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  int fd = open_entry (parent, p->name, O_RDONLY | O_DIRECTORY);
  if (fd < 0)
    return err_set (e, -fd, "cannot open it");
  int result = finish_directory (a, t, place_whole (p), fd, e);
  place_split (p);
  return result;
}

static int apply_root (struct apply *a, const struct tar_entry *t, struct err *e) {
  int fd = openat (a->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return err_set (e, errno, "cannot open the root");
  return finish_directory (a, t, "", fd, e);
}

/* ---- whiteouts ---- */

static int apply_opaque (struct apply *a, const struct place *p, struct err *e) {
  if (a->overlay) {
    int directory = directories_make (&a->directories, place_parent (p), e);
    return directory < 0 ? -1 : mark_opaque (directory, e);
  }
  int directory = directories_find (&a->directories, place_parent (p), e);
  if (directory < 0)
    return directory == -1 ? -1 : 0;
  int result = tree_clear (directory, &a->unpacked, &a->usage, e);
  directories_forget (&a->directories);
  return result;
}

/* A whiteout hides what lower layers have, never what its own layer brings, whichever comes first. */
static int hide_lower (struct apply *a, const struct place *p, const char *name, struct err *e) {
  struct stat st;
  int parent = directories_make (&a->directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  if (mknodat (parent, name, S_IFCHR, makedev (0, 0)) == 0) {
    a->usage.inodes++;
    return 0;
  }
  if (errno != EEXIST || fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot make the whiteout");
  if (!S_ISDIR (st.st_mode))
    return 0;
  int fd = open_entry (parent, name, O_PATH | O_DIRECTORY);
  if (fd < 0)
    return err_set (e, -fd, "cannot open the directory");
  int result = mark_opaque (fd, e);
  close (fd);
  return result;
}

static int delete_lower (struct apply *a, const struct place *p, const char *name, struct err *e) {
  struct stat st;
  int parent = directories_find (&a->directories, place_parent (p), e);
  if (parent < 0)
    return parent == -1 ? -1 : 0;
  if (fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : err_set (e, errno, "cannot look at what it hides");
  if (inode_set_has (&a->unpacked, st.st_dev, st.st_ino))
    return 0;
  return remove_existing (a, parent, name, e);
}

static int apply_whiteout (struct apply *a, const struct place *p, struct err *e) {
  const char *name;
  if (whiteout_hides (p->name, &name, e) < 0)
    return -1;
  if (name == NULL)
    return apply_opaque (a, p, e);
  return a->overlay ? hide_lower (a, p, name, e) : delete_lower (a, p, name, e);
}

/* ---- the archive ---- */

static int remember (struct apply *a, const struct place *p, struct err *e) {
  struct stat st;
  int parent = directories_find (&a->directories, place_parent (p), e);
  if (parent < 0)
    return parent == -1 ? -1 : 0;
  if (fstatat (parent, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      inode_set_add (&a->unpacked, st.st_dev, st.st_ino) < 0)
    return err_set (e, ENOMEM, "cannot remember it");
  return 0;
}

static int apply_entry (void *context, const struct tar_entry *t, struct err *e) {
  struct apply *a = context;
  struct place p;
  int where = place_of (&p, t, e);
  if (where <= 0)
    return where;
  if (p.path[0] == 0)
    return apply_root (a, t, e);
  place_split (&p);
  if (strncmp (p.name, WHITEOUT, strlen (WHITEOUT)) == 0)
    return apply_whiteout (a, &p, e);

  int result = t->type == TAR_DIRECTORY ? apply_directory (a, t, &p, e)
               : t->type == TAR_LINK    ? apply_link (a, t, &p, e)
                                        : apply_node (a, t, &p, e);
  if (result < 0 || a->overlay)
    return result;
  return remember (a, &p, e);
}

int tree_apply (int root, bool overlay, struct input *in, struct apply_result *result, struct err *e) {
  struct apply a = { .root = root, .overlay = overlay, .reader = tar_reader_new (in) };
  memset (result, 0, sizeof *result);
  if (a.reader == NULL)
    return err_set (e, ENOMEM, "cannot read an archive");
  directories_init (&a.directories, root, overlay, &a.usage);

  int done = entries_apply (a.reader, apply_entry, &a, result, e);
  if (done == 0)
    done = deferred_apply (&a.deferred, root, e);
  if (done == 0)
    done = input_drain (in, e);

  result->usage = a.usage;
  directories_forget (&a.directories);
  deferred_free (&a.deferred);
  inode_set_free (&a.unpacked);
  tar_reader_free (a.reader);
  return done;
}
