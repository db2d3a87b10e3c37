/* Stands in for libFuzzer where there is no clang: mutates the target's seeds for a while under the sanitizers. Knows
 * nothing of coverage; keeps lengths plausible by preferring small changes of 32-bit words. `driver SECONDS [SEED]`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

#define ROOM 65536

static uint64_t state;

/* xorshift64*: the same inputs for the same seed, anywhere. */
static uint32_t any (uint32_t below) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t) ((state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

/* For targets whose input is a string of choices rather than a format: anything is a seed. */
__attribute__ ((weak)) size_t fuzz_seed (unsigned n, uint8_t *out, size_t room) {
  size_t size = 1 + any (any (4) == 0 ? 4096 : 400);

  if (n > 0 || size > room)
    return 0;
  for (size_t i = 0; i < size; i++)
    out[i] = (uint8_t) any (256);
  return size;
}

static void change_word (uint8_t *bytes, size_t size) {
  static const uint32_t interesting[] = { 0,          1,          2,          0x7f,     0xff,    0x7fffffff,
                                          0x80000000, 0xfffffffe, 0xffffffff, 0x100000, 0x100001 };
  uint32_t value;
  size_t at = any ((uint32_t) size);

  if (at + 4 > size)
    return;
  memcpy (&value, bytes + at, 4);
  value = any (2) ? interesting[any (sizeof interesting / sizeof *interesting)] : value + any (9) - 4;
  memcpy (bytes + at, &value, 4);
}

static size_t mutate (uint8_t *bytes, size_t size) {
  for (uint32_t rounds = 1 + any (4); rounds > 0 && size > 0; rounds--) {
    size_t at = any ((uint32_t) size), n = 1 + any (16);
    switch (any (6)) {
    case 0:
      bytes[at] ^= (uint8_t) (1u << any (8));
      break;
    case 1:
      bytes[at] = (uint8_t) any (256);
      break;
    case 2: /* lose some */
      n = n < size - at ? n : size - at;
      memmove (bytes + at, bytes + at + n, size - at - n);
      size -= n;
      break;
    case 3: /* double some */
      n = n < size - at ? n : size - at;
      if (size + n <= ROOM) {
        memmove (bytes + at + n, bytes + at, size - at);
        size += n;
      }
      break;
    default:
      change_word (bytes, size);
    }
  }
  /* Mostly let the header agree on the length, or nothing behind it would ever be read. */
  if (size >= 8 && any (8) != 0)
    memcpy (bytes + 4, &(uint32_t){ (uint32_t) size }, 4);
  return size;
}

int main (int argc, char **argv) {
  time_t seconds = argc > 1 ? atoi (argv[1]) : 10;
  uint64_t seed = argc > 2 ? strtoull (argv[2], NULL, 0) : 0x6772616e747279ull;
  struct timespec start, now;
  unsigned long runs = 0;
  uint8_t *bytes = malloc (ROOM);
  unsigned seeds = 0;

  state = seed;
  while (fuzz_seed (seeds, bytes, ROOM) > 0)
    seeds++;
  if (seeds == 0)
    return 1;
  clock_gettime (CLOCK_MONOTONIC, &start);
  printf ("seed 0x%llx, %ld seconds\n", (unsigned long long) seed, (long) seconds);
  fflush (stdout);
  do {
    for (int i = 0; i < 1000; i++, runs++) {
      size_t size = fuzz_seed (any (seeds), bytes, ROOM);
      for (uint32_t depth = any (6); depth > 0; depth--)
        size = mutate (bytes, size);
      /* A copy of exactly that size, so that the sanitizer sees one byte too far. */
      uint8_t *exact = malloc (size + (size == 0));
      memcpy (exact, bytes, size);
      LLVMFuzzerTestOneInput (exact, size);
      free (exact);
    }
    clock_gettime (CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - start.tv_sec < seconds);
  printf ("%lu inputs\n", runs);
  free (bytes);
  return 0;
}
