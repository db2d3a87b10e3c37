/* The role `tree`: work inside directory trees whose content nobody vouches for.
 *
 *     gantry-shim tree apply [--base] DIR < layer.tar
 *     gantry-shim tree image DIR < layer.tar
 *     gantry-shim tree shift UID_MAP GID_MAP FROM TO
 *     gantry-shim tree copy FROM TO
 *     gantry-shim tree merge LAYER TO
 *     gantry-shim tree try-image FILE
 *     gantry-shim tree subvolume create|delete PATH
 *     gantry-shim tree subvolume snapshot FROM TO
 *     gantry-shim tree export [OPTION...] TREE > root.tar
 *     gantry-shim tree layer [OPTION...] TREE -- BEFORE > layer.tar
 *     gantry-shim tree changes [OPTION...] TREE -- BEFORE
 *     gantry-shim tree look VIEW -- PATH
 *     gantry-shim tree take [--ids UID_MAP GID_MAP] VIEW -- PATH NAME > files.tar
 *     gantry-shim tree match VIEW -- PATTERN
 *     gantry-shim tree put [--ids UID_MAP GID_MAP] [--keep-kinds] VIEW -- PATH < files.tar
 *     gantry-shim tree send PATH NAME > files.tar
 *     gantry-shim tree receive [--owners] DIR [FROM TO] < files.tar
 *     gantry-shim tree mount SOURCE TARGET LAYER...
 *     gantry-shim tree unmount TARGET
 *     gantry-shim tree fill UID_MAP GID_MAP PATH VOLUME TREE
 *     gantry-shim tree attach FSTYPE SOURCE TARGET ATTR_SET ATTR_CLR PROPAGATION [OPTION...]
 *
 * `apply` applies an uncompressed layer below DIR. For an overlayfs layer directory whiteouts become overlayfs's own; with
 * --base, for a complete tree, they delete. `image` makes the new file DIR/layer.erofs of it, an image of what `apply` would make of
 * an empty directory. `shift` copies the tree FROM into the empty directory TO of the same file system
 * with all ids mapped (tree_shift.h), `copy` as they are; `merge` puts an overlayfs layer into the tree TO. `try-image` mounts
 * an image, nowhere.
 *
 * `export`, `layer` and `changes` read: they write TREE, or how it differs from BEFORE, to stdout (tree_diff.h). TREE is
 * "plain DIR", "overlay LAYER...", topmost first, or, with a BEFORE, "upper DIR"; BEFORE may be "nothing". A layer that is a
 * file is an EROFS image. Options: "--ids UID_MAP GID_MAP", from ids on the disk to those to write, and "--mountpoint PATH".
 * `look`, `take`, `match` and `put` work in a container's files (VIEW: tree_container.h): what a path is, an archive of it, the
 * paths that match a pattern, an archive unpacked there. look, take and put first answer what PATH is (tree_copy.c). `send` and
 * `receive` are their counterparts for files of whoever calls, with no more rights than he has; `send` answers first, too.
 *
 * `mount` attaches a read-only overlay of layers to a directory, `unmount` detaches it (tree_mount.h). `fill` copies what the
 * image TREE has at PATH into the directory VOLUME, if that is empty (tree_fill.h); empty maps leave ids as they are. `attach`
 * mounts a file system of the host's (tree_attach.h); numbers are decimal.
 *
 * Success: {"sizeBytes":N,"inodes":N} on stdout, of `fill` with a "found" in front. Failure: one line on stderr, and exit status 1 when the archive or the tree
 * is at fault, 2 when this host is (disk full, wrong usage); the directory is left half-done. */
#include "btrfs.h"
#include "erofs_apply.h"
#include "erofs_mount.h"
#include "err.h"
#include "fds.h"
#include "roles.h"
#include "tree_apply.h"
#include "tree_copy.h"
#include "tree_attach.h"
#include "tree_diff.h"
#include "tree_fill.h"
#include "tree_input.h"
#include "tree_mount.h"
#include "tree_path.h"
#include "tree_reading.h"
#include "tree_sandbox.h"
#include "tree_shift.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_NAME "layer.erofs"

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

static int report_usage (const struct tree_usage *u) {
  char line[96];
  int used = snprintf (line, sizeof line, "{\"sizeBytes\":%lld,\"inodes\":%lld}\n", (long long) u->bytes,
                       (long long) u->inodes);
  return write (STDOUT_FILENO, line, (size_t) used) == used ? 0 : OF_HOST;
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
  uint64_t needed = overlay ? TREE_OVERLAY_CAPABILITIES : TREE_FILE_CAPABILITIES;
  if (input_open (&in, STDIN_FILENO, &e) < 0 || tree_sandbox (root, needed, &e) < 0)
    return report (NULL, &e);
  if (tree_apply (root, overlay, &in, &result, &e) < 0)
    return report (&result, &e);

  return report_usage (&result.usage);
}

