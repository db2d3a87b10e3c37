#include "tree_names.h"

#include "err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
  char *bytes;
  size_t used, room, count;
};

static int add (struct list *l, const char *name, size_t held, struct err *e) {
  size_t size = strlen (name) + 1;
  if (held + l->used + size + (l->count + 1) * sizeof (char *) > MAX_NAME_BYTES)
    return err_set (e, 0, "a directory has too many names");
  if (l->used + size > l->room) {
    size_t room = l->room == 0 ? 4096 : 2 * l->room;
    char *grown = realloc (l->bytes, room);
    if (grown == NULL)
      return err_set (e, ENOMEM, "cannot keep the names of a directory");
    l->bytes = grown;
    l->room = room;
  }
  memcpy (l->bytes + l->used, name, size);
  l->used += size;
  l->count++;
  return 0;
}

static int list_all (struct list *l, DIR *directory, size_t held, struct err *e) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir (directory);
    if (entry == NULL && errno != 0 && errno != ENOENT)
      return err_set (e, errno, "cannot read it");
    if (entry == NULL)
      return 0;
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0 && add (l, entry->d_name, held, e) < 0)
      return -1;
  }
}

static int by_bytes (const void *a, const void *b) {
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static int sort (struct names *n, struct list *l, struct err *e) {
  *n = (struct names){ .bytes = l->bytes, .count = l->count, .size = l->used + l->count * sizeof (char *) };
  if (l->count == 0)
    return 0;
  n->sorted = calloc (l->count, sizeof *n->sorted);
  if (n->sorted == NULL)
    return err_set (e, ENOMEM, "cannot keep the names of a directory");
  const char *name = l->bytes;
  for (size_t i = 0; i < l->count; i++) {
    n->sorted[i] = name;
    name += strlen (name) + 1;
  }
  qsort (n->sorted, n->count, sizeof *n->sorted, by_bytes);
  return 0;
}

int names_read (struct names *n, int directory, size_t *held, struct err *e) {
  struct list l = { 0 };
  int fd = fcntl (directory, F_DUPFD_CLOEXEC, 3);
  DIR *stream = fd < 0 ? NULL : fdopendir (fd);

  *n = (struct names){ 0 };
  if (stream == NULL) {
    err_set (e, errno, "cannot read it");
    if (fd >= 0)
      close (fd);
    return -1;
  }
  int result = list_all (&l, stream, *held, e);
  closedir (stream);
  if (result == 0)
    result = sort (n, &l, e);
  if (result < 0) {
    free (l.bytes);
    free (n->sorted);
    *n = (struct names){ 0 };
    return -1;
  }
  *held += n->size;
  return 0;
}

void names_free (struct names *n, size_t *held) {
  *held -= n->size;
  free (n->bytes);
  free (n->sorted);
  *n = (struct names){ 0 };
}
