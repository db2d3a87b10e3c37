#include "tree_path.h"

#include <stdio.h>
#include <string.h>

struct clean_path path_clean (char *path) {
  struct clean_path result = { 0 };
  const bool absolute = path[0] == '/';
  char *out = path; /* always after the last finished component, without its slash */

  for (const char *in = path; *in != 0;) {
    size_t length = strcspn (in, "/");
    if (length == 2 && in[0] == '.' && in[1] == '.') {
      if (result.depth == 0) {
        result.escaped = result.escaped || !absolute;
      } else {
        while (out > path && out[-1] != '/')
          out--;
        if (out > path)
          out--;
        result.depth--;
      }
    } else if (length > 0 && !(length == 1 && in[0] == '.')) {
      if (result.depth > 0)
        *out++ = '/';
      memmove (out, in, length);
      out += length;
      result.depth++;
    }
    in += length;
    if (*in == '/')
      in++;
  }
  *out = 0;
  return result;
}

char *path_escape (char *to, size_t size, const char *name) {
  size_t used = 0;
  for (; *name != 0; name++) {
    unsigned char c = (unsigned char) *name;
    bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
    if (used + 4 + 4 > size) { /* room for one escape, and then for "..." */
      memcpy (to + used, "...", 3);
      used += 3;
      break;
    }
    if (plain)
      to[used++] = (char) c;
    else
      used += (size_t) snprintf (to + used, size - used, "\\x%02x", c);
  }
  to[used] = 0;
  return to;
}

char *path_base (char *path) {
  char *slash = strrchr (path, '/');
  return slash == NULL ? path : slash + 1;
}
