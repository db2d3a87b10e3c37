/* What a fuzz target offers. */
#ifndef GANTRY_FUZZ_H
#define GANTRY_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Valid input number `n`, or 0 when there are no more. */
size_t fuzz_seed (unsigned n, uint8_t *out, size_t room);

#endif
