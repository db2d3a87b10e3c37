#include "tree_diff.h"

#include "err.h"
#include "fds.h"
#include "tree_attributes.h"
#include "tree_ids.h"
#include "tree_links.h"
#include "tree_names.h"
#include "tree_open.h"
#include "tree_output.h"
#include "tree_path.h"
#include "tree_write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define WHITEOUT ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum form { WHOLE, LAYER, LIST };

struct side {
  int fd; /* -1 = nothing there */
  struct names names;
};

/* A directory on the way down. */
struct level {
  struct side now, before;
  size_t path;          /* length of its path */
  struct stat st;       /* of `now` */
  bool added;           /* nothing was there before */
  bool written;         /* its own entry is out; else it comes with the first entry below */
  bool late;            /* without entries below it is to be said at the end */
  bool hides;           /* a mount point in it was left out, so its time says nothing */
  bool has_xwhiteouts;  /* see MARK_XWHITEOUTS */
};

struct diff {
  const struct tree_pair *pair;
  enum form form;
  struct output *out;
  struct level *levels; /* owned; TREE_MAX_DEPTH + 1 of them */
  size_t depth;
  char *path;           /* of what is being looked at */
  size_t held;          /* bytes of all name lists */
  struct links links;
  struct attributes attributes, others;
};

/* The entry that is being looked at. */
struct found {
  int parent;
  const char *name;
  struct stat st;
  bool existed;
  struct stat old; /* when it existed */
};

static struct level *top (struct diff *d) {
  return &d->levels[d->depth - 1];
}

/* What a name that was there a moment ago can turn out to be. */
static bool has_changed_kind (int code) {
  return code == ENOENT || code == ELOOP || code == ENOTDIR || code == EXDEV || code == ENXIO || code == ESTALE;
}

static bool is_device_0 (const struct stat *st) {
  return S_ISCHR (st->st_mode) && st->st_rdev == makedev (0, 0);
}

/* ---- saying it ---- */

static int say_change (struct diff *d, char kind, const char *path, struct err *e) {
  const char head[2] = { kind, '/' };
  if (output_write (d->out, head, sizeof head, e) < 0)
    return -1;
  return output_write (d->out, path, strlen (path) + 1, e);
}

static enum tar_type type_of (mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFDIR:
    return TAR_DIRECTORY;
  case S_IFLNK:
    return TAR_SYMLINK;
  case S_IFCHR:
    return TAR_CHAR;
  case S_IFBLK:
    return TAR_BLOCKDEV;
  case S_IFIFO:
    return TAR_FIFO;
  default:
    return TAR_FILE;
  }
}

/* `link` is NULL for what is none. The attributes are those read last. */
static int say_entry (struct diff *d, const char *path, const struct stat *st, enum tar_type type, const char *link,
                      struct err *e) {
  struct tar_entry t = {
    .type = type,
    .name = path,
    .link = link,
    .mode = st->st_mode & 07777,
    .uid = st->st_uid,
    .gid = st->st_gid,
    .mtime = st->st_mtim,
    .size = type == TAR_FILE ? (uint64_t) st->st_size : 0,
    .xattrs = d->attributes.xattrs,
    .xattr_count = d->attributes.count,
  };
  if (type == TAR_CHAR || type == TAR_BLOCKDEV) {
    t.major = major (st->st_rdev);
    t.minor = minor (st->st_rdev);
  }
  if (d->pair->ids != NULL && ids_shift_owner (d->pair->ids, &t.uid, &t.gid, e) < 0)
    return -1;
  return tar_write_header (d->out, &t, e);
}

static int say_directory (struct diff *d, struct level *l, struct err *e) {
  char path[TREE_PATH_BYTES];
  memcpy (path, d->path, l->path);
  path[l->path] = 0;
  l->written = true;
  if (d->form == LIST)
    return say_change (d, l->added ? 'A' : 'C', path, e);
  if (attributes_read (&d->attributes, l->now.fd, -1, NULL, d->pair->ids, e) < 0)
    return -1;
  return say_entry (d, path, &l->st, TAR_DIRECTORY, NULL, e);
}

