#include "jsonlog.h"

#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char PREFIX[] = "{\"log\":\"";
#define PREFIX_BYTES (sizeof PREFIX - 1)
#define END_OF_LINE_BYTES 2u /* the \n that a tail begins with, left out after a part of a line */
#define TIME_TEXT_MAX 40u

/* ---- the tail ---- */

static char *put_digits (char *at, uint32_t value, int digits) {
  for (int i = digits - 1; i >= 0; i--, value /= 10)
    at[i] = (char) ('0' + value % 10);
  return at + digits;
}

/* RFC 3339 in UTC, as Go prints it with RFC3339Nano. Not gmtime: that reads the host's time zone files. */
static char *put_time (char *at, uint64_t ns) {
  uint64_t seconds = ns / 1000000000u;
  uint32_t fraction = (uint32_t) (ns % 1000000000u);
  uint32_t day_seconds = (uint32_t) (seconds % 86400u);

  /* Days to date, counted in eras of 400 years that begin on the first of March of the year 0. */
  uint64_t days = seconds / 86400u + 719468u;
  uint32_t era = (uint32_t) (days / 146097u);
  uint32_t day_of_era = (uint32_t) (days % 146097u);
  uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint32_t months_after_march = (5 * day_of_year + 2) / 153;
  uint32_t day = day_of_year - (153 * months_after_march + 2) / 5 + 1;
  uint32_t month = months_after_march < 10 ? months_after_march + 3 : months_after_march - 9;
  uint32_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);

  at = put_digits (at, year, 4);
  *at++ = '-';
  at = put_digits (at, month, 2);
  *at++ = '-';
  at = put_digits (at, day, 2);
  *at++ = 'T';
  at = put_digits (at, day_seconds / 3600, 2);
  *at++ = ':';
  at = put_digits (at, day_seconds / 60 % 60, 2);
  *at++ = ':';
  at = put_digits (at, day_seconds % 60, 2);
  if (fraction != 0) {
    int digits = 9;
    for (; fraction % 10 == 0; fraction /= 10)
      digits--;
    *at++ = '.';
    at = put_digits (at, fraction, digits);
  }
  *at++ = 'Z';
  return at;
}

size_t jsonlog_tail_max (const char *attrs) {
  return strlen ("\\n\",\"stream\":\"stdout\",\"attrs\":,\"time\":\"") + strlen (attrs) + TIME_TEXT_MAX;
}

bool jsonlog_init (struct jsonlog_stream *s, const char *name, const char *attrs, bool exact) {
  *s = (struct jsonlog_stream){ .name = name, .exact = exact };
  s->tail = malloc (jsonlog_tail_max (attrs) + JSONLOG_SLACK);
  if (s->tail == NULL)
    return false;
  char *at = stpcpy (stpcpy (s->tail, "\\n\",\"stream\":\""), name);
  if (*attrs != 0)
    at = stpcpy (stpcpy (at, "\",\"attrs\":"), attrs);
  else
    *at++ = '"';
  at = stpcpy (at, ",\"time\":\"");
  s->head_bytes = (size_t) (at - s->tail);
  return true;
}

void jsonlog_release (struct jsonlog_stream *s) {
  free (s->tail);
  s->tail = NULL;
}

static void set_tail_time (struct jsonlog_stream *s, uint64_t ns) {
  if (s->tail_bytes != 0 && s->tail_ns == ns)
    return;
  char *at = stpcpy (put_time (s->tail + s->head_bytes, ns), "\"}\n");
  s->tail_bytes = (size_t) (at - s->tail);
  s->tail_ns = ns;
}

/* In whole vectors, because a call of memcpy costs more than the copy. Both sides have JSONLOG_SLACK. */
static uint8_t *put_tail (uint8_t *out, const struct jsonlog_stream *s, bool end_of_line) {
  const char *from = s->tail + (end_of_line ? 0 : END_OF_LINE_BYTES);
  size_t size = s->tail_bytes - (end_of_line ? 0 : END_OF_LINE_BYTES);
  for (size_t i = 0; i < size; i += 16)
    memcpy (out + i, from + i, 16);
  return out + size;
}

/* ---- the text ---- */

/* Copies bytes that stand for themselves; stops at the first that does not, or at `end`. */
static inline const uint8_t *copy_plain (const uint8_t *from, const uint8_t *end, uint8_t **out) {
  uint8_t *to = *out;
#ifdef __SSE2__
  const __m128i space = _mm_set1_epi8 (0x20), angle = _mm_set1_epi8 ('>'), amp = _mm_set1_epi8 ('&'),
                slash = _mm_set1_epi8 ('\\'), bit1 = _mm_set1_epi8 (2), bit2 = _mm_set1_epi8 (4);
  while (from < end) {
    __m128i v = _mm_loadu_si128 ((const __m128i *) (const void *) from);
    _mm_storeu_si128 ((__m128i *) (void *) to, v);
    /* As signed numbers, all bytes from 0x80 on are below the space, too. '<' is '>' and '"' is '&' without one bit. */
    __m128i hit = _mm_cmplt_epi8 (v, space);
    hit = _mm_or_si128 (hit, _mm_cmpeq_epi8 (_mm_or_si128 (v, bit1), angle));
    hit = _mm_or_si128 (hit, _mm_cmpeq_epi8 (_mm_or_si128 (v, bit2), amp));
    hit = _mm_or_si128 (hit, _mm_cmpeq_epi8 (v, slash));
    unsigned mask = (unsigned) _mm_movemask_epi8 (hit);
    size_t plain = mask != 0 ? (size_t) __builtin_ctz (mask) : 16;
    size_t left = (size_t) (end - from);
    if (plain > left)
      plain = left;
    from += plain;
    to += plain;
    if (plain < 16)
      break;
  }
#else
  while (from < end && *from >= 0x20 && *from < 0x80 && *from != '"' && *from != '&' && *from != '<' && *from != '>' &&
         *from != '\\')
    *to++ = *from++;
#endif
  *out = to;
  return from;
}

