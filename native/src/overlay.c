/* A root of layers. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "erofs_mount.h"
#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "mounts.h"

/* fsconfig takes strings of up to this many bytes. */
#define FSCONFIG_MAX 255

/* ---- the options ---- */

static int overlay_add (int fs, const char *key, const char *path, struct err *e) {
  if (fsconfig (fs, FSCONFIG_SET_STRING, key, path, 0) < 0)
    return filesystem_error (fs, errno, "add a layer to", "overlay", path, e);
  return 0;
}

/* Kernels before 6.8 do not know "lowerdir+" and take no more than 255 bytes of "lowerdir". */
static bool overlay_needs_mount2 (int fs, struct strings lowers, const char *upper, const char *work) {
  if (strlen (upper) > FSCONFIG_MAX || strlen (work) > FSCONFIG_MAX)
    return true;
  for (uint32_t i = 0; i < lowers.count; i++) {
    const char *lower = take_str (&lowers.rest);
    if (strlen (lower) > FSCONFIG_MAX)
      return true;
    if (i == 0 && fsconfig (fs, FSCONFIG_SET_STRING, "lowerdir+", lower, 0) < 0)
      return errno == EINVAL || errno == EOPNOTSUPP;
  }
  return false;
}

struct text {
  char *bytes;
  size_t size, limit;
};

static void text_add (struct text *t, const char *s, const char *escaped) {
  for (; *s != '\0' && t->size + 2 < t->limit; s++) {
    if (strchr (escaped, *s) != NULL)
      t->bytes[t->size++] = '\\';
    t->bytes[t->size++] = *s;
  }
  if (*s != '\0')
    t->size = t->limit; /* too much */
}

/* The length of the directory that all lowers are in, with its slash. */
static size_t common_directory (struct strings lowers) {
  const char *first = take_str (&lowers.rest);
  size_t common = (size_t) (strrchr (first, '/') - first) + 1;

  for (uint32_t i = 1; i < lowers.count; i++) {
    const char *next = take_str (&lowers.rest);
    while (common > 1 && strncmp (first, next, common) != 0)
      do
        common--;
      while (common > 1 && first[common - 1] != '/');
  }
  return common;
}

/* One page of options is all there is, so the layers are named relative to the directory that they share, which becomes
   the working directory. Staging is a directory of the host's own: nobody in the container can exchange it. */
