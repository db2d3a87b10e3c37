#include "erofs_apply.h"

#include "erofs_inodes.h"
#include "err.h"
#include "tree_entries.h"
#include "tree_input.h"
#include "tree_path.h"
#include "tree_tar.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct making {
  struct image image;
  struct tree tree;
  struct tar_reader *reader;
};

static struct inode *make_parent (struct making *m, struct place *p, struct err *e) {
  char nothing[] = "";
  return tree_make_directories (&m->tree, p->name > p->path ? p->path : nothing, e);
}

static struct name *find (const struct making *m, const struct inode *directory, const char *name) {
  return tree_name (&m->tree, directory, name, strlen (name));
}

/* Gives the inode the name, which is taken from whatever has it. */
static int enter (struct making *m, struct inode *directory, const char *name, struct inode *i, struct err *e) {
  struct name *there = find (m, directory, name);
  if (there != NULL)
    tree_drop (&m->tree, there);
  return tree_enter (&m->tree, directory, name, i, e);
}

/* ---- everything but directories and hard links ---- */

static uint16_t mode_of (const struct tar_entry *t) {
  switch (t->type) {
  case TAR_FILE:
    return (uint16_t) (S_IFREG | t->mode);
  case TAR_SYMLINK:
    return S_IFLNK | 0777;
  case TAR_CHAR:
    return (uint16_t) (S_IFCHR | t->mode);
  case TAR_BLOCKDEV:
    return (uint16_t) (S_IFBLK | t->mode);
  default:
    return (uint16_t) (S_IFIFO | t->mode);
  }
}

/* As the kernel packs it: 12 bits of the major number between 8 and 12 of the minor one. */
static uint32_t device_of (const struct tar_entry *t) {
  return (t->minor & 0xff) | t->major << 8 | (t->minor & ~0xffu) << 12;
}

static int fill_node (struct making *m, struct inode *i, const struct tar_entry *t, struct err *e) {
  if (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV)
    i->block = device_of (t);
  if (t->type == TAR_FILE)
    i->size = t->size;
  if (t->type == TAR_SYMLINK) {
    size_t size = strlen (t->link);
    char *text = tree_memory (&m->tree, size + 1, e);
    if (text == NULL)
      return -1;
    if (size == 0)
      return err_set (e, ENOENT, "cannot make it");
    i->link = memcpy (text, t->link, size + 1);
    i->size = size;
  }
  return inode_set_metadata (i, &m->tree, t, t->type == TAR_FILE, e);
}

static int apply_node (struct making *m, const struct tar_entry *t, struct place *p, struct err *e) {
  struct inode *parent = make_parent (m, p, e);
  struct inode *i = parent == NULL ? NULL : tree_inode (&m->tree, mode_of (t), e);
  if (i == NULL || enter (m, parent, p->name, i, e) < 0 || fill_node (m, i, t, e) < 0)
    return -1;
  m->tree.usage.inodes++;
  m->tree.usage.bytes += (int64_t) i->size;
  return inode_place (&m->image, i, m->reader, e);
}

/* ---- hard links ---- */

static struct inode *no_target (int code, const char *why, struct err *e) {
  err_set (e, code, "%s", why);
  return NULL;
}

static struct inode *find_target (struct making *m, const struct tar_entry *t, struct err *e) {
  struct place target;
  struct inode *parent;
  memcpy (target.path, t->link, strlen (t->link) + 1);
  struct clean_path clean = path_clean (target.path);
  if (clean.escaped)
    return no_target (0, "link target leads out of the root", e);
  if (clean.depth == 0)
    return no_target (0, "link target is a directory", e);
  place_split (&target);
  int code = tree_walk (&m->tree, place_parent (&target), &parent);
  if (code < 0 && code != -ENOENT && code != -ENOTDIR)
    return no_target (-code, "cannot open the directory above it", e);
  const struct name *name = code < 0 ? NULL : find (m, parent, target.name);
  if (name == NULL && code == 0 && strlen (target.name) > NAME_MAX)
    return no_target (ENAMETOOLONG, "cannot open the link target", e);
  if (name == NULL)
    return no_target (ENOENT, "cannot open the link target", e);
  if (S_ISDIR (name->inode->mode))
    return no_target (0, "link target is a directory", e);
  return inode_is_whiteout (name->inode) ? no_target (0, "link target is a whiteout", e) : name->inode;
}

