#include "tree_usage.h"

#include "err.h"
#include "tree_inodes.h"
#include "tree_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void usage_add (struct tree_usage *u, const struct stat *st) {
  u->inodes++;
  if (!S_ISDIR (st->st_mode))
    u->bytes += st->st_size;
}

void usage_subtract (struct tree_usage *u, const struct stat *st) {
  if (!S_ISDIR (st->st_mode) && st->st_nlink > 1)
    return;
  u->inodes--;
  if (!S_ISDIR (st->st_mode))
    u->bytes -= st->st_size;
}

/* Containers can nest directories deeper than there are descriptors, so only the innermost OPEN_LEVELS stay open. A
   closed one is opened again through ".." and believed only when it is the inode that was left: somebody may have
   moved the directory meanwhile. */
enum { OPEN_LEVELS = 64 };

struct level {
  dev_t device;
  ino_t inode;
  long position; /* where to go on when the directory was closed */
  uint8_t key[TREE_KEY_BYTES];
};

struct walk {
  struct level *levels;
  size_t depth, capacity;
  DIR *open[OPEN_LEVELS]; /* level n in slot n % OPEN_LEVELS; NULL = closed */
  struct inode_set linked; /* inodes with several names that were counted */
  const volatile int32_t *cancelled;
  struct tree_visitor *visitor; /* may be NULL */
};

static DIR **slot_of (struct walk *w, size_t level) {
  return &w->open[level % OPEN_LEVELS];
}

/* Takes `fd`. */
static int enter (struct walk *w, int fd, const uint8_t key[TREE_KEY_BYTES], struct err *e) {
  struct stat st;
  if (w->depth == w->capacity) {
    size_t capacity = w->capacity == 0 ? OPEN_LEVELS : 2 * w->capacity;
    struct level *grown = reallocarray (w->levels, capacity, sizeof *grown);
    if (grown == NULL) {
      close (fd);
      return err_set (e, ENOMEM, "cannot walk the tree");
    }
    w->levels = grown;
    w->capacity = capacity;
  }

  DIR **slot = slot_of (w, w->depth);
  if (*slot != NULL) {
    w->levels[w->depth - OPEN_LEVELS].position = telldir (*slot);
    closedir (*slot);
  }
  *slot = fstat (fd, &st) < 0 ? NULL : fdopendir (fd);
  if (*slot == NULL) {
    int code = errno;
    close (fd);
    return err_set (e, code, "cannot read a directory");
  }
  w->levels[w->depth] = (struct level) { .device = st.st_dev, .inode = st.st_ino };
  memcpy (w->levels[w->depth++].key, key, TREE_KEY_BYTES);
  return 0;
}

static int reopen_parent (struct walk *w, DIR *child, struct err *e) {
  const struct level *parent = &w->levels[w->depth - 2];
  struct stat st;
  DIR *directory = NULL;
  int fd = openat (dirfd (child), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd >= 0 && fstat (fd, &st) == 0 && st.st_dev == parent->device && st.st_ino == parent->inode)
    directory = fdopendir (fd);
  if (directory == NULL) {
    if (fd >= 0)
      close (fd);
    return err_set (e, ESTALE, "the tree was moved while it was measured");
  }
  seekdir (directory, parent->position);
  *slot_of (w, w->depth - 2) = directory;
  return 0;
}

static int leave (struct walk *w, struct err *e) {
  DIR **slot = slot_of (w, w->depth - 1);
  int result = 0;
  if (w->depth > 1 && *slot_of (w, w->depth - 2) == NULL)
    result = reopen_parent (w, *slot, e);
  closedir (*slot);
  *slot = NULL;
  w->depth--;
  return result;
}

static bool has_vanished (int code) {
  return code == ENOENT || code == ELOOP || code == ENOTDIR;
}

static int count_entry (struct walk *w, int directory, const char *name, struct tree_usage *u, struct err *e) {
  struct stat st;
  uint8_t key[TREE_KEY_BYTES] = { 0 };
  if (fstatat (directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : err_set (e, errno, "cannot look at \"%.200s\"", name);
  struct tree_visitor *v = w->visitor;
  if (v != NULL && v->visit (v, directory, name, &st, w->levels[w->depth - 1].key, key, e) < 0)
    return -1;
  if (S_ISDIR (st.st_mode)) {
    int fd = open_entry (directory, name, O_RDONLY | O_DIRECTORY);
    if (fd == -EXDEV || has_vanished (-fd))
      return 0;
    if (fd < 0)
      return err_set (e, -fd, "cannot open \"%.200s\"", name);
    usage_add (u, &st);
    return enter (w, fd, key, e);
  }
  int added = st.st_nlink > 1 ? inode_set_add (&w->linked, st.st_dev, st.st_ino) : 1;
  if (added < 0)
    return err_set (e, ENOMEM, "cannot remember hard links");
  if (added > 0)
    usage_add (u, &st);
  return 0;
}

static int count_all (struct walk *w, struct tree_usage *u, struct err *e) {
  while (w->depth > 0) {
    DIR *directory = *slot_of (w, w->depth - 1);
    if (*w->cancelled != 0)
      return err_set (e, ECANCELED, "measuring was cancelled");
    errno = 0;
    const struct dirent *entry = readdir (directory);
    if (entry == NULL && errno != 0 && errno != ENOENT)
      return err_set (e, errno, "cannot read a directory");
    if (entry == NULL) {
      if (leave (w, e) < 0)
        return -1;
    } else if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0) {
      if (count_entry (w, dirfd (directory), entry->d_name, u, e) < 0)
        return -1;
    }
  }
  return 0;
}

int tree_measure (const char *path, const volatile int32_t *cancelled, struct tree_usage *u, struct err *e) {
  return tree_visit_all (path, cancelled, NULL, u, e);
}

int tree_visit_all (const char *path, const volatile int32_t *cancelled, struct tree_visitor *visitor, struct tree_usage *u,
               struct err *e) {
  static const uint8_t root_key[TREE_KEY_BYTES];
  struct walk w = { .cancelled = cancelled, .visitor = visitor };
  *u = (struct tree_usage) { 0 };

  int root = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return err_set (e, errno, "cannot open the tree");
  int result = enter (&w, root, root_key, e);
  if (result == 0)
    result = count_all (&w, u, e);

  for (size_t i = 0; i < OPEN_LEVELS; i++)
    if (w.open[i] != NULL)
      closedir (w.open[i]);
  free (w.levels);
  inode_set_free (&w.linked);
  return result;
}
