/* Some ops of a plan, kept for a time when the plan is gone. */
#ifndef GANTRY_PLAN_COPY_H
#define GANTRY_PLAN_COPY_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct plan;
struct plan_op_view;

typedef bool plan_op_filter (const struct plan_op_view *op, uint32_t about);

/* Those for which `is_wanted` answers yes, in their order. NULL in *out when there are none. */
int plan_copy_ops (const struct plan *p, plan_op_filter *is_wanted, uint32_t about, struct plan **out, struct err *e);
void plan_copy_free (struct plan *copy);

#endif
