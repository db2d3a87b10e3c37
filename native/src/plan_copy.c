#include "plan_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "plan.h"

int plan_copy_ops (const struct plan *p, plan_op_filter *is_wanted, uint32_t about, struct plan **out, struct err *e) {
  size_t bytes = 0, at = 0;
  uint32_t count = 0;

  *out = NULL;
  for (uint32_t i = 0; i < p->op_count; i++)
    if (is_wanted (&p->ops[i], about)) {
      count++;
      bytes += p->ops[i].size;
    }
  if (count == 0)
    return 0;
  /* One block: the plan, its index, the payloads. */
  size_t index = sizeof (struct plan) + count * sizeof (struct plan_op_view);
  struct plan *copy = malloc (index + bytes);
  if (copy == NULL)
    return err_set (e, ENOMEM, "cannot keep a part of the plan");
  uint8_t *payloads = (uint8_t *) copy + index;
  *copy = (struct plan){ .ops = (struct plan_op_view *) (copy + 1), .buffer = payloads };
  for (uint32_t i = 0; i < p->op_count; i++)
    if (is_wanted (&p->ops[i], about)) {
      const struct plan_op_view *op = &p->ops[i];
      memcpy (payloads + at, op->payload, op->size);
      copy->ops[copy->op_count] = *op;
      copy->ops[copy->op_count++].payload = payloads + at;
      at += op->size;
    }
  *out = copy;
  return 0;
}

void plan_copy_free (struct plan *copy) {
  free (copy);
}
