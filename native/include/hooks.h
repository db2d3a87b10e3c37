/* The plan's HOOK ops: programs of the operator's that run at a certain moment of a container's life. */
#ifndef GANTRY_HOOKS_H
#define GANTRY_HOOKS_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct plan;

/* The HOOK ops of one stage alone: plan_copy.h. */
int hooks_copy (const struct plan *p, uint32_t stage, struct plan **out, struct err *e);

/* Runs those of `stage`, one after the other, each in a process group of its own, with the state document on its standard
 * input and `pid` in that; waits for each. The first that does not end with 0, or not in time, is the error, with the end
 * of what it wrote; its process group is killed. Blocks. Reaps only its own children. */
int hooks_run (const struct plan *p, uint32_t stage, pid_t pid, struct err *e);

#endif
