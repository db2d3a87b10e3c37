#include "tree_copy.h"

#include "err.h"
#include "fds.h"
#include "tree_container.h"
#include "tree_diff.h"
#include "tree_ids.h"
#include "tree_input.h"
#include "tree_match.h"
#include "tree_open.h"
#include "tree_output.h"
#include "tree_resolve.h"
#include "tree_sandbox.h"
#include "tree_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { INSIDE = OPEN_ACROSS | OPEN_NO_KERNEL };

struct request {
  bool has_ids, keeps_kinds;
  struct shift_maps ids;
};

static bool is (const char *word, const char *name) {
  return strcmp (word, name) == 0;
}

/* The options that are not the view's, in front of it; the number of their words. */
static int take_options (struct request *r, int argc, char **argv) {
  int used = 0;
  for (;; used++) {
    if (used + 2 < argc && is (argv[used], "--ids")) {
      r->has_ids = true;
      r->ids = (struct shift_maps){ argv[used + 1], argv[used + 2] };
      used += 2;
    } else if (used < argc && is (argv[used], "--keep-kinds")) {
      r->keeps_kinds = true;
    } else {
      return used;
    }
  }
}

/* ---- the answer in front ---- */

/* "found MODE BYTES SECONDS NANOSECONDS rw|ro|ro-root\0TARGET\0": what a path is; TARGET is where a link leads. */
static int say_found (struct output *o, const struct stat *st, const char *access, const char *target, struct err *e) {
  char line[128];
  int size = snprintf (line, sizeof line, "found %o %lld %lld %ld %s", st->st_mode, (long long) st->st_size,
                       (long long) st->st_mtim.tv_sec, st->st_mtim.tv_nsec, access);
  if (output_write (o, line, (size_t) size + 1, e) < 0)
    return -1;
  return output_write (o, target, strlen (target) + 1, e);
}

/* "missing ERRNO\0\0": there is nothing of that name, and why. */
static int say_missing (struct output *o, int code, struct err *e) {
  char line[32] = { 0 };
  int size = snprintf (line, sizeof line, "missing %d", code);
  return output_write (o, line, (size_t) size + 2, e) < 0 ? -1 : output_flush (o, e);
}

/* ---- out of a tree ---- */

/* All but directories are said from the directory that holds them. */
static int pack_entry (int root, const char *path, struct tree_pair *p, struct output *o, char *name, struct err *e) {
  char directory[TREE_PATH_BYTES];
  const char *slash = strrchr (path, '/');
  snprintf (directory, sizeof directory, "%.*s", (int) (slash - path), path);
  int parent = open_in_root (root, directory, O_RDONLY | O_DIRECTORY | p->how);
  if (parent < 0)
    return err_set (e, -parent, "cannot open the directory that it is in");
  auto_fd held = parent;
  p->now = held;
  return tree_pack_entry (p, slash + 1, o, name, e);
}

/* `path` is absolute; `base` what it is called in the archive, NULL = no archive. */
static int answer (int root, int how, const char *path, const char *base, const struct request *r, struct output *o,
                   char *name, struct err *e) {
  char target[TREE_PATH_BYTES] = { 0 };
  struct stat st;
  int opened = open_in_root (root, path, O_PATH | O_NOFOLLOW | how);
  if (opened < 0)
    return say_missing (o, -opened, e);
  auto_fd fd = opened;
  if (fstat (fd, &st) < 0)
    return err_set (e, errno, "cannot look at it");
  if (S_ISLNK (st.st_mode) && resolve_link (root, how, path, target, e) < 0)
    return -1;
  if (say_found (o, &st, "-", target, e) < 0)
    return -1;
  if (base == NULL)
    return output_flush (o, e);

  struct tree_pair p = { .before = -1, .ids = r->has_ids ? &r->ids : NULL, .how = how, .base = base };
  if (!S_ISDIR (st.st_mode))
    return pack_entry (root, path, &p, o, name, e);
  auto_fd directory = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return err_set (e, errno, "cannot open it");
  p.now = directory;
  return tree_pack (&p, o, name, e);
}

/* look VIEW -- PATH; take VIEW -- PATH BASE; match VIEW -- PATTERN */
static int read_container (int argc, char **argv, char *name, struct err *e) {
  struct request r = { 0 };
  struct output o;
  int used, options = take_options (&r, argc - 1, argv + 1);
  char **view = argv + 1 + options;
  int count = argc - 1 - options;

  if (output_open (&o, STDOUT_FILENO, e) < 0)
    return -1;
  auto_fd root = container_open (count, view, false, &used, e);
  int words = count - used;
  bool takes = is (argv[0], "take"), is_usage = root == -2 || words != (takes ? 2 : 1) || view[used][0] != '/';
  if (is_usage)
    return 1;
  if (root < 0 || tree_sandbox_reader (root, false, e) < 0)
    return -1;
  const char *path = view[used], *base = takes ? view[used + 1] : NULL;
  int result = is (argv[0], "match") ? tree_match (root, INSIDE, path, &o, e)
                                     : answer (root, INSIDE, path, base, &r, &o, name, e);
  output_close (&o);
  return result;
}

/* ---- into a container ---- */

