/* The host side of a task's cgroups, and what must be undone when it ends. */
#ifndef GANTRY_CGROUP_H
#define GANTRY_CGROUP_H

#include <stdbool.h>

struct cgroup_trail;
struct err;
struct plan;

/* Performs the plan's CGROUP_CREATE, CGROUP_WRITE, CGROUP_BPF and OOM_FILE ops. NULL in *out when there are none. After
   a failure nothing is left. */
int cgroup_prepare (const struct plan *p, struct cgroup_trail **out, struct err *e);

bool cgroup_was_oom_killed (const struct cgroup_trail *trail);

/* Kills leftovers if the task shares the host's pid namespace, removes what was made, releases the trail. NULL is
   fine. */
void cgroup_release (struct cgroup_trail *trail);

/* Releases the trail and leaves the cgroups as they are. NULL is fine. */
void cgroup_forget (struct cgroup_trail *trail);

#endif
