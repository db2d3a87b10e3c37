/* SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose collisions nobody finds who does not know the key. */
#ifndef GANTRY_SIPHASH_H
#define GANTRY_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
  uint64_t low, high;
};

/* One that this process alone has, and every time the same; takes no system call. */
struct siphash_key siphash_own_key (void);

/* Of eight bytes, `first` with its lowest byte in front, and the others behind them. */
uint64_t siphash (struct siphash_key key, uint64_t first, const void *bytes, size_t size);

#endif
