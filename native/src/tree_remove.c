#include "tree_remove.h"

#include "err.h"
#include "tree_open.h"
#include "tree_path.h"
#include "tree_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory below MAX_LEVELS is moved up to the first level and deleted from there, so that a bounded number of
   descriptors reaches any depth without ever trusting "..". */
enum { MAX_LEVELS = 128, MAX_RESCANS = 100 };

struct level {
  DIR *directory;
  int rescans;
  char name[NAME_MAX + 1];
};

struct removal {
  int parent; /* of level 0 */
  int depth;
  unsigned moved;       /* directories moved up so far; names the next one */
  bool first_grew;      /* something was moved into level 0 since its last scan began */
  struct tree_usage *usage;
  struct level levels[MAX_LEVELS];
};

static int parent_of (const struct removal *r, int level) {
  return level == 0 ? r->parent : dirfd (r->levels[level - 1].directory);
}

static bool is_immutable (int directory, const char *name) {
  struct statx st;
  return statx (directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
         (st.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
}

/* Names `name` inside the innermost level, or that level itself when NULL. */
static int refuse (const struct removal *r, const char *name, int code, struct err *e) {
  char path[PATH_MAX], shown[400];
  size_t used = 0;
  for (int i = 0; i < r->depth && used < sizeof path; i++)
    used += (size_t) snprintf (path + used, sizeof path - used, "%s%s", i == 0 ? "" : "/", r->levels[i].name);
  if (name != NULL && used < sizeof path)
    snprintf (path + used, sizeof path - used, "%s%s", r->depth == 0 ? "" : "/", name);

  int directory = name != NULL ? parent_of (r, r->depth) : parent_of (r, r->depth - 1);
  const char *last = name != NULL ? name : r->levels[r->depth - 1].name;
  const char *reason = "";
  if (code == EPERM && is_immutable (directory, last))
    reason = ": it is immutable or append-only (chattr -ia)";
  else if (code == EPERM && is_immutable (directory, "."))
    reason = ": its directory is immutable or append-only (chattr -ia)";
  else if (code == EXDEV || code == EBUSY)
    reason = ": it is a mount point";
  return err_set (e, code == EXDEV ? EBUSY : code, "cannot remove \"%s\"%s", path_escape (shown, sizeof shown, path),
                  reason);
}

/* Moves the directory up to level 0 under a name of our own. */
static int move_up (struct removal *r, int directory, const char *name, struct err *e) {
  for (int attempt = 0; attempt < 1000; attempt++) {
    char up[32];
    snprintf (up, sizeof up, ".gantry-removing-%u", r->moved++);
    r->first_grew = true;
    if (renameat2 (directory, name, dirfd (r->levels[0].directory), up, RENAME_NOREPLACE) == 0 || errno == ENOENT)
      return 0;
    if (errno != EEXIST)
      break;
  }
  return refuse (r, name, errno, e);
}

/* 1 = gone, or was never there; 0 = it is a directory with something in it; else -errno. */
static int unlink_one (struct removal *r, int directory, const char *name) {
  struct stat st;
  bool counted = r->usage != NULL && fstatat (directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

  if (unlinkat (directory, name, 0) == 0 || (errno == EISDIR && unlinkat (directory, name, AT_REMOVEDIR) == 0)) {
    if (counted)
      usage_subtract (r->usage, &st);
    return 1;
  }
  if (errno == ENOENT)
    return 1;
  return errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
}

static int enter (struct removal *r, int directory, const char *name, struct err *e) {
  int fd = open_entry (directory, name, O_RDONLY | O_DIRECTORY);
  if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR) /* replaced meanwhile: the rescan finds what is there now */
    return 0;
  if (fd < 0)
    return refuse (r, name, -fd, e);

  struct level *level = &r->levels[r->depth];
  level->directory = fdopendir (fd);
  if (level->directory == NULL) {
    int code = errno;
    close (fd);
    return refuse (r, name, code, e);
  }
  level->rescans = 0;
  snprintf (level->name, sizeof level->name, "%s", name);
  if (r->depth == 0)
    r->first_grew = false;
  r->depth++;
  return 0;
}

/* `name` is an entry of the innermost level. */
static int remove_entry (struct removal *r, const char *name, struct err *e) {
  int directory = dirfd (r->levels[r->depth - 1].directory);
  int gone = unlink_one (r, directory, name);
  if (gone != 0)
    return gone < 0 ? refuse (r, name, -gone, e) : 0;
  return r->depth == MAX_LEVELS ? move_up (r, directory, name, e) : enter (r, directory, name, e);
}

static void rescan (struct removal *r) {
  if (r->depth == 1)
    r->first_grew = false;
  rewinddir (r->levels[r->depth - 1].directory);
}

/* The innermost level was read to its end: its directory should be empty now. */
static int leave (struct removal *r, struct err *e) {
  struct level *level = &r->levels[r->depth - 1];
  if (r->depth == 1 && r->first_grew) {
    rescan (r);
    return 0;
  }
  int gone = unlink_one (r, parent_of (r, r->depth - 1), level->name);
  if (gone < 0)
    return refuse (r, NULL, -gone, e);
  if (gone == 0) {
    if (level->rescans++ == MAX_RESCANS)
      return refuse (r, NULL, ENOTEMPTY, e);
    rescan (r);
    return 0;
  }
  closedir (level->directory);
  r->depth--;
  return 0;
}

static int remove_levels (struct removal *r, struct err *e) {
  while (r->depth > 0) {
    errno = 0;
    const struct dirent *entry = readdir (r->levels[r->depth - 1].directory);
    int result = 0;
    if (entry == NULL && errno != 0 && errno != ENOENT)
      result = refuse (r, NULL, errno, e);
    else if (entry == NULL)
      result = leave (r, e);
    else if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      result = remove_entry (r, entry->d_name, e);
    if (result < 0)
      return -1;
  }
  return 0;
}

int tree_remove (int parent, const char *name, struct tree_usage *usage, struct err *e) {
  struct removal *r = malloc (sizeof *r);
  if (r == NULL)
    return err_set (e, ENOMEM, "cannot remove a tree");
  r->parent = parent;
  r->depth = 0;
  r->moved = 0;
  r->first_grew = false;
  r->usage = usage;

  /* Not entered and not gone: it stopped being a directory in between. */
  int gone = 0, result = 0;
  for (int attempt = 0; gone == 0 && result == 0 && r->depth == 0 && attempt < MAX_RESCANS; attempt++) {
    gone = unlink_one (r, parent, name);
    if (gone < 0)
      result = refuse (r, name, -gone, e);
    else if (gone == 0)
      result = enter (r, parent, name, e);
  }
  if (result == 0 && gone == 0)
    result = r->depth > 0 ? remove_levels (r, e) : refuse (r, name, EAGAIN, e);
  while (r->depth > 0)
    closedir (r->levels[--r->depth].directory);
  free (r);
  return result;
}

int tree_remove_path (const char *path, struct err *e) {
  char copy[PATH_MAX];
  size_t length = strlen (path);
  while (length > 1 && path[length - 1] == '/')
    length--;
  if (length >= sizeof copy)
    return err_set (e, ENAMETOOLONG, "cannot remove a tree");
  memcpy (copy, path, length);
  copy[length] = 0;

  char *base = path_base (copy);
  if (copy[0] != '/' || *base == 0 || strcmp (base, ".") == 0 || strcmp (base, "..") == 0)
    return err_set (e, EINVAL, "cannot remove a tree that has no name of its own");
  base[-1] = 0;
  int parent = open (copy[0] == 0 ? "/" : copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0 && errno == ENOENT)
    return 0;
  if (parent < 0)
    return err_set (e, errno, "cannot open the directory of the tree");
  int result = tree_remove (parent, base, NULL, e);
  close (parent);
  return result;
}
