/* The plan's FINALLY ops: what another runtime is told when its container has ended, or did not come to life. */
#ifndef GANTRY_FINALLY_H
#define GANTRY_FINALLY_H

struct err;
struct plan;

/* plan_copy.h. */
int finally_copy (const struct plan *p, struct plan **out, struct err *e);

/* One after the other, whatever becomes of the others; failures go to standard error. Blocks, at most for their timeouts. NULL
 * is fine. */
void finally_run (const struct plan *p);

#endif
