/* gantry-shim: one static program, several roles. */
#include <stdio.h>
#include <string.h>

#include "roles.h"

static const struct {
  const char *name;
  int (*main) (int argc, char **argv);
} roles[] = {
  { "shim", shim_main },
  { "tree", tree_main },
  { "oci", oci_main },
  { "forward", forward_main },
};

int main (int argc, char **argv) {
  for (size_t i = 0; argc > 1 && i < sizeof roles / sizeof *roles; i++)
    if (strcmp (argv[1], roles[i].name) == 0)
      return roles[i].main (argc - 1, argv + 1);
  fputs ("usage: gantry-shim shim|tree|oci|forward ...\n", stderr);
  return 2;
}
