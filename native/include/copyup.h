/* What is at a mount's target, copied into the filesystem that will cover it. */
#ifndef GANTRY_COPYUP_H
#define GANTRY_COPYUP_H

struct err;
struct init;

/* Copies the content of the directory `from` into `to`, the root of a filesystem that is not attached yet; both O_PATH.
   Files keep owner, mode, times, extended attributes and holes, but what is linked twice becomes two files. The mode and
   owner of `to` itself stay as they were mounted. An error names `path` and what is below it. Changes the working
   directory. */
int copy_up (struct init *in, int from, int to, const char *path, struct err *e);

#endif
