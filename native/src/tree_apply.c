#include "tree_apply.h"

#include "err.h"
#include "tree_clear.h"
#include "tree_entries.h"
#include "tree_inodes.h"
#include "tree_input.h"
#include "tree_make.h"
#include "tree_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct apply {
  struct maker maker;
  struct inode_set unpacked; /* without overlay: what an opaque mark must not delete */
};

/* ---- whiteouts ---- */

static int apply_opaque (struct apply *a, const struct place *p, struct err *e) {
  if (a->maker.overlay) {
    int directory = directories_make (&a->maker.directories, place_parent (p), e);
    return directory < 0 ? -1 : mark_opaque (directory, e);
  }
  int directory = directories_find (&a->maker.directories, place_parent (p), e);
  if (directory < 0)
    return directory == -1 ? -1 : 0;
  int result = tree_clear (directory, &a->unpacked, &a->maker.usage, e);
  directories_forget (&a->maker.directories);
  return result;
}

/* A whiteout hides what lower layers have, never what its own layer brings, whichever comes first. */
static int hide_lower (struct apply *a, const struct place *p, const char *name, struct err *e) {
  struct stat st;
  int parent = directories_make (&a->maker.directories, place_parent (p), e);
  if (parent < 0)
    return -1;
  if (mknodat (parent, name, S_IFCHR, makedev (0, 0)) == 0) {
    a->maker.usage.inodes++;
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
  int parent = directories_find (&a->maker.directories, place_parent (p), e);
  if (parent < 0)
    return parent == -1 ? -1 : 0;
  if (fstatat (parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : err_set (e, errno, "cannot look at what it hides");
  if (inode_set_has (&a->unpacked, st.st_dev, st.st_ino))
    return 0;
  return maker_remove (&a->maker, parent, name, e);
}

static int apply_whiteout (struct apply *a, const struct place *p, struct err *e) {
  const char *name;
  if (whiteout_hides (p->name, &name, e) < 0)
    return -1;
  if (name == NULL)
    return apply_opaque (a, p, e);
  return a->maker.overlay ? hide_lower (a, p, name, e) : delete_lower (a, p, name, e);
}

/* ---- the archive ---- */

static int remember (struct apply *a, const struct place *p, struct err *e) {
  struct stat st;
  int parent = directories_find (&a->maker.directories, place_parent (p), e);
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
    return make_root (&a->maker, t, e);
  place_split (&p);
  if (strncmp (p.name, WHITEOUT, strlen (WHITEOUT)) == 0)
    return apply_whiteout (a, &p, e);

  int result = make_entry (&a->maker, t, &p, e);
  if (result < 0 || a->maker.overlay)
    return result;
  return remember (a, &p, e);
}

int tree_apply (int root, bool overlay, struct input *in, struct apply_result *result, struct err *e) {
  struct apply a = { 0 };
  memset (result, 0, sizeof *result);
  if (maker_open (&a.maker, root, overlay, in, e) < 0)
    return -1;

  int done = entries_apply (a.maker.reader, apply_entry, &a, result, e);
  if (done == 0)
    done = deferred_apply (&a.maker.deferred, root, e);
  if (done == 0)
    done = input_drain (in, e);

  result->usage = a.maker.usage;
  maker_close (&a.maker);
  inode_set_free (&a.unpacked);
  return done;
}
