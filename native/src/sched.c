/* Where and when the process runs: CPUs, scheduling policy, I/O priority; and its personality. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/personality.h>

#include "init.h"
#include "kernel.h"

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_CLASS_SHIFT 13

/* struct sched_attr in its first version, which every kernel takes; the C library's headers disagree about its name. */
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

/* As ranges: "0-3,8". Cut off where `text` ends. */
static void describe_cpus (struct blob mask, char *text, size_t size) {
  uint32_t end = mask.size * 8, cpu = 0;
  size_t used = 0;

  text[0] = '\0';
  while (cpu < end && used < size) {
    uint32_t first = cpu;
    while (cpu < end && (mask.data[cpu / 8] >> cpu % 8 & 1) != 0)
      cpu++;
    if (cpu == first)
      cpu++;
    else if (cpu == first + 1)
      used += (size_t) snprintf (text + used, size - used, "%s%u", used > 0 ? "," : "", first);
    else
      used += (size_t) snprintf (text + used, size - used, "%s%u-%u", used > 0 ? "," : "", first, cpu - 1);
  }
}

/* The kernel leaves out what does not exist or the cpuset forbids, and refuses when nothing is left. */
int step_affinity (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  struct blob mask = take_blob (f);
  char cpus[200];

  if (syscall (SYS_sched_setaffinity, 0, mask.size, mask.data) == 0)
    return 0;
  int code = errno;
  describe_cpus (mask, cpus, sizeof cpus);
  return err_set (e, code, "cannot run on the CPUs \"%s\"", cpus);
}

int step_personality (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  uint32_t persona = take_u32 (f);

  if (personality (persona) < 0)
    return err_set (e, errno, "cannot set the personality 0x%x", persona);
  return 0;
}

int step_scheduler (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  struct scheduling s = { .size = sizeof s };

  s.policy = take_u32 (f);
  s.flags = take_u64 (f);
  s.nice = (int32_t) take_u32 (f);
  s.priority = take_u32 (f);
  s.runtime = take_u64 (f);
  s.deadline = take_u64 (f);
  s.period = take_u64 (f);
  if (syscall (SYS_sched_setattr, 0, &s, 0) == 0)
    return 0;
  return err_set (
      e, errno,
      "cannot set the scheduling policy %u (flags 0x%llx, nice %d, priority %u, runtime %llu, deadline %llu, "
      "period %llu)",
      s.policy, (unsigned long long) s.flags, s.nice, s.priority, (unsigned long long) s.runtime,
      (unsigned long long) s.deadline, (unsigned long long) s.period);
}

int step_io_priority (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  uint32_t ioprio = take_u32 (f);

  if (syscall (SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, ioprio) < 0)
    return err_set (e, errno, "cannot set the I/O priority %u of class %u", ioprio & ((1u << IOPRIO_CLASS_SHIFT) - 1),
                    ioprio >> IOPRIO_CLASS_SHIFT);
  return 0;
}
