/* Names from archives: cleaning before use, escaping before print. */
#ifndef GANTRY_TREE_PATH_H
#define GANTRY_TREE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define TREE_MAX_DEPTH 1000

struct clean_path {
  size_t depth;  /* components; 0 = the root itself, the path is "" */
  bool escaped;  /* a ".." wanted to leave a relative path's start; it was dropped */
};

/* Cleans in place, by text alone: no leading, trailing or double slashes, no ".", and ".." takes the component before
   it away. "/.." is "/", as everywhere. */
struct clean_path path_clean (char *path);

/* Writes `name` printable and without quotes, backslashes or control characters, cut to fit `size` with "..." at the
   end. Returns `to`. */
char *path_escape (char *to, size_t size, const char *name);

/* The last component; the parent is path[0 .. result - path - 1), empty for the root. */
char *path_base (char *path);

#endif