/* The directories that an entry is in come before it. */
static int say_parents (struct diff *d, struct err *e) {
  for (size_t i = 0; i < d->depth; i++)
    if (!d->levels[i].written && say_directory (d, &d->levels[i], e) < 0)
      return -1;
  return 0;
}

/* A whiteout has nothing of its own but its name. `where` is the length of the directory's path, with its slash. */
static int say_whiteout (struct diff *d, size_t where, const char *name, struct err *e) {
  char path[TREE_PATH_BYTES + sizeof WHITEOUT];
  const struct tar_entry t = { .type = TAR_FILE, .name = path, .mode = 0600 };
  snprintf (path, sizeof path, "%.*s%s", (int) where, d->path, name);
  if (strlen (path) >= TREE_PATH_BYTES)
    return err_set (e, 0, "the path of its whiteout has more than %d bytes", TREE_PATH_BYTES - 1);
  return tar_write_header (d->out, &t, e);
}

/* What `path` names is gone. */
static int say_gone (struct diff *d, const char *name, struct err *e) {
  char whiteout[NAME_MAX + sizeof WHITEOUT];
  if (say_parents (d, e) < 0)
    return -1;
  if (d->form == LIST)
    return say_change (d, 'D', d->path, e);
  snprintf (whiteout, sizeof whiteout, WHITEOUT "%s", name);
  size_t parent = top (d)->path;
  return say_whiteout (d, parent == 0 ? 0 : parent + 1, whiteout, e);
}

/* ---- comparing ---- */

static bool stat_differs (const struct stat *a, const struct stat *b, bool with_times) {
  if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
    return true;
  if ((S_ISCHR (a->st_mode) || S_ISBLK (a->st_mode)) && a->st_rdev != b->st_rdev)
    return true;
  if (!S_ISDIR (a->st_mode) && a->st_size != b->st_size)
    return true;
  return with_times && (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec);
}

/* Of a directory or file by descriptor, of others by name. */
static int read_attributes (struct attributes *a, int directory, const char *name, const struct stat *st, struct err *e) {
  auto_fd fd = -1;
  a->count = 0;
  a->marks = 0;
  if (S_ISLNK (st->st_mode) || S_ISSOCK (st->st_mode))
    return 0;
  if (S_ISREG (st->st_mode) || S_ISDIR (st->st_mode)) {
    int opened = open_entry (directory, name, O_RDONLY | O_NONBLOCK);
    if (opened < 0)
      return has_changed_kind (-opened) ? 0 : err_set (e, -opened, "cannot open it");
    fd = opened;
  }
  return attributes_read (a, fd, directory, name, NULL, e);
}

/* 1 when its metadata is not what it was. */
static int differs (struct diff *d, const struct found *f, struct err *e) {
  if (!f->existed || stat_differs (&f->st, &f->old, !S_ISDIR (f->st.st_mode)))
    return 1;
  if (d->form == LAYER && f->st.st_nlink != f->old.st_nlink) /* or a new name of it would become a copy */
    return 1;
  int before = top (d)->before.fd;
  if (read_attributes (&d->others, before, f->name, &f->old, e) < 0 ||
      read_attributes (&d->attributes, f->parent, f->name, &f->st, e) < 0)
    return -1;
  return attributes_equal (&d->attributes, &d->others) ? 0 : 1;
}

static bool is_mountpoint (const struct diff *d) {
  for (size_t i = 0; i < d->pair->mountpoint_count; i++)
    if (strcmp (d->pair->mountpoints[i], d->path) == 0)
      return true;
  return false;
}

/* ---- directories ---- */

static void leave (struct diff *d) {
  struct level *l = top (d);
  names_free (&l->now.names, &d->held);
  names_free (&l->before.names, &d->held);
  fd_close (&l->now.fd);
  fd_close (&l->before.fd);
  d->depth--;
}

/* Lists what is in it; of what was before only where it can be missed. */
static int list_level (struct diff *d, struct level *l, bool misses, struct err *e) {
  if (l->now.fd >= 0 && names_read (&l->now.names, l->now.fd, &d->held, e) < 0)
    return -1;
  if (misses && l->before.fd >= 0 && names_read (&l->before.names, l->before.fd, &d->held, e) < 0)
    return -1;
  return 0;
}

