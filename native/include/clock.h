#ifndef GANTRY_CLOCK_H
#define GANTRY_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_realtime_ns (void) {
  struct timespec now;
  clock_gettime (CLOCK_REALTIME, &now);
  return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static inline int64_t clock_monotonic_ms (void) {
  struct timespec now;
  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
