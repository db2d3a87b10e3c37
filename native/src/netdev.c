#include "netdev.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "err.h"
#include "fds.h"
#include "fields.h"
#include "kernel.h"
#include "netlink.h"
#include "plan.h"

#define MAX_ADDRESSES 1024
#define MAX_LISTINGS 20 /* tries, when addresses change meanwhile */
#define MAX_INDEX_TRIES 1000
#ifndef IFLA_NEW_IFINDEX
#define IFLA_NEW_IFINDEX 49
#endif

/* A network namespace and a socket in it. */
struct place {
  int socket, namespace;
};

/* What makes an address the same one somewhere else. */
struct address {
  struct ifaddrmsg header;
  uint32_t flags, sizes[4];
  uint8_t data[4][16];
};

static const uint16_t address_attributes[4] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST, IFA_RT_PRIORITY };

struct link {
  const char *name, *new_name;
  uint32_t op;   /* 1 + index */
  int index;     /* where it came from */
  int new_index; /* where it goes */
  bool was_up, moved, too_many;
  uint32_t address_count;
  struct address *addresses; /* owned */
};

/* ---- looking ---- */

struct found {
  int index;
  uint32_t flags;
};

static void take_link (const struct nlmsghdr *answer, void *context) {
  struct found *found = context;
  const struct ifinfomsg *info = NLMSG_DATA (answer);

  if (answer->nlmsg_type == RTM_NEWLINK && answer->nlmsg_len >= NLMSG_LENGTH (sizeof *info))
    *found = (struct found){ info->ifi_index, info->ifi_flags };
}

/* By name, or by index when that is NULL. -1 with errno, ENODEV when there is none. */
static int find_link (int socket, const char *name, int index, struct found *found) {
  struct netlink_message m;
  struct ifinfomsg info = { .ifi_index = index };

  *found = (struct found){ 0 };
  netlink_begin (&m, RTM_GETLINK, 0, &info, sizeof info);
  if (name != NULL)
    netlink_put (&m, IFLA_IFNAME, name, strlen (name) + 1);
  if (netlink_ask (socket, &m, take_link, found) < 0)
    return -1;
  errno = ENODEV;
  return found->index > 0 ? 0 : -1;
}

/* Global and permanent: others are of their network or for a time, and what gave them will give them again. */
static void take_address (const struct nlmsghdr *answer, void *context) {
  struct link *l = context;
  const struct ifaddrmsg *info = NLMSG_DATA (answer);

  if (answer->nlmsg_type != RTM_NEWADDR || answer->nlmsg_len < NLMSG_LENGTH (sizeof *info) ||
      info->ifa_index != (uint32_t) l->index)
    return;
  const uint32_t *more = netlink_attribute (answer, sizeof *info, IFA_FLAGS, sizeof *more);
  uint32_t flags = more != NULL ? *more : info->ifa_flags;
  if ((flags & IFA_F_PERMANENT) == 0 || info->ifa_scope != RT_SCOPE_UNIVERSE)
    return;
  l->too_many = l->address_count == MAX_ADDRESSES;
  if (l->too_many)
    return;
  struct address *a = &l->addresses[l->address_count++];
  *a = (struct address){ .header = *info,
                         .flags =
                             flags & (IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE) };
  for (size_t i = 0; i < 4; i++) {
    uint32_t size = address_attributes[i] == IFA_RT_PRIORITY || info->ifa_family == AF_INET ? 4 : 16;
    const void *data = netlink_attribute (answer, sizeof *info, address_attributes[i], size);
    if (data != NULL)
      memcpy (a->data[i], data, a->sizes[i] = size);
  }
}

static int list_addresses (int socket, struct link *l) {
  for (int tries = 0; tries < MAX_LISTINGS; tries++) {
    struct netlink_message m;
    struct ifaddrmsg info = { .ifa_index = (uint32_t) l->index };
    l->address_count = 0;
    netlink_begin (&m, RTM_GETADDR, NLM_F_DUMP, &info, sizeof info);
    if (netlink_ask (socket, &m, take_address, l) == 0)
      return 0;
    if (errno != EAGAIN)
      return -1;
  }
  return -1;
}