static int check_marks (unsigned marks, struct err *e) {
  if ((marks & MARK_REDIRECT) != 0)
    return err_set (e, 0, "overlayfs has its content under another name (redirect_dir)");
  if ((marks & MARK_METACOPY) != 0)
    return err_set (e, 0, "overlayfs has its content elsewhere (metacopy)");
  return 0;
}

/* Says at once what is sure to be said; the rest waits for what is below. */
static int judge_directory (struct diff *d, const struct found *f, struct level *l, bool is_opaque, struct err *e) {
  if (d->form == WHOLE || (!f->existed && !is_mountpoint (d)) || is_opaque)
    return say_parents (d, e);
  if (!f->existed)
    return 0;
  bool other_time = stat_differs (&f->st, &f->old, true);
  l->late = d->form == LAYER && d->pair->upper && other_time;
  if (!S_ISDIR (f->old.st_mode) || stat_differs (&f->st, &f->old, false))
    return say_parents (d, e);
  if (attributes_read (&d->attributes, l->now.fd, -1, NULL, NULL, e) < 0 ||
      attributes_read (&d->others, l->before.fd, -1, NULL, NULL, e) < 0)
    return -1;
  return attributes_equal (&d->attributes, &d->others) ? 0 : say_parents (d, e);
}

/* One of the kernel's own: it is there, and that is all there is to say of it. */
static int say_closed_directory (struct diff *d, const struct found *f, struct err *e) {
  d->attributes.count = 0;
  return say_entry (d, d->path, &f->st, TAR_DIRECTORY, NULL, e);
}

static int enter_directory (struct diff *d, struct found *f, struct err *e) {
  if (d->depth > TREE_MAX_DEPTH)
    return err_set (e, 0, "it is more than %d directories deep", TREE_MAX_DEPTH);
  int now = open_entry (f->parent, f->name, O_RDONLY | O_DIRECTORY | d->pair->how);
  if (now == -EXDEV && d->pair->how != 0)
    return say_closed_directory (d, f, e);
  if (now < 0)
    return has_changed_kind (-now) ? 0 : err_set (e, -now, "cannot open it");
  auto_fd held = now, held_before = -1;
  if (fstat (now, &f->st) < 0)
    return err_set (e, errno, "cannot look at it");
  if (f->existed && S_ISDIR (f->old.st_mode)) {
    held_before = open_entry (top (d)->before.fd, f->name, O_RDONLY | O_DIRECTORY);
    if (held_before < 0)
      return err_set (e, -held_before, "cannot open what it was");
  }

  unsigned marks = 0;
  if (d->pair->upper) {
    if (attributes_read (&d->attributes, now, -1, NULL, NULL, e) < 0 || check_marks (d->attributes.marks, e) < 0)
      return -1;
    marks = d->attributes.marks;
  }
  bool is_opaque = (marks & MARK_OPAQUE) != 0 && held_before >= 0;

  struct level *l = &d->levels[d->depth++];
  *l = (struct level){
    .now.fd = fd_release (&held),
    .before.fd = fd_release (&held_before),
    .path = strlen (d->path),
    .st = f->st,
    .added = !f->existed,
    .has_xwhiteouts = (marks & MARK_XWHITEOUTS) != 0,
  };
  if (judge_directory (d, f, l, is_opaque && d->form == LAYER, e) < 0)
    return -1;
  if (!is_opaque || d->form == LIST)
    return list_level (d, l, !d->pair->upper || is_opaque, e);
  char where = d->path[l->path];
  d->path[l->path] = '/';
  int result = say_whiteout (d, l->path + 1, WHITEOUT_OPAQUE, e);
  d->path[l->path] = where;
  fd_close (&l->before.fd); /* all that is in it is new */
  return result < 0 ? -1 : list_level (d, l, false, e);
}

