/* The log's format, compared with a second, slow implementation and with the C library's calendar. */
#include "check.h"
#include "jsonlog.h"

#include <time.h>

#define DATA_MAX 70000
#define OUT_MAX (8 * DATA_MAX)

/* One entry's text the slow way: byte by byte, as the header says. */
static size_t slow_text (const uint8_t *p, const uint8_t *end, char *out) {
  char *at = out;
  while (p < end) {
    size_t length = 1;
    if (*p >= 0x80) {
      uint32_t code = 0;
      size_t want = *p >= 0xf0 && *p <= 0xf7 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 0;
      bool valid = want != 0 && *p <= 0xf7 && (size_t) (end - p) >= want;
      if (valid) {
        code = *p & (0xffu >> (want + 1));
        for (size_t i = 1; i < want; i++) {
          valid = valid && (p[i] & 0xc0) == 0x80;
          code = code << 6 | (p[i] & 0x3fu);
        }
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        valid = valid && code >= least[want] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
      }
      if (!valid)
        at += sprintf (at, "\\ufffd");
      else if (code == 0x2028 || code == 0x2029)
        at += sprintf (at, "\\u%x", code);
      else
        at += sprintf (at, "%.*s", (int) want, (const char *) p);
      length = valid ? want : 1;
    } else if (*p == '"' || *p == '\\')
      at += sprintf (at, "\\%c", *p);
    else if (*p == '\r')
      at += sprintf (at, "\\r");
    else if (*p < 0x20 || *p == '<' || *p == '>' || *p == '&')
      at += sprintf (at, "\\u%04x", *p);
    else
      *at++ = (char) *p;
    p += length;
  }
  return (size_t) (at - out);
}

static size_t slow_format (const uint8_t *data, size_t size, char *out) {
  static const char tail[] = "\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00.000000001Z\"}\n";
  char *at = out;
  for (const uint8_t *p = data, *end = data + size; p < end;) {
    const uint8_t *part_end = end - p > JSONLOG_PART_BYTES ? p + JSONLOG_PART_BYTES : end;
    const uint8_t *newline = memchr (p, '\n', (size_t) (part_end - p));
    const uint8_t *text_end = newline != NULL ? newline : part_end;
    at = stpcpy (at, "{\"log\":\"");
    at += slow_text (p, text_end, at);
    at = stpcpy (stpcpy (at, newline != NULL ? "\\n" : ""), tail);
    p = newline != NULL ? newline + 1 : part_end;
  }
  return (size_t) (at - out);
}

static uint8_t data[DATA_MAX + JSONLOG_SLACK], fast[OUT_MAX];
static char slow[OUT_MAX];

static size_t format_all (struct jsonlog_stream *s, const uint8_t *from, size_t size, bool at_end, uint64_t ns,
                          size_t *used) {
  uint8_t *at = fast;
  *used = jsonlog_format (s, from, size, at_end, ns, &at, fast + OUT_MAX - JSONLOG_ENTRY_MAX (200) - JSONLOG_SLACK);
  return (size_t) (at - fast);
}

/* Mostly plain, so that runs of every length around the vectors' size come up. */
static uint8_t random_byte (void) {
  static const uint8_t special[] = {
    '\n', '\r', '"',  '\\', '<',  '>',  '&',  0,    0x1f, 0x7f, 0x80, 0xc3, 0xa9, 0xe2,
    0x80, 0xa8, 0xa9, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xf4, 0x90, 0xff, 0xc0, 0xe0, '\t'
  };
  long r = random ();
  return r % 12 == 0 ? special[(r >> 8) % (long) sizeof special] : (uint8_t) (' ' + (r >> 8) % 95);
}

TEST ("jsonlog_format writes what a slow implementation writes, for random bytes") {
  struct jsonlog_stream s;
  CHECK (jsonlog_init (&s, "stdout", "", false));
  srandom (1);
  for (int round = 0; round < 3000; round++) {
    size_t size = (size_t) random () % (round % 100 == 0 ? DATA_MAX : 300), used;
    bool has_lines = round % 7 != 0;
    for (size_t i = 0; i < size; i++)
      do
        data[i] = random_byte ();
      while (!has_lines && data[i] == '\n');
    s.continued = false;
    size_t bytes = format_all (&s, data, size, true, 1, &used);
    CHECK (used == size);
    CHECK (bytes == slow_format (data, size, slow));
    CHECK (memcmp (fast, slow, bytes) == 0);
    CHECK (jsonlog_count_raw (fast, bytes) == size);
  }
  jsonlog_release (&s);
}

