/* The unit tests' frame: a test is `TEST ("subject does what") { ... CHECK (condition); }`, run by `run_tests`. */
#ifndef GANTRY_CHECK_H
#define GANTRY_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
  const char *name;
  void (*body) (void);
  struct test *next;
};

static struct test *check_first;
__attribute__ ((unused)) static struct test **check_last = &check_first;
static int check_failures;
static const char *check_skipped;

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2 (a, b)

#define TEST(title) TEST_AT (title, __COUNTER__)
#define TEST_AT(title, n)                                                                                              \
  static void CHECK_JOIN (body_, n) (void);                                                                            \
  static struct test CHECK_JOIN (test_, n) = { title, CHECK_JOIN (body_, n), NULL };                                   \
  __attribute__ ((constructor)) static void CHECK_JOIN (add_, n) (void) {                                              \
    *check_last = &CHECK_JOIN (test_, n);                                                                              \
    check_last = &CHECK_JOIN (test_, n).next;                                                                          \
  }                                                                                                                    \
  static void CHECK_JOIN (body_, n) (void)

/* Fails the test and leaves it. */
#define CHECK(condition)                                                                                               \
  do                                                                                                                   \
    if (!(condition)) {                                                                                                \
      printf ("    %s:%d: %s\n", __FILE__, __LINE__, #condition);                                                      \
      check_failures++;                                                                                                \
      return;                                                                                                          \
    }                                                                                                                  \
  while (0)

#define CHECK_TEXT(actual, expected)                                                                                   \
  do {                                                                                                                 \
    const char *check_actual = (actual), *check_expected = (expected);                                                 \
    if (strcmp (check_actual, check_expected) != 0) {                                                                  \
      printf ("    %s:%d: got      \"%s\"\n    expected \"%s\"\n", __FILE__, __LINE__, check_actual, check_expected); \
      check_failures++;                                                                                                \
      return;                                                                                                          \
    }                                                                                                                  \
  } while (0)

#define SKIP(reason)                                                                                                   \
  do {                                                                                                                 \
    check_skipped = (reason);                                                                                          \
    return;                                                                                                            \
  } while (0)

/* With an argument: only the tests whose name contains it. */
static inline int run_tests (int argc, char **argv) {
  int failed = 0, passed = 0, skipped = 0;

  for (struct test *t = check_first; t != NULL; t = t->next) {
    if (argc > 1 && strstr (t->name, argv[1]) == NULL)
      continue;
    int before = check_failures;
    check_skipped = NULL;
    fflush (stdout);
    t->body ();
    if (check_failures != before) {
      printf ("  FAIL %s\n", t->name);
      failed++;
    } else if (check_skipped != NULL) {
      printf ("  skip %s: %s\n", t->name, check_skipped);
      skipped++;
    } else
      passed++;
  }
  printf ("  %d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed == 0 ? 0 : 1;
}

#endif