/* The list says what was in a directory that is none any more. */
static int enter_former_directory (struct diff *d, const struct found *f, struct err *e) {
  if (d->depth > TREE_MAX_DEPTH)
    return err_set (e, 0, "it is more than %d directories deep", TREE_MAX_DEPTH);
  int before = open_entry (top (d)->before.fd, f->name, O_RDONLY | O_DIRECTORY);
  if (before < 0)
    return err_set (e, -before, "cannot open what it was");
  struct level *l = &d->levels[d->depth++];
  *l = (struct level){ .now.fd = -1, .before.fd = before, .path = strlen (d->path), .written = true };
  return list_level (d, l, true, e);
}

static int finish_level (struct diff *d, struct err *e) {
  struct level *l = top (d);
  if (!l->written && l->late && !l->hides && say_parents (d, e) < 0)
    return -1;
  if (!l->written && l->added && d->depth > 1)
    l[-1].hides = true; /* a mount point that stayed empty */
  leave (d);
  return 0;
}

/* ---- everything else ---- */

/* 1 when this is another name of what was said already. */
static int say_known_inode (struct diff *d, const struct stat *st, struct err *e) {
  if (st->st_nlink < 2)
    return 0;
  const char *first = links_first (&d->links, st->st_dev, st->st_ino, d->path);
  if (first == NULL)
    return err_set (e, ENOMEM, "cannot remember a hard link");
  if (strcmp (first, d->path) == 0)
    return 0;
  return say_entry (d, d->path, st, TAR_LINK, first, e) < 0 ? -1 : 1;
}

static int say_file (struct diff *d, const struct stat *st, int fd, struct err *e) {
  int known = say_known_inode (d, st, e);
  if (known != 0)
    return known < 0 ? -1 : 0;
  if (say_entry (d, d->path, st, TAR_FILE, NULL, e) < 0 || output_copy (d->out, fd, (uint64_t) st->st_size, e) < 0)
    return -1;
  return tar_write_padding (d->out, (uint64_t) st->st_size, e);
}

/* A device that took a file's place cannot be opened here (tree_view.h). */
static bool is_still_file (const struct found *f) {
  struct stat st;
  return fstatat (f->parent, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode);
}

static int pack_file (struct diff *d, const struct found *f, struct err *e) {
  struct stat st;
  int opened = open_entry (f->parent, f->name, O_RDONLY | O_NONBLOCK | d->pair->how);
  if (opened < 0 && (has_changed_kind (-opened) || (opened == -EACCES && !is_still_file (f))))
    return 0;
  if (opened < 0)
    return err_set (e, -opened, "cannot open it");
  auto_fd fd = opened;
  if (fstat (fd, &st) < 0)
    return err_set (e, errno, "cannot look at it");
  if (!S_ISREG (st.st_mode)) /* meanwhile */
    return 0;
  if (say_parents (d, e) < 0 || attributes_read (&d->attributes, fd, -1, NULL, d->pair->ids, e) < 0)
    return -1;
  if (d->pair->upper && check_marks (d->attributes.marks, e) < 0)
    return -1;
  return say_file (d, &st, fd, e);
}

static int say_other (struct diff *d, const struct found *f, const char *link, struct err *e) {
  int known = say_known_inode (d, &f->st, e);
  if (known != 0)
    return known < 0 ? -1 : 0;
  return say_entry (d, d->path, &f->st, type_of (f->st.st_mode), link, e);
}

static int pack_link (struct diff *d, const struct found *f, struct err *e) {
  char target[PATH_MAX];
  ssize_t n = readlinkat (f->parent, f->name, target, sizeof target);
  if (n < 0 && (has_changed_kind (errno) || errno == EINVAL))
    return 0;
  if (n < 0 || n == sizeof target)
    return err_set (e, n < 0 ? errno : ENAMETOOLONG, "cannot read the link");
  target[n] = 0;
  if (say_parents (d, e) < 0)
    return -1;
  d->attributes.count = 0;
  return say_other (d, f, target, e);
}

static int pack_node (struct diff *d, const struct found *f, struct err *e) {
  if (say_parents (d, e) < 0 ||
      attributes_read (&d->attributes, -1, f->parent, f->name, d->pair->ids, e) < 0)
    return -1;
  return say_other (d, f, NULL, e);
}