/* The length of the UTF-8 sequence at `p`, 0 when it is not one (overlong, surrogate, beyond U+10FFFF or cut off). */
static size_t utf8_length (const uint8_t *p, const uint8_t *end) {
  size_t left = (size_t) (end - p);
  uint8_t low = 0x80, high = 0xbf;
  size_t length;
  if (p[0] >= 0xc2 && p[0] <= 0xdf)
    length = 2;
  else if (p[0] >= 0xe0 && p[0] <= 0xef) {
    length = 3;
    if (p[0] == 0xe0)
      low = 0xa0;
    else if (p[0] == 0xed)
      high = 0x9f;
  } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
    length = 4;
    if (p[0] == 0xf0)
      low = 0x90;
    else if (p[0] == 0xf4)
      high = 0x8f;
  } else
    return 0;
  if (left < length || p[1] < low || p[1] > high)
    return 0;
  for (size_t i = 2; i < length; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  return length;
}

static uint8_t *put_text (uint8_t *out, const char *text, size_t size) {
  memcpy (out, text, size);
  return out + size;
}

/* One character that does not stand for itself. */
static const uint8_t *put_escaped (const uint8_t *from, const uint8_t *end, bool exact, uint8_t **out) {
  static const char HEX[] = "0123456789abcdef";
  uint8_t c = *from;
  if (c == '\r')
    *out = put_text (*out, "\\r", 2);
  else if (c == '\n')
    *out = put_text (*out, "\\n", 2);
  else if (c == '"')
    *out = put_text (*out, "\\\"", 2);
  else if (c == '\\')
    *out = put_text (*out, "\\\\", 2);
  else if (c < 0x80) {
    char text[6] = { '\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15] };
    *out = put_text (*out, text, 6);
  } else {
    size_t length = utf8_length (from, end);
    if (length == 0) {
      char text[6] = { '\\', 'u', 'd', 'c', HEX[c >> 4], HEX[c & 15] };
      *out = put_text (*out, exact ? text : "\\ufffd", 6);
    }
    else if (length == 3 && from[0] == 0xe2 && from[1] == 0x80 && (from[2] == 0xa8 || from[2] == 0xa9))
      *out = put_text (*out, from[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    else
      *out = put_text (*out, (const char *) from, length);
    return from + (length == 0 ? 1 : length);
  }
  return from + 1;
}

/* One entry: up to and with the newline, or up to `end`. */
static const uint8_t *put_entry (struct jsonlog_stream *s, const uint8_t *from, const uint8_t *end, uint64_t now_ns,
                                 uint8_t **out) {
  bool end_of_line = false;
  *out = put_text (*out, PREFIX, PREFIX_BYTES);
  while (from < end) {
    from = copy_plain (from, end, out);
    if (from == end)
      break;
    if (*from == '\n') {
      from++;
      end_of_line = true;
      break;
    }
    from = put_escaped (from, end, s->exact, out);
  }
  if (!s->continued)
    s->line_ns = now_ns;
  set_tail_time (s, s->line_ns);
  s->continued = !end_of_line;
  *out = put_tail (*out, s, end_of_line);
  return from;
}

size_t jsonlog_format (struct jsonlog_stream *s, const uint8_t *data, size_t size, bool at_end, uint64_t now_ns,
                       uint8_t **out, const uint8_t *limit) {
  const uint8_t *from = data, *end = data + size;
  const uint8_t *newline = memrchr (data, '\n', size);
  const uint8_t *complete = at_end ? end : newline != NULL ? newline + 1 : data;
  while (*out <= limit && from < end) {
    const uint8_t *part_end = end - from > JSONLOG_PART_BYTES ? from + JSONLOG_PART_BYTES : end;
    if (from >= complete && part_end - from < JSONLOG_PART_BYTES)
      break;
    from = put_entry (s, from, part_end, now_ns, out);
  }
  return (size_t) (from - data);
}

uint64_t jsonlog_count_raw (const uint8_t *entries, size_t size) {
  uint64_t raw = 0;
  const uint8_t *p = entries, *end = entries + size;
  while (p < end) {
    for (p += PREFIX_BYTES; p < end && *p != '"'; raw++) {
      if (*p != '\\')
        p++;
      else if (end - p >= 6 && p[1] == 'u') {
        if (memcmp (p + 2, "202", 3) == 0) /* the two separators: three bytes of UTF-8 each */
          raw += 2;
        p += 6;
      } else
        p += 2;
    }
    const uint8_t *newline = p < end ? memchr (p, '\n', (size_t) (end - p)) : NULL;
    p = newline != NULL ? newline + 1 : end;
  }
  return raw;
}
