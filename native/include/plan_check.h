/* The steps of plan_decode: the shape of each op, what its values mean, how it depends on those before it. For plan*.c alone. */
#ifndef GANTRY_PLAN_CHECK_H
#define GANTRY_PLAN_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "plan.h"

#define PLAN_LAST_KIND OP_LEAVE
#define PLAN_PATH_LIMIT 4096 /* PATH_MAX, with its NUL */

struct err;

struct plan_op_shape {
  const char *name, *fields;
  uint16_t flags;
};

/* What the ops before the current one have established. */
struct plan_state {
  const struct plan *plan;
  uint32_t namespaces; /* made or joined so far */
  uint32_t unified_joins, idmaps, listeners, lookups, pid_files, consoles;
  uint32_t seen[PLAN_LAST_KIND + 1];
  bool rooted, pivoted, in_child, enters_mounts, ended;
  const struct plan_op_shape *shape;
  uint32_t index;
  struct err *e;
};

/* NULL for a kind that there is not. */
const struct plan_op_shape *plan_shape_of (uint16_t kind);

/* -1, with an error that names the op. */
int plan_refuse (const struct plan_state *s, const char *field, const char *why);

/* In this order for each op; all -1 with an error. A later one relies on what an earlier one has seen. */
int plan_check_shape (struct plan_state *s, const struct plan_op_view *op);
int plan_check_values (struct plan_state *s, const struct plan_op_view *op);
int plan_check_order (struct plan_state *s, const struct plan_op_view *op);
/* When there are no more. */
int plan_check_whole (const struct plan *p, const struct plan_state *s, struct err *e);

#endif
