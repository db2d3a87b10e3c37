#include "erofs_tree.h"

#include "err.h"
#include "tree_tar.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ---- memory ---- */

enum { SLAB_BYTES = 1 << 18 };

struct slab {
  struct slab *next;
  size_t used, size;
  max_align_t bytes[];
};

void *tree_memory (struct tree *t, size_t size, struct err *e) {
  size = (size + sizeof (max_align_t) - 1) & ~(sizeof (max_align_t) - 1);
  if (t->slabs == NULL || t->slabs->size - t->slabs->used < size) {
    size_t room = size > SLAB_BYTES ? size : SLAB_BYTES;
    struct slab *slab = t->memory + room > EROFS_MAX_MEMORY ? NULL : malloc (sizeof *slab + room);
    if (slab == NULL) {
      if (t->memory + room > EROFS_MAX_MEMORY)
        err_set (e, 0, "the layer has too many or too long names and attributes");
      else
        err_set (e, ENOMEM, "cannot remember it");
      return NULL;
    }
    *slab = (struct slab) { .next = t->slabs, .size = room };
    t->slabs = slab;
    t->memory += room;
  }
  void *found = (uint8_t *) t->slabs->bytes + t->slabs->used;
  t->slabs->used += size;
  return found;
}

struct inode *tree_inode (struct tree *t, uint16_t mode, struct err *e) {
  struct inode *i = tree_memory (t, sizeof *i, e);
  if (i != NULL)
    *i = (struct inode) { .number = ++t->inodes, .mode = mode };
  return i;
}

/* ---- names ---- */

/* With a key, since names are a stranger's choice: a hundred thousand of them in one bucket would take minutes. */
static uint32_t hash_of (const struct tree *t, const struct inode *directory, const char *text, size_t size) {
  return (uint32_t) siphash (t->key, directory->number, text, size);
}

struct name *tree_name (const struct tree *t, const struct inode *directory, const char *text, size_t size) {
  uint32_t hash = hash_of (t, directory, text, size);
  struct name *n = t->buckets[hash & (t->bucket_count - 1)];
  while (n != NULL &&
         (n->hash != hash || n->directory != directory || n->size != size || memcmp (n->text, text, size) != 0))
    n = n->chained;
  return n;
}

static int grow (struct tree *t, struct err *e) {
  size_t count = 2 * t->bucket_count;
  struct name **grown = calloc (count, sizeof *grown);
  if (grown == NULL)
    return err_set (e, ENOMEM, "cannot remember it");
  for (size_t i = 0; i < t->bucket_count; i++)
    for (struct name *n = t->buckets[i], *next; n != NULL; n = next) {
      next = n->chained;
      n->chained = grown[n->hash & (count - 1)];
      grown[n->hash & (count - 1)] = n;
    }
  free (t->buckets);
  t->buckets = grown;
  t->bucket_count = count;
  return 0;
}

int tree_enter (struct tree *t, struct inode *directory, const char *text, struct inode *inode, struct err *e) {
  size_t size = strlen (text);
  if (size > NAME_MAX)
    return err_set (e, ENAMETOOLONG, "cannot make it");
  if (t->name_count >= t->bucket_count && grow (t, e) < 0)
    return -1;
  struct name *n = tree_memory (t, sizeof *n + size, e);
  if (n == NULL)
    return -1;
  *n = (struct name) {
    .next = directory->names,
    .directory = directory,
    .inode = inode,
    .hash = hash_of (t, directory, text, size),
    .size = (uint8_t) size,
  };
  memcpy (n->text, text, size);
  struct name **bucket = &t->buckets[n->hash & (t->bucket_count - 1)];
  n->chained = *bucket;
  *bucket = n;
  directory->names = n;
  t->name_count++;
  inode->links++;
  if (S_ISDIR (inode->mode)) {
    inode->parent = directory;
    inode->links++;
    directory->links++;
  }
  return 0;
}

static void unchain (struct tree *t, struct name *name) {
  struct name **at = &t->buckets[name->hash & (t->bucket_count - 1)];
  while (*at != name)
    at = &(*at)->chained;
  *at = name->chained;
  name->gone = true;
  t->name_count--;
}

static void account (struct tree *t, const struct name *name) {
  struct inode *i = name->inode;
  bool is_directory = S_ISDIR (i->mode);
  if (is_directory)
    name->directory->links--;
  i->links -= is_directory ? 2 : 1;
  if (!is_directory && i->links > 0) {
    i->lost_a_link = true;
    return;
  }
  t->usage.inodes--;
  if (!is_directory)
    t->usage.bytes -= (int64_t) i->size;
}

/* Out of its bucket a name's `chained` is free to hold the list of what is still to be done. */
void tree_drop (struct tree *t, struct name *name) {
  unchain (t, name);
  name->chained = NULL;
  while (name != NULL) {
    struct name *rest = name->chained;
    if (S_ISDIR (name->inode->mode))
      for (struct name *n = name->inode->names; n != NULL; n = n->next)
        if (!n->gone) {
          unchain (t, n);
          n->chained = rest;
          rest = n;
        }
    account (t, name);
    name = rest;
  }
}

