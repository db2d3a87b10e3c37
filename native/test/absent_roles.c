/* Stands in for roles whose sources are not in the tree, so that the others can be built and tested alone. The Makefile
   links it only when src/shim.c or src/tree.c is missing. */
#include <stdio.h>

#include "roles.h"

static int refuse (const char *role) {
  fprintf (stderr, "gantry-shim: built without the role \"%s\"\n", role);
  return 2;
}

__attribute__ ((weak)) int shim_main (int argc, char **argv) {
  (void) argc;
  return refuse (argv[0]);
}

__attribute__ ((weak)) int tree_main (int argc, char **argv) {
  (void) argc;
  return refuse (argv[0]);
}