/* ---- changing ---- */

static int add_address (int socket, const struct address *a, int index) {
  struct netlink_message m;
  struct ifaddrmsg info = a->header;

  info.ifa_index = (uint32_t) index;
  info.ifa_flags = 0;
  netlink_begin (&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof info);
  for (size_t i = 0; i < 4; i++)
    if (a->sizes[i] > 0)
      netlink_put (&m, address_attributes[i], a->data[i], a->sizes[i]);
  netlink_put (&m, IFA_FLAGS, &a->flags, sizeof a->flags);
  return netlink_ask (socket, &m, NULL, NULL);
}

static int set_up (int socket, int index) {
  struct netlink_message m;
  struct ifinfomsg info = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

  netlink_begin (&m, RTM_NEWLINK, 0, &info, sizeof info);
  return netlink_ask (socket, &m, NULL, NULL);
}

/* The link keeps its index where that is free. It is chosen here because with a name like "eth%d" nothing else would
   tell which link it has become. */
static int choose_index (int socket, int wish) {
  struct found other;

  for (int i = 0; i < MAX_INDEX_TRIES; i++)
    if (find_link (socket, NULL, wish + i, &other) < 0)
      return errno == ENODEV ? wish + i : -1;
  errno = EBUSY;
  return -1;
}

/* Into another namespace under another name, in one step. The kernel takes the link down and its addresses away. */
static int send_link (const struct place *from, const struct place *to, int index, int new_index, const char *name) {
  struct netlink_message m;
  struct ifinfomsg info = { .ifi_index = index };

  netlink_begin (&m, RTM_NEWLINK, 0, &info, sizeof info);
  netlink_put (&m, IFLA_NET_NS_FD, &to->namespace, sizeof to->namespace);
  netlink_put (&m, IFLA_IFNAME, name, strlen (name) + 1);
  netlink_put (&m, IFLA_NEW_IFINDEX, &new_index, sizeof new_index);
  return netlink_ask (from->socket, &m, NULL, NULL);
}

static int furnish (const struct place *there, const struct link *l, int index) {
  for (uint32_t i = 0; i < l->address_count; i++)
    if (add_address (there->socket, &l->addresses[i], index) < 0)
      return -1;
  return 0;
}

/* ---- the ops ---- */

static int examine (const struct place *host, struct link *l, struct err *e) {
  struct found found;

  if (find_link (host->socket, l->name, 0, &found) < 0)
    return err_set (e, errno, "cannot find the network device \"%s\"", l->name);
  l->index = found.index;
  l->was_up = (found.flags & IFF_UP) != 0;
  l->addresses = calloc (MAX_ADDRESSES, sizeof *l->addresses);
  if (l->addresses == NULL || list_addresses (host->socket, l) < 0)
    return err_set (e, errno, "cannot list the addresses of the network device \"%s\"", l->name);
  if (l->too_many)
    return err_set (e, E2BIG, "cannot move the network device \"%s\" with more than %d addresses", l->name,
                    MAX_ADDRESSES);
  return 0;
}

/* The kernel would notice a taken name too late: when the link is there already, under its old one. */
static int move_one (const struct place *host, const struct place *inside, struct link *l, struct err *e) {
  struct found other;

  if (strchr (l->new_name, '%') == NULL && find_link (inside->socket, l->new_name, 0, &other) == 0)
    return err_set (e, EEXIST, "cannot name a network device \"%s\" in the container", l->new_name);
  l->new_index = choose_index (inside->socket, l->index);
  if (l->new_index < 0 || send_link (host, inside, l->index, l->new_index, l->new_name) < 0)
    return err_set (e, errno, "cannot move the network device \"%s\" into the container", l->name);
  l->moved = true;
  if (find_link (inside->socket, NULL, l->new_index, &other) < 0)
    return err_set (e, errno, "cannot find the network device \"%s\" in the container", l->new_name);
  if (furnish (inside, l, l->new_index) < 0)
    return err_set (e, errno, "cannot set the addresses of the network device \"%s\"", l->new_name);
  if (set_up (inside->socket, l->new_index) < 0)
    return err_set (e, errno, "cannot set up the network device \"%s\"", l->new_name);
  return 0;
}

