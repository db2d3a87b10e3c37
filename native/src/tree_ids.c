#include "tree_ids.h"

#include "err.h"
#include "userns.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

int ids_shift_owner (const struct shift_maps *maps, uid_t *uid, gid_t *gid, struct err *e) {
  uint32_t user, group;
  if (!userns_host_id (maps->uid, *uid, &user))
    return err_set (e, EINVAL, "user %u cannot be mapped to a host id", *uid);
  if (!userns_host_id (maps->gid, *gid, &group))
    return err_set (e, EINVAL, "group %u cannot be mapped to a host id", *gid);
  *uid = user;
  *gid = group;
  return 0;
}

/* acl(5) as an attribute: a version, and entries of a tag, permissions and an id, all little-endian. */
struct acl_entry {
  uint16_t tag, permissions;
  uint32_t id;
};

enum { ACL_HEADER = 4, ACL_OF_USER = 2, ACL_OF_GROUP = 8 };

int ids_shift_acl (const struct shift_maps *maps, uint8_t *value, size_t size, struct err *e) {
  for (size_t at = ACL_HEADER; at + sizeof (struct acl_entry) <= size; at += sizeof (struct acl_entry)) {
    struct acl_entry entry;
    uint32_t id;
    memcpy (&entry, value + at, sizeof entry);
    uint16_t tag = le16toh (entry.tag);
    if (tag != ACL_OF_USER && tag != ACL_OF_GROUP)
      continue;
    if (!userns_host_id (tag == ACL_OF_USER ? maps->uid : maps->gid, le32toh (entry.id), &id))
      return err_set (e, EINVAL, "id %u of its ACL cannot be mapped to a host id", le32toh (entry.id));
    entry.id = htole32 (id);
    memcpy (value + at, &entry, sizeof entry);
  }
  return 0;
}
