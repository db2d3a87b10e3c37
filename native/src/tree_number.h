/* The number fields of tar headers and PAX records. All return false for what they cannot read exactly. */
#ifndef GANTRY_TREE_NUMBER_H
#define GANTRY_TREE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A header field: octal digits between spaces and NULs (nothing at all is 0), or base-256 with the top bit set. */
bool tar_field (const uint8_t *field, size_t size, int64_t *value);

/* Decimal digits up to `end`, at least one, and nothing else. */
bool tar_decimal (const char *text, const char *end, uint64_t *value);

/* "[-]SECONDS[.FRACTION]"; digits beyond nanoseconds are dropped. */
bool tar_time (const char *text, const char *end, struct timespec *value);

#endif
