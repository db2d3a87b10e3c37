/* Decodes a plan: the shape of every op (plan_shape.c), then what its values mean (plan_values.c), then how ops depend on
 * each other (plan_order.c). What is checked here the executor relies on. */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>

#include "err.h"
#include "fields.h"
#include "kernel.h"
#include "plan_check.h"

int plan_refuse (const struct plan_state *s, const char *field, const char *why) {
  err_set (s->e, 0, "invalid plan: op %u %s: %s%s%s", s->index + 1, s->shape->name, field, *field != '\0' ? " " : "",
           why);
  s->e->op = s->index + 1;
  return -1;
}

static int read_header (struct fields *f, size_t size, struct plan *out, struct err *e) {
  uint32_t magic = take_u32 (f), total = take_u32 (f);

  out->op_count = take_u32 (f);
  out->clone_flags = take_u32 (f);
  out->flags = take_u32 (f);
  if (f->bad || magic != PLAN_MAGIC)
    return err_set (e, 0, "invalid plan: it does not start with the mark of a plan");
  if (total != size || size > PLAN_MAX_BYTES)
    return err_set (e, 0, "invalid plan: %zu bytes came, the header says %u", size, total);
  if ((take_u32 (f) | take_u32 (f) | take_u32 (f)) != 0 || f->bad)
    return err_set (e, 0, "invalid plan: reserved header fields are not 0");
  if (out->op_count > PLAN_MAX_OPS || out->op_count > f->left / 8)
    return err_set (e, 0, "invalid plan: %u ops are too many", out->op_count);
  if ((out->flags & ~(uint32_t) (PLAN_JOIN | PLAN_TERMINAL | PLAN_HOST_PID | PLAN_FOREIGN)) != 0)
    return err_set (e, 0, "invalid plan: unknown plan flags 0x%x", out->flags);
  if ((out->flags & PLAN_JOIN) != 0 && (out->clone_flags & CLONE_NEWNS) == 0)
    return err_set (e, 0, "invalid plan: a joining plan stays in the host's mount namespace");
  if ((out->flags & PLAN_FOREIGN) != 0 &&
      ((out->flags & PLAN_JOIN) != 0 || (out->clone_flags & ~(uint32_t) CLONE_NEWNS) != 0))
    return err_set (e, 0, "invalid plan: one of another runtime makes a mount namespace at most, and joins nothing");
  uint32_t possible = CLONE_NAMESPACES | ((out->flags & PLAN_JOIN) != 0 ? CLONE_NEWUSER : 0u);
  if ((out->clone_flags & ~possible) != 0)
    return err_set (e, 0, "invalid plan: clone flags 0x%x name more than supported namespaces", out->clone_flags);
  return 0;
}

static int read_ops (struct fields *f, struct plan *out, struct err *e) {
  struct plan_state s = { .plan = out, .namespaces = (out->flags & PLAN_JOIN) != 0 ? 0 : out->clone_flags, .e = e };

  for (; s.index < out->op_count; s.index++) {
    struct plan_op_view *op = &out->ops[s.index];
    op->kind = take_u16 (f);
    op->flags = take_u16 (f);
    op->size = take_u32 (f);
    op->payload = f->at;
    if (f->bad || op->size > f->left) {
      err_set (e, 0, "invalid plan: op %u is cut off", s.index + 1);
      e->op = s.index + 1;
      return -1;
    }
    f->at += op->size;
    f->left -= op->size;
    s.shape = plan_shape_of (op->kind);
    if (s.shape == NULL) {
      err_set (e, 0, "invalid plan: op %u has the unknown kind %u", s.index + 1, op->kind);
      e->op = s.index + 1;
      return -1;
    }
    if (plan_check_shape (&s, op) < 0 || plan_check_values (&s, op) < 0 || plan_check_order (&s, op) < 0)
      return -1;
  }
  if (f->left != 0)
    return err_set (e, 0, "invalid plan: %zu bytes are left over", f->left);
  return plan_check_whole (out, &s, e);
}

int plan_decode (const uint8_t *buffer, size_t size, struct plan *out, struct err *e) {
  struct fields f = fields_of (buffer, size);

  *out = (struct plan){ .buffer = buffer };
  if (read_header (&f, size, out, e) < 0)
    return -1;
  out->ops = calloc (out->op_count + 1u, sizeof *out->ops);
  if (out->ops == NULL)
    return err_set (e, ENOMEM, "cannot index the plan");
  if (read_ops (&f, out, e) < 0) {
    plan_release (out);
    return -1;
  }
  return 0;
}

void plan_release (struct plan *p) {
  free (p->ops);
  *p = (struct plan){ 0 };
}