static int overlay_mount2 (struct strings lowers, const char *upper, const char *work, struct strings options,
                           const char *staging, struct err *e) {
  char page[4096], directory[PATH_MAX];
  struct text t = { page, 0, sizeof page - 1 };
  size_t common = common_directory (lowers);

  text_add (&t, "lowerdir=", "");
  for (uint32_t i = 0; i < lowers.count; i++) {
    const char *lower = take_str (&lowers.rest);
    if (i == 0)
      snprintf (directory, sizeof directory, "%.*s", (int) common, lower);
    else
      text_add (&t, ":", "");
    text_add (&t, lower[common] == '\0' ? "." : lower + common, ":,");
  }
  if (upper[0] != '\0') {
    text_add (&t, ",upperdir=", "");
    text_add (&t, upper, ",");
    text_add (&t, ",workdir=", "");
    text_add (&t, work, ",");
  }
  for (uint32_t i = 0; i < options.count; i++) {
    text_add (&t, ",", "");
    text_add (&t, take_str (&options.rest), "");
  }
  if (t.size >= t.limit)
    return err_set (e, E2BIG, "cannot mount overlay on \"%s\": too many layers for this kernel", staging);
  page[t.size] = '\0';
  if (chdir (directory) < 0)
    return err_set (e, errno, "cannot enter \"%s\"", directory);
  if (mount ("overlay", staging, "overlay", 0, page) < 0)
    return err_set (e, errno, "cannot mount overlay on \"%s\"", staging);
  int root = open (staging, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? err_set (e, errno, "cannot open \"%s\"", staging) : root;
}

/* ---- layers that are mounts: with other ids, or of images ---- */

int own_mounts (struct init *in, struct err *e) {
  struct mount_attr attr = { .propagation = MS_SLAVE };

  if (in->has_own_mounts)
    return 0;
  if (unshare (CLONE_NEWNS) < 0 || mount_setattr (AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
    return err_set (e, errno, "cannot make a mount namespace to prepare the container in");
  in->has_own_mounts = true;
  return 0;
}

struct overlay {
  struct strings lowers, options;
  const char *upper, *work, *staging;
  uint32_t idmap;
  bool has_images;
};

/* Overlayfs takes its layers by path, so a layer that is a mount of its own has to be attached somewhere: below the
   staging directory. */

/* Paths of the layers as they are attached below the staging directory, lowers encoded like the plan's. */
struct layer_paths {
  uint8_t *lowers; /* owned */
  size_t room, size;
  char upper[PATH_MAX], work[PATH_MAX];
};

static void layer_paths_free (struct layer_paths *p) {
  free (p->lowers);
}

static void add_lower (struct layer_paths *p, const char *path) {
  uint32_t length = (uint32_t) strlen (path);

  for (int shift = 0; shift < 32; shift += 8)
    p->lowers[p->size++] = (uint8_t) (length >> shift);
  memcpy (p->lowers + p->size, path, length + 1);
  p->size += length + 1;
}

static int open_directory (const char *path, struct err *e) {
  int layer = open_tree (AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return layer < 0 ? err_set (e, errno, "cannot bind \"%s\"", path) : layer;
}

static bool is_file (const char *path) {
  struct stat st;
  return stat (path, &st) == 0 && S_ISREG (st.st_mode);
}

static int attach_layer (struct init *in, int stage, const char *name, const char *path, const struct overlay *o,
                         struct err *e) {
  auto_fd layer = o->has_images && is_file (path) ? erofs_mount (path, e) : open_directory (path, e);

  if (layer < 0)
    return -1;
  if (mount_map_ids (in, layer, o->idmap, false, path, e) < 0)
    return -1;
  if (mkdirat (stage, name, 0700) < 0 || move_mount (layer, "", stage, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach the layer \"%s\"", path);
  return 0;
}

static int attach_stage (const char *staging, struct err *e) {
  auto_fd fs = fsopen ("tmpfs", FSOPEN_CLOEXEC);

  if (fs < 0 || filesystem_set (fs, "mode=700", "tmpfs", staging, e) < 0)
    return err_set (e, errno, "cannot prepare to mount on \"%s\"", staging);
  auto_fd stage = filesystem_finish (fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, "tmpfs", staging, e);
  if (stage < 0)
    return -1;
  if (move_mount (stage, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return err_set (e, errno, "cannot attach a directory for layers to \"%s\"", staging);
  return fd_release (&stage);
}

/* Overlayfs wants the upper and the work directory in one mount: the directory that both are in is attached. */
static int attach_upper (struct init *in, int stage, const struct overlay *o, struct layer_paths *p, struct err *e) {
  char parent[PATH_MAX];
  size_t common = 0;

  for (size_t i = 0; o->upper[i] != '\0' && o->upper[i] == o->work[i]; i++)
    if (o->upper[i] == '/')
      common = i + 1;
  if (snprintf (parent, sizeof parent, "%.*s", (int) common, o->upper) >= (int) sizeof parent ||
      snprintf (p->upper, sizeof p->upper, "%s/upper/%s", o->staging, o->upper + common) >= (int) sizeof p->upper ||
      snprintf (p->work, sizeof p->work, "%s/upper/%s", o->staging, o->work + common) >= (int) sizeof p->work)
    return err_set (e, ENAMETOOLONG, "cannot map the ids of \"%s\"", o->upper);
  return attach_layer (in, stage, "upper", parent, o, e);
}

static int attach_layers (struct init *in, struct overlay *o, struct layer_paths *p, struct err *e) {
  char path[PATH_MAX], name[16];

  if (own_mounts (in, e) < 0)
    return -1;
  auto_fd stage = attach_stage (o->staging, e);
  if (stage < 0)
    return -1;
  p->room = o->lowers.count * (strlen (o->staging) + sizeof name + sizeof (uint32_t));
  if ((p->lowers = malloc (p->room)) == NULL)
    return err_set (e, ENOMEM, "cannot name the layers of \"%s\"", o->staging);
  for (uint32_t i = 0; i < o->lowers.count; i++) {
    snprintf (name, sizeof name, "%u", i);
    if (attach_layer (in, stage, name, take_str (&o->lowers.rest), o, e) < 0)
      return -1;
    if (snprintf (path, sizeof path, "%s/%s", o->staging, name) >= (int) sizeof path)
      return err_set (e, ENAMETOOLONG, "cannot name the layers of \"%s\"", o->staging);
    add_lower (p, path);
  }
  o->lowers.rest = fields_of (p->lowers, p->size);
  if (o->upper[0] == '\0' || o->idmap == IDMAP_NONE)
    return 0;
  if (attach_upper (in, stage, o, p, e) < 0)
    return -1;
  o->upper = p->upper;
  o->work = p->work;
  return 0;
}

/* Overlayfs makes directories in the work directory as who mounts it, and he must be somebody there: through a mapping
   the host's root is not. Its owner is. Leaving user 0 costs capabilities, which overlayfs needs, too. */
static int act_as_owner (const char *work, struct err *e) {
  struct stat st;

  if (stat (work, &st) < 0)
    return err_set (e, errno, "cannot look at \"%s\"", work);
  setfsgid (st.st_gid);
  setfsuid (st.st_uid);
  return restore_effective (e);
}

static int act_as_oneself (struct err *e) {
  setfsuid (geteuid ());
  setfsgid (getegid ());
  return init_hide (e);
}

/* ---- opening it ---- */

/* By mount(2), which attaches it; taken off again it is like the other one. */
static int overlay_attached (struct init *in, const struct overlay *o, struct err *e) {
  if (own_mounts (in, e) < 0)
    return -1;
  auto_fd attached = overlay_mount2 (o->lowers, o->upper, o->work, o->options, o->staging, e);
  if (attached < 0)
    return -1;
  int root = open_tree (attached, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (root < 0 || umount2 (o->staging, MNT_DETACH) < 0)
    return err_set (e, errno, "cannot detach the root from \"%s\"", o->staging);
  return root;
}

static int overlay_new (struct init *in, const struct overlay *o, struct err *e) {
  struct strings lowers = o->lowers, options = o->options; /* taking strings uses them up */
  auto_fd fs = fsopen ("overlay", FSOPEN_CLOEXEC);

  if (fs < 0)
    return err_set (e, errno, "cannot open the filesystem \"overlay\"");
  if (overlay_needs_mount2 (fs, lowers, o->upper, o->work))
    return overlay_attached (in, o, e);
  take_str (&lowers.rest);
  for (uint32_t i = 1; i < lowers.count; i++)
    if (overlay_add (fs, "lowerdir+", take_str (&lowers.rest), e) < 0)
      return -1;
  if (o->upper[0] != '\0' &&
      (overlay_add (fs, "upperdir", o->upper, e) < 0 || overlay_add (fs, "workdir", o->work, e) < 0))
    return -1;
  if (fsconfig (fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
    return filesystem_error (fs, errno, "name", "overlay", o->staging, e);
  for (uint32_t i = 0; i < options.count; i++)
    if (filesystem_set (fs, take_str (&options.rest), "overlay", o->staging, e) < 0)
      return -1;
  int root = filesystem_finish (fs, 0, "overlay", o->staging, e);
  /* Before 6.5 overlayfs took any option and looked at them only now. */
  return root < 0 && e->code == EINVAL ? overlay_attached (in, o, e) : root;
}

int overlay_open (struct init *in, struct fields f, uint16_t flags, struct err *e) {
  __attribute__ ((cleanup (layer_paths_free))) struct layer_paths paths = { 0 };
  struct overlay o = { .lowers = take_strv (&f) };

  o.upper = take_str (&f);
  o.work = take_str (&f);
  o.options = take_strv (&f);
  o.staging = take_str (&f);
  o.idmap = take_u32 (&f);
  o.has_images = (flags & OPF_IMAGES) != 0;
  if ((o.idmap != IDMAP_NONE || o.has_images) && attach_layers (in, &o, &paths, e) < 0)
    return -1;
  if (o.idmap == IDMAP_NONE)
    return overlay_new (in, &o, e);
  if (o.work[0] != '\0' && act_as_owner (o.work, e) < 0)
    return -1;
  auto_fd root = overlay_new (in, &o, e);
  if (root < 0 || act_as_oneself (e) < 0)
    return -1;
  return fd_release (&root);
}
