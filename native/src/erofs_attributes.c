#include "erofs_attributes.h"

#include "erofs_tree.h"
#include "err.h"
#include "tree_metadata.h"
#include "tree_tar.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <string.h>

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CAPABILITY "security.capability"
#define USER "user."

/* The length behind an inode is a number of 16 bits, in units of 4 bytes; a value's has 16 bits. */
enum { MAX_BYTES = (UINT16_MAX - 1) * 4, MAX_VALUE = UINT16_MAX };

/* ---- the list ---- */

static size_t padded (size_t size) {
  return (size + 3) & ~(size_t) 3;
}

static size_t length_of (const struct erofs_attribute *x) {
  return padded (sizeof *x + x->name_size + le16toh (x->value_size));
}

static uint8_t *find (const struct attributes *a, uint8_t prefix, const char *name) {
  size_t size = strlen (name);
  for (uint8_t *at = a->bytes; at < a->bytes + a->size;) {
    struct erofs_attribute x;
    memcpy (&x, at, sizeof x);
    if (x.prefix == prefix && x.name_size == size && memcmp (at + sizeof x, name, size) == 0)
      return at;
    at += length_of (&x);
  }
  return NULL;
}

size_t attributes_size (const struct attributes *a) {
  return a->size == 0 ? 0 : sizeof (struct erofs_attributes) + a->size;
}

void attributes_remove (struct attributes *a, uint8_t prefix, const char *name) {
  struct erofs_attribute x;
  uint8_t *at = a->size == 0 ? NULL : find (a, prefix, name);
  if (at == NULL)
    return;
  memcpy (&x, at, sizeof x);
  size_t length = length_of (&x);
  memmove (at, at + length, (size_t) (a->bytes + a->size - at) - length);
  a->size -= (uint32_t) length;
}

static int refuse (int code, uint8_t prefix, const char *name, struct err *e) {
  const char *begins = prefix == EROFS_USER       ? USER
                       : prefix == EROFS_TRUSTED  ? "trusted."
                       : prefix == EROFS_SECURITY ? "security."
                                                  : "";
  return err_set (e, code, "cannot set attribute \"%s%.100s\"", begins, name[0] != '\0' ? name : "system.posix_acl");
}

int attributes_set (struct attributes *a, struct tree *t, uint8_t prefix, const char *name, const void *value,
                    size_t size, struct err *e) {
  size_t name_size = strlen (name);
  struct erofs_attribute x = { (uint8_t) name_size, prefix, htole16 ((uint16_t) size) };
  size_t length = padded (sizeof x + name_size + size);

  if (name_size > XATTR_NAME_MAX)
    return refuse (ERANGE, prefix, name, e);
  attributes_remove (a, prefix, name);
  if (size > MAX_VALUE || a->size + length > MAX_BYTES)
    return refuse (E2BIG, prefix, name, e);
  if (a->size + length > a->room) {
    size_t room = a->size + length + (a->size == 0 ? 0 : 256);
    uint8_t *grown = tree_memory (t, room, e);
    if (grown == NULL)
      return -1;
    if (a->size > 0)
      memcpy (grown, a->bytes, a->size);
    a->bytes = grown;
    a->room = (uint32_t) room;
  }
  uint8_t *at = a->bytes + a->size;
  memset (at, 0, length);
  memcpy (at, &x, sizeof x);
  memcpy (at + sizeof x, name, name_size);
  if (size > 0)
    memcpy (at + sizeof x + name_size, value, size);
  a->size += (uint32_t) length;
  return 0;
}

/* ---- access control lists: acl(5) ---- */

struct acl_entry {
  uint16_t tag, permissions;
  uint32_t id;
};

enum { ACL_HEADER = 4, ACL_VERSION = 2 };
enum { OWNER = 1, USER_ID = 2, GROUP = 4, GROUP_ID = 8, MASK = 16, OTHERS = 32 };

static struct acl_entry acl_at (const uint8_t *acl, size_t i) {
  struct acl_entry entry;
  memcpy (&entry, acl + ACL_HEADER + i * sizeof entry, sizeof entry);
  return (struct acl_entry) { le16toh (entry.tag), le16toh (entry.permissions), le32toh (entry.id) };
}

/* Owner, users, group, groups, mask, others, in this order; a mask where somebody is named. */
static bool acl_is_valid (const uint8_t *acl, size_t count) {
  unsigned seen = 0;
  for (size_t i = 0; i < count; i++) {
    struct acl_entry entry = acl_at (acl, i);
    bool may_repeat = entry.tag == USER_ID || entry.tag == GROUP_ID;
    bool is_one = entry.tag != 0 && entry.tag <= OTHERS && (entry.tag & (entry.tag - 1)) == 0;
    if (!is_one || entry.permissions > 7 || (seen & ~(entry.tag - 1u)) > (may_repeat ? (unsigned) entry.tag : 0))
      return false;
    if (may_repeat && entry.id == UINT32_MAX)
      return false;
    seen |= entry.tag;
  }
  unsigned needed = OWNER | GROUP | OTHERS | ((seen & (USER_ID | GROUP_ID)) != 0 ? MASK : 0);
  return (seen & needed) == needed;
}

/* An ACL is the mode, too, and one that says no more is not kept. */
static uint16_t acl_mode (const uint8_t *acl, size_t count) {
  unsigned owner = 0, group = 0, others = 0;
  bool has_mask = false;
  for (size_t i = 0; i < count; i++) {
    struct acl_entry entry = acl_at (acl, i);
    if (entry.tag == OWNER)
      owner = entry.permissions;
    else if (entry.tag == OTHERS)
      others = entry.permissions;
    else if (entry.tag == MASK || (entry.tag == GROUP && !has_mask)) {
      group = entry.permissions;
      has_mask = entry.tag == MASK;
    }
  }
  return (uint16_t) (owner << 6 | group << 3 | others);
}

