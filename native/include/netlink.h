/* Questions and orders to the kernel's network part, rtnetlink(7), one at a time. */
#ifndef GANTRY_NETLINK_H
#define GANTRY_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct netlink_message {
  union {
    struct nlmsghdr header;
    char bytes[512];
  };
};

/* Called with each message of an answer, whose attributes are at `attributes`. */
typedef void netlink_take (const struct nlmsghdr *answer, void *context);

/* A socket in the present network namespace, whose waits end after some seconds. -1 with errno. */
int netlink_open (void);

/* A message with its fixed part; attributes follow. More than it has room for is a mistake of the caller's: it aborts. */
void netlink_begin (struct netlink_message *m, uint16_t type, uint16_t flags, const void *fixed, size_t size);
void netlink_put (struct netlink_message *m, uint16_t attribute, const void *data, size_t size);

/* Sends it and takes the answers up to the last. 0, or -1 with errno: the kernel's own, ETIMEDOUT when none came,
   EAGAIN for a listing during which something changed. */
int netlink_ask (int socket, struct netlink_message *m, netlink_take *take, void *context);

/* The payload of an answer's attribute, behind a fixed part of `fixed` bytes; NULL when it is missing or shorter than
   `size`. */
const void *netlink_attribute (const struct nlmsghdr *answer, size_t fixed, uint16_t type, size_t size);

#endif
