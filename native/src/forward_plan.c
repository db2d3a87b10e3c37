/* The forwarder's plan, read and checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fields.h"
#include "forward.h"

static int set_target (union address *target, const struct blob *address, uint32_t port) {
  *target = (union address){ 0 };
  if (port == 0 || port > UINT16_MAX)
    return -1;
  if (address->size == sizeof target->v4.sin_addr) {
    target->v4.sin_family = AF_INET;
    target->v4.sin_port = htons ((uint16_t) port);
    memcpy (&target->v4.sin_addr, address->data, address->size);
  } else if (address->size == sizeof target->v6.sin6_addr) {
    target->v6.sin6_family = AF_INET6;
    target->v6.sin6_port = htons ((uint16_t) port);
    memcpy (&target->v6.sin6_addr, address->data, address->size);
  } else
    return -1;
  return 0;
}

static int take_entry (struct fields *f, struct forward_entry *entry, uint32_t number, struct err *e) {
  entry->protocol = take_u32 (f);
  entry->socket = take_u32 (f);
  uint32_t port = take_u32 (f);
  struct blob address = take_blob (f);
  if (f->bad)
    return err_set (e, EINVAL, "cannot read entry %u of the plan", number);
  if (entry->protocol != IPPROTO_TCP && entry->protocol != IPPROTO_UDP)
    return err_set (e, EPROTONOSUPPORT, "cannot forward protocol %u", entry->protocol);
  if (entry->socket > INT32_MAX || set_target (&entry->target, &address, port) < 0)
    return err_set (e, EINVAL, "cannot use entry %u of the plan", number);
  return 0;
}

/* Milliseconds and seconds are added to clocks and handed to the kernel as int. */
static bool is_usable (const struct forward_plan *p) {
  return p->max_connections > 0 && p->max_flows > 0 && p->flow_timeout_ms > 0 && p->max_connections <= INT32_MAX / 16 &&
         p->max_flows <= 1u << 20 && p->flow_timeout_ms <= INT32_MAX && p->keepalive_s <= INT16_MAX &&
         p->drain_ms <= INT32_MAX && p->watch <= INT32_MAX && p->count > 0 && p->count <= FORWARD_MAX_ENTRIES;
}

int forward_plan_decode (const void *bytes, size_t size, struct forward_plan *plan, struct err *e) {
  struct fields f = fields_of (bytes, size);
  *plan = (struct forward_plan){ 0 };
  if (take_u32 (&f) != FORWARD_MAGIC)
    return err_set (e, EINVAL, "cannot read a plan of another version");
  plan->max_connections = take_u32 (&f);
  plan->max_flows = take_u32 (&f);
  plan->flow_timeout_ms = take_u32 (&f);
  plan->keepalive_s = take_u32 (&f);
  plan->drain_ms = take_u32 (&f);
  plan->watch = take_u32 (&f);
  plan->count = take_u32 (&f);
  if (f.bad || !is_usable (plan))
    return err_set (e, EINVAL, "cannot use the plan's limits");
  plan->entries = calloc (plan->count, sizeof *plan->entries);
  if (plan->entries == NULL)
    return err_set (e, ENOMEM, "cannot read the plan");
  for (uint32_t i = 0; i < plan->count; i++)
    if (take_entry (&f, &plan->entries[i], i + 1, e) < 0) {
      forward_plan_release (plan);
      return -1;
    }
  if (!fields_complete (&f)) {
    forward_plan_release (plan);
    return err_set (e, EINVAL, "cannot read a plan with something behind it");
  }
  return 0;
}

void forward_plan_release (struct forward_plan *plan) {
  free (plan->entries);
  *plan = (struct forward_plan){ 0 };
}
