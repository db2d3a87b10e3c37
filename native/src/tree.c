/* The role `tree`: work inside directory trees whose content nobody vouches for.
 *
 *     gantry-shim tree apply [--base] DIR < layer.tar
 *
 * applies an uncompressed layer below DIR. For an overlayfs layer directory whiteouts become overlayfs's own; with --base,
 * for a complete tree, they delete. Success: {"sizeBytes":N,"inodes":N} on stdout. Failure: one line on stderr, and exit
 * status 1 when the archive is at fault, 2 when this host is (disk full, wrong usage); DIR is left half-done. */
#include "err.h"
#include "roles.h"
#include "tree_apply.h"
#include "tree_input.h"
#include "tree_path.h"
#include "tree_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OF_ARCHIVE = 1, OF_HOST = 2 };

/* What an entry's name, links and numbers can provoke; everything else is the host's. */
static bool is_archives_fault (int code) {
  switch (code) {
  case 0:
  case ENAMETOOLONG:
  case ENOTDIR:
  case ENOENT:
  case ELOOP:
  case EXDEV:
  case EINVAL:
  case EFBIG:
  case ERANGE:
  case E2BIG:
  case EMLINK:
  case EEXIST:
    return true;
  default:
    return false;
  }
}

static int report (const struct apply_result *result, const struct err *e) {
  char name[300];
  char line[sizeof name + sizeof e->text + 200];
  int used;

  if (result != NULL && result->in_entry)
    used = snprintf (line, sizeof line, "tree: entry \"%s\": ", path_escape (name, sizeof name, result->name));
  else if (result != NULL && result->position > 0)
    used = snprintf (line, sizeof line, "tree: header at byte %llu: ", (unsigned long long) result->position);
  else
    used = snprintf (line, sizeof line, "tree: ");
  used += snprintf (line + used, sizeof line - (size_t) used, "%s%s%s\n", e->text, e->code == 0 ? "" : ": ",
                    e->code == 0 ? "" : strerror (e->code));
  if (write (STDERR_FILENO, line, (size_t) used) < 0)
    return OF_HOST;
  return result != NULL && is_archives_fault (e->code) ? OF_ARCHIVE : OF_HOST;
}

static int apply (const char *path, bool overlay) {
  struct err e = { 0 };
  struct input in;
  struct apply_result result;

  umask (0);
  int root = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) {
    err_set (&e, errno, "cannot open the directory \"%.200s\"", path);
    return report (NULL, &e);
  }
  if (input_open (&in, STDIN_FILENO, &e) < 0 || tree_sandbox (root, overlay, &e) < 0)
    return report (NULL, &e);
  if (tree_apply (root, overlay, &in, &result, &e) < 0)
    return report (&result, &e);

  char line[96];
  int used = snprintf (line, sizeof line, "{\"sizeBytes\":%lld,\"inodes\":%lld}\n", (long long) result.usage.bytes,
                       (long long) result.usage.inodes);
  if (write (STDOUT_FILENO, line, (size_t) used) != used)
    return OF_HOST;
  return 0;
}

int tree_main (int argc, char **argv) {
  if (argc == 3 && strcmp (argv[1], "apply") == 0)
    return apply (argv[2], true);
  if (argc == 4 && strcmp (argv[1], "apply") == 0 && strcmp (argv[2], "--base") == 0)
    return apply (argv[3], false);
  fputs ("usage: gantry-shim tree apply [--base] DIR < layer.tar\n", stderr);
  return OF_HOST;
}
