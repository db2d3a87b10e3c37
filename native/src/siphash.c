#include "siphash.h"

#include <endian.h>
#include <string.h>
#include <sys/auxv.h>

static uint64_t rotate (uint64_t x, unsigned n) {
  return x << n | x >> (64 - n);
}

static void rounds (uint64_t v[4], int count) {
  for (; count > 0; count--) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate (v[1], 13) ^ v[0];
    v[3] = rotate (v[3], 16) ^ v[2];
    v[0] = rotate (v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate (v[3], 21) ^ v[0];
    v[1] = rotate (v[1], 17) ^ v[2];
    v[2] = rotate (v[2], 32);
  }
}

static void take (uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  rounds (v, 2);
  v[0] ^= word;
}

uint64_t siphash (struct siphash_key key, uint64_t first, const void *bytes, size_t size) {
  uint64_t v[4] = { key.low ^ 0x736f6d6570736575, key.high ^ 0x646f72616e646f6d, key.low ^ 0x6c7967656e657261,
                    key.high ^ 0x7465646279746573 };
  const uint8_t *at = bytes;
  uint64_t word, last = (uint64_t) (size + sizeof first) << 56;

  take (v, first);
  for (size_t rest = size; rest >= sizeof word; rest -= sizeof word, at += sizeof word) {
    memcpy (&word, at, sizeof word);
    take (v, le64toh (word));
  }
  for (size_t i = 0; i < size % sizeof word; i++)
    last |= (uint64_t) at[i] << (8 * i);
  take (v, last);
  v[2] ^= 0xff;
  rounds (v, 4);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct siphash_key siphash_own_key (void) {
  struct siphash_key key;
  /* 16 random bytes that the kernel gives every program that it starts: getauxval(3). */
  memcpy (&key, (const void *) getauxval (AT_RANDOM), sizeof key);
  return key;
}
