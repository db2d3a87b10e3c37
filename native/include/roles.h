/* The roles of gantry-shim: `gantry-shim ROLE ...`. argv[0] is the role's name; the result is the exit status. */
#ifndef GANTRY_ROLES_H
#define GANTRY_ROLES_H

int shim_main (int argc, char **argv);
int tree_main (int argc, char **argv);
int oci_main (int argc, char **argv);
int forward_main (int argc, char **argv);

#endif
