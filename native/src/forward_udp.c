/* Flows: what one client sends to one of the host's addresses, and the answers.
 *
 * They are in a table by client and address, and in a list with the one that was quiet for longest in front.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "forwarder.h"
#include "siphash.h"

/* Of a turn. */
#define DATAGRAMS 32
#define DATAGRAM_BYTES 65536

/* Compared as bytes: nothing in it is left undefined. IPv4 is in the first four bytes. */
struct key {
  uint8_t client[16], asked[16];
  uint32_t client_scope, asked_link; /* of link-local addresses, otherwise 0 */
  uint32_t listener;
  uint16_t port, family;
};

struct flow {
  struct job job;         /* first */
  struct endpoint target; /* closed: the flow is over */
  struct listener *listener;
  struct key key;
  union address client;
  struct flow *same_bucket, *quieter, *livelier;
  int64_t used_ms;
};

struct flows {
  struct siphash_key secret;
  struct flow **buckets;
  uint32_t mask, count;
  struct flow *quietest, *liveliest;
  uint8_t datagram[DATAGRAM_BYTES];
};

int udp_make_flows (struct forwarder *f, struct err *e) {
  static struct flows only;
  uint32_t buckets = 64;
  while (buckets < f->max_flows)
    buckets *= 2;
  only = (struct flows){ .secret = siphash_own_key (), .mask = buckets - 1 };
  only.buckets = calloc (buckets, sizeof *only.buckets);
  f->flows = &only;
  return only.buckets == NULL ? err_set (e, ENOMEM, "cannot make a table of flows") : 0;
}