static int set_acl (struct inode *i, struct tree *t, const struct tar_xattr *x, bool access, struct err *e) {
  uint8_t prefix = access ? EROFS_ACL_ACCESS : EROFS_ACL_DEFAULT;
  size_t count = x->size < ACL_HEADER ? 0 : (x->size - ACL_HEADER) / sizeof (struct acl_entry);
  bool is_whole = x->size >= ACL_HEADER;
  if (is_whole && (x->value[0] != ACL_VERSION || x->value[1] != 0 || x->value[2] != 0 || x->value[3] != 0))
    return 0; /* not supported: lost, as on a file system without ACLs */
  if (x->size > 0 && (!is_whole || (x->size - ACL_HEADER) % sizeof (struct acl_entry) != 0))
    return err_set (e, EINVAL, "cannot set attribute \"%s\"", x->name);
  attributes_remove (&i->attributes, prefix, "");
  if (count == 0)
    return 0;
  if (!acl_is_valid (x->value, count))
    return err_set (e, EINVAL, "cannot set attribute \"%s\"", x->name);
  if (access)
    i->mode = (uint16_t) ((i->mode & ~0777) | acl_mode (x->value, count));
  if (access && count == 3)
    return 0;
  return attributes_set (&i->attributes, t, prefix, "", x->value, x->size, e);
}

/* chmod(2) of a file that has an ACL already changes that. */
static void acl_chmod (struct inode *i) {
  struct erofs_attribute x;
  uint8_t *at = i->attributes.size == 0 ? NULL : find (&i->attributes, EROFS_ACL_ACCESS, "");
  if (at == NULL)
    return;
  memcpy (&x, at, sizeof x);
  uint8_t *acl = at + sizeof x;
  size_t count = (le16toh (x.value_size) - ACL_HEADER) / sizeof (struct acl_entry);
  for (size_t n = 0; n < count; n++) {
    struct acl_entry entry = acl_at (acl, n);
    unsigned shift = entry.tag == OWNER ? 6 : entry.tag == MASK ? 3 : 0;
    if (entry.tag == OWNER || entry.tag == MASK || entry.tag == OTHERS)
      acl[ACL_HEADER + n * sizeof entry + 2] = (uint8_t) (i->mode >> shift & 7);
  }
}

/* ---- capabilities ---- */

static bool capability_is_valid (const struct tar_xattr *x) {
  uint32_t magic;
  if (x->size < sizeof magic)
    return x->size == 0; /* setxattr(2) takes nothing for something */
  memcpy (&magic, x->value, sizeof magic);
  uint32_t revision = le32toh (magic) & VFS_CAP_REVISION_MASK;
  return (x->size == XATTR_CAPS_SZ_2 && revision == VFS_CAP_REVISION_2) ||
         (x->size == XATTR_CAPS_SZ_3 && revision == VFS_CAP_REVISION_3);
}

/* ---- all of it ---- */

static int set_attribute (struct inode *i, struct tree *t, const struct tar_xattr *x, struct err *e) {
  if (strcmp (x->name, ACL_ACCESS) == 0)
    return set_acl (i, t, x, true, e);
  if (strcmp (x->name, ACL_DEFAULT) == 0)
    return S_ISDIR (i->mode) ? set_acl (i, t, x, false, e) : 0;
  if (strcmp (x->name, CAPABILITY) == 0)
    return !capability_is_valid (x)
               ? err_set (e, EINVAL, "cannot set attribute \"%s\"", x->name)
               : attributes_set (&i->attributes, t, EROFS_SECURITY, "capability", x->value, x->size, e);
  if (strlen (x->name) > XATTR_NAME_MAX)
    return err_set (e, ERANGE, "cannot set attribute \"%.100s\"", x->name);
  if (x->name[strlen (USER)] == '\0')
    return err_set (e, EINVAL, "cannot set attribute \"%s\"", x->name);
  return attributes_set (&i->attributes, t, EROFS_USER, x->name + strlen (USER), x->value, x->size, e);
}

/* What chown(2) takes away. */
static void give_away (struct inode *i) {
  if (S_ISDIR (i->mode))
    return;
  attributes_remove (&i->attributes, EROFS_SECURITY, "capability");
  i->mode &= (uint16_t) ~S_ISUID;
  if ((i->mode & S_IXGRP) != 0)
    i->mode &= (uint16_t) ~S_ISGID;
}

int inode_set_metadata (struct inode *i, struct tree *tree, const struct tar_entry *t, int everything, struct err *e) {
  if (i->uid != t->uid || i->gid != t->gid)
    give_away (i);
  i->uid = t->uid;
  i->gid = t->gid;
  i->seconds = t->mtime.tv_sec;
  i->nanoseconds = (uint32_t) t->mtime.tv_nsec;
  if (everything) {
    i->mode = (uint16_t) ((i->mode & S_IFMT) | t->mode);
    acl_chmod (i);
  }
  for (size_t n = 0; n < t->xattr_count; n++) {
    const struct tar_xattr *x = &t->xattrs[n];
    bool is_wanted = everything ? metadata_wants (x->name) : strcmp (x->name, ACL_ACCESS) == 0;
    if (is_wanted && !S_ISLNK (i->mode) && set_attribute (i, tree, x, e) < 0)
      return -1;
  }
  return 0;
}