TEST ("jsonlog_format leaves the bytes of a line that is not complete") {
  struct jsonlog_stream s;
  size_t used;
  CHECK (jsonlog_init (&s, "stderr", "", false));
  memcpy (data, "one\ntwo", 7);
  CHECK (format_all (&s, data, 7, false, 0, &used) > 0);
  CHECK (used == 4);
  CHECK (format_all (&s, data + 4, 3, false, 0, &used) == 0);
  CHECK (used == 0);
  jsonlog_release (&s);
}

TEST ("jsonlog_format gives all parts of a line the time of its first part, however they arrive") {
  struct jsonlog_stream s;
  size_t used;
  CHECK (jsonlog_init (&s, "stdout", "", false));
  memset (data, 'x', JSONLOG_PART_BYTES);
  CHECK (format_all (&s, data, JSONLOG_PART_BYTES, false, 1000000000, &used) > JSONLOG_PART_BYTES);
  CHECK (used == JSONLOG_PART_BYTES);
  data[0] = '\n';
  data[1] = '\n';
  fast[format_all (&s, data, 2, false, 2000000000, &used)] = 0;
  CHECK_TEXT ((char *) fast, "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01Z\"}\n"
                             "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:02Z\"}\n");
  jsonlog_release (&s);
}

TEST ("an exact log's halves of surrogate pairs count as the one byte that each stands for") {
  struct jsonlog_stream s;
  size_t used;
  CHECK (jsonlog_init (&s, "stdout", "", true));
  memcpy (data, "a\xff\xed\xb2\x80\n", 6);
  size_t size = format_all (&s, data, 6, false, 0, &used);
  fast[size] = 0;
  CHECK_TEXT ((char *) fast, "{\"log\":\"a\\udcff\\udced\\udcb2\\udc80\\n\",\"stream\":\"stdout\","
                             "\"time\":\"1970-01-01T00:00:00Z\"}\n");
  CHECK (jsonlog_count_raw (fast, size) == 6);
  jsonlog_release (&s);
}

TEST ("jsonlog_format stops behind its limit and goes on from there") {
  struct jsonlog_stream s;
  CHECK (jsonlog_init (&s, "stdout", "{\"a\":\"b\"}", false));
  memcpy (data, "1\n2\n3\n", 6);
  uint8_t *at = fast;
  CHECK (jsonlog_format (&s, data, 6, false, 5, &at, fast) == 2);
  CHECK (jsonlog_format (&s, data + 2, 4, false, 5, &at, at) == 2);
  *at = 0;
  CHECK_TEXT (
      (char *) fast,
      "{\"log\":\"1\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"1970-01-01T00:00:00.000000005Z\"}\n"
      "{\"log\":\"2\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"1970-01-01T00:00:00.000000005Z\"}\n");
  CHECK ((size_t) (at - fast) / 2 < jsonlog_tail_max ("{\"a\":\"b\"}") + 16);
  jsonlog_release (&s);
}

TEST ("an entry's time is the calendar's, its fraction without trailing zeros") {
  struct jsonlog_stream s;
  size_t used;
  CHECK (jsonlog_init (&s, "stdout", "", false));
  data[0] = '\n';
  srandom (2);
  for (int round = 0; round < 20000; round++) {
    /* Up to the year 2500; every 400th on a day's border. */
    time_t seconds = (time_t) (((uint64_t) random () << 20 ^ (uint64_t) random ()) % 16725225600u);
    if (round % 400 == 0)
      seconds -= seconds % 86400;
    uint32_t fraction = (uint32_t) random () % 1000000000u;
    static const uint32_t steps[] = { 1, 10, 1000, 1000000, 100000000, 1000000000 };
    fraction -= fraction % steps[round % 6];
    struct tm date;
    char expected[100], digits[16] = "";
    gmtime_r (&seconds, &date);
    if (fraction != 0) {
      size_t length = (size_t) sprintf (digits, ".%09u", fraction);
      while (digits[length - 1] == '0')
        digits[--length] = 0;
    }
    size_t length = (size_t) sprintf (expected, "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"");
    length += strftime (expected + length, sizeof expected - length, "%Y-%m-%dT%H:%M:%S", &date);
    sprintf (expected + length, "%sZ\"}\n", digits);
    fast[format_all (&s, data, 1, false, (uint64_t) seconds * 1000000000u + fraction, &used)] = 0;
    CHECK_TEXT ((char *) fast, expected);
  }
  jsonlog_release (&s);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
