/* Writes tar archives: the counterpart of tree_tar.h. POSIX ustar, with a PAX header in front of an entry only where
 * ustar cannot say something: long or non-ASCII names, owners above 2^21, sizes above 8 GiB, times with a fraction or out
 * of range, extended attributes. The same entries always give the same bytes: records are sorted, numbers have one spelling,
 * and nothing of the host or the moment gets in.
 */
#ifndef GANTRY_TREE_WRITE_H
#define GANTRY_TREE_WRITE_H

#include "tree_tar.h"

struct output;

/* The header of an entry. `name` is relative and clean; a directory's ends in a slash here, not there. `xattrs` are sorted.
   A file's body follows by output_copy, and then tar_write_padding. The access time is not written. */
int tar_write_header (struct output *o, const struct tar_entry *t, struct err *e);
int tar_write_padding (struct output *o, uint64_t size, struct err *e);

/* The mark at the end of the archive. */
int tar_write_end (struct output *o, struct err *e);

#endif
