/* What is in a directory, in order. */
#ifndef GANTRY_TREE_NAMES_H
#define GANTRY_TREE_NAMES_H

#include <stddef.h>

struct err;

/* All zero is the empty list. */
struct names {
  char *bytes;         /* owned; the names, each with its NUL */
  const char **sorted; /* owned; by their bytes */
  size_t size;         /* what it takes */
  size_t count, at;    /* `at` is the reader's */
};

/* What all lists that are open at the same time may hold. */
enum { MAX_NAME_BYTES = 512 << 20 };

/* The names in `directory`, a readable descriptor that was not read yet, but "." and "..". Adds to *held what it took. */
int names_read (struct names *n, int directory, size_t *held, struct err *e);

/* Gives back what it took. */
void names_free (struct names *n, size_t *held);

/* The next name without taking it; NULL at the end. */
static inline const char *names_next (const struct names *n) {
  return n->at < n->count ? n->sorted[n->at] : NULL;
}

#endif