/* ---- paths ---- */

enum { MAX_LINKS = 40 }; /* the kernel's */

int tree_walk (const struct tree *t, const char *path, struct inode **found) {
  const char *rest[MAX_LINKS + 1] = { path };
  int depth = 0, links = 0;
  struct inode *at = t->root;

  while (depth >= 0) {
    const char *text = rest[depth] + strspn (rest[depth], "/");
    size_t size = strcspn (text, "/");
    rest[depth] = text + size;
    if (size == 0)
      depth--;
    else if (size == 2 && text[0] == '.' && text[1] == '.')
      at = at->parent;
    else if (size != 1 || text[0] != '.') {
      const struct name *name = tree_name (t, at, text, size);
      if (name == NULL)
        return size > NAME_MAX ? -ENAMETOOLONG : -ENOENT;
      if (S_ISLNK (name->inode->mode)) {
        if (++links > MAX_LINKS)
          return -ELOOP;
        rest[++depth] = name->inode->link;
        at = name->inode->link[0] == '/' ? t->root : at;
      } else if (!S_ISDIR (name->inode->mode))
        return -ENOTDIR;
      else
        at = name->inode;
    }
  }
  *found = at;
  return 0;
}

bool inode_is_whiteout (const struct inode *i) {
  return S_ISCHR (i->mode) && i->block == 0;
}

int tree_make_opaque (struct tree *t, struct inode *directory, struct err *e) {
  return attributes_set (&directory->attributes, t, EROFS_TRUSTED, "overlay.opaque", "y", 1, e);
}

/* As mkdir(2) does it, in a directory that hands down its group, too. */
static struct inode *make_directory (struct tree *t, struct inode *parent, const char *name, struct err *e) {
  struct inode *i = tree_inode (t, S_IFDIR | 0755, e);
  if (i == NULL)
    return NULL;
  if ((parent->mode & S_ISGID) != 0) {
    i->mode |= S_ISGID;
    i->gid = parent->gid;
  }
  return tree_enter (t, parent, name, i, e) < 0 ? NULL : i;
}

/* A directory in a whiteout's place hides what the whiteout did. */
static struct inode *make_of_whiteout (struct tree *t, struct name *whiteout, const char *name, struct err *e) {
  struct inode *parent = whiteout->directory;
  tree_drop (t, whiteout);
  struct inode *i = make_directory (t, parent, name, e);
  if (i == NULL || tree_make_opaque (t, i, e) < 0)
    return NULL;
  t->usage.inodes++;
  return i;
}

static struct inode *make_missing (struct tree *t, struct inode *parent, const char *name, struct err *e) {
  if (++t->implied > TAR_MAX_ENTRIES) {
    err_set (e, 0, "more than %u directories are implied", TAR_MAX_ENTRIES);
    return NULL;
  }
  t->usage.inodes++;
  return make_directory (t, parent, name, e);
}

static struct inode *step (struct tree *t, struct inode *parent, const char *prefix, const char *name, struct err *e) {
  struct name *found = tree_name (t, parent, name, strlen (name));
  struct inode *at = NULL;
  if (found == NULL)
    return make_missing (t, parent, name, e);
  if (S_ISDIR (found->inode->mode))
    return found->inode;
  if (inode_is_whiteout (found->inode))
    return make_of_whiteout (t, found, name, e);
  int code = S_ISLNK (found->inode->mode) ? tree_walk (t, prefix, &at) : -ENOTDIR;
  if (code < 0)
    err_set (e, -code, "cannot open the directory above it");
  return at;
}

struct inode *tree_make_directories (struct tree *t, char *path, struct err *e) {
  struct inode *at = t->root;
  int code = tree_walk (t, path, &at);
  if (code == 0)
    return at;
  if (code != -ENOENT && code != -ENOTDIR) {
    err_set (e, -code, "cannot open the directory above it");
    return NULL;
  }
  at = t->root;
  for (char *name = path; name != NULL && at != NULL;) {
    char *slash = strchr (name, '/');
    if (slash != NULL)
      *slash = 0;
    at = step (t, at, path, name, e);
    if (slash != NULL)
      *slash = '/';
    name = slash == NULL ? NULL : slash + 1;
  }
  return at;
}

int tree_start (struct tree *t, struct err *e) {
  *t = (struct tree) { .bucket_count = 1 << 12, .key = siphash_own_key () };
  t->buckets = calloc (t->bucket_count, sizeof *t->buckets);
  if (t->buckets == NULL)
    return err_set (e, ENOMEM, "cannot make an image");
  if ((t->root = tree_inode (t, S_IFDIR | 0755, e)) == NULL)
    return -1;
  t->root->parent = t->root;
  t->root->links = 2;
  return 0;
}

void tree_end (struct tree *t) {
  while (t->slabs != NULL) {
    struct slab *next = t->slabs->next;
    free (t->slabs);
    t->slabs = next;
  }
  free (t->buckets);
  *t = (struct tree) { 0 };
}
