/* Descriptors that are kept for the daemon: it gives them away before it might die, and its successor fetches them. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fds.h"
#include "peer.h"
#include "shim.h"

static struct kept *find (struct shim *s, const char *name) {
  for (uint32_t i = 0; i < s->kept_count; i++)
    if (strcmp (s->kept[i].name, name) == 0)
      return &s->kept[i];
  return NULL;
}

int keep_descriptor (struct shim *s, int peer, const char *name, uint32_t number, struct err *e) {
  struct kept *place = find (s, name);
  if (name[0] == 0 || strlen (name) > SHIM_KEPT_NAME_MAX)
    return err_set (e, EINVAL, "cannot keep a descriptor without a valid name");
  if (place == NULL && s->kept_count == SHIM_KEPT_MAX)
    return err_set (e, ENOSPC, "cannot keep more descriptors");
  auto_fd owner = peer_open (peer, e);
  int fd = owner < 0 ? -1 : peer_descriptor (owner, number, e);
  if (fd < 0)
    return -1;
  if (place == NULL)
    place = &s->kept[s->kept_count++];
  else
    close (place->fd);
  strcpy (place->name, name);
  return place->fd = fd;
}
