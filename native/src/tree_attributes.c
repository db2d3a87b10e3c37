#include "tree_attributes.h"

#include "err.h"
#include "tree_ids.h"
#include "tree_metadata.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What the kernel gives for a list: XATTR_LIST_MAX. */
enum { LIST_BYTES = 65536 };

#define OVERLAY "trusted.overlay."

struct source {
  int fd, directory;
  const char *name;
};

/* There is no getxattr for a name in a directory before Linux 6.13, so the directory becomes the current one. */
static ssize_t list_of (const struct source *s, char *to, size_t size) {
  if (s->fd >= 0)
    return flistxattr (s->fd, to, size);
  return fchdir (s->directory) < 0 ? -1 : llistxattr (s->name, to, size);
}

static ssize_t value_of (const struct source *s, const char *attribute, void *to, size_t size) {
  if (s->fd >= 0)
    return fgetxattr (s->fd, attribute, to, size);
  return fchdir (s->directory) < 0 ? -1 : lgetxattr (s->name, attribute, to, size);
}

static unsigned mark_of (const struct source *s, const char *attribute) {
  const char *key = attribute + sizeof OVERLAY - 1;
  char value = 0;
  if (strcmp (key, "opaque") == 0)
    return value_of (s, attribute, &value, 1) != 1 ? 0 : value == 'y' ? MARK_OPAQUE : value == 'x' ? MARK_XWHITEOUTS : 0;
  if (strcmp (key, "whiteout") == 0)
    return MARK_WHITEOUT;
  if (strcmp (key, "redirect") == 0)
    return MARK_REDIRECT;
  return strcmp (key, "metacopy") == 0 ? MARK_METACOPY : 0;
}

/* A capability that was given inside a user namespace names that namespace's root; in an image it has none. */
static size_t unshift_capability (const struct shift_maps *maps, uint8_t *value, size_t size) {
  struct vfs_ns_cap_data data;
  struct err ignored = { 0 };
  if (size != XATTR_CAPS_SZ_3)
    return size;
  memcpy (&data, value, sizeof data);
  uint32_t magic = le32toh (data.magic_etc);
  uid_t root = le32toh (data.rootid);
  gid_t none = 0;
  const struct shift_maps users = { maps->uid, "0 0 1" };
  if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3 ||
      ids_shift_owner (&users, &root, &none, &ignored) < 0 || root != 0)
    return size;
  data.magic_etc = htole32 (VFS_CAP_REVISION_2 | (magic & ~VFS_CAP_REVISION_MASK));
  memcpy (value, &data, XATTR_CAPS_SZ_2);
  return XATTR_CAPS_SZ_2;
}

static int translate (const struct shift_maps *maps, struct tar_xattr *x, uint8_t *value, struct err *e) {
  if (strncmp (x->name, "system.posix_acl_", 17) == 0)
    return ids_shift_acl (maps, value, x->size, e);
  if (strcmp (x->name, "security.capability") == 0)
    x->size = unshift_capability (maps, value, x->size);
  return 0;
}

static int add (struct attributes *a, const struct source *s, const char *attribute, size_t *used,
                const struct shift_maps *maps, struct err *e) {
  if (a->count == TAR_MAX_XATTRS)
    return err_set (e, 0, "it has more than %u extended attributes", TAR_MAX_XATTRS);
  if (*used == TAR_MAX_RECORDS) /* no room would ask for the size alone */
    return err_set (e, 0, "its extended attributes are more than an archive can hold");
  uint8_t *value = a->values + *used;
  ssize_t n = value_of (s, attribute, value, TAR_MAX_RECORDS - *used);
  if (n < 0 && errno == ENODATA)
    return 0;
  if (n < 0 && errno == ERANGE)
    return err_set (e, 0, "its extended attributes are more than an archive can hold");
  if (n < 0)
    return err_set (e, errno, "cannot read its attribute \"%.100s\"", attribute);
  *used += (size_t) n;
  struct tar_xattr *x = &a->xattrs[a->count++];
  *x = (struct tar_xattr){ attribute, value, (size_t) n };
  return maps == NULL ? 0 : translate (maps, x, value, e);
}

static int by_name (const void *a, const void *b) {
  return strcmp (((const struct tar_xattr *) a)->name, ((const struct tar_xattr *) b)->name);
}

int attributes_read (struct attributes *a, int fd, int directory, const char *name, const struct shift_maps *maps,
                     struct err *e) {
  const struct source s = { fd, directory, name };
  size_t used = 0;

  a->count = 0;
  a->marks = 0;
  if (a->list == NULL)
    a->list = malloc (LIST_BYTES);
  if (a->values == NULL)
    a->values = malloc (TAR_MAX_RECORDS);
  if (a->list == NULL || a->values == NULL)
    return err_set (e, ENOMEM, "cannot read its attributes");
  ssize_t size = list_of (&s, a->list, LIST_BYTES);
  if (size < 0)
    return errno == EOPNOTSUPP || errno == ENOENT ? 0 : err_set (e, errno, "cannot list its attributes");
  for (const char *each = a->list; each < a->list + size; each += strlen (each) + 1) {
    if (strncmp (each, OVERLAY, sizeof OVERLAY - 1) == 0)
      a->marks |= mark_of (&s, each);
    else if (metadata_wants (each) && add (a, &s, each, &used, maps, e) < 0)
      return -1;
  }
  if (a->count > 1)
    qsort (a->xattrs, a->count, sizeof *a->xattrs, by_name);
  return 0;
}

bool attributes_equal (const struct attributes *a, const struct attributes *b) {
  if (a->count != b->count)
    return false;
  for (size_t i = 0; i < a->count; i++) {
    const struct tar_xattr *x = &a->xattrs[i], *y = &b->xattrs[i];
    if (strcmp (x->name, y->name) != 0 || x->size != y->size || memcmp (x->value, y->value, x->size) != 0)
      return false;
  }
  return true;
}

void attributes_free (struct attributes *a) {
  free (a->list);
  free (a->values);
  *a = (struct attributes){ 0 };
}