static const char *access_of (int root, int fd) {
  struct statvfs fs;
  struct statx whole, here;
  if (fstatvfs (fd, &fs) < 0 || (fs.f_flag & ST_RDONLY) == 0)
    return "rw";
  bool is_roots = statx (root, "", AT_EMPTY_PATH, STATX_MNT_ID, &whole) == 0 &&
                  statx (fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) == 0 && whole.stx_mnt_id == here.stx_mnt_id;
  return is_roots ? "ro-root" : "ro";
}

/* Whoever reads the answer sends nothing when he does not like it. */
static int unpack_into (int root, const char *path, const struct request *r, struct output *o,
                        struct apply_result *result, struct err *e) {
  struct stat st;
  struct input in;
  struct unpack u = {
    .below = path + 1, .shown = path, .how = INSIDE, .keeps_kinds = r->keeps_kinds, .ids = r->has_ids ? &r->ids : NULL,
  };
  int opened = open_in_root (root, path, O_PATH | INSIDE);
  if (opened < 0)
    return say_missing (o, -opened, e);
  auto_fd fd = opened;
  if (fstat (fd, &st) < 0)
    return err_set (e, errno, "cannot look at it");
  if (say_found (o, &st, access_of (root, fd), "", e) < 0 || output_flush (o, e) < 0)
    return -1;
  if (!S_ISDIR (st.st_mode))
    return 0;
  if (input_open (&in, STDIN_FILENO, e) < 0)
    return -1;
  int done = tree_unpack (root, &u, &in, result, e);
  input_close (&in);
  return done;
}

/* What is made through a mapped mount has to be somebody's there: the host's root is nobody. Capabilities that leaving
   user 0 takes from the effective set come back with those that the sandbox leaves. */
static int act_as_root_of (const struct shift_maps *ids, struct err *e) {
  uid_t uid = 0;
  gid_t gid = 0;
  if (ids_shift_owner (ids, &uid, &gid, e) < 0)
    return -1;
  setfsgid (gid);
  setfsuid (uid);
  return 0;
}

/* put [--ids UID_MAP GID_MAP] [--keep-kinds] VIEW -- PATH; PATH is absolute and clean. */
static int write_container (int argc, char **argv, struct apply_result *result, struct err *e) {
  struct request r = { 0 };
  struct output o;
  int used, options = take_options (&r, argc - 1, argv + 1);
  char **view = argv + 1 + options;
  int count = argc - 1 - options;

  umask (0);
  if (output_open (&o, STDOUT_FILENO, e) < 0)
    return -1;
  auto_fd root = container_open (count, view, true, &used, e);
  if (root == -2 || count - used != 1 || view[used][0] != '/')
    return 1;
  if (root < 0 || (r.has_ids && act_as_root_of (&r.ids, e) < 0))
    return -1;
  if (tree_sandbox (root, TREE_FILE_CAPABILITIES, e) < 0)
    return -1;
  int done = unpack_into (root, view[used], &r, &o, result, e);
  output_close (&o);
  return done;
}

/* ---- on the side of who asks ---- */

/* send PATH BASE: a file or directory of this host's. */
static int send_path (const char *path, const char *base, char *name, struct err *e) {
  const struct request r = { 0 };
  struct output o;
  auto_fd root = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return err_set (e, errno, "cannot open \"/\"");
  if (output_open (&o, STDOUT_FILENO, e) < 0 || tree_sandbox_user (true, e) < 0)
    return -1;
  int result = answer (root, OPEN_ACROSS, path, base, &r, &o, name, e);
  output_close (&o);
  return result;
}

/* receive [--owners] DIRECTORY [FROM TO]: an interrupt is for who sends; here the archive just ends early, and no half
   of a file stays. */
static int receive (int argc, char **argv, struct apply_result *result, struct err *e) {
  struct input in;
  struct unpack u = { .below = "", .how = OPEN_ACROSS | OPEN_BENEATH, .keeps_kinds = true, .is_own = true };
  u.shown = argv[1 + is (argv[1], "--owners")];
  u.uid = geteuid ();
  u.gid = getegid ();
  u.keeps_owners = is (argv[1], "--owners");
  argv += u.keeps_owners;
  argc -= u.keeps_owners;
  if (argc == 4) {
    u.from = argv[2];
    u.to = argv[3];
  }
  if (argc != 2 && argc != 4)
    return 1;
  umask (0);
  signal (SIGINT, SIG_IGN);
  auto_fd root = open (argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return err_set (e, errno, "cannot open the directory \"%.200s\"", argv[1]);
  if (input_open (&in, STDIN_FILENO, e) < 0 || tree_sandbox_user (false, e) < 0)
    return -1;
  int done = tree_unpack (root, &u, &in, result, e);
  input_close (&in);
  return done;
}

int tree_copy (int argc, char **argv, char *name, struct apply_result *result, struct err *e) {
  name[0] = 0;
  memset (result, 0, sizeof *result);
  if (is (argv[0], "put"))
    return write_container (argc, argv, result, e);
  if (is (argv[0], "send"))
    return argc == 3 && argv[1][0] == '/' ? send_path (argv[1], argv[2], name, e) : 1;
  if (is (argv[0], "receive"))
    return argc >= 2 && argc <= 5 ? receive (argc, argv, result, e) : 1;
  return read_container (argc, argv, name, e);
}
