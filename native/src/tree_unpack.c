#include "tree_unpack.h"

#include "err.h"
#include "tree_entries.h"
#include "tree_ids.h"
#include "tree_input.h"
#include "tree_make.h"
#include "tree_open.h"
#include "tree_path.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAPABILITY "security.capability"

struct unpacking {
  struct maker maker;
  const struct unpack *u;
  char name[TAR_MAX_PATH], link[TAR_MAX_PATH];
  struct tar_xattr xattrs[TAR_MAX_XATTRS];
  struct vfs_ns_cap_data capability;
};

/* ---- whose it is ---- */

static bool is_capability (const struct tar_xattr *x) {
  return strcmp (x->name, CAPABILITY) == 0;
}

/* A capability counts inside a user namespace when it names that namespace's root. */
static int shift_capability (struct unpacking *a, struct tar_xattr *x, struct err *e) {
  struct vfs_cap_data data;
  uid_t root = 0;
  gid_t none = 0;
  const struct shift_maps users = { a->u->ids->uid, "0 0 1" };
  if (x->size != XATTR_CAPS_SZ_2)
    return 0;
  memcpy (&data, x->value, sizeof data);
  if (ids_shift_owner (&users, &root, &none, e) < 0)
    return -1;
  a->capability = (struct vfs_ns_cap_data){
    .magic_etc = htole32 (VFS_CAP_REVISION_3 | (le32toh (data.magic_etc) & ~VFS_CAP_REVISION_MASK)),
    .rootid = htole32 (root),
  };
  memcpy (a->capability.data, data.data, sizeof data.data);
  x->value = (const uint8_t *) &a->capability;
  x->size = XATTR_CAPS_SZ_3;
  return 0;
}

static int shift (struct unpacking *a, struct tar_entry *t, struct err *e) {
  const struct shift_maps *ids = a->u->ids;
  if (ids_shift_owner (ids, &t->uid, &t->gid, e) < 0)
    return -1;
  memcpy (a->xattrs, t->xattrs, t->xattr_count * sizeof *a->xattrs);
  t->xattrs = a->xattrs;
  for (size_t i = 0; i < t->xattr_count; i++) {
    struct tar_xattr *x = &a->xattrs[i];
    /* The reader's own memory, good until the next entry. */
    if (strncmp (x->name, "system.posix_acl_", 17) == 0 && ids_shift_acl (ids, (uint8_t *) x->value, x->size, e) < 0)
      return -1;
    if (is_capability (x) && shift_capability (a, x, e) < 0)
      return -1;
  }
  return 0;
}

/* Whoever runs a set-id file has its owner's rights: another owner never gave them. Only root can give capabilities. */
static void make_own (struct unpacking *a, struct tar_entry *t) {
  if (!a->u->keeps_owners && t->uid != a->u->uid && t->type != TAR_DIRECTORY)
    t->mode &= ~(uint32_t) (S_ISUID | S_ISGID);
  if (t->type == TAR_CHAR || t->type == TAR_BLOCKDEV)
    t->mode &= 0700;
  if (!a->u->keeps_owners) {
    t->uid = a->u->uid;
    t->gid = a->u->gid;
  }

  size_t kept = 0;
  for (size_t i = 0; i < t->xattr_count; i++)
    if (a->u->uid == 0 || !is_capability (&t->xattrs[i]))
      a->xattrs[kept++] = t->xattrs[i];
  t->xattrs = a->xattrs;
  t->xattr_count = kept;
}

/* ---- where it goes ---- */

/* `name` as it is to be called; `buffer` has room for a path. */
static int rename_path (const struct unpack *u, const char **name, char *buffer, struct err *e) {
  if (u->from == NULL)
    return 0;
  size_t length = strcmp (u->from, "/") == 0 ? 0 : strlen (u->from);
  if (strncmp (*name, u->from, length) != 0 || ((*name)[length] != '/' && (*name)[length] != 0))
    return 0;
  if (snprintf (buffer, TAR_MAX_PATH, "%s%s", u->to, *name + length) >= (int) TAR_MAX_PATH)
    return err_set (e, ENAMETOOLONG, "its path has more than %u bytes", TAR_MAX_PATH - 1);
  *name = buffer;
  return 0;
}

