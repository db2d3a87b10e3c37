#include "tree_inodes.h"

#include <stdlib.h>

/* The slot that holds the key, or the free one where it belongs. */
static struct inode_key *find (const struct inode_set *s, dev_t device, ino_t inode) {
  uint64_t hash = ((uint64_t) inode ^ (uint64_t) device << 40) * 0x9e3779b97f4a7c15u;
  for (size_t i = (size_t) (hash >> 20);; i++) {
    struct inode_key *slot = &s->slots[i & (s->capacity - 1)];
    if (slot->inode == 0 || (slot->inode == inode && slot->device == device))
      return slot;
  }
}

static int grow (struct inode_set *s) {
  struct inode_set larger = { .capacity = s->capacity == 0 ? 256 : 2 * s->capacity, .count = s->count };
  larger.slots = calloc (larger.capacity, sizeof *larger.slots);
  if (larger.slots == NULL)
    return -1;
  for (size_t i = 0; i < s->capacity; i++)
    if (s->slots[i].inode != 0)
      *find (&larger, s->slots[i].device, s->slots[i].inode) = s->slots[i];
  free (s->slots);
  *s = larger;
  return 0;
}

int inode_set_add (struct inode_set *s, dev_t device, ino_t inode) {
  if (4 * (s->count + 1) > 3 * s->capacity && grow (s) < 0)
    return -1;
  struct inode_key *slot = find (s, device, inode);
  if (slot->inode != 0)
    return 0;
  *slot = (struct inode_key) { device, inode };
  s->count++;
  return 1;
}

bool inode_set_has (const struct inode_set *s, dev_t device, ino_t inode) {
  return s->count > 0 && find (s, device, inode)->inode != 0;
}

void inode_set_free (struct inode_set *s) {
  free (s->slots);
  *s = (struct inode_set) { 0 };
}
