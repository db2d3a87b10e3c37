/* Runs a libFuzzer target where there is no libFuzzer: random inputs for some seconds.
 *
 *     x_fuzz SECONDS [SEED]       a run with the same seed makes the same inputs
 *
 * On a crash it says which seed and which run; `x_fuzz 0 SEED RUN` repeats that one alone. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Sanitizers abort, so that the signal handler below can say where. */
const char *__asan_default_options (void);
const char *__ubsan_default_options (void);

const char *__asan_default_options (void) {
  return "abort_on_error=1";
}

const char *__ubsan_default_options (void) {
  return "abort_on_error=1:print_stacktrace=1";
}

enum { MAX_BYTES = 4096 };

static uint64_t seed, run;

static uint64_t next (uint64_t *state) { /* splitmix64 */
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static void run_once (uint64_t number) {
  static uint8_t bytes[MAX_BYTES];
  uint64_t state = seed ^ number * 0xd1342543de82ef95u;
  size_t size = (size_t) (next (&state) % (next (&state) % 4 == 0 ? MAX_BYTES : 400));
  for (size_t i = 0; i < size; i++)
    bytes[i] = (uint8_t) next (&state);
  LLVMFuzzerTestOneInput (bytes, size);
}

static void say_where (int number) {
  char line[120];
  int used = snprintf (line, sizeof line, "signal %d at seed %llu run %llu\n", number, (unsigned long long) seed,
                       (unsigned long long) run);
  if (write (STDERR_FILENO, line, (size_t) used) == used)
    signal (number, SIG_DFL);
  raise (number);
}

static double now (void) {
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

int main (int argc, char **argv) {
  double seconds = argc > 1 ? atof (argv[1]) : 10;
  seed = argc > 2 ? strtoull (argv[2], NULL, 10) : (uint64_t) time (NULL) * 1000003u ^ (uint64_t) getpid ();
  signal (SIGABRT, say_where);
  signal (SIGSEGV, say_where);
  if (argc > 3) {
    run = strtoull (argv[3], NULL, 10);
    run_once (run);
    return 0;
  }
  for (double end = now () + seconds; now () < end; run++)
    run_once (run);
  printf ("%llu runs with seed %llu, all well\n", (unsigned long long) run, (unsigned long long) seed);
  return 0;
}