/* The image is all that this process can write, and all that it makes. */
static int make_image (const char *path) {
  struct err e = { 0 };
  struct input in;
  struct apply_result result;

  auto_fd root = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto_fd image = root < 0 ? -1 : openat (root, IMAGE_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (image < 0) {
    err_set (&e, errno, "cannot make an image in \"%.200s\"", path);
    return report (NULL, &e);
  }
  if (input_open (&in, STDIN_FILENO, &e) < 0 || tree_sandbox (root, 0, &e) < 0)
    return report (NULL, &e);
  if (erofs_apply (image, &in, &result, &e) < 0)
    return report (&result, &e);

  return report_usage (&result.usage);
}

/* An id without a place is the tree's fault, and so is what cannot be said in an archive, or is too long to be named. */
static int report_path (const char *path, const struct err *e) {
  char name[300], line[sizeof name + sizeof e->text + 200];
  int used = snprintf (line, sizeof line, "tree: ");
  if (path[0] != 0)
    used += snprintf (line + used, sizeof line - (size_t) used, "\"%s\": ", path_escape (name, sizeof name, path));
  used += snprintf (line + used, sizeof line - (size_t) used, "%s%s%s\n", e->text, e->code == 0 ? "" : ": ",
                    e->code == 0 ? "" : strerror (e->code));
  if (write (STDERR_FILENO, line, (size_t) used) < 0)
    return OF_HOST;
  return e->code == EINVAL || e->code == ENAMETOOLONG || e->code == 0 ? OF_ARCHIVE : OF_HOST;
}

/* Two descriptors for each directory on the way down. */
static void raise_descriptor_limit (void) {
  struct rlimit limit;
  if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
  }
}

typedef int copier (int from, int to, const struct shift_maps *maps, struct tree_usage *u, char *name, struct err *e);

