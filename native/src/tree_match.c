#include "tree_match.h"

#include "err.h"
#include "fds.h"
#include "tree_diff.h"
#include "tree_names.h"
#include "tree_open.h"
#include "tree_output.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_COMPONENTS = 64, MAX_PATH_BYTES = 64 << 20 };

/* Paths, each with its NUL. */
struct paths {
  char *bytes; /* owned */
  size_t used, room, count;
};

static int add (struct paths *p, const char *directory, const char *name, struct err *e) {
  char path[TREE_PATH_BYTES];
  int length = snprintf (path, sizeof path, "%s/%s", directory, name);
  if (length >= (int) sizeof path)
    return 0; /* nobody could name it */
  if (++p->count > MATCH_MAX || p->used + (size_t) length >= MAX_PATH_BYTES)
    return err_set (e, 0, "more than %d names match", MATCH_MAX);
  if (p->used + (size_t) length + 1 > p->room) {
    size_t room = 2 * p->room + TREE_PATH_BYTES;
    char *grown = realloc (p->bytes, room);
    if (grown == NULL)
      return err_set (e, ENOMEM, "cannot keep names");
    p->bytes = grown;
    p->room = room;
  }
  memcpy (p->bytes + p->used, path, (size_t) length + 1);
  p->used += (size_t) length + 1;
  return 0;
}

static bool is_pattern (const char *component) {
  return strpbrk (component, "*?[\\") != NULL;
}

/* What of `directory` matches one component. */
static int match_in (int root, int how, const char *directory, const char *component, struct paths *found,
                     struct err *e) {
  size_t held = 0;
  struct names names = { 0 };
  int opened = open_in_root (root, directory, O_RDONLY | O_DIRECTORY | how);
  if (opened < 0)
    return 0;
  auto_fd fd = opened;
  if (!is_pattern (component)) {
    struct stat st;
    return fstatat (fd, component, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : add (found, directory, component, e);
  }
  if (names_read (&names, fd, &held, e) < 0)
    return -1;
  int result = 0;
  for (const char *name; result == 0 && (name = names_next (&names)) != NULL; names.at++)
    if (fnmatch (component, name, FNM_PERIOD) == 0)
      result = add (found, directory, name, e);
  names_free (&names, &held);
  return result;
}

static int match_component (int root, int how, const char *component, struct paths *all, struct err *e) {
  struct paths found = { 0 };
  int result = 0;
  for (size_t at = 0; result == 0 && at < all->used; at += strlen (all->bytes + at) + 1)
    result = match_in (root, how, all->bytes + at, component, &found, e);
  free (all->bytes);
  *all = found;
  return result;
}

int tree_match (int root, int how, const char *pattern, struct output *o, struct err *e) {
  char component[NAME_MAX + 1];
  struct paths all = { .bytes = calloc (1, 1), .used = 1, .room = 1 };
  int result = all.bytes == NULL ? err_set (e, ENOMEM, "cannot keep names") : 0;
  int components = 0;

  for (const char *at = pattern; result == 0 && *(at += strspn (at, "/")) != 0;) {
    size_t length = strcspn (at, "/");
    if (length > NAME_MAX || ++components > MAX_COMPONENTS)
      result = err_set (e, 0, "the pattern is too long");
    if (result == 0) {
      snprintf (component, sizeof component, "%.*s", (int) length, at);
      result = match_component (root, how, component, &all, e);
    }
    at += length;
  }
  if (result == 0 && components > 0)
    result = output_write (o, all.bytes, all.used, e);
  free (all.bytes);
  return result < 0 ? -1 : output_flush (o, e);
}