static int pack_other (struct diff *d, const struct found *f, struct err *e) {
  if (S_ISSOCK (f->st.st_mode)) /* nobody listens in an archive; Docker leaves them out, too */
    return d->form == LAYER && f->existed ? say_gone (d, f->name, e) : 0;
  if (S_ISREG (f->st.st_mode))
    return pack_file (d, f, e);
  return S_ISLNK (f->st.st_mode) ? pack_link (d, f, e) : pack_node (d, f, e);
}

static int take_other (struct diff *d, struct found *f, struct err *e) {
  if (!f->existed && S_ISREG (f->st.st_mode) && f->st.st_size == 0 && is_mountpoint (d)) {
    top (d)->hides = true;
    return 0;
  }
  if (d->form == WHOLE || (d->form == LAYER && (d->pair->upper || !f->existed)))
    return pack_other (d, f, e);
  int other = differs (d, f, e);
  if (other <= 0)
    return other;
  if (d->form == LAYER)
    return pack_other (d, f, e);
  if (say_parents (d, e) < 0 || say_change (d, f->existed ? 'C' : 'A', d->path, e) < 0)
    return -1;
  return f->existed && S_ISDIR (f->old.st_mode) ? enter_former_directory (d, f, e) : 0;
}

/* ---- the walk ---- */

static int is_upper_whiteout (struct diff *d, const struct found *f, struct err *e) {
  if (!d->pair->upper)
    return 0;
  if (is_device_0 (&f->st))
    return 1;
  if (!top (d)->has_xwhiteouts || !S_ISREG (f->st.st_mode) || f->st.st_size != 0)
    return 0;
  if (read_attributes (&d->attributes, f->parent, f->name, &f->st, e) < 0)
    return -1;
  return (d->attributes.marks & MARK_WHITEOUT) != 0;
}