static int copy (copier *copy_tree, const struct shift_maps *maps, const char *from_path, const char *to_path) {
  char name[TREE_NAME_BYTES];
  struct tree_usage usage;
  struct err e = { 0 };

  umask (0);
  raise_descriptor_limit ();
  auto_fd from = open (from_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto_fd to = open (to_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (from < 0 || to < 0) {
    err_set (&e, errno, "cannot open the directory");
    return report_path (from < 0 ? from_path : to_path, &e);
  }
  if (copy_tree (from, to, maps, &usage, name, &e) < 0)
    return report_path (name[0] == '\0' ? "." : name, &e);
  return report_usage (&usage);
}

static int try_image (const char *path) {
  struct err e = { 0 };
  auto_fd mount = erofs_mount (path, &e);
  return mount < 0 ? report (NULL, &e) : 0;
}

static int subvolume (const char *verb, const char *path, const char *to) {
  struct err e = { 0 };
  int done = to != NULL                      ? btrfs_snapshot (path, to, &e)
             : strcmp (verb, "create") == 0 ? btrfs_create (path, &e)
                                             : btrfs_delete (path, &e);
  return done < 0 ? report (NULL, &e) : 0;
}

static bool is_subvolume_command (int argc, char **argv) {
  if (argc < 4 || strcmp (argv[1], "subvolume") != 0)
    return false;
  return argc == 5 ? strcmp (argv[2], "snapshot") == 0
                   : argc == 4 && (strcmp (argv[2], "create") == 0 || strcmp (argv[2], "delete") == 0);
}

static int usage (void) {
  fputs ("usage: gantry-shim tree apply [--base] DIR < layer.tar\n"
         "       gantry-shim tree image DIR < layer.tar\n"
         "       gantry-shim tree shift UID_MAP GID_MAP FROM TO\n"
         "       gantry-shim tree copy FROM TO\n"
         "       gantry-shim tree merge LAYER TO\n"
         "       gantry-shim tree try-image FILE\n"
         "       gantry-shim tree subvolume create|delete PATH\n"
         "       gantry-shim tree subvolume snapshot FROM TO\n"
         "       gantry-shim tree export [OPTION...] TREE\n"
         "       gantry-shim tree {layer|changes} [OPTION...] TREE -- BEFORE\n"
         "       gantry-shim tree look VIEW -- PATH\n"
         "       gantry-shim tree take [--ids UID_MAP GID_MAP] VIEW -- PATH NAME\n"
         "       gantry-shim tree match VIEW -- PATTERN\n"
         "       gantry-shim tree put [--ids UID_MAP GID_MAP] [--keep-kinds] VIEW -- PATH < files.tar\n"
         "       gantry-shim tree send PATH NAME\n"
         "       gantry-shim tree receive [--owners] DIR [FROM TO] < files.tar\n"
         "       gantry-shim tree mount SOURCE TARGET LAYER...\n"
         "       gantry-shim tree unmount TARGET\n"
         "       gantry-shim tree fill UID_MAP GID_MAP PATH VOLUME TREE\n"
         "       gantry-shim tree attach FSTYPE SOURCE TARGET ATTR_SET ATTR_CLR PROPAGATION [OPTION...]\n"
         "TREE: plain DIR | overlay LAYER... | upper DIR; BEFORE: also nothing\n"
         "OPTION: --ids UID_MAP GID_MAP | --mountpoint PATH\n",
         stderr);
  return OF_HOST;
}

static int read_trees (int argc, char **argv) {
  char name[TREE_PATH_BYTES];
  struct err e = { 0 };
  raise_descriptor_limit ();
  int result = tree_read (argc, argv, name, &e);
  return result > 0 ? usage () : result < 0 ? report_path (name, &e) : 0;
}

static int copy_files (int argc, char **argv) {
  static struct apply_result result;
  char name[TREE_PATH_BYTES];
  struct err e = { 0 };
  raise_descriptor_limit ();
  int done = tree_copy (argc, argv, name, &result, &e);
  if (done != -1)
    return done == 0 ? 0 : usage ();
  bool reads = strcmp (argv[0], "put") == 0 || strcmp (argv[0], "receive") == 0;
  return reads ? report (&result, &e) : report_path (name, &e);
}

static bool is_copy_command (const char *word) {
  static const char *const COMMANDS[] = { "look", "take", "match", "put", "send", "receive" };
  for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
    if (strcmp (word, COMMANDS[i]) == 0)
      return true;
  return false;
}

static int fill (char **argv, int count) {
  static const char *const words[] = {
    [FILL_NOTHING] = "nothing", [FILL_DIRECTORY] = "directory", [FILL_OTHER] = "other", [FILL_FULL] = "full"
  };
  struct shift_maps maps = { argv[0], argv[1] };
  char name[TREE_NAME_BYTES], line[160];
  enum fill_found found;
  struct tree_usage usage;
  struct err e = { 0 };

  umask (0);
  raise_descriptor_limit ();
  bool mapped = maps.uid[0] != 0;
  if (tree_fill (argv[2], argv[3], argv + 4, count - 4, mapped ? &maps : NULL, &found, &usage, name, &e) < 0)
    return report_path (name, &e);
  int used = snprintf (line, sizeof line, "{\"found\":\"%s\",\"sizeBytes\":%lld,\"inodes\":%lld}\n", words[found],
                       (long long) usage.bytes, (long long) usage.inodes);
  return write (STDOUT_FILENO, line, (size_t) used) == used ? 0 : OF_HOST;
}

/* What is in the way of a mount is for the user to move. */
static int report_mount (int result, const struct err *e) {
  if (result == 0)
    return 0;
  report_path ("", e);
  return e->code == EBUSY || e->code == ENOENT || e->code == ENOTDIR ? OF_ARCHIVE : OF_HOST;
}

/* Whatever the user wished to be mounted and cannot be is his to know, not this host's failure. */
static int attach (char **argv, int count) {
  struct attach_wish w = { argv[0],
                           argv[1],
                           argv[2],
                           strtoull (argv[3], NULL, 10),
                           strtoull (argv[4], NULL, 10),
                           strtoull (argv[5], NULL, 10),
                           (const char *const *) argv + 6,
                           (size_t) count - 6 };
  struct err e = { 0 };
  if (tree_attach (&w, &e) == 0)
    return 0;
  report_path ("", &e);
  return OF_ARCHIVE;
}

int tree_main (int argc, char **argv) {
  struct err e = { 0 };
  if (argc > 6 && strcmp (argv[1], "fill") == 0)
    return fill (argv + 2, argc - 2);
  if (argc > 7 && strcmp (argv[1], "attach") == 0)
    return attach (argv + 2, argc - 2);
  if (argc == 3 && strcmp (argv[1], "apply") == 0)
    return apply (argv[2], true);
  if (argc == 4 && strcmp (argv[1], "apply") == 0 && strcmp (argv[2], "--base") == 0)
    return apply (argv[3], false);
  if (argc == 3 && strcmp (argv[1], "image") == 0)
    return make_image (argv[2]);
  if (argc == 6 && strcmp (argv[1], "shift") == 0)
    return copy (tree_shift, &(struct shift_maps){ argv[2], argv[3] }, argv[4], argv[5]);
  if (argc == 4 && strcmp (argv[1], "copy") == 0)
    return copy (tree_shift, NULL, argv[2], argv[3]);
  if (argc == 4 && strcmp (argv[1], "merge") == 0)
    return copy (tree_merge, NULL, argv[2], argv[3]);
  if (argc == 3 && strcmp (argv[1], "try-image") == 0)
    return try_image (argv[2]);
  if (is_subvolume_command (argc, argv))
    return subvolume (argv[2], argv[3], argv[4]);
  if (argc > 1 && (strcmp (argv[1], "export") == 0 || strcmp (argv[1], "layer") == 0 || strcmp (argv[1], "changes") == 0))
    return read_trees (argc - 1, argv + 1);
  if (argc > 1 && is_copy_command (argv[1]))
    return copy_files (argc - 1, argv + 1);
  if (argc > 4 && strcmp (argv[1], "mount") == 0)
    return report_mount (tree_mount (argv[2], argv[3], (const char *const *) argv + 4, (size_t) argc - 4, &e), &e);
  if (argc == 3 && strcmp (argv[1], "unmount") == 0)
    return report_mount (tree_unmount (argv[2], &e), &e);
  return usage ();
}
