#include "tree_number.h"

static bool base256 (const uint8_t *field, size_t size, int64_t *value) {
  bool negative = (field[0] & 0x40) != 0;
  uint8_t invert = negative ? 0xff : 0;
  uint64_t sum = 0;

  for (size_t i = 0; i < size; i++) {
    uint8_t c = (uint8_t) (field[i] ^ invert);
    if (i == 0)
      c &= 0x3f;
    if (sum >> 55 != 0)
      return false;
    sum = sum << 8 | c;
  }
  *value = negative ? -(int64_t) sum - 1 : (int64_t) sum;
  return true;
}

bool tar_field (const uint8_t *field, size_t size, int64_t *value) {
  if ((field[0] & 0x80) != 0)
    return base256 (field, size, value);

  size_t i = 0;
  uint64_t sum = 0;
  while (i < size && (field[i] == ' ' || field[i] == 0))
    i++;
  for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
    sum = sum << 3 | (uint64_t) (field[i] - '0'); /* at most 12 digits: 36 bits */
  for (; i < size && field[i] != 0; i++)
    if (field[i] != ' ')
      return false;
  *value = (int64_t) sum;
  return true;
}

bool tar_decimal (const char *text, const char *end, uint64_t *value) {
  uint64_t sum = 0;
  if (text == end)
    return false;
  for (; text < end; text++) {
    if (*text < '0' || *text > '9')
      return false;
    if (__builtin_mul_overflow (sum, 10u, &sum) || __builtin_add_overflow (sum, (uint64_t) (*text - '0'), &sum))
      return false;
  }
  *value = sum;
  return true;
}

bool tar_time (const char *text, const char *end, struct timespec *value) {
  bool negative = text < end && *text == '-';
  if (negative)
    text++;

  const char *point = text;
  while (point < end && *point != '.')
    point++;
  uint64_t seconds;
  if (!tar_decimal (text, point, &seconds) || seconds > INT64_MAX / 2)
    return false;

  long nanoseconds = 0, unit = 100000000;
  for (const char *digit = point + 1; digit < end; digit++, unit /= 10) {
    if (*digit < '0' || *digit > '9')
      return false;
    nanoseconds += (*digit - '0') * unit;
  }
  value->tv_sec = negative ? -(time_t) seconds : (time_t) seconds;
  value->tv_nsec = nanoseconds;
  if (negative && nanoseconds > 0) {
    value->tv_sec--;
    value->tv_nsec = 1000000000 - nanoseconds;
  }
  return true;
}