/* Says to which of its addresses a datagram was sent. */
int udp_prepare (int socket, struct err *e) {
  int yes = 1, family = 0;
  socklen_t size = sizeof family;
  if (getsockopt (socket, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
    return err_set (e, errno, "cannot see a socket's family");
  int result = family == AF_INET6 ? setsockopt (socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes)
                                  : setsockopt (socket, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
  return result < 0 ? err_set (e, errno, "cannot see where datagrams are sent to") : 0;
}

/* ---- the table ---- */

static struct flow **bucket_of (struct flows *t, const struct key *key) {
  return &t->buckets[siphash (t->secret, 0, key, sizeof *key) & t->mask];
}

static struct flow *find (struct flows *t, const struct key *key) {
  struct flow *flow = *bucket_of (t, key);
  while (flow != NULL && memcmp (&flow->key, key, sizeof *key) != 0)
    flow = flow->same_bucket;
  return flow;
}

static void unlink_from_list (struct flows *t, struct flow *flow) {
  *(flow->quieter != NULL ? &flow->quieter->livelier : &t->quietest) = flow->livelier;
  *(flow->livelier != NULL ? &flow->livelier->quieter : &t->liveliest) = flow->quieter;
}

static void append_to_list (struct flows *t, struct flow *flow) {
  flow->livelier = NULL;
  flow->quieter = t->liveliest;
  *(t->liveliest != NULL ? &t->liveliest->livelier : &t->quietest) = flow;
  t->liveliest = flow;
}

static void was_used (struct forwarder *f, struct flow *flow) {
  flow->used_ms = f->now_ms;
  unlink_from_list (f->flows, flow);
  append_to_list (f->flows, flow);
}

/* One that waits for its turn is released there. */
static void end_flow (struct forwarder *f, struct flow *flow) {
  struct flow **link = bucket_of (f->flows, &flow->key);
  while (*link != flow)
    link = &(*link)->same_bucket;
  *link = flow->same_bucket;
  unlink_from_list (f->flows, flow);
  f->flows->count--;
  endpoint_close (f, &flow->target);
  if (!flow->job.is_queued)
    free (flow);
}

int64_t udp_expire (struct forwarder *f) {
  while (f->flows->quietest != NULL && f->now_ms - f->flows->quietest->used_ms >= f->flow_timeout_ms)
    end_flow (f, f->flows->quietest);
  return f->flows->quietest != NULL ? f->flows->quietest->used_ms + f->flow_timeout_ms : 0;
}

void udp_end_all (struct forwarder *f) {
  while (f->flows->quietest != NULL)
    end_flow (f, f->flows->quietest);
}

/* ---- answers ---- */

/* The control message that makes the kernel send from the address that was asked. */
static void put_source (struct msghdr *message, const struct key *key) {
  struct cmsghdr *c = CMSG_FIRSTHDR (message);
  if (key->family == AF_INET6) {
    struct in6_pktinfo info = { .ipi6_ifindex = key->asked_link };
    memcpy (&info.ipi6_addr, key->asked, sizeof info.ipi6_addr);
    *c = (struct cmsghdr){ .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN (sizeof info) };
    memcpy (CMSG_DATA (c), &info, sizeof info);
    message->msg_controllen = CMSG_SPACE (sizeof info);
  } else {
    struct in_pktinfo info = { 0 };
    memcpy (&info.ipi_spec_dst, key->asked, sizeof info.ipi_spec_dst);
    *c = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN (sizeof info) };
    memcpy (CMSG_DATA (c), &info, sizeof info);
    message->msg_controllen = CMSG_SPACE (sizeof info);
  }
}

/* What cannot be sent is lost, as datagrams may be. */
static void answer (struct flow *flow, uint8_t *data, size_t size) {
  _Alignas (struct cmsghdr) char control[CMSG_SPACE (sizeof (struct in6_pktinfo))] = { 0 };
  struct iovec piece = { data, size };
  struct msghdr message = { .msg_name = &flow->client,
                            .msg_namelen = address_size (&flow->client),
                            .msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };
  put_source (&message, &flow->key);
  sendmsg (flow->listener->host.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Errors are those of earlier datagrams: the target's port was closed then, and may be open now. */
static enum turn flow_turn (struct forwarder *f, struct job *job) {
  struct flow *flow = (struct flow *) job;
  if (flow->target.fd < 0) {
    free (flow);
    return TURN_GONE;
  }
  if ((flow->target.ready & READABLE) == 0)
    return TURN_IDLE;
  for (int i = 0; i < DATAGRAMS; i++) {
    ssize_t n = recv (flow->target.fd, f->flows->datagram, DATAGRAM_BYTES, MSG_DONTWAIT);
    if (n >= 0) {
      was_used (f, flow);
      answer (flow, f->flows->datagram, (size_t) n);
    } else if (errno == EAGAIN) {
      flow->target.ready = 0;
      return TURN_IDLE;
    }
  }
  return TURN_AGAIN;
}

/* ---- questions ---- */

static int connect_target (const union address *target) {
  int fd = socket (target->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd >= 0 && connect (fd, &target->any, address_size (target)) < 0) {
    close (fd);
    fd = -1;
  }
  return fd;
}

static struct flow *make_flow (struct forwarder *f, struct listener *l, const struct key *key,
                               const union address *client) {
  struct flows *t = f->flows;
  if (t->count >= f->max_flows)
    end_flow (f, t->quietest);
  struct flow *flow = calloc (1, sizeof *flow);
  int fd = flow != NULL ? connect_target (&l->target) : -1;
  if (fd < 0 || endpoint_watch (f, &flow->target, &flow->job, fd) < 0) {
    if (fd >= 0)
      close (fd);
    free (flow);
    return NULL;
  }
  flow->job.turn = flow_turn;
  flow->listener = l;
  flow->key = *key;
  flow->client = *client;
  flow->used_ms = f->now_ms;
  append_to_list (t, flow);
  struct flow **bucket = bucket_of (t, key);
  flow->same_bucket = *bucket;
  *bucket = flow;
  t->count++;
  return flow;
}

/* A group's or a broadcast's address cannot be answered from: then the kernel chooses. */
static void set_asked (struct key *key, struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR (message); c != NULL; c = CMSG_NXTHDR (message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy (&info, CMSG_DATA (c), sizeof info);
      memcpy (key->asked, &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy (&info, CMSG_DATA (c), sizeof info);
      if (!IN6_IS_ADDR_MULTICAST (&info.ipi6_addr))
        memcpy (key->asked, &info.ipi6_addr, sizeof info.ipi6_addr);
      if (IN6_IS_ADDR_LINKLOCAL (&info.ipi6_addr) || IN6_IS_ADDR_MULTICAST (&info.ipi6_addr))
        key->asked_link = info.ipi6_ifindex;
    }
  }
}

static void set_client (struct key *key, const union address *client) {
  key->family = client->any.sa_family;
  if (key->family == AF_INET6) {
    memcpy (key->client, &client->v6.sin6_addr, sizeof client->v6.sin6_addr);
    key->client_scope = client->v6.sin6_scope_id;
    key->port = client->v6.sin6_port;
  } else {
    memcpy (key->client, &client->v4.sin_addr, sizeof client->v4.sin_addr);
    key->port = client->v4.sin_port;
  }
}

enum turn udp_receive (struct forwarder *f, struct job *job) {
  struct listener *l = (struct listener *) job;
  for (int i = 0; i < DATAGRAMS; i++) {
    _Alignas (struct cmsghdr) char control[256];
    union address client = { 0 };
    struct iovec piece = { f->flows->datagram, DATAGRAM_BYTES };
    struct msghdr message = { .msg_name = &client,
                              .msg_namelen = sizeof client,
                              .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof control };
    if (l->host.fd < 0)
      return TURN_IDLE;
    ssize_t n = recvmsg (l->host.fd, &message, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) {
      l->host.ready = 0;
      return TURN_IDLE;
    }
    if (n < 0)
      continue;
    struct key key = { .listener = l->number };
    set_client (&key, &client);
    set_asked (&key, &message);
    struct flow *flow = find (f->flows, &key);
    if (flow == NULL)
      flow = make_flow (f, l, &key, &client);
    else
      was_used (f, flow);
    if (flow != NULL)
      send (flow->target.fd, f->flows->datagram, (size_t) n, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return TURN_AGAIN;
}