/* As well as it goes: there is an error to tell already. */
static void bring_back (const struct place *host, const struct place *inside, const struct link *l) {
  if (!l->moved || send_link (inside, host, l->new_index, l->index, l->name) < 0)
    return;
  furnish (host, l, l->index);
  if (l->was_up)
    set_up (host->socket, l->index);
}

static int move_all (const struct place *host, const struct place *inside, struct link *links, uint32_t count,
                     struct err *e) {
  uint32_t i = 0, failing = 0;
  int result = 0;

  for (i = 0; i < count && result == 0; i++)
    result = examine (host, &links[failing = i], e);
  for (i = 0; i < count && result == 0; i++)
    result = move_one (host, inside, &links[failing = i], e);
  if (result == 0)
    return 0;
  e->op = links[failing].op;
  for (i = count; i-- > 0;)
    bring_back (host, inside, &links[i]);
  return -1;
}

static int open_place (struct place *p) {
  p->socket = netlink_open ();
  p->namespace = p->socket < 0 ? -1 : ioctl (p->socket, SIOCGSKNS);
  return p->namespace < 0 ? -1 : 0;
}

static void close_place (struct place *p) {
  fd_close (&p->socket);
  fd_close (&p->namespace);
}

static int open_inside (const struct place *host, struct place *inside, int namespace, struct err *e) {
  struct stat here, there;

  if (setns (namespace, CLONE_NEWNET) < 0)
    return err_set (e, errno, "cannot enter the container's network namespace");
  int result = open_place (inside), code = errno;
  if (setns (host->namespace, CLONE_NEWNET) < 0)
    return err_set (e, errno, "cannot leave the container's network namespace");
  if (result < 0)
    return err_set (e, code, "cannot open a socket in the container's network namespace");
  if (fstat (host->namespace, &here) < 0 || fstat (inside->namespace, &there) < 0)
    return err_set (e, errno, "cannot tell network namespaces apart");
  if (here.st_dev == there.st_dev && here.st_ino == there.st_ino)
    return err_set (e, EINVAL, "cannot move network devices: the container is in the host's network namespace");
  return 0;
}

static uint32_t count_links (const struct plan *p) {
  uint32_t count = 0;

  for (uint32_t i = 0; i < p->op_count; i++)
    count += p->ops[i].kind == OP_NETDEV;
  return count;
}

bool netdev_is_wanted (const struct plan *p) {
  return count_links (p) > 0;
}

int netdev_move (const struct plan *p, int namespace, struct err *e) {
  __attribute__ ((cleanup (close_place))) struct place host = { -1, -1 }, inside = { -1, -1 };
  uint32_t count = count_links (p), n = 0;
  struct link *links = calloc (count + 1u, sizeof *links);

  if (links == NULL)
    return err_set (e, ENOMEM, "cannot move network devices");
  for (uint32_t i = 0; i < p->op_count; i++) {
    struct fields f = fields_of (p->ops[i].payload, p->ops[i].size);
    if (p->ops[i].kind != OP_NETDEV)
      continue;
    links[n].op = i + 1;
    links[n].name = take_str (&f);
    links[n++].new_name = take_str (&f);
  }
  int result = open_place (&host) < 0 ? err_set (e, errno, "cannot open a socket for network devices")
                                      : open_inside (&host, &inside, namespace, e);
  if (result == 0)
    result = move_all (&host, &inside, links, count, e);
  for (uint32_t i = 0; i < count; i++)
    free (links[i].addresses);
  free (links);
  return result;
}