static int take_present (struct diff *d, const char *name, struct err *e) {
  const struct level *l = top (d);
  struct found f = { .parent = l->now.fd, .name = name };
  if (fstatat (l->now.fd, name, &f.st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : err_set (e, errno, "cannot look at it");
  f.existed = l->before.fd >= 0 && fstatat (l->before.fd, name, &f.old, AT_SYMLINK_NOFOLLOW) == 0;
  if (l->before.fd >= 0 && !f.existed && errno != ENOENT)
    return err_set (e, errno, "cannot look at what it was");

  int whiteout = is_upper_whiteout (d, &f, e);
  if (whiteout != 0)
    return whiteout < 0 ? -1 : f.existed ? say_gone (d, name, e) : 0;
  if (d->form == LAYER && strncmp (name, WHITEOUT, sizeof WHITEOUT - 1) == 0)
    return err_set (e, 0, "in a layer a name that begins with \"" WHITEOUT "\" means that something is deleted");
  return S_ISDIR (f.st.st_mode) ? enter_directory (d, &f, e) : take_other (d, &f, e);
}

/* "/" itself is an empty name with a directory's slash behind it. */
static bool is_from_slash (const struct tree_pair *p) {
  return p->base != NULL && strcmp (p->base, "/") == 0;
}

static int set_path (struct diff *d, const struct level *l, const char *name, struct err *e) {
  const char *slash = l->path == 0 && !is_from_slash (d->pair) ? "" : "/";
  int n = snprintf (d->path + l->path, TREE_PATH_BYTES - l->path, "%s%s", slash, name);
  /* One byte is kept for a directory's slash. */
  if (n < 0 || (size_t) n + 1 >= TREE_PATH_BYTES - l->path)
    return err_set (e, 0, "its path has more than %d bytes", TREE_PATH_BYTES - 2);
  return 0;
}

/* The next name of either side. */
static int take_next (struct diff *d, struct err *e) {
  struct level *l = top (d);
  const char *now = names_next (&l->now.names), *before = names_next (&l->before.names);
  int order = now == NULL ? 1 : before == NULL ? -1 : strcmp (now, before);
  const char *name = order <= 0 ? now : before;
  l->now.names.at += order <= 0;
  l->before.names.at += order >= 0;
  if (set_path (d, l, name, e) < 0)
    return -1;
  return order <= 0 ? take_present (d, name, e) : say_gone (d, name, e);
}

static int walk (struct diff *d, struct err *e) {
  while (d->depth > 0) {
    struct level *l = top (d);
    d->path[l->path] = 0;
    bool more = names_next (&l->now.names) != NULL || names_next (&l->before.names) != NULL;
    if ((more ? take_next (d, e) : finish_level (d, e)) < 0)
      return -1;
  }
  return 0;
}

/* Begins every path with the base, and says the directory of that name. */
static int say_base (struct diff *d, struct level *l, struct err *e) {
  if (strlen (d->pair->base) + 1 >= TREE_PATH_BYTES)
    return err_set (e, 0, "its name has more than %d bytes", TREE_PATH_BYTES - 2);
  strcpy (d->path, is_from_slash (d->pair) ? "" : d->pair->base);
  l->path = strlen (d->path);
  return say_directory (d, l, e);
}

static int start (struct diff *d, struct err *e) {
  int now = fcntl (d->pair->now, F_DUPFD_CLOEXEC, 3);
  int before = d->pair->before < 0 ? -1 : fcntl (d->pair->before, F_DUPFD_CLOEXEC, 3);
  struct level *l = &d->levels[d->depth++];
  *l = (struct level){ .now.fd = now, .before.fd = before, .written = true };
  if (now < 0 || (before < 0 && d->pair->before >= 0) || fstat (now, &l->st) < 0)
    return err_set (e, errno, "cannot read the tree");
  if (d->pair->base != NULL && say_base (d, l, e) < 0)
    return -1;
  return list_level (d, l, !d->pair->upper, e);
}

/* The one entry that `start` shall say instead of a tree. */
static int pack_one (struct diff *d, const char *entry, struct err *e) {
  struct found f = { .parent = d->pair->now, .name = entry };
  struct level *l = &d->levels[d->depth++];
  *l = (struct level){ .now.fd = -1, .before.fd = -1, .written = true };
  if (strlen (d->pair->base) + 1 >= TREE_PATH_BYTES)
    return err_set (e, 0, "its name has more than %d bytes", TREE_PATH_BYTES - 2);
  strcpy (d->path, d->pair->base);
  if (fstatat (f.parent, entry, &f.st, AT_SYMLINK_NOFOLLOW) < 0)
    return err_set (e, errno, "cannot look at it");
  return S_ISDIR (f.st.st_mode) ? err_set (e, 0, "it has become a directory") : pack_other (d, &f, e);
}

/* `entry`: that alone; NULL = the tree. */
static int run (const struct tree_pair *p, enum form form, const char *entry, struct output *o, char *name,
                struct err *e) {
  struct diff *d = calloc (1, sizeof *d);
  struct level *levels = calloc (TREE_MAX_DEPTH + 1, sizeof *levels);
  int result = -1;

  name[0] = 0;
  if (d == NULL || levels == NULL) {
    err_set (e, ENOMEM, "cannot read the tree");
  } else {
    *d = (struct diff){ .pair = p, .form = form, .out = o, .levels = levels, .path = name };
    result = entry != NULL ? pack_one (d, entry, e) : start (d, e) < 0 ? -1 : walk (d, e);
    while (d->depth > 0)
      leave (d);
    links_free (&d->links);
    attributes_free (&d->attributes);
    attributes_free (&d->others);
  }
  free (levels);
  free (d);
  if (result == 0 && form != LIST)
    result = tar_write_end (o, e);
  return result < 0 ? -1 : output_flush (o, e);
}

int tree_pack (const struct tree_pair *p, struct output *o, char *name, struct err *e) {
  return run (p, WHOLE, NULL, o, name, e);
}

int tree_pack_entry (const struct tree_pair *p, const char *entry, struct output *o, char *name, struct err *e) {
  return run (p, WHOLE, entry, o, name, e);
}

int tree_pack_layer (const struct tree_pair *p, struct output *o, char *name, struct err *e) {
  return run (p, LAYER, NULL, o, name, e);
}

int tree_changes (const struct tree_pair *p, struct output *o, char *name, struct err *e) {
  return run (p, LIST, NULL, o, name, e);
}
