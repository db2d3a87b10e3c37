#include "check.h"

#include "../src/siphash.h"

/* The paper's key, and the bytes 0, 1, 2 …, of which the first eight are a number here. */
static const struct siphash_key KEY = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
static const uint64_t FIRST = 0x0706050403020100;

TEST ("is the hash of the paper's example, and of others that its authors published") {
  const uint8_t bytes[] = { 8, 9, 10, 11, 12, 13, 14, 15, 16 };
  CHECK (siphash (KEY, FIRST, bytes, 7) == 0xa129ca6149be45e5);
  CHECK (siphash (KEY, FIRST, bytes, 0) == 0x93f5f5799a932462);
  CHECK (siphash (KEY, FIRST, bytes, 8) == 0x3f2acc7f57c29bdb);
}

TEST ("depends on the key, on the number and on every byte") {
  const struct siphash_key other = { KEY.low, KEY.high ^ 1 };
  uint64_t hash = siphash (KEY, FIRST, "name", 4);
  CHECK (siphash (other, FIRST, "name", 4) != hash);
  CHECK (siphash (KEY, FIRST + 1, "name", 4) != hash);
  CHECK (siphash (KEY, FIRST, "nama", 4) != hash);
  CHECK (siphash (KEY, FIRST, "name", 3) != hash);
}

TEST ("has a key of its own in this process, which stays") {
  struct siphash_key key = siphash_own_key (), again = siphash_own_key ();
  CHECK (key.low != 0 && key.high != 0);
  CHECK (key.low == again.low && key.high == again.high);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