/* 1 with the place, 0 for the directory that everything goes into, which stays as it is; -1. */
static int find_place (struct unpacking *a, const struct tar_entry *t, struct place *p, struct err *e) {
  memcpy (p->path, t->name, strlen (t->name) + 1);
  struct clean_path clean = path_clean (p->path);
  if (clean.escaped)
    return err_set (e, 0, "name leads out of the directory");
  if (clean.depth > TREE_MAX_DEPTH)
    return err_set (e, 0, "name has more than %d components", TREE_MAX_DEPTH);
  if (clean.depth == 0)
    return t->type == TAR_DIRECTORY ? 0 : err_set (e, 0, "only a directory can be the root");
  if (place_below (p, a->u->below, e) < 0)
    return -1;
  place_split (p);
  return 1;
}

/* Docker's words. */
static int check_kind (struct unpacking *a, const struct tar_entry *t, struct place *p, struct err *e) {
  struct stat st;
  int parent = directories_find (&a->maker.directories, place_parent (p), e);
  if (parent < 0)
    return parent == -1 ? -1 : 0;
  if (fstatat (parent, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR (st.st_mode) == (t->type == TAR_DIRECTORY))
    return 0;
  bool is_directory = S_ISDIR (st.st_mode);
  const char *name = place_whole (p) + strlen (a->u->below), *shown = a->u->shown;
  name += strspn (name, "/");
  err_set (e, 0, "cannot overwrite %sdirectory \"%.200s%s%.200s\" with %sdirectory \"%.200s\"",
           is_directory ? "" : "non-", shown, strcmp (shown, "/") == 0 ? "" : "/", name,
           is_directory ? "non-" : "", shown);
  place_split (p);
  return -1;
}

static int unpack_entry (void *context, const struct tar_entry *entry, struct err *e) {
  struct unpacking *a = context;
  struct tar_entry t = *entry;
  struct place p;
  if (rename_path (a->u, &t.name, a->name, e) < 0)
    return -1;
  if (t.type == TAR_LINK && rename_path (a->u, &t.link, a->link, e) < 0)
    return -1;
  int where = find_place (a, &t, &p, e);
  if (where <= 0)
    return where;
  if (a->u->keeps_kinds && check_kind (a, &t, &p, e) < 0)
    return -1;
  if (a->u->is_own)
    make_own (a, &t);
  if (a->u->ids != NULL && shift (a, &t, e) < 0)
    return -1;
  return make_entry (&a->maker, &t, &p, e);
}

static int prepare (struct unpacking *a, int root, const struct unpack *u, struct input *in, struct err *e) {
  if (maker_open (&a->maker, root, false, in, e) < 0)
    return -1;
  a->u = u;
  a->maker.below = u->below;
  a->maker.keeps_old = u->is_own;
  a->maker.directories.how = a->maker.deferred.how = u->how;
  return u->ids == NULL ? 0 : ids_shift_owner (u->ids, &a->maker.directories.uid, &a->maker.directories.gid, e);
}

int tree_unpack (int root, const struct unpack *u, struct input *in, struct apply_result *result, struct err *e) {
  static struct unpacking a; /* half a page of paths: too much for a stack */
  memset (result, 0, sizeof *result);
  int done = prepare (&a, root, u, in, e);
  if (done == 0)
    done = entries_apply (a.maker.reader, unpack_entry, &a, result, e);
  if (done == 0)
    done = deferred_apply (&a.maker.deferred, root, e);
  if (done == 0)
    done = input_drain (in, e);
  result->usage = a.maker.usage;
  maker_close (&a.maker);
  return done;
}
