#include "tree_clear.h"

#include "err.h"
#include "tree_inodes.h"
#include "tree_open.h"
#include "tree_path.h"
#include "tree_remove.h"
#include "tree_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing deeper was unpacked: names have at most TREE_MAX_DEPTH components. So below this the whole tree goes. */
enum { MAX_LEVELS = TREE_MAX_DEPTH };

struct level {
  DIR *directory;
  struct stat st;
  char name[NAME_MAX + 1];
};

struct clearing {
  const struct inode_set *keep;
  struct tree_usage *usage;
  int depth;
  struct level levels[MAX_LEVELS];
};

static int enter (struct clearing *c, int fd, const char *name, const struct stat *st, struct err *e) {
  struct level *level = &c->levels[c->depth];
  level->directory = fdopendir (fd);
  if (level->directory == NULL) {
    int code = errno;
    close (fd);
    return err_set (e, code, "cannot read \"%.200s\"", name);
  }
  level->st = *st;
  snprintf (level->name, sizeof level->name, "%s", name);
  c->depth++;
  return 0;
}

static int clear_entry (struct clearing *c, const char *name, struct err *e) {
  int directory = dirfd (c->levels[c->depth - 1].directory);
  struct stat st;
  if (fstatat (directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : err_set (e, errno, "cannot look at \"%.200s\"", name);

  bool keep = inode_set_has (c->keep, st.st_dev, st.st_ino);
  if (!S_ISDIR (st.st_mode) || c->depth == MAX_LEVELS)
    return keep ? 0 : tree_remove (directory, name, c->usage, e);
  int fd = open_entry (directory, name, O_RDONLY | O_DIRECTORY);
  if (fd < 0)
    return fd == -ENOENT ? 0 : err_set (e, -fd, "cannot open \"%.200s\"", name);
  return enter (c, fd, name, &st, e);
}

static int leave (struct clearing *c, struct err *e) {
  struct level *level = &c->levels[--c->depth];
  closedir (level->directory);
  if (c->depth == 0 || inode_set_has (c->keep, level->st.st_dev, level->st.st_ino))
    return 0;
  if (unlinkat (dirfd (c->levels[c->depth - 1].directory), level->name, AT_REMOVEDIR) == 0)
    usage_subtract (c->usage, &level->st);
  else if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
    return err_set (e, errno, "cannot remove \"%.200s\"", level->name);
  return 0;
}

static int clear_levels (struct clearing *c, struct err *e) {
  while (c->depth > 0) {
    errno = 0;
    const struct dirent *entry = readdir (c->levels[c->depth - 1].directory);
    int result = 0;
    if (entry == NULL && errno != 0 && errno != ENOENT)
      result = err_set (e, errno, "cannot read a directory to be emptied");
    else if (entry == NULL)
      result = leave (c, e);
    else if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      result = clear_entry (c, entry->d_name, e);
    if (result < 0)
      return -1;
  }
  return 0;
}

int tree_clear (int directory, const struct inode_set *keep, struct tree_usage *usage, struct err *e) {
  struct clearing *c = calloc (1, sizeof *c);
  if (c == NULL)
    return err_set (e, ENOMEM, "cannot empty a directory");
  c->keep = keep;
  c->usage = usage;

  struct stat st = { 0 };
  int fd = openat (directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = fd < 0 ? err_set (e, errno, "cannot read a directory to be emptied") : enter (c, fd, "", &st, e);
  if (result == 0)
    result = clear_levels (c, e);
  while (c->depth > 0)
    closedir (c->levels[--c->depth].directory);
  free (c);
  return result;
}