static int link_to (struct making *m, struct inode *target, struct place *p, struct err *e) {
  struct inode *parent = make_parent (m, p, e);
  struct name *there = parent == NULL ? NULL : find (m, parent, p->name);
  if (parent == NULL || (there != NULL && there->inode == target))
    return parent == NULL ? -1 : 0;
  if (there != NULL)
    tree_drop (&m->tree, there);
  if (target->links == 0) /* it was below what had the name */
    return err_set (e, ENOENT, "cannot make the link");
  return tree_enter (&m->tree, parent, p->name, target, e);
}

/* Docker gives the inode what the link's own header says about it. */
static int apply_link (struct making *m, const struct tar_entry *t, struct place *p, struct err *e) {
  struct inode *target = find_target (m, t, e);
  if (target == NULL || link_to (m, target, p, e) < 0)
    return -1;
  size_t had = attributes_size (&target->attributes);
  if (inode_set_metadata (target, &m->tree, t, S_ISREG (target->mode), e) < 0)
    return -1;
  return inode_change (&m->image, target, had, e);
}

/* ---- directories ---- */

static int apply_directory (struct making *m, const struct tar_entry *t, struct place *p, struct err *e) {
  struct inode *parent = make_parent (m, p, e);
  const struct name *there = parent == NULL ? NULL : find (m, parent, p->name);
  struct inode *i = there == NULL ? NULL : there->inode;
  if (parent == NULL)
    return -1;
  if (i == NULL || !S_ISDIR (i->mode)) {
    bool was_whiteout = i != NULL && inode_is_whiteout (i);
    i = tree_inode (&m->tree, S_IFDIR | 0755, e);
    if (i == NULL || enter (m, parent, p->name, i, e) < 0 || (was_whiteout && tree_make_opaque (&m->tree, i, e) < 0))
      return -1;
    m->tree.usage.inodes++;
  }
  return inode_set_metadata (i, &m->tree, t, true, e);
}

static int apply_root (struct making *m, const struct tar_entry *t, struct err *e) {
  return inode_set_metadata (m->tree.root, &m->tree, t, true, e);
}

/* ---- whiteouts ---- */

/* It hides what lower layers have, never what its own layer brings, whichever comes first. */
static int apply_whiteout (struct making *m, struct place *p, struct err *e) {
  const char *name;
  if (whiteout_hides (p->name, &name, e) < 0)
    return -1;
  struct inode *parent = make_parent (m, p, e);
  if (parent == NULL)
    return -1;
  if (name == NULL)
    return tree_make_opaque (&m->tree, parent, e);
  const struct name *there = find (m, parent, name);
  if (there != NULL)
    return S_ISDIR (there->inode->mode) ? tree_make_opaque (&m->tree, there->inode, e) : 0;
  struct inode *i = tree_inode (&m->tree, S_IFCHR, e);
  if (i == NULL || tree_enter (&m->tree, parent, name, i, e) < 0)
    return -1;
  m->tree.usage.inodes++;
  return inode_place (&m->image, i, NULL, e);
}

/* ---- the archive ---- */

static int apply_entry (void *context, const struct tar_entry *t, struct err *e) {
  struct making *m = context;
  struct place p;
  int where = place_of (&p, t, e);
  if (where <= 0)
    return where;
  if (p.path[0] == 0)
    return apply_root (m, t, e);
  place_split (&p);
  if (strncmp (p.name, WHITEOUT, strlen (WHITEOUT)) == 0)
    return apply_whiteout (m, &p, e);
  return t->type == TAR_DIRECTORY ? apply_directory (m, t, &p, e)
         : t->type == TAR_LINK    ? apply_link (m, t, &p, e)
                                  : apply_node (m, t, &p, e);
}

int erofs_apply (int image, struct input *in, struct apply_result *result, struct err *e) {
  struct making *m = calloc (1, sizeof *m);
  memset (result, 0, sizeof *result);
  if (m == NULL || (m->reader = tar_reader_new (in)) == NULL) {
    free (m);
    return err_set (e, ENOMEM, "cannot read an archive");
  }
  image_start (&m->image, image);

  int done = tree_start (&m->tree, e);
  if (done == 0)
    done = entries_apply (m->reader, apply_entry, m, result, e);
  if (done == 0)
    done = directories_place (&m->image, &m->tree, e);
  if (done == 0)
    done = input_drain (in, e);

  result->usage = m->tree.usage;
  tree_end (&m->tree);
  tar_reader_free (m->reader);
  free (m);
  return done;
}
