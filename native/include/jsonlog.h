/* Container output as Docker's json-file entries. Pure: no file, no clock, no allocation after jsonlog_init.
 *
 *     {"log":"text\n","stream":"stdout","attrs":{"label":"value"},"time":"2024-01-02T03:04:05.123456789Z"}
 *
 * What Docker 26.1.5 was seen to do, and so do we:
 *   - an entry holds at most 16384 bytes of a line, its newline not counted: a line of exactly 16384 bytes is one entry
 *     without "\n" and one that is only "\n". All parts of a line carry the time of the first part;
 *   - the rest of a line at end of file is an entry without "\n"; a line is written when it is complete, not before;
 *   - `\n`, `\r`, `\"` and `\\` are short, other control characters \u00xx (a tab is \u0009), DEL is itself;
 *     < > & are \u003c \u003e \u0026, U+2028 and U+2029 are escaped, each byte that is not UTF-8 becomes \ufffd, also
 *     where the cut between two entries goes through a character;
 *   - trailing zeros of the nanoseconds are dropped, with the point when nothing is left.
 *
 * An exact log differs in one thing: a byte that is not UTF-8 becomes \udc80 to \udcff, half a surrogate pair that no text
 * can hold, so its reader gets the container's own bytes back.
 */
#ifndef GANTRY_JSONLOG_H
#define GANTRY_JSONLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONLOG_PART_BYTES 16384u
/* The formatter reads and writes whole vectors: so many bytes after the input must be readable, after the output writable. */
#define JSONLOG_SLACK 64u
#define JSONLOG_ENTRY_MAX(tail_bytes) (6u * JSONLOG_PART_BYTES + (tail_bytes) + 16u)

struct jsonlog_stream {
  const char *name;  /* "stdout" or "stderr" */
  bool exact;
  bool continued;    /* the entry before held an earlier part of the same line */
  uint64_t line_ns;  /* then: the time of that line's first part */
  char *tail;        /* what follows the text of an entry:  \n","stream":"stdout","time":"...Z"}  and a newline */
  size_t head_bytes; /* of the tail, up to the time */
  size_t tail_bytes; /* with the time `tail_ns`; 0 = no time yet */
  uint64_t tail_ns;
};

/* `attrs` is a JSON object text or "". False when there is no memory. */
bool jsonlog_init (struct jsonlog_stream *s, const char *name, const char *attrs, bool exact);
void jsonlog_release (struct jsonlog_stream *s);

/* The longest tail of any entry with these attributes. */
size_t jsonlog_tail_max (const char *attrs);

/* Formats complete entries from `data` at `*out`, which it advances, until the complete lines are used up or `*out` is
   beyond `limit` (JSONLOG_ENTRY_MAX + JSONLOG_SLACK bytes must follow `limit`). `at_end`: nothing follows, so the last
   line counts as complete. Returns how many bytes of `data` were used; the caller brings the rest again. */
size_t jsonlog_format (struct jsonlog_stream *s, const uint8_t *data, size_t size, bool at_end, uint64_t now_ns,
                       uint8_t **out, const uint8_t *limit);

/* How many bytes of container output finished entries hold. */
uint64_t jsonlog_count_raw (const uint8_t *entries, size_t size);

#endif
