/* The host side of a task's cgroups, and what must be undone when it ends. */
#ifndef GANTRY_CGROUP_H
#define GANTRY_CGROUP_H

#include <stdbool.h>

struct cgroup_trail;
struct err;
struct plan;

/* Performs the plan's CGROUP_CREATE, CGROUP_WRITE, CGROUP_BPF, OOM_FILE and CGROUP_OWNER ops. NULL in *out when there are none. After
   a failure nothing is left. */
int cgroup_prepare (const struct plan *p, struct cgroup_trail **out, struct err *e);

/* Performs the CGROUP_LEAVE ops: this process is in the cgroup only until the container's first process is. */
int cgroup_leave (const struct plan *p, struct err *e);

bool cgroup_was_oom_killed (const struct cgroup_trail *trail);

/* For whoever wants to be told of each time that memory runs out: a descriptor, the caller's, to wait on for any event,
   edge-triggered, which may also come for nothing. -1 when the kernel cannot tell. Once there is the cgroup, whoever
   makes it. */
int cgroup_watch_oom (struct cgroup_trail *trail);

/* To be asked after an event: whether memory has run out since the last time. */
bool cgroup_ran_out_of_memory (struct cgroup_trail *trail, int watched);

/* Kills leftovers if the task shares the host's pid namespace, removes what was made, releases the trail. NULL is
   fine. */
void cgroup_release (struct cgroup_trail *trail);

/* Releases the trail and leaves the cgroups as they are. NULL is fine. */
void cgroup_forget (struct cgroup_trail *trail);

#endif
